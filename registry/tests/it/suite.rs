//! What every place that holds images must do alike.

use bytes::Bytes;
use patchline_registry::{BlobContent, CopyOptions, Error, copy};

use crate::{
    images::{descriptor, image, index_of, push, read, referring},
    servers::{Backend, distribution_backend, embedded_backend, layout_backend},
};

macro_rules! on_every_backend {
    ($($name:ident),* $(,)?) => { $(mod $name {
        use super::*;

        #[tokio::test]
        async fn layout() {
            super::$name(&layout_backend()).await;
        }
        #[tokio::test]
        async fn embedded() {
            super::$name(&embedded_backend().await).await;
        }
        #[tokio::test]
        async fn distribution() {
            let Some(backend) = distribution_backend().await else { return };
            super::$name(&backend).await;
        }
    })* };
}

on_every_backend!(
    push_and_pull,
    what_is_not_there,
    wrong_bytes_are_refused,
    a_manifest_needs_its_parts,
    copies_are_whole,
    copies_between_kinds,
    an_index_takes_its_children_along,
    tags_move_and_go,
    referrers_come_along,
    repositories_are_listed,
);

async fn push_and_pull(on: &Backend) {
    let (repository, image) = (on.open("shop-web"), image("push"));
    push(&*repository, "v1", &image).await;
    push(&*repository, "v1", &image).await;
    push(&*repository, "v0", &image).await;
    let digest = image.manifest.digest.as_str();
    for reference in ["v1", digest] {
        let found = repository.resolve(reference).await.unwrap().unwrap();
        assert_eq!(found.digest, image.manifest.digest);
        assert_eq!(found.size, image.manifest.bytes.len() as u64);
        assert_eq!(found.media_type, image.manifest.media_type);
        assert_eq!(repository.manifest(reference).await.unwrap(), image.manifest);
    }
    for (blob, bytes) in &image.blobs {
        assert!(repository.has_blob(&blob.digest).await.unwrap());
        assert_eq!(read(&*repository, blob).await, *bytes);
    }
    let mut tags = repository.tags().await.unwrap();
    tags.sort();
    assert_eq!(tags, ["v0", "v1"]);
    let empty = descriptor("application/octet-stream", b"");
    repository.push_blob(&empty, BlobContent::Bytes(Bytes::new())).await.unwrap();
    assert_eq!(read(&*repository, &empty).await, b"");
    let file = tempfile::NamedTempFile::new().unwrap();
    let bytes = b"from a file".repeat(100_000);
    std::fs::write(file.path(), &bytes).unwrap();
    let blob = descriptor("application/octet-stream", &bytes);
    repository.push_blob(&blob, BlobContent::File(file.path().to_owned())).await.unwrap();
    assert_eq!(read(&*repository, &blob).await, bytes);
}

async fn what_is_not_there(on: &Backend) {
    let (repository, image) = (on.open("nothing"), image("nothing"));
    let digest = &image.manifest.digest;
    assert_eq!(repository.resolve("v1").await.unwrap(), None);
    assert_eq!(repository.resolve(digest.as_str()).await.unwrap(), None);
    assert!(!repository.has_blob(digest).await.unwrap());
    assert_eq!(repository.manifest("v1").await.unwrap_err().code(), "image-not-found");
    let blob = repository.blob(&image.blobs[0].0).await.err().unwrap();
    assert_eq!(blob.code(), "image-not-found");
    assert_eq!(repository.delete_manifest(digest).await.unwrap_err().code(), "image-not-found");
    assert_eq!(repository.untag("v1", digest).await.unwrap_err().code(), "tag-moved");
    assert_eq!(repository.referrers(digest).await.unwrap(), []);
    assert!(repository.push_manifest("../x", &image.manifest).await.is_err());
}

async fn wrong_bytes_are_refused(on: &Backend) {
    let repository = on.open("wrong");
    let right = Bytes::from_static(b"the right bytes");
    let blob = descriptor("application/octet-stream", &right);
    for (wrong, code) in [
        (&b"the wrong bytes"[..], "digest-mismatch"),
        (&b"the right"[..], "size-mismatch"),
        (&b"the right bytes and more"[..], "size-mismatch"),
    ] {
        let content = BlobContent::Bytes(Bytes::from_static(wrong));
        assert_eq!(repository.push_blob(&blob, content).await.unwrap_err().code(), code);
        assert!(!repository.has_blob(&blob.digest).await.unwrap(), "nothing half stored");
    }
    repository.push_blob(&blob, BlobContent::Bytes(right)).await.unwrap();
    let mut lying = blob.clone();
    lying.size += 1;
    let refused = async {
        let mut bytes = Vec::new();
        let mut reader = repository.blob(&lying).await?;
        tokio::io::AsyncReadExt::read_to_end(&mut reader, &mut bytes)
            .await
            .map_err(|e| e.downcast::<Error>().unwrap())
    };
    assert_eq!(refused.await.unwrap_err().code(), "size-mismatch");
}

async fn a_manifest_needs_its_parts(on: &Backend) {
    let (repository, image) = (on.open("parts"), image("parts"));
    repository.push_manifest("v1", &image.manifest).await.unwrap_err();
    assert_eq!(repository.resolve("v1").await.unwrap(), None);
    for (blob, bytes) in &image.blobs[1..] {
        repository.push_blob(blob, BlobContent::Bytes(bytes.clone())).await.unwrap();
    }
    repository.push_manifest("v1", &image.manifest).await.unwrap_err();
    assert_eq!(repository.resolve("v1").await.unwrap(), None);
}

async fn copies_are_whole(on: &Backend) {
    let (source, target, image) = (on.open("copy-source"), on.open("copy-target"), image("copy"));
    push(&*source, "v1", &image).await;
    let options = CopyOptions::default();
    let report = copy(&*source, "v1", &*target, "backup", &options).await.unwrap();
    assert_eq!(report.digest, image.manifest.digest);
    if on.is_registry() {
        assert_eq!((report.mounted, report.uploaded, report.bytes), (3, 0, 0), "mounted, not sent");
    } else {
        assert_eq!((report.mounted, report.uploaded), (0, 3));
    }
    assert_eq!(target.manifest("backup").await.unwrap(), image.manifest);
    let again = copy(&*source, image.manifest.digest.as_str(), &*target, "backup", &options).await.unwrap();
    assert_eq!((again.present, again.uploaded, again.mounted), (3, 0, 0));
    assert_eq!(target.tags().await.unwrap(), ["backup"]);
    assert!(!target.mount_blob(&descriptor("", b"absent").digest, "copy-source").await.unwrap());
}

async fn copies_between_kinds(on: &Backend) {
    let other = embedded_backend().await;
    let (here, there, image) = (on.open("here"), other.open("there"), image("between"));
    push(&*here, "v1", &image).await;
    let options = CopyOptions::default();
    let report = copy(&*here, "v1", &*there, "v1", &options).await.unwrap();
    let size: u64 = image.blobs.iter().map(|(d, _)| d.size).sum();
    assert_eq!((report.uploaded, report.bytes), (3, size));
    let back = on.open("back");
    copy(&*there, "v1", &*back, "v2", &options).await.unwrap();
    assert_eq!(back.manifest("v2").await.unwrap(), image.manifest);
    let missing = copy(&*there, "absent", &*back, "v3", &options).await.unwrap_err();
    assert_eq!(missing.code(), "image-not-found");
    assert_eq!(back.resolve("v3").await.unwrap(), None);
}

async fn an_index_takes_its_children_along(on: &Backend) {
    let (source, target) = (on.open("index-source"), on.open("index-target"));
    let (amd64, arm64) = (image("amd64"), image("arm64"));
    let index = index_of(&[&amd64, &arm64]);
    source.push_manifest("v1", &index).await.unwrap_err();
    for child in [&amd64, &arm64] {
        push(&*source, child.manifest.digest.as_str(), child).await;
    }
    source.push_manifest("v1", &index).await.unwrap();
    let report = copy(&*source, "v1", &*target, "v1", &CopyOptions::default()).await.unwrap();
    assert_eq!(report.digest, index.digest);
    for child in [&amd64, &arm64] {
        let digest = child.manifest.digest.as_str();
        assert_eq!(target.manifest(digest).await.unwrap(), child.manifest);
        assert_eq!(read(&*target, &child.blobs[0].0).await, child.blobs[0].1);
    }
    assert_eq!(target.tags().await.unwrap(), ["v1"]);
}

async fn tags_move_and_go(on: &Backend) {
    let (repository, old, new) = (on.open("moving"), image("old"), image("new"));
    push(&*repository, "v1", &old).await;
    push(&*repository, "keep", &old).await;
    push(&*repository, "v1", &new).await;
    assert_eq!(repository.resolve("v1").await.unwrap().unwrap().digest, new.manifest.digest);
    let by_digest = repository.resolve(old.manifest.digest.as_str()).await.unwrap();
    assert_eq!(by_digest.unwrap().digest, old.manifest.digest, "what a tag left is still there");

    let moved = repository.untag("v1", &old.manifest.digest).await.unwrap_err();
    assert!(matches!(moved, Error::TagMoved { actual: Some(_), .. }), "{moved}");
    match repository.untag("v1", &new.manifest.digest).await {
        Err(Error::Unsupported { .. }) if on.may_refuse_to_untag() => {}
        other => {
            other.unwrap();
            assert_eq!(repository.resolve("v1").await.unwrap(), None);
        }
    }
    let by_digest = repository.resolve(new.manifest.digest.as_str()).await.unwrap();
    assert!(by_digest.is_some(), "untagging deletes no manifest");

    push(&*repository, "also", &old).await;
    repository.delete_manifest(&old.manifest.digest).await.unwrap();
    for reference in ["keep", "also", old.manifest.digest.as_str()] {
        assert_eq!(repository.resolve(reference).await.unwrap(), None, "{reference}");
    }
    assert!(repository.resolve(new.manifest.digest.as_str()).await.unwrap().is_some());
}

async fn referrers_come_along(on: &Backend) {
    let (source, target, image) = (on.open("signed"), on.open("signed-copy"), image("signed"));
    push(&*source, "v1", &image).await;
    let sbom = referring("sbom", Some(image.manifest.descriptor()));
    push(&*source, sbom.manifest.digest.as_str(), &sbom).await;
    let signature = crate::images::image("signature");
    let tag = format!("sha256-{}.sig", image.manifest.digest.hex());
    push(&*source, &tag, &signature).await;

    let listed = source.referrers(&image.manifest.digest).await.unwrap();
    assert_eq!(listed.len(), 1);
    assert_eq!(listed[0].digest, sbom.manifest.digest);
    assert_eq!(listed[0].artifact_type.as_deref(), Some("application/x-test"));

    copy(&*source, "v1", &*target, "v1", &CopyOptions::default()).await.unwrap();
    assert_eq!(target.referrers(&image.manifest.digest).await.unwrap(), []);
    copy(&*source, "v1", &*target, "v1", &CopyOptions { referrers: true }).await.unwrap();
    let there = target.referrers(&image.manifest.digest).await.unwrap();
    assert_eq!(there.len(), 1);
    assert_eq!(there[0].digest, sbom.manifest.digest);
    assert_eq!(target.resolve(&tag).await.unwrap().unwrap().digest, signature.manifest.digest);
}

async fn repositories_are_listed(on: &Backend) {
    let image = image("listed");
    for name in ["base/debian", "shop/web", "alone"] {
        push(&*on.open(name), "v1", &image).await;
    }
    let Some((registries, host)) = on.registry() else { return };
    assert_eq!(registries.repositories(host, 3).await.unwrap(), ["alone", "base/debian", "shop/web"]);
    assert!(matches!(registries.repositories(host, 2).await, Err(Error::InvalidDocument { .. })));
    assert!(matches!(registries.repositories("nowhere", 2).await, Err(Error::UnknownRegistry(_))));
}
