//! A package as a database of any kind lists it: what an inventory needs to know, and no more.

use serde::{Deserialize, Serialize};

use super::{apk, dpkg, owned::OwnedFile, rpm};
use crate::languages::{self, File};

/// One installed package.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub(crate) struct Listed {
    /// Binary package.
    pub(crate) name: String,
    /// As its ecosystem compares it, with the epoch where it has one.
    pub(crate) version: String,
    pub(crate) architecture: String,
    /// Source package, else the name.
    pub(crate) source: String,
    /// Its version, else the package's own.
    pub(crate) source_version: String,
    /// The file of the source package, where the database names it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) source_file: Option<String>,
    /// It is to stay as it is.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(crate) held: bool,
    /// As stated in the database itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) license: Option<String>,
    /// Files of it that other analysers read, too: what they find there is this package's.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) owns: Vec<String>,
}

impl From<dpkg::Installed> for Listed {
    fn from(package: dpkg::Installed) -> Self {
        let dpkg::Installed { name, version, architecture, source, source_version, held } = package;
        Self { name, version, architecture, source, source_version, held, ..Self::default() }
    }
}

impl From<apk::Installed> for Listed {
    fn from(package: apk::Installed) -> Self {
        Self {
            source: package.origin,
            // A recipe builds all of its packages in one version.
            source_version: package.version.clone(),
            source_file: None,
            name: package.name,
            version: package.version,
            architecture: package.architecture,
            held: false,
            license: package.license,
            owns: owned(package.files),
        }
    }
}

impl From<rpm::Installed> for Listed {
    fn from(package: rpm::Installed) -> Self {
        let version = package.evr();
        let (source, source_version) = match package.source() {
            Some(source) => {
                let epoch = package.epoch.map(|epoch| format!("{epoch}:")).unwrap_or_default();
                (source.name.to_owned(), format!("{epoch}{}-{}", source.version, source.release))
            }
            None => (package.name.clone(), version.clone()),
        };
        Self {
            name: package.name,
            version,
            architecture: package.architecture,
            source,
            source_version,
            source_file: package.source_rpm,
            held: false,
            license: package.license,
            owns: owned(package.files),
        }
    }
}

/// Those of a package's files that are read for packages of languages.
fn owned(files: Vec<OwnedFile>) -> Vec<String> {
    files.into_iter().map(|file| file.path).filter(|path| is_of_interest(path)).collect()
}

/// Whether a file of this name would be read for packages of languages, be it a program or not.
pub(crate) fn is_of_interest(path: &str) -> bool {
    let file = |executable| File { path, size: 1 << 20, executable };
    [false, true].into_iter().any(|executable| languages::analyser(&file(executable)).is_some())
}
