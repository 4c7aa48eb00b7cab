//! Versions and specifiers of Python (PyPA, "Version specifiers"), as far as one distribution asks for another.

use patchline_scanner::version::Order;

/// Bytes of a requirement.
const LONGEST: usize = 4096;
/// Clauses of one.
const MOST_CLAUSES: usize = 50;

fn compare(a: &str, b: &str) -> std::cmp::Ordering {
    Order::Pep440.compare(a, b)
}

/// The numbers of a final version, or of a later build of one; none: it is a pre-release, or of an epoch or a machine of
/// its own.
pub(super) fn numbers(version: &str) -> Option<Vec<u64>> {
    let version = version.trim().trim_start_matches('v');
    let plain = version
        .split_once(".post")
        .map_or(Some(version), |(plain, post)| post.bytes().all(|b| b.is_ascii_digit()).then_some(plain))?;
    let number = |part: &str| {
        let digits = !part.is_empty() && part.len() <= 16 && part.bytes().all(|b| b.is_ascii_digit());
        digits.then(|| part.parse().ok()).flatten()
    };
    let all: Vec<u64> = plain.split('.').map(number).collect::<Option<_>>()?;
    (all.len() <= 10).then_some(all)
}

/// Whether a version stays within what its author has not announced to break: the same major number, and below 1 the
/// same minor one.
pub(super) fn is_compatible(from: &str, to: &str) -> bool {
    let (Some(old), Some(new)) = (numbers(from), numbers(to)) else { return false };
    let at = |all: &[u64], n: usize| all.get(n).copied().unwrap_or(0);
    at(&old, 0) == at(&new, 0) && (at(&old, 0) > 0 || at(&old, 1) == at(&new, 1))
}

/// What `Requires-Dist` says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Requirement {
    /// Normalised.
    pub(super) name: String,
    specifiers: String,
    /// It is asked for with an extra alone.
    pub(super) extra: bool,
    /// As written, without needless white space.
    pub(super) text: String,
}

impl Requirement {
    /// None: it is none that can be read.
    pub(super) fn read(text: &str) -> Option<Self> {
        if text.len() > LONGEST {
            return None;
        }
        let (wanted, marker) = text.split_once(';').map_or((text, ""), |(wanted, marker)| (wanted, marker));
        let wanted = wanted.trim();
        let is_name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
        let end = wanted.find(|c| !is_name(c)).unwrap_or(wanted.len());
        let (name, rest) = wanted.split_at(end);
        let rest = rest.trim_start();
        let rest = match rest.strip_prefix('[') {
            Some(extras) => extras.split_once(']')?.1.trim_start(),
            None => rest,
        };
        // An address is no range: nothing fits it.
        let specifiers = rest.trim_start_matches('(').trim_end_matches(')').trim();
        (!name.is_empty()).then(|| Self {
            name: normal(name),
            specifiers: specifiers.to_owned(),
            extra: marker.split_whitespace().any(|word| word.trim_start_matches('(') == "extra")
                || marker.contains("extra=="),
            text: text.split_whitespace().collect(),
        })
    }
    /// Whether a version fits.
    pub(super) fn takes(&self, version: &str) -> bool {
        takes(&self.specifiers, version)
    }
    /// The range, for people.
    pub(super) fn range(&self) -> &str {
        if self.specifiers.is_empty() { "any version" } else { &self.specifiers }
    }
}

/// Whether all clauses of `>=1,<2` take a version; what is no clause takes none.
pub(super) fn takes(specifiers: &str, version: &str) -> bool {
    let clauses: Vec<&str> =
        specifiers.split(',').map(str::trim).filter(|clause| !clause.is_empty()).collect();
    clauses.len() <= MOST_CLAUSES && clauses.iter().all(|clause| clause_takes(clause, version))
}

fn clause_takes(clause: &str, version: &str) -> bool {
    let end = clause.find(|c| !matches!(c, '<' | '>' | '=' | '!' | '~')).unwrap_or(clause.len());
    let (operator, bound) = clause.split_at(end);
    let bound = bound.trim();
    if bound.is_empty() {
        return false;
    }
    let begins = |prefix: &[u64]| {
        let all = numbers(version).unwrap_or_default();
        (0..prefix.len()).all(|at| all.get(at).copied().unwrap_or(0) == prefix[at])
    };
    let wild = bound.strip_suffix(".*").map(numbers);
    match (operator, wild) {
        ("==", Some(Some(prefix))) => begins(&prefix),
        ("!=", Some(Some(prefix))) => !begins(&prefix),
        (_, Some(_)) => false,
        ("==", None) => compare(version, bound).is_eq(),
        ("===", None) => version == bound,
        ("!=", None) => compare(version, bound).is_ne(),
        ("<=", None) => compare(version, bound).is_le(),
        (">=", None) => compare(version, bound).is_ge(),
        ("<", None) => compare(version, bound).is_lt(),
        // A later build of the same version is not above it.
        (">", None) => compare(version, bound).is_gt() && version.split(".post").next() != Some(bound),
        ("~=", None) => match numbers(bound) {
            Some(all) if all.len() > 1 => compare(version, bound).is_ge() && begins(&all[..all.len() - 1]),
            _ => false,
        },
        _ => false,
    }
}

/// PyPA, "Names and normalization".
pub(super) fn normal(name: &str) -> String {
    let mut out = String::with_capacity(name.len());
    for c in name.chars() {
        match c {
            '-' | '_' | '.' if out.ends_with('-') => {}
            '-' | '_' | '.' => out.push('-'),
            c => out.extend(c.to_lowercase()),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn specifiers_take_what_pip_takes() {
        for (text, takes, leaves) in [
            ("a", "1 0.1", ""),
            ("a>=1,<2", "1 1.9", "0.9 2"),
            ("a (>=1.0)", "1", "0.9"),
            ("a[x,y]~=1.4.2; python_version>'3'", "1.4.2 1.4.9", "1.5 1.4.1"),
            ("a~=1.4", "1.9", "2.0 1.3"),
            ("a==1.2.*", "1.2 1.2.9", "1.3"),
            ("a!=1.2.*", "1.3", "1.2.1"),
            ("a==1.2", "1.2.0", "1.2.1"),
            ("a>1.2", "1.3", "1.2 1.2.post1"),
            ("a===1.2", "1.2", "1.2.0"),
            ("a~=1", "", "1 2"),
            ("a @ https://a.example/a.whl", "", "1"),
            ("a>=", "", "1"),
        ] {
            let read = Requirement::read(text).unwrap_or_else(|| panic!("{text}"));
            assert_eq!(read.name, "a", "{text}");
            assert!(takes.split_whitespace().all(|version| read.takes(version)), "{text}");
            assert!(!leaves.split_whitespace().any(|version| read.takes(version)), "{text}");
        }
        assert!(Requirement::read(">=1").is_none());
        assert!(Requirement::read("A.b__c; extra == 'x'").is_some_and(|r| r.extra && r.name == "a-b-c"));
        assert!(!Requirement::read("a; python_version < '3'").is_some_and(|r| r.extra));
    }

    #[test]
    fn compatible_is_the_same_major_and_below_one_the_same_minor() {
        assert!(is_compatible("2.31.0", "2.32.4") && is_compatible("1", "1.0.post1"));
        assert!(
            !is_compatible("1.9", "2.0")
                && !is_compatible("0.4.1", "0.5.0")
                && is_compatible("0.4.1", "0.4.9")
        );
        assert!(
            !is_compatible("1.0", "1.1rc1")
                && !is_compatible("1.0", "1!1.1")
                && !is_compatible("1.0+local", "1.1")
        );
    }
}
