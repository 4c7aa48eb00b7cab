//! The files of one apk package: what is written, what stays, what goes.

use std::collections::{BTreeMap, BTreeSet};

use super::{Change, owners::People, record::Record};
use crate::{
    Error, Result,
    apk::{Checksum, Database, Protection, Shipped},
    deb::{Entry, EntryKind},
    executor::native::{
        Work,
        files::empty_folders,
        layer::{Content, Laid, Spool},
    },
    plan::{
        apk::busybox::{PATHS, is_applet},
        shadow::Shadow,
    },
    tree::{Hashes, Kind, Node, Tree},
};

/// Whose each file is, of packages that stay as they are.
pub(super) struct Owners<'a> {
    by_path: BTreeMap<String, &'a str>,
    /// Files of those that go up.
    ours: BTreeSet<String>,
}

impl<'a> Owners<'a> {
    pub(super) fn of(tree: &Tree, database: &'a Database, except: &BTreeSet<String>) -> Self {
        let (mut by_path, mut ours) = (BTreeMap::new(), BTreeSet::new());
        for package in database.packages.values() {
            for file in &package.files {
                let path = tree.through(&file.path).into_owned();
                if except.contains(&package.name) {
                    ours.insert(path);
                } else {
                    by_path.insert(path, package.name.as_str());
                }
            }
        }
        Self { by_path, ours }
    }
}

struct Unpacked {
    content: Content,
    hashes: Hashes,
    entry: Entry,
    sum: Option<Checksum>,
}

/// Lays one package's data.
pub(super) fn lay(
    tree: &Tree,
    database: &Database,
    (owners, people): (&Owners<'_>, &People),
    change: &Change<'_>,
    spool: &mut Spool,
    work: &mut Work,
) -> Result<Record> {
    let mut record = Record::new(change.package.info.build_date);
    let sums: BTreeMap<&str, Checksum> =
        change.package.listed.iter().filter_map(|one| Some((one.path.as_str(), one.sum?))).collect();
    let mut unpacked: BTreeMap<String, Unpacked> = BTreeMap::new();
    let shipped = change.installed.files.iter().map(|file| (file.path.as_str(), file)).collect();
    let laying = Laying { tree, database, owners, change, shipped };
    change.package.data(|entry, content| {
        let entry = &people.own(entry);
        record.newest = record.newest.max(entry.mtime);
        let malformed = |reason: &str| Error::Malformed {
            file: change.entry.file_name(),
            reason: format!("{} {reason}", entry.path),
        };
        let target = match entry.kind {
            EntryKind::Directory => tree.real(&entry.path),
            _ => tree.through(&entry.path),
        }
        .into_owned();
        work.shipped.insert(target.clone());
        work.shipped.insert(tree.through(&entry.path).into_owned());
        let sum = sums.get(entry.path.as_str()).copied();
        match &entry.kind {
            EntryKind::Directory => {
                record.folder(entry);
                laying.folder(entry, &target, work);
            }
            EntryKind::Symlink(link) => {
                record.file(entry, sum);
                laying.symlink(entry, &target, link, work);
            }
            EntryKind::File => {
                let (content, hashes) = spool.add(entry.size, content)?;
                record.file(entry, sum);
                if entry.path.starts_with(PATHS) && content.size() < 1 << 20 {
                    record.applets.extend(spool.read(&content)?.unwrap_or_default());
                    record.applets.push(b'\n');
                }
                let one = Unpacked { content, hashes, entry: entry.clone(), sum };
                laying.file(entry, &target, &one, None, work);
                unpacked.insert(entry.path.clone(), one);
            }
            EntryKind::HardLink(first) => {
                let one = unpacked.get(first).ok_or_else(|| malformed("is a hard link to nothing"))?;
                let meta = Entry { path: entry.path.clone(), ..one.entry.clone() };
                record.file(&meta, one.sum);
                let place = tree.through(&one.entry.path).into_owned();
                laying.file(&meta, &target, one, Some(&place), work);
            }
            _ => return Err(malformed("is a device or a pipe")),
        }
        Ok(())
    })?;
    Ok(record)
}

struct Laying<'a> {
    tree: &'a Tree,
    database: &'a Database,
    owners: &'a Owners<'a>,
    change: &'a Change<'a>,
    /// What the installed version shipped, by path.
    shipped: BTreeMap<&'a str, &'a Shipped>,
}

/// What is done at a path.
enum Verdict {
    /// The new one is written.
    Write,
    /// What is there stays.
    Keep,
    /// What is there stays, and the new one comes beside it.
    Beside,
}

impl Laying<'_> {
    fn folder(&self, entry: &Entry, target: &str, work: &mut Work) {
        match self.tree.get(target).map(|node| node.entry.kind) {
            // The image's folder stays as it is.
            Some(Kind::Dir) => {}
            Some(_) => {
                self.change.refuse(work, "conflict", format!("/{target} is a file and becomes a folder"));
            }
            // A folder that was taken away comes back only with something in it.
            None if self.change.installed.folders.iter().any(|(path, _)| *path == entry.path) => {}
            None => {
                work.entries.entry(target.to_owned()).or_insert_with(|| laid(entry, Content::Dir));
            }
        }
    }

    /// `same`: what is there has the new content already.
    fn verdict(&self, entry: &Entry, target: &str, same: bool, work: &mut Work) -> Verdict {
        if let Some(other) = self.owners.by_path.get(target) {
            let reason = format!("/{target} is {other}'s, and would become {}'s", self.change.installed.name);
            self.change.refuse(work, "conflict", reason);
            return Verdict::Keep;
        }
        let Some(node) = self.tree.get(target) else {
            if self.change.shadows.get(target) == Some(&Shadow::Removed) {
                work.kept.insert(format!("/{target} (removed)"));
                return Verdict::Keep;
            }
            return Verdict::Write;
        };
        if node.entry.kind == Kind::Dir {
            let reason = format!("/{target} is a folder and becomes something else");
            self.change.refuse(work, "conflict", reason);
            return Verdict::Keep;
        }
        match self.change.shadows.get(target) {
            Some(Shadow::Changed { .. }) => {
                work.kept.insert(format!("/{target}"));
                return Verdict::Keep;
            }
            Some(Shadow::Remoded) => {
                work.kept.insert(format!("/{target} (mode and owner)"));
            }
            _ => {}
        }
        let installed = self.change.installed;
        let shipped = self.shipped.get(entry.path.as_str()).copied();
        let protected = match self.database.protection(&entry.path) {
            Protection::None => false,
            Protection::Links => node.entry.kind == Kind::Symlink,
            Protection::Changed | Protection::All => true,
        };
        let all = self.database.protection(&entry.path) == Protection::All;
        let unchanged = shipped.is_some_and(|file| installed.has_shipped(file, &node.entry) == Some(true));
        if protected {
            return match unchanged && !all || same {
                true => Verdict::Write,
                false => {
                    work.kept.insert(format!("/{target}"));
                    Verdict::Beside
                }
            };
        }
        // A file of nobody's where the new version ships one; busybox's links give way, as they do to apk.
        let moved = shipped.is_none() && !is_applet(&node.entry);
        if moved && !same && !self.owners.ours.contains(target) {
            work.kept.insert(format!("/{target}"));
            return Verdict::Keep;
        }
        Verdict::Write
    }

    fn symlink(&self, entry: &Entry, target: &str, link: &str, work: &mut Work) {
        let node = self.tree.get(target);
        let same = node
            .is_some_and(|node| node.entry.kind == Kind::Symlink && node.entry.link.as_deref() == Some(link));
        let path = match self.verdict(entry, target, same, work) {
            Verdict::Keep => return,
            Verdict::Write => target.to_owned(),
            Verdict::Beside => format!("{target}.apk-new"),
        };
        if !same {
            work.entries.insert(path, laid(entry, Content::Symlink(link.to_owned())));
        }
    }

    fn file(&self, entry: &Entry, target: &str, one: &Unpacked, first: Option<&str>, work: &mut Work) {
        let same = is_same(self.old(target), one);
        match self.verdict(entry, target, same, work) {
            Verdict::Keep => self.displaced(entry, target, one, work),
            Verdict::Beside => {
                work.entries.insert(format!("{target}.apk-new"), laid(entry, one.content.clone()));
            }
            Verdict::Write => self.write(entry, target, one, first, work),
        }
    }

    /// The file that stands there.
    fn old(&self, target: &str) -> Option<&Node> {
        self.tree.get(target).filter(|node| node.entry.kind == Kind::File)
    }

    fn write(&self, entry: &Entry, target: &str, one: &Unpacked, first: Option<&str>, work: &mut Work) {
        let old = self.old(target);
        let same = is_same(old, one);
        work.expected.insert(target.to_owned(), one.hashes.sha256);
        let mut laid = laid(entry, one.content.clone());
        if let (Some(Shadow::Remoded), Some(old)) = (self.change.shadows.get(target), old) {
            (laid.mode, laid.uid, laid.gid) = (old.entry.mode, old.entry.uid, old.entry.gid);
            laid.xattrs.clone_from(&old.entry.xattrs);
        }
        if let Some(old) = old.map(|node| &node.entry) {
            let owner =
                (old.mode, old.uid, old.gid, &old.xattrs) == (laid.mode, laid.uid, laid.gid, &laid.xattrs);
            // Unchanged content is not written again, so its time stays the image's.
            if same && owner && !first.is_some_and(|first| work.entries.contains_key(first)) {
                return;
            }
            if let Some(hashes) = old.hashes.filter(|_| !same) {
                work.replaced.insert(hashes.sha256, (self.change.installed.name.clone(), target.to_owned()));
            }
        }
        if let Some((first, one)) = first.and_then(|first| Some((first, work.entries.get(first)?)))
            && (one.mode, one.uid, one.gid) == (laid.mode, laid.uid, laid.gid)
            && first != target
        {
            laid.content = Content::HardLink(first.to_owned());
        }
        work.entries.insert(target.to_owned(), laid);
    }

    /// What was shipped may have been moved elsewhere, not away: its copies are looked for.
    fn displaced(&self, entry: &Entry, target: &str, one: &Unpacked, work: &mut Work) {
        let installed = self.change.installed;
        let shipped = self.shipped.get(entry.path.as_str()).copied();
        let Some(old) = shipped.and_then(|file| file.checksum) else { return };
        if old.is(&one.hashes) == Some(true) {
            return;
        }
        work.displaced.insert(old.hexadecimal(), (installed.name.clone(), target.to_owned()));
    }
}

fn is_same(old: Option<&Node>, one: &Unpacked) -> bool {
    old.and_then(|node| node.entry.hashes).is_some_and(|old| old.sha256 == one.hashes.sha256)
}

fn laid(entry: &Entry, content: Content) -> Laid {
    Laid {
        content,
        mode: entry.mode,
        uid: entry.uid,
        gid: entry.gid,
        mtime: entry.mtime,
        xattrs: entry.xattrs.clone(),
    }
}

/// Whiteouts for what the new versions no longer ship and no package owns.
pub(super) fn remove(
    tree: &Tree,
    database: &Database,
    changes: &[Change<'_>],
    owned: &BTreeSet<String>,
    work: &mut Work,
) {
    let mut folders = BTreeSet::new();
    for change in changes {
        for file in &change.installed.files {
            let real = tree.through(&file.path).into_owned();
            let Some(node) = tree.get(&real) else { continue };
            if owned.contains(&real) || work.entries.contains_key(&real) || node.entry.kind == Kind::Dir {
                continue;
            }
            let protected = database.protection(&file.path) != Protection::None;
            let touched = match change.shadows.get(&real) {
                Some(Shadow::Changed { .. } | Shadow::Remoded) => true,
                _ => protected && change.installed.has_shipped(file, &node.entry) != Some(true),
            };
            if touched {
                work.kept.insert(format!("/{real}"));
            } else {
                work.whiteouts.insert(real);
            }
        }
        for (path, _) in change.installed.folders.iter().filter(|(path, _)| !path.is_empty()) {
            let real = tree.through(path).into_owned();
            let is_folder = tree.get(&real).is_some_and(|node| node.entry.kind == Kind::Dir);
            if is_folder && !owned.contains(&real) && !work.entries.contains_key(&real) {
                folders.insert(real);
            }
        }
    }
    empty_folders(tree, &folders, work);
}
