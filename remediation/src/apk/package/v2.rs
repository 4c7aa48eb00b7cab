//! Format 2: gzip members of one tar archive, for signatures, control and data.

use std::{
    collections::BTreeMap,
    fs::File,
    io::{self, Read, Seek, SeekFrom},
    path::Path,
};

use sha1::{Digest as _, Sha1};

use super::{Checksum, Format, Hash, Info, Listed, Package, SCRIPTS, malformed, same};
use crate::{
    Error, Result,
    apk::{
        IndexEntry, Keys, limits,
        members::{self, Members},
    },
    deb::{
        Entry, EntryKind,
        archive::{Bounded, read_entry},
    },
};

/// Verifies all of it.
pub(super) fn open(path: &Path, file: File, promised: &IndexEntry, keys: &Keys) -> Result<Package> {
    let name = promised.file_name();
    let unverified = |reason: &str| Error::Unverified { file: name.clone(), reason: reason.to_owned() };
    let broken = |e: io::Error| malformed(&name, &e.to_string());
    let mut members = Members::new(file);
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
        let sum = sum.map(Checksum::Sha1);
        listed.push(Listed { path: entry.path.clone(), kind: entry.kind.clone(), sum });
        Ok(())
    })?;
    io::copy(&mut members, &mut io::sink()).map_err(broken)?;
    let hashed = members.hashed().map(hex::encode);
    if hashed.as_deref() != Some(datahash.as_str()) {
        return Err(unverified("its data is not what its datahash promises"));
    }
    let format = Format::V2 { data: data_at };
    Ok(Package { path: path.to_owned(), info, scripts, listed, format })
}

/// Of a file at the start of its data.
pub(super) fn data(
    name: &str,
    file: File,
    mut each: impl FnMut(&Entry, &mut dyn Read) -> Result<()>,
) -> Result<()> {
    read_data(name, &mut Members::new(file), |entry, _, content| each(entry, content))
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
        match key {
            "pkgname" => same(promised, key, value, &promised.name)?,
            "pkgver" => same(promised, key, value, &promised.version)?,
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
