use super::*;

fn mirrors(folder: &std::path::Path) -> Mirrors {
    let at = |name: &str| Url::from_directory_path(folder.join(name)).unwrap();
    Mirrors {
        debian: Archives {
            main: Some(at("mirror")),
            security: Some(at("mirror-security")),
            ended: Some(at("archive")),
            ..Archives::default()
        },
        ubuntu: Archives { main: Some(at("ubuntu")), ..Archives::default() },
        ..Mirrors::default()
    }
}

fn apt(folder: &std::path::Path, mirrors: Mirrors) -> Apt {
    let cache = folder.join("cache");
    Apt::new(AptConfig { mirrors, cache, keyrings: Vec::new(), allow_expired: false }).unwrap()
}

fn put(folder: &std::path::Path, path: &str, text: &str) {
    let path = folder.join(path);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, text).unwrap();
}

fn within(text: &str) -> Signed {
    Signed::Within(text.into())
}

#[tokio::test]
async fn an_archive_is_asked_for_what_has_ended_and_is_gone() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    put(folder, "archive/debian/dists/bullseye/InRelease", "of the archive");
    put(folder, "archive/debian-security/dists/bullseye-security/InRelease", "of its security");
    put(folder, "archive/debian/dists/bookworm/InRelease", "of the archive");
    let (before, after): (Timestamp, Timestamp) =
        ("2026-08-31T12:00:00Z".parse().unwrap(), "2026-09-01T12:00:00Z".parse().unwrap());
    let apt = apt(folder, mirrors(folder));
    let (base, bytes, archived) = apt.in_release("bullseye", Place::Debian, after).await.unwrap();
    assert!(base.path().ends_with("/archive/debian/") && archived, "{base}");
    assert_eq!(bytes, within("of the archive"));
    let (_, bytes, _) = apt.in_release("bullseye-security", Place::DebianSecurity, after).await.unwrap();
    assert_eq!(bytes, within("of its security"));

    // A living release is looked for nowhere else, and what the mirror has is taken from there.
    for (name, now) in [("bullseye", before), ("bookworm", after), ("sid", after)] {
        let error = apt.in_release(name, Place::Debian, now).await.unwrap_err();
        assert!(matches!(error, Error::Status { status: 404, .. }), "{name}: {error}");
    }
    // What is signed beside counts as being there: at the mirror first, and in the archive.
    put(folder, "archive/debian/dists/bullseye/Release", "of the archive");
    put(folder, "archive/debian/dists/bullseye/Release.gpg", "signature");
    std::fs::remove_file(folder.join("archive/debian/dists/bullseye/InRelease")).unwrap();
    let beside = |text: &str| Signed::Beside { release: text.into(), signature: b"signature".to_vec() };
    let (_, signed, archived) = apt.in_release("bullseye", Place::Debian, after).await.unwrap();
    assert_eq!((signed, archived), (beside("of the archive"), true));
    put(folder, "mirror/dists/bullseye/Release", "of the mirror");
    // Half of it at the mirror is no reason to go on to the archive.
    let error = apt.in_release("bullseye", Place::Debian, after).await.unwrap_err();
    assert_eq!(error.code(), "repository-untrusted");
    put(folder, "mirror/dists/bullseye/Release.gpg", "signature");
    let (_, signed, archived) = apt.in_release("bullseye", Place::Debian, after).await.unwrap();
    assert_eq!((signed, archived), (beside("of the mirror"), false));
    put(folder, "mirror/dists/bullseye/InRelease", "of the mirror");
    let (_, bytes, archived) = apt.in_release("bullseye", Place::Debian, after).await.unwrap();
    assert_eq!((bytes, archived), (within("of the mirror"), false));
}

#[tokio::test]
async fn without_an_archive_it_is_said_to_have_ended() {
    let folder = tempfile::tempdir().unwrap();
    let mirrors =
        Mirrors { debian: Archives { ended: None, ..mirrors(folder.path()).debian }, ..Mirrors::default() };
    let apt = apt(folder.path(), mirrors);
    let after = "2026-09-01T12:00:00Z".parse().unwrap();
    let error = apt.in_release("bullseye-security", Place::DebianSecurity, after).await.unwrap_err();
    assert_eq!(error.code(), "release-ended");
    assert!(error.to_string().contains("--archive-mirror"), "{error}");
}

#[tokio::test]
async fn who_asks_gets_what_was_expected_once() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let apt = apt(folder, mirrors(folder));
    put(folder, "mirror-security/dists/bookworm-security/InRelease", "nobody signed this");
    apt.expect(&Handle::current(), Distribution::Debian, "bookworm-security", "amd64");
    let slot = apt.slot(Distribution::Debian, "bookworm-security", "amd64");
    while !slot.lock().await.coming.as_ref().unwrap().is_finished() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    std::fs::remove_file(folder.join("mirror-security/dists/bookworm-security/InRelease")).unwrap();
    // An error is told to who asks, and not kept for the next.
    let error = apt.suite(Distribution::Debian, "bookworm-security", "amd64").await.unwrap_err();
    assert!(matches!(error, Error::Untrusted { .. } | Error::NoKeyring { .. }), "{error}");
    let error = apt.suite(Distribution::Debian, "bookworm-security", "amd64").await.unwrap_err();
    assert!(matches!(error, Error::Status { status: 404, .. }), "{error}");
}

#[tokio::test]
async fn ubuntus_archives_are_ubuntus() {
    let folder = tempfile::tempdir().unwrap();
    let apt = apt(folder.path(), mirrors(folder.path()));
    put(folder.path(), "ubuntu/dists/focal-security/InRelease", "of the main archive");
    put(folder.path(), "archive/debian/dists/focal/InRelease", "of Debian's archive");
    let now = "2026-09-01T12:00:00Z".parse().unwrap();
    // Where no archive of its own is named, the main one has security, too.
    let (_, bytes, archived) = apt.in_release("focal-security", Place::UbuntuSecurity, now).await.unwrap();
    assert_eq!((bytes, archived), (within("of the main archive"), false));
    // Debian's archive of what has ended is not asked, whatever lies there.
    let error = apt.in_release("focal", Place::Ubuntu, now).await.unwrap_err();
    assert_eq!(error.code(), "release-ended");
    assert!(error.to_string().contains("--ubuntu-mirror"), "{error}");
    let error = apt.in_release("jammy", Place::Ubuntu, now).await.unwrap_err();
    assert!(matches!(error, Error::Status { status: 404, .. }), "{error}");
    let error = apt.in_release("jammy-security", Place::UbuntuPorts, now).await.unwrap_err();
    assert_eq!(error.code(), "no-mirror");
    assert!(error.to_string().contains("--ubuntu-ports-mirror"), "{error}");
    let error = apt.suite(Distribution::Ubuntu, "../focal", "amd64").await.unwrap_err();
    assert_eq!(error.code(), "package-malformed");
}
