//! Sources over HTTP.

use std::sync::{Arc, Mutex};

use super::*;

/// A server of files that knows ETags (their lengths); gives its address and stops with the runtime. A file of `None`
/// is answered by 500. What was asked for, and was not answered by 304, is written down.
struct Server {
    files: Arc<Mutex<BTreeMap<String, Option<Vec<u8>>>>>,
    asked: Arc<Mutex<Vec<String>>>,
    base: Url,
}

impl Server {
    fn put(&self, path: &str, body: Option<Vec<u8>>) {
        self.files.lock().expect("lock").insert(format!("/osv/{path}"), body);
    }
    fn asked(&self) -> Vec<String> {
        let mut asked = std::mem::take(&mut *self.asked.lock().expect("lock"));
        asked.sort();
        asked
    }
    fn bucket(&self, ecosystems: &[&str]) -> Origin {
        let ecosystems = ecosystems.iter().map(|e| (*e).to_owned()).collect();
        Origin::Bucket { base: self.base.clone(), ecosystems }
    }
}

async fn serve(files: &[(&str, Vec<u8>)]) -> Server {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("port");
    let address = listener.local_addr().expect("address");
    let base = Url::parse(&format!("http://{address}/osv")).expect("address");
    let server = Server { files: Arc::default(), asked: Arc::default(), base };
    for (path, body) in files {
        server.put(path, Some(body.clone()));
    }
    let (files, asked) = (server.files.clone(), server.asked.clone());
    tokio::spawn(async move {
        loop {
            let (mut socket, _) = listener.accept().await.expect("connection");
            let mut request = Vec::new();
            while !request.ends_with(b"\r\n\r\n") {
                request.push(socket.read_u8().await.expect("request"));
            }
            let request = String::from_utf8_lossy(&request).into_owned();
            let path = request.split(' ').nth(1).expect("a path").to_owned();
            let file = files.lock().expect("lock").get(&path).cloned();
            let (status, etag, body) = match file {
                None => ("404 Not Found", String::new(), Vec::new()),
                Some(None) => ("500 Oh", String::new(), Vec::new()),
                Some(Some(body)) => {
                    let etag = patchline_registry::Digest::of(&body).to_string();
                    if request.contains(&etag) {
                        ("304 Not Modified", etag, Vec::new())
                    } else {
                        ("200 OK", etag, body)
                    }
                }
            };
            if !status.starts_with("304") {
                asked.lock().expect("lock").push(path.trim_start_matches("/osv/").to_owned());
            }
            let head = format!(
                "HTTP/1.1 {status}\r\netag: \"{etag}\"\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
                body.len()
            );
            let _ = socket.write_all(head.as_bytes()).await;
            let _ = socket.write_all(&body).await;
        }
    });
    server
}

#[tokio::test]
async fn buckets_are_asked_conditionally() {
    let server = serve(&[("Debian/all.zip", zip(&[("a.json", record("DSA-1-1", "a"))]))]).await;
    let folder = tempfile::tempdir().expect("folder");
    let first = update(folder.path(), &server.bucket(&["Debian"]), NOW).await.expect("loads");
    assert_eq!(first[0].advisories, 1);
    // The list of changes is not there: then the archive is asked for.
    let again =
        update(folder.path(), &server.bucket(&["Debian"]), "2026-02-01T00:00:00Z").await.expect("unchanged");
    assert_eq!((again[0].advisories, again[0].loaded.as_str()), (1, "2026-02-01T00:00:00Z"));
    assert_eq!(server.asked(), ["Debian/all.zip"]);
    assert_eq!(files(folder.path()).len(), 2, "no download stays behind");
    let nowhere = Origin::Bucket {
        base: server.base.join("/elsewhere/").expect("address"),
        ecosystems: vec!["Debian".to_owned()],
    };
    let error = update(folder.path(), &nowhere, NOW).await.expect_err("404");
    assert_eq!(error.to_string(), "advisories of 127.0.0.1 cannot be read: it answers 404 Not Found");
    assert!(AdvisorySet::open(folder.path()).expect("opens").is_some());
    let unnamed = update(folder.path(), &server.bucket(&[]), NOW).await.expect_err("no list");
    assert!(unnamed.to_string().contains("ecosystems.txt"), "{unnamed}");
}

#[tokio::test]
async fn one_ecosystem_that_fails_leaves_what_was_there_of_it_and_not_the_others() {
    let server = serve(&[
        ("ecosystems.txt", b"Debian\nDebian:12\nnpm\nNothing that we match\n".to_vec()),
        ("Debian/all.zip", zip(&[("a.json", record("DSA-1-1", "a"))])),
        ("npm/all.zip", zip(&[("b.json", npm("GHSA-b", "b"))])),
    ])
    .await;
    let folder = tempfile::tempdir().expect("folder");
    let first = update(folder.path(), &server.bucket(&[]), NOW).await.expect("loads");
    assert_eq!(first.iter().map(|s| s.source.as_str()).collect::<Vec<_>>(), ["osv/Debian", "osv/npm"]);
    server.put("Debian/all.zip", None);
    server.put("npm/all.zip", Some(zip(&[("b.json", npm("GHSA-b", "b")), ("c.json", npm("GHSA-cc", "c"))])));
    let second = update(folder.path(), &server.bucket(&[]), "2026-02-01T00:00:00Z").await.expect("loads one");
    let (debian, npm) = (loaded(&second, "osv/Debian"), loaded(&second, "osv/npm"));
    assert_eq!((debian.advisories, debian.loaded.as_str()), (1, NOW));
    assert!(debian.failed.as_ref().is_some_and(|f| f.contains("500")), "{debian:?}");
    assert_eq!((npm.advisories, npm.loaded.as_str(), &npm.failed), (2, "2026-02-01T00:00:00Z", &None));
    let set = AdvisorySet::open(folder.path()).expect("opens").expect("a set");
    assert!(set.covers("Debian:12") && set.covers("npm") && set.len() == 3);
    assert_eq!(set.about("Debian:12", "a").count(), 1);
}

#[tokio::test]
async fn a_young_archive_is_brought_up_to_date_by_its_changes() {
    let at = |day: &str, record: String| record.replace("2025-01-02", day);
    let server = serve(&[(
        "npm/all.zip",
        zip(&[
            ("a.json", npm("GHSA-a", "a")),
            ("b.json", npm("GHSA-bb", "b")),
            ("g.json", npm("GHSA-ggg", "g")),
        ]),
    )])
    .await;
    let folder = tempfile::tempdir().expect("folder");
    let origin = server.bucket(&["npm"]);
    update(folder.path(), &origin, NOW).await.expect("loads");
    server.asked();
    let list = "2026-01-02T00:00:00Z,GHSA-bb\n2026-01-02T00:00:00Z,GHSA-ggg\n2026-01-01T12:00:00.5Z,GHSA-nnnn\n2025-01-01T00:00:00Z,GHSA-old\n";
    server.put("npm/modified_id.csv", Some(list.as_bytes().to_vec()));
    server.put("npm/GHSA-bb.json", Some(at("2026-01-02", npm("GHSA-bb", "moved")).into_bytes()));
    server.put("npm/GHSA-nnnn.json", Some(at("2026-01-01", npm("GHSA-nnnn", "n")).into_bytes()));
    let second = update(folder.path(), &origin, "2026-01-03T00:00:00Z").await.expect("changes");
    assert_eq!(
        server.asked(),
        ["npm/GHSA-bb.json", "npm/GHSA-ggg.json", "npm/GHSA-nnnn.json", "npm/modified_id.csv"]
    );
    assert_eq!((second[0].advisories, second[0].newest.as_deref()), (3, Some("2026-01-02T00:00:00Z")));
    let set = AdvisorySet::open(folder.path()).expect("opens").expect("a set");
    let about = |package: &str| set.about("npm", package).count();
    assert_eq!(["a", "b", "moved", "g", "n"].map(about), [1, 0, 1, 0, 1]);
    update(folder.path(), &origin, "2026-01-04T00:00:00Z").await.expect("unchanged");
    assert!(server.asked().is_empty());
    // After a week, and where the list is of no use, the archive is read again.
    update(folder.path(), &origin, "2026-01-09T00:00:00Z").await.expect("unchanged");
    server.put("npm/modified_id.csv", Some(b"no list".to_vec()));
    server.put("npm/all.zip", Some(zip(&[("a.json", npm("GHSA-a", "a"))])));
    let third = update(folder.path(), &origin, "2026-01-10T00:00:00Z").await.expect("whole");
    assert_eq!(server.asked(), ["npm/all.zip", "npm/modified_id.csv"]);
    assert_eq!(third[0].advisories, 1);
    // What a folder brought is not taken for the bucket's.
    let folder_of = bucket(&[("a.json", record("DSA-1-1", "a"))]);
    std::fs::remove_file(folder_of.path().join("npm/all.zip")).expect("file");
    std::fs::write(folder_of.path().join("npm/x.json"), npm("GHSA-x", "x")).expect("file");
    update(folder.path(), &Origin::Folder(folder_of.path().to_owned()), NOW).await.expect("loads");
    let fourth = update(folder.path(), &origin, "2026-01-11T00:00:00Z").await.expect("whole");
    assert_eq!(server.asked(), ["npm/all.zip"]);
    assert_eq!(
        fourth.iter().map(|s| (s.source.as_str(), s.advisories)).collect::<Vec<_>>(),
        [("osv/Debian", 1), ("osv/npm", 1)]
    );
    let set = AdvisorySet::open(folder.path()).expect("opens").expect("a set");
    assert_eq!(["a", "x"].map(|package| set.known("npm", package)), [1, 0]);
}

#[tokio::test]
async fn feeds_are_asked_for_conditionally_too() {
    let kev = br#"{"vulnerabilities": [{"cveID": "CVE-2025-0001"}]}"#.to_vec();
    let server = serve(&[("kev.json", kev), ("odd.json", b"{}".to_vec())]).await;
    let folder = tempfile::tempdir().expect("folder");
    let at = |name: &str| {
        Origin::Feed(Feed::Kev, Place::Url(Url::parse(&format!("{}/{name}", server.base)).expect("url")))
    };
    update(folder.path(), &at("kev.json"), NOW).await.expect("loads");
    let again = update(folder.path(), &at("kev.json"), "2026-02-01T00:00:00Z").await.expect("unchanged");
    assert_eq!((again[0].advisories, again[0].loaded.as_str()), (1, "2026-02-01T00:00:00Z"));
    assert_eq!(server.asked(), ["kev.json"]);
    let error = update(folder.path(), &at("odd.json"), NOW).await.expect_err("no catalogue").to_string();
    assert!(error.starts_with("advisories of 127.0.0.1 cannot be read: missing field"), "{error}");
    assert!(update(folder.path(), &at("none.json"), NOW).await.is_err());
    let set = AdvisorySet::open(folder.path()).expect("opens").expect("a set");
    assert!(set.threat("CVE-2025-0001").known_exploited);
}
