//! The merged tree of an image: what stands at each path, which layer put it there, and what it covers.

mod beside;
pub(crate) mod contents;
mod hashes;
mod image;
mod layer;
pub(crate) mod pieces;

use std::{
    borrow::Cow,
    collections::{BTreeMap, HashMap},
    ops::Bound,
};

pub use beside::{Keeping, TreesBeside};
pub use hashes::{Hasher, Hashes, Known};
pub(crate) use image::blocking as image_blocking;
pub use image::{Image, layer_tree, open};
pub use layer::{ANALYSER, Entry, Flavour, Kind, LayerTree};
pub(crate) use layer::{decoder, normalise};

/// How often a path may lead through links before it counts as a loop (as Linux's own limit).
const MAX_LINKS: usize = 40;

/// What a path was in a lower layer, before a higher one covered it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Past {
    /// The layer, from 0.
    pub layer: usize,
    /// What it was there.
    pub entry: Entry,
}

/// What stands at a path of the merged tree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Node {
    /// The layer that put it there, from 0.
    pub layer: usize,
    /// What it is.
    pub entry: Entry,
    /// What lower layers had there, lowest first.
    pub past: Vec<Past>,
    /// Of the files that plans are made from.
    pub content: Option<Vec<u8>>,
}

/// All layers, one over the other.
#[derive(Debug, Clone, Default)]
pub struct Tree {
    nodes: BTreeMap<Box<str>, Node>,
    /// Where every symbolic link among them leads, by its path: each part of each path is asked for in here.
    links: HashMap<Box<str>, Box<str>>,
    layers: usize,
}

impl Tree {
    /// Lays one more layer on top.
    pub fn apply(&mut self, layer: LayerTree) {
        let index = self.layers;
        self.layers += 1;
        for path in &layer.removed {
            self.remove(path);
            self.remove_under(path);
        }
        for path in &layer.opaque {
            self.remove_under(path);
        }
        let mut contents = layer.contents;
        for (path, mut entry) in layer.entries {
            if entry.kind == Kind::File
                && entry.hashes.is_none()
                && let Some(target) = entry.link.as_deref()
            {
                // A hard link to a name in a lower layer.
                if let Some(first) = self.nodes.get(target) {
                    entry = Entry { link: entry.link.clone(), ..first.entry.clone() };
                }
            }
            let content = contents.remove(&path);
            let mut past = Vec::new();
            if let Some(old) = self.remove(&path) {
                if old.entry.kind == Kind::Dir && entry.kind != Kind::Dir {
                    self.remove_under(&path);
                }
                past = old.past;
                past.push(Past { layer: old.layer, entry: old.entry });
            }
            if entry.kind == Kind::Symlink
                && let Some(target) = entry.link.as_deref()
            {
                self.links.insert(path.clone(), target.into());
            }
            self.nodes.insert(path, Node { layer: index, entry, past, content });
        }
    }

    fn remove(&mut self, path: &str) -> Option<Node> {
        self.links.remove(path);
        self.nodes.remove(path)
    }

    fn remove_under(&mut self, folder: &str) {
        let gone: Vec<Box<str>> = self.under(folder).map(|(path, _)| path.into()).collect();
        for path in gone {
            self.remove(&path);
        }
    }

    /// Everything under a folder (the empty text: all).
    pub fn under<'a>(&'a self, folder: &str) -> impl Iterator<Item = (&'a str, &'a Node)> {
        let prefix = if folder.is_empty() { String::new() } else { format!("{folder}/") };
        let start = prefix.clone();
        self.nodes
            .range::<str, _>((Bound::Included(start.as_str()), Bound::Unbounded))
            .map(|(path, node)| (&**path, node))
            .take_while(move |(path, _)| path.starts_with(&prefix))
    }
    /// How many layers.
    pub fn layers(&self) -> usize {
        self.layers
    }
    /// What stands at exactly this path.
    pub fn get(&self, path: &str) -> Option<&Node> {
        self.nodes.get(path)
    }
    /// The path that one really writes to: every parent's links followed, the last part as it is.
    pub fn through<'p>(&self, path: &'p str) -> Cow<'p, str> {
        self.follow(path, false)
    }
    /// The same, the last part's links followed, too.
    pub fn real<'p>(&self, path: &'p str) -> Cow<'p, str> {
        self.follow(path, true)
    }

    fn follow<'p>(&self, path: &'p str, last: bool) -> Cow<'p, str> {
        let mut current = Cow::Borrowed(path);
        for _ in 0..MAX_LINKS {
            let Some((end, target)) = self.first_link(&current, last) else { break };
            let folder = current[..end].rsplit_once('/').map_or("", |(folder, _)| folder);
            let joined = join(folder, target);
            let rest = current[end..].trim_start_matches('/');
            current = Cow::Owned(match (joined.is_empty(), rest.is_empty()) {
                (_, true) => joined,
                (true, false) => rest.to_owned(),
                (false, false) => format!("{joined}/{rest}"),
            });
        }
        current
    }

    /// Where the first part of a path that is a link ends, and where it leads; `last`: that part counts, too.
    fn first_link(&self, path: &str, last: bool) -> Option<(usize, &str)> {
        let ends = path.match_indices('/').map(|(end, _)| end).chain(last.then_some(path.len()));
        ends.into_iter().find_map(|end| Some((end, &**self.links.get(&path[..end])?)))
    }

    /// Content of a file that plans are made from, links followed.
    pub fn content(&self, path: &str) -> Option<&[u8]> {
        self.get(&self.real(path))?.content.as_deref()
    }
    /// The same as text; what is no UTF-8 is replaced.
    pub fn text(&self, path: &str) -> Option<Cow<'_, str>> {
        self.content(path).map(String::from_utf8_lossy)
    }
}

/// A link's target from the folder it stands in; never climbs above the root.
pub(crate) fn join(folder: &str, target: &str) -> String {
    let mut parts: Vec<&str> = if target.starts_with('/') { Vec::new() } else { folder.split('/').collect() };
    parts.retain(|part| !part.is_empty());
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
mod tests;
