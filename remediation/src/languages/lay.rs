//! What every ecosystem does to lay a package's files.

use super::blocked;
use crate::{
    executor::native::{
        extend::Additions,
        layer::{Content, Laid},
    },
    plan::Blocked,
    tree::{Entry, Hasher, Kind, Tree},
};

/// A file that somebody has made something else of.
pub(super) fn changed(path: &str, what: &str) -> Blocked {
    blocked("files-changed", format!("/{path} {what}: it is not replaced"), None)
}

/// A package's folder, and whose it is.
pub(super) struct Ground<'a> {
    pub(super) tree: &'a Tree,
    /// Without the leading `/`; empty: that of the image.
    pub(super) root: &'a str,
    /// The file that tells of the package: what is new belongs to whom that belongs.
    pub(super) owner: &'a Entry,
}

impl Ground<'_> {
    fn path(&self, file: &str) -> String {
        if self.root.is_empty() { file.to_owned() } else { format!("{}/{file}", self.root) }
    }

    /// Lays one file of an archive, by its path below the folder: with the mode and the owner of what it replaces, else
    /// with those of a new one; and the folders on the way to it.
    pub(super) fn put(
        &self,
        file: &str,
        bytes: &[u8],
        executable: bool,
        mtime: u64,
        additions: &mut Additions,
    ) -> Result<(), Blocked> {
        self.folders(file, mtime, additions)?;
        let path = self.path(file);
        let there = self.tree.get(&path).map(|node| &node.entry);
        let mode = there.map_or(if executable { 0o755 } else { 0o644 }, |there| there.mode);
        let (uid, gid) = there.map_or((self.owner.uid, self.owner.gid), |there| (there.uid, there.gid));
        additions.expected.insert(path.clone(), Hasher::of(bytes).sha256);
        let content = Content::Bytes(bytes.to_vec());
        additions.entries.insert(path, Laid { content, mode, uid, gid, mtime, xattrs: Vec::new() });
        Ok(())
    }

    /// Folders on the way to a new file that are not there yet.
    fn folders(&self, file: &str, mtime: u64, additions: &mut Additions) -> Result<(), Blocked> {
        let mut at = file;
        while let Some((folder, _)) = at.rsplit_once('/') {
            let path = self.path(folder);
            match self.tree.get(&path).map(|node| node.entry.kind) {
                Some(Kind::Dir) => {}
                None => {
                    let (uid, gid) = (self.owner.uid, self.owner.gid);
                    let (content, mode) = (Content::Dir, 0o755);
                    let laid = Laid { content, mode, uid, gid, mtime, xattrs: Vec::new() };
                    additions.entries.entry(path).or_insert(laid);
                }
                Some(_) => return Err(changed(&path, "is no folder, and a new file lies in it")),
            }
            at = folder;
        }
        Ok(())
    }
}
