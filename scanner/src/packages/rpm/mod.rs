//! rpm's databases of installed packages, in the forms that it has had: SQLite, ndb, Berkeley DB,
//! and the text that distroless images of Azure Linux carry instead.
//!
//! All but the text keep one header per package (see `header`); the readers find those and
//! nothing else. Indexes are not used: they may be stale, and none of them is needed.

mod bdb;
mod bytes;
pub mod header;
mod manifest;
mod ndb;
mod sqlite;

use std::fmt;

use serde::{Deserialize, Serialize};

use super::{
    limits,
    owned::{Budget, OwnedFile},
};
use header::{Header, tag};

/// How a database is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Form {
    /// `rpmdb.sqlite`, since rpm 4.16.
    Sqlite,
    /// `Packages.db`, SUSE's since rpm 4.15.
    Ndb,
    /// `Packages`, until rpm 4.16.
    BerkeleyDb,
    /// `container-manifest-2`, text.
    Manifest,
}

/// Where rpm keeps its database: of old, since the merge of `/usr`, and on ostree's systems.
const FOLDERS: [&str; 3] = ["var/lib/rpm/", "usr/lib/sysimage/rpm/", "usr/share/rpm/"];

impl Form {
    /// The form of the database at a path, which has no slash in front; none: there is none.
    ///
    /// `container-manifest-1` has no form: it writes `name.version-release.arch`, which does not
    /// say where a name such as `dotnet-runtime-6.0` ends, and its neighbour says the same in full.
    pub fn of_path(path: &str) -> Option<Self> {
        if path == "var/lib/rpmmanifest/container-manifest-2" {
            return Some(Self::Manifest);
        }
        match FOLDERS.iter().find_map(|folder| path.strip_prefix(folder))? {
            "rpmdb.sqlite" => Some(Self::Sqlite),
            "Packages.db" => Some(Self::Ndb),
            "Packages" => Some(Self::BerkeleyDb),
            _ => None,
        }
    }
}

/// Where a database stops to make sense.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ParseError {
    /// In the file.
    pub at: Place,
    /// Why, as a predicate: `is no page of a table`.
    pub reason: String,
}

/// A place in a database.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Place {
    /// From 1.
    Line(usize),
    /// In bytes, from 0.
    Offset(usize),
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Line(line) => write!(f, "line {line}"),
            Self::Offset(offset) => write!(f, "offset {offset}"),
        }
    }
}

impl fmt::Display for ParseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.at, self.reason)
    }
}

impl ParseError {
    fn offset(at: usize, reason: impl Into<String>) -> Self {
        Self { at: Place::Offset(at), reason: reason.into() }
    }
}

/// One installed package, as the database has it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Installed {
    /// Name. `gpg-pubkey` is a key that rpm trusts, not software.
    pub name: String,
    /// None and 0 are equal to rpm, but not written the same.
    pub epoch: Option<u32>,
    /// Version, without epoch and release.
    pub version: String,
    /// Release.
    pub release: String,
    /// `x86_64`, `noarch`; empty for keys.
    pub architecture: String,
    /// File name of the source package; none for keys and for what is no package of a distribution.
    pub source_rpm: Option<String>,
    /// As written: SPDX in newer distributions, free text in older ones.
    pub license: Option<String>,
    /// `Red Hat, Inc.`
    pub vendor: Option<String>,
    /// `nodejs:18:9020020230327152102:rhel9`: the module stream that the package is of.
    pub modularity: Option<String>,
    /// Files and folders. The text form names none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub files: Vec<OwnedFile>,
}

/// What a source package's file name says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Source<'a> {
    /// Name.
    pub name: &'a str,
    /// Version.
    pub version: &'a str,
    /// Release.
    pub release: &'a str,
}

impl Installed {
    /// `[epoch:]version-release` as rpm writes it (rpm-version(7)): an epoch that is there is
    /// written, even where it is 0.
    pub fn evr(&self) -> String {
        match self.epoch {
            Some(epoch) => format!("{epoch}:{}-{}", self.version, self.release),
            None => format!("{}-{}", self.version, self.release),
        }
    }

    /// The source package; none: no source is named, or not as rpm names them. Its epoch is the
    /// package's own: the file name does not hold it.
    pub fn source(&self) -> Option<Source<'_>> {
        let stem = self.source_rpm.as_deref()?.strip_suffix(".rpm")?;
        let stem = stem.strip_suffix(".src").or_else(|| stem.strip_suffix(".nosrc"))?;
        let (rest, release) = stem.rsplit_once('-')?;
        let (name, version) = rest.rsplit_once('-')?;
        let named = !name.is_empty() && !version.is_empty() && !release.is_empty();
        named.then_some(Source { name, version, release })
    }
}

/// The installed packages of one database, in its order.
///
/// # Errors
/// A database that is not of this form, is damaged, contradicts itself, or holds more than
/// the module `limits` allows. One package that cannot be read is an error, too: the rest would look whole.
pub fn installed(bytes: &[u8], form: Form) -> Result<Vec<Installed>, ParseError> {
    if form == Form::Manifest {
        return manifest::installed(bytes);
    }
    let mut found = Vec::new();
    let mut budget = Budget::default();
    each_header(bytes, form, &mut |at, blob| {
        if found.len() >= limits::packages().packages {
            return Err(ParseError::offset(at, "is in a database of too many packages"));
        }
        found.push(package(blob, &mut budget).map_err(|reason| ParseError::offset(at, reason))?);
        Ok(())
    })?;
    Ok(found)
}

/// Calls with the header of each package of one database, in its order: for whoever wants more of it than [`installed`]
/// gives. At most as many as the module `limits` allows.
///
/// # Errors
/// A database that is not of this form, is damaged, or contradicts itself; and what `visit` says.
pub fn headers(bytes: &[u8], form: Form, visit: &mut Visit<'_>) -> Result<(), ParseError> {
    let mut count = 0;
    each_header(bytes, form, &mut |at, blob| {
        count += 1;
        if count > limits::packages().packages {
            return Err(ParseError::offset(at, "is in a database of too many packages"));
        }
        visit(at, blob)
    })
}

/// Gets where in the file a header (or its first part) stands, and the header.
pub type Visit<'v> = dyn FnMut(usize, &[u8]) -> Result<(), ParseError> + 'v;

/// Calls for the header of each package. All of them together are no longer than the file: no
/// byte of it belongs to two.
fn each_header(bytes: &[u8], form: Form, visit: &mut Visit<'_>) -> Result<(), ParseError> {
    let mut left = bytes.len();
    let mut counted = |at: usize, blob: &[u8]| {
        left =
            left.checked_sub(blob.len()).ok_or_else(|| ParseError::offset(at, "overlaps another package"))?;
        visit(at, blob)
    };
    match form {
        Form::Sqlite => sqlite::headers(bytes, &mut counted),
        Form::Ndb => ndb::headers(bytes, &mut counted),
        Form::BerkeleyDb => bdb::headers(bytes, &mut counted),
        Form::Manifest => Ok(()),
    }
}

fn package(blob: &[u8], budget: &mut Budget) -> Result<Installed, &'static str> {
    let header = Header::parse(blob)?;
    let word = |tag: u32| match header.string(tag)? {
        Some(value) if value.len() <= limits::packages().word && value.iter().all(u8::is_ascii_graphic) => {
            Ok(Some(text(value)).filter(|value| !value.is_empty()))
        }
        Some(_) => Err("has a name, version, release or architecture that is none"),
        None => Ok(None),
    };
    let optional = |tag: u32| match header.string(tag)? {
        Some(value) if value.len() > limits::packages().text => Err("has a text that is too long"),
        value => Ok(value.map(text).filter(|value| !value.is_empty() && value != "(none)")),
    };
    Ok(Installed {
        name: word(tag::NAME)?.ok_or("has no name")?,
        epoch: header.number(tag::EPOCH)?,
        version: word(tag::VERSION)?.ok_or("has no version")?,
        release: word(tag::RELEASE)?.ok_or("has no release")?,
        architecture: word(tag::ARCH)?.filter(|arch| arch != "(none)").unwrap_or_default(),
        source_rpm: optional(tag::SOURCE_RPM)?,
        license: optional(tag::LICENSE)?,
        vendor: optional(tag::VENDOR)?,
        modularity: optional(tag::MODULARITY_LABEL)?,
        files: header.files(budget)?,
    })
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[cfg(test)]
pub(crate) mod tests;
