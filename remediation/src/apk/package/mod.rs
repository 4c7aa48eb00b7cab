//! apk packages, each verified before it counts: of format 2 (apk-v2(5)) and of format 3 (apk-v3(5)).
//!
//! The chain is the one that apk itself goes for a package of a repository: the signed index names the digest of what the
//! package says of itself, and that names its data's. A signature of the package's own by a key that is known must hold
//! besides.

mod v2;
mod v3;

use std::{
    collections::BTreeMap,
    fs::File,
    io::{self, Read, Seek, SeekFrom, Write},
    path::{Path, PathBuf},
};

use base64::{Engine as _, prelude::BASE64_STANDARD};
use sha1::{Digest as _, Sha1};
use sha2::Sha256;

use super::{IndexEntry, Keys, adb};
use crate::{
    Error, Result,
    deb::{Entry, EntryKind},
    tree::Hashes,
};

/// A digest as apk writes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Checksum {
    /// `Q1`, or `X1` in hexadecimal digits.
    Sha1([u8; 20]),
    /// `Q2`, or `X2` in hexadecimal digits.
    Sha256([u8; 32]),
    /// The first bytes of a SHA-256, written as a SHA-1 is: all that apk 3 keeps of its own packages and of their files.
    Cut([u8; 20]),
}

impl Checksum {
    /// `Q1…`, `Q2…` in base64; none: it is neither.
    pub fn parse(text: &str) -> Option<Self> {
        let bytes = BASE64_STANDARD.decode(text.get(2..)?).ok()?;
        match text.get(..2)? {
            "Q1" => bytes.try_into().ok().map(Self::Sha1),
            "Q2" => bytes.try_into().ok().map(Self::Sha256),
            _ => None,
        }
    }
    /// As in a database: `Q1…`.
    pub fn base64(&self) -> String {
        match self {
            Self::Sha1(bytes) | Self::Cut(bytes) => format!("Q1{}", BASE64_STANDARD.encode(bytes)),
            Self::Sha256(bytes) => format!("Q2{}", BASE64_STANDARD.encode(bytes)),
        }
    }
    /// As apk 3 names scripts: `X1…`.
    pub fn hexadecimal(&self) -> String {
        match self {
            Self::Sha1(bytes) | Self::Cut(bytes) => format!("X1{}", hex::encode(bytes)),
            Self::Sha256(bytes) => format!("X2{}", hex::encode(bytes)),
        }
    }
    /// As a file of apk 3's has it; none: it is no digest that counts.
    pub(super) fn of_adb(bytes: &[u8]) -> Option<Self> {
        match bytes.len() {
            20 => bytes.try_into().ok().map(Self::Cut),
            32 => bytes.try_into().ok().map(Self::Sha256),
            _ => None,
        }
    }
    /// Of a SHA-256, as the installed database has it.
    fn cut(sha256: [u8; 32]) -> Self {
        let mut cut = [0; 20];
        cut.copy_from_slice(&sha256[..20]);
        Self::Cut(cut)
    }
    /// Every kind of it, of something with these digests.
    pub(crate) fn kinds(hashes: &Hashes) -> impl Iterator<Item = Self> + use<> {
        let of_sha256 = [Self::Sha256(hashes.sha256), Self::cut(hashes.sha256)];
        hashes.sha1.map(Self::Sha1).into_iter().chain(of_sha256)
    }
    /// Whether it is that of something with these digests; none: nobody can say.
    pub(crate) fn is(&self, hashes: &Hashes) -> Option<bool> {
        match self {
            Self::Sha1(digest) => Some(hashes.sha1? == *digest),
            Self::Sha256(digest) => Some(hashes.sha256 == *digest),
            Self::Cut(digest) => Some(hashes.sha256[..20] == digest[..]),
        }
    }
    /// Whether it is these bytes'.
    pub(super) fn is_of(&self, bytes: &[u8]) -> bool {
        match self {
            Self::Sha1(digest) => Sha1::digest(bytes)[..] == digest[..],
            Self::Sha256(digest) => Sha256::digest(bytes)[..] == digest[..],
            Self::Cut(digest) => Sha256::digest(bytes)[..20] == digest[..],
        }
    }
}

/// `.PKGINFO`, as far as the index does not say it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Info {
    /// `replaces`, all of them: packages whose files it may take over.
    pub replaces: Vec<String>,
    /// `replaces_priority`.
    pub replaces_priority: Option<String>,
    /// `triggers`: folders whose changes it wants to hear of.
    pub triggers: Vec<String>,
    /// Seconds since the epoch.
    pub build_date: u64,
}

/// One path that a package ships.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    /// Without the leading `/`.
    pub path: String,
    /// What it is.
    pub kind: EntryKind,
    /// Of a file's content, or of a link's target, of the kind that the installed database has; none: a folder.
    pub sum: Option<Checksum>,
}

/// A verified package on disk.
#[derive(Debug, Clone)]
pub struct Package {
    /// Its file.
    pub path: PathBuf,
    /// What it says of itself.
    pub info: Info,
    /// Scripts by name without the dot: `post-upgrade`, `trigger`.
    pub scripts: BTreeMap<String, Vec<u8>>,
    /// What it ships, in its order.
    pub listed: Vec<Listed>,
    format: Format,
}

/// How a package is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Format {
    /// Members of tar; where the last of them begins.
    V2 { data: u64 },
    /// Values, and blocks of data.
    V3,
}

/// `.pre-install` and its like, without the dot.
pub const SCRIPTS: [&str; 7] = [
    "pre-install",
    "post-install",
    "pre-upgrade",
    "post-upgrade",
    "pre-deinstall",
    "post-deinstall",
    "trigger",
];

impl Package {
    /// Opens a package and verifies all of it against the signed index's entry.
    ///
    /// # Errors
    /// A file that cannot be read, or one that is not what the index or what it says of itself promises.
    pub fn open(path: &Path, promised: &IndexEntry, keys: &Keys) -> Result<Self> {
        let failed = |source| Error::Io { operation: format!("read {}", path.display()), source };
        let mut file = File::open(path).map_err(failed)?;
        if file.metadata().map_err(failed)?.len() != promised.size {
            let (file, reason) = (promised.file_name(), "its size is another".to_owned());
            return Err(Error::Unverified { file, reason });
        }
        let mut head = Vec::new();
        (&file).take(adb::MAGIC.len() as u64).read_to_end(&mut head).map_err(failed)?;
        file.seek(SeekFrom::Start(0)).map_err(failed)?;
        match head == adb::MAGIC {
            true => v3::open(path, file, promised, keys),
            false => v2::open(path, file, promised, keys),
        }
    }

    /// Whether the installed database has cut SHA-256s of its files, not SHA-1s: it says so by the flag `S`.
    pub fn has_cut_sums(&self) -> bool {
        self.format == Format::V3
    }

    /// Every data entry in the archive's order, with a reader of its content. Owners have the names that the package gives
    /// them, beside the numbers that hold where an image has no such name.
    pub fn data(&self, mut each: impl FnMut(&Entry, &mut dyn Read) -> Result<()>) -> Result<()> {
        let failed = |source| Error::Io { operation: format!("read {}", self.path.display()), source };
        let mut file = File::open(&self.path).map_err(failed)?;
        let name = self.path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        match self.format {
            Format::V2 { data } => {
                file.seek(SeekFrom::Start(data)).map_err(failed)?;
                v2::data(&name, file, |entry, content| each(entry, content))
            }
            Format::V3 => v3::data(&name, file, |entry, content| each(entry, content)),
        }
    }
}

/// What is written is hashed.
struct Hash<'h, D>(&'h mut D);

impl<D: sha1::Digest> Write for Hash<'_, D> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.update(bytes);
        Ok(bytes.len())
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Says so where a package calls itself otherwise than the index does.
fn same(promised: &IndexEntry, key: &str, found: &str, expected: &str) -> Result<()> {
    match found == expected {
        true => Ok(()),
        false => {
            Err(Error::Unverified { file: promised.file_name(), reason: format!("its {key} is {found}") })
        }
    }
}

fn malformed(file: &str, reason: &str) -> Error {
    Error::Malformed { file: file.to_owned(), reason: reason.to_owned() }
}
