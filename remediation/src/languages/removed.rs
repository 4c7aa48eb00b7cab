//! What goes of a package's folder: a file, or the folder that would be empty without it.

use std::collections::{BTreeMap, BTreeSet};

use crate::{
    executor::native::layer::Laid,
    tree::{Kind, Tree},
};

/// Whiteouts for these files, none of them above `root`. `comes`: what is laid instead.
pub(super) fn whiteouts(
    tree: &Tree,
    root: &str,
    removed: &BTreeSet<String>,
    comes: &BTreeMap<String, Laid>,
) -> BTreeSet<String> {
    let gone = removed.iter().filter(|path| !comes.contains_key(*path));
    gone.map(|path| whole(tree, root, path, removed, comes).to_owned()).collect()
}

fn whole<'p>(
    tree: &Tree,
    root: &str,
    path: &'p str,
    removed: &BTreeSet<String>,
    comes: &BTreeMap<String, Laid>,
) -> &'p str {
    let mut gone = path;
    while let Some((folder, _)) = gone.rsplit_once('/').filter(|(folder, _)| *folder != root) {
        let left =
            tree.under(folder).any(|(path, node)| node.entry.kind != Kind::Dir && !removed.contains(path));
        let below = format!("{folder}/");
        let next = comes.range(below.clone()..).next();
        if left || next.is_some_and(|(path, _)| path.starts_with(&below)) {
            break;
        }
        gone = folder;
    }
    gone
}
