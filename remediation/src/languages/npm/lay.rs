//! The files of a module: the old archive's go, the new one's come, and what is neither stays.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::{
    executor::native::{
        extend::Additions,
        layer::{Content, Laid},
    },
    languages::{
        archive::{Files, Packed},
        blocked,
        removed::whiteouts,
    },
    plan::Blocked,
    tree::{Entry, Hasher, Kind, Tree},
};

/// A module in its folder, with both archives.
pub(super) struct Module<'a> {
    pub(super) tree: &'a Tree,
    pub(super) name: &'a str,
    /// Its folder, without the leading `/`.
    pub(super) root: &'a str,
    /// `package.json` as it stands.
    pub(super) manifest: &'a [u8],
    pub(super) old: &'a Files,
    pub(super) new: &'a Files,
}

const MANIFEST: &str = "package.json";

impl Module<'_> {
    fn path(&self, file: &str) -> String {
        format!("{}/{file}", self.root)
    }

    /// What goes into the layer, or which file is not as its author published it.
    pub(super) fn lay(&self) -> Result<Additions, Blocked> {
        let changed = |path: &str, what: &str| {
            Err(blocked("files-changed", format!("/{path} {what}: it is not replaced"), None))
        };
        let Some(owner) = self.tree.get(&self.path(MANIFEST)).map(|node| &node.entry) else {
            return changed(&self.path(MANIFEST), "is no file");
        };
        let mut removed = BTreeSet::new();
        // Who has made the image smaller by files of it wants them no more than before.
        let mut absent = BTreeSet::new();
        for (file, packed) in self.old {
            let path = self.path(file);
            match self.tree.get(&path).map(|node| &node.entry) {
                None => {
                    absent.insert(file);
                }
                Some(there) if !self.is_as_published(file, packed, there) => {
                    return changed(&path, "is not what was published");
                }
                Some(_) if self.new.contains_key(file) => {}
                Some(_) => {
                    removed.insert(path);
                }
            }
        }
        let mut additions = Additions::default();
        for (file, packed) in self.new.iter().filter(|(file, _)| !absent.contains(file)) {
            let path = self.path(file);
            let there = self.tree.get(&path).map(|node| &node.entry);
            if there.is_some() && !self.old.contains_key(file) {
                return changed(&path, "is of somebody else");
            }
            self.folders(file, owner, packed.mtime, &mut additions)?;
            let mode = there.map_or(if packed.executable { 0o755 } else { 0o644 }, |there| there.mode);
            let (uid, gid) = there.map_or((owner.uid, owner.gid), |there| (there.uid, there.gid));
            let new = Hasher::of(&packed.bytes).sha256;
            if let Some(old) = self.old.get(file).filter(|old| old.bytes != packed.bytes) {
                let old = Hasher::of(&old.bytes).sha256;
                additions.replaced.insert(old, (self.name.to_owned(), path.clone()));
            }
            additions.expected.insert(path.clone(), new);
            let content = Content::Bytes(packed.bytes.clone());
            additions
                .entries
                .insert(path, Laid { content, mode, uid, gid, mtime: packed.mtime, xattrs: Vec::new() });
        }
        additions.whiteouts = whiteouts(self.tree, self.root, &removed, &additions.entries);
        Ok(additions)
    }

    /// npm before version 7 writes what it knows of a package into its `package.json`, under keys with a `_`.
    fn is_as_published(&self, file: &str, packed: &Packed, there: &Entry) -> bool {
        if there.kind != Kind::File {
            return false;
        }
        if there.hashes.is_some_and(|hashes| hashes.sha256 == Hasher::of(&packed.bytes).sha256) {
            return true;
        }
        let plain = |bytes: &[u8]| -> Option<Value> {
            let mut document: Value = serde_json::from_slice(bytes).ok()?;
            document.as_object_mut()?.retain(|key, _| !key.starts_with('_'));
            Some(document)
        };
        file == MANIFEST && plain(self.manifest).is_some_and(|is| plain(&packed.bytes) == Some(is))
    }

    /// Folders on the way to a new file that are not there yet, as those beside them are.
    fn folders(
        &self,
        file: &str,
        owner: &Entry,
        mtime: u64,
        additions: &mut Additions,
    ) -> Result<(), Blocked> {
        let mut at = file;
        while let Some((folder, _)) = at.rsplit_once('/') {
            let path = self.path(folder);
            match self.tree.get(&path).map(|node| node.entry.kind) {
                Some(Kind::Dir) => {}
                None => {
                    let (uid, gid) = (owner.uid, owner.gid);
                    let laid =
                        Laid { content: Content::Dir, mode: 0o755, uid, gid, mtime, xattrs: Vec::new() };
                    additions.entries.entry(path).or_insert(laid);
                }
                Some(_) => {
                    let reason = format!("/{path} is no folder, and a new file lies in it");
                    return Err(blocked("files-changed", reason, None));
                }
            }
            at = folder;
        }
        Ok(())
    }
}
