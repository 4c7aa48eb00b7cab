//! What a container changed of its image: its export, which is a stranger's archive like every layer, against the image's tree.
//!
//! A daemon's own list of changes is not asked: what it leaves out would be believed.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs::File,
    io::{self, BufReader, Seek as _},
};

use crate::{
    Result,
    executor::sandbox::{
        Failure, Fault,
        inside::clean::{self, Added},
        limits::CHANGES,
        outside::Listener,
        wire::{Changed, What},
    },
    tree::{Entry, Flavour, Kind, LayerTree, Tree, normalise},
};

/// What daemons lay into every container, or over what an image has there: nothing of it is told, and nothing of the image's
/// is gone.
const OWN: [&str; 5] = [".dockerenv", "etc/hosts", "etc/hostname", "etc/resolv.conf", "etc/mtab"];

/// Tells a listener of everything that is another than in the image, and of what is gone. `added`: paths that were laid for
/// the job's sake.
pub(super) fn tell(
    mut export: File,
    before: &Tree,
    added: &BTreeSet<String>,
    listener: &mut dyn Listener,
) -> Result<()> {
    let broken = |e: io::Error| Failure::io(Fault::Outcome, "its export cannot be read", &e);
    let plain = BufReader::with_capacity(256 << 10, &mut export);
    let after = LayerTree::read_written(Flavour::Dpkg, None, plain).map_err(broken)?;
    if let Some(hidden) = after.removed.iter().chain(&after.opaque).next() {
        return Err(Failure::of(Fault::Outcome, format!("/{hidden} would be hidden in a layer")).into());
    }
    let Changes { others, mut files, linked, removed } = compare(before, &after, added)?;
    others.into_iter().try_for_each(|one| listener.entry(one, &mut io::empty()))?;
    export.rewind().map_err(broken)?;
    // It was read to its end within its bounds a moment ago, and nobody else has it.
    let mut archive = tar::Archive::new(BufReader::with_capacity(256 << 10, &mut export));
    for entry in archive.entries().map_err(broken)? {
        let mut entry = entry.map_err(broken)?;
        let is_file = matches!(entry.header().entry_type(), tar::EntryType::Regular);
        let path = normalise(&entry.path_bytes()).filter(|_| is_file);
        if let Some(one) = path.and_then(|path| files.remove(&path)) {
            listener.entry(one, &mut entry)?;
        }
    }
    if let Some(path) = files.keys().next() {
        return Err(Failure::of(Fault::Outcome, format!("/{path} has no content")).into());
    }
    // After the names that they link to.
    linked.into_iter().try_for_each(|one| listener.entry(one, &mut io::empty()))?;
    removed.into_iter().try_for_each(|path| listener.removed(path))
}

/// What is different.
struct Changes {
    /// Folders and links to names.
    others: Vec<Changed>,
    /// Files by the names under which the export holds their contents.
    files: BTreeMap<String, Changed>,
    /// Hard links, each to a file that is told of.
    linked: Vec<Changed>,
    removed: Vec<String>,
}

fn compare(before: &Tree, after: &LayerTree, added: &BTreeSet<String>) -> Result<Changes> {
    let (mut files, mut others, mut linked) = (BTreeMap::<String, Changed>::new(), Vec::new(), Vec::new());
    for (path, entry) in &after.entries {
        if is_left_out(path, entry.kind == Kind::Dir, added) || is_as_it_was(before, path, entry) {
            continue;
        }
        let wrong = |what: &str| Failure::of(Fault::Outcome, format!("/{path} {what}"));
        let is_text = |text: &str| !text.contains(char::REPLACEMENT_CHARACTER);
        if !is_text(path) || !entry.link.as_deref().is_none_or(is_text) {
            return Err(wrong("has a name or a target that is no UTF-8").into());
        }
        let link = || entry.link.as_deref().unwrap_or_default().to_owned();
        match (entry.kind, &entry.link) {
            (Kind::Dir, _) => others.push(changed(before, path, entry, What::Dir)),
            (Kind::Symlink, _) => others.push(changed(before, path, entry, What::Symlink(link()))),
            (Kind::Special, _) => return Err(wrong("is a device or a pipe").into()),
            (Kind::File, Some(first)) => {
                let Some(there) = after.entries.get(first).filter(|there| there.hashes.is_some()) else {
                    return Err(wrong("is a hard link to nothing").into());
                };
                // What its first name holds must be told as well, and is dropped again where it is as it was. Where nothing
                // is told of that name, this one is the first.
                let (name, one) = match is_left_out(first, false, added) {
                    false => (&**first, there),
                    true => (&**path, entry),
                };
                let first = files.entry(link()).or_insert_with(|| changed(before, name, one, What::File));
                if first.path != **path {
                    let first = first.path.clone();
                    linked.push(changed(before, path, entry, What::HardLink(first)));
                }
            }
            (Kind::File, None) => {
                files.entry(path.to_string()).or_insert_with(|| changed(before, path, entry, What::File));
            }
        }
        if files.len() + others.len() + linked.len() > CHANGES {
            return Err(Failure::of(Fault::Outcome, "too many paths changed").into());
        }
    }
    let gone = before.under("").filter(|(path, node)| {
        // What no container gets is not missed in one.
        let had = node.entry.kind != Kind::Special && !after.entries.contains_key(*path);
        let stands = |folder: &str| after.entries.get(folder).is_some_and(|entry| entry.kind == Kind::Dir);
        had && !is_left_out(path, node.entry.kind == Kind::Dir, added)
            && path.rsplit_once('/').is_none_or(|(folder, _)| stands(folder))
    });
    let removed = gone.map(|(path, _)| path.to_owned()).collect();
    Ok(Changes { others, files, linked, removed })
}

fn is_left_out(path: &str, folder: bool, added: &BTreeSet<String>) -> bool {
    let mut above = path.match_indices('/').map(|(end, _)| &path[..end]);
    OWN.contains(&path)
        || added.contains(path)
        || above.any(clean::is_closed)
        || clean::is_left_out(path, folder, Added::default())
}

/// As far as an export tells: of extended attributes, daemons tell of capabilities alone.
fn is_as_it_was(before: &Tree, path: &str, entry: &Entry) -> bool {
    let Some(old) = before.get(path).map(|node| &node.entry) else {
        // A folder that no layer has a word on, and that something lies in.
        return entry.kind == Kind::Dir && before.under(path).next().is_some();
    };
    let content = match entry.kind {
        Kind::Dir | Kind::Special => true,
        Kind::Symlink => old.link == entry.link,
        Kind::File => entry.hashes.is_some() && old.hashes == entry.hashes,
    };
    // Times of files may count; those of folders move with what is in them.
    let time = entry.kind == Kind::Dir || old.mtime == entry.mtime;
    let mode = old.mode == entry.mode && capability(old) == capability(entry);
    let owner = (old.uid, old.gid) == (entry.uid, entry.gid);
    let special = entry.kind == Kind::Special;
    old.kind == entry.kind && content && (special || owner && time && (mode || entry.kind == Kind::Symlink))
}

fn capability(entry: &Entry) -> Option<&[u8]> {
    let found = entry.xattrs.iter().find(|(name, _)| name == "security.capability");
    found.map(|(_, value)| value.as_slice())
}

fn changed(before: &Tree, path: &str, entry: &Entry, kind: What) -> Changed {
    let symlink = matches!(kind, What::Symlink(_));
    let mut xattrs: Vec<(String, Vec<u8>)> = entry.xattrs.clone();
    xattrs.retain(|(name, _)| !symlink && (name == "security.capability" || name.starts_with("user.")));
    // What an export does not tell of stays with the content that it was given to.
    let old = before.get(path).map(|node| &node.entry);
    let same = |old: &&Entry| old.kind == entry.kind && old.hashes == entry.hashes && !symlink;
    for (name, value) in old.filter(same).map(|old| old.xattrs.as_slice()).unwrap_or_default() {
        if name.starts_with("user.") && !xattrs.iter().any(|(known, _)| known == name) {
            xattrs.push((name.clone(), value.clone()));
        }
    }
    xattrs.sort();
    let id = |id: u64| u32::try_from(id).unwrap_or(u32::MAX);
    Changed {
        path: path.to_owned(),
        kind,
        mode: if symlink { 0o777 } else { entry.mode },
        uid: id(entry.uid),
        gid: id(entry.gid),
        mtime: entry.mtime,
        xattrs,
    }
}

#[cfg(test)]
#[path = "changes_tests.rs"]
mod tests;
