//! rpm packages ("RPM V4 Package format"): lead, signature header, main header, payload, each verified before it counts.
//!
//! The signed index names the SHA-256 of the whole file; the main header names the payload's and each file's; and a
//! signature over the main header, where there is one, must be by a known key.

use std::{
    collections::BTreeMap,
    fs::File as Disk,
    io::{self, BufReader, Read, Seek, SeekFrom},
    path::{Path, PathBuf},
};

use base64::{Engine as _, prelude::BASE64_STANDARD};
use jiff::Timestamp;
use patchline_scanner::packages::rpm::header::Header;
use sha2::{Digest as _, Sha256};

use super::{
    Entry, Info, Keys, cpio,
    files::{self, File},
    info, limits,
    scripts::{self, Scripts},
};
use crate::{
    Error, Result,
    deb::archive::{Bounded, decoder},
};

const LEAD: u64 = 96;
const LEAD_MAGIC: [u8; 4] = [0xed, 0xab, 0xee, 0xdb];
/// Magic, version and four reserved bytes.
const HEADER_MAGIC: [u8; 8] = [0x8e, 0xad, 0xe8, 1, 0, 0, 0, 0];

/// A verified package on disk.
#[derive(Debug, Clone)]
pub struct Package {
    /// Its file.
    pub path: PathBuf,
    /// What it says of itself.
    pub info: Info,
    /// What it would run.
    pub scripts: Scripts,
    /// Its files, in its order.
    pub files: Vec<File>,
    suffix: &'static str,
    payload: u64,
}

/// What of an entry of the payload comes.
pub enum Part<'a> {
    /// A file's content.
    Content(&'a mut dyn Read),
    /// Another name of the file with this number, whose content has come before.
    HardLink(usize),
    /// Folders and links.
    Nothing,
}

/// A file to read of, and its name in errors.
struct Source {
    name: String,
    file: BufReader<Disk>,
}

impl Source {
    fn exact(&mut self, into: &mut [u8]) -> Result<()> {
        self.file.read_exact(into).map_err(|_| malformed(&self.name, "it ends early"))
    }

    /// A whole header with its magic. `padded`: to a multiple of eight.
    fn header(&mut self, store: usize, padded: bool) -> Result<Vec<u8>> {
        let mut head = [0; 16];
        self.exact(&mut head)?;
        if head[..8] != HEADER_MAGIC {
            return Err(malformed(&self.name, "it has no rpm header"));
        }
        let number =
            |at: usize| head[at..at + 4].iter().fold(0usize, |number, byte| number << 8 | usize::from(*byte));
        let (entries, length) = (number(8), number(12));
        if entries > limits::HEADER_ENTRIES || length > store {
            return Err(malformed(&self.name, "its header is too large"));
        }
        let mut bytes = head.to_vec();
        // As much as comes is held, not as much as is promised.
        let most = (entries * 16 + length) as u64;
        let read = (&mut self.file).take(most).read_to_end(&mut bytes);
        let read = read.map_err(|e| malformed(&self.name, &e.to_string()))?;
        if read as u64 != most {
            return Err(malformed(&self.name, "it ends early"));
        }
        if padded {
            let mut rest = [0; 7];
            self.exact(&mut rest[..(8 - length % 8) % 8])?;
        }
        Ok(bytes)
    }
}

impl Package {
    /// Opens a package whose whole file is what the signed index promises, and verifies what is in it.
    ///
    /// # Errors
    /// It is none, its signature is by no known key, or its parts contradict one another or the index.
    pub fn open(path: &Path, promised: &Entry, keys: &Keys, now: Timestamp) -> Result<Self> {
        let name = promised.file_name().to_owned();
        let failed = |source| Error::Io { operation: format!("read {}", path.display()), source };
        let unverified = |reason: &str| Error::Unverified { file: name.clone(), reason: reason.to_owned() };
        let disk = Disk::open(path).map_err(failed)?;
        let mut source = Source { name: name.clone(), file: BufReader::with_capacity(128 << 10, disk) };
        let mut lead = [0; LEAD as usize];
        source.exact(&mut lead)?;
        if lead[..4] != LEAD_MAGIC || !matches!(lead[4], 3 | 4) {
            return Err(malformed(&name, "it is no rpm package"));
        }
        if lead[6..8] != [0, 0] {
            return Err(malformed(&name, "it is a source package"));
        }
        let signatures = source.header(limits::SIGNATURE_STORE, true)?;
        let main = source.header(limits::HEADER_STORE, false)?;
        let payload = source.file.stream_position().map_err(failed)?;
        let said = |reason: &'static str| malformed(&name, &format!("it {reason}"));
        verify(&signatures, &main, keys, now).map_err(|reason| unverified(&reason))?;
        let header = Header::parse(&main[8..]).map_err(said)?;

        let info = info::info(&header).map_err(said)?;
        if (info.name.as_str(), &info.evr, info.architecture.as_str())
            != (promised.name.as_str(), &promised.evr, promised.architecture.as_str())
        {
            return Err(unverified(&format!("it is {} {} {}", info.name, info.evr, info.architecture)));
        }
        let suffix = info::suffix(&name, &header)?;
        let scripts = scripts::read(&header).map_err(said)?;
        let files = files::read(&header).map_err(|reason| malformed(&name, &reason))?;
        let mut package = Self { path: path.to_owned(), info, scripts, files, suffix, payload };
        if let Some(digest) = info::payload_digest(&header).map_err(said)? {
            let mut hash = Sha256::new();
            io::copy(&mut source.file, &mut Hash(&mut hash)).map_err(failed)?;
            if hex::encode(hash.finalize()) != digest {
                return Err(unverified("its payload is not what its header promises"));
            }
        }
        package.measure(&name)?;
        Ok(package)
    }

    /// Hashes every file, and holds it against the header.
    fn measure(&mut self, name: &str) -> Result<()> {
        let mut found: BTreeMap<usize, Option<[u8; 32]>> = BTreeMap::new();
        self.data(|index, file, part| {
            let sum = match part {
                Part::Nothing => None,
                Part::HardLink(first) => found.get(&first).copied().flatten(),
                Part::Content(content) => {
                    let mut hash = Sha256::new();
                    let size = io::copy(content, &mut Hash(&mut hash))
                        .map_err(|e| malformed(name, &e.to_string()))?;
                    let sum: [u8; 32] = hash.finalize().into();
                    let wrong = file.sha256.is_some_and(|promised| promised != sum);
                    if wrong || size != file.size {
                        return Err(Error::Unverified {
                            file: name.to_owned(),
                            reason: format!("/{} is not what its header promises", file.path),
                        });
                    }
                    Some(sum)
                }
            };
            found.insert(index, sum);
            Ok(())
        })?;
        for (index, file) in self.files.iter_mut().enumerate() {
            match found.get(&index) {
                Some(sum) => file.sha256 = *sum,
                // What is only known to rpm has no content to come.
                None if file.is_ghost() => file.sha256 = None,
                None => {
                    return Err(malformed(name, &format!("/{} is not in its payload", file.path)));
                }
            }
        }
        Ok(())
    }

    /// Every entry of the payload in its order: the number of its file, the file, and what comes of it.
    pub fn data(&self, mut each: impl FnMut(usize, &File, Part<'_>) -> Result<()>) -> Result<()> {
        let failed = |source| Error::Io { operation: format!("read {}", self.path.display()), source };
        let name = format!("{}-{}.{}.rpm", self.info.name, self.info.evr, self.info.architecture);
        let mut disk = Disk::open(&self.path).map_err(failed)?;
        disk.seek(SeekFrom::Start(self.payload)).map_err(failed)?;
        let plain = decoder(self.suffix, BufReader::with_capacity(128 << 10, disk))
            .map_err(|e| malformed(&name, &e.to_string()))?;
        let by_path: BTreeMap<&str, usize> =
            self.files.iter().enumerate().map(|(index, file)| (file.path.as_str(), index)).collect();
        let mut came = vec![false; self.files.len()];
        // Names of one file that came before its content.
        let mut waiting: BTreeMap<(u64, u64), Vec<usize>> = BTreeMap::new();
        let mut first: BTreeMap<(u64, u64), usize> = BTreeMap::new();
        cpio::read(Bounded { inner: plain, left: limits::PAYLOAD }, |member, content| {
            let wrong = |reason: &str| {
                let shown = String::from_utf8_lossy(&member.name).chars().take(120).collect::<String>();
                Fault::Ours(malformed(&name, &format!("{shown} {reason}")))
            };
            let path = files::normalise(&member.name).ok_or_else(|| wrong("leaves its root"))?;
            let index = *by_path.get(path.as_str()).ok_or_else(|| wrong("is not in its header"))?;
            let file = &self.files[index];
            if std::mem::replace(&mut came[index], true) {
                return Err(wrong("comes twice"));
            }
            if file.mode & 0o170_000 != member.mode & 0o170_000 {
                return Err(wrong("is of another kind than its header says"));
            }
            match file.shared.filter(|_| file.is_regular()) {
                Some(shared) if member.size == 0 && file.size > 0 => {
                    match first.get(&shared) {
                        Some(first) => each(index, file, Part::HardLink(*first))?,
                        None => waiting.entry(shared).or_default().push(index),
                    }
                    Ok(())
                }
                _ if !file.is_regular() => Ok(each(index, file, Part::Nothing)?),
                shared => {
                    each(index, file, Part::Content(content))?;
                    let Some(shared) = shared else { return Ok(()) };
                    first.insert(shared, index);
                    for other in waiting.remove(&shared).unwrap_or_default() {
                        each(other, &self.files[other], Part::HardLink(index))?;
                    }
                    Ok(())
                }
            }
        })
        .map_err(|fault| match fault {
            Fault::Payload(error) => malformed(&name, &error.to_string()),
            Fault::Ours(error) => error,
        })?;
        match waiting.values().flatten().next() {
            Some(index) => {
                Err(malformed(&name, &format!("/{} has no content in its payload", self.files[*index].path)))
            }
            None => Ok(()),
        }
    }
}

/// What ends the reading of a payload: its own bytes, or whoever wants them.
enum Fault {
    Payload(io::Error),
    Ours(Error),
}

impl From<io::Error> for Fault {
    fn from(source: io::Error) -> Self {
        Self::Payload(source)
    }
}
impl From<Error> for Fault {
    fn from(error: Error) -> Self {
        Self::Ours(error)
    }
}

struct Hash<'h>(&'h mut Sha256);

impl io::Write for Hash<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.update(bytes);
        Ok(bytes.len())
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Holds the main header, with its magic, against what the signature header says of it.
fn verify(signatures: &[u8], main: &[u8], keys: &Keys, now: Timestamp) -> Result<(), String> {
    /// `RPMSIGTAG_SHA256`, in hexadecimal digits.
    const SHA256: u32 = 273;
    /// `RPMSIGTAG_DSA` (also for EdDSA and ECDSA) and `RPMSIGTAG_RSA`, both over the main header.
    const OVER_HEADER: [u32; 2] = [267, 268];
    /// `RPMSIGTAG_OPENPGP`, since rpm 6: the same, several of them, in base64.
    const OPENPGP: u32 = 278;
    let said = |reason: &str| format!("it {reason}");
    let header = Header::parse(&signatures[8..]).map_err(said)?;
    if let Some(digest) = header.string(SHA256).map_err(said)?
        && digest != hex::encode(Sha256::digest(main)).as_bytes()
    {
        return Err("its header is not what its own digest promises".to_owned());
    }
    let mut found: Vec<Vec<u8>> = Vec::new();
    for tag in OVER_HEADER {
        found.extend(header.bytes(tag).map_err(said)?.map(<[u8]>::to_vec));
    }
    for text in header.texts(OPENPGP, 16).map_err(said)?.unwrap_or_default() {
        found.push(BASE64_STANDARD.decode(text).map_err(|_| "its signature is no base64".to_owned())?);
    }
    let mut reasons = Vec::new();
    for signature in &found {
        match keys.verify(signature, main, now) {
            Ok(()) => return Ok(()),
            Err(reason) => reasons.push(reason),
        }
    }
    // Without one the signed index alone vouches for it.
    if reasons.is_empty() { Ok(()) } else { Err(reasons.join("; ")) }
}

fn malformed(file: &str, reason: &str) -> Error {
    Error::Malformed { file: file.to_owned(), reason: reason.to_owned() }
}
