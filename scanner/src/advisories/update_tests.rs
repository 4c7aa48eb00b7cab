use std::io::Write as _;

use super::*;
use crate::advisories::AdvisorySet;

const NOW: &str = "2026-01-01T00:00:00Z";

fn record(id: &str, package: &str) -> String {
    serde_json::json!({"id": id, "modified": "2025-01-02T00:00:00Z", "upstream": ["CVE-2025-0001"],
        "affected": [{"package": {"ecosystem": "Debian:12", "name": package},
        "ranges": [{"type": "ECOSYSTEM", "events": [{"introduced": "0"}, {"fixed": "2"}]}]}]})
    .to_string()
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
    let newest = folder.path().join(format!("{}.osv.zst", &revisions[6][7..]));
    let mut bytes = std::fs::read(&newest).expect("set");
    bytes[20] ^= 1;
    std::fs::write(&newest, bytes).expect("rot");
    assert_eq!(AdvisorySet::open(folder.path()).expect_err("rotten").code(), "advisories-unreadable");
}

/// A server of one zip that knows ETags; gives its address and stops with the runtime.
async fn serve(body: Vec<u8>) -> Url {
    use tokio::io::AsyncReadExt as _;
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("port");
    let address = listener.local_addr().expect("address");
    tokio::spawn(async move {
        loop {
            let (mut socket, _) = listener.accept().await.expect("connection");
            let mut request = Vec::new();
            while !request.ends_with(b"\r\n\r\n") {
                request.push(socket.read_u8().await.expect("request"));
            }
            let request = String::from_utf8_lossy(&request).to_lowercase();
            let head = if !request.starts_with("get /osv/debian/all.zip ") {
                "HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\nconnection: close\r\n\r\n".to_owned()
            } else if request.contains("if-none-match: \"one\"") {
                "HTTP/1.1 304 Not Modified\r\nconnection: close\r\n\r\n".to_owned()
            } else {
                format!(
                    "HTTP/1.1 200 OK\r\netag: \"one\"\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
                    body.len()
                )
            };
            socket.write_all(head.as_bytes()).await.expect("head");
            if head.contains("200") {
                socket.write_all(&body).await.expect("body");
            }
        }
    });
    Url::parse(&format!("http://{address}/osv")).expect("address")
}

#[tokio::test]
async fn buckets_are_asked_conditionally() {
    let base = serve(zip(&[("a.json", record("DSA-1-1", "a"))])).await;
    let folder = tempfile::tempdir().expect("folder");
    let first = update(folder.path(), &Origin::Bucket(base.clone()), NOW).await.expect("loads");
    assert_eq!(first[0].advisories, 1);
    let again = update(folder.path(), &Origin::Bucket(base.clone()), "2026-02-01T00:00:00Z")
        .await
        .expect("unchanged");
    assert_eq!((again[0].advisories, again[0].loaded.as_str()), (1, "2026-02-01T00:00:00Z"));
    assert_eq!(files(folder.path()).len(), 2, "no download stays behind");
    let nowhere = base.join("/elsewhere/").expect("address");
    let error = update(folder.path(), &Origin::Bucket(nowhere), NOW).await.expect_err("404");
    assert_eq!(error.to_string(), "advisories of 127.0.0.1 cannot be read: it answers 404 Not Found");
    assert!(AdvisorySet::open(folder.path()).expect("opens").is_some());
}

#[tokio::test]
async fn a_folder_of_an_older_version_is_read_and_loaded_anew() {
    let dated =
        record("DSA-1-1", "a").replace("\"modified\"", "\"published\":\"2025-01-01T00:00:00Z\",\"modified\"");
    let base = serve(zip(&[("a.json", dated)])).await;
    let folder = tempfile::tempdir().expect("folder");
    update(folder.path(), &Origin::Bucket(base.clone()), NOW).await.expect("loads");
    // As the version before wrote it: another format, no day of publication, and the ETag of the same zip.
    let path = folder.path().join("current.json");
    let mut pointer: serde_json::Value =
        serde_json::from_slice(&std::fs::read(&path).expect("file")).expect("json");
    let set = folder.path().join(format!("{}.osv.zst", &pointer["revision"].as_str().expect("a text")[7..]));
    let json = zstd::decode_all(std::fs::read(&set).expect("set").as_slice()).expect("zstd");
    let mut json: serde_json::Value = serde_json::from_slice(&json).expect("json");
    assert_eq!(json["advisories"][0]["published"], 1_735_689_600);
    json["format"] = 1.into();
    json["advisories"][0].as_object_mut().expect("a map").remove("published");
    let old = zstd::encode_all(json.to_string().as_bytes(), 1).expect("zstd");
    let revision = patchline_registry::Digest::of(&old).to_string();
    std::fs::write(folder.path().join(format!("{}.osv.zst", &revision[7..])), old).expect("file");
    (pointer["format"], pointer["revision"]) = (1.into(), revision.clone().into());
    std::fs::write(&path, pointer.to_string()).expect("file");

    let published = || {
        let set = AdvisorySet::open(folder.path()).expect("opens").expect("a set");
        let found = set.about("Debian:12", "a").next().expect("an advisory").published;
        (set.revision() == revision, found)
    };
    assert_eq!(published(), (true, None));
    update(folder.path(), &Origin::Bucket(base), NOW).await.expect("loads");
    assert_eq!(published(), (false, Some(1_735_689_600)), "a 304 would have left what it does not know");
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
    assert!(loaded[0].advisories > 11_000, "{loaded:?}");
    let set = AdvisorySet::open(folder.path()).expect("opens").expect("a set");
    let fixed: Vec<_> = set
        .about("Debian:12", "openssl")
        .filter(|a| a.id == "DSA-5764-1")
        .map(|a| (a.vulnerabilities.clone(), a.affects("3.0.11-1~deb12u1").and_then(|v| v.fixed)))
        .collect();
    assert_eq!(fixed, [(vec!["CVE-2024-6119".to_owned()], Some("3.0.14-1~deb12u2".to_owned()))]);
    let loaded =
        update(folder.path(), &Origin::Folder(root.join("osv-changelog")), NOW).await.expect("loads");
    assert_eq!(loaded[0].advisories, 1739);
}
