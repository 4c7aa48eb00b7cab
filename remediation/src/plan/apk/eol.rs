//! Until when Alpine's branches get updates: data, as Alpine published it on its release pages up to June 2026.

use jiff::{Timestamp, civil::Date};
use patchline_scanner::Distro;

use crate::plan::EndOfLife;

/// Branch, and the first day without support.
const ENDS: &[(&str, &str)] = &[
    ("3.6", "2019-05-01"),
    ("3.7", "2019-11-01"),
    ("3.8", "2020-05-01"),
    ("3.9", "2020-11-01"),
    ("3.10", "2021-05-01"),
    ("3.11", "2021-11-01"),
    ("3.12", "2022-05-01"),
    ("3.13", "2022-11-01"),
    ("3.14", "2023-05-01"),
    ("3.15", "2023-11-01"),
    ("3.16", "2024-05-23"),
    ("3.17", "2024-11-22"),
    ("3.18", "2025-05-09"),
    ("3.19", "2025-11-01"),
    ("3.20", "2026-04-01"),
    ("3.21", "2026-11-01"),
    ("3.22", "2027-05-01"),
];

/// A branch that gets no updates any more.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Ended {
    branch: String,
    since: &'static str,
}

impl Ended {
    /// As plans name what has ended.
    pub(crate) fn told(&self) -> EndOfLife {
        EndOfLife {
            release: format!("Alpine {}", self.branch),
            since: self.since.to_owned(),
            long_term_until: None,
        }
    }
}

impl std::fmt::Display for Ended {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Alpine {} gets no updates since {}", self.branch, self.since)
    }
}

/// Whether a system's branch has ended; none: it has not, or nobody knows.
pub(crate) fn ended(distro: &Distro, now: Timestamp) -> Option<Ended> {
    if distro.id != "alpine" {
        return None;
    }
    let mut parts = distro.version_id.as_deref()?.split(['.', '_']);
    let branch = format!("{}.{}", parts.next()?, parts.next()?);
    let (_, since) = ENDS.iter().find(|(known, _)| *known == branch)?;
    let day: Date = since.parse().ok()?;
    (now.to_zoned(jiff::tz::TimeZone::UTC).date() >= day).then_some(Ended { branch, since })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_branch_ends_on_its_day() {
        let distro = |id: &str, version: &str| Distro {
            id: id.into(),
            version_id: Some(version.into()),
            codename: None,
            pretty_name: None,
        };
        let at = |text: &str| text.parse::<Timestamp>().unwrap();
        let ended_at = |version: &str, now: &str| ended(&distro("alpine", version), at(now)).is_some();
        assert!(!ended_at("3.19.1", "2025-10-31T23:59:59Z"));
        assert!(ended_at("3.19.1", "2025-11-01T00:00:00Z"));
        assert!(!ended_at("3.99", "2099-01-01T00:00:00Z"), "an unknown branch is not said to have ended");
        assert!(ended(&distro("wolfi", "3.19"), at("2026-01-01T00:00:00Z")).is_none());
        for (branch, _) in ENDS {
            assert!(ended_at(branch, "2040-01-01T00:00:00Z"), "{branch}");
        }
    }
}
