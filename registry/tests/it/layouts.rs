//! Layout directories that others, or accidents, have written.

use patchline_registry::{Digest, Error, Location, layout};

use crate::{
    images::{image, push},
    servers::registries,
};

#[tokio::test]
async fn a_layout_must_be_one() {
    let dir = tempfile::tempdir().unwrap();
    let missing = dir.path().join("missing");
    assert_eq!(layout::open(&missing, false).err().unwrap().code(), "image-not-found");
    let location: Location = format!("oci:{}:v1", missing.display()).parse().unwrap();
    assert!(registries(&[]).open(&location).is_err());

    let home = dir.path().join("home");
    std::fs::create_dir(&home).unwrap();
    std::fs::write(home.join("letter"), "dear").unwrap();
    assert_eq!(layout::open(&home, true).err().unwrap().code(), "invalid-document");

    std::fs::write(home.join("oci-layout"), r#"{"imageLayoutVersion":"9"}"#).unwrap();
    assert_eq!(layout::open(&home, false).err().unwrap().code(), "invalid-document");
}

#[tokio::test]
async fn damage_is_found_on_reading() {
    let dir = tempfile::tempdir().unwrap();
    let (repository, image) = (layout::open(dir.path(), true).unwrap(), image("damage"));
    push(&*repository, "v1", &image).await;
    let blob = |digest: &Digest| dir.path().join("blobs/sha256").join(digest.hex());

    let (layer, bytes) = &image.blobs[0];
    let mut spoilt = bytes.to_vec();
    spoilt[20] ^= 1;
    std::fs::write(blob(&layer.digest), &spoilt).unwrap();
    let mut reader = repository.blob(layer).await.unwrap();
    let broken = tokio::io::copy(&mut reader, &mut tokio::io::sink()).await.unwrap_err();
    assert_eq!(broken.downcast::<Error>().unwrap().code(), "digest-mismatch");
    std::fs::write(blob(&layer.digest), &bytes[..20]).unwrap();
    assert_eq!(repository.blob(layer).await.err().unwrap().code(), "size-mismatch");

    let mut spoilt = image.manifest.bytes.to_vec();
    let last = spoilt.len() - 1;
    spoilt[last] = b' ';
    std::fs::write(blob(&image.manifest.digest), spoilt).unwrap();
    assert_eq!(repository.manifest("v1").await.unwrap_err().code(), "digest-mismatch");

    std::fs::write(dir.path().join("index.json"), r#"{"schemaVersion":2,"manifests":[{"digest":"x"}]}"#)
        .unwrap();
    assert_eq!(repository.manifest("v1").await.unwrap_err().code(), "invalid-document");
}

#[tokio::test]
async fn what_other_tools_wrote_stays() {
    let dir = tempfile::tempdir().unwrap();
    let repository = layout::open(dir.path(), true).unwrap();
    let index = r#"{"schemaVersion":2,"x-kept":1,"annotations":{"a":"b"},"manifests":[]}"#;
    std::fs::write(dir.path().join("index.json"), index).unwrap();
    push(&*repository, "v1", &image("kept")).await;
    let after: serde_json::Value =
        serde_json::from_slice(&std::fs::read(dir.path().join("index.json")).unwrap()).unwrap();
    assert_eq!(after["x-kept"], 1);
    assert_eq!(after["annotations"]["a"], "b");
    assert_eq!(after["manifests"][0]["annotations"]["org.opencontainers.image.ref.name"], "v1");
}

#[tokio::test]
async fn the_only_image_needs_no_tag_and_two_do() {
    let dir = tempfile::tempdir().unwrap();
    let repository = layout::open(dir.path(), true).unwrap();
    assert_eq!(repository.resolve("").await.unwrap(), None);
    let (one, two) = (image("one"), image("two"));
    push(&*repository, "", &one).await;
    assert_eq!(repository.manifest("").await.unwrap(), one.manifest);
    push(&*repository, "b", &two).await;
    assert_eq!(repository.manifest("").await.unwrap(), two.manifest, "the one that has a tag");
    push(&*repository, "a", &one).await;
    assert_eq!(repository.manifest("").await.unwrap_err().code(), "invalid-document");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn many_writers_lose_nothing() {
    let dir = tempfile::tempdir().unwrap();
    layout::open(dir.path(), true).unwrap();
    let writers = (0..8).map(|n| {
        // Each its own handle, as another process would have.
        let repository = layout::open(dir.path(), false).unwrap();
        tokio::spawn(
            async move { push(&*repository, &format!("t{n}"), &image(&format!("writer {n}"))).await },
        )
    });
    for writer in writers.collect::<Vec<_>>() {
        writer.await.unwrap();
    }
    assert_eq!(layout::open(dir.path(), false).unwrap().tags().await.unwrap().len(), 8);
}
