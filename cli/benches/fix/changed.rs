//! What a layer cannot do without: the files whose content is another one, packed as the layer is.

use std::{collections::BTreeMap, fs, os::unix::fs::MetadataExt as _, path::Path};

use patchline_remediation::executor::native::gzip;

/// Files of `after` that are not in `before`, or are other ones there, as an archive, compressed.
pub(crate) fn bytes(before: &Path, after: &Path) -> u64 {
    let mut found = Vec::new();
    walk(before, after, Path::new(""), &mut found);
    found.sort();
    let to = tempfile::tempfile().unwrap();
    let mut builder = tar::Builder::new(gzip::Writer::new(to.try_clone().unwrap()));
    let mut links: BTreeMap<u64, String> = BTreeMap::new();
    for path in found {
        let file = after.join(&path);
        let about = fs::metadata(&file).unwrap();
        let mut header = tar::Header::new_gnu();
        header.set_mode(about.mode() & 0o7777);
        header.set_uid(about.uid().into());
        header.set_gid(about.gid().into());
        header.set_mtime(about.mtime().try_into().unwrap());
        if let Some(first) = links.get(&about.ino()).filter(|_| about.nlink() > 1) {
            header.set_entry_type(tar::EntryType::Link);
            header.set_size(0);
            builder.append_link(&mut header, &path, first).unwrap();
            continue;
        }
        links.insert(about.ino(), path.clone());
        header.set_size(about.len());
        builder.append_data(&mut header, &path, fs::File::open(file).unwrap()).unwrap();
    }
    builder.into_inner().unwrap().finish().unwrap();
    to.metadata().unwrap().len()
}

fn walk(before: &Path, after: &Path, folder: &Path, found: &mut Vec<String>) {
    for entry in fs::read_dir(after.join(folder)).unwrap() {
        let entry = entry.unwrap();
        let path = folder.join(entry.file_name());
        let kind = entry.file_type().unwrap();
        if kind.is_dir() {
            walk(before, after, &path, found);
        } else if kind.is_file() && !same(&before.join(&path), &after.join(&path)) {
            found.push(path.to_str().unwrap().to_owned());
        }
    }
}

fn same(a: &Path, b: &Path) -> bool {
    let plain = |path: &Path| fs::symlink_metadata(path).ok().filter(|about| about.is_file());
    let (Some(one), Some(other)) = (plain(a), plain(b)) else { return false };
    one.len() == other.len() && fs::read(a).unwrap() == fs::read(b).unwrap()
}
