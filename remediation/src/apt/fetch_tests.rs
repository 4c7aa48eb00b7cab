use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
};

use tokio::io::AsyncReadExt;

use super::*;

/// Status and body, in turn.
type Turns = Vec<(u16, Vec<u8>)>;
type Answers = Arc<Mutex<HashMap<String, Turns>>>;

/// A loopback server: each path's answers in turn, the last one again and again.
async fn serve(answers: Vec<(&str, Turns)>) -> (Url, Arc<Mutex<Vec<String>>>) {
    let answers: Answers =
        Arc::new(Mutex::new(answers.into_iter().map(|(path, all)| (path.to_owned(), all)).collect()));
    let seen = Arc::new(Mutex::new(Vec::new()));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = Url::parse(&format!("http://{}/debian/", listener.local_addr().unwrap())).unwrap();
    let asked = seen.clone();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let (answers, asked) = (answers.clone(), asked.clone());
            tokio::spawn(async move {
                let mut request = Vec::new();
                while !request.ends_with(b"\r\n\r\n") {
                    let Ok(byte) = stream.read_u8().await else { return };
                    request.push(byte);
                }
                let text = String::from_utf8_lossy(&request).into_owned();
                let path = text.split(' ').nth(1).unwrap_or_default().to_owned();
                let (status, body) = match answers.lock().unwrap().get_mut(&path) {
                    Some(all) if all.len() > 1 => all.remove(0),
                    Some(all) => all[0].clone(),
                    None => (404, Vec::new()),
                };
                asked.lock().unwrap().push(path);
                let head = if status == 302 {
                    let to = String::from_utf8_lossy(&body).into_owned();
                    format!(
                        "HTTP/1.1 302 x\r\nlocation: {to}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
                    )
                } else {
                    format!(
                        "HTTP/1.1 {status} x\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
                        body.len()
                    )
                };
                let body = if status == 302 { Vec::new() } else { body };
                stream.write_all(head.as_bytes()).await.ok();
                stream.write_all(&body).await.ok();
                stream.shutdown().await.ok();
            });
        }
    });
    (base, seen)
}

fn fetcher() -> Fetcher {
    Fetcher { back_off: Duration::from_millis(1), ..Fetcher::new() }
}

fn promise(bytes: &[u8]) -> Promise {
    Promise { sha256: hex::encode(Sha256::digest(bytes)), size: bytes.len() as u64 }
}

#[tokio::test]
async fn a_server_that_stumbles_is_asked_again() {
    let (base, seen) =
        serve(vec![("/debian/a", vec![(503, vec![]), (500, vec![]), (200, b"yes".to_vec())])]).await;
    assert_eq!(fetcher().bytes(&base, "a", 10).await.unwrap(), b"yes");
    assert_eq!(seen.lock().unwrap().len(), 3);
    let (base, seen) = serve(vec![("/debian/a", vec![(500, vec![])])]).await;
    assert!(matches!(fetcher().bytes(&base, "a", 10).await, Err(Error::Status { status: 500, .. })));
    assert_eq!(seen.lock().unwrap().len(), 3);
}

#[tokio::test]
async fn what_is_not_there_is_not_asked_for_again() {
    let (base, seen) = serve(vec![]).await;
    assert!(matches!(fetcher().bytes(&base, "a", 10).await, Err(Error::Status { status: 404, .. })));
    assert_eq!(seen.lock().unwrap().len(), 1);
}

#[tokio::test]
async fn only_what_was_promised_is_kept() {
    let folder = tempfile::tempdir().unwrap();
    let target = folder.path().join("x");
    let (base, _) = serve(vec![
        ("/debian/good", vec![(200, b"good".to_vec())]),
        ("/debian/evil", vec![(200, b"evil".to_vec())]),
        ("/debian/long", vec![(200, b"good and more".to_vec())]),
        ("/debian/short", vec![(200, b"goo".to_vec())]),
    ])
    .await;
    let promise = promise(b"good");
    for path in ["evil", "long", "short"] {
        let error = fetcher().file(&base, path, &promise, &target).await.unwrap_err();
        assert_eq!(error.code(), "file-unverified", "{path}");
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0, "{path}");
    }
    fetcher().file(&base, "good", &promise, &target).await.unwrap();
    assert_eq!(std::fs::read(&target).unwrap(), b"good");
    assert_eq!(fetcher().bytes(&base, "long", 4).await.unwrap_err().code(), "file-unverified");
}

#[tokio::test]
async fn redirects_are_followed_a_few_times() {
    let (base, _) = serve(vec![
        ("/debian/a", vec![(302, b"/debian/b".to_vec())]),
        ("/debian/b", vec![(200, b"here".to_vec())]),
        ("/debian/round", vec![(302, b"/debian/round".to_vec())]),
        ("/debian/out", vec![(302, b"file:///etc/passwd".to_vec())]),
    ])
    .await;
    assert_eq!(fetcher().bytes(&base, "a", 10).await.unwrap(), b"here");
    assert!(fetcher().bytes(&base, "round", 10).await.is_err());
    assert!(fetcher().bytes(&base, "out", 10).await.is_err());
}

#[tokio::test]
async fn errors_do_not_name_the_mirror() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let base = Url::parse(&format!("http://{address}/debian/")).unwrap();
    let error = fetcher().bytes(&base, "dists/x/InRelease", 10).await.unwrap_err();
    assert!(error.is_transient());
    let mut shown = error.to_string();
    let mut source = std::error::Error::source(&error);
    while let Some(inner) = source {
        shown.push_str(&inner.to_string());
        source = inner.source();
    }
    assert!(shown.contains("dists/x/InRelease") && !shown.contains("/debian/"), "{shown}");
}

#[test]
fn paths_stay_under_the_base() {
    let base = Url::parse("http://mirror.example/debian/").unwrap();
    let joined = join(&base, "pool/main/g/gcc/libstdc++6_1%3a2~3_amd64.deb").unwrap();
    assert_eq!(
        joined.as_str(),
        "http://mirror.example/debian/pool/main/g/gcc/libstdc++6_1%253a2~3_amd64.deb"
    );
    for path in
        ["", "/etc/passwd", "../x", "a/../b", "a//b", "a?b", "a#b", "a b", "http://evil.example/x/../.."]
    {
        assert!(join(&base, path).is_err(), "{path}");
    }
}
