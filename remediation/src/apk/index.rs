//! A repository's index: verified as it came, then read, be it `APKINDEX.tar.gz` (apk-v2(5), "INDEX FORMAT V2") or apk 3's
//! (apk-v3(5)). What it is stands in the file, not in its name.

use std::{
    collections::BTreeMap,
    io::{self, Read},
    sync::Arc,
};

use sha2::{Digest as _, Sha256};

use super::{
    Checksum, Dependency, Keys,
    adb::{self, Blocks, Schema, Values, info},
    limits,
    members::{self, Members},
};
use crate::{Error, Result, deb::archive::Bounded};

/// Places in an index of apk 3's.
const PACKAGES: usize = 2;
const NAMING: usize = 3;

/// One package of an index.
#[derive(Debug, Clone)]
pub struct IndexEntry {
    /// `P`
    pub name: String,
    /// `V`
    pub version: String,
    /// `o`, else the name.
    pub origin: String,
    /// What it is verified by: the digest of its control member, or of the values of apk 3's format.
    pub checksum: Checksum,
    /// `S`: bytes of its file.
    pub size: u64,
    /// `D`
    pub depends: Vec<Dependency>,
    /// `p`
    pub provides: Vec<Dependency>,
    /// `i`
    pub install_if: Vec<Dependency>,
    /// Its fields as written, in the index's order: what the installed database takes over.
    pub fields: Vec<(char, String)>,
    /// Which of a client's repositories it lies in.
    pub repository: usize,
}

impl IndexEntry {
    /// `openssl-3.3.2-r0.apk`: where an index does not say otherwise.
    pub fn file_name(&self) -> String {
        format!("{}-{}.apk", self.name, self.version)
    }
    /// Its digest as the installed database has it, which is cut of apk 3's: scripts and triggers name the package by it.
    pub fn build(&self) -> Checksum {
        self.field('C').and_then(Checksum::parse).unwrap_or(self.checksum)
    }
    /// A field as written.
    pub fn field(&self, letter: char) -> Option<&str> {
        self.fields.iter().find(|(known, _)| *known == letter).map(|(_, value)| value.as_str())
    }
}

/// A verified index.
#[derive(Debug, Default)]
pub struct Index {
    /// SHA-256 of the file.
    pub hash: String,
    /// How packages' files are named, as apk 3's index may say: `${arch}/${name}-${version}.apk`.
    pub(super) naming: Option<String>,
    by_name: BTreeMap<String, Vec<Arc<IndexEntry>>>,
}

impl Index {
    /// Verifies and reads the whole file. `name` stands for it in errors; `repository` is put into its entries.
    pub(super) fn read(name: &str, file: &[u8], keys: &Keys, repository: usize) -> Result<Self> {
        if file.starts_with(adb::MAGIC) {
            return Self::read_adb(name, file, keys, repository);
        }
        let malformed = |reason: &str| Error::Malformed { file: name.to_owned(), reason: reason.to_owned() };
        let untrusted = |reason: String| Error::Untrusted { suite: name.to_owned(), reason };
        let mut members = Members::new(file);
        let first = members
            .member(limits::SIGNATURES)
            .map_err(|e| malformed(&format!("its signature cannot be read: {e}")))?;
        let signatures = members::signatures(&first)
            .map_err(|e| malformed(&e.to_string()))?
            .ok_or_else(|| untrusted("it is not signed".to_owned()))?;
        let signed = usize::try_from(members.at()).ok().and_then(|at| file.get(at..)).unwrap_or_default();
        keys.verify(&signatures, signed).map_err(untrusted)?;
        let plain = flate2::bufread::MultiGzDecoder::new(signed);
        let mut archive = tar::Archive::new(Bounded { inner: plain, left: limits::INDEX });
        let broken = |e: std::io::Error| malformed(&e.to_string());
        let mut text = None;
        for entry in archive.entries().map_err(broken)? {
            let mut entry = entry.map_err(broken)?;
            if *entry.path_bytes() == *b"APKINDEX" {
                let mut bytes = Vec::new();
                entry.read_to_end(&mut bytes).map_err(broken)?;
                text = Some(String::from_utf8(bytes).map_err(|_| malformed("it is no UTF-8"))?);
            }
        }
        let text = text.ok_or_else(|| malformed("it has no APKINDEX"))?;
        let mut index = Self::of(file);
        let mut count = 0;
        for stanza in text.split("\n\n").filter(|stanza| !stanza.trim().is_empty()) {
            count += 1;
            if count > limits::INDEX_ENTRIES {
                return Err(malformed("it has too many packages"));
            }
            // What apk cannot read is no package either: a digest of a kind to come hides none of its neighbours.
            let fields = fields(stanza.trim_matches('\n')).map(|field| {
                let (letter, value) = field.ok_or_else(|| malformed("a line is no field"))?;
                Ok((letter, value.to_owned()))
            });
            if let Some(entry) = entry(name, fields.collect::<Result<_>>()?, None, repository)? {
                index.by_name.entry(entry.name.clone()).or_default().push(Arc::new(entry));
            }
        }
        Ok(index)
    }

    fn of(file: &[u8]) -> Self {
        Self { hash: hex::encode(Sha256::digest(file)), naming: None, by_name: BTreeMap::new() }
    }

    /// The same of apk 3's.
    fn read_adb(name: &str, file: &[u8], keys: &Keys, repository: usize) -> Result<Self> {
        let broken = |e: io::Error| Error::Malformed { file: name.to_owned(), reason: e.to_string() };
        let signed =
            Blocks::open(file, Schema::Index).and_then(|mut b| b.signed(limits::INDEX)).map_err(broken)?;
        let untrusted = |reason| Error::Untrusted { suite: name.to_owned(), reason };
        signed.verify(Schema::Index, keys).map_err(untrusted)?;
        let values = Values::new(signed.bytes).map_err(broken)?;
        let root = values.root().map_err(broken)?;
        let packages = root.objects(PACKAGES).map_err(broken)?;
        if packages.len() > limits::INDEX_ENTRIES {
            return Err(broken(io::Error::other("it has too many packages")));
        }
        let mut index = Self::of(file);
        let naming = root.text(NAMING).map_err(broken)?;
        index.naming = Some(naming.to_owned()).filter(|naming| !naming.is_empty());
        for package in packages {
            let fields = info::fields(&package).map_err(broken)?;
            // As apk does: one without a digest is none.
            let Some(checksum) = Checksum::of_adb(package.blob(info::HASHES).map_err(broken)?) else {
                continue;
            };
            let size = package.integer(info::FILE_SIZE).map_err(broken)?;
            let entry = entry(name, fields, Some((checksum, size)), repository)?;
            if let Some(entry) = entry {
                index.by_name.entry(entry.name.clone()).or_default().push(Arc::new(entry));
            }
        }
        Ok(index)
    }

    /// Every version of a package.
    pub fn candidates(&self, name: &str) -> &[Arc<IndexEntry>] {
        self.by_name.get(name).map(Vec::as_slice).unwrap_or_default()
    }
    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<IndexEntry>> {
        self.by_name.values().flatten()
    }
}

/// Fields, one a line: a letter, a colon, the value.
pub(super) fn fields(text: &str) -> impl Iterator<Item = Option<(char, &str)>> {
    text.lines().map(|line| {
        let (letter, value) = line.split_once(':')?;
        let mut letters = letter.chars();
        let first = letters.next().filter(char::is_ascii_alphabetic)?;
        letters.next().is_none().then_some((first, value))
    })
}

/// A name, a version: also parts of addresses and of paths.
pub(super) fn is_word(text: &str) -> bool {
    !text.is_empty()
        && text.len() <= 256
        && !text.starts_with('.')
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._+~".contains(&b))
}

/// From the fields of a package; what it is verified by, and its size, stand among them where nobody says better.
fn entry(
    file: &str,
    kept: Vec<(char, String)>,
    said: Option<(Checksum, u64)>,
    repository: usize,
) -> Result<Option<IndexEntry>> {
    let malformed = |reason: &str| Error::Malformed { file: file.to_owned(), reason: reason.to_owned() };
    let get = |letter: char| kept.iter().find(|(known, _)| *known == letter).map(|(_, value)| value.as_str());
    let (Some(name), Some(version)) = (get('P'), get('V')) else {
        return Err(malformed("a package has no name or version"));
    };
    if !is_word(name) || !is_word(version) {
        return Err(malformed("a package's name or version is none"));
    }
    let by_fields = || Some((Checksum::parse(get('C')?)?, get('S')?.parse().ok()?));
    let Some((checksum, size)) = said.or_else(by_fields) else { return Ok(None) };
    let relations = |letter| Dependency::parse_all(file, get(letter).unwrap_or_default());
    Ok(Some(IndexEntry {
        name: name.to_owned(),
        version: version.to_owned(),
        origin: get('o').filter(|origin| !origin.is_empty()).unwrap_or(name).to_owned(),
        checksum,
        size,
        depends: relations('D')?,
        provides: relations('p')?,
        install_if: relations('i')?,
        repository,
        fields: kept,
    }))
}
