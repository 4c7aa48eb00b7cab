//! The files of one package: what is written, what stays, what goes.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    Change, Shipped, Work,
    filters::Filters,
    layer::{Content, Laid},
    unpack::Member,
};
use crate::{
    Error, Result,
    deb::{Entry, EntryKind},
    plan::{Blocked, shadow::Shadow},
    tree::{Hashes, Kind, Node, Tree},
};

/// What was unpacked of one file, for hard links to it.
struct Unpacked {
    content: Content,
    hashes: Hashes,
    entry: Entry,
}

/// Lays one package's entries.
pub(super) fn lay(
    tree: &Tree,
    owned: &BTreeSet<String>,
    filters: &Filters,
    change: &Change<'_>,
    members: Vec<Member>,
    work: &mut Work,
) -> Result<Shipped> {
    let mut shipped = Shipped::default();
    let conffiles: BTreeSet<String> = change.conffiles().into_iter().collect();
    let mut unpacked: BTreeMap<String, Unpacked> = BTreeMap::new();
    let laying = Laying { tree, owned, filters, change, keep_owner: change.sets_owners() };
    for Member { entry, content } in members {
        shipped.newest = shipped.newest.max(entry.mtime);
        shipped.list.push(entry.path.clone());
        if entry.path.is_empty() {
            continue;
        }
        let target = laying.place(&entry);
        work.shipped.insert(target.clone());
        // A folder that is a link in the image (usrmerge) counts under both of its names.
        work.shipped.insert(tree.through(&entry.path).into_owned());
        match (&entry.kind, content) {
            (EntryKind::Directory, _) => laying.folder(&entry, &target, work),
            (EntryKind::Symlink(link), _) => laying.symlink(&entry, &target, link, work),
            (EntryKind::File, Some((content, hashes))) => {
                if conffiles.contains(&entry.path) {
                    laying.conffile(&entry, &target, &content, hashes, &mut shipped, work);
                } else {
                    shipped.md5sums.push((entry.path.clone(), hex::encode(hashes.md5)));
                    laying.file(&entry, &target, content.clone(), hashes, None, work);
                }
                unpacked.insert(entry.path.clone(), Unpacked { content, hashes, entry });
            }
            (EntryKind::HardLink(first), _) => {
                let Some(one) = unpacked.get(first) else {
                    return Err(Error::Malformed {
                        file: change.record.name.clone(),
                        reason: format!("{} is a hard link to nothing", entry.path),
                    });
                };
                shipped.md5sums.push((entry.path.clone(), hex::encode(one.hashes.md5)));
                let place = laying.place(&one.entry);
                let meta = Entry { path: entry.path.clone(), ..one.entry.clone() };
                laying.file(&meta, &target, one.content.clone(), one.hashes, Some(&place), work);
            }
            _ => {
                return Err(Error::Malformed {
                    file: change.record.name.clone(),
                    reason: format!("{} is a device or a pipe", entry.path),
                });
            }
        }
    }
    Ok(shipped)
}

struct Laying<'a> {
    tree: &'a Tree,
    /// Real paths of everything that an installed package ships.
    owned: &'a BTreeSet<String>,
    filters: &'a Filters,
    change: &'a Change<'a>,
    keep_owner: bool,
}

impl Laying<'_> {
    /// Where an entry really goes: diverted, and through the image's links. A folder's own link is followed, too.
    fn place(&self, entry: &Entry) -> String {
        let path = self.filters.diverted(&self.change.record.name, &entry.path);
        if entry.kind == EntryKind::Directory {
            self.tree.real(path).into_owned()
        } else {
            self.tree.through(path).into_owned()
        }
    }

    fn block(&self, work: &mut Work, reason: String) {
        let to = Some(self.change.record.version.clone());
        work.blocked.push((self.change.key(), Blocked { code: "conflict", reason, to }));
    }

    fn folder(&self, entry: &Entry, target: &str, work: &mut Work) {
        match self.tree.get(target).map(|node| node.entry.kind) {
            // The image's folder stays as it is.
            Some(Kind::Dir) => {}
            Some(_) => self.block(work, format!("/{target} is a file and becomes a folder")),
            // A folder that was taken away comes back only with something in it.
            None if self.change.installed.files.contains(&entry.path)
                || self.filters.excludes_above(&entry.path) => {}
            None => {
                work.entries.entry(target.to_owned()).or_insert_with(|| self.laid(entry, Content::Dir, None));
            }
        }
    }

    fn symlink(&self, entry: &Entry, target: &str, link: &str, work: &mut Work) {
        let node = self.tree.get(target);
        if self.filters.excludes_above(&entry.path) || self.is_kept(target, node, work) {
            return;
        }
        match node {
            Some(node) if node.entry.kind == Kind::Symlink && node.entry.link.as_deref() == Some(link) => {}
            // As dpkg: a folder never gives way to a link.
            Some(node) if node.entry.kind == Kind::Dir => {}
            _ => {
                work.entries
                    .insert(target.to_owned(), self.laid(entry, Content::Symlink(link.to_owned()), None));
            }
        }
    }

    /// Whether somebody else's doing stays at this path; named where it does.
    fn is_kept(&self, target: &str, node: Option<&Node>, work: &mut Work) -> bool {
        match self.change.shadows.get(target) {
            Some(Shadow::Changed { .. }) => {
                work.kept.insert(format!("/{target}"));
                return true;
            }
            Some(Shadow::Removed) => {
                work.kept.insert(format!("/{target} (removed)"));
                return true;
            }
            Some(Shadow::Remoded) => {
                work.kept.insert(format!("/{target} (mode and owner)"));
                return false;
            }
            None => {}
        }
        // A file of nobody's where the new version ships one.
        let stranger = node.is_some_and(|node| node.entry.kind != Kind::Dir) && !self.owned.contains(target);
        if stranger {
            work.kept.insert(format!("/{target}"));
        }
        stranger
    }

    fn file(
        &self,
        entry: &Entry,
        target: &str,
        content: Content,
        hashes: Hashes,
        first: Option<&str>,
        work: &mut Work,
    ) {
        let node = self.tree.get(target);
        if self.filters.excludes(&entry.path) {
            return;
        }
        if self.is_kept(target, node, work) {
            // What was shipped may have been moved elsewhere, not away.
            let old = self.change.installed.md5sums.get(&entry.path);
            if let Some(old) = old.filter(|old| **old != hex::encode(hashes.md5)) {
                work.displaced.insert(old.clone(), (self.change.record.name.clone(), target.to_owned()));
            }
            return;
        }
        if node.is_some_and(|node| node.entry.kind == Kind::Dir) {
            return self.block(work, format!("/{target} is a folder and becomes a file"));
        }
        work.expected.insert(target.to_owned(), hashes.sha256);
        let laid = self.laid(entry, content, node);
        if let Some(node) = node.filter(|node| node.entry.kind == Kind::File) {
            let old = &node.entry;
            let same_content = old.hashes.is_some_and(|old| old.sha256 == hashes.sha256);
            let same_owner =
                (old.mode, old.uid, old.gid, &old.xattrs) == (laid.mode, laid.uid, laid.gid, &laid.xattrs);
            if same_content && same_owner && !first.is_some_and(|first| work.entries.contains_key(first)) {
                return;
            }
            if let Some(old) = old.hashes.filter(|_| !same_content) {
                work.replaced.insert(old.sha256, (self.change.record.name.clone(), target.to_owned()));
            }
        }
        let laid = match first.and_then(|first| Some((first, work.entries.get(first)?))) {
            // Links of one file have one owner: where they differ, the content comes twice.
            Some((first, one))
                if (one.mode, one.uid, one.gid) == (laid.mode, laid.uid, laid.gid) && first != target =>
            {
                Laid { content: Content::HardLink(first.to_owned()), ..laid }
            }
            _ => laid,
        };
        work.entries.insert(target.to_owned(), laid);
    }

    fn conffile(
        &self,
        entry: &Entry,
        target: &str,
        content: &Content,
        hashes: Hashes,
        shipped: &mut Shipped,
        work: &mut Work,
    ) {
        let new = hex::encode(hashes.md5);
        shipped.conffiles.insert(entry.path.clone(), new.clone());
        if self.filters.excludes(&entry.path) {
            return;
        }
        let recorded = self.change.installed.conffiles.iter().find(|c| c.path == entry.path);
        let target = self.tree.real(target).into_owned();
        let node = self.tree.get(&target);
        let disk = node.and_then(|node| node.entry.hashes).map(|h| hex::encode(h.md5));
        let write = |path: String, node: Option<&Node>, work: &mut Work| {
            let mut laid = self.laid(entry, content.clone(), None);
            if let Some(old) = node {
                // dpkg gives a new configuration file its predecessor's mode and owner.
                (laid.mode, laid.uid, laid.gid) = (old.entry.mode, old.entry.uid, old.entry.gid);
            }
            work.entries.insert(path, laid);
        };
        match (node, disk, recorded) {
            (None, _, Some(_)) => {
                work.kept.insert(format!("/{target} (removed)"));
            }
            (None, _, None) => {
                work.expected.insert(target.clone(), hashes.sha256);
                write(target, None, work);
            }
            (Some(_), Some(disk), _) if disk == new => {}
            (Some(_), Some(disk), Some(old)) if disk == old.md5 => {
                work.expected.insert(target.clone(), hashes.sha256);
                write(target, node, work);
            }
            // Changed here; where the package's own has not changed, there is nothing new to show.
            (Some(_), _, Some(old)) if old.md5 == new => {}
            (Some(_), _, _) => {
                work.kept.insert(format!("/{target}"));
                write(format!("{target}.dpkg-dist"), node, work);
            }
        }
    }

    fn laid(&self, entry: &Entry, content: Content, node: Option<&Node>) -> Laid {
        let mut laid = Laid {
            content,
            mode: entry.mode,
            uid: entry.uid,
            gid: entry.gid,
            mtime: entry.mtime,
            xattrs: entry.xattrs.clone(),
        };
        if let Some((uid, gid, mode)) = self.filters.override_of(&entry.path) {
            (laid.uid, laid.gid, laid.mode) = (uid, gid, mode);
            return laid;
        }
        let target = node.and_then(|node| (node.entry.kind == Kind::File).then_some(&node.entry));
        let remoded =
            self.change.shadows.get(self.tree.through(&entry.path).as_ref()) == Some(&Shadow::Remoded);
        if let Some(old) = target.filter(|_| remoded || self.keep_owner) {
            (laid.mode, laid.uid, laid.gid) = (old.mode, old.uid, old.gid);
            laid.xattrs.clone_from(&old.xattrs);
        }
        laid
    }
}

/// Whiteouts for what the new versions no longer ship and no package owns.
pub(super) fn remove(
    tree: &Tree,
    filters: &Filters,
    changes: &[Change<'_>],
    owned: &BTreeSet<String>,
    work: &mut Work,
) {
    let mut folders = BTreeSet::new();
    for change in changes {
        for path in &change.installed.files {
            let real = tree.through(filters.diverted(&change.record.name, path)).into_owned();
            let Some(node) = tree.get(&real) else { continue };
            if owned.contains(&real) || work.entries.contains_key(&real) {
                continue;
            }
            if node.entry.kind == Kind::Dir {
                folders.insert(real);
                continue;
            }
            // A folder of the package that is a link here belongs to the image.
            let was_folder = node.entry.kind == Kind::Symlink && {
                let prefix = format!("{path}/");
                change.installed.files.iter().any(|other| other.starts_with(&prefix))
            };
            if was_folder {
                continue;
            }
            // An old configuration file stays as an obsolete one (dpkg keeps it, too).
            if change.installed.conffiles.iter().any(|c| &c.path == path) {
                continue;
            }
            match change.shadows.get(&real) {
                Some(Shadow::Changed { .. } | Shadow::Remoded) => {
                    work.kept.insert(format!("/{real}"));
                }
                _ => {
                    work.whiteouts.insert(real);
                }
            }
        }
    }
    empty_folders(tree, &folders, work);
}

/// Deepest first: a folder goes when all that was in it goes.
pub(super) fn empty_folders(tree: &Tree, folders: &BTreeSet<String>, work: &mut Work) {
    for folder in folders.iter().rev() {
        let prefix = format!("{folder}/");
        let laid =
            work.entries.range(prefix.clone()..).next().is_some_and(|(path, _)| path.starts_with(&prefix));
        let empty = !laid && tree.under(folder).all(|(path, _)| is_gone(path, folder, &work.whiteouts));
        if empty {
            work.whiteouts.retain(|path| !path.starts_with(&prefix));
            work.whiteouts.insert(folder.clone());
        }
    }
}

/// Whether a path, or a folder between it and `top`, has a whiteout.
fn is_gone(path: &str, top: &str, whiteouts: &BTreeSet<String>) -> bool {
    let mut at = path;
    loop {
        if whiteouts.contains(at) {
            return true;
        }
        match at.rsplit_once('/') {
            Some((folder, _)) if folder.len() > top.len() => at = folder,
            _ => return false,
        }
    }
}
