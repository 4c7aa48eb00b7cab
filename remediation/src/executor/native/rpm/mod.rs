//! The native rpm executor: the same patch layer from verified rpm packages, for images with text manifests; nothing executed.

mod files;

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
};

use super::{
    Outcome, Work,
    layer::{Content, Laid, Spool},
    libraries, parents,
};
use crate::{
    Result,
    plan::{Blocked, Key, rpm::shadow::Accounts, shadow::Shadow},
    rpm::{Database, FULL, Info, Installed, Package, SHORT},
    tree::{Flavour, Tree},
};

/// One upgrade, with all that was read of its packages.
pub(crate) struct Change<'a> {
    /// What the manifest says.
    pub(crate) installed: &'a Installed,
    /// The package that is installed: no manifest says which files it brought.
    pub(crate) old: Package,
    /// The package that comes.
    pub(crate) new: Package,
    /// What was changed in the image since it was installed.
    pub(crate) shadows: BTreeMap<String, Shadow>,
}

impl Change<'_> {
    fn key(&self) -> Key {
        (self.installed.name.clone(), self.installed.architecture.clone())
    }
    fn refuse(&self, work: &mut Work, code: &'static str, reason: String) {
        let to = Some(self.new.info.evr.to_string());
        work.blocked.push((self.key(), Blocked { code, reason, to }));
    }
}

/// Lays all changes. `progress(done, total)`.
pub(crate) fn build(
    tree: &Tree,
    database: &Database,
    changes: &[Change<'_>],
    scratch: &Path,
    progress: &dyn Fn(&str, u64, u64),
) -> Result<Outcome> {
    let mut work = Work::default();
    let spool = Spool::create(scratch)?;
    let accounts = Accounts::of(tree);
    let ours = files::Ours::of(tree, changes);
    for (n, change) in changes.iter().enumerate() {
        progress("unpack", n as u64, changes.len() as u64);
        files::lay(tree, &accounts, &ours, change, &spool, &mut work)?;
        check_libraries(tree, change, &mut work);
    }
    progress("unpack", changes.len() as u64, changes.len() as u64);
    if !work.blocked.is_empty() {
        return Ok(Outcome::Blocked(work.blocked));
    }
    files::remove(tree, changes, &mut work);
    // Their SHA-256 is known already: nothing is looked up by another digest.
    let newest = changes.iter().map(|change| change.new.info.build_time).max().unwrap_or(0);
    manifests(tree, database, changes, newest, &mut work);
    parents(tree, newest, &mut work)?;
    Ok(Outcome::Built(Box::new(work.finish(spool, Flavour::Rpm, scratch, progress)?)))
}

/// A new soname in a folder that only the linker's cache makes known.
fn check_libraries(tree: &Tree, change: &Change<'_>, work: &mut Work) {
    let paths = change.new.files.iter().filter(|file| !file.is_folder()).map(|file| file.path.as_str());
    if let Some(path) = libraries::needs_cache(tree, paths) {
        let reason = format!("ldconfig must run for /{path}: its folder is known through ld.so.conf alone");
        change.refuse(work, "script-needs-sandbox", reason);
    }
}

/// Both manifests, as far as the image has them.
fn manifests(tree: &Tree, database: &Database, changes: &[Change<'_>], newest: u64, work: &mut Work) {
    let lines: Vec<(&Installed, &Info)> =
        changes.iter().map(|change| (change.installed, &change.new.info)).collect();
    let (full, short) = database.replaced(&lines);
    for (path, text) in [(FULL, Some(full)), (SHORT, short)] {
        let Some(text) = text else { continue };
        let real = tree.real(path).into_owned();
        let old = tree.get(&real).map(|node| &node.entry);
        let (mode, uid, gid) = old.map_or((0o644, 0, 0), |old| (old.mode, old.uid, old.gid));
        let xattrs = old.map(|old| old.xattrs.clone()).unwrap_or_default();
        let content = Content::Bytes(text.into_bytes());
        work.entries.insert(real, Laid { content, mode, uid, gid, mtime: newest, xattrs });
    }
}

/// Real paths of everything that the new versions ship.
fn shipped(tree: &Tree, changes: &[Change<'_>]) -> BTreeSet<String> {
    let files = changes.iter().flat_map(|change| &change.new.files);
    files.map(|file| tree.through(&file.path).into_owned()).collect()
}
