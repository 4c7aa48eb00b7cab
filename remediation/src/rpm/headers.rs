//! What an image has installed, by rpm's own database of headers: `rpmdb.sqlite`, `Packages.db` or `Packages`.
//!
//! The scanner finds the headers in it; here is read of each what an upgrade is planned with. The database is a stranger's:
//! what it says is bounded, and nothing of it is believed that the merged tree can say better.

use std::collections::BTreeMap;

use patchline_scanner::packages::rpm::{self, Form, ParseError, header::Header};
use sha2::{Digest as _, Sha256};

use super::{
    Evr, Installed, Relation,
    files::{self, File},
    info, limits,
    scripts::{self, Scripts},
};
use crate::{Error, Result, tree::Tree};

/// Keys that rpm trusts stand among the packages.
const KEY: &[u8] = b"gpg-pubkey";
const NAME: u32 = 1000;
/// One byte per file: whether it was installed, and if not, why.
const FILE_STATES: u32 = 1029;
const MODULARITY_LABEL: u32 = 5096;

/// Names, versions and flags of one kind of relation.
struct Tags(u32, u32, u32);
const REQUIRES: Tags = Tags(1049, 1050, 1048);
const PROVIDES: Tags = Tags(1047, 1113, 1112);
const CONFLICTS: Tags = Tags(1054, 1055, 1053);
const OBSOLETES: Tags = Tags(1090, 1115, 1114);

/// What the header of an installed package says.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Held {
    /// What it needs.
    pub requires: Vec<Relation>,
    /// What it provides, itself among them.
    pub provides: Vec<Relation>,
    /// What must not be there with it.
    pub conflicts: Vec<Relation>,
    /// What it removed.
    pub obsoletes: Vec<Relation>,
    /// What its removal would run.
    pub scripts: Scripts,
    /// Its files that were installed.
    pub files: Vec<File>,
    /// It has documentation, and none of it was installed: the image does without.
    pub no_documentation: bool,
    /// `nodejs:18:9020020230327152102:rhel9`
    pub module: Option<String>,
    /// Why its files, scripts or relations cannot be read: then it stays as it is.
    pub torn: Option<String>,
}

/// Everything that a database says.
pub(super) struct Read {
    pub(super) packages: Vec<Installed>,
    pub(super) records: BTreeMap<[u8; 32], usize>,
}

/// Reads the database at a path of the tree.
///
/// # Errors
/// It is damaged, too large, or not of the form that its name says.
pub(super) fn read(tree: &Tree, path: &'static str) -> Result<Read> {
    let malformed = |reason: String| Error::Malformed { file: format!("/{path}"), reason };
    let form = Form::of_path(path).ok_or_else(|| malformed("it is of no known form".to_owned()))?;
    let bytes = tree.content(path).ok_or_else(|| malformed("it is no file, or too large".to_owned()))?;
    // What is written there was not carried over into the file that is read.
    let journal = format!("{}-wal", tree.real(path));
    if tree.get(&journal).is_some_and(|node| node.entry.size > 0) {
        return Err(malformed(format!("/{journal} beside it holds what was last written")));
    }
    let mut read = Read { packages: Vec::new(), records: BTreeMap::new() };
    rpm::headers(bytes, form, &mut |at, blob| {
        let wrong = |reason: &str| ParseError { at: rpm::Place::Offset(at), reason: reason.to_owned() };
        let header = Header::parse(blob).map_err(wrong)?;
        *read.records.entry(Sha256::digest(blob).into()).or_default() += 1;
        if header.string(NAME).map_err(wrong)? == Some(KEY) {
            return Ok(());
        }
        let info = info::info(&header).map_err(wrong)?;
        read.packages.push(Installed::held(info, held(&header)));
        Ok(())
    })
    .map_err(|error| malformed(error.to_string()))?;
    Ok(read)
}

fn held(header: &Header<'_>) -> Held {
    fill(header).unwrap_or_else(|reason| Held { torn: Some(reason), ..Held::default() })
}

fn fill(header: &Header<'_>) -> Result<Held, String> {
    let said = |reason: &str| format!("it {reason}");
    let mut held = Held {
        requires: relations(header, &REQUIRES)?,
        provides: relations(header, &PROVIDES)?,
        conflicts: relations(header, &CONFLICTS)?,
        obsoletes: relations(header, &OBSOLETES)?,
        scripts: scripts::read(header).map_err(said)?,
        files: files::read(header)?,
        ..Held::default()
    };
    let label = header.string(MODULARITY_LABEL).map_err(said)?.filter(|label| !label.is_empty());
    held.module = label.map(|label| String::from_utf8_lossy(label).into_owned());
    let states = header.integers(FILE_STATES, limits::FILES).map_err(said)?.unwrap_or_default();
    if !states.is_empty() && states.len() != held.files.len() {
        return Err("its list of files is torn".to_owned());
    }
    // RPMFILE_STATE_NORMAL is 0; a package of before there were states has all of its files.
    let mut states = states.into_iter();
    let (mut documents, mut there) = (false, false);
    held.files.retain(|file| {
        let installed = states.next().unwrap_or(0) == 0;
        if file.is_documentation() && !file.is_folder() {
            documents = true;
            there |= installed;
        }
        installed
    });
    held.no_documentation = documents && !there;
    Ok(held)
}

fn relations(header: &Header<'_>, tags: &Tags) -> Result<Vec<Relation>, String> {
    let said = |reason: &str| format!("it {reason}");
    let texts = |tag| header.texts(tag, limits::RELATIONS).map(Option::unwrap_or_default).map_err(said);
    let (names, versions) = (texts(tags.0)?, texts(tags.1)?);
    let flags = header.integers(tags.2, limits::RELATIONS).map_err(said)?.unwrap_or_default();
    if versions.len() != names.len() || flags.len() != names.len() {
        return Err("its relations are torn".to_owned());
    }
    let relations = names.iter().zip(versions).zip(flags).map(|((name, version), flags)| {
        let (name, version) = (String::from_utf8_lossy(name), String::from_utf8_lossy(version));
        // RPMSENSE_LESS, RPMSENSE_GREATER, RPMSENSE_EQUAL.
        let [less, greater, equal] = [2, 4, 8].map(|bit| flags & bit != 0);
        let evr = (!version.is_empty()).then(|| evr(&version));
        Relation { name: name.into_owned(), less, equal, greater, evr }
    });
    Ok(relations.collect())
}

/// `[epoch:]version[-release]`; an epoch that is no number is part of the version.
fn evr(text: &str) -> Evr {
    let epoch = text.split_once(':').and_then(|(epoch, rest)| Some((epoch.parse().ok()?, rest)));
    let (epoch, rest) = epoch.unwrap_or((0, text));
    match rest.rsplit_once('-') {
        Some((version, release)) => Evr::new(epoch, version, release),
        None => Evr { epoch, version: rest.to_owned(), release: None },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_of_relations_are_read() {
        assert_eq!(evr("1:2.0-3"), Evr::new(1, "2.0", "3"));
        assert_eq!(evr("2.0"), Evr { epoch: 0, version: "2.0".into(), release: None });
        assert_eq!(evr("a:2.0").version, "a:2.0");
    }
}
