//! Files of an rpm package that somebody changed, removed or re-moded. The header in the image's database says what was
//! shipped; a manifest does not, and then the package that is installed does, fetched and verified like the one that comes.

use std::collections::BTreeMap;

use crate::{
    plan::shadow::{PROGRAMS, Shadow},
    rpm::File,
    tree::{Entry, Kind, Tree},
};

/// Users and groups of an image by name.
#[derive(Debug, Clone, Default)]
pub(crate) struct Accounts {
    users: BTreeMap<String, u64>,
    groups: BTreeMap<String, u64>,
}

impl Accounts {
    pub(crate) fn of(tree: &Tree) -> Self {
        let read = |file: &str| -> BTreeMap<String, u64> {
            let text = tree.text(file).unwrap_or_default();
            let line = |line: &str| {
                let mut fields = line.split(':');
                let (name, number) = (fields.next()?, fields.nth(1)?);
                Some((name.to_owned(), number.parse().ok()?))
            };
            text.lines().filter_map(line).collect()
        };
        Self { users: read("etc/passwd"), groups: read("etc/group") }
    }
    /// Numbers of a file's owner and group; none: the image does not have them.
    pub(crate) fn owner(&self, file: &File) -> Option<(u64, u64)> {
        let find = |names: &BTreeMap<String, u64>, name: &str| match name {
            "root" => Some(0),
            name => names.get(name).copied(),
        };
        Some((find(&self.users, &file.user)?, find(&self.groups, &file.group)?))
    }
}

/// Whether what stands there is what was shipped, mode and owner apart.
pub(crate) fn is_shipped(file: &File, entry: &Entry) -> bool {
    match entry.kind {
        Kind::File => {
            let same = match file.sha256 {
                Some(sha256) => entry.hashes.is_some_and(|hashes| hashes.sha256 == sha256),
                // A header of before there was SHA-256: its size is what can be held against it.
                None => !file.is_ghost() && entry.size == file.size,
            };
            file.is_regular() && same
        }
        Kind::Symlink => file.is_link() && entry.link.as_deref() == Some(file.link.as_str()),
        Kind::Dir => file.is_folder(),
        Kind::Special => false,
    }
}

/// Shadowed files of one package by real path. Configuration is left to its own rules, but for what is gone of it.
pub(crate) fn shadowed(tree: &Tree, accounts: &Accounts, files: &[File]) -> BTreeMap<String, Shadow> {
    let mut found = BTreeMap::new();
    for file in files.iter().filter(|file| !file.is_folder() && !file.is_ghost()) {
        let real = tree.through(&file.path).into_owned();
        let Some(node) = tree.get(&real) else {
            found.insert(real, Shadow::Removed);
            continue;
        };
        let entry = &node.entry;
        if !is_shipped(file, entry) {
            if !file.is_config() {
                let program = entry.elf || PROGRAMS.iter().any(|folder| real.starts_with(folder));
                found.insert(real, Shadow::Changed { program });
            }
            continue;
        }
        let same = accounts.owner(file).is_none_or(|owner| owner == (entry.uid, entry.gid));
        if entry.kind == Kind::File && (!same || entry.mode != file.mode & 0o7777) {
            found.insert(real, Shadow::Remoded);
        }
    }
    found
}
