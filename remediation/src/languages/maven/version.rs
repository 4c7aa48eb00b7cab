//! What of two versions of an artifact is compatible. Maven has an order and no caret: the customary rule is that of
//! semantic versions, and what stands behind the numbers says for whom a version is (POM reference, "Version Order
//! Specification").

/// Words of a version that is no release yet: those of Maven's own, and some that people write.
const EARLY: [&str; 14] = [
    "alpha",
    "beta",
    "milestone",
    "rc",
    "cr",
    "snapshot",
    "pre",
    "preview",
    "ea",
    "dev",
    "eap",
    "incubating",
    "nightly",
    "canary",
];
/// The same where a digit follows at once.
const EARLY_BEFORE_DIGITS: [&str; 3] = ["a", "b", "m"];
/// Words of a release, or of a later build of one.
const RELEASE: [&str; 4] = ["ga", "final", "release", "sp"];
/// What follows them says which Java a version is for.
const JAVA: [&str; 3] = ["jre", "jdk", "java"];
/// Bytes of a version.
const LONGEST: usize = 256;

/// A version in its parts.
#[derive(Debug, PartialEq, Eq)]
struct Parts {
    numbers: Vec<u64>,
    /// In lower case; those that say no more than that it is a release are left out.
    words: Vec<String>,
    early: bool,
}

impl Parts {
    fn read(version: &str) -> Option<Self> {
        let known = |c: char| c.is_ascii_alphanumeric() || ".-_".contains(c);
        if version.len() > LONGEST || !version.chars().all(known) {
            return None;
        }
        let mut parts = Self { numbers: Vec::new(), words: Vec::new(), early: false };
        for piece in version.split(['.', '-', '_']) {
            let mut rest = piece;
            while !rest.is_empty() {
                let digits = rest.starts_with(|c: char| c.is_ascii_digit());
                let end = rest.find(|c: char| c.is_ascii_digit() != digits).unwrap_or(rest.len());
                let (run, more) = rest.split_at(end);
                rest = more;
                match (digits, parts.words.last_mut()) {
                    (true, None) => parts.numbers.push(run.parse().ok()?),
                    (true, Some(word)) if JAVA.contains(&word.as_str()) => word.push_str(run),
                    // A date, a build, a service pack.
                    (true, Some(_)) => {}
                    (false, _) => {
                        let word = run.to_ascii_lowercase();
                        let glued = EARLY_BEFORE_DIGITS.contains(&word.as_str()) && !more.is_empty();
                        parts.early |= EARLY.contains(&word.as_str()) || glued;
                        parts.words.push(word);
                    }
                }
            }
        }
        parts.words.retain(|word| !RELEASE.contains(&word.as_str()));
        (!parts.numbers.is_empty()).then_some(parts)
    }
}

/// Whether a version is a release with numbers.
pub(super) fn is_release(version: &str) -> bool {
    Parts::read(version).is_some_and(|parts| !parts.early)
}

/// Whether a version stays within what its author has not announced to break: the same major number, below 1 the same
/// minor one, and for the same platform (`-jre` is not `-android`, `.jre8` not `.jre11`).
pub(super) fn is_compatible(from: &str, to: &str) -> bool {
    let (Some(old), Some(new)) = (Parts::read(from), Parts::read(to)) else { return false };
    let at = |parts: &Parts, n: usize| parts.numbers.get(n).copied().unwrap_or(0);
    !old.early
        && !new.early
        && old.words == new.words
        && at(&old, 0) == at(&new, 0)
        && (at(&old, 0) > 0 || at(&old, 1) == at(&new, 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn compatible_is_the_same_major_and_the_same_platform() {
        for (from, to) in [
            ("1.2.0", "1.3"),
            ("0.4.1", "0.4.9"),
            ("4.1.60.Final", "4.1.118.Final"),
            ("5.3.20.RELEASE", "5.3.39"),
            ("31.1-jre", "31.2-jre"),
            ("42.2.5.jre7", "42.2.27.jre7"),
            ("9.4.43.v20210629", "9.4.57.v20241219"),
            ("3.0.0.SP1", "3.0.1.Final"),
            ("2.9.10.1", "2.9.10.8"),
        ] {
            assert!(is_compatible(from, to), "{from} {to}");
        }
        for (from, to) in [
            ("1.9", "2.0"),
            ("0.4.1", "0.5.0"),
            ("31.1-jre", "31.2-android"),
            ("31.1", "31.2-jre"),
            ("42.2.5.jre7", "42.2.27.jre8"),
            ("1.0", "1.1-rc1"),
            ("1.0", "1.1-M2"),
            ("1.0", "1.1b3"),
            ("1.0", "1.1-SNAPSHOT"),
            ("1.0-beta-1", "1.0-beta-2"),
            ("1.0", "1.0+build"),
            ("r09", "r10"),
            ("1.0", "1.99999999999999999999"),
        ] {
            assert!(!is_compatible(from, to), "{from} {to}");
        }
    }
}
