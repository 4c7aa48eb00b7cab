//! rpm's packages in the sandbox: what the image's own rpm is told to do, and what becomes of it.
//!
//! The packages were chosen, fetched and verified by our own client: `rpm --upgrade` of exactly those files, without a network.
//! rpm checks once more what it can: digests, what the packages need and exclude, files of two owners.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs::File,
    path::Path,
};

use super::{
    Limits,
    fault::{Failure, Fault},
    promised::Promised,
    result::Told,
    wire,
};
use crate::{
    Error, Result,
    executor::{Runner, native::Built},
    plan::{rpm::shadow::is_shipped, shadow::Shadow},
    rpm::{self, Database, Held, Installed, Package},
    tree::{Flavour, Kind, Tree},
};

/// What an image has its rpm from; none is ever taken from the host.
const PROGRAMS: [&str; 2] = ["/usr/bin/rpm", "/bin/rpm"];
/// Digests must be right and known signatures good. That a signature is by a key which this image's own keyring does not have
/// is no error: which keys count was decided outside, where no script of a package has a say.
const LEVEL: &str = "_pkgverify_level digest";
/// What rpm says of a script that failed once its package is laid (`lib/rpmscript.c`): a warning to rpm, and a failure here, as with
/// every other tool.
const FAILED: &str = "scriptlet failed";
/// What rpm puts in the place of a configuration file that was changed, and the other way round.
const SAVED: [&str; 2] = [".rpmsave", ".rpmorig"];

/// The image's rpm; none: it has a database and nothing that writes it.
pub(crate) fn program(tree: &Tree) -> Option<&'static str> {
    let there = |program: &&str| {
        let node = tree.get(&tree.real(program.trim_start_matches('/')));
        node.is_some_and(|node| node.entry.kind == Kind::File && node.entry.mode & 0o111 != 0)
    };
    PROGRAMS.iter().copied().find(there)
}

/// One upgrade.
pub(crate) struct Change<'a> {
    /// What the database says.
    pub(crate) installed: &'a Installed,
    /// The package that comes.
    pub(crate) new: Package,
    /// What was changed in the image since it was installed.
    pub(crate) shadows: BTreeMap<String, Shadow>,
}

impl Change<'_> {
    fn held(&self) -> Option<&Held> {
        self.installed.held.as_deref()
    }
}

/// What stands in the image, and who works on it.
#[derive(Clone, Copy)]
pub(crate) struct Before<'a> {
    pub(crate) tree: &'a Tree,
    pub(crate) database: &'a Database,
    /// How many of the layers are of the image whose rpm it is, and where it has that; none: the image's own.
    pub(crate) tools: Option<(usize, &'static str)>,
}

/// Upgrades all of them and gives the layer that makes the image what came of it. Blocks; `layers` are the image's, lowest
/// first, as they are stored, and then those of the tools.
pub(crate) fn build(
    runner: &Runner,
    before: Before<'_>,
    changes: &[Change<'_>],
    layers: &mut [File],
    scratch: &Path,
    progress: &dyn Fn(&str, u64, u64),
) -> Result<Built> {
    let Before { tree, database, tools } = before;
    let program = tools.map(|(_, program)| program).or_else(|| program(tree));
    let (Some(program), Some(headers)) = (program, database.headers) else {
        return Err(Failure::of(Fault::Unavailable, "the image has no rpm that writes its database").into());
    };
    // An image of which some packages came with documentation shows more of them, not fewer.
    let mut documented = changes.iter().filter_map(Change::held).filter(|held| {
        held.no_documentation || held.files.iter().any(|file| file.is_documentation() && !file.is_folder())
    });
    let no_documentation =
        documented.clone().next().is_some() && documented.all(|held| held.no_documentation);
    let all = Packages::read(tree, database, changes, no_documentation);
    let open = |change: &Change<'_>| File::open(&change.new.path);
    let failed = |source| Error::Io { operation: "open a package".to_owned(), source };
    let mut files = changes.iter().map(open).collect::<std::io::Result<Vec<_>>>().map_err(failed)?;
    let folder = headers.rsplit_once('/').map_or("", |(folder, _)| folder);
    let tools = tools.map_or(0, |(layers, _)| layers);
    let job = Job { program, tools, folder, changes, no_documentation, newest: all.promised.newest };
    let job = job.wire(runner.limits(), layers.len().saturating_sub(tools));
    progress(runner.name(), 0, 2);
    let began = || progress(runner.name(), 1, 2);
    let mut told = Told::new(scratch, &began)?;
    runner.run(&job, tree, (layers, &mut files), scratch, &mut told)?;
    progress(runner.name(), 2, 2);
    finish(tree, folder, all, told, scratch, progress)
}

struct Job<'a> {
    program: &'a str,
    /// Layers that it comes in, where it is not the image's own.
    tools: usize,
    /// Of the database that was read: what rpm thinks itself may be another.
    folder: &'a str,
    changes: &'a [Change<'a>],
    no_documentation: bool,
    newest: u64,
}

impl Job<'_> {
    fn wire(&self, limits: Limits, layers: usize) -> wire::Job {
        let files: Vec<String> = (0..self.changes.len()).map(|number| format!("{number:05}.rpm")).collect();
        let database = format!("/{}", self.folder);
        // rpm takes what it reads before it goes into a root from outside of it, and everything else from inside.
        let (root, outside): (&[&str], _) = match self.tools {
            0 => (&[], ""),
            _ => (&["--root", wire::TARGET], wire::TARGET),
        };
        let rpm = |arguments: &[&str]| -> Vec<String> {
            let always =
                [self.program].into_iter().chain(root.iter().copied()).chain(["--dbpath", &database]);
            always.chain(arguments.iter().copied()).map(str::to_owned).collect()
        };
        let mut upgrade = rpm(&["--define", LEVEL, "--upgrade"]);
        upgrade.extend(self.no_documentation.then(|| "--excludedocs".to_owned()));
        upgrade.extend(files.iter().map(|file| format!("{outside}{}/{file}", wire::FOLDER)));
        // rpm's own word that each is there in its new version, by exit code.
        let mut query = rpm(&["--query"]);
        query.extend(self.changes.iter().map(|change| {
            let info = &change.new.info;
            let (version, release) = (&info.evr.version, info.evr.release.as_deref().unwrap_or_default());
            format!("{}-{version}-{release}.{}", info.name, info.architecture)
        }));
        // rpm 4.18 and later write the time into the database as that of installation; older ones write the clock's.
        let environment = wire::environment(self.newest, &[]);
        let (commands, fatal) = (vec![upgrade, query], vec![FAILED.to_owned()]);
        let tools = self.tools;
        wire::Job { limits, layers, tools, files, commands, environment, fatal, tried: None }
    }
}

/// The same of rpm's packages.
#[derive(Default)]
struct Packages {
    promised: Promised,
    /// What is there only where the image wants its language.
    perhaps: BTreeMap<String, [u8; 32]>,
    /// Configuration files, of the old packages and of the new.
    config: BTreeSet<String>,
}

impl Packages {
    fn read(tree: &Tree, database: &Database, changes: &[Change<'_>], no_documentation: bool) -> Self {
        let mut all = Self::default();
        let owned = database.owned(tree);
        for change in changes {
            all.promised.newest = all.promised.newest.max(change.new.info.build_time);
            let old = change.held().map(|held| held.files.as_slice()).unwrap_or_default();
            let old: BTreeMap<&str, &rpm::File> = old.iter().map(|file| (file.path.as_str(), file)).collect();
            for file in &change.new.files {
                all.promised.newest = all.promised.newest.max(file.mtime);
                let documentation = no_documentation && file.is_documentation();
                if !file.is_folder() && !file.is_ghost() && !documentation {
                    let one = One { tree, owned: &owned, change, old: old.get(file.path.as_str()).copied() };
                    one.promise(file, &mut all);
                }
            }
            for file in old.values().filter(|file| file.is_config()) {
                all.config.insert(tree.through(&file.path).into_owned());
            }
            let Self { promised, perhaps, .. } = &mut all;
            promised.leavings(&change.shadows, |path| perhaps.contains_key(path));
        }
        all
    }
}

/// One file of one package.
struct One<'a> {
    tree: &'a Tree,
    /// Real paths of everything that an installed package has.
    owned: &'a BTreeSet<String>,
    change: &'a Change<'a>,
    /// What the installed version has at its path.
    old: Option<&'a rpm::File>,
}

impl One<'_> {
    fn promise(&self, file: &rpm::File, all: &mut Packages) {
        let promised = &mut all.promised;
        let target = self.tree.through(&file.path).into_owned();
        let node = self.tree.get(&target);
        if file.is_config() || self.old.is_some_and(rpm::File::is_config) {
            all.config.insert(target.clone());
            let untouched = match (node, self.old) {
                (None, None) => true,
                (Some(node), Some(old)) => is_shipped(old, &node.entry),
                _ => false,
            };
            if untouched {
                promised.expected.extend(file.sha256.map(|sha256| (target, sha256)));
            } else if node.is_none() {
                // rpm lays what was deleted again; an image that did away with it has its reason.
                promised.kept.insert(format!("/{target} (removed)"));
                promised.as_it_was.insert(target);
            } else if node.and_then(|node| node.entry.hashes).map(|old| old.sha256) != file.sha256 {
                promised.kept.insert(format!("/{target}"));
            }
            return;
        }
        let name = &self.change.installed.name;
        if promised.stays(self.tree, self.owned, &self.change.shadows, &target) {
            // What was shipped may have been moved elsewhere, not away: its copies are looked for.
            let old = self.old.and_then(|old| old.sha256).filter(|old| Some(*old) != file.sha256);
            promised.replaced.extend(old.map(|old| (old, (name.clone(), target))));
            return;
        }
        let Some(sha256) = file.sha256 else { return };
        let old = node.and_then(|node| node.entry.hashes).map(|old| old.sha256).filter(|old| *old != sha256);
        promised.replaced.extend(old.map(|old| (old, (name.clone(), target.clone()))));
        let promises = if file.is_of_language() { &mut all.perhaps } else { &mut promised.expected };
        promises.insert(target, sha256);
    }
}

/// The layer.
fn finish(
    tree: &Tree,
    folder: &str,
    mut all: Packages,
    mut told: Told<'_>,
    scratch: &Path,
    progress: &dyn Fn(&str, u64, u64),
) -> Result<Built> {
    tidy(tree, folder, &mut told)?;
    configuration(&mut all, &mut told);
    let Packages { mut promised, perhaps, .. } = all;
    // The database has times as well, and `rpm --verify` looks at them.
    let shipped = |path: &str| promised.expected.contains_key(path) || perhaps.contains_key(path);
    promised.settle(tree, &mut told, &shipped);
    for (path, sha256) in perhaps {
        let stays = tree.get(&path).is_some() && !told.removed.contains(&path);
        if told.entries.contains_key(&path) || stays {
            promised.expected.insert(path, sha256);
        }
    }
    promised.layer(tree, told, Flavour::Rpm, scratch, progress)
}

/// Takes out what rpm leaves beside its database: locks, shared memory, Berkeley DB's environment. What of it the image had is
/// of before the upgrade, and goes.
fn tidy(tree: &Tree, folder: &str, told: &mut Told<'_>) -> Result<()> {
    let folder = tree.real(folder).into_owned();
    let name = |path: &str| {
        let name = path.strip_prefix(&folder).and_then(|rest| rest.strip_prefix('/'));
        name.unwrap_or_default().to_owned()
    };
    let stale = |name: &str| name.starts_with("__db.") || name.ends_with("-shm") || name.ends_with("-wal");
    let locks = [".rpm.lock", ".dbenv.lock"];
    for (path, laid) in told.entries.iter().filter(|(path, _)| name(path).ends_with("-wal")) {
        if laid.content.size() > 0 {
            let reason = format!("/{path} holds what rpm has not written into its database");
            return Err(Failure::of(Fault::Outcome, reason).into());
        }
    }
    told.entries.retain(|path, _| {
        let name = name(path);
        !stale(&name) && !locks.contains(&name.as_str())
    });
    let before = tree.under(&folder).map(|(path, _)| path).filter(|path| stale(&name(path)));
    told.removed.extend(before.map(str::to_owned));
    Ok(())
}

/// Configuration that somebody changed stays in service, and what is new comes beside it, also where the package would have had
/// it the other way round: a patch that puts a person's configuration aside is none.
fn configuration(all: &mut Packages, told: &mut Told<'_>) {
    for path in &all.config {
        let Some(saved) =
            SAVED.iter().map(|end| format!("{path}{end}")).find(|one| told.entries.contains_key(one))
        else {
            continue;
        };
        told.entries.remove(&saved);
        if let Some(new) = told.entries.remove(path) {
            told.entries.insert(format!("{path}.rpmnew"), new);
        }
        told.removed.remove(path);
        all.promised.kept.insert(format!("/{path}"));
    }
}
