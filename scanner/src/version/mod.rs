//! Version orders: which one an ecosystem has, and what precedes what in it.
//!
//! A comparison goes over both texts once, keeps nothing, allocates nothing and calls itself never: what strangers
//! write costs no more than its length. Every order is total over any two texts. What its ecosystem refuses still
//! has a place, and where a reference contradicts itself over three versions, the module says what was chosen.

mod apk;
mod composer;
mod dpkg;
mod gem;
mod maven;
mod numbers;
mod parts;
mod pep440;
mod rpm;
mod semver;

use std::cmp::Ordering;

pub use dpkg::compare as compare_debian;

/// How versions of an ecosystem follow one another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Order {
    /// deb-version(7).
    Dpkg,
    /// rpm-version(7): epoch, version, release.
    Rpm,
    /// apk-package(5), "Package version".
    Apk,
    /// POM reference, "Version Order Specification", as Maven 3.9's `ComparableVersion` has it.
    Maven,
    /// PEP 440, and what setuptools made of older versions.
    Pep440,
    /// node-semver, loose.
    Npm,
    /// Semantic Versioning 2.0.0, section 11.
    SemVer,
    /// Go modules reference, "Versions", and the toolchain's `go1.21rc1`.
    Go,
    /// `Gem::Version`.
    Gem,
    /// Composer's normalised versions under PHP's `version_compare`.
    Composer,
    /// NuGet, "Package versioning": four numbers, letters of any case alike.
    NuGet,
    /// Dart's: Semantic Versioning, where build metadata counts.
    Pub,
    /// Bitnami's: Semantic Versioning, where a bare number behind a dash is a later revision.
    Bitnami,
    /// R's `package_version`: numbers behind dots and dashes.
    Cran,
    /// Haskell's package versioning policy: numbers behind dots.
    Hackage,
}

impl Order {
    /// Every order.
    pub const ALL: [Self; 15] = [
        Self::Dpkg,
        Self::Rpm,
        Self::Apk,
        Self::Maven,
        Self::Pep440,
        Self::Npm,
        Self::SemVer,
        Self::Go,
        Self::Gem,
        Self::Composer,
        Self::NuGet,
        Self::Pub,
        Self::Bitnami,
        Self::Cran,
        Self::Hackage,
    ];

    /// The order of an ecosystem by its OSV name (OSV schema, "Defined ecosystems"), with or without `:release`.
    /// Those that repack others' packages name theirs behind the colon (`Docker Hardened Images:Alpine:3.23`).
    /// None: OSV defines no order there, or we do not know the name.
    pub fn of_ecosystem(ecosystem: &str) -> Option<Self> {
        let repacked = ["Docker Hardened Images:", "Root:"].iter().find_map(|p| ecosystem.strip_prefix(p));
        let ecosystem = repacked.unwrap_or(ecosystem);
        Some(match ecosystem.split_once(':').map_or(ecosystem, |(name, _)| name) {
            "Debian" | "Ubuntu" | "Echo" => Self::Dpkg,
            "AlmaLinux" | "Rocky Linux" | "Red Hat" | "openSUSE" | "SUSE" | "Mageia" | "Azure Linux"
            | "Photon OS" | "openEuler" => Self::Rpm,
            "Alpine" | "Wolfi" | "Chainguard" | "MinimOS" | "Alpaquita" | "BellSoft Hardened Containers" => {
                Self::Apk
            }
            "Maven" => Self::Maven,
            "PyPI" => Self::Pep440,
            "npm" => Self::Npm,
            "crates.io" | "Hex" | "SwiftURL" | "Julia" | "VSCode" | "ConanCenter" | "Bioconductor" => {
                Self::SemVer
            }
            "Go" | "Kubernetes" => Self::Go,
            "RubyGems" => Self::Gem,
            "Packagist" => Self::Composer,
            "NuGet" => Self::NuGet,
            "Pub" => Self::Pub,
            "Bitnami" => Self::Bitnami,
            "CRAN" => Self::Cran,
            "Hackage" => Self::Hackage,
            _ => return None,
        })
    }

    /// Compares two versions of one package. Total over any two texts, in time linear in their lengths.
    pub fn compare(self, a: &str, b: &str) -> Ordering {
        match self {
            Self::Dpkg => dpkg::compare(a, b),
            Self::Rpm => rpm::compare(a, b),
            Self::Apk => apk::compare(a, b),
            Self::Maven => maven::compare(a, b),
            Self::Pep440 => pep440::compare(a, b),
            Self::Npm => semver::compare(semver::Dialect::Npm, a, b),
            Self::SemVer => semver::compare(semver::Dialect::Plain, a, b),
            Self::Go => semver::compare(semver::Dialect::Go, a, b),
            Self::Gem => gem::compare(a, b),
            Self::Composer => composer::compare(a, b),
            Self::NuGet => semver::compare(semver::Dialect::NuGet, a, b),
            Self::Pub => semver::compare(semver::Dialect::Pub, a, b),
            Self::Bitnami => semver::compare(semver::Dialect::Bitnami, a, b),
            Self::Cran | Self::Hackage => numbers::compare(a, b),
        }
    }

    /// For explanations: what people call the order.
    pub fn name(self) -> &'static str {
        match self {
            Self::Dpkg => "dpkg",
            Self::Rpm => "rpm",
            Self::Apk => "apk",
            Self::Maven => "maven",
            Self::Pep440 => "pep440",
            Self::Npm => "npm",
            Self::SemVer => "semver",
            Self::Go => "go",
            Self::Gem => "gem",
            Self::Composer => "composer",
            Self::NuGet => "nuget",
            Self::Pub => "pub",
            Self::Bitnami => "bitnami",
            Self::Cran => "cran",
            Self::Hackage => "hackage",
        }
    }
}

#[cfg(test)]
mod tests;
