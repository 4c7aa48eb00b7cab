//! One patch layer of two: what an executor laid for the system's packages, and what packages of languages add to it.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs::File,
    path::Path,
};

use super::{
    Built, Work,
    layer::{Content, Laid, Spool},
    parents,
};
use crate::{
    Error, Result,
    tree::{Flavour, Tree},
};

/// What goes into the layer beside the system's packages.
#[derive(Debug, Clone, Default)]
pub(crate) struct Additions {
    /// By path, without the leading `/`.
    pub(crate) entries: BTreeMap<String, Laid>,
    /// What goes.
    pub(crate) whiteouts: BTreeSet<String>,
    /// SHA-256 by path of what a verified archive holds.
    pub(crate) expected: BTreeMap<String, [u8; 32]>,
    /// Old content that is replaced: SHA-256 to (package, path).
    pub(crate) replaced: BTreeMap<[u8; 32], (String, String)>,
}

impl Additions {
    /// Another package's, which has no path in common with what is there.
    pub(crate) fn extend(&mut self, more: Self) {
        self.entries.extend(more.entries);
        self.whiteouts.extend(more.whiteouts);
        self.expected.extend(more.expected);
        self.replaced.extend(more.replaced);
    }
}

/// The layer with additions. `built`: what an executor has laid; none: nothing of the system goes up. An executor's
/// layer is read again and written anew: it costs its size once more, and each executor stays as it is.
pub(crate) fn extend(
    tree: &Tree,
    built: Option<Built>,
    additions: Additions,
    flavour: Flavour,
    scratch: &Path,
    progress: &dyn Fn(&str, u64, u64),
) -> Result<Built> {
    let mut work = Work::default();
    let mut spool = Spool::create(scratch)?;
    if let Some(built) = built {
        read(&built, &mut spool, &mut work)?;
        work.expected = built.expected;
        work.replaced = built.replaced;
        work.kept = built.kept.into_iter().collect();
    }
    let newest = additions.entries.values().map(|laid| laid.mtime).max().unwrap_or(0);
    let Additions { entries, whiteouts, expected, replaced } = additions;
    if let Some(path) =
        entries.keys().find(|path| work.entries.get(*path).is_some_and(|there| there.content != Content::Dir))
    {
        return Err(Error::Proof { reason: format!("/{path} is the system's and a language's") });
    }
    work.entries.extend(entries);
    work.whiteouts.extend(whiteouts);
    work.expected.extend(expected);
    work.replaced.extend(replaced);
    parents(tree, newest, &mut work)?;
    work.finish(spool, flavour, scratch, progress)
}

/// An executor's layer, as it wrote it.
fn read(built: &Built, spool: &mut Spool, work: &mut Work) -> Result<()> {
    let failed =
        |source| Error::Io { operation: "read the layer of the system's packages".to_owned(), source };
    let file = File::open(&built.layer.path).map_err(failed)?;
    let mut archive = tar::Archive::new(flate2::read::MultiGzDecoder::new(file));
    for entry in archive.entries().map_err(failed)? {
        let mut entry = entry.map_err(failed)?;
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let path = text(&entry.path_bytes()).trim_end_matches('/').to_owned();
        let (folder, name) =
            path.rsplit_once('/').map_or(("", path.as_str()), |(folder, name)| (folder, name));
        if let Some(name) = name.strip_prefix(".wh.") {
            let gone = if folder.is_empty() { name.to_owned() } else { format!("{folder}/{name}") };
            work.whiteouts.insert(gone);
            continue;
        }
        let mut xattrs = Vec::new();
        for extension in entry.pax_extensions().map_err(failed)?.into_iter().flatten() {
            let extension = extension.map_err(failed)?;
            if let Some(name) = extension.key().ok().and_then(|key| key.strip_prefix("SCHILY.xattr.")) {
                xattrs.push((name.to_owned(), extension.value_bytes().to_vec()));
            }
        }
        let link = entry.link_name_bytes().map(|bytes| text(&bytes)).unwrap_or_default();
        let header = entry.header();
        let (mode, uid, gid, mtime) = (
            header.mode().map_err(failed)?,
            header.uid().map_err(failed)?,
            header.gid().map_err(failed)?,
            header.mtime().map_err(failed)?,
        );
        let content = match header.entry_type() {
            tar::EntryType::Directory => Content::Dir,
            tar::EntryType::Symlink => Content::Symlink(link),
            tar::EntryType::Link => Content::HardLink(link),
            _ => spool.append(&mut entry)?.0,
        };
        work.entries.insert(path, Laid { content, mode, uid, gid, mtime, xattrs });
    }
    Ok(())
}
