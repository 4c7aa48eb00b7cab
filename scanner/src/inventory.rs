//! What is in an image: depends on its bytes alone.

use std::collections::BTreeMap;

use patchline_registry::{Digest, Platform};
use serde::{Deserialize, Serialize};

pub use crate::languages::Evidence;

/// os-release, as far as it says which advisories hold.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Distro {
    /// `debian`
    pub id: String,
    /// `12`
    pub version_id: Option<String>,
    /// `bookworm`
    pub codename: Option<String>,
    /// `Debian GNU/Linux 12 (bookworm)`
    pub pretty_name: Option<String>,
}

/// One package that is in the image.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Package {
    /// Binary package of an operating system; of a language, the name as its ecosystem writes it: `@scope/name`,
    /// `group:artifact`.
    pub name: String,
    /// Its version.
    pub version: String,
    /// `amd64`, `all`; empty: it is for all of them, or a language's.
    pub architecture: String,
    /// Source package (the name itself when the database names none).
    pub source: String,
    /// Source version (without `+bN` where dpkg names it).
    pub source_version: String,
    /// `hold` in the selection.
    pub held: bool,
    /// The layer whose database first held it in this version, or that brought the file which tells of it.
    pub layer: Option<Digest>,
    /// `pkg:deb/debian/openssl@3.0.11-1?arch=amd64&distro=debian-12`
    pub purl: String,
    /// SPDX expressions that all hold, of the source's files; `NOASSERTION` where there are more that are not known.
    /// Empty: nothing is known, or nobody looked.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub licenses: Vec<String>,
    /// The file that tells of a language's package, and behind `!/` where in it: `app/a.jar!/BOOT-INF/lib/b.jar`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// The operating system's package that this file belongs to: its advisories speak for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner: Option<String>,
    /// How the file tells of a language's package.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub evidence: Option<Evidence>,
}

/// The packages of one image manifest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Inventory {
    /// The image manifest; of a folder the digest of what was found in it, of an SBOM that of the document.
    pub image: Digest,
    /// From the image configuration; where there is none, from the packages.
    pub platform: Platform,
    /// None: no os-release.
    pub distro: Option<Distro>,
    /// The operating system's, by name and architecture; then those of languages, by path.
    pub packages: Vec<Package>,
    /// Which package database was read: `dpkg`, `dpkg-status.d`; none: the image is undetermined.
    pub database: Option<String>,
    /// Package databases that are there and that we cannot read yet: `apk`, `rpm`.
    #[serde(default)]
    pub unread: Vec<String>,
    /// What a limit has cut, by file: the inventory is not whole.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub incomplete: Vec<String>,
    /// Files that by their names could tell of packages and are not what they seem, with the reason.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unreadable: Vec<String>,
    /// (blob digest, diff_id that we computed), lowest first.
    pub layers: Vec<(Digest, Digest)>,
}

impl Inventory {
    /// The packages that the operating system's database lists.
    pub fn of_system(&self) -> impl Iterator<Item = &Package> {
        self.packages.iter().filter(|package| package.is_of_system())
    }
    /// Whose advisories speak of the system's packages, `Debian:12`; none: of none that is known.
    pub fn ecosystem(&self) -> Option<String> {
        crate::matching::system(self)
    }
}

impl Package {
    /// The operating system's database lists it: no other file tells of it.
    pub fn is_of_system(&self) -> bool {
        self.path.is_none()
    }
    /// It is a package of its own: no part of a system's package that owns its file, and not merely named by a lock
    /// file, which need not have been followed.
    pub fn stands_alone(&self) -> bool {
        self.owner.is_none() && self.evidence != Some(Evidence::LockFile)
    }
    /// A document that came with the image names it, and nothing in the image does.
    pub fn is_claimed(&self) -> bool {
        self.evidence == Some(Evidence::Sbom)
    }
    /// The type of its PURL: `deb`, `apk`, `rpm`, `pypi`, `golang`… (purl-spec, "Package-URL types").
    pub fn kind(&self) -> &str {
        self.purl.strip_prefix("pkg:").and_then(|rest| rest.split_once('/')).map_or("", |(kind, _)| kind)
    }
}

/// A platform of which nothing is known.
pub(crate) fn unknown() -> Platform {
    Platform { os: "unknown".to_owned(), architecture: "unknown".to_owned(), variant: None }
}

/// The platform that most of the operating system's packages are built for, in Go's words as image configurations
/// have them; unknown where there are none.
pub(crate) fn platform(packages: &[Package]) -> Platform {
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    let built = packages.iter().map(|package| package.architecture.as_str());
    for architecture in built.filter(|a| !matches!(*a, "" | "all" | "noarch" | "any")) {
        *counts.entry(architecture).or_default() += 1;
    }
    let Some((most, _)) = counts.into_iter().max_by_key(|(_, count)| *count) else { return unknown() };
    let architecture = match most {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        "i386" | "i486" | "i586" | "i686" | "x86" => "386",
        "armhf" | "armel" | "armv7" | "armv7hl" => "arm",
        "ppc64el" => "ppc64le",
        other => other,
    };
    // Packages of other kernels have architectures of other names.
    Platform { os: "linux".to_owned(), architecture: architecture.to_owned(), variant: None }
}
