//! What came out of a sandbox, checked, and against the image: what is told as changed and is as it was gets into no layer.

use std::{
    collections::{BTreeMap, BTreeSet},
    io::Read,
    path::Path,
};

use super::{
    fault::{Failure, Fault},
    limits::{CHANGES, IDS},
    outside::Listener,
    wire::{Changed, What},
};
use crate::{
    Result,
    executor::native::layer::{Content, Laid, Spool},
    tree::{Hashes, Kind, Tree},
};

/// As Linux has it.
const PATH: usize = 4096;

/// Everything that was told, by path.
pub(super) struct Told<'a> {
    pub(super) entries: BTreeMap<String, Laid>,
    pub(super) removed: BTreeSet<String>,
    hashes: BTreeMap<String, Hashes>,
    spool: Spool,
    /// Called once the image is laid.
    began: &'a dyn Fn(),
}

impl<'a> Told<'a> {
    pub(super) fn new(scratch: &Path, began: &'a dyn Fn()) -> Result<Self> {
        Ok(Self {
            entries: BTreeMap::new(),
            removed: BTreeSet::new(),
            hashes: BTreeMap::new(),
            spool: Spool::create(scratch)?,
            began,
        })
    }

    fn check(&self, path: &str) -> Result<()> {
        let wrong = |why: &str| {
            let shown: String = path.chars().take(120).collect();
            Err(Failure::of(Fault::Outcome, format!("{shown:?} {why}")).into())
        };
        let plain = |part: &str| !matches!(part, "" | "." | "..") && !part.starts_with(".wh.");
        if path.len() > PATH || path.contains('\0') || !path.split('/').all(plain) {
            return wrong("is no path of a layer");
        }
        if self.entries.contains_key(path) || self.removed.contains(path) {
            return wrong("was told twice");
        }
        if self.entries.len() + self.removed.len() >= CHANGES {
            return wrong("is one change too many");
        }
        Ok(())
    }

    /// The content of a file by any of its names.
    fn content(&self, path: &str) -> Option<&Content> {
        match &self.entries.get(path)?.content {
            Content::HardLink(first) => match &self.entries.get(first)?.content {
                Content::HardLink(_) => None,
                content => Some(content),
            },
            content => Some(content),
        }
    }

    /// Takes out what is as the image has it, and what `keep` names; links to what is out become files of their own. `timed`: a
    /// path whose time is a change, too.
    pub(super) fn settle(&mut self, tree: &Tree, keep: &BTreeSet<String>, timed: &dyn Fn(&str) -> bool) {
        let same: Vec<String> = self
            .entries
            .iter()
            .filter(|(path, laid)| {
                let later = || tree.get(path).is_some_and(|old| old.entry.mtime != laid.mtime);
                let as_it_was = self.is_as_it_was(tree, path, laid) && !(timed(path) && later());
                keep.contains(*path) || as_it_was
            })
            .map(|(path, _)| path.clone())
            .collect();
        let same: BTreeSet<String> = same.into_iter().collect();
        let mut own = Vec::new();
        for (path, laid) in &self.entries {
            if let Content::HardLink(first) = &laid.content
                && same.contains(first)
                && !same.contains(path)
                && let Some(content) = self.content(path)
            {
                own.push((path.clone(), content.clone()));
            }
        }
        for (path, content) in own {
            if let Some(laid) = self.entries.get_mut(&path) {
                laid.content = content;
            }
        }
        self.entries.retain(|path, _| !same.contains(path));
        self.removed.retain(|path| !keep.contains(path) && tree.get(path).is_some());
    }

    fn is_as_it_was(&self, tree: &Tree, path: &str, laid: &Laid) -> bool {
        let Some(old) = tree.get(path).map(|node| &node.entry) else { return false };
        let content = match &laid.content {
            Content::Dir => old.kind == Kind::Dir,
            Content::Symlink(target) => {
                old.kind == Kind::Symlink && old.link.as_deref() == Some(target.as_str())
            }
            _ => {
                // Trees of apk's images know one hash more than what was told has.
                let sha256 = |hashes: &Hashes| hashes.sha256;
                let told = self.hashes.get(path).map(sha256);
                old.kind == Kind::File && told.is_some() && old.hashes.as_ref().map(sha256) == told
            }
        };
        let owner = (laid.uid, laid.gid) == (old.uid, old.gid);
        // A link has no mode of its own, and a tree keeps attributes of other systems, too.
        let mode = laid.mode == old.mode && known(&laid.xattrs) == known(&old.xattrs);
        content && owner && (mode || old.kind == Kind::Symlink)
    }

    /// Contents, ready to be read.
    pub(super) fn finish(self) -> (BTreeMap<String, Laid>, BTreeSet<String>, Spool) {
        (self.entries, self.removed, self.spool)
    }
}

/// The attributes that a sandbox can set and tell of.
fn known(xattrs: &[(String, Vec<u8>)]) -> Vec<&(String, Vec<u8>)> {
    let known = |name: &str| name == "security.capability" || name.starts_with("user.");
    xattrs.iter().filter(|(name, _)| known(name)).collect()
}

impl Listener for Told<'_> {
    fn laid(&mut self) {
        (self.began)();
    }

    fn entry(&mut self, entry: Changed, content: &mut dyn Read) -> Result<()> {
        self.check(&entry.path)?;
        if entry.uid >= IDS || entry.gid >= IDS {
            let reason = format!("/{} has an owner that no image has", entry.path);
            return Err(Failure::of(Fault::Outcome, reason).into());
        }
        let content = match entry.kind {
            What::Dir => Content::Dir,
            What::Symlink(target) => Content::Symlink(target),
            What::File => {
                let (content, hashes) = self.spool.append(content)?;
                self.hashes.insert(entry.path.clone(), hashes);
                content
            }
            What::HardLink(first) => {
                let Some(hashes) = self.hashes.get(&first).copied() else {
                    let reason = format!("/{} is a hard link to nothing", entry.path);
                    return Err(Failure::of(Fault::Outcome, reason).into());
                };
                self.hashes.insert(entry.path.clone(), hashes);
                // Links to links would need an order of their own.
                match self.entries.get(&first).map(|laid| &laid.content) {
                    Some(Content::HardLink(first)) => Content::HardLink(first.clone()),
                    _ => Content::HardLink(first),
                }
            }
        };
        let laid = Laid {
            content,
            mode: entry.mode & 0o7777,
            uid: entry.uid.into(),
            gid: entry.gid.into(),
            mtime: entry.mtime,
            xattrs: entry.xattrs,
        };
        self.entries.insert(entry.path, laid);
        Ok(())
    }

    fn removed(&mut self, path: String) -> Result<()> {
        self.check(&path)?;
        self.removed.insert(path);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn changed(path: &str, kind: What) -> Changed {
        Changed { path: path.into(), kind, mode: 0o644, uid: 0, gid: 0, mtime: 1, xattrs: Vec::new() }
    }

    #[test]
    fn what_the_inside_says_is_not_believed() {
        let scratch = tempfile::tempdir().unwrap();
        let mut told = Told::new(scratch.path(), &|| {}).unwrap();
        let mut add = |path: &str, kind: What| told.entry(changed(path, kind), &mut b"x".as_slice());
        add("etc/a", What::File).unwrap();
        add("etc/b", What::HardLink("etc/a".into())).unwrap();
        add("etc/c", What::HardLink("etc/b".into())).unwrap();
        for path in
            ["", "/etc/x", "etc/../x", "etc//x", "./x", "etc/.wh.passwd", "a\0b", "etc/a", &"x/".repeat(3000)]
        {
            assert!(add(path, What::Dir).is_err(), "{path:?}");
        }
        assert!(add("etc/d", What::HardLink("etc/nothing".into())).is_err());
        assert!(
            told.entry(Changed { uid: IDS, ..changed("etc/e", What::Dir) }, &mut std::io::empty()).is_err()
        );
        assert!(told.removed("etc/.wh..wh..opq".into()).is_err());
        assert_eq!(told.entries["etc/c"].content, Content::HardLink("etc/a".into()));
        // The first name is kept as the image has it: the others take its content, each for itself.
        told.settle(&Tree::default(), &BTreeSet::from(["etc/a".to_owned()]), &|_| false);
        assert!(!told.entries.contains_key("etc/a"));
        assert!(matches!(told.entries["etc/b"].content, Content::Spooled { size: 1, .. }));
    }
}
