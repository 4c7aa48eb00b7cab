//! What verified packages promise of an image's files, and where somebody's doing in the image comes before them: the same for every
//! tool, for none of them knows of the latter.

use std::{
    collections::{BTreeMap, BTreeSet},
    io::Read,
    path::Path,
};

use super::result::Told;
use crate::{
    Error, Result,
    deb::{Entry, EntryKind},
    executor::native::{self, Built, Work},
    plan::shadow::Shadow,
    tree::{Flavour, Hasher, Hashes, Kind, Tree},
};

/// Contents of one package's files, each read once: a hard link has its first name's.
pub(super) struct Contents {
    flavour: Flavour,
    known: BTreeMap<String, Hashes>,
}

impl Contents {
    /// None yet; with the hashes that this flavour's databases have.
    pub(super) fn of(flavour: Flavour) -> Self {
        Self { flavour, known: BTreeMap::new() }
    }
    /// Of the entry that is read just now; none: it has no content, as folders and links.
    pub(super) fn hash(&mut self, entry: &Entry, content: &mut dyn Read) -> Result<Option<Hashes>> {
        Ok(match &entry.kind {
            EntryKind::File => {
                let failed = |source| Error::Io { operation: "unpack a package".to_owned(), source };
                let hashes = Hasher::for_flavour(self.flavour).drain(content).map_err(failed)?;
                self.known.insert(entry.path.clone(), hashes);
                Some(hashes)
            }
            EntryKind::HardLink(first) => self.known.get(first).copied(),
            _ => None,
        })
    }
}

/// Of all packages together, by real path.
#[derive(Default)]
pub(super) struct Promised {
    /// SHA-256 of what must be there.
    pub(super) expected: BTreeMap<String, [u8; 32]>,
    /// SHA-256 of what must no longer be: (package, path).
    pub(super) replaced: BTreeMap<[u8; 32], (String, String)>,
    /// What stays as somebody has made it, for people.
    pub(super) kept: BTreeSet<String>,
    /// Paths whose change is taken back.
    pub(super) as_it_was: BTreeSet<String>,
    /// Paths that keep the image's mode and owner.
    owners: BTreeSet<String>,
    /// Seconds since the epoch: of the newest file of them all.
    pub(super) newest: u64,
}

impl Promised {
    /// Whether what stands at a path stays, for somebody changed it, took it away, or put it there. `owned`: real paths of
    /// everything that an installed package has; `shadows`: what was done to the files of the one that goes up.
    pub(super) fn stays(
        &mut self,
        tree: &Tree,
        owned: &BTreeSet<String>,
        shadows: &BTreeMap<String, Shadow>,
        target: &str,
    ) -> bool {
        let stranger = || {
            let there = tree.get(target).is_some_and(|node| node.entry.kind != Kind::Dir);
            there && !owned.contains(target)
        };
        let left = match shadows.get(target) {
            Some(Shadow::Removed) => format!("/{target} (removed)"),
            Some(Shadow::Changed { .. }) => format!("/{target}"),
            _ if stranger() => format!("/{target}"),
            other => {
                if other == Some(&Shadow::Remoded) {
                    self.kept.insert(format!("/{target} (mode and owner)"));
                    self.owners.insert(target.to_owned());
                }
                return false;
            }
        };
        self.kept.insert(left);
        self.as_it_was.insert(target.to_owned());
        true
    }

    /// What somebody changed stays, too, where the new version ships nothing there any more.
    pub(super) fn leavings(&mut self, shadows: &BTreeMap<String, Shadow>, shipped: impl Fn(&str) -> bool) {
        for (path, shadow) in shadows {
            let still = self.expected.contains_key(path) || shipped(path);
            if matches!(shadow, Shadow::Changed { .. } | Shadow::Remoded) && !still {
                self.kept.insert(format!("/{path}"));
                self.as_it_was.insert(path.clone());
            }
        }
    }

    /// Takes out of what was told all that is not to be. `timed`: a path whose time is a change, too.
    pub(super) fn settle(&self, tree: &Tree, told: &mut Told<'_>, timed: &dyn Fn(&str) -> bool) {
        for path in &self.owners {
            if let (Some(laid), Some(node)) = (told.entries.get_mut(path), tree.get(path)) {
                (laid.mode, laid.uid, laid.gid) = (node.entry.mode, node.entry.uid, node.entry.gid);
                laid.xattrs.clone_from(&node.entry.xattrs);
            }
        }
        told.settle(tree, &self.as_it_was, timed);
    }

    /// The layer of what is left of it.
    pub(super) fn layer(
        self,
        tree: &Tree,
        told: Told<'_>,
        flavour: Flavour,
        scratch: &Path,
        progress: &dyn Fn(&str, u64, u64),
    ) -> Result<Built> {
        let (mut entries, whiteouts, spool) = told.finish();
        // What a script wrote has this run's time: it becomes that of the newest file of the packages.
        for laid in entries.values_mut() {
            laid.mtime = laid.mtime.min(self.newest);
        }
        let mut work = Work::default();
        (work.entries, work.whiteouts) = (entries, whiteouts);
        (work.expected, work.replaced, work.kept) = (self.expected, self.replaced, self.kept);
        native::parents(tree, self.newest, &mut work)?;
        tracing::debug!(paths = work.entries.len(), "laid by the image's own tools");
        work.finish(spool, flavour, scratch, progress)
    }
}
