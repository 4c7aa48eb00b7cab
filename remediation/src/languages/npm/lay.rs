//! The files of a module: the old archive's go, the new one's come, and what is neither stays.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::{
    executor::native::extend::Additions,
    languages::{
        archive::{Files, Packed},
        lay::{Ground, changed},
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
        let Some(owner) = self.tree.get(&self.path(MANIFEST)).map(|node| &node.entry) else {
            return Err(changed(&self.path(MANIFEST), "is no file"));
        };
        let ground = Ground { tree: self.tree, root: self.root, owner };
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
                    return Err(changed(&path, "is not what was published"));
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
                return Err(changed(&path, "is of somebody else"));
            }
            if let Some(old) = self.old.get(file).filter(|old| old.bytes != packed.bytes) {
                let old = Hasher::of(&old.bytes).sha256;
                additions.replaced.insert(old, (self.name.to_owned(), path));
            }
            ground.put(file, &packed.bytes, packed.executable, packed.mtime, &mut additions)?;
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
}
