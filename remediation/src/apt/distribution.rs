//! The distributions whose archives are read: what their suites are called, what is in them, and in which archive each lies.

use std::fmt;

use patchline_scanner::Distro;

use crate::{
    Error, Result, clock,
    plan::{EndOfLife, eol},
};

/// A distribution whose packages come by apt from signed archives of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Distribution {
    /// Debian itself, not what is made from it.
    Debian,
    /// Ubuntu itself, not what is made from it.
    Ubuntu,
}

impl Distribution {
    /// All of them.
    pub const ALL: [Self; 2] = [Self::Debian, Self::Ubuntu];

    /// By os-release's `ID`, as os-release(5) has it; none: its archives are not read.
    pub fn of(id: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|one| one.id() == id)
    }
    /// os-release's `ID`.
    pub fn id(self) -> &'static str {
        match self {
            Self::Debian => "debian",
            Self::Ubuntu => "ubuntu",
        }
    }
    /// The parts of a suite whose indexes are read. All but the first may be missing from a suite.
    pub(super) fn components(self) -> &'static [&'static str] {
        match self {
            // What is in contrib and non-free is not Debian, and its security team does not mend it.
            Self::Debian => &["main"],
            Self::Ubuntu => &["main", "restricted", "universe", "multiverse"],
        }
    }
    /// How the keyring files of the distribution's own archives begin, where a package brought them to a host.
    pub(super) fn keyring_prefix(self) -> &'static str {
        match self {
            Self::Debian => "debian-archive-",
            // Beside it lie keys of Ubuntu's that sign no archive.
            Self::Ubuntu => "ubuntu-archive-keyring",
        }
    }
    /// The flag that names where releases are that have ended.
    pub(crate) fn ended_flag(self) -> &'static str {
        match self {
            Self::Debian => "--archive-mirror",
            // They move to an archive of the same shape, all suites in one.
            Self::Ubuntu => "--ubuntu-mirror",
        }
    }
    /// The package that brings them.
    pub(crate) fn keyring_package(self) -> &'static str {
        match self {
            Self::Debian => "debian-archive-keyring",
            Self::Ubuntu => "ubuntu-keyring",
        }
    }
}

impl fmt::Display for Distribution {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Debian => "Debian",
            Self::Ubuntu => "Ubuntu",
        })
    }
}

/// One archive of a distribution: a base address below which `dists` and `pool` lie.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Place {
    /// Debian's main archive.
    Debian,
    /// Debian's security archive.
    DebianSecurity,
    /// Ubuntu's archive, which holds amd64 and i386.
    Ubuntu,
    /// The archive that Ubuntu's security suites of amd64 and i386 are asked of first. Ubuntu's main one has them, too.
    UbuntuSecurity,
    /// Ubuntu's archive of all other architectures, with all suites.
    UbuntuPorts,
}

impl Place {
    /// Where a suite lies, by its name and dpkg's name of an architecture.
    pub(super) fn of(distribution: Distribution, suite: &str, architecture: &str) -> Self {
        let security = suite.ends_with("-security");
        let ported = !matches!(architecture, "amd64" | "i386");
        match (distribution, security) {
            (Distribution::Debian, false) => Self::Debian,
            (Distribution::Debian, true) => Self::DebianSecurity,
            (Distribution::Ubuntu, _) if ported => Self::UbuntuPorts,
            (Distribution::Ubuntu, false) => Self::Ubuntu,
            (Distribution::Ubuntu, true) => Self::UbuntuSecurity,
        }
    }
    /// Whose it is.
    pub fn distribution(self) -> Distribution {
        match self {
            Self::Debian | Self::DebianSecurity => Distribution::Debian,
            Self::Ubuntu | Self::UbuntuSecurity | Self::UbuntuPorts => Distribution::Ubuntu,
        }
    }
    /// The flag that names a mirror of it.
    pub(crate) fn flag(self) -> &'static str {
        match self {
            Self::Debian => "--mirror",
            Self::DebianSecurity => "--security-mirror",
            // Where no other is named, the main one is asked for security suites.
            Self::Ubuntu | Self::UbuntuSecurity => "--ubuntu-mirror",
            Self::UbuntuPorts => "--ubuntu-ports-mirror",
        }
    }
    /// The key of the configuration's `mirrors` that does.
    pub(crate) fn key(self) -> &'static str {
        match self {
            Self::Debian => "debian",
            Self::DebianSecurity => "debian-security",
            Self::Ubuntu | Self::UbuntuSecurity => "ubuntu",
            Self::UbuntuPorts => "ubuntu-ports",
        }
    }
}

/// A release of a distribution, as its suites are named after it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Series {
    /// Whose.
    pub distribution: Distribution,
    /// `bookworm`, `jammy`
    pub codename: String,
}

impl Series {
    /// What os-release says.
    ///
    /// # Errors
    /// [`Error::UnsupportedSystem`] where it is another distribution, or names no release.
    pub fn of(distro: &Distro) -> Result<Self> {
        let unsupported = |reason: String| Error::UnsupportedSystem {
            system: distro.pretty_name.clone().unwrap_or_else(|| distro.id.clone()),
            reason,
        };
        let Some(distribution) = Distribution::of(&distro.id) else {
            let mut reason = "of packages of dpkg's, only Debian's and Ubuntu's can be upgraded".to_owned();
            if let Some(end) = eol::ended(distro, clock::now()).filter(EndOfLife::is_over) {
                reason = format!("{reason}; besides, {end}");
            }
            return Err(unsupported(reason));
        };
        match &distro.codename {
            Some(name) if !name.is_empty() && name.bytes().all(|b| b.is_ascii_lowercase()) => {
                Ok(Self { distribution, codename: name.clone() })
            }
            _ => Err(unsupported("os-release names no release".to_owned())),
        }
    }
    /// The suite that is looked into first.
    pub fn security(&self) -> String {
        format!("{}-security", self.codename)
    }
    /// The suites that are read where that one is not enough. Debian puts what mends into the release itself when it makes a
    /// point release; Ubuntu leaves the release as it was, and has such versions in `-updates` for good.
    pub(crate) fn further(&self) -> Vec<String> {
        match self.distribution {
            Distribution::Debian => vec![self.codename.clone()],
            Distribution::Ubuntu => vec![format!("{}-updates", self.codename), self.codename.clone()],
        }
    }
}

/// The codename that a suite is named after.
pub(super) fn codename(suite: &str) -> &str {
    suite.strip_suffix("-security").or_else(|| suite.strip_suffix("-updates")).unwrap_or(suite)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn distro(id: &str, codename: Option<&str>) -> Distro {
        Distro {
            id: id.into(),
            version_id: None,
            codename: codename.map(str::to_owned),
            pretty_name: Some("Some System 1".into()),
        }
    }

    #[test]
    fn a_series_names_its_suites() {
        let jammy = Series::of(&distro("ubuntu", Some("jammy"))).unwrap();
        assert_eq!(jammy.security(), "jammy-security");
        assert_eq!(jammy.further(), ["jammy-updates", "jammy"]);
        let bookworm = Series::of(&distro("debian", Some("bookworm"))).unwrap();
        assert_eq!(bookworm.further(), ["bookworm"]);
        assert!(
            [jammy.security(), "jammy-updates".into(), "jammy".into()].iter().all(|s| codename(s) == "jammy")
        );
        for (id, name) in
            [("ubuntu", None), ("ubuntu", Some("")), ("debian", Some("../x")), ("linuxmint", Some("vera"))]
        {
            let error = Series::of(&distro(id, name)).unwrap_err();
            assert!(error.is_of_system() && error.to_string().contains("Some System 1"), "{id}: {error}");
        }
    }

    #[test]
    fn every_suite_lies_in_one_archive() {
        let of = |suite: &str, architecture: &str| Place::of(Distribution::Ubuntu, suite, architecture);
        assert_eq!(of("jammy-security", "amd64"), Place::UbuntuSecurity);
        assert_eq!(of("jammy-updates", "i386"), Place::Ubuntu);
        assert_eq!(of("jammy-security", "arm64"), Place::UbuntuPorts);
        assert_eq!(of("jammy", "riscv64"), Place::UbuntuPorts);
        assert_eq!(Place::of(Distribution::Debian, "bookworm-security", "arm64"), Place::DebianSecurity);
    }
}
