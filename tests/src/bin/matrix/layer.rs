//! What an edit changed of a tree, as a layer: files that are new or other, and whiteouts of what is gone.

use std::{
    collections::BTreeSet,
    ffi::OsString,
    fs::{self, Metadata},
    os::unix::fs::{FileTypeExt as _, MetadataExt as _},
    path::{Path, PathBuf},
};

/// Compares both trees and gives the layer's archive. Both must be made by the same user with times kept.
pub(crate) fn between(before: &Path, after: &Path) -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    builder.follow_symlinks(false);
    folder(before, after, Path::new(""), &mut builder);
    builder.into_inner().unwrap()
}

fn names(folder: &Path) -> BTreeSet<OsString> {
    fs::read_dir(folder).map(|all| all.map(|e| e.unwrap().file_name()).collect()).unwrap_or_default()
}

fn folder(before: &Path, after: &Path, at: &Path, builder: &mut tar::Builder<Vec<u8>>) {
    let old = names(&before.join(at));
    let new = names(&after.join(at));
    for name in old.difference(&new) {
        let mut hidden = OsString::from(".wh.");
        hidden.push(name);
        let mut header = tar::Header::new_gnu();
        header.set_size(0);
        header.set_mode(0o644);
        header.set_mtime(1_700_000_000);
        builder.append_data(&mut header, at.join(hidden), std::io::empty()).unwrap();
    }
    for name in new {
        let path: PathBuf = at.join(&name);
        let there = fs::symlink_metadata(after.join(&path)).unwrap();
        let was = fs::symlink_metadata(before.join(&path)).ok();
        let kind = there.file_type();
        if kind.is_char_device() || kind.is_block_device() || kind.is_fifo() || kind.is_socket() {
            continue;
        }
        if !was.as_ref().is_some_and(|was| same(was, &there, &before.join(&path), &after.join(&path))) {
            builder.append_path_with_name(after.join(&path), &path).unwrap();
        }
        if there.is_dir() {
            folder(before, after, &path, builder);
        }
    }
}

/// A folder's time moves with what is in it, and says nothing.
fn same(was: &Metadata, there: &Metadata, before: &Path, after: &Path) -> bool {
    let about = |m: &Metadata| (m.file_type(), m.mode(), m.uid(), m.gid());
    if about(was) != about(there) {
        return false;
    }
    if there.is_symlink() {
        return fs::read_link(before).unwrap() == fs::read_link(after).unwrap();
    }
    there.is_dir()
        || (was.len() == there.len()
            && (was.mtime(), was.mtime_nsec()) == (there.mtime(), there.mtime_nsec()))
}
