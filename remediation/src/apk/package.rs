//! apk packages of format 2 (apk-v2(5)): signatures, control and data, each verified before it counts.
//!
//! The chain is the one that apk itself goes for a package of a repository: the signed index names the control
//! member's digest, the control member names the data's (`datahash`). A signature of the package's own by a key that
//! is known must hold besides.

use std::{
    collections::BTreeMap,
    fs::File,
    io::{self, Read, Seek, SeekFrom},
    path::{Path, PathBuf},
};

use base64::{Engine as _, prelude::BASE64_STANDARD};
use sha1::{Digest as _, Sha1};
use sha2::Sha256;

use super::{
    IndexEntry, Keys, limits,
    members::{self, Members},
};
use crate::{
    Error, Result,
    deb::{
        Entry, EntryKind,
        archive::{Bounded, read_entry},
    },
};

/// A digest as apk writes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Checksum {
    /// `Q1`, or `X1` in hexadecimal digits.
    Sha1([u8; 20]),
    /// `Q2`, or `X2` in hexadecimal digits.
    Sha256([u8; 32]),
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
            Self::Sha1(bytes) => format!("Q1{}", BASE64_STANDARD.encode(bytes)),
            Self::Sha256(bytes) => format!("Q2{}", BASE64_STANDARD.encode(bytes)),
        }
    }
    /// As apk 3 names scripts: `X1…`.
    pub fn hexadecimal(&self) -> String {
        match self {
            Self::Sha1(bytes) => format!("X1{}", hex::encode(bytes)),
            Self::Sha256(bytes) => format!("X2{}", hex::encode(bytes)),
        }
    }
    /// Whether it is these bytes'.
    fn is_of(&self, bytes: &[u8]) -> bool {
        match self {
            Self::Sha1(digest) => Sha1::digest(bytes)[..] == digest[..],
            Self::Sha256(digest) => Sha256::digest(bytes)[..] == digest[..],
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
    /// SHA-1 of a file's content, or of a link's target; none: a folder.
    pub sha1: Option<[u8; 20]>,
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
    data_at: u64,
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
    /// A file that cannot be read, one that is not what the index or its own control member promises, format 3.
    pub fn open(path: &Path, promised: &IndexEntry, keys: &Keys) -> Result<Self> {
        let name = promised.file_name();
        let unverified = |reason: &str| Error::Unverified { file: name.clone(), reason: reason.to_owned() };
        let failed = |source| Error::Io { operation: format!("read {}", path.display()), source };
        let broken = |e: io::Error| malformed(&name, &e.to_string());
        let file = File::open(path).map_err(failed)?;
        if file.metadata().map_err(failed)?.len() != promised.size {
            return Err(unverified("its size is another"));
        }
        let mut members = Members::new(file);
        if members.head().map_err(failed)?.starts_with(b"ADB") {
            return Err(Error::Format { file: name, format: "apk 3's ADB" });
        }
        let first = members.member(limits::CONTROL).map_err(broken)?;
        let signatures = members::signatures(&first).map_err(broken)?;
        let (start, control) = match signatures {
            Some(_) if first.len() as u64 > limits::SIGNATURES => {
                return Err(malformed(&name, "its signatures are too large"));
            }
            Some(_) => {
                let start = members.at();
                (start, members.member(limits::CONTROL).map_err(broken)?)
            }
            None => (0, first),
        };
        let data_at = members.at();
        let packed = range(path, start, data_at, &name)?;
        if !promised.checksum.is_of(&packed) {
            return Err(unverified("its control member is not the one that the signed index names"));
        }
        if let Some(signatures) = signatures.filter(|signatures| keys.knows(signatures)) {
            keys.verify(&signatures, &packed).map_err(|reason| unverified(&reason))?;
        }
        let (info, datahash, scripts) = control_files(&name, &control, promised)?;
        let mut package = Self { path: path.to_owned(), info, scripts, listed: Vec::new(), data_at };
        members.hash();
        let mut listed = Vec::new();
        let mut names = 0;
        read_data(&name, &mut members, |entry, sha1, content| {
            let sum = match &entry.kind {
                EntryKind::File => {
                    let mut hash = Sha1::new();
                    io::copy(content, &mut Hash(&mut hash)).map_err(|e| malformed(&name, &e.to_string()))?;
                    Some(hash.finalize().into())
                }
                EntryKind::Symlink(target) => Some(Sha1::digest(target.as_bytes()).into()),
                _ => None,
            };
            if let (Some(promised), Some(found)) = (sha1, sum)
                && promised != found
            {
                return Err(unverified(&format!("{} is not what its header promises", entry.path)));
            }
            names += entry.path.len();
            if names > limits::NAMES {
                return Err(malformed(&name, "its paths are too long together"));
            }
            listed.push(Listed { path: entry.path.clone(), kind: entry.kind.clone(), sha1: sum });
            Ok(())
        })?;
        io::copy(&mut members, &mut io::sink()).map_err(broken)?;
        let hashed = members.hashed().map(hex::encode);
        if hashed.as_deref() != Some(datahash.as_str()) {
            return Err(unverified("its data is not what its datahash promises"));
        }
        package.listed = listed;
        Ok(package)
    }

    /// Every data entry in the archive's order, with a reader of its content.
    pub fn data(&self, mut each: impl FnMut(&Entry, &mut dyn Read) -> Result<()>) -> Result<()> {
        let failed = |source| Error::Io { operation: format!("read {}", self.path.display()), source };
        let mut file = File::open(&self.path).map_err(failed)?;
        file.seek(SeekFrom::Start(self.data_at)).map_err(failed)?;
        let name = self.path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        read_data(&name, &mut Members::new(file), |entry, _, content| each(entry, content))
    }
}

struct Hash<'h>(&'h mut Sha1);

impl io::Write for Hash<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.update(bytes);
        Ok(bytes.len())
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Bytes of the file, as they are compressed.
fn range(path: &Path, start: u64, end: u64, name: &str) -> Result<Vec<u8>> {
    let failed = |source| Error::Io { operation: format!("read {}", path.display()), source };
    let length = end.saturating_sub(start);
    if length > limits::CONTROL_PACKED {
        return Err(malformed(name, "its control member is too large"));
    }
    let mut file = File::open(path).map_err(failed)?;
    file.seek(SeekFrom::Start(start)).map_err(failed)?;
    let mut bytes = Vec::new();
    file.take(length).read_to_end(&mut bytes).map_err(failed)?;
    Ok(bytes)
}

type Control = (Info, String, BTreeMap<String, Vec<u8>>);

fn control_files(name: &str, control: &[u8], promised: &IndexEntry) -> Result<Control> {
    let broken = |e: io::Error| malformed(name, &e.to_string());
    let mut text = None;
    let mut scripts = BTreeMap::new();
    for entry in tar::Archive::new(control).entries().map_err(broken)? {
        let mut entry = entry.map_err(broken)?;
        let path = String::from_utf8_lossy(&entry.path_bytes()).into_owned();
        let Some(member) = path.strip_prefix('.') else { continue };
        let mut bytes = Vec::new();
        entry.read_to_end(&mut bytes).map_err(broken)?;
        if member == "PKGINFO" {
            text = Some(String::from_utf8(bytes).map_err(|_| malformed(name, "its .PKGINFO is no UTF-8"))?);
        } else if SCRIPTS.contains(&member) {
            scripts.insert(member.to_owned(), bytes);
        }
    }
    let text = text.ok_or_else(|| malformed(name, "it has no .PKGINFO"))?;
    let (mut info, mut datahash) = (Info::default(), None);
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        let Some((key, value)) = line.split_once('=') else { continue };
        let (key, value) = (key.trim(), value.trim());
        let same = |promised: &str| match value == promised {
            true => Ok(()),
            false => {
                Err(Error::Unverified { file: name.to_owned(), reason: format!("its {key} is {value}") })
            }
        };
        match key {
            "pkgname" => same(&promised.name)?,
            "pkgver" => same(&promised.version)?,
            "replaces" => info.replaces.extend(value.split_whitespace().map(str::to_owned)),
            "replaces_priority" => info.replaces_priority = Some(value.to_owned()),
            "triggers" => info.triggers.extend(value.split_whitespace().map(str::to_owned)),
            "builddate" => info.build_date = value.parse().unwrap_or(0),
            "datahash" => datahash = Some(value.to_owned()),
            _ => {}
        }
        if info.replaces.len().max(info.triggers.len()) > limits::RELATIONS {
            return Err(malformed(name, "it has too many relations"));
        }
    }
    let datahash = datahash.ok_or_else(|| Error::Unverified {
        file: name.to_owned(),
        reason: "it has no datahash, so nothing vouches for its files".to_owned(),
    })?;
    Ok((info, datahash, scripts))
}

fn read_data<R: Read>(
    name: &str,
    members: &mut Members<R>,
    mut each: impl FnMut(&Entry, Option<[u8; 20]>, &mut dyn Read) -> Result<()>,
) -> Result<()> {
    let broken = |e: io::Error| malformed(name, &e.to_string());
    let inner = flate2::bufread::MultiGzDecoder::new(members);
    let mut archive = tar::Archive::new(Bounded { inner, left: limits::DATA });
    let mut count = 0;
    for entry in archive.entries().map_err(broken)? {
        let mut entry = entry.map_err(broken)?;
        count += 1;
        if count > limits::ENTRIES {
            return Err(malformed(name, "it has too many entries"));
        }
        let promised = checksum(&mut entry).map_err(broken)?;
        let Some(read) = read_entry(Path::new(name), &mut entry)? else { continue };
        // apk takes what begins with a dot in the root for control files of its own.
        if read.path.is_empty() || read.path.starts_with('.') {
            continue;
        }
        each(&read, promised, &mut entry)?;
    }
    // To the end of the last member, so that its check takes place and its hash is whole.
    io::copy(&mut archive.into_inner(), &mut io::sink()).map_err(broken)?;
    Ok(())
}

/// What the entry's header says of its content: `APK-TOOLS.checksum.SHA1`.
fn checksum<R: Read>(entry: &mut tar::Entry<'_, R>) -> io::Result<Option<[u8; 20]>> {
    let Some(extensions) = entry.pax_extensions()? else { return Ok(None) };
    for extension in extensions {
        let extension = extension?;
        if extension.key_bytes() == b"APK-TOOLS.checksum.SHA1" {
            let mut digest = [0; 20];
            hex::decode_to_slice(extension.value_bytes(), &mut digest).map_err(io::Error::other)?;
            return Ok(Some(digest));
        }
    }
    Ok(None)
}

fn malformed(file: &str, reason: &str) -> Error {
    Error::Malformed { file: file.to_owned(), reason: reason.to_owned() }
}
