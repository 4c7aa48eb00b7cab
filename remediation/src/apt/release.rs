//! The fields of a verified `Release` file (the repository format of the Debian wiki and apt).

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp, fmt::rfc2822};

use super::distribution::Distribution;
use crate::{Error, Result, deb::control};

/// What a release promises of one of its files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Promise {
    pub(crate) sha256: String,
    pub(crate) size: u64,
}

/// A release whose signature has been checked.
#[derive(Debug)]
pub(super) struct Release {
    pub(super) date: Timestamp,
    pub(super) by_hash: bool,
    /// Whether packages of no architecture stand in an index of their own alone, where there is one.
    pub(super) all_apart: bool,
    /// The parts that it says it has; none: it says nothing of them.
    components: Option<Vec<String>>,
    pub(super) files: BTreeMap<String, Promise>,
}

impl Release {
    /// Reads the signed text and holds it against what was asked for and the clock.
    pub(super) fn parse(
        distribution: Distribution,
        suite: &str,
        text: &str,
        now: Timestamp,
        allow_expired: bool,
    ) -> Result<Self> {
        let file = format!("InRelease of {suite}");
        let stanza = control::single(&file, text)?;
        let (codename, name) = (stanza.get("Codename"), stanza.get("Suite"));
        let names = match distribution {
            Distribution::Debian => [codename, name],
            // The codename of `jammy-security` is `jammy`, as that of the release itself: it tells them apart in nothing.
            Distribution::Ubuntu => [name.or(codename), None],
        };
        if !names.contains(&Some(suite)) {
            let named = names[0].or(names[1]).unwrap_or("nothing");
            return Err(another(suite, named));
        }
        Self::dated(&stanza, suite, now, allow_expired)
    }

    /// The same of a repository that an image names: `suite` must be one of the names that it gives itself, where it gives any;
    /// none: the repository is one folder, which has no name. `shown` is what it is called in errors.
    pub(super) fn of_image(
        shown: &str,
        suite: Option<&str>,
        text: &str,
        now: Timestamp,
        allow_expired: bool,
    ) -> Result<Self> {
        let file = format!("InRelease of {shown}");
        let stanza = control::single(&file, text)?;
        let names = [stanza.get("Suite"), stanza.get("Codename")];
        if let (Some(_), Some(named)) = (suite, names[0].or(names[1]))
            && !names.contains(&suite)
        {
            return Err(another(shown, named));
        }
        let release = Self::dated(&stanza, shown, now, allow_expired)?;
        match release.files.is_empty() {
            true => Err(Error::Untrusted {
                suite: shown.to_owned(),
                reason: "it promises no file by its SHA-256".to_owned(),
            }),
            false => Ok(release),
        }
    }

    /// What stands in it, held against the clock.
    fn dated(stanza: &control::Stanza<'_>, suite: &str, now: Timestamp, allow_expired: bool) -> Result<Self> {
        let file = format!("InRelease of {suite}");
        let untrusted = |reason: String| Error::Untrusted { suite: suite.to_owned(), reason };
        let time = |field: &str| -> Result<Option<Timestamp>> {
            stanza
                .get(field)
                .map(|value| timestamp(value).ok_or_else(|| untrusted(format!("{field} is no date"))))
                .transpose()
        };
        let date = time("Date")?.ok_or_else(|| untrusted("it has no Date".to_owned()))?;
        if date > now.saturating_add(SignedDuration::from_hours(24)).unwrap_or(now) {
            return Err(untrusted(format!("its Date {date} lies in the future")));
        }
        if let Some(until) = time("Valid-Until")?
            && until < now
            && !allow_expired
        {
            return Err(untrusted(format!("expired on {until}")));
        }
        let mut files = BTreeMap::new();
        for line in stanza.get("SHA256").unwrap_or_default().lines().filter(|line| !line.trim().is_empty()) {
            let mut words = line.split_whitespace();
            let (Some(sha256), Some(Ok(size)), Some(path), None) =
                (words.next(), words.next().map(str::parse), words.next(), words.next())
            else {
                return Err(Error::Malformed { file, reason: "a line of SHA256 is broken".to_owned() });
            };
            if !is_sha256(sha256) {
                return Err(Error::Malformed { file, reason: "a hash of SHA256 is none".to_owned() });
            }
            files.insert(path.to_owned(), Promise { sha256: sha256.to_owned(), size });
        }
        let components =
            stanza.get("Components").map(|words| words.split_whitespace().map(str::to_owned).collect());
        let by_hash = stanza.get("Acquire-By-Hash") == Some("yes");
        let all_apart = stanza.get("No-Support-for-Architecture-all") != Some("Packages");
        Ok(Self { date, by_hash, all_apart, components, files })
    }

    /// Whether it has a component, by its own word; where it says nothing, by what it promises.
    pub(super) fn lists(&self, component: &str) -> bool {
        match &self.components {
            Some(all) => all.iter().any(|one| one == component),
            None => self.files.keys().any(|path| path.split('/').next() == Some(component)),
        }
    }
}

fn another(suite: &str, named: &str) -> Error {
    let named: String = named.chars().take(80).collect();
    Error::Untrusted { suite: suite.to_owned(), reason: format!("it is the release of {named}") }
}

/// 64 lower-case hexadecimal digits: they become file names.
pub(crate) fn is_sha256(text: &str) -> bool {
    text.len() == 64 && text.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
}

/// `Sat, 10 Feb 2024 09:59:21 UTC`; archives also write `GMT` and `+0000`.
fn timestamp(text: &str) -> Option<Timestamp> {
    let text = text.trim();
    let text = match text.strip_suffix("UTC").or_else(|| text.strip_suffix('Z')) {
        Some(rest) => format!("{}+0000", rest),
        None => text.to_owned(),
    };
    rfc2822::DateTimeParser::new().parse_timestamp(&text).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(extra: &str) -> String {
        format!(
            "Origin: Debian\nSuite: oldstable\nCodename: bookworm\nDate: Sat, 10 Feb 2024 09:59:21 UTC\nAcquire-By-Hash: yes\n{extra}SHA256:\n {} 12 main/binary-amd64/Packages.xz\n",
            "a".repeat(64)
        )
    }

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    #[test]
    fn a_release_is_read() {
        let now = at("2024-02-11T00:00:00Z");
        let release = Release::parse(Distribution::Debian, "bookworm", &text(""), now, false).unwrap();
        assert_eq!(release.date, at("2024-02-10T09:59:21Z"));
        assert!(release.by_hash);
        assert_eq!(release.files["main/binary-amd64/Packages.xz"].size, 12);
        assert!(Release::parse(Distribution::Debian, "oldstable", &text(""), now, false).is_ok());
    }

    #[test]
    fn what_was_not_asked_for_is_refused() {
        let error =
            Release::parse(Distribution::Debian, "trixie", &text(""), at("2024-02-11T00:00:00Z"), false)
                .unwrap_err();
        assert!(error.to_string().contains("release of bookworm"), "{error}");
    }

    #[test]
    fn ubuntus_suites_share_a_codename() {
        let now = at("2024-02-11T00:00:00Z");
        let text = text("Components: main restricted universe\n")
            .replace("oldstable", "jammy-security")
            .replace("bookworm", "jammy");
        let parse = |suite| Release::parse(Distribution::Ubuntu, suite, &text, now, false);
        let release = parse("jammy-security").unwrap();
        assert!(release.lists("universe") && !release.lists("multiverse"));
        for other in ["jammy", "jammy-updates"] {
            let error = parse(other).unwrap_err();
            assert!(error.to_string().contains("release of jammy-security"), "{error}");
        }
        let silent = text.replace("Components: main restricted universe\n", "");
        let release = Release::parse(Distribution::Ubuntu, "jammy-security", &silent, now, false).unwrap();
        assert!(release.lists("main") && !release.lists("universe"));
    }

    #[test]
    fn a_repository_of_an_image_is_what_it_calls_itself() {
        let now = at("2024-02-11T00:00:00Z");
        let of = |suite, text: &str| Release::of_image("packages.example/x", suite, text, now, false);
        for suite in [Some("bookworm"), Some("oldstable"), None] {
            assert!(of(suite, &text("")).unwrap().all_apart);
        }
        let error = of(Some("trixie"), &text("")).unwrap_err();
        assert!(
            error.to_string().contains("packages.example/x of the repository cannot be trusted"),
            "{error}"
        );
        // One that gives itself no name is taken at its signature's word.
        let silent = text("").replace("Suite: oldstable\nCodename: bookworm\n", "");
        assert!(of(Some("anything"), &silent).is_ok());
        let until = text("Valid-Until: Sat, 10 Feb 2024 12:00:00 UTC\n");
        assert_eq!(of(None, &until).unwrap_err().code(), "repository-untrusted");
        assert!(Release::of_image("x", None, &until, now, true).is_ok());
        let early = text("").replace("Sat, 10 Feb 2024", "Mon, 12 Feb 2024");
        assert!(of(None, &early.replace("09:59", "23:59")).is_err(), "its Date lies in the future");
        let (head, _) = silent.split_once("SHA256:").unwrap();
        assert_eq!(of(None, head).unwrap_err().code(), "repository-untrusted");
        assert!(!of(None, &text("No-Support-for-Architecture-all: Packages\n")).unwrap().all_apart);
    }

    #[test]
    fn dates_are_enforced() {
        let until = text("Valid-Until: Sat, 17 Feb 2024 09:59:21 UTC\n");
        let parse =
            |now: &str, allow| Release::parse(Distribution::Debian, "bookworm", &until, at(now), allow);
        assert!(parse("2024-02-17T09:59:20Z", false).is_ok());
        assert_eq!(parse("2024-02-17T09:59:22Z", false).unwrap_err().code(), "repository-untrusted");
        assert!(parse("2024-02-17T09:59:22Z", true).is_ok());
        assert!(parse("2024-02-09T09:59:22Z", true).is_ok());
        assert!(parse("2024-02-09T09:59:20Z", true).is_err());
        assert!(
            Release::parse(
                Distribution::Debian,
                "bookworm",
                &text("").replace("Date: Sat", "Date: Some"),
                at("2024-02-11T00:00:00Z"),
                true
            )
            .is_err()
        );
    }

    #[test]
    fn broken_lists_are_refused() {
        let now = at("2024-02-11T00:00:00Z");
        for bad in [text("").replace(" 12 ", " x "), text("").replace("aaaa", "../.")] {
            assert_eq!(
                Release::parse(Distribution::Debian, "bookworm", &bad, now, false).unwrap_err().code(),
                "package-malformed"
            );
        }
    }
}
