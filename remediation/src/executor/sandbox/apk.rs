//! apk's packages in the sandbox: what the image's own apk is told to do, and what becomes of it.
//!
//! The packages were chosen, fetched and verified by our own client: `apk add` of exactly those files, without a network and without
//! a repository. apk checks once more what they need, replace and conflict with, and runs scripts and triggers.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs::File,
    path::Path,
};

use super::{
    Limits,
    fault::{Failure, Fault},
    promised::{Contents, Promised},
    result::Told,
    wire,
};
use crate::{
    Error, Result,
    apk::{Checksum, Database, Protection, Shipped},
    deb::{Entry, EntryKind},
    executor::{
        Runner,
        native::{Built, apk::Change, moved},
    },
    plan::apk::busybox,
    tree::{Flavour, Hashes, Kind, Node, Tree},
};

/// Where images have their apk; none is ever taken from the host.
const PROGRAMS: [&str; 3] = ["/sbin/apk", "/usr/sbin/apk", "/usr/bin/apk"];
/// What was asked for by name; a file that is given to apk would be, from then on.
const WORLD: &str = "etc/apk/world";

/// The image's apk, and a shell; what it lacks, for people.
pub(crate) fn has_tools(tree: &Tree) -> Result<(), String> {
    program(tree)?;
    match tree.get(&tree.real("bin/sh")) {
        Some(_) => Ok(()),
        None => Err("the image has no /bin/sh".to_owned()),
    }
}

/// Links of busybox's that somebody took away: its trigger makes them all.
fn taken_away(tree: &Tree) -> BTreeSet<String> {
    let applets = busybox::listed(tree).into_iter().map(|path| tree.through(&path).into_owned());
    applets.filter(|path| tree.get(path).is_none()).collect()
}

fn program(tree: &Tree) -> Result<&'static str, String> {
    let there = |program: &&str| {
        let node = tree.get(&tree.real(program.trim_start_matches('/')));
        node.is_some_and(|node| node.entry.kind == Kind::File && node.entry.mode & 0o111 != 0)
    };
    PROGRAMS.iter().copied().find(there).ok_or_else(|| "the image has no apk of its own".to_owned())
}

/// Upgrades all of them and gives the layer that makes the image what came of it. Blocks; `layers` are the image's, lowest
/// first, as they are stored.
pub(crate) fn build(
    runner: &Runner,
    (tree, database): (&Tree, &Database),
    changes: &[Change<'_>],
    layers: &mut [File],
    scratch: &Path,
    progress: &dyn Fn(&str, u64, u64),
) -> Result<Built> {
    let program = program(tree).map_err(|reason| Failure::of(Fault::Unavailable, reason))?;
    let mut promised = Packages::read(tree, database, changes)?;
    promised.as_it_was.insert(tree.real(WORLD).into_owned());
    promised.as_it_was.extend(taken_away(tree));
    let failed = |source| Error::Io { operation: "open a package".to_owned(), source };
    let files = changes.iter().map(|change| File::open(&change.package.path));
    let mut files = files.collect::<std::io::Result<Vec<_>>>().map_err(failed)?;
    let job = job(program, runner.limits(), layers.len(), changes, promised.newest);
    progress(runner.name(), 0, 2);
    let began = || progress(runner.name(), 1, 2);
    let mut told = Told::new(scratch, &began)?;
    runner.run(&job, tree, (layers, &mut files), scratch, &mut told)?;
    progress(runner.name(), 2, 2);
    promised.settle(tree, &mut told, &|_| false);
    promised.layer(tree, told, Flavour::Apk, scratch, progress)
}

fn job(program: &str, limits: Limits, layers: usize, changes: &[Change<'_>], newest: u64) -> wire::Job {
    let files: Vec<String> = (0..changes.len()).map(|number| format!("{number:05}.apk")).collect();
    let words = |words: &[&str]| -> Vec<String> {
        [program].iter().chain(words).map(|word| (*word).to_owned()).collect()
    };
    // Which keys count was decided outside, where no script of a package has a say: by the index's signature, and the package's
    // hash in it. A repository would be one more thing to choose from.
    // apk sees that its root lies in memory, and takes it for a machine that forgets what no repository can give again.
    let alone = [
        "--force-non-repository",
        "--no-network",
        "--no-cache",
        "--no-progress",
        "--repositories-file",
        "/dev/null",
    ];
    let mut add = words(&["add", "--allow-untrusted"]);
    add.extend(alone.iter().map(|word| (*word).to_owned()));
    add.extend(files.iter().map(|file| format!("{}/{file}", wire::FOLDER)));
    // apk's own word that each is there in its new version, by exit code.
    let mut query = words(&["info", "--installed"]);
    query.extend(changes.iter().map(|change| format!("{}={}", change.installed.name, change.entry.version)));
    // apk writes the time into the archive of scripts.
    let environment = wire::environment(newest, &[]);
    let commands = vec![add, query];
    wire::Job { limits, layers, tools: 0, files, commands, environment, fatal: Vec::new(), tried: None }
}

/// The same of apk's packages.
#[derive(Default)]
struct Packages {
    promised: Promised,
    /// What was shipped where something else stands, by its sum: (package, path).
    displaced: BTreeMap<Checksum, (String, String)>,
}

impl Packages {
    /// What they promise.
    fn read(tree: &Tree, database: &Database, changes: &[Change<'_>]) -> Result<Promised> {
        let mut all = Self::default();
        let owned = database.owned_except(tree, &BTreeSet::new());
        for change in changes {
            let shipped = change.installed.files.iter().map(|file| (file.path.as_str(), file)).collect();
            let one = One { tree, database, change, owned: &owned, shipped };
            let mut contents = Contents::of(Flavour::Apk);
            all.promised.newest = all.promised.newest.max(change.package.info.build_date);
            change.package.data(|entry, content| {
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
        promised.replaced.extend(moved(tree, &displaced, Checksum::kinds));
        Ok(promised)
    }
}

/// One package of them.
struct One<'a> {
    tree: &'a Tree,
    database: &'a Database,
    change: &'a Change<'a>,
    /// Real paths of everything that an installed package has.
    owned: &'a BTreeSet<String>,
    /// What the installed version shipped, by path.
    shipped: BTreeMap<&'a str, &'a Shipped>,
}

impl One<'_> {
    fn promise(&self, entry: &Entry, hash: Option<Hashes>, all: &mut Packages) {
        let target = self.tree.through(&entry.path).into_owned();
        let node = self.tree.get(&target);
        let promised = &mut all.promised;
        let name = &self.change.installed.name;
        if let Some(node) = node
            && self.is_protected(entry, node)
        {
            let same =
                hash.is_some_and(|hash| node.entry.hashes.is_some_and(|old| old.sha256 == hash.sha256));
            if self.is_as_shipped(entry, node) && self.database.protection(&entry.path) != Protection::All {
                promised.expected.extend(hash.map(|hash| (target, hash.sha256)));
            } else if !same {
                promised.kept.insert(format!("/{target}"));
            }
            return;
        }
        let gives_way = node.is_some_and(|node| busybox::is_applet(&node.entry));
        if !gives_way && promised.stays(self.tree, self.owned, &self.change.shadows, &target) {
            let old = self.shipped.get(entry.path.as_str()).and_then(|file| file.checksum);
            if let (Some(old), Some(hash)) = (old, hash)
                && old.is(&hash) == Some(false)
            {
                all.displaced.insert(old, (name.clone(), target));
            }
            return;
        }
        let Some(hash) = hash else { return };
        promised.expected.insert(target.clone(), hash.sha256);
        let old = node.and_then(|node| node.entry.hashes).filter(|old| old.sha256 != hash.sha256);
        if let Some(old) = old {
            promised.replaced.insert(old.sha256, (name.clone(), target));
        }
    }

    /// Whether apk leaves what was changed there in service.
    fn is_protected(&self, entry: &Entry, node: &Node) -> bool {
        match self.database.protection(&entry.path) {
            Protection::None => false,
            Protection::Links => node.entry.kind == Kind::Symlink,
            Protection::Changed | Protection::All => true,
        }
    }

    fn is_as_shipped(&self, entry: &Entry, node: &Node) -> bool {
        let shipped = self.shipped.get(entry.path.as_str());
        shipped.is_some_and(|file| self.change.installed.has_shipped(file, &node.entry) == Some(true))
    }
}
