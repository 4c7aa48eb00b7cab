//! What of the tree changed between two looks at it: by inode and change time, which no script can set back.
//!
//! No upper layer of an overlay is read: hard links stay whole, it is the same on every kernel and without rights, and the
//! tree lies in memory anyway.

use std::{
    collections::{BTreeMap, HashMap},
    ffi::{OsStr, OsString},
    fs::{self, Metadata},
    io::{self, Write},
    os::unix::{
        ffi::OsStrExt,
        fs::{FileTypeExt, MetadataExt},
    },
    path::{Path, PathBuf},
    time::Duration,
};

use super::{
    Result,
    clean::{self, Added},
};
use crate::executor::sandbox::{
    fault::{Failure, Fault},
    limits::CHANGES,
    wire::{self, Changed, Said, What},
};

/// Longer than the clock that stamps files stands still.
const TICK: Duration = Duration::from_millis(25);
/// Bytes of one extended attribute that is carried on.
const XATTR: usize = 64 << 10;

/// What stood at a path.
#[derive(PartialEq, Eq)]
struct Mark {
    inode: u64,
    /// A folder's change time moves with what is in it: its own are mode and owners.
    changed: (i64, i64),
    folder: bool,
}

impl Mark {
    fn of(there: &Metadata) -> Self {
        let folder = there.is_dir();
        let own = (i64::from(there.mode()), (i64::from(there.uid()) << 32) | i64::from(there.gid()));
        Self {
            inode: there.ino(),
            changed: if folder { own } else { (there.ctime(), there.ctime_nsec()) },
            folder,
        }
    }
}

/// Every path as it stands.
pub(super) struct Before {
    marks: BTreeMap<PathBuf, Mark>,
}

/// Looks at the whole tree. What changes after this call is told apart from what was before.
pub(super) fn snapshot(added: &Added) -> io::Result<Before> {
    let mut marks = BTreeMap::new();
    walk(added, |path, there| {
        marks.insert(path.to_owned(), Mark::of(there));
        Ok(())
    })?;
    std::thread::sleep(TICK);
    Ok(Before { marks })
}

/// Folders before what is in them. A name that is no text is taken, too: whether it may change is decided later.
fn walk(added: &Added, mut each: impl FnMut(&Path, &Metadata) -> io::Result<()>) -> io::Result<()> {
    let mut folders = vec![PathBuf::new()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(Path::new("/").join(&folder))? {
            let entry = entry?;
            let path = folder.join(entry.file_name());
            let there = entry.metadata()?;
            let text = path.to_string_lossy();
            if clean::is_left_out(&text, there.is_dir(), *added) {
                continue;
            }
            each(&path, &there)?;
            if there.is_dir() && !clean::is_closed(&text) {
                folders.push(path);
            }
        }
    }
    Ok(())
}

/// Tells of everything that changed, sorted by path, and then of what is gone.
pub(super) fn tell(before: &Before, added: &Added, to: &mut impl Write) -> Result<()> {
    let broken = |e: io::Error| Failure::io(Fault::Broken, "look at what changed", &e);
    let mut after: BTreeMap<PathBuf, Option<Metadata>> = BTreeMap::new();
    walk(added, |path, there| {
        let same = before.marks.get(path) == Some(&Mark::of(there));
        after.insert(path.to_owned(), (!same).then(|| there.clone()));
        Ok(())
    })
    .map_err(broken)?;
    let changed = after.values().filter(|there| there.is_some()).count();
    if changed > CHANGES {
        return Err(Failure::of(Fault::Outcome, format!("{changed} paths changed")));
    }
    let mut first: HashMap<u64, String> = HashMap::new();
    for (path, there) in after.iter().filter_map(|(path, there)| Some((path, there.as_ref()?))) {
        let text = name(path)?;
        let Some(entry) = entry(&text, there, &mut first).map_err(broken)? else {
            let what = if there.file_type().is_socket() { "a socket" } else { "a device or a pipe" };
            return Err(Failure::of(Fault::Outcome, format!("/{text} is {what}")));
        };
        let file = entry.kind == What::File;
        wire::say(to, &Said::Entry(entry)).map_err(broken)?;
        if file {
            let mut content = fs::File::open(Path::new("/").join(path)).map_err(broken)?;
            wire::send(to, &mut content).map_err(broken)?;
        }
    }
    for path in before.marks.keys().filter(|path| !after.contains_key(*path)) {
        // What went with its folder needs no word of its own.
        let folder = path.parent().unwrap_or(Path::new(""));
        let stands = folder.as_os_str().is_empty()
            || fs::symlink_metadata(Path::new("/").join(folder)).is_ok_and(|there| there.is_dir());
        if stands {
            wire::say(to, &Said::Removed(name(path)?)).map_err(broken)?;
        }
    }
    Ok(())
}

fn name(path: &Path) -> Result<String> {
    let wrong = |why: &str| Failure::of(Fault::Outcome, format!("/{} {why}", path.to_string_lossy()));
    let text = path.to_str().ok_or_else(|| wrong("has a name that is no UTF-8"))?;
    let hides = |part: &OsStr| part.as_bytes().starts_with(b".wh.");
    if path.iter().any(hides) {
        return Err(wrong("would hide another path in a layer"));
    }
    Ok(text.to_owned())
}

fn entry(path: &str, there: &Metadata, first: &mut HashMap<u64, String>) -> io::Result<Option<Changed>> {
    let place = Path::new("/").join(path);
    let kind = if there.is_dir() {
        What::Dir
    } else if there.is_symlink() {
        let target: OsString = fs::read_link(&place)?.into_os_string();
        What::Symlink(target.into_string().map_err(|_| io::Error::other("a link's target is no UTF-8"))?)
    } else if there.is_file() {
        match first.get(&there.ino()).filter(|_| there.nlink() > 1) {
            Some(first) => What::HardLink(first.clone()),
            None => {
                first.insert(there.ino(), path.to_owned());
                What::File
            }
        }
    } else {
        return Ok(None);
    };
    Ok(Some(Changed {
        path: path.to_owned(),
        mode: there.mode() & 0o7777,
        uid: there.uid(),
        gid: there.gid(),
        mtime: there.mtime().try_into().unwrap_or(0),
        xattrs: if there.is_symlink() { Vec::new() } else { xattrs(&place)? },
        kind,
    }))
}

fn xattrs(place: &Path) -> io::Result<Vec<(String, Vec<u8>)>> {
    let mut names = vec![0; XATTR];
    let length = match rustix::fs::llistxattr(place, &mut names[..]) {
        Ok(length) => length,
        Err(rustix::io::Errno::NOTSUP) => 0,
        Err(error) => return Err(error.into()),
    };
    let mut found = Vec::new();
    for name in names[..length].split(|byte| *byte == 0).filter(|name| !name.is_empty()) {
        let Ok(name) = std::str::from_utf8(name) else { continue };
        if name != "security.capability" && !name.starts_with("user.") {
            continue;
        }
        let mut value = vec![0; XATTR];
        let length = rustix::fs::lgetxattr(place, name, &mut value[..])?;
        value.truncate(length);
        found.push((name.to_owned(), value));
    }
    found.sort();
    Ok(found)
}
