//! Files of a package that somebody changed, removed or re-moded after it was installed: what a patch layer
//! on top would undo without being asked.

use std::collections::BTreeMap;

use crate::{
    executor::native::filters::Filters,
    installed::Installed,
    tree::{Entry, Kind, Node, Tree},
};

/// What became of a shipped file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shadow {
    /// Its content is another, or it is no longer a file.
    Changed {
        /// It is a program or a library, as it was shipped or as it stands now.
        program: bool,
    },
    /// It is gone.
    Removed,
    /// Its mode or owner is another; its content is what was shipped.
    Remoded,
}

/// Where code lies, whatever it is written in.
pub(crate) const PROGRAMS: &[&str] =
    &["usr/bin/", "usr/sbin/", "usr/lib/", "usr/libexec/", "usr/games/", "bin/", "sbin/", "lib/"];

/// Shadowed files of one package by real path. Configuration files are not looked at: they have rules of their own.
pub fn shadowed(tree: &Tree, package: &Installed, filters: &Filters) -> BTreeMap<String, Shadow> {
    let mut found = BTreeMap::new();
    for path in &package.files {
        if package.conffiles.iter().any(|c| &c.path == path) {
            continue;
        }
        let diverted = filters.diverted(&package.record.name, path);
        let real = tree.through(diverted).into_owned();
        if let Some(shadow) = shadow(tree, package, path, &real)
            && !(shadow == Shadow::Removed && filters.excludes(path))
        {
            found.insert(real, shadow);
        }
    }
    found
}

fn shadow(tree: &Tree, package: &Installed, path: &str, real: &str) -> Option<Shadow> {
    let shipped = package.md5sums.get(path);
    let Some(node) = tree.get(real) else {
        // A missing folder is made again only where something new lies in it.
        let was_folder = package.files.iter().any(|other| {
            other.len() > path.len() && other.starts_with(path) && other.as_bytes()[path.len()] == b'/'
        });
        return (!was_folder).then_some(Shadow::Removed);
    };
    let before = brought(node, package.layer);
    let entry = &node.entry;
    // A wrapper in the program's place has the program somewhere else.
    let program = entry.elf
        || before.is_some_and(|old| old.elf)
        || (shipped.is_some() || before.is_some_and(|old| old.kind == Kind::File))
            && PROGRAMS.iter().any(|folder| real.starts_with(folder));
    match (shipped, entry.kind) {
        (_, Kind::Dir) if shipped.is_none() => None,
        (Some(md5), Kind::File) if entry.hashes.is_some_and(|h| hex::encode(h.md5) == *md5) => {
            before.filter(|old| !same_owner(old, entry)).map(|_| Shadow::Remoded)
        }
        (Some(_), _) => Some(Shadow::Changed { program }),
        (None, _) => {
            let old = before?;
            let same = old.kind == entry.kind && old.link == entry.link && old.hashes == entry.hashes;
            if !same {
                Some(Shadow::Changed { program })
            } else {
                (entry.kind == Kind::File && !same_owner(old, entry)).then_some(Shadow::Remoded)
            }
        }
    }
}

/// What the package's own layer had at a path that a later layer covers; none: no later layer did.
fn brought(node: &Node, layer: usize) -> Option<&Entry> {
    if node.layer <= layer {
        return None;
    }
    node.past.iter().rev().find(|past| past.layer <= layer).map(|past| &past.entry)
}

fn same_owner(a: &Entry, b: &Entry) -> bool {
    a.mode == b.mode && a.uid == b.uid && a.gid == b.gid && a.xattrs == b.xattrs
}
