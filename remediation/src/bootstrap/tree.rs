//! The file tree under assembly: paths through directory links, one node each.

use std::{collections::BTreeMap, fs::File, io, os::unix::fs::FileExt, sync::Arc};

/// Bytes of a file: at hand, or in a spool.
#[derive(Debug, Clone)]
pub(super) enum Content {
    Bytes(Vec<u8>),
    Spooled { spool: Arc<File>, offset: u64, size: u64 },
}

impl Content {
    pub(super) fn len(&self) -> u64 {
        match self {
            Self::Bytes(bytes) => bytes.len() as u64,
            Self::Spooled { size, .. } => *size,
        }
    }
    /// All of it, for the small files that are worked on.
    pub(super) fn read(&self) -> io::Result<Vec<u8>> {
        match self {
            Self::Bytes(bytes) => Ok(bytes.clone()),
            Self::Spooled { spool, offset, size } => {
                let mut bytes = vec![0; *size as usize];
                spool.read_exact_at(&mut bytes, *offset)?;
                Ok(bytes)
            }
        }
    }
}

/// What a node is.
#[derive(Debug, Clone)]
pub(super) enum Kind {
    File(Content),
    Directory,
    Symlink(String),
    /// To another path of the tree.
    HardLink(String),
    CharDevice(u32, u32),
    BlockDevice(u32, u32),
    Fifo,
}

#[derive(Debug, Clone)]
pub(super) struct Node {
    pub(super) kind: Kind,
    pub(super) mode: u32,
    pub(super) uid: u64,
    pub(super) gid: u64,
    pub(super) mtime: u64,
    pub(super) xattrs: Vec<(String, Vec<u8>)>,
    /// Index of the package that shipped it.
    pub(super) owner: Option<usize>,
}

/// Paths without a leading slash; the root itself has none.
#[derive(Debug, Default)]
pub(super) struct Tree {
    pub(super) nodes: BTreeMap<String, Node>,
    /// For what no package ships.
    pub(super) mtime: u64,
}

/// Top folders that live under `usr` (Debian's merged /usr).
pub(super) const MERGED: &[&str] = &["bin", "lib", "lib32", "lib64", "libo32", "libx32", "sbin"];

impl Tree {
    /// Where a path leads when the links among its folders are followed; its last part is not.
    pub(super) fn resolve(&self, path: &str) -> String {
        let mut path = path.trim_matches('/').to_owned();
        for _ in 0..40 {
            let Some(next) = self.step(&path) else { return path };
            path = next;
        }
        path
    }

    fn step(&self, path: &str) -> Option<String> {
        path.match_indices('/').find_map(|(at, _)| {
            let (folder, rest) = path.split_at(at);
            let Some(Node { kind: Kind::Symlink(target), .. }) = self.nodes.get(folder) else { return None };
            Some(join(folder, target) + rest)
        })
    }

    /// Where a path leads when its last part is followed too; none when nothing is there.
    pub(super) fn follow(&self, path: &str) -> Option<String> {
        let mut path = self.resolve(path);
        for _ in 0..40 {
            match &self.nodes.get(&path)?.kind {
                Kind::Symlink(target) => path = self.resolve(&join(&path, target)),
                _ => return Some(path),
            }
        }
        None
    }

    /// Text of a file, when there is one.
    pub(super) fn text(&self, path: &str) -> io::Result<Option<String>> {
        let node = self.follow(path).and_then(|path| self.nodes.get(&path).map(|node| (path, node)));
        let Some((mut path, mut node)) = node else { return Ok(None) };
        if let Kind::HardLink(target) = &node.kind {
            path.clone_from(target);
            match self.nodes.get(&path) {
                Some(found) => node = found,
                None => return Ok(None),
            }
        }
        match &node.kind {
            Kind::File(content) => Ok(Some(String::from_utf8_lossy(&content.read()?).into_owned())),
            _ => Ok(None),
        }
    }

    /// Whether something is there, through links.
    pub(super) fn exists(&self, path: &str) -> bool {
        self.follow(path).is_some()
    }

    /// Puts a node, replacing what was there.
    pub(super) fn put(&mut self, path: &str, kind: Kind, mode: u32, uid: u64, gid: u64) {
        let path = self.resolve(path);
        let node = Node { kind, mode, uid, gid, mtime: self.mtime, xattrs: Vec::new(), owner: None };
        self.nodes.insert(path, node);
    }
    pub(super) fn file(&mut self, path: &str, text: impl Into<Vec<u8>>) {
        self.put(path, Kind::File(Content::Bytes(text.into())), 0o644, 0, 0);
    }
    pub(super) fn link(&mut self, path: &str, target: &str) {
        self.put(path, Kind::Symlink(target.to_owned()), 0o777, 0, 0);
    }
    /// A folder, unless one is there already.
    pub(super) fn folder(&mut self, path: &str, mode: u32) {
        if !self.exists(path) {
            self.put(path, Kind::Directory, mode, 0, 0);
        }
    }

    /// Folders that nobody shipped, for the nodes that lie in them.
    pub(super) fn add_parents(&mut self) {
        let mut missing = Vec::new();
        for path in self.nodes.keys() {
            for (at, _) in path.match_indices('/') {
                if !self.nodes.contains_key(&path[..at]) {
                    missing.push(path[..at].to_owned());
                }
            }
        }
        for path in missing {
            self.folder(&path, 0o755);
        }
    }
}

/// A link's target seen from the folder the link lies in; it cannot leave the root.
fn join(link: &str, target: &str) -> String {
    let mut parts: Vec<&str> = if target.starts_with('/') {
        Vec::new()
    } else {
        link.rsplit_once('/').map_or_else(Vec::new, |(folder, _)| folder.split('/').collect())
    };
    for part in target.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop();
            }
            part => parts.push(part),
        }
    }
    parts.join("/")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_among_folders_are_followed_and_stay_inside() {
        let mut tree = Tree::default();
        tree.link("lib", "usr/lib");
        tree.link("var/run", "/run");
        tree.link("out", "../../etc");
        tree.link("round", "round/x");
        assert_eq!(tree.resolve("lib/x86/libc.so"), "usr/lib/x86/libc.so");
        assert_eq!(tree.resolve("var/run/lock"), "run/lock");
        assert_eq!(tree.resolve("out/passwd"), "etc/passwd");
        assert_eq!(tree.resolve("lib"), "lib");
        tree.resolve("round/y");
        tree.file("lib/a", "text");
        tree.link("usr/lib/b", "a");
        assert_eq!(tree.text("lib/b").unwrap().as_deref(), Some("text"));
        assert!(!tree.exists("lib/c") && tree.follow("round").is_none());
        tree.add_parents();
        assert!(tree.exists("usr/lib") && tree.exists("usr"));
    }
}
