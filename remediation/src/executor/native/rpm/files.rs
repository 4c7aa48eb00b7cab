//! The files of one rpm package: what is written, what stays, what goes.

use std::collections::{BTreeMap, BTreeSet};

use super::{Change, shipped};
use crate::{
    Result,
    executor::native::{
        Work,
        files::empty_folders,
        layer::{Content, Laid, Spool},
    },
    plan::{
        rpm::shadow::{Accounts, is_shipped},
        shadow::Shadow,
    },
    rpm::{File, Part},
    tree::{Hashes, Kind, Node, Tree},
};

/// What the packages that go up had: by real path, the package.
pub(super) struct Ours<'a> {
    by_path: BTreeMap<String, &'a str>,
}

impl<'a> Ours<'a> {
    pub(super) fn of(tree: &Tree, changes: &'a [Change<'_>]) -> Self {
        let mut by_path = BTreeMap::new();
        for change in changes {
            for file in change.old.files.iter().filter(|file| !file.is_folder()) {
                by_path.insert(tree.through(&file.path).into_owned(), change.installed.name.as_str());
            }
        }
        Self { by_path }
    }
}

struct Unpacked {
    content: Content,
    hashes: Hashes,
    target: String,
}

struct Laying<'a> {
    tree: &'a Tree,
    accounts: &'a Accounts,
    ours: &'a Ours<'a>,
    change: &'a Change<'a>,
    /// What the installed version shipped, by path.
    old: BTreeMap<&'a str, &'a File>,
    /// Nothing of the documentation that was shipped is in the image: it leaves such files out.
    no_documentation: bool,
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

/// Lays one package's payload.
pub(super) fn lay(
    tree: &Tree,
    accounts: &Accounts,
    ours: &Ours<'_>,
    change: &Change<'_>,
    spool: &Spool,
    work: &mut Work,
) -> Result<()> {
    let old: BTreeMap<&str, &File> = change.old.files.iter().map(|file| (file.path.as_str(), file)).collect();
    let mut documents = change.old.files.iter().filter(|file| file.is_documentation() && !file.is_folder());
    let there = |file: &File| tree.get(&tree.through(&file.path)).is_some();
    let no_documentation = documents.clone().next().is_some() && !documents.any(there);
    let laying = Laying { tree, accounts, ours, change, old, no_documentation };
    let mut unpacked: BTreeMap<usize, Unpacked> = BTreeMap::new();
    change.new.data(|index, file, part| {
        let target = match file.is_folder() {
            true => tree.real(&file.path),
            false => tree.through(&file.path),
        }
        .into_owned();
        work.shipped.insert(target.clone());
        match part {
            Part::Content(content) => {
                let (content, hashes) = spool.add(file.size, content)?;
                let one = Unpacked { content, hashes, target };
                laying.file(file, &one.target, &one, None, work);
                unpacked.insert(index, one);
            }
            Part::HardLink(first) => {
                if let Some(one) = unpacked.get(&first) {
                    laying.file(file, &target, one, Some(&one.target), work);
                }
            }
            Part::Nothing if file.is_folder() => laying.folder(file, &target, work),
            Part::Nothing if file.is_link() => laying.link(file, &target, work),
            Part::Nothing => {
                change.refuse(work, "conflict", format!("/{} is a device or a pipe", file.path));
            }
        }
        Ok(())
    })
}

impl Laying<'_> {
    fn laid(&self, file: &File, content: Content, work: &mut Work) -> Laid {
        let owner = self.accounts.owner(file);
        if owner.is_none() {
            let reason = format!(
                "/{} belongs to {}:{}, whom the image does not have",
                file.path, file.user, file.group
            );
            self.change.refuse(work, "script-needs-sandbox", reason);
        }
        let (uid, gid) = owner.unwrap_or((0, 0));
        let (mode, mtime) = (file.mode & 0o7777, file.mtime);
        Laid { content, mode, uid, gid, mtime, xattrs: file.xattrs.clone() }
    }

    fn folder(&self, file: &File, target: &str, work: &mut Work) {
        match self.tree.get(target).map(|node| node.entry.kind) {
            // The image's folder stays as it is.
            Some(Kind::Dir) => {}
            Some(_) => {
                self.change.refuse(work, "conflict", format!("/{target} is a file and becomes a folder"));
            }
            // A folder that was taken away comes back only with something in it.
            None if self.old.get(file.path.as_str()).is_some_and(|old| old.is_folder()) => {}
            None if self.no_documentation && file.is_documentation() => {}
            None => {
                let laid = self.laid(file, Content::Dir, work);
                work.entries.entry(target.to_owned()).or_insert(laid);
            }
        }
    }

    /// `same`: what is there has the new content already.
    fn verdict(&self, file: &File, target: &str, same: bool, work: &mut Work) -> Verdict {
        let old = self.old.get(file.path.as_str()).copied();
        let Some(node) = self.tree.get(target) else {
            if self.change.shadows.get(target) == Some(&Shadow::Removed) {
                // Documentation that an image leaves out is no news of any file.
                if !(self.no_documentation && file.is_documentation()) {
                    work.kept.insert(format!("/{target} (removed)"));
                }
                return Verdict::Keep;
            }
            return match self.no_documentation && file.is_documentation() {
                true => Verdict::Keep,
                false => Verdict::Write,
            };
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
        if same {
            return Verdict::Write;
        }
        if file.is_config() || old.is_some_and(File::is_config) {
            return match old {
                Some(old) if is_shipped(old, &node.entry) => Verdict::Write,
                // It was changed here and not by the package: it stays, and nothing is new.
                Some(old) if old.sha256.is_some() && old.sha256 == file.sha256 => {
                    work.kept.insert(format!("/{target}"));
                    Verdict::Keep
                }
                _ => {
                    work.kept.insert(format!("/{target}"));
                    Verdict::Beside
                }
            };
        }
        // Whose it is nobody can say: no manifest names files.
        if old.is_none() && !self.ours.by_path.contains_key(target) {
            let reason = format!("/{target} is there already, and is not the package's");
            self.change.refuse(work, "conflict", reason);
            return Verdict::Keep;
        }
        Verdict::Write
    }

    fn link(&self, file: &File, target: &str, work: &mut Work) {
        let node = self.tree.get(target);
        let same = node.is_some_and(|node| is_shipped(file, &node.entry));
        let path = match self.verdict(file, target, same, work) {
            Verdict::Keep => return,
            Verdict::Write => target.to_owned(),
            Verdict::Beside => format!("{target}.rpmnew"),
        };
        if !same {
            let laid = self.laid(file, Content::Symlink(file.link.clone()), work);
            work.entries.insert(path, laid);
        }
    }

    fn file(&self, file: &File, target: &str, one: &Unpacked, first: Option<&str>, work: &mut Work) {
        let same = is_same(self.there(target), one);
        match self.verdict(file, target, same, work) {
            Verdict::Keep => self.displaced(file, target, one, work),
            Verdict::Beside => {
                let laid = self.laid(file, one.content.clone(), work);
                work.entries.insert(format!("{target}.rpmnew"), laid);
            }
            Verdict::Write => self.write(file, target, one, first, work),
        }
    }

    /// The file that stands there.
    fn there(&self, target: &str) -> Option<&Node> {
        self.tree.get(target).filter(|node| node.entry.kind == Kind::File)
    }

    fn write(&self, file: &File, target: &str, one: &Unpacked, first: Option<&str>, work: &mut Work) {
        let old = self.there(target);
        let same = is_same(old, one);
        work.expected.insert(target.to_owned(), one.hashes.sha256);
        let mut laid = self.laid(file, one.content.clone(), work);
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
    fn displaced(&self, file: &File, target: &str, one: &Unpacked, work: &mut Work) {
        let old = self.old.get(file.path.as_str()).and_then(|old| old.sha256);
        if let Some(old) = old.filter(|old| *old != one.hashes.sha256) {
            work.replaced.insert(old, (self.change.installed.name.clone(), target.to_owned()));
        }
    }
}

fn is_same(old: Option<&Node>, one: &Unpacked) -> bool {
    old.and_then(|node| node.entry.hashes).is_some_and(|old| old.sha256 == one.hashes.sha256)
}

/// Whiteouts for what the new versions no longer ship. Only what is still as it was shipped goes: no manifest says
/// whether somebody else wants the rest.
pub(super) fn remove(tree: &Tree, changes: &[Change<'_>], work: &mut Work) {
    let owned: BTreeSet<String> = shipped(tree, changes).into_iter().chain(work.shipped.clone()).collect();
    let mut folders = BTreeSet::new();
    for change in changes {
        for file in change.old.files.iter().filter(|file| !file.is_ghost()) {
            let real = tree.through(&file.path).into_owned();
            let Some(node) = tree.get(&real) else { continue };
            if owned.contains(&real) || work.entries.contains_key(&real) {
                continue;
            }
            if file.is_folder() {
                if node.entry.kind == Kind::Dir {
                    folders.insert(real);
                }
                continue;
            }
            let touched = matches!(change.shadows.get(&real), Some(Shadow::Changed { .. } | Shadow::Remoded));
            if touched || !is_shipped(file, &node.entry) {
                work.kept.insert(format!("/{real}"));
            } else {
                work.whiteouts.insert(real);
            }
        }
    }
    empty_folders(tree, &folders, work);
}
