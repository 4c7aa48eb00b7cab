//! Until when releases of Debian, Ubuntu and Alpine get security updates: data, as Debian's distro-info-data (0.58+deb12u6) has it
//! and as Alpine published it, up to November 2026. What is not in these tables is said nothing of.

use std::fmt;

use jiff::{Timestamp, civil::Date, tz::TimeZone};
use patchline_scanner::Distro;
use serde::{Deserialize, Serialize};

use super::apk::eol as alpine;

/// Version, codename, the last day of regular security updates, and that of long-term support that is free for all.
type Release = (&'static str, &'static str, &'static str, &'static str);

const DEBIAN: &[Release] = &[
    ("6", "squeeze", "2014-05-31", "2016-02-29"),
    ("7", "wheezy", "2016-04-25", "2018-05-31"),
    ("8", "jessie", "2018-06-17", "2020-06-30"),
    ("9", "stretch", "2020-07-18", "2022-06-30"),
    ("10", "buster", "2022-09-10", "2024-06-30"),
    ("11", "bullseye", "2024-08-14", "2026-08-31"),
    ("12", "bookworm", "2026-07-11", "2028-06-30"),
    ("13", "trixie", "2028-08-09", "2030-06-30"),
];

/// Ubuntu's extended maintenance is for subscribers, so that it is not counted here.
const UBUNTU: &[Release] = &[
    ("12.04", "precise", "2017-04-28", "2017-04-28"),
    ("14.04", "trusty", "2019-04-25", "2019-04-25"),
    ("16.04", "xenial", "2021-04-30", "2021-04-30"),
    ("18.04", "bionic", "2023-05-31", "2023-05-31"),
    ("20.04", "focal", "2025-05-29", "2025-05-29"),
    ("22.04", "jammy", "2027-06-01", "2027-06-01"),
    ("22.10", "kinetic", "2023-07-20", "2023-07-20"),
    ("23.04", "lunar", "2024-01-25", "2024-01-25"),
    ("23.10", "mantic", "2024-07-11", "2024-07-11"),
    ("24.04", "noble", "2029-05-31", "2029-05-31"),
    ("24.10", "oracular", "2025-07-10", "2025-07-10"),
    ("25.04", "plucky", "2026-01-15", "2026-01-15"),
    ("25.10", "questing", "2026-07-09", "2026-07-09"),
    ("26.04", "resolute", "2031-05-29", "2031-05-29"),
];

/// A release whose regular security updates have ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EndOfLife {
    /// `Debian 11 (bullseye)`
    pub release: String,
    /// The first day without regular security updates, as `2024-08-15`.
    pub since: String,
    /// The last day of long-term support, where that goes on; none: there is no support at all.
    pub long_term_until: Option<String>,
}

impl EndOfLife {
    /// Whether nobody mends its packages any more.
    pub fn is_over(&self) -> bool {
        self.long_term_until.is_none()
    }
}

impl fmt::Display for EndOfLife {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { release, since, long_term_until } = self;
        match long_term_until {
            Some(until) => write!(f, "{release} has long-term support alone since {since}, until {until}"),
            None => write!(f, "{release} gets no security updates since {since}"),
        }
    }
}

/// Whether a release, by its codename, is known to get no updates any more.
pub(crate) fn is_over(id: &str, codename: &str, now: Timestamp) -> bool {
    let distro = Distro {
        id: id.to_owned(),
        version_id: None,
        codename: Some(codename.to_owned()),
        pretty_name: None,
    };
    ended(&distro, now).is_some_and(|end| end.is_over())
}

/// The codenames of a distribution's releases, by os-release's `ID`; Debian's and Ubuntu's alone are known.
pub(crate) fn codenames(id: &str) -> impl Iterator<Item = &'static str> {
    let table = match id {
        "debian" => DEBIAN,
        "ubuntu" => UBUNTU,
        _ => &[],
    };
    table.iter().map(|(_, codename, ..)| *codename)
}

/// What is known to have ended of a system; none: nothing has, or nobody knows.
pub(crate) fn ended(distro: &Distro, now: Timestamp) -> Option<EndOfLife> {
    let (name, table) = match distro.id.as_str() {
        "debian" => ("Debian", DEBIAN),
        "ubuntu" => ("Ubuntu", UBUNTU),
        _ => return alpine::ended(distro, now).map(|ended| ended.told()),
    };
    let version = distro.version_id.as_deref();
    let codename = distro.codename.as_deref();
    let (version, codename, regular, long_term) =
        table.iter().find(|(v, c, ..)| Some(*c) == codename || codename.is_none() && Some(*v) == version)?;
    let (regular, long_term): (Date, Date) = (regular.parse().ok()?, long_term.parse().ok()?);
    let today = now.to_zoned(TimeZone::UTC).date();
    if today <= regular {
        return None;
    }
    let over = today > long_term;
    let last = if over { long_term } else { regular };
    Some(EndOfLife {
        release: format!("{name} {version} ({codename})"),
        since: last.tomorrow().ok()?.to_string(),
        long_term_until: (!over).then(|| long_term.to_string()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn distro(id: &str, version: Option<&str>, codename: Option<&str>) -> Distro {
        Distro {
            id: id.into(),
            version_id: version.map(str::to_owned),
            codename: codename.map(str::to_owned),
            pretty_name: None,
        }
    }

    fn said(distro: &Distro, day: &str) -> Option<String> {
        ended(distro, format!("{day}T12:00:00Z").parse().unwrap()).map(|ended| ended.to_string())
    }

    #[test]
    fn a_release_ends_twice() {
        let bullseye = distro("debian", Some("11"), Some("bullseye"));
        assert_eq!(said(&bullseye, "2024-08-14"), None);
        assert_eq!(
            said(&bullseye, "2024-08-15").unwrap(),
            "Debian 11 (bullseye) has long-term support alone since 2024-08-15, until 2026-08-31"
        );
        assert_eq!(
            said(&bullseye, "2026-09-01").unwrap(),
            "Debian 11 (bullseye) gets no security updates since 2026-09-01"
        );
        let focal = distro("ubuntu", Some("20.04"), Some("focal"));
        assert_eq!(said(&focal, "2025-05-29"), None);
        assert_eq!(
            said(&focal, "2026-01-01").unwrap(),
            "Ubuntu 20.04 (focal) gets no security updates since 2025-05-30"
        );
        let now = |day: &str| format!("{day}T12:00:00Z").parse().unwrap();
        assert!(
            is_over("debian", "bullseye", now("2026-09-01"))
                && !is_over("debian", "bullseye", now("2026-08-31"))
        );
        assert!(!is_over("debian", "sid", now("2099-01-01")));
        assert!(said(&distro("debian", Some("9"), None), "2026-01-01").unwrap().contains("stretch"));
        assert!(said(&distro("alpine", Some("3.16.2"), None), "2026-01-01").unwrap().contains("Alpine 3.16"));
    }

    #[test]
    fn what_is_unknown_is_not_said_to_have_ended() {
        for (id, version, codename) in
            [("debian", Some("14"), Some("forky")), ("debian", None, None), ("fedora", Some("9"), None)]
        {
            assert_eq!(said(&distro(id, version, codename), "2099-01-01"), None, "{id} {version:?}");
        }
    }

    #[test]
    fn every_row_has_two_days_in_their_order() {
        for (version, codename, regular, long_term) in DEBIAN.iter().chain(UBUNTU) {
            let (regular, long_term): (Date, Date) = (regular.parse().unwrap(), long_term.parse().unwrap());
            assert!(regular <= long_term, "{version} {codename}");
        }
    }
}
