//! The links that busybox's trigger would make: to applets that are new, and where another's program went.

use std::collections::BTreeSet;

use super::record::Record;
use crate::{
    executor::native::{
        Work,
        layer::{Content, Laid},
    },
    plan::apk::busybox::{listed, paths},
    tree::Tree,
};

/// Lays them.
pub(super) fn lay(tree: &Tree, records: &[Record], newest: u64, work: &mut Work) {
    let old = listed(tree);
    let new: BTreeSet<String> = records.iter().flat_map(|record| paths(&record.applets)).collect();
    for path in new.union(&old) {
        let real = tree.through(path).into_owned();
        let freed = work.whiteouts.contains(&real);
        // What an applet of old has no link for, somebody has taken away.
        let comes = !old.contains(path) && tree.get(&real).is_none();
        if work.entries.contains_key(&real) || !(freed || comes) {
            continue;
        }
        work.whiteouts.remove(&real);
        let content = Content::Symlink("/bin/busybox".to_owned());
        work.entries
            .insert(real, Laid { content, mode: 0o777, uid: 0, gid: 0, mtime: newest, xattrs: Vec::new() });
    }
}
