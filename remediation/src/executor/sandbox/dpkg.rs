//! Debian's packages in the sandbox: what dpkg is told to do, and what becomes of it.
//!
//! The packages were fetched and verified by our own client, so there is no network at all, and apt is not asked:
//! `dpkg --unpack` and `dpkg --configure`, in the order that Pre-Depends ask for, as apt itself does it.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs::File,
    path::Path,
};

use super::{
    Limits, order,
    promised::{Contents, Promised},
    result::Told,
    wire,
};
use crate::{
    Error, Result,
    deb::{Deb, Entry, EntryKind, PackageRecord},
    executor::{
        Runner,
        native::{Built, Change, filters::Filters, moved},
    },
    installed::{Database, Layout},
    tree::{Flavour, Hashes, Tree},
};

/// What an image has its tools from; none is ever taken from the host.
const DPKG: &str = "/usr/bin/dpkg";

/// Whether an image brings what is run, wherever it is; what it lacks, for people.
pub(crate) fn has_tools(tree: &Tree, database: &Database) -> Result<(), String> {
    if database.layout == Layout::StatusD {
        return Err("the image has no dpkg of its own".to_owned());
    }
    for tool in [DPKG, "/bin/sh"] {
        if tree.get(&tree.real(tool.trim_start_matches('/'))).is_none() {
            return Err(format!("the image has no {tool}"));
        }
    }
    Ok(())
}

/// What stands in the image.
#[derive(Clone, Copy)]
pub struct Before<'a> {
    /// Its merged tree.
    pub tree: &'a Tree,
    /// Its packages.
    pub database: &'a Database,
    /// Diversions and the like.
    pub filters: &'a Filters,
}

/// Upgrades all of them and gives the layer that makes the image what came of it. Blocks; `layers` are the image's, lowest first,
/// as they are stored.
pub fn build(
    runner: &Runner,
    before: Before<'_>,
    changes: &[Change<'_>],
    layers: &mut [File],
    scratch: &Path,
    progress: &dyn Fn(&str, u64, u64),
) -> Result<Built> {
    let Before { tree, database, filters } = before;
    let promised = Packages::read(tree, database, filters, changes)?;
    let records: Vec<&PackageRecord> = changes.iter().map(|change| &*change.record).collect();
    let stages = order::stages(&records)?;
    let mut files = Vec::with_capacity(changes.len());
    for Change { deb, .. } in changes {
        let open = |source| Error::Io { operation: "open a package".to_owned(), source };
        files.push(File::open(deb).map_err(open)?);
    }
    let job = job(runner.limits(), layers.len(), &records, &stages, promised.newest);
    progress(runner.name(), 0, 2);
    let began = || progress(runner.name(), 1, 2);
    let mut told = Told::new(scratch, &began)?;
    runner.run(&job, tree, (layers, &mut files), scratch, &mut told)?;
    progress(runner.name(), 2, 2);
    promised.settle(tree, &mut told, &|_| false);
    promised.layer(tree, told, Flavour::Dpkg, scratch, progress)
}

fn job(
    limits: Limits,
    layers: usize,
    records: &[&PackageRecord],
    stages: &[order::Stage],
    newest: u64,
) -> wire::Job {
    let files: Vec<String> = (0..records.len()).map(|number| format!("{number:05}.deb")).collect();
    let dpkg = |arguments: &[&str]| -> Vec<String> {
        // An answer that was given stays; no log, and no waiting for a disk that is memory.
        let always = ["--force-confdef", "--force-confold", "--force-unsafe-io", "--log=/dev/null"];
        [DPKG].iter().chain(&always).chain(arguments).map(|word| (*word).to_owned()).collect()
    };
    let named = |at: &usize| match records[*at].architecture.as_str() {
        "all" => records[*at].name.clone(),
        architecture => format!("{}:{architecture}", records[*at].name),
    };
    let mut commands: Vec<Vec<String>> = stages
        .iter()
        .map(|stage| match stage {
            order::Stage::Unpack(all) => {
                let files = all.iter().map(|at| format!("{}/{}", wire::FOLDER, files[*at]));
                dpkg(&["--auto-deconfigure", "--unpack"]).into_iter().chain(files).collect()
            }
            order::Stage::Configure(all) => {
                dpkg(&["--configure"]).into_iter().chain(all.iter().map(named)).collect()
            }
        })
        .collect();
    commands.extend([dpkg(&["--configure", "--pending"]), dpkg(&["--audit"])]);
    let debconf = [
        ("DEBIAN_FRONTEND", "noninteractive"),
        ("DEBCONF_NONINTERACTIVE_SEEN", "true"),
        ("DEBCONF_NOWARNINGS", "yes"),
    ];
    let environment = wire::environment(newest, &debconf);
    wire::Job { limits, layers, tools: 0, files, commands, environment, fatal: Vec::new(), tried: None }
}

/// The same of dpkg's packages.
#[derive(Default)]
struct Packages {
    promised: Promised,
    /// MD5 of what was shipped where something else stands: (package, path).
    displaced: BTreeMap<String, (String, String)>,
}

impl Packages {
    /// What they promise.
    fn read(tree: &Tree, database: &Database, filters: &Filters, changes: &[Change<'_>]) -> Result<Promised> {
        let mut all = Self::default();
        let owned = database.owned_except(tree, filters, &BTreeSet::new());
        for change in changes {
            let conffiles: BTreeSet<String> = change.conffiles().into_iter().collect();
            let mut contents = Contents::of(Flavour::Dpkg);
            let one = One { tree, filters, change, owned: &owned, conffiles: &conffiles };
            Deb::open(&change.deb)?.data(|entry, content| {
                all.promised.newest = all.promised.newest.max(entry.mtime);
                let hash = contents.hash(entry, content)?;
                if entry.kind != EntryKind::Directory {
                    one.promise(entry, hash, &mut all);
                }
                Ok(())
            })?;
            all.promised.leavings(&change.shadows, |_| false);
        }
        let Self { mut promised, displaced } = all;
        promised.replaced.extend(moved(tree, &displaced, |hashes| [hex::encode(hashes.md5)]));
        Ok(promised)
    }
}

/// One package of them.
struct One<'a> {
    tree: &'a Tree,
    filters: &'a Filters,
    change: &'a Change<'a>,
    /// Real paths of everything that an installed package ships.
    owned: &'a BTreeSet<String>,
    conffiles: &'a BTreeSet<String>,
}

impl One<'_> {
    fn promise(&self, entry: &Entry, hash: Option<Hashes>, all: &mut Packages) {
        if entry.path.is_empty() || self.filters.excludes(&entry.path) {
            return;
        }
        let name = &self.change.record.name;
        let target = self.tree.through(self.filters.diverted(name, &entry.path)).into_owned();
        if self.conffiles.contains(&entry.path) {
            return self.conffile(entry, &target, hash, &mut all.promised);
        }
        if all.promised.stays(self.tree, self.owned, &self.change.shadows, &target) {
            let old = self.change.installed.md5sums.get(&entry.path);
            if let (Some(old), Some(hash)) = (old, hash)
                && *old != hex::encode(hash.md5)
            {
                all.displaced.insert(old.clone(), (name.clone(), target));
            }
            return;
        }
        let Some(hash) = hash else { return };
        all.promised.expected.insert(target.clone(), hash.sha256);
        let old = self.tree.get(&target).and_then(|node| node.entry.hashes);
        if let Some(old) = old.filter(|old| old.sha256 != hash.sha256) {
            all.promised.replaced.insert(old.sha256, (name.clone(), target));
        }
    }

    /// dpkg keeps what was changed or deleted (`--force-confold`), and puts the rest in its place.
    fn conffile(&self, entry: &Entry, target: &str, hash: Option<Hashes>, promised: &mut Promised) {
        let target = self.tree.real(target).into_owned();
        let recorded = self.change.installed.conffiles.iter().find(|known| known.path == entry.path);
        let disk = self.tree.get(&target).map(|node| node.entry.hashes.map(|old| hex::encode(old.md5)));
        let new = hash.map(|hash| hex::encode(hash.md5));
        match (disk, recorded) {
            (None, Some(_)) => {
                promised.kept.insert(format!("/{target} (removed)"));
            }
            (None, None) => promised.expected.extend(hash.map(|hash| (target, hash.sha256))),
            (Some(disk), _) if disk == new => {}
            (Some(Some(disk)), Some(old)) if disk == old.md5 => {
                promised.expected.extend(hash.map(|hash| (target, hash.sha256)));
            }
            // Where the package's own has not changed, there is nothing new to show.
            (Some(_), Some(old)) if Some(&old.md5) == new.as_ref() => {}
            (Some(_), _) => {
                promised.kept.insert(format!("/{target}"));
            }
        }
    }
}
