//! What is found: a package of some ecosystem, and where the proof of it lies.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::{limits, purl};

/// The ecosystem, which is also the type of a package URL (purl-spec, "Package-URL types").
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Kind {
    /// PHP: namespace is the vendor.
    Composer,
    /// C and C++.
    Conan,
    /// conda's own packages, of any language.
    Conda,
    /// CocoaPods: a subspec is part of the name, `AppCenter/Core`.
    Cocoapods,
    /// Rust.
    Cargo,
    /// R.
    Cran,
    /// Ruby.
    Gem,
    /// Software that belongs to no ecosystem: Python itself, nginx.
    Generic,
    /// Go modules: namespace is the path up to its last slash.
    Golang,
    /// Elixir and Erlang.
    Hex,
    /// Java: namespace is the group.
    Maven,
    /// JavaScript: namespace is the scope with its `@`.
    Npm,
    /// .NET.
    Nuget,
    /// Dart.
    Pub,
    /// Python.
    Pypi,
    /// Swift packages: namespace is host and owner.
    Swift,
}

impl Kind {
    /// The type in a package URL.
    pub(crate) fn purl_type(self) -> &'static str {
        match self {
            Self::Composer => "composer",
            Self::Conan => "conan",
            Self::Conda => "conda",
            Self::Cocoapods => "cocoapods",
            Self::Cargo => "cargo",
            Self::Cran => "cran",
            Self::Gem => "gem",
            Self::Generic => "generic",
            Self::Golang => "golang",
            Self::Hex => "hex",
            Self::Maven => "maven",
            Self::Npm => "npm",
            Self::Nuget => "nuget",
            Self::Pub => "pub",
            Self::Pypi => "pypi",
            Self::Swift => "swift",
        }
    }
}

/// What kind of proof there is that the component is in the image.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Evidence {
    /// The package itself lies there, with its own description.
    Installed,
    /// A compiler wrote it into what it built.
    BuildInfo,
    /// A string in a binary says so.
    Binary,
    /// A lock file names it: it may or may not be there.
    LockFile,
    /// The name of an archive alone says so.
    FileName,
    /// An SBOM that is attached to the image says so, and nothing else does.
    Sbom,
}

/// One package.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub(crate) struct Component {
    /// Its ecosystem.
    pub kind: Kind,
    /// Group, scope, vendor: see [`Kind`].
    pub namespace: Option<String>,
    /// As it is written where it was found.
    pub name: String,
    /// As it is written; empty where it is unknown, a Go main module `(devel)` for one.
    pub version: String,
    /// Where in an archive, `BOOT-INF/lib/x.jar`; deeper ones are separated by `!/`.
    pub inside: Option<String>,
    /// The proof.
    pub evidence: Evidence,
    /// The project itself rather than what it uses.
    pub main: bool,
    /// Needed for its development alone, as a lock file says.
    pub develop: bool,
    /// As stated, SPDX where it is so; none: nothing is stated.
    pub licenses: Vec<String>,
}

impl Component {
    /// An installed package without anything else to say.
    pub(super) fn new(kind: Kind, name: impl Into<String>, version: impl Into<String>) -> Self {
        Self {
            kind,
            namespace: None,
            name: name.into(),
            version: version.into(),
            inside: None,
            evidence: Evidence::Installed,
            main: false,
            develop: false,
            licenses: Vec::new(),
        }
    }
    /// What a lock file names.
    pub(super) fn locked(kind: Kind, name: impl Into<String>, version: impl Into<String>) -> Self {
        Self { evidence: Evidence::LockFile, ..Self::new(kind, name, version) }
    }
    /// Splits what stands before the last slash off as the namespace.
    pub(super) fn split_path(mut self) -> Self {
        if let Some((namespace, name)) = self.name.rsplit_once('/') {
            self.namespace = Some(namespace.to_owned());
            self.name = name.to_owned();
        }
        self
    }
    /// The package URL; purl-spec, names normalised by the rules of their type.
    pub(crate) fn purl(&self) -> String {
        purl::of(self)
    }
    /// The name as the ecosystem itself writes it: `@scope/name`, `group:artifact`, `github.com/a/b`.
    pub(crate) fn full_name(&self) -> String {
        match &self.namespace {
            Some(group) if self.kind == Kind::Maven => format!("{group}:{}", self.name),
            Some(namespace) => format!("{namespace}/{}", self.name),
            None => self.name.clone(),
        }
    }
    /// Strangers wrote it: no controls, no spaces where no name has them, nothing endless.
    fn plausible(&self) -> bool {
        let clean = |text: &str, most: usize| text.len() <= most && !text.contains(char::is_control);
        !self.name.is_empty()
            && clean(&self.name, limits::languages().name)
            && self.namespace.as_ref().is_none_or(|n| !n.is_empty() && clean(n, limits::languages().name))
            && clean(&self.version, limits::languages().version)
    }
}

/// A Java archive that was read, for a look-up by its hash.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) struct Archive {
    /// Where in the outer one; none: the file itself.
    pub inside: Option<String>,
    /// SHA-1 of its bytes, which Maven Central knows archives by; lower-case hex.
    pub sha1: String,
    /// Its own description said what it is; without it, only the hash can.
    pub described: bool,
}

/// All that one file says.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Found {
    /// Sorted, each once.
    pub components: Vec<Component>,
    /// What a limit cut, in words that begin with what it is; never silently.
    pub incomplete: Vec<String>,
    /// Java archives.
    pub archives: Vec<Archive>,
}

impl Found {
    /// Adds one component, unless its text is nothing that a package could be called.
    pub(super) fn add(&mut self, component: Component) {
        if !component.plausible() {
            return self.note(format_args!("a {} package has no usable name", component.kind.purl_type()));
        }
        if self.components.len() >= limits::languages().components {
            return self.note(format_args!("more than {} packages", limits::languages().components));
        }
        self.components.push(component);
    }
    /// Says that something was cut.
    pub(super) fn note(&mut self, what: impl fmt::Display) {
        let note = what.to_string();
        if self.incomplete.len() < limits::languages().notes && !self.incomplete.contains(&note) {
            self.incomplete.push(note);
        }
    }
    /// Sorts; a package that stands several times at one place becomes one.
    pub(super) fn tidy(mut self) -> Self {
        for component in &mut self.components {
            let licenses = &mut component.licenses;
            for license in licenses.iter_mut() {
                let trimmed = license.trim();
                if trimmed.len() != license.len() {
                    *license = trimmed.to_owned();
                }
            }
            licenses.retain(|l| {
                !l.is_empty() && l.len() <= limits::languages().license && !l.contains(char::is_control)
            });
            licenses.truncate(limits::languages().licenses);
        }
        self.components.sort();
        self.components.dedup_by(|later, earlier| {
            let same = later.kind == earlier.kind
                && later.namespace == earlier.namespace
                && later.name == earlier.name
                && later.version == earlier.version
                && later.inside == earlier.inside;
            if same {
                // One way that is not for development is enough.
                earlier.develop &= later.develop;
                earlier.main |= later.main;
                if earlier.licenses.is_empty() {
                    earlier.licenses = std::mem::take(&mut later.licenses);
                }
            }
            same
        });
        self.archives.sort();
        self
    }
}

impl FromIterator<Component> for Found {
    fn from_iter<T: IntoIterator<Item = Component>>(components: T) -> Self {
        let mut found = Self::default();
        components.into_iter().for_each(|c| found.add(c));
        found
    }
}
