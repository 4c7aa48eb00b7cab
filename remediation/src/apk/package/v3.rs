//! Format 3: a tree of values with all that is said of a package and its files, and a block for each file's content.

use std::{
    collections::BTreeMap,
    fs::File,
    io::{self, BufReader, Read},
    path::Path,
};

use sha2::{Digest as _, Sha256};

use super::{Checksum, Format, Hash, Info, Listed, Package, malformed, same};
use crate::{
    Error, Result,
    apk::{
        IndexEntry, Keys,
        adb::{Block, Blocks, Schema, Slots, Values, info},
        limits,
    },
    deb::{Entry, EntryKind},
};

/// Places in a package.
const ABOUT: usize = 1;
const FOLDERS: usize = 2;
const SCRIPTS: usize = 3;
const TRIGGERS: usize = 4;
const REPLACES_PRIORITY: usize = 5;
/// Places of a folder and of a file alike.
const NAME: usize = 1;
const ACCESS: usize = 2;
/// Of a folder alone.
const FILES: usize = 3;
/// Of a file alone.
const SIZE: usize = 3;
const MTIME: usize = 4;
const HASHES: usize = 5;
const TARGET: usize = 6;
/// Of who may do what with it.
const MODE: usize = 1;
const USER: usize = 2;
const GROUP: usize = 3;
const XATTRS: usize = 4;
/// Places of its scripts.
const NAMES: [(usize, &str); 7] = [
    (1, "trigger"),
    (2, "pre-install"),
    (3, "post-install"),
    (4, "pre-deinstall"),
    (5, "post-deinstall"),
    (6, "pre-upgrade"),
    (7, "post-upgrade"),
];
/// Whoever owns what an image has no owner for, to apk.
const NOBODY: u64 = 65534;
const MAX_PATH: usize = 4096;

/// Verifies all of it.
pub(super) fn open(path: &Path, file: File, promised: &IndexEntry, keys: &Keys) -> Result<Package> {
    let name = promised.file_name();
    let unverified = |reason: &str| Error::Unverified { file: name.clone(), reason: reason.to_owned() };
    let broken = |e: io::Error| malformed(&name, &e.to_string());
    let mut blocks = Blocks::open(buffered(file), Schema::Package).map_err(broken)?;
    let signed = blocks.signed(limits::PACKAGE_VALUES).map_err(broken)?;
    if !promised.checksum.is_of(&signed.bytes) {
        return Err(unverified("its values are not those that the signed index names"));
    }
    if keys.knows_adb(&signed.signatures) {
        signed.verify(Schema::Package, keys).map_err(|reason| unverified(&reason))?;
    }
    let has_data = signed.has_data;
    let values = Values::new(signed.bytes).map_err(broken)?;
    let root = values.root().map_err(broken)?;
    let (info, scripts) = said(&root, promised)?;
    let mut listed = Vec::new();
    let mut names = 0;
    walk(&name, &root, (&mut blocks, has_data), |entry, promised, content| {
        let sum = match (&entry.kind, promised) {
            (EntryKind::File, Some(promised)) => {
                let mut hash = Sha256::new();
                io::copy(content, &mut Hash(&mut hash)).map_err(broken)?;
                let found: [u8; 32] = hash.finalize().into();
                if found != promised {
                    return Err(unverified(&format!("{} is not what its digest promises", entry.path)));
                }
                Some(Checksum::cut(found))
            }
            (EntryKind::Symlink(target), _) => Some(Checksum::cut(Sha256::digest(target).into())),
            _ => None,
        };
        names += entry.path.len();
        if names > limits::NAMES {
            return Err(malformed(&name, "its paths are too long together"));
        }
        listed.push(Listed { path: entry.path.clone(), kind: entry.kind.clone(), sum });
        Ok(())
    })?;
    Ok(Package { path: path.to_owned(), info, scripts, listed, format: Format::V3 })
}

/// Of a file at its start.
pub(super) fn data(
    name: &str,
    file: File,
    mut each: impl FnMut(&Entry, &mut dyn Read) -> Result<()>,
) -> Result<()> {
    let broken = |e: io::Error| malformed(name, &e.to_string());
    let mut blocks = Blocks::open(buffered(file), Schema::Package).map_err(broken)?;
    let signed = blocks.signed(limits::PACKAGE_VALUES).map_err(broken)?;
    let values = Values::new(signed.bytes).map_err(broken)?;
    let root = values.root().map_err(broken)?;
    walk(name, &root, (&mut blocks, signed.has_data), |entry, _, content| each(entry, content))
}

fn buffered(file: File) -> BufReader<File> {
    BufReader::with_capacity(128 << 10, file)
}

/// What it says of itself, and its scripts.
fn said(root: &Slots<'_>, promised: &IndexEntry) -> Result<(Info, BTreeMap<String, Vec<u8>>)> {
    let name = promised.file_name();
    let broken = |e: io::Error| malformed(&name, &e.to_string());
    let about = root.slots(ABOUT).map_err(broken)?;
    let about = about.ok_or_else(|| malformed(&name, "it says nothing of itself"))?;
    same(promised, "name", about.text(info::NAME).map_err(broken)?, &promised.name)?;
    same(promised, "version", about.text(info::VERSION).map_err(broken)?, &promised.version)?;
    let priority = root.integer(REPLACES_PRIORITY).map_err(broken)?;
    let triggers = root.texts(TRIGGERS).map_err(broken)?;
    let info = Info {
        replaces: info::relations(&about, info::REPLACES).map_err(broken)?,
        replaces_priority: (priority > 0).then(|| priority.to_string()),
        triggers: triggers.into_iter().map(str::to_owned).collect(),
        build_date: about.integer(info::BUILD_TIME).map_err(broken)?,
    };
    if info.replaces.len().max(info.triggers.len()) > limits::RELATIONS {
        return Err(malformed(&name, "it has too many relations"));
    }
    let mut scripts = BTreeMap::new();
    if let Some(all) = root.slots(SCRIPTS).map_err(broken)? {
        for (number, script) in NAMES {
            let text = all.blob(number).map_err(broken)?;
            if !text.is_empty() {
                scripts.insert(script.to_owned(), text.to_vec());
            }
        }
    }
    Ok((info, scripts))
}

/// Every folder and file in its order, with the SHA-256 that is promised of a file's content, and a reader of it.
fn walk(
    name: &str,
    root: &Slots<'_>,
    (blocks, mut ready): (&mut Blocks<'_>, bool),
    mut each: impl FnMut(&Entry, Option<[u8; 32]>, &mut dyn Read) -> Result<()>,
) -> Result<()> {
    let broken = |e: io::Error| malformed(name, &e.to_string());
    let built =
        root.slots(ABOUT).and_then(|about| about.map_or(Ok(0), |about| about.integer(info::BUILD_TIME)));
    let built = built.map_err(broken)?;
    let mut count = 0;
    for (folder_number, folder) in (1..).zip(root.objects(FOLDERS).map_err(broken)?) {
        let mut at = entry(&folder).map_err(broken)?;
        at.mtime = built;
        let files = folder.objects(FILES).map_err(broken)?;
        count += 1 + files.len();
        if count > limits::ENTRIES {
            return Err(malformed(name, "it has too many entries"));
        }
        if !at.path.is_empty() {
            is_path(&at.path).map_err(broken)?;
            each(&at, None, &mut io::empty())?;
        }
        for (number, file) in (1..).zip(files) {
            let mut one = entry(&file).map_err(broken)?;
            one.path = if at.path.is_empty() { one.path } else { format!("{}/{}", at.path, one.path) };
            is_path(&one.path).map_err(broken)?;
            one.mtime = file.integer(MTIME).map_err(broken)?;
            let target = file.blob(TARGET).map_err(broken)?;
            if !target.is_empty() {
                one.kind = special(target).map_err(broken)?;
                each(&one, None, &mut io::empty())?;
                continue;
            }
            one.kind = EntryKind::File;
            one.size = file.integer(SIZE).map_err(broken)?;
            let hash =
                <[u8; 32]>::try_from(file.blob(HASHES).map_err(broken)?).map_err(|_| Error::Unverified {
                    file: name.to_owned(),
                    reason: format!("it has no SHA-256 of {}", one.path),
                })?;
            if one.size == 0 {
                each(&one, Some(hash), &mut io::empty())?;
                continue;
            }
            if !std::mem::take(&mut ready)
                && blocks.next().map_err(broken)?.map(|(b, _)| b) != Some(Block::Data)
            {
                return Err(malformed(name, &format!("it has no content of {}", one.path)));
            }
            let mut of = [0; 8];
            blocks.read_exact(&mut of).map_err(broken)?;
            let expected = u64::from(folder_number as u32) | u64::from(number as u32) << 32;
            if u64::from_le_bytes(of) != expected || blocks.left() != one.size {
                return Err(malformed(name, &format!("its data is not that of {}", one.path)));
            }
            each(&one, Some(hash), blocks)?;
        }
    }
    match ready || blocks.next().map_err(broken)?.is_some() {
        true => Err(malformed(name, "it has data of no file")),
        false => Ok(()),
    }
}

/// What folders and files have in common.
fn entry(object: &Slots<'_>) -> io::Result<Entry> {
    let mut entry = Entry {
        path: object.text(NAME)?.to_owned(),
        kind: EntryKind::Directory,
        mode: 0,
        uid: NOBODY,
        gid: NOBODY,
        uname: String::new(),
        gname: String::new(),
        mtime: 0,
        size: 0,
        xattrs: Vec::new(),
    };
    let Some(access) = object.slots(ACCESS)? else { return Ok(entry) };
    entry.mode = (access.integer(MODE)? & 0o7777) as u32;
    entry.uname = access.text(USER)?.to_owned();
    entry.gname = access.text(GROUP)?.to_owned();
    let Some(attributes) = access.slots(XATTRS)? else { return Ok(entry) };
    for number in attributes.numbers() {
        let attribute = attributes.blob(number)?;
        let end = attribute.iter().position(|byte| *byte == 0);
        let (name, value) = end.map(|end| (&attribute[..end], &attribute[end + 1..])).unwrap_or_default();
        match std::str::from_utf8(name) {
            Ok(name) if !name.is_empty() => entry.xattrs.push((name.to_owned(), value.to_vec())),
            _ => return Err(io::Error::other("an extended attribute of it has no name")),
        }
    }
    Ok(entry)
}

/// What is no plain file: its type as inode(7) has it, then what it leads to.
fn special(target: &[u8]) -> io::Result<EntryKind> {
    let broken = || io::Error::other("a link of it leads nowhere");
    let (kind, rest) = target.split_at_checked(2).ok_or_else(broken)?;
    let text = || {
        let text = std::str::from_utf8(rest).map_err(|_| broken())?;
        match text.is_empty() || text.len() > MAX_PATH || text.contains(char::is_control) {
            true => Err(broken()),
            false => Ok(text.to_owned()),
        }
    };
    Ok(match u16::from_le_bytes([kind[0], kind[1]]) {
        0xa000 => EntryKind::Symlink(text()?),
        0x8000 => {
            let first = text()?;
            is_path(&first)?;
            EntryKind::HardLink(first)
        }
        // Which device it is does not matter: none is made.
        0x2000 => EntryKind::CharDevice(0, 0),
        0x6000 => EntryKind::BlockDevice(0, 0),
        0x1000 => EntryKind::Fifo,
        _ => return Err(broken()),
    })
}

/// A path below the root that means what it says.
fn is_path(path: &str) -> io::Result<()> {
    match path.len() > MAX_PATH || path.split('/').any(|part| matches!(part, "" | "." | "..")) {
        true => Err(io::Error::other("a path of it is none")),
        false => Ok(()),
    }
}
