//! What the embedded registry keeps, tells, and does when the disk is full.

use std::{os::unix::fs::MetadataExt, path::Path, process::Command};

use bytes::Bytes;
use patchline_registry::{BlobContent, CopyOptions, copy, embedded::Embedded, layout};
use tokio::sync::mpsc;

use crate::{
    images::{descriptor, image, push, read},
    servers::{anonymous, embedded, serve},
};

#[tokio::test]
async fn tagged_pushes_are_told_after_they_are_durable() {
    let mut running = embedded().await;
    let image = image("told");
    let repository = anonymous(&running.host, "shop/web");
    push(&*repository, image.manifest.digest.as_str(), &image).await;
    push(&*repository, "v1", &image).await;
    push(&*repository, "v1", &image).await;
    let first = running.events.recv().await.unwrap();
    assert_eq!(
        (first.repository.as_str(), first.tag.as_deref()),
        ("shop/web", Some("v1")),
        "not the push by digest"
    );
    assert_eq!(first.digest.as_ref(), Some(&image.manifest.digest));
    assert_eq!(first.host.as_ref(), Some(&running.host));
    let second = running.events.recv().await.unwrap();
    assert_ne!(first.id, second.id);
    assert!(running.events.try_recv().is_err());

    // Another life of the same folder.
    let (sender, _events) = mpsc::channel(1);
    let reopened = Embedded::open(running.dir.path(), sender).unwrap();
    let expected = [("shop/web".to_owned(), "v1".to_owned(), image.manifest.digest.clone())];
    assert_eq!(reopened.all_tags().unwrap(), expected);
    let host = format!("127.0.0.1:{}", serve(reopened.router()).await);
    let again = anonymous(&host, "shop/web");
    assert_eq!(again.manifest("v1").await.unwrap(), image.manifest);
}

#[tokio::test]
async fn a_push_waits_for_a_slow_listener_and_survives_none() {
    let dir = tempfile::tempdir().unwrap();
    let (sender, mut events) = mpsc::channel(1);
    let embedded = Embedded::open(dir.path(), sender).unwrap();
    let host = format!("127.0.0.1:{}", serve(embedded.router()).await);
    let (repository, image) = (anonymous(&host, "slow"), image("slow"));
    push(&*repository, "one", &image).await;
    let second = repository.push_manifest("two", &image.manifest);
    let waited = tokio::time::timeout(std::time::Duration::from_millis(500), second).await;
    assert!(waited.is_err(), "the channel is full");
    // The client went away; the push is durable and its event is not lost.
    assert_eq!(events.recv().await.unwrap().tag.as_deref(), Some("one"));
    assert_eq!(events.recv().await.unwrap().tag.as_deref(), Some("two"));
    drop(events);
    repository.push_manifest("three", &image.manifest).await.unwrap();
}

#[tokio::test]
async fn repositories_share_their_blobs_and_are_layouts() {
    let running = embedded().await;
    let image = image("shared");
    let (a, b) = (anonymous(&running.host, "a"), anonymous(&running.host, "b"));
    push(&*a, "v1", &image).await;
    copy(&*a, "v1", &*b, "v1", &CopyOptions::default()).await.unwrap();
    let layer = &image.blobs[0].0;
    let place = running.dir.path().join("repositories/b/blobs/sha256").join(layer.digest.hex());
    assert_eq!(std::fs::metadata(&place).unwrap().nlink(), 3, "the pool and two repositories");
    let stored = layout::open(&running.dir.path().join("repositories/b"), false).unwrap();
    assert_eq!(stored.manifest("v1").await.unwrap(), image.manifest);
    assert_eq!(read(&*stored, layer).await, image.blobs[0].1);
}

#[tokio::test]
async fn a_sweep_takes_only_what_nobody_needs() {
    let running = embedded().await;
    let (kept, gone) = (image("kept"), image("gone"));
    let (a, b) = (anonymous(&running.host, "a"), anonymous(&running.host, "b"));
    push(&*a, "kept", &kept).await;
    push(&*a, "gone", &gone).await;
    push(&*b, "gone", &gone).await;
    a.delete_manifest(&gone.manifest.digest).await.unwrap();
    let written = std::fs::metadata(running.dir.path().join("repositories/a/index.json")).unwrap();
    let (past, future) =
        (std::time::UNIX_EPOCH, written.modified().unwrap() + std::time::Duration::from_secs(3600));
    assert_eq!(running.embedded.sweep(past).unwrap().files, 0, "what is young stays");
    let swept = running.embedded.sweep(future).unwrap();
    assert_eq!(swept.files, 4, "two layers, a config and a manifest, of one repository alone");
    assert_eq!(running.embedded.sweep(future).unwrap().files, 0);
    let pooled = running.dir.path().join("blobs/sha256").join(gone.blobs[0].0.digest.hex());
    assert!(pooled.exists());
    for (repository, tag, image) in [(&a, "kept", &kept), (&b, "gone", &gone)] {
        assert_eq!(repository.manifest(tag).await.unwrap(), image.manifest);
        for (blob, bytes) in &image.blobs {
            assert_eq!(read(&**repository, blob).await, *bytes);
        }
    }
    b.delete_manifest(&gone.manifest.digest).await.unwrap();
    assert_eq!(running.embedded.sweep(future).unwrap().files, 4 + 3, "and the pool's three");
    assert!(!pooled.exists());
    // Nothing is lost for those who come again.
    push(&*b, "gone", &gone).await;
}

/// A small file system of our own, where root may mount one.
struct Tiny(tempfile::TempDir);

impl Tiny {
    fn mount() -> Option<Self> {
        let dir = tempfile::tempdir().unwrap();
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", "size=512k", "patchline-test"]).arg(dir.path());
        if mount.output().is_ok_and(|o| o.status.success()) {
            return Some(Self(dir));
        }
        println!("SKIPPED: no tmpfs can be mounted here");
        None
    }

    fn path(&self) -> &Path {
        self.0.path()
    }
}

impl Drop for Tiny {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(self.path()).output();
    }
}

#[tokio::test]
async fn a_full_disk_is_an_error_that_says_so() {
    let Some(tiny) = Tiny::mount() else { return };
    let (sender, _events) = mpsc::channel(10);
    let embedded = Embedded::open(tiny.path(), sender).unwrap();
    let host = format!("127.0.0.1:{}", serve(embedded.router()).await);
    let (repository, image) = (anonymous(&host, "full"), image("full"));
    push(&*repository, "v1", &image).await;

    let large = Bytes::from(vec![7; 2 * 1024 * 1024]);
    let blob = descriptor("application/octet-stream", &large);
    let refused = repository.push_blob(&blob, BlobContent::Bytes(large.clone())).await.unwrap_err();
    assert!(refused.to_string().contains("no space left"), "{refused}");
    assert!(!repository.has_blob(&blob.digest).await.unwrap());
    assert_eq!(repository.manifest("v1").await.unwrap(), image.manifest, "what was there still is");
    push(&*repository, "v2", &crate::images::image("small enough")).await;

    let layout = layout::open(&tiny.path().join("layout"), true).unwrap();
    let refused = layout.push_blob(&blob, BlobContent::Bytes(large)).await.unwrap_err();
    assert_eq!(refused.code(), "registry-io");
    assert!(!layout.has_blob(&blob.digest).await.unwrap());
}
