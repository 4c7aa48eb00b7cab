use super::*;
use crate::packages::testdata;

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
    fails(&format!("P:{}\n", "a".repeat(limits::WORD + 1)), 1, "no name");
    fails(&format!("L:{}\n", "a".repeat(limits::TEXT + 1)), 1, "too long");
    fails(&format!("F:{}\nR:x\n", "a".repeat(limits::PATH)), 2, "path that is too long");
}

/// Small inputs that would become large: folders that stand in every path, lists of short names.
#[test]
fn hostile_lists_are_bounded() {
    let folders = format!("P:a\nV:1\nF:{}\n", "a".repeat(4000)) + &"R:b\n".repeat(limits::PATHS / 4000);
    assert!(installed(folders.as_bytes()).is_err_and(|e| e.reason.contains("long paths")));
    let words = format!("P:a\nV:1\nD:{}\n", "a ".repeat(limits::RELATIONS + 1));
    assert!(installed(words.as_bytes()).is_err_and(|e| e.reason.contains("dependencies")));
    let packages = "P:a\nV:1\n\n".repeat(limits::PACKAGES + 1);
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

/// Every release's minimal root file system against the list that was made of it elsewhere.
#[test]
fn reads_alpine_releases() {
    let wanted = |p: &str| p.ends_with("lib/apk/db/installed") || p.ends_with("expected.json");
    let Some(members) = testdata::members("rootfs-dbs", wanted) else { return };
    let (mut releases, mut packages) = (0, 0);
    for (path, expected) in members.iter().filter(|(p, _)| p.ends_with("expected.json")) {
        let root = path.trim_end_matches("expected.json");
        let database = &members[&format!("{root}lib/apk/db/installed")];
        let found = installed(database).expect("parses");
        let expected: serde_json::Value = serde_json::from_slice(expected).expect("json");
        let mut expected: Vec<String> =
            expected["packages"].as_array().expect("packages").iter().map(line).collect();
        let mut ours: Vec<String> = found
            .iter()
            .map(|p| format!("{} {} {} {}", p.name, p.version, p.architecture, p.origin))
            .collect();
        expected.sort();
        ours.sort();
        assert_eq!(ours, expected, "{root}");
        let text = String::from_utf8_lossy(database);
        let count = |letter: &str| text.lines().filter(|l| l.starts_with(letter)).count();
        let files = || found.iter().flat_map(|p| &p.files);
        assert_eq!(
            (files().count(), files().filter(|f| f.digest.is_some()).count()),
            (count("R:"), count("Z:"))
        );
        assert!(found.iter().all(|p| p.checksum.is_some()));
        releases += 1;
        packages += ours.len();
    }
    println!("{releases} releases, {packages} packages");
    assert!(releases >= 15);
}

fn line(package: &serde_json::Value) -> String {
    let word = |key: &str| package[key].as_str().expect("a word").to_owned();
    format!("{} {} {} {}", word("name"), word("version"), word("arch"), word("origin"))
}

/// Another scanner's database with its expectations; licences are its own spellings there.
#[test]
fn reads_what_others_read() {
    let folder = "fixtures/trivy/pkg/fanal/analyzer/pkg/apk/";
    let Some(members) = testdata::members("fixtures", |p| p.starts_with(folder)) else { return };
    let found = installed(&members[&format!("{folder}testdata/apk")]).expect("parses");
    let expected: serde_json::Value =
        serde_json::from_slice(&members[&format!("{folder}apk_test.expected.json")]).expect("json");
    let expected = expected["cases"][0]["packages"].as_array().expect("packages");
    let theirs: Vec<String> = expected
        .iter()
        .map(|p| {
            let word = |key: &str| p[key].as_str().unwrap_or_default();
            let keys = ["Name", "Version", "Arch", "SrcName", "SrcVersion", "Digest"];
            keys.map(word).join(" ")
        })
        .collect();
    let ours: Vec<String> = found
        .iter()
        .map(|p| {
            let digest = p.checksum.map(|d| d.to_string()).unwrap_or_default();
            [&p.name, &p.version, &p.architecture, &p.origin, &p.version, &digest]
                .map(String::as_str)
                .join(" ")
        })
        .collect();
    assert_eq!(ours, theirs);
    println!("{} packages", ours.len());
}
