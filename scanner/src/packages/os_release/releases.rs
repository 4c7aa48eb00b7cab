//! Releases of distributions: the OSV ecosystem of each, and the last day of its security support.

use jiff::civil::{Date, date};

use crate::Distro;

/// The day on which the dates below were last held against what the distributions say.
pub const REVIEWED: Date = date(2026, 11, 22);

/// What a distribution's release is to us.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Release {
    /// Advisories hold: the OSV ecosystem, `Debian:12`.
    Supported(String),
    /// Advisories are of the past: the ecosystem, and why.
    Unsupported(String, String),
    /// No advisories at all: why.
    Unknown(String),
}

/// Distributions whose releases are numbered and supported alike.
struct Family {
    /// `ID` of os-release(5).
    ids: &'static [&'static str],
    name: &'static str,
    /// From `VERSION_ID` to the first column of `releases`.
    key: fn(&str) -> String,
    /// From that column to the ecosystem, as the OSV schema's "Defined Ecosystems" write it.
    ecosystem: fn(&str) -> String,
    releases: &'static [Line],
}

/// A release: its number, its codename (or nothing), and the last day on which everybody gets
/// security updates; none: it is not out yet.
type Line = (&'static str, &'static str, Option<Date>);

/// In ecosystems that OSV does not define (CentOS Stream, Fedora, Oracle Linux, Amazon Linux) the
/// form is OSV's and the name is ours. Red Hat's advisories name the repository, too
/// (`Red Hat:enterprise_linux:9::baseos`); os-release does not, so what stands here is the
/// beginning of several. CentOS Linux was built from the same sources, and its own advisories had
/// the same versions.
const FAMILIES: &[Family] = &[
    Family {
        ids: &["debian"],
        name: "Debian",
        key: major,
        ecosystem: |key| format!("Debian:{key}"),
        releases: DEBIAN,
    },
    Family { ids: &["ubuntu"], name: "Ubuntu", key: minor, ecosystem: ubuntu, releases: UBUNTU },
    Family {
        ids: &["alpine"],
        name: "Alpine",
        key: minor,
        ecosystem: |key| format!("Alpine:v{key}"),
        releases: ALPINE,
    },
    Family {
        ids: &["almalinux"],
        name: "AlmaLinux",
        key: major,
        ecosystem: |key| format!("AlmaLinux:{key}"),
        releases: REBUILDS,
    },
    Family {
        ids: &["rocky"],
        name: "Rocky Linux",
        key: major,
        ecosystem: |key| format!("Rocky Linux:{key}"),
        releases: REBUILDS,
    },
    Family {
        ids: &["rhel"],
        name: "Red Hat Enterprise Linux",
        key: major,
        ecosystem: red_hat,
        releases: RHEL,
    },
    Family { ids: &["centos"], name: "CentOS", key: major, ecosystem: red_hat, releases: CENTOS },
    Family {
        ids: &["centos-stream"],
        name: "CentOS Stream",
        key: major,
        ecosystem: |key| format!("CentOS Stream:{key}"),
        releases: CENTOS_STREAM,
    },
    Family {
        ids: &["fedora"],
        name: "Fedora",
        key: major,
        ecosystem: |key| format!("Fedora:{key}"),
        releases: FEDORA,
    },
    Family {
        ids: &["ol"],
        name: "Oracle Linux",
        key: major,
        ecosystem: |key| format!("Oracle Linux:{key}"),
        releases: ORACLE,
    },
    Family {
        ids: &["amzn"],
        name: "Amazon Linux",
        key: amazon,
        ecosystem: |key| format!("Amazon Linux:{key}"),
        releases: AMAZON,
    },
    Family {
        ids: &["azurelinux", "mariner"],
        name: "Azure Linux",
        key: major,
        ecosystem: |key| format!("Azure Linux:{key}"),
        releases: AZURE,
    },
    Family {
        ids: &["photon"],
        name: "Photon OS",
        key: minor,
        ecosystem: |key| format!("Photon OS:{key}"),
        releases: PHOTON,
    },
    Family {
        ids: &["opensuse-leap", "opensuse"],
        name: "openSUSE Leap",
        key: minor,
        ecosystem: |key| format!("openSUSE:Leap {key}"),
        releases: LEAP,
    },
    Family {
        ids: &["sles"],
        name: "SUSE Linux Enterprise Server",
        key: minor,
        ecosystem: sles,
        releases: SLES,
    },
    Family {
        ids: &["sle-micro", "sle-micro-rancher"],
        name: "SUSE Linux Enterprise Micro",
        key: minor,
        ecosystem: |key| format!("SUSE:Linux Enterprise Micro {key}"),
        releases: SLE_MICRO,
    },
    Family {
        ids: &["sl-micro"],
        name: "SUSE Linux Micro",
        key: minor,
        ecosystem: |key| format!("SUSE:Linux Micro {key}"),
        releases: SL_MICRO,
    },
];

/// Distributions without releases: `ID` and ecosystem.
const ROLLING: [(&str, &str); 5] = [
    ("wolfi", "Wolfi"),
    ("chainguard", "Chainguard"),
    ("opensuse-tumbleweed", "openSUSE:Tumbleweed"),
    ("minimos", "MinimOS"),
    ("echo", "Echo"),
];

const fn until(year: i16, month: i8, day: i8) -> Option<Date> {
    Some(date(year, month, day))
}

/// Long-term support included, which is open to all; extended support, which is sold, not.
const DEBIAN: &[Line] = &[
    ("7", "wheezy", until(2018, 5, 31)),
    ("8", "jessie", until(2020, 6, 30)),
    ("9", "stretch", until(2022, 6, 30)),
    ("10", "buster", until(2024, 6, 30)),
    ("11", "bullseye", until(2026, 8, 31)),
    ("12", "bookworm", until(2028, 6, 30)),
    ("13", "trixie", until(2030, 6, 30)),
    ("14", "forky", None),
    ("15", "duke", None),
    ("sid", "sid", None),
    ("unstable", "unstable", None),
];

const UBUNTU: &[Line] = &[
    ("12.04", "precise", until(2017, 4, 28)),
    ("14.04", "trusty", until(2019, 4, 25)),
    ("16.04", "xenial", until(2021, 4, 30)),
    ("16.10", "yakkety", until(2017, 7, 20)),
    ("17.04", "zesty", until(2018, 1, 13)),
    ("17.10", "artful", until(2018, 7, 19)),
    ("18.04", "bionic", until(2023, 5, 31)),
    ("18.10", "cosmic", until(2019, 7, 18)),
    ("19.04", "disco", until(2020, 1, 23)),
    ("19.10", "eoan", until(2020, 7, 17)),
    ("20.04", "focal", until(2025, 5, 29)),
    ("20.10", "groovy", until(2021, 7, 22)),
    ("21.04", "hirsute", until(2022, 1, 20)),
    ("21.10", "impish", until(2022, 7, 14)),
    ("22.04", "jammy", until(2027, 6, 1)),
    ("22.10", "kinetic", until(2023, 7, 20)),
    ("23.04", "lunar", until(2024, 1, 25)),
    ("23.10", "mantic", until(2024, 7, 11)),
    ("24.04", "noble", until(2029, 5, 31)),
    ("24.10", "oracular", until(2025, 7, 10)),
    ("25.04", "plucky", until(2026, 1, 15)),
    ("25.10", "questing", until(2026, 7, 9)),
    ("26.04", "resolute", until(2031, 5, 29)),
];

const ALPINE: &[Line] = &[
    ("3.2", "", until(2017, 5, 1)),
    ("3.3", "", until(2017, 11, 1)),
    ("3.4", "", until(2018, 5, 1)),
    ("3.5", "", until(2018, 11, 1)),
    ("3.6", "", until(2019, 5, 1)),
    ("3.7", "", until(2019, 11, 1)),
    ("3.8", "", until(2020, 5, 1)),
    ("3.9", "", until(2020, 11, 1)),
    ("3.10", "", until(2021, 5, 1)),
    ("3.11", "", until(2021, 11, 1)),
    ("3.12", "", until(2022, 5, 1)),
    ("3.13", "", until(2022, 11, 1)),
    ("3.14", "", until(2023, 5, 1)),
    ("3.15", "", until(2023, 11, 1)),
    ("3.16", "", until(2024, 5, 23)),
    ("3.17", "", until(2024, 11, 22)),
    ("3.18", "", until(2025, 5, 9)),
    ("3.19", "", until(2025, 11, 1)),
    ("3.20", "", until(2026, 4, 1)),
    ("3.21", "", until(2026, 11, 1)),
    ("3.22", "", until(2027, 5, 1)),
    ("3.23", "", until(2027, 11, 1)),
    ("3.24", "", until(2028, 5, 1)),
];

const REBUILDS: &[Line] =
    &[("8", "", until(2029, 5, 31)), ("9", "", until(2032, 5, 31)), ("10", "", until(2035, 5, 31))];

const RHEL: &[Line] = &[
    ("5", "", until(2017, 3, 31)),
    ("6", "", until(2020, 11, 30)),
    ("7", "", until(2024, 6, 30)),
    ("8", "", until(2029, 5, 31)),
    ("9", "", until(2032, 5, 31)),
    ("10", "", until(2035, 5, 31)),
];

const CENTOS: &[Line] = &[
    ("5", "", until(2017, 3, 31)),
    ("6", "", until(2020, 11, 30)),
    ("7", "", until(2024, 6, 30)),
    ("8", "", until(2021, 12, 31)),
];

const CENTOS_STREAM: &[Line] =
    &[("8", "", until(2024, 5, 31)), ("9", "", until(2027, 5, 31)), ("10", "", until(2030, 1, 1))];

const FEDORA: &[Line] = &[
    ("34", "", until(2022, 6, 7)),
    ("35", "", until(2022, 12, 13)),
    ("36", "", until(2023, 5, 16)),
    ("37", "", until(2023, 12, 5)),
    ("38", "", until(2024, 5, 21)),
    ("39", "", until(2024, 11, 26)),
    ("40", "", until(2025, 5, 13)),
    ("41", "", until(2025, 12, 15)),
    ("42", "", until(2026, 5, 13)),
    ("43", "", until(2026, 12, 2)),
    ("44", "", until(2027, 5, 19)),
];

const ORACLE: &[Line] = &[
    ("5", "", until(2017, 6, 30)),
    ("6", "", until(2021, 3, 31)),
    ("7", "", until(2024, 12, 31)),
    ("8", "", until(2029, 7, 31)),
    ("9", "", until(2032, 6, 30)),
    ("10", "", until(2035, 6, 30)),
];

const AMAZON: &[Line] =
    &[("1", "", until(2023, 12, 31)), ("2", "", until(2026, 6, 30)), ("2023", "", until(2029, 6, 30))];

const AZURE: &[Line] =
    &[("1", "", until(2023, 7, 31)), ("2", "", until(2025, 7, 31)), ("3", "", until(2027, 7, 31))];

const PHOTON: &[Line] = &[
    ("1.0", "", until(2022, 2, 28)),
    ("2.0", "", until(2022, 12, 31)),
    ("3.0", "", until(2024, 3, 1)),
    ("4.0", "", until(2026, 3, 1)),
    ("5.0", "", until(2028, 5, 1)),
];

const LEAP: &[Line] = &[
    ("42.1", "", until(2017, 5, 17)),
    ("42.2", "", until(2018, 1, 26)),
    ("42.3", "", until(2019, 6, 30)),
    ("15.0", "", until(2019, 12, 3)),
    ("15.1", "", until(2021, 2, 2)),
    ("15.2", "", until(2022, 1, 4)),
    ("15.3", "", until(2022, 12, 31)),
    ("15.4", "", until(2023, 12, 7)),
    ("15.5", "", until(2024, 12, 31)),
    ("15.6", "", until(2026, 4, 30)),
    ("16.0", "", until(2027, 10, 31)),
];

/// General support; what is sold beyond it is not counted.
const SLES: &[Line] = &[
    ("11.4", "", until(2019, 3, 31)),
    ("12", "", until(2016, 6, 30)),
    ("12.1", "", until(2017, 5, 31)),
    ("12.2", "", until(2018, 3, 31)),
    ("12.3", "", until(2019, 6, 30)),
    ("12.4", "", until(2020, 6, 30)),
    ("12.5", "", until(2024, 10, 31)),
    ("15", "", until(2019, 12, 31)),
    ("15.1", "", until(2021, 1, 31)),
    ("15.2", "", until(2021, 12, 31)),
    ("15.3", "", until(2022, 12, 31)),
    ("15.4", "", until(2023, 12, 31)),
    ("15.5", "", until(2024, 12, 31)),
    ("15.6", "", until(2025, 12, 31)),
    ("15.7", "", until(2031, 7, 31)),
    ("16.0", "", until(2027, 11, 30)),
];

const SLE_MICRO: &[Line] = &[
    ("5.1", "", until(2025, 10, 31)),
    ("5.2", "", until(2026, 4, 30)),
    ("5.3", "", until(2026, 10, 31)),
    ("5.4", "", until(2027, 4, 30)),
    ("5.5", "", until(2027, 10, 31)),
];

const SL_MICRO: &[Line] = &[("6.0", "", until(2028, 6, 30)), ("6.1", "", until(2028, 11, 30))];

fn major(version: &str) -> String {
    version.split('.').next().unwrap_or(version).to_owned()
}

/// `15.2` of `15.2.1`, and `15` of `15`.
fn minor(version: &str) -> String {
    version.splitn(3, '.').take(2).collect::<Vec<_>>().join(".")
}

/// The first Amazon Linux was numbered by years and months, as `2018.03`.
fn amazon(version: &str) -> String {
    if version.starts_with("201") { "1".to_owned() } else { major(version) }
}

fn ubuntu(key: &str) -> String {
    let even = key.as_bytes().get(1).is_some_and(|digit| digit % 2 == 0);
    let suffix = if even && key.ends_with(".04") { ":LTS" } else { "" };
    format!("Ubuntu:{key}{suffix}")
}

fn red_hat(key: &str) -> String {
    format!("Red Hat:enterprise_linux:{key}")
}

fn sles(key: &str) -> String {
    match key.split_once('.') {
        Some((version @ ("11" | "12" | "15"), pack)) => {
            format!("SUSE:Linux Enterprise Server {version} SP{pack}")
        }
        _ => format!("SUSE:Linux Enterprise Server {key}"),
    }
}

/// `ID`; CentOS Stream has the one of CentOS Linux.
fn id(distro: &Distro) -> &str {
    let stream = distro.pretty_name.as_deref().is_some_and(|name| name.contains("Stream"));
    if distro.id == "centos" && stream { "centos-stream" } else { &distro.id }
}

impl Family {
    fn of(distro: &Distro) -> Option<&'static Self> {
        FAMILIES.iter().find(|family| family.ids.contains(&id(distro)))
    }

    /// A distribution's release by its number, else by its codename.
    fn line(&self, distro: &Distro) -> Option<&'static Line> {
        let key = distro.version_id.as_deref().map(self.key);
        let codename = distro.codename.as_deref().filter(|name| !name.is_empty());
        self.releases.iter().find(|line| match &key {
            Some(key) => line.0 == key,
            None => Some(line.1) == codename,
        })
    }
}

/// A number implies a codename; distroless images leave it out.
pub(super) fn complete(distro: &mut Distro) {
    if distro.codename.is_none()
        && let Some((_, codename, _)) = Family::of(distro).and_then(|family| family.line(distro))
        && !codename.is_empty()
    {
        distro.codename = Some((*codename).to_owned());
    }
}

/// Which advisories hold for a distribution on the day of [`REVIEWED`]: the same for the same
/// image, whenever it is asked.
pub fn release(distro: &Distro) -> Release {
    release_on(distro, REVIEWED)
}

/// Which advisories hold for a distribution on a day.
pub fn release_on(distro: &Distro, today: Date) -> Release {
    let name = distro.pretty_name.clone().unwrap_or_else(|| distro.id.clone());
    if let Some((_, ecosystem)) = ROLLING.iter().find(|(id, _)| *id == distro.id) {
        return Release::Supported((*ecosystem).to_owned());
    }
    let Some(family) = Family::of(distro) else {
        return Release::Unknown(format!("no advisories are known for {name}"));
    };
    // Alpine numbers its development branch like the release that it will become.
    let early = distro.version_id.as_deref().is_some_and(|version| version.contains("_alpha"));
    let unreleased = || Release::Unknown(format!("{name} is not released yet: no security updates serve it"));
    if early {
        return unreleased();
    }
    // A codename of Debian's testing stands beside no number.
    let line = family.line(distro);
    match line {
        Some((key, codename, Some(end))) if *end < today => {
            let codename = if codename.is_empty() { String::new() } else { format!(" ({codename})") };
            let ecosystem = (family.ecosystem)(key);
            let what = format!("{} {key}{codename}", family.name);
            let reason = format!("{what} is end-of-life since {end}: no new advisories appear for it");
            Release::Unsupported(ecosystem, reason)
        }
        Some((key, _, Some(_))) => Release::Supported((family.ecosystem)(key)),
        Some((_, _, None)) => unreleased(),
        None => Release::Unknown(format!("{name} is no release of {} that is known here", family.name)),
    }
}
