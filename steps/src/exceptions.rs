//! Named lists of what a gate leaves out of its rules: by whom, why, until when. They stand in the server's configuration.

use std::{collections::BTreeMap, fmt};

use globset::{GlobBuilder, GlobMatcher};
use jiff::{Timestamp, civil::Date, tz::TimeZone};
use serde::{Deserialize, Deserializer, de::Error as _};

/// Every list by its name.
#[derive(Debug, Clone, Default)]
pub struct Exceptions(BTreeMap<String, Vec<Exception>>);

impl Exceptions {
    /// From the configuration.
    pub fn new(by_name: BTreeMap<String, Vec<Exception>>) -> Self {
        Self(by_name)
    }
    /// A list by its name.
    pub(crate) fn list(&self, name: &str) -> Option<&[Exception]> {
        self.0.get(name).map(Vec::as_slice)
    }
    /// All names, sorted.
    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }
}

/// One entry. With `id` and `package` it holds for that vulnerability in that
/// package alone, with `package` alone for all that rules say of it.
#[derive(Debug, Clone)]
pub struct Exception {
    /// `CVE-…`, or another name of the vulnerability.
    pub(crate) id: Option<String>,
    /// Binary or source package, as a glob.
    pub(crate) package: Option<Package>,
    /// Globs over repositories, `!` excludes; none: all.
    pub(crate) repositories: Vec<String>,
    pub(crate) reason: String,
    pub(crate) owner: String,
    /// As written, and the first moment at which it no longer holds.
    pub(crate) expires: (String, Timestamp),
}

/// A package's name as a glob.
#[derive(Debug, Clone)]
pub(crate) struct Package {
    pub(crate) text: String,
    matcher: GlobMatcher,
}

impl Package {
    pub(crate) fn is_match(&self, name: &str) -> bool {
        self.matcher.is_match(name)
    }
}

impl Exception {
    /// Whether it holds for this repository now.
    pub(crate) fn holds(&self, repository: &str, now: Timestamp) -> bool {
        now < self.expires.1 && patchline_chains::glob::matches(&self.repositories, repository)
    }
}

impl fmt::Display for Exception {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.id, &self.package) {
            (Some(id), Some(package)) => write!(f, "{id} in {}", package.text),
            (Some(id), None) => f.write_str(id),
            (None, package) => f.write_str(package.as_ref().map_or("", |p| &p.text)),
        }
    }
}

/// As written.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct Raw {
    id: Option<Text>,
    package: Option<Glob>,
    #[serde(default)]
    scope: Scope,
    reason: Text,
    owner: Text,
    expires: Expiry,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
struct Scope {
    repositories: Vec<Glob>,
}

impl<'de> Deserialize<'de> for Exception {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let raw = Raw::deserialize(deserializer)?;
        if raw.id.is_none() && raw.package.is_none() {
            return Err(D::Error::custom("an exception names an `id`, a `package`, or both"));
        }
        let package = raw.package.map(|p| {
            // A package's name has no slash, and an exclusion would make the exception one of everything else.
            match p.0.starts_with('!') {
                true => Err(D::Error::custom("an exception's package is named, not excluded")),
                false => Ok(Package { matcher: build(&p.0).map_err(D::Error::custom)?, text: p.0 }),
            }
        });
        Ok(Self {
            id: raw.id.map(|id| id.0),
            package: package.transpose()?,
            repositories: raw.scope.repositories.into_iter().map(|g| g.0).collect(),
            reason: raw.reason.0,
            owner: raw.owner.0,
            expires: (raw.expires.text, raw.expires.end),
        })
    }
}

/// A text that says something.
struct Text(String);

impl<'de> Deserialize<'de> for Text {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        if text.trim().is_empty() { Err(D::Error::custom("nothing stands here")) } else { Ok(Self(text)) }
    }
}

struct Glob(String);

impl<'de> Deserialize<'de> for Glob {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Text::deserialize(deserializer)?.0;
        build(text.strip_prefix('!').unwrap_or(&text)).map_err(D::Error::custom)?;
        Ok(Self(text))
    }
}

fn build(glob: &str) -> Result<GlobMatcher, String> {
    let built = GlobBuilder::new(glob).literal_separator(true).backslash_escape(true).build();
    built.map(|g| g.compile_matcher()).map_err(|e| format!("`{glob}` is no glob: {}", e.kind()))
}

/// `2026-12-31`, which is still good on that day, or a moment with its offset, both as text.
struct Expiry {
    text: String,
    end: Timestamp,
}

impl<'de> Deserialize<'de> for Expiry {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let day = || {
            let next = text.parse::<Date>().ok()?.tomorrow().ok()?;
            Some(next.to_zoned(TimeZone::UTC).ok()?.timestamp())
        };
        // A date is tried first: a moment without its offset is nobody's.
        let end = if text.len() == 10 { day() } else { text.parse().ok() };
        let wrong =
            || D::Error::custom("`expires` is a day, `2026-12-31`, or a moment, `2026-12-31T12:00:00Z`");
        Ok(Self { end: end.ok_or_else(wrong)?, text })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn read(value: Value) -> Result<Exception, String> {
        serde_json::from_value(value).map_err(|e| e.to_string())
    }

    #[test]
    fn an_exception_holds_within_its_scope_until_its_day_is_over() {
        let exception = read(json!({"id": "CVE-1", "scope": {"repositories": ["shop/**", "!shop/pay"]},
            "reason": "not reachable", "owner": "web", "expires": "2026-12-31"}))
        .expect("an exception");
        let at = |text: &str| text.parse().expect("a moment");
        assert!(exception.holds("shop/web", at("2026-12-31T23:59:59Z")));
        assert!(!exception.holds("shop/web", at("2027-01-01T00:00:00Z")));
        assert!(!exception.holds("shop/pay", at("2026-01-01T00:00:00Z")));
        assert!(!exception.holds("other", at("2026-01-01T00:00:00Z")));
        let moment = read(
            json!({"package": "lib*", "reason": "r", "owner": "o", "expires": "2026-12-31T12:00:00+02:00"}),
        )
        .expect("an exception");
        assert!(moment.holds("any/thing", at("2026-12-31T09:59:59Z")));
        assert!(!moment.holds("any/thing", at("2026-12-31T10:00:00Z")));
        assert_eq!((exception.to_string(), moment.to_string()), ("CVE-1".into(), "lib*".into()));
    }

    #[test]
    fn what_is_not_whole_is_refused() {
        let whole = json!({"id": "CVE-1", "reason": "r", "owner": "o", "expires": "2026-12-31"});
        assert!(read(whole.clone()).is_ok());
        for (key, value, said) in [
            ("id", Value::Null, "names an `id`"),
            ("reason", Value::Null, "reason"),
            ("owner", json!(" "), "nothing stands here"),
            ("expires", json!("soon"), "is a day"),
            ("expires", json!("2026-02-30"), "is a day"),
            ("expires", json!("2026-12-31T12:00"), "is a day"),
            ("package", json!("a["), "is no glob"),
            ("package", json!("!a"), "named, not excluded"),
            ("scope", json!({"repositories": ["{a"]}), "is no glob"),
            ("scope", json!({"images": []}), "unknown field"),
            ("until", json!("2026-12-31"), "unknown field"),
        ] {
            let mut other = whole.clone();
            other[key] = value.clone();
            if value.is_null() {
                other.as_object_mut().expect("a map").remove(key);
            }
            let error = read(other).expect_err(key);
            assert!(error.contains(said), "{key}: {error}");
        }
    }
}
