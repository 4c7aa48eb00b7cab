//! Before and after: the files of two images, their layers and their sizes.

mod changes;

use std::{collections::BTreeSet, sync::Arc};

use patchline_registry::{Digest, Repository};
use patchline_scanner::LayerFacts;
use serde::Serialize;

use crate::{
    Result,
    tree::{self, Entry, Flavour, Image, Kind, Tree},
};

pub use changes::{Changes, Count};

/// What happened to a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Change {
    /// It was not there before.
    Added,
    /// It is another: see [`FileChange::what`].
    Changed,
    /// It is not there any more.
    Removed,
}

/// One path that differs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct FileChange {
    /// Without the leading slash.
    pub path: String,
    /// What happened to it.
    pub change: Change,
    /// Of a changed one, what of it: `content`, `kind`, `link`, `mode`, `owner`, `attributes`. When it was written is no change.
    pub what: Vec<&'static str>,
    /// Bytes before and after; 0 where it is no file, or not there.
    pub size: (u64, u64),
}

/// One side.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Side {
    /// The image manifest.
    pub digest: Digest,
    /// Compressed bytes of its layers.
    pub size: u64,
    /// Its layers, lowest first.
    pub layers: Vec<Digest>,
    /// Files and links, without folders.
    pub files: usize,
}

/// Two images as files.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Difference {
    /// The first.
    pub before: Side,
    /// The second.
    pub after: Side,
    /// Layers that both have, from the lowest on: what lies above them differs.
    pub shared: usize,
    /// By path.
    pub files: Vec<FileChange>,
}

/// Compares two images, each in its repository; layers that both have are read once, and known ones not at all.
///
/// # Errors
/// A manifest, a configuration or a layer that cannot be read, or that is more than a tree may hold.
pub async fn images(
    before: (&dyn Repository, &Digest),
    after: (&dyn Repository, &Digest),
    facts: &Arc<dyn LayerFacts>,
) -> Result<Difference> {
    let (old, old_tree) = read(before, facts).await?;
    let (new, new_tree) = read(after, facts).await?;
    let layers = |image: &Image| -> Vec<Digest> {
        image.manifest.layers.iter().map(|layer| layer.digest.clone()).collect()
    };
    let (below, above) = (layers(&old), layers(&new));
    let side = |image: &Image, digest: &Digest, tree: &Tree, layers: Vec<Digest>| Side {
        digest: digest.clone(),
        size: image.manifest.layers.iter().fold(0, |sum: u64, layer| sum.saturating_add(layer.size)),
        layers,
        files: tree.under("").filter(|(_, node)| node.entry.kind != Kind::Dir).count(),
    };
    Ok(Difference {
        shared: below.iter().zip(&above).take_while(|(a, b)| a == b).count(),
        before: side(&old, before.1, &old_tree, below),
        after: side(&new, after.1, &new_tree, above),
        files: files(&old_tree, &new_tree),
    })
}

async fn read(
    (repository, digest): (&dyn Repository, &Digest),
    facts: &Arc<dyn LayerFacts>,
) -> Result<(Image, Tree)> {
    let image = tree::open(repository, digest.as_str()).await?;
    let tree = image.tree(repository, facts, Flavour::Dpkg, |_, _| {}).await?;
    Ok((image, tree))
}

/// Paths at which two trees differ. A folder that came or went with all that is in it is told of once, by what is in it.
fn files(before: &Tree, after: &Tree) -> Vec<FileChange> {
    let paths: BTreeSet<&str> = before.under("").chain(after.under("")).map(|(path, _)| path).collect();
    let mut found = Vec::new();
    for path in paths {
        let of = |tree: &'_ Tree| tree.get(path).map(|node| node.entry.clone());
        let (old, new) = (of(before), of(after));
        let size =
            |entry: &Option<Entry>| entry.as_ref().filter(|e| e.kind == Kind::File).map_or(0, |e| e.size);
        let (change, what) = match (&old, &new) {
            (Some(old), Some(new)) => (Change::Changed, differences(old, new)),
            (None, Some(new)) if new.kind != Kind::Dir => (Change::Added, Vec::new()),
            (Some(old), None) if old.kind != Kind::Dir => (Change::Removed, Vec::new()),
            _ => continue,
        };
        if change != Change::Changed || !what.is_empty() {
            found.push(FileChange { path: path.to_owned(), change, what, size: (size(&old), size(&new)) });
        }
    }
    found
}

fn differences(old: &Entry, new: &Entry) -> Vec<&'static str> {
    if old.kind != new.kind {
        return vec!["kind"];
    }
    // A hard link's first name may be another one: what counts is its content.
    let link = old.kind == Kind::Symlink && old.link != new.link;
    let sha256 = |entry: &Entry| entry.hashes.map(|h| h.sha256);
    [
        ("content", sha256(old) != sha256(new) || old.size != new.size),
        ("link", link),
        ("mode", old.mode != new.mode),
        ("owner", (old.uid, old.gid) != (new.uid, new.gid)),
        ("attributes", old.xattrs != new.xattrs),
    ]
    .into_iter()
    .filter_map(|(what, differs)| differs.then_some(what))
    .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tree::LayerTree;

    fn layer(entries: &[(&str, &[u8], u32)]) -> LayerTree {
        let mut archive = tar::Builder::new(Vec::new());
        for (path, content, mode) in entries {
            let mut header = tar::Header::new_gnu();
            header.set_mode(*mode);
            header.set_uid(0);
            header.set_gid(0);
            header.set_size(content.len() as u64);
            if path.ends_with('/') {
                header.set_entry_type(tar::EntryType::Directory);
            }
            archive.append_data(&mut header, path, *content).expect("entry");
        }
        let bytes = archive.into_inner().expect("archive");
        LayerTree::read(&Digest::of(&bytes), bytes.as_slice()).expect("reads")
    }

    #[test]
    fn what_differs_is_told_by_path() {
        let below: &[(&str, &[u8], u32)] = &[
            ("etc/", b"", 0o755),
            ("etc/a", b"1", 0o644),
            ("etc/b", b"2", 0o644),
            ("old/", b"", 0o755),
            ("old/x", b"3", 0o644),
        ];
        let mut before = Tree::default();
        before.apply(layer(below));
        let mut after = before.clone();
        assert_eq!(files(&before, &after), []);
        after.apply(layer(&[
            (".wh.old", b"", 0o644),
            ("etc/a", b"changed", 0o644),
            ("etc/b", b"2", 0o755),
            ("new/", b"", 0o755),
            ("new/y", b"4", 0o644),
        ]));
        let told: Vec<_> =
            files(&before, &after).into_iter().map(|f| (f.path, f.change, f.what, f.size)).collect();
        assert_eq!(
            told,
            [
                ("etc/a".to_owned(), Change::Changed, vec!["content"], (1, 7)),
                ("etc/b".to_owned(), Change::Changed, vec!["mode"], (1, 1)),
                ("new/y".to_owned(), Change::Added, vec![], (0, 1)),
                ("old/x".to_owned(), Change::Removed, vec![], (1, 0)),
            ]
        );
    }
}
