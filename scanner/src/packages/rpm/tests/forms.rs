//! Every form, written here and read: whole, cut, mutated and hostile.

use crate::limits;

use proptest::prelude::*;

use super::{bytes::Order, writers::Value, *};

const FORMS: [Form; 4] = [Form::Sqlite, Form::Ndb, Form::BerkeleyDb, Form::Manifest];

/// Headers of several lengths, up to many pages.
pub(super) fn some(count: usize) -> Vec<Vec<u8>> {
    (0..count).map(|n| writers::package(&format!("package{n}"), n % 5, (n * 397) % 9000)).collect()
}

/// The same packages in every form but the text.
fn written(blobs: &[Vec<u8>]) -> Vec<(String, Form, Vec<u8>)> {
    let mut all = vec![("ndb".to_owned(), Form::Ndb, writers::ndb(blobs))];
    for size in [512, 4096, 65536] {
        all.push((format!("sqlite {size}"), Form::Sqlite, writers::Sqlite::of(blobs, size).bytes()));
        for order in [Order::Big, Order::Little] {
            let bytes = writers::bdb(blobs, order, size.min(32768));
            all.push((format!("bdb {size} {order:?}"), Form::BerkeleyDb, bytes));
        }
    }
    all
}

fn fails(bytes: &[u8], form: Form, reason: &str) {
    let error = installed(bytes, form).expect_err(reason);
    assert!(error.reason.contains(reason), "{error} is not because it {reason}");
}

#[test]
fn reads_every_form_alike() {
    let blobs = some(100);
    for (name, form, bytes) in written(&blobs) {
        let packages = installed(&bytes, form).unwrap_or_else(|e| panic!("{name}: {e}"));
        assert_eq!(packages.len(), 100, "{name}");
        for (n, package) in packages.iter().enumerate() {
            assert_eq!(package.name, format!("package{n}"), "{name}");
            assert_eq!(package.files.len(), n % 5, "{name}");
        }
        assert_eq!(packages[3].evr(), "7:1.2.3-4.el9");
        assert_eq!(packages[3].modularity.as_deref(), Some("stream:1"));
        let files: Vec<_> = packages[3].files.iter().map(|f| (f.path.as_str(), f.digest.is_some())).collect();
        assert_eq!(files, [("usr/bin/file0", false), ("file1", true), ("usr/bin/file2", true)]);
        let source = Source { name: "package3-src", version: "1.2.3", release: "4.el9" };
        assert_eq!(packages[3].source(), Some(source));
    }
    for (name, form, bytes) in written(&[]) {
        assert_eq!(installed(&bytes, form), Ok(Vec::new()), "{name}");
    }
}

#[test]
fn knows_its_paths() {
    let of = Form::of_path;
    assert_eq!(of("var/lib/rpm/rpmdb.sqlite"), Some(Form::Sqlite));
    assert_eq!(of("usr/lib/sysimage/rpm/Packages.db"), Some(Form::Ndb));
    assert_eq!(of("usr/share/rpm/Packages"), Some(Form::BerkeleyDb));
    assert_eq!(of("var/lib/rpmmanifest/container-manifest-2"), Some(Form::Manifest));
    for other in ["var/lib/rpmmanifest/container-manifest-1", "var/lib/rpm/Name", "rpmdb.sqlite", ""] {
        assert_eq!(of(other), None, "{other}");
    }
}

#[test]
fn sources_that_are_none() {
    let source =
        |text: &str| Installed { source_rpm: Some(text.into()), ..Installed::default() }.source().is_some();
    assert!(source("a-b-1-2.src.rpm") && source("a-1-2.nosrc.rpm"));
    for text in ["invalid", "a-1.src.rpm", "-1-2.src.rpm", "a-1-2.x86_64.rpm", "a--2.src.rpm", ".src.rpm", ""]
    {
        assert!(!source(text), "{text}");
    }
    let key = Installed { version: "1".into(), release: "2".into(), epoch: Some(0), ..Installed::default() };
    assert_eq!((key.source(), key.evr().as_str()), (None, "0:1-2"));
}

#[test]
fn headers_say_what_is_wrong_with_them() {
    let name = || (1000, Value::Text("a"));
    let text = |tag: u32| (tag, Value::Text("1"));
    let fails = |blob: Vec<u8>, reason: &str| fails(&writers::ndb(&[blob]), Form::Ndb, reason);
    fails(writers::header(&[text(1001), text(1002)], &[]), "no name");
    fails(writers::header(&[name(), text(1002)], &[]), "no version");
    fails(writers::header(&[name(), text(1001)], &[]), "no release");
    fails(writers::header(&[name(), text(1001), (1002, Value::Text("1 2"))], &[]), "that is none");
    fails(writers::header(&[name(), (1001, Value::Numbers(vec![1]))], &[]), "another type");
    fails(writers::header(&[name(), text(1001), text(1002), text(1003)], &[]), "another type");
    let with = |files: Vec<(u32, Value)>| {
        let mut all = vec![name(), text(1001), text(1002)];
        all.extend(files);
        writers::header(&all, &[])
    };
    let (names, folders) = (|| Value::Texts(vec!["a".into()]), || Value::Texts(vec!["/".into()]));
    fails(with(vec![(1117, names())]), "without folders");
    fails(
        with(vec![(1116, Value::Numbers(vec![0, 0])), (1117, names()), (1118, folders())]),
        "without folders",
    );
    fails(with(vec![(1116, Value::Numbers(vec![1])), (1117, names()), (1118, folders())]), "without folders");
    fails(with(vec![(1014, Value::Owned("x".repeat(limits::packages().text + 1)))]), "too long");
    fails(vec![0; 7], "shorter");
    fails(vec![0; 8], "no index");
    fails([[0xff; 4], [0; 4]].concat(), "no index");
    let mut blob = writers::package("a", 1, 0);
    blob[7] ^= 1;
    fails(blob, "another length");
    let mut blob = writers::package("a", 1, 0);
    blob[16] = 1;
    fails(blob, "damaged region");
    // A count that claims more than there is: of texts, and of numbers.
    for (entry, reason) in [(1, "beyond the end"), (4, "beyond the end")] {
        let mut blob = writers::package("a", 1, 0);
        blob[8 + 16 * entry + 12] = 0x7f;
        fails(blob, reason);
    }
    let mut blob = writers::package("a", 1, 0);
    let last = blob.len() - 1;
    blob[last] = b'x';
    fails(blob, "without an end");
}

#[test]
fn later_entries_replace_signed_ones_and_old_headers_have_whole_paths() {
    let text = |tag: u32, text: &'static str| (tag, Value::Text(text));
    let paths = Value::Texts(vec!["/bin/sh".into(), "/etc".into()]);
    let signed = [text(1000, "a"), text(1001, "1"), text(1002, "1"), (1027, paths), text(1044, "(none)")];
    let blob = writers::header(&signed, &[text(1002, "2")]);
    let packages = installed(&writers::ndb(&[blob]), Form::Ndb).expect("parses");
    assert_eq!(packages[0].evr(), "1-2");
    assert_eq!(packages[0].source_rpm, None);
    assert_eq!(packages[0].files.iter().map(|f| f.path.as_str()).collect::<Vec<_>>(), ["bin/sh", "etc"]);
}

#[test]
fn sqlite_says_what_is_wrong_with_it() {
    let one = || writers::Sqlite::of(&[writers::package("a", 2, 3000)], 512);
    let patched = |at: usize, bytes: &[u8]| {
        let mut file = one().bytes();
        file[at..at + bytes.len()].copy_from_slice(bytes);
        file
    };
    let fails = |bytes: &[u8], reason: &str| fails(bytes, Form::Sqlite, reason);
    fails(b"", "no SQLite");
    fails(&one().bytes()[..90], "no SQLite");
    fails(&patched(16, &[0, 3]), "size of a page");
    fails(&patched(20, &[255]), "reserves");
    fails(&patched(56, &[0, 0, 0, 2]), "UTF-8");
    fails(&patched(100, &[2]), "no page of a table");
    fails(&patched(103, &[255, 255]), "more cells");
    fails(&one().bytes()[..600], "which is not there");
    // The chain of the only package begins in page 2: it goes on in itself, or nowhere.
    fails(&patched(512, &[0, 0, 0, 2]), "has been read");
    fails(&patched(512, &[255, 255, 255, 255]), "not there");
    fails(&patched(512, &[0, 0, 0, 0]), "not there");
    // The leaf is the last page; its cell claims exabytes.
    let mut file = one();
    let leaf = file.pages.last_mut().expect("a page");
    let cell = usize::from(Order::Big.u16(leaf, 8).expect("a pointer"));
    leaf[cell..cell + 9].fill(0xff);
    fails(&file.bytes(), "longer than the file");
    // A tree that is its own child.
    let mut file = one();
    let root = file.pages.len();
    let leaf = file.pages.last_mut().expect("a page");
    leaf[..12].copy_from_slice(&[5, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, root as u8]);
    fails(&file.bytes(), "has been read");
    // A tree that has more children than the file has pages.
    let mut file = one();
    let leaf = file.pages.last_mut().expect("a page");
    leaf[..5].copy_from_slice(&[5, 0, 0, 0, 200]);
    leaf[12..412].copy_from_slice(&[1, 0].repeat(200));
    fails(&file.bytes(), "more pages than there are");
    // Hundreds of cells that are one and the same.
    let mut file = writers::Sqlite::of(&[writers::package("a", 2, 0)], 4096);
    let leaf = file.pages.last_mut().expect("a page");
    let pointer = [leaf[8], leaf[9]];
    leaf[3..5].copy_from_slice(&[3, 0xe8]);
    leaf[8..2008].copy_from_slice(&pointer.repeat(1000));
    fails(&file.bytes(), "overlaps another package");
    // No such table.
    let mut file = one();
    let at = file.pages[0].windows(8).position(|w| w == b"Packages").expect("the name");
    file.pages[0][at] = b'p';
    file.pages[0][at + 8] = b'X';
    assert!(installed(&file.bytes(), Form::Sqlite).is_ok(), "SQLite does not tell p from P");
    file.pages[0][at] = b'Q';
    fails(&file.bytes(), "no table Packages");
}

#[test]
fn ndb_says_what_is_wrong_with_it() {
    let good = writers::ndb(&some(3));
    let patched = |at: usize, bytes: &[u8]| {
        let mut file = good.clone();
        file[at..at + bytes.len()].copy_from_slice(bytes);
        file
    };
    let fails = |bytes: &[u8], reason: &str| fails(bytes, Form::Ndb, reason);
    fails(b"RpmP", "no ndb");
    fails(&patched(4, &[1]), "version");
    fails(&patched(12, &[255; 4]), "fewer pages");
    fails(&patched(12, &[0, 0, 0, 0x10]), "fewer pages");
    fails(&patched(32, &[0]), "no slot");
    fails(&patched(4080 + 12, &[255; 4]), "not there");
    fails(&patched(4080 + 8, &[1, 0, 0, 0]), "not there");
    fails(&patched(4064 + 8, &good[4088..4092]), "overlaps");
    fails(&patched(4096, &[0]), "its slot names");
    fails(&patched(4096 + 12, &[255; 4]), "another length");
    fails(&patched(4096 + 200, &[7]), "checksum");
    fails(&good[..good.len() - 16], "not there");
}

#[test]
fn berkeley_db_says_what_is_wrong_with_it() {
    let good = writers::bdb(&[writers::package("a", 2, 3000)], Order::Big, 512);
    let patched = |at: usize, bytes: &[u8]| {
        let mut file = good.clone();
        file[at..at + bytes.len()].copy_from_slice(bytes);
        file
    };
    let fails = |bytes: &[u8], reason: &str| fails(bytes, Form::BerkeleyDb, reason);
    fails(b"", "no hash");
    fails(&patched(16, &[0, 0, 0, 99]), "version");
    fails(&patched(20, &[0, 0, 0, 7]), "size of a page");
    fails(&patched(24, &[1]), "encrypted");
    fails(&patched(26, &[1]), "checksums");
    fails(&good[..good.len() - 512], "fewer pages");
    // The chain begins in page 1.
    fails(&patched(512 + 16, &[0, 0, 0, 1]), "has been read");
    fails(&patched(512 + 16, &[0, 0, 255, 255]), "not there");
    fails(&patched(512 + 16, &[0; 4]), "another length");
    fails(&patched(512 + 22, &[255, 255]), "none of an overflow");
    fails(&patched(512 + 25, &[0]), "none of an overflow");
    let hash = good.len() - 512;
    fails(&patched(hash + 20, &[255, 255]), "more items");
    fails(&patched(hash + 20, &[0, 3]), "without a value");
    fails(&patched(hash + 26, &[0, 0]), "overlap");
    let value = hash + usize::from(Order::Big.u16(&good[hash..], 32).expect("an offset"));
    fails(&patched(value, &[4]), "of a kind");
    fails(&patched(value + 8, &[255; 4]), "another length");
}

/// However little of a database is there, it is not taken for less of one.
#[test]
fn no_cut_goes_unnoticed() {
    for (name, form, bytes) in written(&some(3)) {
        for cut in (0..bytes.len().min(700)).chain([bytes.len() - 1]) {
            assert!(installed(&bytes[..cut], form).is_err(), "{name} of {cut} bytes");
        }
    }
}

#[test]
fn reads_manifests() {
    let line = "mariner-release\t2.0-12.cm2\t1653816591\t1653753130\tMicrosoft Corporation\t(none)\t580\tnoarch\t0\tmariner-release-2.0-12.cm2.src.rpm";
    let text = format!(
        "{line}\n{}\n",
        line.replace("(none)", "1").replace("mariner-release-2.0-12.cm2.src.rpm", "(none)")
    );
    let packages = installed(text.as_bytes(), Form::Manifest).expect("parses");
    assert_eq!((packages[0].evr(), packages[1].evr()), ("2.0-12.cm2".into(), "1:2.0-12.cm2".into()));
    assert_eq!(packages[0].source().map(|s| (s.name, s.release)), Some(("mariner-release", "12.cm2")));
    assert_eq!(
        (packages[0].vendor.as_deref(), packages[1].source_rpm.as_ref()),
        (Some("Microsoft Corporation"), None)
    );
    let fails = |text: &str, line: usize, reason: &str| {
        let error = installed(text.as_bytes(), Form::Manifest).expect_err(text);
        assert_eq!(error.at, Place::Line(line));
        assert!(error.reason.contains(reason), "{error}");
    };
    fails(&format!("{line}\nfilesystem\t1.1-7.cm1\t1653164283\t1599428094\n"), 2, "fewer than ten");
    fails("mariner-release.2.0-12.cm2.noarch", 1, "fewer than ten");
    fails(&format!("{line}\tx"), 1, "more than ten");
    fails(&line.replace("2.0-12.cm2\t", "2.0\t"), 1, "without a release");
    fails(&line.replace("(none)", "one"), 1, "no number");
    fails(&line.replacen("mariner-release", "", 1), 1, "that is none");
}

proptest! {
    #[test]
    fn never_panics(bytes in prop::collection::vec(any::<u8>(), 0..600)) {
        for form in FORMS {
            let _ = installed(&bytes, form);
        }
    }

    #[test]
    fn headers_never_panic(words in prop::collection::vec(prop_oneof![0u32..20, 60u32..64, 1000u32..1120, any::<u32>()], 2..80)) {
        let mut blob: Vec<u8> = words.iter().flat_map(|w| w.to_be_bytes()).collect();
        let entries = (words[0] as usize % 20).min(words.len() / 4);
        let store = blob.len().saturating_sub(8 + entries * 16);
        blob[..4].copy_from_slice(&(entries as u32).to_be_bytes());
        blob[4..8].copy_from_slice(&(store as u32).to_be_bytes());
        let _ = package(&blob, &mut Budget::default());
    }

    #[test]
    fn survives_changes(changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..12), cut in any::<prop::sample::Index>()) {
        thread_local!(static GOOD: Vec<(String, Form, Vec<u8>)> = {
            let mut all = written(&some(12));
            all.retain(|(_, _, bytes)| bytes.len() < 200_000);
            all
        });
        for (name, form, mut bytes) in GOOD.with(Clone::clone) {
            for (at, byte) in &changes {
                let at = at.index(bytes.len());
                bytes[at] = *byte;
            }
            let found = installed(&bytes, form);
            prop_assert!(found.map_or(0, |all| all.len()) < 200, "{}", name);
            let _ = installed(&bytes[..cut.index(bytes.len())], form);
        }
    }
}
