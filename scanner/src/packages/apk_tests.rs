use super::*;
use crate::{limits, packages::testdata};

const DATABASE: &str = "C:Q1d8S8ZhjAZQfXwfKbnTtV3A3J2mQ=\nP:libssl3\nV:3.3.2-r0\nA:x86_64\nS:1\nL:Apache-2.0\n\
o:openssl\nc:d0bef446\nD:so:libc.musl-x86_64.so.1 !other>=2\np:so:libssl.so.3=3\nr:libressl\nq:1000\nX:?\n\
F:\nR:init\nF:usr/lib\nM:0:0:1777\nR:libssl.so.3\na:0:0:755\nZ:Q1yhJHGSZ80L7cL0y4UKKGrBPwrUQ=\n\n\
P:nothing-but-a-name\n\n\
P:.build-deps\nV:20240101.010203\nA:noarch\nL:\no:\n\n\n\
C:Q2AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\nP:new\nV:1-r0\nA:aarch64\nR:a\nZ:Q1short=\n";

#[test]
fn reads_what_is_installed() {
    let packages = installed(DATABASE.as_bytes()).expect("parses");
    let names: Vec<_> = packages.iter().map(|p| (p.name.as_str(), p.origin.as_str())).collect();
    assert_eq!(names, [("libssl3", "openssl"), (".build-deps", ".build-deps"), ("new", "new")]);
    let [ssl, virtual_, new] = &packages[..] else { panic!("three packages") };
    assert_eq!((ssl.version.as_str(), ssl.architecture.as_str()), ("3.3.2-r0", "x86_64"));
    assert_eq!((ssl.license.as_deref(), ssl.commit.as_deref()), (Some("Apache-2.0"), Some("d0bef446")));
    assert_eq!(ssl.dependencies, ["so:libc.musl-x86_64.so.1", "!other>=2"]);
    assert_eq!(
        (&ssl.provides[..], &ssl.replaces[..]),
        (&["so:libssl.so.3=3".into()][..], &["libressl".into()][..])
    );
    assert!(matches!(ssl.checksum, Some(FileDigest::Sha1(_))));
    let files: Vec<_> =
        ssl.files.iter().map(|f| (f.path.as_str(), f.digest.map(|d| d.to_string()))).collect();
    let digest = "sha1:ca124719267cd0bedc2f4cb850a286ac13f0ad44".to_owned();
    assert_eq!(files, [("init", None), ("usr/lib/libssl.so.3", Some(digest))]);
    assert_eq!((virtual_.license.as_ref(), virtual_.files.len()), (None, 0));
    assert_eq!(new.checksum, Some(FileDigest::Sha256([0; 32])));
    assert_eq!(new.files, [OwnedFile { path: "a".into(), digest: None }]);
    assert!(installed(b"").expect("parses").is_empty());
}

#[test]
fn says_where_it_stops_to_make_sense() {
    let fails = |text: &str, line: usize, reason: &str| {
        let error = installed(text.as_bytes()).expect_err(text);
        assert_eq!(error.line, line, "{text}");
        assert!(error.reason.contains(reason), "{error:?}");
    };
    fails("P:a\nrubbish\n", 2, "no field");
    fails("P:a\n1:b\n", 2, "no field");
    fails("P:a\nV:1\nP:b\n", 3, "repeats the name");
    fails("V:1\n\n", 2, "no name");
    fails("V:1", 1, "no name");
    fails("P:a b\n", 1, "no name, version");
    fails("P:a\nV:1\0\n", 2, "no name, version");
    fails("ADBd\0\0", 1, "ADB");
    fails(&format!("P:{}\n", "a".repeat(limits::packages().word + 1)), 1, "no name");
    fails(&format!("L:{}\n", "a".repeat(limits::packages().text + 1)), 1, "too long");
    fails(&format!("F:{}\nR:x\n", "a".repeat(limits::packages().path)), 2, "path that is too long");
}

/// Small inputs that would become large: folders that stand in every path, lists of short names.
#[test]
fn hostile_lists_are_bounded() {
    let folders =
        format!("P:a\nV:1\nF:{}\n", "a".repeat(4000)) + &"R:b\n".repeat(limits::packages().paths / 4000);
    assert!(installed(folders.as_bytes()).is_err_and(|e| e.reason.contains("long paths")));
    let words = format!("P:a\nV:1\nD:{}\n", "a ".repeat(limits::packages().relations + 1));
    assert!(installed(words.as_bytes()).is_err_and(|e| e.reason.contains("dependencies")));
    let packages = "P:a\nV:1\n\n".repeat(limits::packages().packages + 1);
    assert!(installed(packages.as_bytes()).is_err_and(|e| e.reason.contains("too many packages")));
}

proptest::proptest! {
    #[test]
    fn never_panics(text in proptest::collection::vec(proptest::num::u8::ANY, 0..400)) {
        let _ = installed(&text);
    }

    #[test]
    fn survives_changes(at in 0..DATABASE.len(), byte in proptest::num::u8::ANY, cut in 0..DATABASE.len()) {
        let mut text = DATABASE.as_bytes().to_vec();
        text[at] = byte;
        let _ = installed(&text);
        let _ = installed(&text[cut..]);
    }
}

/// Every release's minimal root file system: what the lists of `cargo xtask corpus packages` do not name.
#[test]
fn alpine_packages_have_their_files() {
    let Some(members) = testdata::members("rootfs-dbs", |p| p.ends_with("lib/apk/db/installed")) else {
        return;
    };
    for (path, database) in &members {
        let found = installed(database).expect("parses");
        let text = String::from_utf8_lossy(database);
        let count = |letter: &str| text.lines().filter(|l| l.starts_with(letter)).count();
        let files = || found.iter().flat_map(|p| &p.files);
        assert_eq!(
            (files().count(), files().filter(|f| f.digest.is_some()).count()),
            (count("R:"), count("Z:")),
            "{path}"
        );
        assert!(found.iter().all(|p| p.checksum.is_some()), "{path}");
    }
    assert!(members.len() >= 15);
}
