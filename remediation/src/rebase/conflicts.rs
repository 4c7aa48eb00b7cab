//! Where an image's own layers and a newer base get in each other's way.

use std::collections::BTreeSet;

use crate::tree::{Entry, Kind, LayerTree, Tree};

/// Conflicts that are named in one message.
const NAMED: usize = 5;

/// What lies in each other's way, in the order of paths; each path once.
pub(super) fn between(old: &Tree, new: &Tree, layers: &[LayerTree]) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let own: BTreeSet<&str> =
        layers.iter().flat_map(|layer| layer.entries.keys().map(|path| &**path)).collect();
    for layer in layers {
        for path in layer.entries.keys().chain(&layer.removed).filter(|path| is_database(path)) {
            let there = old.get(path).or(new.get(path)).is_some_and(|node| node.entry.kind == Kind::File);
            let folder = layer.entries.get(path).is_some_and(|entry| entry.kind == Kind::Dir);
            if there || !folder && !path.contains("status.d/") {
                found.insert(format!("its own layers change the package database (/{path})"));
            }
        }
        for (path, entry) in &layer.entries {
            found.extend(way_to(old, new, path));
            found.extend(covered(old, new, path, entry));
            found.extend(linked(old, new, &own, path, entry));
        }
    }
    found
}

/// All of it in a sentence; none: there is nothing.
pub(super) fn told(found: &BTreeSet<String>) -> Option<String> {
    let named: Vec<&str> = found.iter().take(NAMED).map(String::as_str).collect();
    let more = match found.len().checked_sub(named.len())? {
        _ if named.is_empty() => return None,
        0 => String::new(),
        more => format!("; and {more} more"),
    };
    Some(format!("{}{more}: build again", named.join("; ")))
}

/// Databases that are one file, or one set of files, for all layers: whoever wrote them last knew the old base.
fn is_database(path: &str) -> bool {
    const FOLDERS: [&str; 7] = [
        "var/lib/dpkg/",
        "lib/apk/db/",
        "usr/lib/apk/db/",
        "var/lib/rpm/",
        "usr/lib/sysimage/rpm/",
        "var/lib/rpmmanifest/",
        "var/lib/pacman/local/",
    ];
    FOLDERS.iter().any(|folder| path.starts_with(folder))
}

/// A folder on the way that is a link in one base and a folder in the other: the file would come to lie elsewhere.
fn way_to(old: &Tree, new: &Tree, path: &str) -> Option<String> {
    let folders = path.match_indices('/').map(|(at, _)| &path[..at]);
    let mut differing = folders.filter_map(|folder| {
        let (was, is) = (&old.get(folder)?.entry, &new.get(folder)?.entry);
        (was.kind != is.kind || was.link != is.link)
            .then(|| format!("/{folder} has become {}, and /{path} lies in it", kind(is.kind)))
    });
    differing.next()
}

/// A file that the base has changed, or brings only now, and that the image has one of its own for.
fn covered(old: &Tree, new: &Tree, path: &str, entry: &Entry) -> Option<String> {
    let is = &new.get(path)?.entry;
    if entry.kind == Kind::Dir && is.kind == Kind::Dir {
        return None;
    }
    match old.get(path) {
        Some(was) if is_same(&was.entry, is) => None,
        Some(_) => Some(format!("the base has changed /{path}, and the image has its own")),
        None if is_same(entry, is) => None,
        None => Some(format!("the base brings /{path} now, and the image has its own")),
    }
}

/// A hard link to a name in a lower layer that is another now.
fn linked(old: &Tree, new: &Tree, own: &BTreeSet<&str>, path: &str, entry: &Entry) -> Option<String> {
    let target = entry.link.as_deref().filter(|target| entry.kind == Kind::File && !own.contains(target))?;
    let same = match (old.get(target), new.get(target)) {
        (Some(was), Some(is)) => is_same(&was.entry, &is.entry),
        _ => false,
    };
    (!same).then(|| format!("/{path} is a hard link to /{target}, which the base has changed"))
}

/// Times aside: a base that was built again has others.
fn is_same(a: &Entry, b: &Entry) -> bool {
    let of = |entry: &Entry| {
        let hash = entry.hashes.map(|hashes| hashes.sha256);
        (entry.kind, entry.mode, entry.uid, entry.gid, entry.link.clone(), hash, entry.xattrs.clone())
    };
    of(a) == of(b)
}

fn kind(kind: Kind) -> &'static str {
    match kind {
        Kind::File => "a file",
        Kind::Dir => "a folder",
        Kind::Symlink => "another link",
        Kind::Special => "a device",
    }
}
