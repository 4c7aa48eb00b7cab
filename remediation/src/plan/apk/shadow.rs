//! Files of an apk package that somebody changed, removed or re-moded: apk's database says what was shipped.

use std::collections::BTreeMap;

use crate::{
    apk::{Database, Installed, Protection},
    plan::shadow::{PROGRAMS, Shadow},
    tree::{Kind, Tree},
};

/// Shadowed files of one package by real path. Files of protected folders are left to their own rules, but for those
/// that are gone.
pub(crate) fn shadowed(tree: &Tree, database: &Database, package: &Installed) -> BTreeMap<String, Shadow> {
    let mut found = BTreeMap::new();
    for shipped in &package.files {
        let real = tree.through(&shipped.path).into_owned();
        let Some(node) = tree.get(&real) else {
            found.insert(real, Shadow::Removed);
            continue;
        };
        let entry = &node.entry;
        let unchanged = package.has_shipped(shipped, entry).unwrap_or(true)
            && matches!(entry.kind, Kind::File | Kind::Symlink);
        if !unchanged {
            if database.protection(&shipped.path) == Protection::None {
                let program = entry.elf || PROGRAMS.iter().any(|folder| real.starts_with(folder));
                found.insert(real, Shadow::Changed { program });
            }
            continue;
        }
        let (uid, gid, mode) = shipped.owner.unwrap_or((0, 0, 0o644));
        if entry.kind == Kind::File && (entry.uid, entry.gid, entry.mode) != (uid, gid, mode) {
            found.insert(real, Shadow::Remoded);
        }
    }
    found
}
