//! What is kept comes back as it was, or not at all.

use super::*;
use crate::tree::Hasher;

fn entry(path: &str, kind: EntryKind, size: u64) -> Entry {
    let (uname, gname, xattrs) =
        ("root".to_owned(), String::new(), vec![("user.a".to_owned(), vec![0, 255])]);
    Entry { path: path.to_owned(), kind, mode: 0o4755, uid: 1, gid: 2, uname, gname, mtime: 3, size, xattrs }
}

fn keep(place: &Path, files: &[(&str, Vec<u8>)]) {
    let mut keeper = Keeper::create(place).unwrap();
    keeper.entry(&entry("usr", EntryKind::Directory, 0)).unwrap();
    for (path, bytes) in files {
        let entry = entry(path, EntryKind::File, bytes.len() as u64);
        let read = |content: &mut dyn Read| {
            io::copy(content, &mut io::sink()).unwrap();
            Ok(((), Hasher::of(bytes)))
        };
        keeper.file(&entry, &mut bytes.as_slice(), read).unwrap();
    }
    keeper.finish().unwrap();
}

/// An entry with its content.
type Back = (Entry, Option<(Vec<u8>, Hashes)>);

fn back(place: &Path) -> Option<Vec<Back>> {
    let (members, contents) = open(place).unwrap()?;
    let unpacked = |place| {
        let mut bytes = Vec::new();
        Unpacker::new()
            .unwrap()
            .unpack(&contents, place, |content| content.read_to_end(&mut bytes).map(drop))
            .unwrap();
        bytes
    };
    Some(
        members
            .into_iter()
            .map(|(entry, content)| (entry, content.map(|(place, hashes)| (unpacked(place), hashes))))
            .collect(),
    )
}

#[test]
fn what_is_kept_comes_back() {
    let folder = tempfile::tempdir().unwrap();
    let place = folder.path().join("x");
    assert!(back(&place).is_none());
    let large = b"abcdef".repeat(AT_ONCE as usize);
    let files =
        [("usr/a", b"abc".repeat(100_000)), ("usr/b", Vec::new()), ("usr/c", large), ("usr/d", vec![7])];
    keep(&place, &files);
    let members = back(&place).unwrap();
    assert_eq!(members[0], (entry("usr", EntryKind::Directory, 0), None));
    for ((path, bytes), member) in files.iter().zip(&members[1..]) {
        let about = entry(path, EntryKind::File, bytes.len() as u64);
        assert_eq!(member, &(about, Some((bytes.clone(), Hasher::of(bytes)))));
    }
    assert_eq!(members.len(), 5);
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1, "nothing stays beside it");
}

#[test]
fn what_is_spoilt_goes() {
    let folder = tempfile::tempdir().unwrap();
    let place = folder.path().join("x");
    let noise: Vec<u8> = (0..40_000_u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    keep(&place, &[("usr/a", noise)]);
    let whole = std::fs::read(&place).unwrap();
    let flipped = |at: usize| {
        let mut bytes = whole.clone();
        bytes[at] ^= 1;
        bytes
    };
    let cuts = [0, 5, HEAD.len(), whole.len() / 2, whole.len() - 1].map(|n| whole[..n].to_vec());
    let flips = [0, HEAD.len() + 1, whole.len() / 2, whole.len() - 1].map(flipped);
    for spoilt in cuts.into_iter().chain(flips) {
        std::fs::write(&place, &spoilt).unwrap();
        assert!(back(&place).is_none());
        assert!(!place.exists());
    }
}

#[test]
fn who_cannot_take_it_is_told_and_it_stays() {
    let folder = tempfile::tempdir().unwrap();
    let place = folder.path().join("x");
    keep(&place, &[("usr/a", vec![1; 10])]);
    let (members, contents) = open(&place).unwrap().unwrap();
    let (content, _) = members[1].1.unwrap();
    let full = |_: &mut dyn Read| Err(io::ErrorKind::StorageFull.into());
    assert_eq!(
        Unpacker::new().unwrap().unpack(&contents, content, full).unwrap_err().kind(),
        io::ErrorKind::StorageFull
    );
    assert!(place.exists());
}

#[test]
fn a_content_is_as_long_as_its_entry_says() {
    let folder = tempfile::tempdir().unwrap();
    let place = folder.path().join("x");
    keep(&place, &[("usr/a", vec![1; 10]), ("usr/b", b"ab".repeat(AT_ONCE as usize))]);
    let (members, contents) = open(&place).unwrap().unwrap();
    for (_, content) in &members[1..] {
        let (content, _) = content.unwrap();
        let longer = Place { size: content.size + 1, ..content };
        let read = |content: &mut dyn Read| io::copy(content, &mut io::sink()).map(drop);
        let mut unpacker = Unpacker::new().unwrap();
        assert!(unpacker.unpack(&contents, longer, read).is_err());
        unpacker.unpack(&contents, content, read).unwrap();
    }
}

#[test]
fn a_package_that_was_given_up_is_not_there() {
    let folder = tempfile::tempdir().unwrap();
    let place = folder.path().join("x");
    let mut keeper = Keeper::create(&place).unwrap();
    let cut = |_: &mut dyn Read| -> Result<((), Hashes)> {
        Err(failed("read", io::ErrorKind::UnexpectedEof.into()))
    };
    let entry = entry("usr/a", EntryKind::File, 3);
    assert!(keeper.file(&entry, &mut b"abc".as_slice(), cut).is_err());
    drop(keeper);
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
}
