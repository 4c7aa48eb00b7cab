//! The dynamic linker's cache: when an upgrade leaves it valid.
//!
//! `etc/ld.so.cache` maps a soname to the path of its link. An upgrade of the same soname changes where the
//! link points, not the path, so the cache stays valid. A soname that goes is skipped by the linker, since its
//! file is gone. A new soname in one of the linker's own folders is found without the cache (libc-bin's
//! triggers file says so). A new one in a folder that only `ld.so.conf` names would not be found: refused.

use std::collections::BTreeSet;

use super::{Change, Shipped, Work};
use crate::{plan::Blocked, tree::Tree};

/// Blocks packages that bring a soname which only ldconfig could make known.
pub(super) fn check(tree: &Tree, changes: &[Change<'_>], shipped: &[Shipped], work: &mut Work) {
    for (change, shipped) in changes.iter().zip(shipped) {
        if let Some(path) = needs_cache(tree, shipped.list.iter().map(String::as_str)) {
            let reason =
                format!("ldconfig must run for /{path}: its folder is known through ld.so.conf alone");
            let to = Some(change.record.version.clone());
            work.blocked.push((change.key(), Blocked { code: "script-needs-sandbox", reason, to }));
        }
    }
}

/// The first of these paths that is a new soname which only ldconfig could make known.
pub(super) fn needs_cache<'p>(tree: &Tree, mut paths: impl Iterator<Item = &'p str>) -> Option<&'p str> {
    let folders = configured(tree);
    paths.find(|path| {
        let real = tree.through(path);
        let Some((folder, name)) = real.rsplit_once('/') else { return false };
        name.contains(".so.") && folders.contains(folder) && !is_default(folder) && tree.get(&real).is_none()
    })
}

/// Folders that `ld.so.conf` and what it includes name.
fn configured(tree: &Tree) -> BTreeSet<String> {
    tree.under("etc/ld.so.conf.d")
        .map(|(path, _)| path)
        .filter(|path| path.ends_with(".conf"))
        .chain(["etc/ld.so.conf"])
        .filter_map(|path| tree.text(path))
        .flat_map(|text| text.lines().map(str::to_owned).collect::<Vec<_>>())
        .filter(|line| line.starts_with('/'))
        .map(|line| tree.real(line.trim().trim_matches('/')).into_owned())
        .collect()
}

/// The folders that the linker searches by itself: `/lib`, `/usr/lib`, and the multiarch ones.
fn is_default(folder: &str) -> bool {
    let inner = folder.strip_prefix("usr/").unwrap_or(folder);
    match inner.split_once('/') {
        None => matches!(inner, "lib" | "lib64" | "lib32" | "libx32"),
        Some(("lib", triplet)) => !triplet.contains('/') && triplet.contains("-linux-"),
        Some(_) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_linkers_own_folders() {
        for folder in ["lib", "usr/lib", "usr/lib/x86_64-linux-gnu", "lib/arm-linux-gnueabihf", "lib64"] {
            assert!(is_default(folder), "{folder}");
        }
        for folder in ["usr/local/lib", "opt/x/lib", "usr/lib/x86_64-linux-gnu/fakeroot", "usr/lib/perl"] {
            assert!(!is_default(folder), "{folder}");
        }
    }
}
