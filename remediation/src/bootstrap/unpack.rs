//! Packages read from their archives, several at once, and laid into the tree as dpkg would.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs::File,
    io::{self, BufWriter, Read, Write},
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
};

use md5::{Digest, Md5};

use super::tree::{Content, Kind, MERGED, Node, Tree};
use crate::{
    Error, Result,
    deb::{Deb, Entry, EntryKind, PackageRecord, control},
    fix::Progress,
};

/// One package, out of its archive.
#[derive(Debug)]
pub(super) struct Unpacked {
    /// From its own control file.
    pub(super) record: PackageRecord,
    pub(super) control: BTreeMap<String, Vec<u8>>,
    pub(super) entries: Vec<(Entry, Option<Content>)>,
    /// MD5 of its conffiles, and of every file when it brings no `md5sums`.
    pub(super) md5: BTreeMap<String, String>,
}

impl Unpacked {
    /// A control file as text; absent: empty.
    pub(super) fn text(&self, name: &str) -> String {
        self.control.get(name).map(|bytes| String::from_utf8_lossy(bytes).into_owned()).unwrap_or_default()
    }
    /// Its conffiles without the leading slash, in their order; those to be removed on an upgrade are left out.
    pub(super) fn conffiles(&self) -> Vec<String> {
        self.text("conffiles")
            .lines()
            .filter_map(|line| line.trim().strip_prefix('/').map(str::to_owned))
            .collect()
    }
}

/// Reads packages on all cores; the answer is in the order of `paths`.
pub(super) fn read_all(paths: &[PathBuf], scratch: &Path, progress: &Progress) -> Result<Vec<Unpacked>> {
    let next = AtomicUsize::new(0);
    let done = AtomicUsize::new(0);
    let slots: Mutex<Vec<Option<Result<Unpacked>>>> = Mutex::new(paths.iter().map(|_| None).collect());
    let cores = std::thread::available_parallelism().map_or(2, usize::from).min(8);
    std::thread::scope(|scope| {
        for _ in 0..cores {
            scope.spawn(|| {
                loop {
                    let index = next.fetch_add(1, Ordering::Relaxed);
                    let Some(path) = paths.get(index) else { return };
                    let read = read(path, scratch);
                    slots.lock().unwrap_or_else(PoisonError::into_inner)[index] = Some(read);
                    progress("unpack", done.fetch_add(1, Ordering::Relaxed) as u64 + 1, paths.len() as u64);
                }
            });
        }
    });
    let slots = slots.into_inner().unwrap_or_else(PoisonError::into_inner);
    slots.into_iter().flatten().collect()
}

fn read(path: &Path, scratch: &Path) -> Result<Unpacked> {
    let failed = |source| Error::Io { operation: "write the spool".to_owned(), source };
    let deb = Deb::open(path)?;
    let control = deb.control()?;
    let text =
        String::from_utf8_lossy(control.get("control").map(Vec::as_slice).unwrap_or_default()).into_owned();
    let record = PackageRecord::from_stanza("control", &control::single("control", &text)?, None)?;
    let mut unpacked = Unpacked { record, control, entries: Vec::new(), md5: BTreeMap::new() };
    let conffiles: BTreeSet<String> = unpacked.conffiles().into_iter().collect();
    let all = !unpacked.control.contains_key("md5sums");
    let file = tempfile::tempfile_in(scratch).map_err(failed)?;
    let spool = Arc::new(file.try_clone().map_err(failed)?);
    let mut out = BufWriter::with_capacity(256 << 10, file);
    let mut offset = 0;
    deb.data(|entry, content| {
        let kept = if entry.kind == EntryKind::File {
            let mut sum = (all || conffiles.contains(&entry.path)).then(Md5::new);
            let size = spool_one(content, &mut out, sum.as_mut())
                .map_err(|e| Error::Malformed { file: entry.path.clone(), reason: e.to_string() })?;
            if let Some(sum) = sum {
                unpacked.md5.insert(entry.path.clone(), hex::encode(sum.finalize()));
            }
            offset += size;
            Some(Content::Spooled { spool: spool.clone(), offset: offset - size, size })
        } else {
            None
        };
        unpacked.entries.push((entry.clone(), kept));
        Ok(())
    })?;
    out.flush().map_err(failed)?;
    Ok(unpacked)
}

fn spool_one(from: &mut dyn Read, out: &mut BufWriter<File>, mut sum: Option<&mut Md5>) -> io::Result<u64> {
    let mut buffer = [0; 32 << 10];
    let mut size = 0;
    loop {
        let read = from.read(&mut buffer)?;
        if read == 0 {
            return Ok(size);
        }
        out.write_all(&buffer[..read])?;
        if let Some(sum) = sum.as_deref_mut() {
            sum.update(&buffer[..read]);
        }
        size += read as u64;
    }
}

/// The links that must stand before anything is laid: a merged /usr's, for the top folders that the
/// packages use, and those into `/run`.
pub(super) fn lay_links(tree: &mut Tree, packages: &[Unpacked]) {
    let always = ["bin", "lib", "sbin"];
    let used: BTreeSet<&str> = packages
        .iter()
        .flat_map(|package| &package.entries)
        .map(|(entry, _)| entry.path.split('/').next().unwrap_or_default())
        .collect();
    for name in MERGED.iter().filter(|name| always.contains(name) || used.contains(**name)) {
        tree.link(name, &format!("usr/{name}"));
        tree.folder(&format!("usr/{name}"), 0o755);
    }
    // base-files ships these two as folders and turns them into links when it is configured.
    tree.folder("run", 0o755);
    tree.folder("run/lock", 0o1777);
    tree.link("var/run", "/run");
    tree.link("var/lock", "/run/lock");
}

/// Lays a package's entries into the tree; gives the paths, as shipped, that another package keeps.
pub(super) fn lay(tree: &mut Tree, packages: &[Unpacked], index: usize) -> Result<BTreeSet<String>> {
    let package = &packages[index];
    let mut lost = BTreeSet::new();
    for (entry, content) in &package.entries {
        if entry.path.is_empty() {
            continue;
        }
        let path = tree.resolve(&entry.path);
        let present = tree.nodes.get(&path);
        if entry.kind == EntryKind::Directory && present.is_some() && tree.follow(&path).is_some() {
            // dpkg leaves a folder that is there, and a link to one, as they are.
            continue;
        }
        if let Some(Node { kind: Kind::Symlink(_), .. }) = present
            && MERGED.contains(&path.as_str())
        {
            continue;
        }
        if let Some(other) = present.and_then(|node| node.owner).filter(|other| *other != index)
            && replaces(&packages[other].record, &package.record)?
        {
            lost.insert(entry.path.clone());
            continue;
        }
        let kind = match (&entry.kind, content) {
            (EntryKind::File, Some(content)) => Kind::File(content.clone()),
            (EntryKind::File, None) => Kind::File(Content::Bytes(Vec::new())),
            (EntryKind::Directory, _) => Kind::Directory,
            (EntryKind::Symlink(target), _) => Kind::Symlink(target.clone()),
            (EntryKind::HardLink(target), _) => Kind::HardLink(tree.resolve(target)),
            (EntryKind::CharDevice(major, minor), _) => Kind::CharDevice(*major, *minor),
            (EntryKind::BlockDevice(major, minor), _) => Kind::BlockDevice(*major, *minor),
            (EntryKind::Fifo, _) => Kind::Fifo,
        };
        let node = Node {
            kind,
            mode: entry.mode,
            uid: entry.uid,
            gid: entry.gid,
            mtime: entry.mtime,
            xattrs: entry.xattrs.clone(),
            owner: Some(index),
        };
        tree.nodes.insert(path, node);
    }
    Ok(lost)
}

fn replaces(one: &PackageRecord, other: &PackageRecord) -> Result<bool> {
    let relations = one.relations("Replaces")?;
    Ok(relations.iter().flat_map(|clause| &clause.alternatives).any(|relation| other.satisfies(relation)))
}
