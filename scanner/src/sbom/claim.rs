//! One component as a document of either form lists it, and the package that it becomes.

use patchline_registry::Digest;

use super::{limits, purl::Purl};
use crate::{Distro, Package, formats::clean, inventory::Evidence, languages::python_name, licenses};

/// What a document says of one component; empty texts are not said.
#[derive(Debug, Default)]
pub(super) struct Claim<'a> {
    pub(super) purl: &'a str,
    pub(super) group: &'a str,
    pub(super) name: &'a str,
    pub(super) version: &'a str,
    /// The source package and its version, where the document has its own words for them.
    pub(super) source: Option<(String, String)>,
    pub(super) path: &'a str,
    pub(super) owner: &'a str,
    pub(super) evidence: Option<Evidence>,
    pub(super) layer: Option<Digest>,
    pub(super) licenses: Vec<String>,
}

/// Types of package URLs that stand for whole images, which are no packages of one.
const IMAGES: [&str; 2] = ["oci", "docker"];
/// Types of languages and of software of no ecosystem, as our own inventories have them, too.
const KNOWN: [&str; 17] = [
    "bitnami",
    "cargo",
    "cocoapods",
    "composer",
    "conan",
    "conda",
    "cran",
    "gem",
    "generic",
    "golang",
    "hex",
    "maven",
    "npm",
    "nuget",
    "pub",
    "pypi",
    "swift",
];

/// Whether a type is one of an operating system's packages.
pub(super) fn is_of_system(kind: &str) -> bool {
    matches!(kind, "deb" | "apk" | "rpm")
}

/// Whether anything is known of packages of this type.
pub(super) fn is_known(kind: &str) -> bool {
    is_of_system(kind) || KNOWN.contains(&kind)
}

impl Claim<'_> {
    /// The package, and the distribution that its package URL names; none: it is no package of an image. `document` is
    /// where a language's package stands when its own file is not said.
    ///
    /// # Errors
    /// Why its package URL is none, or what it lacks.
    pub(super) fn package(self, document: &str) -> Result<Option<(Package, Option<Distro>)>, &'static str> {
        let purl = Purl::parse(self.purl)?;
        if IMAGES.contains(&purl.kind.as_str()) {
            return Ok(None);
        }
        let system = is_of_system(&purl.kind);
        let name = self.full_name(&purl);
        let version = self.full_version(&purl);
        let fits = |text: &str, most: usize| text.len() <= most && !text.contains(char::is_control);
        if !fits(&version, limits::sbom().version) || !fits(purl.qualifier("arch"), limits::sbom().version) {
            return Err("its version or its architecture is none");
        }
        let (source, source_version) = match self.source.as_ref().filter(|(name, _)| !name.is_empty()) {
            Some((source, version_)) if system => {
                (source.clone(), if version_.is_empty() { version.clone() } else { version_.clone() })
            }
            _ if system => upstream(&purl, &name, &version),
            _ => (name.clone(), version.clone()),
        };
        if !fits(&source, limits::sbom().name) || !fits(&source_version, limits::sbom().version) {
            return Err("its source package has no usable name");
        }
        let distro = if system { distro(&purl) } else { None };
        let path = if self.path.is_empty() { document } else { self.path };
        let text = |text: &str| (!text.is_empty()).then(|| clean(text, limits::sbom().text));
        let package = Package {
            architecture: if system { purl.qualifier("arch").to_owned() } else { String::new() },
            purl: plain(self.purl, &purl.kind),
            path: if system { None } else { text(path) },
            owner: if system { None } else { text(self.owner) },
            evidence: if system { None } else { self.evidence },
            layer: self.layer,
            licenses: stated(&self.licenses),
            held: false,
            name,
            version,
            source,
            source_version,
        };
        Ok(Some((package, distro)))
    }

    /// As the ecosystem writes it: a package URL has lost the case of some names, which the document may have kept.
    fn full_name(&self, purl: &Purl) -> String {
        let system = is_of_system(&purl.kind);
        let separator = if purl.kind == "maven" { ':' } else { '/' };
        let mut full = match purl.namespace.as_str() {
            "" => purl.name.clone(),
            _ if system => purl.name.clone(),
            namespace => format!("{namespace}{separator}{}", purl.name),
        };
        if purl.kind == "cocoapods" && !purl.subpath.is_empty() {
            full = format!("{full}/{}", purl.subpath);
        }
        let same = |name: &str| match purl.kind.as_str() {
            "pypi" => python_name(name) == python_name(&full),
            _ => name.eq_ignore_ascii_case(&full),
        };
        let grouped = format!("{}{separator}{}", self.group, self.name);
        [self.name, &grouped].into_iter().find(|name| same(name)).map_or(full.clone(), str::to_owned)
    }

    /// Some write an epoch beside the version: purl-spec, "rpm".
    fn full_version(&self, purl: &Purl) -> String {
        let version = if purl.version.is_empty() { self.version } else { &purl.version };
        match purl.qualifier("epoch") {
            "" => version.to_owned(),
            // Only systems' packages have one.
            epoch if is_of_system(&purl.kind) && !version.contains(':') => format!("{epoch}:{version}"),
            _ => version.to_owned(),
        }
    }
}

/// The text with its beginning as all others have it: some write `pkg://`, and types have no case.
fn plain(text: &str, kind: &str) -> String {
    let rest = text.split_once(':').map_or(text, |(_, rest)| rest).trim_start_matches('/');
    format!("pkg:{kind}/{}", rest.split_once('/').map_or("", |(_, rest)| rest))
}

/// The source package by the qualifier `upstream`: `gcc-12`, `gcc-12@12.2.0-14`, `bind-9.16.23-1.el9.src.rpm`.
fn upstream(purl: &Purl, name: &str, version: &str) -> (String, String) {
    let same = || (name.to_owned(), version.to_owned());
    let upstream = purl.qualifier("upstream");
    if upstream.is_empty() {
        return same();
    }
    if purl.kind == "rpm" {
        return source_rpm(upstream, version).unwrap_or_else(same);
    }
    match upstream.rsplit_once('@') {
        Some((source, version)) if !source.is_empty() && !version.is_empty() => {
            (source.to_owned(), version.to_owned())
        }
        _ => (upstream.to_owned(), version.to_owned()),
    }
}

/// Name and version by the name of a source package's file; its epoch is the package's own. None: it is no such name.
pub(super) fn source_rpm(file: &str, version: &str) -> Option<(String, String)> {
    let stem = file.strip_suffix(".rpm")?;
    let stem = stem.strip_suffix(".src").or_else(|| stem.strip_suffix(".nosrc"))?;
    let (rest, release) = stem.rsplit_once('-')?;
    let (name, upstream) = rest.rsplit_once('-')?;
    let epoch = version.split_once(':').map(|(epoch, _)| format!("{epoch}:")).unwrap_or_default();
    (!name.is_empty()).then(|| (name.to_owned(), format!("{epoch}{upstream}-{release}")))
}

/// The qualifier `distro` of syft, Trivy and our own: `debian-12`, `opensuse-leap-15.6`, and a codename where there is
/// no number yet.
fn distro(purl: &Purl) -> Option<Distro> {
    let (id, release) = purl.qualifier("distro").rsplit_once('-')?;
    let number = release.starts_with(|c: char| c.is_ascii_digit());
    let (version, codename) = if number { (release, "") } else { ("", release) };
    super::system::distro(id, version, codename, "")
}

/// SPDX expressions; of words that are none it is known that there is something.
fn stated(all: &[String]) -> Vec<String> {
    let mut found: Vec<String> = Vec::new();
    for license in all.iter().take(limits::sbom().licenses).flat_map(|text| licenses::stated(text)) {
        if !found.contains(&license) {
            found.push(license);
        }
    }
    found
}
