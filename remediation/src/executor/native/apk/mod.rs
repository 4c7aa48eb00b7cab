//! The native apk executor: the same patch layer from verified apk packages, nothing executed.

mod busybox;
mod files;
mod owners;
mod record;

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
    sync::Arc,
};

use super::{
    Outcome, Work,
    layer::{Content, Laid, Spool},
    moved, parents,
};
use crate::{
    Result,
    apk::{Checksum, Database, IndexEntry, Installed, NewScripts, Package, Scripts},
    plan::{Blocked, Key, shadow::Shadow},
    tree::{Flavour, Hashes, Tree},
};

/// One upgrade, with all that was read of its package.
pub(crate) struct Change<'a> {
    /// What is installed.
    pub(crate) installed: &'a Installed,
    /// What comes, as the signed index has it.
    pub(crate) entry: Arc<IndexEntry>,
    /// The verified package.
    pub(crate) package: Package,
    /// What was changed in the image since it was installed.
    pub(crate) shadows: BTreeMap<String, Shadow>,
}

impl Change<'_> {
    fn key(&self) -> Key {
        (self.installed.name.clone(), self.installed.architecture.clone())
    }
    fn refuse(&self, work: &mut Work, code: &'static str, reason: String) {
        work.blocked.push((self.key(), Blocked { code, reason, to: Some(self.entry.version.clone()) }));
    }
}

/// Lays all changes. `progress(done, total)`.
pub(crate) fn build(
    tree: &Tree,
    database: &Database,
    scripts: &Scripts,
    changes: &[Change<'_>],
    scratch: &Path,
    progress: &dyn Fn(&str, u64, u64),
) -> Result<Outcome> {
    let mut work = Work::default();
    let mut spool = Spool::create(scratch)?;
    let names: BTreeSet<String> = changes.iter().map(|change| change.installed.name.clone()).collect();
    let people = owners::People::of(tree);
    let others = files::Owners::of(tree, database, &names);
    let mut owned = database.owned_except(tree, &names);
    let mut records = Vec::new();
    for (n, change) in changes.iter().enumerate() {
        progress("unpack", n as u64, changes.len() as u64);
        records.push(files::lay(tree, database, (&others, &people), change, &mut spool, &mut work)?);
    }
    progress("unpack", changes.len() as u64, changes.len() as u64);
    if !work.blocked.is_empty() {
        return Ok(Outcome::Blocked(work.blocked));
    }
    owned.extend(work.shipped.iter().cloned());
    files::remove(tree, database, changes, &owned, &mut work);
    let newest = records.iter().map(|record| record.newest).max().unwrap_or(0);
    let of = |hashes: &Hashes| Checksum::kinds(hashes).map(|sum| sum.hexadecimal());
    work.replaced.extend(moved(tree, &work.displaced, of));
    busybox::lay(tree, &records, newest, &mut work);
    lay_database(tree, database, scripts, changes, &records, newest, &mut work)?;
    parents(tree, newest, &mut work)?;
    Ok(Outcome::Built(Box::new(work.finish(spool, Flavour::Apk, scratch, progress)?)))
}

/// `installed`, `scripts.tar` and `triggers`; `world` is nobody's but the image's.
fn lay_database(
    tree: &Tree,
    database: &Database,
    scripts: &Scripts,
    changes: &[Change<'_>],
    records: &[record::Record],
    newest: u64,
    work: &mut Work,
) -> Result<()> {
    let mut put = |path: &str, bytes: Vec<u8>| {
        if tree.content(path) == Some(bytes.as_slice()) {
            return;
        }
        let real = tree.real(path).into_owned();
        let old = tree.get(&real).map(|node| &node.entry);
        let (mode, uid, gid) = old.map_or((0o644, 0, 0), |old| (old.mode, old.uid, old.gid));
        let content = Content::Bytes(bytes);
        work.entries.insert(real, Laid { content, mode, uid, gid, mtime: newest, xattrs: Vec::new() });
    };
    let replaced = changes
        .iter()
        .zip(records)
        .map(|(change, record)| (change.installed.span.clone(), record.text(change)))
        .collect();
    put(
        &format!("{}/installed", database.folder),
        super::database::replaced(&database.text, replaced).into_bytes(),
    );

    let path = scripts.path.clone().unwrap_or_else(|| format!("{}/scripts.tar", database.folder));
    let new: Vec<(&Installed, NewScripts<'_>)> = changes
        .iter()
        .map(|change| {
            let scripts = NewScripts {
                version: &change.entry.version,
                checksum: change.entry.build(),
                time: change.package.info.build_date,
                scripts: &change.package.scripts,
            };
            (change.installed, scripts)
        })
        .collect();
    let touched = new.iter().any(|(old, new)| !new.scripts.is_empty() || !scripts.of(old).is_empty());
    if touched {
        put(&path, scripts.replaced(&new)?);
    }
    let lines = triggers(database, changes);
    if lines.is_some() || tree.get(&tree.real(&format!("{}/triggers", database.folder))).is_some() {
        put(&format!("{}/triggers", database.folder), lines.unwrap_or_default().into_bytes());
    }
    Ok(())
}

/// The text of `triggers`; none: there are none.
fn triggers(database: &Database, changes: &[Change<'_>]) -> Option<String> {
    let mut lines: Vec<(String, Vec<String>)> = database.triggers.clone();
    for change in changes {
        let at = lines.iter().position(|(build, _)| *build == change.installed.build);
        let new = &change.package.info.triggers;
        let line = (change.entry.build().base64(), new.clone());
        match (at, new.is_empty()) {
            (Some(at), false) => lines[at] = line,
            (Some(at), true) => {
                lines.remove(at);
            }
            (None, false) => lines.push(line),
            (None, true) => {}
        }
    }
    (!lines.is_empty())
        .then(|| lines.iter().map(|(build, folders)| format!("{build} {}\n", folders.join(" "))).collect())
}
