//! `kill -9` at any moment: what was acknowledged is there, and nothing is half there.

use std::{path::PathBuf, process::Stdio, time::Duration};

use patchline_registry::{embedded::Embedded, layout};
use tokio::sync::mpsc;

use crate::{
    images::{image, push, read},
    servers::{anonymous, serve},
};

/// Tells the half of the test that is to be killed where its folder is.
const DIR: &str = "PATCHLINE_TEST_CRASH_DIR";
const ROUNDS: u64 = 6;

#[tokio::test(flavor = "multi_thread")]
async fn acknowledged_pushes_survive() {
    let dir = tempfile::tempdir().unwrap();
    let mut acknowledged = Vec::new();
    for round in 0..ROUNDS {
        let port = dir.path().join(format!("port-{round}"));
        let mut child = tokio::process::Command::new(std::env::current_exe().unwrap())
            .args(["crash::serves_until_it_is_killed", "--exact", "--nocapture"])
            .env(DIR, &port)
            .stdout(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        while !port.exists() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        let repository = anonymous(&std::fs::read_to_string(&port).unwrap(), "shop/web");
        let pushing = async {
            for n in 0.. {
                let (tag, image) = (format!("r{round}-{n}"), image(&format!("crash {round} {n}")));
                push(&*repository, &tag, &image).await;
                acknowledged.push((tag, image));
            }
        };
        // Each round ends somewhere else.
        let _ = tokio::time::timeout(Duration::from_millis(120 + 97 * round), pushing).await;
        child.kill().await.unwrap();

        let (sender, _events) = mpsc::channel(1);
        let reopened = Embedded::open(&dir.path().join("registry"), sender).unwrap();
        let tags = reopened.all_tags().unwrap();
        for (tag, image) in &acknowledged {
            assert!(tags.iter().any(|(_, t, d)| t == tag && *d == image.manifest.digest), "{tag} is lost");
        }
        let Ok(stored) = layout::open(&dir.path().join("registry/repositories/shop+web"), false) else {
            continue;
        };
        for (_, tag, digest) in &tags {
            let manifest = stored.manifest(tag).await.unwrap();
            assert_eq!(manifest.digest, *digest);
            let parts = manifest.image().unwrap();
            for blob in parts.layers.iter().chain([&parts.config]) {
                read(&*stored, blob).await;
            }
        }
        let left = std::fs::read_dir(dir.path().join("registry/uploads")).unwrap().count();
        assert_eq!(left, 0, "unfinished uploads are cleared on start");
    }
    assert!(!acknowledged.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn serves_until_it_is_killed() {
    let Some(port) = std::env::var_os(DIR).map(PathBuf::from) else { return };
    let (sender, mut events) = mpsc::channel(1);
    let embedded = Embedded::open(&port.with_file_name("registry"), sender).unwrap();
    let host = format!("127.0.0.1:{}", serve(embedded.router()).await);
    let half = port.with_extension("half");
    std::fs::write(&half, host).unwrap();
    std::fs::rename(&half, &port).unwrap();
    while events.recv().await.is_some() {}
}
