use std::io::Write as _;

use super::*;
use crate::advisories::AdvisorySet;

#[path = "bucket_tests.rs"]
mod over_http;

const NOW: &str = "2026-01-01T00:00:00Z";

fn record(id: &str, package: &str) -> String {
    serde_json::json!({"id": id, "modified": "2025-01-02T00:00:00Z", "upstream": ["CVE-2025-0001"],
        "affected": [{"package": {"ecosystem": "Debian:12", "name": package},
        "ranges": [{"type": "ECOSYSTEM", "events": [{"introduced": "0"}, {"fixed": "2"}]}]}]})
    .to_string()
}

fn npm(id: &str, package: &str) -> String {
    record(id, package)
        .replace("Debian:12", "npm")
        .replace("CVE-2025-0001", &format!("CVE-2025-{}", id.len()))
}

fn zip(entries: &[(&str, String)]) -> Vec<u8> {
    let mut writer = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    for (name, content) in entries {
        writer.start_file(*name, zip::write::SimpleFileOptions::default()).expect("file");
        writer.write_all(content.as_bytes()).expect("content");
    }
    writer.finish().expect("zip").into_inner()
}

fn bucket(entries: &[(&str, String)]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("folder");
    std::fs::create_dir(folder.path().join("Debian")).expect("folder");
    std::fs::create_dir(folder.path().join("npm")).expect("folder");
    std::fs::write(folder.path().join("npm/all.zip"), "no zip: it is not looked at").expect("file");
    std::fs::write(folder.path().join("Debian/all.zip"), zip(entries)).expect("zip");
    folder
}

fn files(folder: &Path) -> Vec<String> {
    let mut names: Vec<_> = std::fs::read_dir(folder)
        .expect("folder")
        .map(|e| e.expect("entry").file_name().to_string_lossy().into_owned())
        .collect();
    names.retain(|name| name != "update.lock");
    names.sort();
    names
}

#[tokio::test]
async fn folders_zips_and_loose_records_load_alike() {
    let entries = [("DSA-1-1.json", record("DSA-1-1", "a")), ("notes.txt", "x".into())];
    let from = bucket(&entries);
    let loose = tempfile::tempdir().expect("folder");
    std::fs::write(loose.path().join("DSA-1-1.json"), &entries[0].1).expect("file");
    let mut revisions = Vec::new();
    for origin in [
        from.path().to_owned(),
        from.path().join("Debian/all.zip"),
        from.path().join("Debian"),
        loose.path().to_owned(),
    ] {
        let folder = tempfile::tempdir().expect("folder");
        assert!(AdvisorySet::open(folder.path()).expect("opens").is_none());
        assert!(status(folder.path()).expect("status").is_empty());
        let loaded = update(folder.path(), &Origin::Folder(origin), NOW).await.expect("loads");
        assert_eq!(loaded, status(folder.path()).expect("status"));
        assert_eq!((loaded[0].source.as_str(), loaded[0].advisories), ("osv/Debian", 1));
        assert_eq!(loaded[0].newest.as_deref(), Some("2025-01-02T00:00:00Z"));
        let set = AdvisorySet::open(folder.path()).expect("opens").expect("a set");
        assert!(set.len() == 1 && set.covers("Debian:12") && !set.covers("Debian:11"));
        revisions.push(set.revision().to_owned());
    }
    revisions.dedup();
    assert_eq!(revisions.len(), 1, "equal records have an equal revision: {revisions:?}");
}

#[tokio::test]
async fn what_fails_leaves_what_was_there() {
    let folder = tempfile::tempdir().expect("folder");
    let good = bucket(&[("a.json", record("DSA-1-1", "a"))]);
    update(folder.path(), &Origin::Folder(good.path().to_owned()), NOW).await.expect("loads");
    let before = (files(folder.path()), status(folder.path()).expect("status"));
    let broken = bucket(&[("a.json", record("DSA-1-1", "a")), ("b.json", "{\"id\": 1}".into())]);
    let empty = bucket(&[]);
    let other = bucket(&[("a.json", record("GHSA-1", "a").replace("Debian:12", "npm"))]);
    let withdrawn = bucket(&[(
        "a.json",
        record("DSA-1-1", "a").replace("\"modified\"", "\"withdrawn\":\"2025-01-01T00:00:00Z\",\"modified\""),
    )]);
    for origin in
        [broken.path(), empty.path(), other.path(), withdrawn.path(), folder.path(), Path::new("/nowhere")]
    {
        let error = update(folder.path(), &Origin::Folder(origin.to_owned()), "2027-01-01T00:00:00Z").await;
        assert!(error.is_err(), "{}", origin.display());
        assert_eq!((files(folder.path()), status(folder.path()).expect("status")), before);
    }
    let error =
        update(folder.path(), &Origin::Folder(broken.path().to_owned()), NOW).await.expect_err("broken");
    assert_eq!(error.code(), "advisories-unreadable");
    assert!(error.to_string().contains("b.json"), "{error}");
}

#[tokio::test]
async fn earlier_sets_stay_for_a_while_and_are_held_against_their_names() {
    let folder = tempfile::tempdir().expect("folder");
    let mut revisions = Vec::new();
    for n in 0..7 {
        let from = bucket(&[("a.json", record("DSA-1-1", &format!("package{n}")))]);
        update(folder.path(), &Origin::Folder(from.path().to_owned()), NOW).await.expect("loads");
        revisions
            .push(AdvisorySet::open(folder.path()).expect("opens").expect("a set").revision().to_owned());
    }
    assert_eq!(files(folder.path()).len(), 6, "five sets and the pointer");
    assert!(AdvisorySet::open_revision(folder.path(), &revisions[2]).is_ok());
    assert!(AdvisorySet::open_revision(folder.path(), &revisions[1]).is_err());
    assert!(AdvisorySet::open_revision(folder.path(), "../x").is_err());
    let newest = folder.path().join(format!("{}.advisories", &revisions[6][7..]));
    let whole = std::fs::read(&newest).expect("set");
    let mut bytes = whole.clone();
    bytes[20] ^= 1;
    std::fs::write(&newest, bytes).expect("rot");
    assert_eq!(AdvisorySet::open(folder.path()).expect_err("rotten").code(), "advisories-unreadable");
    // What opening does not look at is not believed either.
    let mut bytes = whole;
    bytes[200] ^= 1;
    std::fs::write(&newest, bytes).expect("rot");
    let set = AdvisorySet::open(folder.path());
    let fault = set.map(|set| {
        let set = set.expect("a set");
        assert_eq!(set.about("Debian:12", "package6").count(), 0);
        set.fault().map(str::to_owned)
    });
    assert!(fault.as_ref().map_or(true, |f| f.as_ref().is_some_and(|f| f.contains("damaged"))), "{fault:?}");
}

fn loaded<'a>(sources: &'a [SourceStatus], source: &str) -> &'a SourceStatus {
    sources.iter().find(|s| s.source == source).expect("the source")
}

#[tokio::test]
async fn one_unreadable_record_among_many_is_passed_over_and_keeps_what_was_known() {
    let folder = tempfile::tempdir().expect("folder");
    let many = |broken: &str| {
        let good =
            (0..150).map(|n| (format!("DSA-{n}-1.json"), record(&format!("DSA-{n}-1"), &format!("p{n}"))));
        let mut entries: Vec<(String, String)> = good.collect();
        entries.insert(7, ("DSA-777-1.json".to_owned(), broken.to_owned()));
        let entries: Vec<(&str, String)> = entries.iter().map(|(n, c)| (n.as_str(), c.clone())).collect();
        bucket(&entries)
    };
    let first = many(&record("DSA-777-1", "kept"));
    update(folder.path(), &Origin::Folder(first.path().to_owned()), NOW).await.expect("loads");
    let second = many("{\"id\": \"DSA-777-1\", \"affected\": 5}");
    let sources = update(folder.path(), &Origin::Folder(second.path().to_owned()), NOW).await.expect("loads");
    assert_eq!(sources[0].advisories, 151);
    let set = AdvisorySet::open(folder.path()).expect("opens").expect("a set");
    assert_eq!(set.about("Debian:12", "kept").count(), 1);
}

#[tokio::test]
async fn feeds_stand_beside_records_and_each_takes_its_own_place() {
    let folder = tempfile::tempdir().expect("folder");
    let feeds = tempfile::tempdir().expect("folder");
    let feed = |feed: Feed, name: &str, text: &[u8]| {
        let path = feeds.path().join(name);
        std::fs::write(&path, text).expect("file");
        Origin::Feed(feed, Place::Path(path))
    };
    let kev = |cve: &str| {
        format!("{{\"dateReleased\":\"2025-08-25T17:04:19Z\",\"vulnerabilities\":[{{\"cveID\":\"{cve}\"}}]}}")
    };
    let from = bucket(&[("a.json", record("DSA-1-1", "a"))]);
    update(folder.path(), &Origin::Folder(from.path().to_owned()), NOW).await.expect("loads");
    for origin in [
        feed(Feed::Kev, "kev", kev("CVE-2025-0001").as_bytes()),
        feed(
            Feed::Epss,
            "epss",
            &gzip(b"#score_date:2026-08-22T00:00:00Z\ncve,epss,percentile\nCVE-2025-0001,0.5,0.9\n"),
        ),
        feed(
            Feed::Severities,
            "severities",
            &zstd::encode_all(&b"cve,source,severity,score,vector\nCVE-2025-0001,nvd,HIGH,8.8,\n"[..], 1)
                .expect("zstd"),
        ),
    ] {
        update(folder.path(), &origin, NOW).await.expect("loads");
    }
    let sources = status(folder.path()).expect("status");
    assert_eq!(
        sources.iter().map(|s| (s.source.as_str(), s.advisories)).collect::<Vec<_>>(),
        [("cve-severity", 1), ("epss", 1), ("kev", 1), ("osv/Debian", 1)]
    );
    assert_eq!(loaded(&sources, "epss").newest.as_deref(), Some("2026-08-22T00:00:00Z"));
    let set = AdvisorySet::open(folder.path()).expect("opens").expect("a set");
    let threat = set.threat("cve-2025-0001");
    assert_eq!((threat.known_exploited, threat.epss), (true, Some(0.5)));
    assert_eq!(threat.severity, Some((crate::Severity::High, "nvd".to_owned())));
    assert_eq!(set.threat("CVE-2025-0002"), Default::default());
    assert_eq!(set.threat("GHSA-x"), Default::default());
    // What is no longer in the list is no longer said; what the others say stays.
    update(folder.path(), &feed(Feed::Kev, "kev", kev("CVE-2025-0002").as_bytes()), NOW)
        .await
        .expect("loads");
    let set = AdvisorySet::open(folder.path()).expect("opens").expect("a set");
    assert!(!set.threat("CVE-2025-0001").known_exploited && set.threat("CVE-2025-0002").known_exploited);
    assert_eq!(set.threat("CVE-2025-0001").epss, Some(0.5));
    let before = (files(folder.path()), status(folder.path()).expect("status"));
    update(folder.path(), &feed(Feed::Epss, "epss", b"cve,epss\nCVE-2025-0001,7\n"), NOW)
        .await
        .expect_err("7");
    assert_eq!((files(folder.path()), status(folder.path()).expect("status")), before);
}

fn gzip(text: &[u8]) -> Vec<u8> {
    let mut out = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    out.write_all(text).expect("gzip");
    out.finish().expect("gzip")
}

#[tokio::test]
async fn the_trackers_word_stands_above_the_export() {
    let folder = tempfile::tempdir().expect("folder");
    let dated = record("DSA-1-1", "a").replace(
        "\"affected\"",
        "\"severity\":[{\"type\":\"CVSS_V3\",\"score\":\"CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H\"}],\"affected\"",
    );
    let from = bucket(&[("a.json", dated)]);
    update(folder.path(), &Origin::Folder(from.path().to_owned()), NOW).await.expect("loads");
    let tracker = r#"{"a": {"CVE-2025-0001": {"description": "one", "releases": {
        "bookworm": {"status": "open", "urgency": "not yet assigned", "nodsa": "Minor issue", "nodsa_reason": "postponed"}}}}}"#;
    let path = folder.path().join("tracker.json");
    std::fs::write(&path, tracker).expect("file");
    let origin = Origin::Feed(Feed::DebianTracker, Place::Path(path));
    let sources = update(folder.path(), &origin, NOW).await.expect("loads");
    assert_eq!(sources.iter().map(|s| s.advisories).collect::<Vec<_>>(), [1, 1]);
    let set = AdvisorySet::open(folder.path()).expect("opens").expect("a set");
    let about: Vec<Advisory> = set.about("Debian:12", "a").collect();
    assert_eq!(about.len(), 1, "the export is silent about it");
    assert_eq!(about[0].affects("3").map(|v| v.fixed), Some(None), "no fix, whatever the export says");
    assert_eq!((about[0].severity(), about[0].severity_source()), (crate::Severity::Critical, "debian"));
    assert_eq!(about[0].standing, Some(super::super::advisory::Standing::Postponed));
}

#[tokio::test]
async fn a_set_of_an_older_version_is_read_and_its_records_stay() {
    let folder = tempfile::tempdir().expect("folder");
    // As the version before wrote it.
    let json = serde_json::json!({"format": 2, "advisories": [{"id": "DSA-1-1", "vulnerabilities": ["CVE-2025-0001"],
        "aliases": ["DSA-1-1"], "ecosystem": "Debian:12", "package": "a",
        "ranges": [[{"introduced": "0"}, {"fixed": "2"}]], "severity": "high", "severity_source": "debian",
        "published": 1_735_689_600}]});
    let old = zstd::encode_all(json.to_string().as_bytes(), 1).expect("zstd");
    let revision = patchline_registry::Digest::of(&old).to_string();
    std::fs::write(folder.path().join(format!("{}.osv.zst", &revision[7..])), old).expect("file");
    let pointer = serde_json::json!({"format": 2, "revision": revision, "etag": ["a", "b"],
        "sources": [{"source": "osv/Debian", "advisories": 1, "newest": null, "loaded": NOW}]});
    std::fs::write(folder.path().join("current.json"), pointer.to_string()).expect("file");
    let about = || {
        let set = AdvisorySet::open(folder.path()).expect("opens").expect("a set");
        let found = set.about("Debian:12", "a").next().expect("an advisory");
        assert!(set.covers("Debian:12") && !set.is_empty());
        (found.published(), found.severity(), found.affects("1").and_then(|v| v.fixed))
    };
    let wanted = (Some(1_735_689_600), crate::Severity::High, Some("2".to_owned()));
    assert_eq!(about(), wanted);
    let from = tempfile::tempdir().expect("folder");
    std::fs::write(from.path().join("GHSA-b.json"), npm("GHSA-b", "b")).expect("file");
    let sources = update(folder.path(), &Origin::Folder(from.path().to_owned()), NOW).await.expect("loads");
    assert_eq!(sources.len(), 2);
    assert_eq!(about(), wanted);
    AdvisorySet::open_revision(folder.path(), &revision).expect("plans name it");
}

/// The real records, where the shared data folder is at hand.
#[tokio::test]
async fn the_shared_bucket_loads_and_matches() {
    let root = ["../shared/data", "../../shared/data", "../../../shared/data"].map(PathBuf::from);
    let Some(root) = root.into_iter().find(|p| p.is_dir()) else {
        println!("skipped: the shared advisories are not at hand");
        return;
    };
    let folder = tempfile::tempdir().expect("folder");
    let loaded = update(folder.path(), &Origin::Folder(root.join("osv")), NOW).await.expect("loads");
    let count = |source: &str| loaded.iter().find(|s| s.source == source).map_or(0, |s| s.advisories);
    assert_eq!(loaded.len(), 11, "{loaded:?}");
    assert!(count("osv/Debian") > 11_000 && count("osv/Bitnami") > 7_000, "{loaded:?}");
    assert!(
        count("osv/Go") > 4_000 && count("osv/PyPI") > 1_000 && count("osv/AlmaLinux") > 1_000,
        "{loaded:?}"
    );
    let set = AdvisorySet::open(folder.path()).expect("opens").expect("a set");
    let fixed: Vec<_> = set
        .about("Debian:12", "openssl")
        .filter(|a| a.id() == "DSA-5764-1")
        .map(|a| {
            (
                a.vulnerabilities().map(str::to_owned).collect::<Vec<_>>(),
                a.affects("3.0.11-1~deb12u1").and_then(|v| v.fixed),
            )
        })
        .collect();
    assert_eq!(fixed, [(vec!["CVE-2024-6119".to_owned()], Some("3.0.14-1~deb12u2".to_owned()))]);
    let hit = |ecosystem: &str, package: &str, installed: &str, wanted: &str| {
        let known = set.about(ecosystem, package).filter(|a| a.affects(installed).is_some());
        let names: Vec<String> =
            known.flat_map(|a| a.vulnerabilities().map(str::to_owned).collect::<Vec<_>>()).collect();
        assert!(names.iter().any(|n| n == wanted), "{ecosystem} {package} {installed}: {names:?}");
    };
    hit("PyPI", "Pillow", "8.1.0", "CVE-2021-25292");
    hit("Maven", "com.fasterxml.jackson.core:jackson-databind", "2.9.7", "CVE-2018-19360");
    hit("Alpine:v3.10", "ghostscript", "9.23-r0", "CVE-2018-15908");
    hit("AlmaLinux:9", "podman", "2:4.6.0-1.el9", "CVE-2023-39326");
    hit("Bitnami", "joomla", "5.4.0", "CVE-2026-40383");
    let changelog = Origin::Folder(root.join("osv-changelog"));
    let again = update(folder.path(), &changelog, NOW).await.expect("loads");
    let debian = again.iter().find(|s| s.source == "osv/Debian").expect("Debian");
    assert_eq!((again.len(), debian.advisories), (11, 1739), "in place of the others of its name alone");
    for (feed, file) in [
        (Feed::Kev, "known_exploited_vulnerabilities.json"),
        (Feed::Epss, "epss_kev-subset-2026-08-22.csv"),
        (Feed::Severities, "cve-severity.csv.zst"),
    ] {
        let origin = Origin::Feed(feed, Place::Path(root.join("threat").join(file)));
        update(folder.path(), &origin, NOW).await.expect("loads");
    }
    let set = AdvisorySet::open(folder.path()).expect("opens").expect("a set");
    let threat = set.threat("CVE-2022-0492");
    assert_eq!((threat.known_exploited, threat.epss), (false, Some(0.05528)));
    assert!(set.threat("CVE-2025-48384").known_exploited);
    assert!(set.threat("CVE-1999-0006").severity.is_some_and(|(s, _)| s == crate::Severity::Critical));
    assert_eq!(set.fault(), None);
}
