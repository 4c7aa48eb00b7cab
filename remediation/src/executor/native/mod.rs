//! The native dpkg executor: upgrades laid as one reproducible layer, nothing executed.

pub(crate) mod apk;
mod database;
pub(crate) mod extend;
mod files;
pub mod filters;
pub mod gzip;
pub mod layer;
mod libraries;
pub(crate) mod rpm;
mod spool;
mod tee;
mod unpack;

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
    sync::Arc,
};

pub use layer::Written;

use crate::{
    Error, Result,
    deb::PackageRecord,
    installed::{Database, Installed},
    plan::{Blocked, Key, shadow::Shadow},
    tree::{Flavour, Hashes, Kind, LayerTree, Tree},
};
use filters::Filters;
use layer::{Content, Laid, Spool};

/// One upgrade, with all that was read of its package.
pub struct Change<'a> {
    /// What is installed.
    pub installed: &'a Installed,
    /// What comes.
    pub record: Arc<PackageRecord>,
    /// The verified package.
    pub deb: PathBuf,
    /// Where the cache keeps it as it unpacks, or will; none: nowhere.
    pub unpacked: Option<PathBuf>,
    /// Its control files.
    pub control: BTreeMap<String, Vec<u8>>,
    /// What was changed in the image since it was installed.
    pub shadows: BTreeMap<String, Shadow>,
}

impl Change<'_> {
    fn key(&self) -> Key {
        (self.installed.record.name.clone(), self.installed.record.architecture.clone())
    }
    /// Paths of `conffiles`, without the leading `/`.
    pub(in crate::executor) fn conffiles(&self) -> Vec<String> {
        let text = self.control.get("conffiles").map(|b| String::from_utf8_lossy(b)).unwrap_or_default();
        text.lines()
            .map(str::trim)
            // `remove-on-upgrade /etc/x` (deb-conffiles(5)): named, not shipped.
            .filter(|line| line.starts_with('/'))
            .map(|line| line.trim_start_matches('/').to_owned())
            .collect()
    }
    /// Its scripts set modes or owners: then the image's own are what they left.
    fn sets_owners(&self) -> bool {
        ["preinst", "postinst"].iter().filter_map(|name| self.control.get(*name)).any(|script| {
            let text = String::from_utf8_lossy(script);
            ["chmod", "chown", "chgrp", "setcap", "dpkg-statoverride"].iter().any(|word| text.contains(word))
        })
    }
}

/// A patch layer and what it promises.
#[derive(Debug)]
pub struct Built {
    /// On disk.
    pub layer: Written,
    /// What is in it, as it was read while it was written.
    pub tree: LayerTree,
    /// SHA-256 by path of every file of an upgraded package, as the verified archives have them.
    pub expected: BTreeMap<String, [u8; 32]>,
    /// Old content that was replaced: SHA-256 to (package, path).
    pub replaced: BTreeMap<[u8; 32], (String, String)>,
    /// What stays as a later layer or the administrator left it.
    pub kept: Vec<String>,
}

/// What came of it.
pub enum Outcome {
    /// A layer.
    Built(Box<Built>),
    /// These cannot be laid: plan again without them.
    Blocked(Vec<(Key, Blocked)>),
}

/// What is gathered before the layer is written.
#[derive(Default)]
pub(in crate::executor) struct Work {
    pub(in crate::executor) entries: BTreeMap<String, Laid>,
    pub(in crate::executor) whiteouts: BTreeSet<String>,
    pub(in crate::executor) expected: BTreeMap<String, [u8; 32]>,
    pub(in crate::executor) replaced: BTreeMap<[u8; 32], (String, String)>,
    /// MD5 (apk: SHA-1) of what was shipped where something else stands now, or nothing: (package, path).
    displaced: BTreeMap<String, (String, String)>,
    pub(in crate::executor) kept: BTreeSet<String>,
    blocked: Vec<(Key, Blocked)>,
    /// Real paths of everything that an upgraded package ships.
    shipped: BTreeSet<String>,
}

/// What one package's archive held, for its database entry.
#[derive(Debug, Default)]
struct Shipped {
    /// In the archive's order, as written.
    list: Vec<String>,
    /// New MD5 by path of configuration files.
    conffiles: BTreeMap<String, String>,
    /// MD5 by path, in the archive's order.
    md5sums: Vec<(String, String)>,
    /// The newest time in it.
    newest: u64,
}

/// Lays all changes. `progress(done, total)`.
pub fn build(
    tree: &Tree,
    database: &Database,
    filters: &Filters,
    changes: &[Change<'_>],
    scratch: &Path,
    progress: &(dyn Fn(&str, u64, u64) + Sync),
) -> Result<Outcome> {
    let mut work = Work::default();
    let spool = Spool::create(scratch)?;
    let keys: BTreeSet<Key> = changes.iter().map(Change::key).collect();
    // Who owns what needs nothing of what is unpacked.
    let (mut present, mut owned) = (BTreeSet::new(), BTreeSet::new());
    let unpacked = std::thread::scope(|scope| {
        scope.spawn(|| present = database.owned_except(tree, filters, &BTreeSet::new()));
        scope.spawn(|| owned = database.owned_except(tree, filters, &keys));
        unpack::all(changes, &spool, progress)
    })?;
    let mut shipped = Vec::new();
    for (change, members) in changes.iter().zip(unpacked) {
        shipped.push(files::lay(tree, &present, filters, change, members, &mut work)?);
    }
    libraries::check(tree, changes, &shipped, &mut work);
    if !work.blocked.is_empty() {
        return Ok(Outcome::Blocked(work.blocked));
    }
    owned.extend(work.shipped.iter().cloned());
    files::remove(tree, filters, changes, &owned, &mut work);
    work.replaced.extend(moved(tree, &work.displaced, |hashes| [hex::encode(hashes.md5)]));
    database::lay(tree, database, changes, &shipped, &mut work);
    let newest = shipped.iter().map(|s| s.newest).max().unwrap_or(0);
    crate::executor::authorities::lay(tree, changes, newest, &spool, &mut work)?;
    parents(tree, newest, &mut work)?;
    Ok(Outcome::Built(Box::new(work.finish(spool, Flavour::Dpkg, scratch, progress)?)))
}

/// Where content that was shipped and is no longer in its place lies now: by SHA-256, whose it is. `displaced` tells it by a hash
/// of another kind, or of several, which `of` gives.
pub(in crate::executor) fn moved<K: Ord, Of: IntoIterator<Item = K>>(
    tree: &Tree,
    displaced: &BTreeMap<K, (String, String)>,
    of: impl Fn(&Hashes) -> Of,
) -> Vec<([u8; 32], (String, String))> {
    if displaced.is_empty() {
        return Vec::new();
    }
    let hashes = tree.under("").filter_map(|(_, node)| node.entry.hashes);
    let found = hashes.flat_map(|hashes| {
        let whose = of(&hashes).into_iter().filter_map(|hash| displaced.get(&hash));
        whose.map(|whose| (hashes.sha256, whose.clone())).collect::<Vec<_>>()
    });
    found.collect()
}

impl Work {
    /// The layer of all that was gathered.
    pub(in crate::executor) fn finish(
        self,
        spool: Spool,
        flavour: Flavour,
        scratch: &Path,
        progress: &dyn Fn(&str, u64, u64),
    ) -> Result<Built> {
        let total = (self.entries.len() + self.whiteouts.len()) as u64;
        let to = scratch.join("patch.tar.gz");
        let (layer, tree) =
            layer::write(&self.entries, &self.whiteouts, spool.finish()?, flavour, &to, |done| {
                if done % 256 == 0 || done == total {
                    progress("compress", done, total);
                }
            })?;
        Ok(Built {
            layer,
            tree,
            expected: self.expected,
            replaced: self.replaced,
            kept: self.kept.into_iter().collect(),
        })
    }
}

/// Every folder on the way to something in the layer, as the image has it: a runtime that unpacks
/// a layer by itself would make the folder anew, with its own mode and owner.
pub(in crate::executor) fn parents(tree: &Tree, newest: u64, work: &mut Work) -> Result<()> {
    work.whiteouts.retain(|path| !work.entries.contains_key(path));
    let paths: Vec<String> = work.entries.keys().chain(&work.whiteouts).cloned().collect();
    for path in paths {
        let mut at = path.as_str();
        while let Some((folder, _)) = at.rsplit_once('/') {
            if work.entries.contains_key(folder) {
                break;
            }
            let laid = match tree.get(folder).map(|node| &node.entry) {
                Some(entry) if entry.kind == Kind::Dir => Laid {
                    content: Content::Dir,
                    mode: entry.mode,
                    uid: entry.uid,
                    gid: entry.gid,
                    mtime: entry.mtime,
                    xattrs: entry.xattrs.clone(),
                },
                None => Laid {
                    content: Content::Dir,
                    mode: 0o755,
                    uid: 0,
                    gid: 0,
                    mtime: newest,
                    xattrs: Vec::new(),
                },
                Some(_) => {
                    return Err(Error::Proof {
                        reason: format!("{folder} is no folder, and {path} lies in it"),
                    });
                }
            };
            work.entries.insert(folder.to_owned(), laid);
            at = folder;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
