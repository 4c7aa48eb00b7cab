use std::path::PathBuf;

use patchline_registry::{BlobContent, layout, model};

use super::*;

async fn put(repository: &dyn Repository, config: &[u8], manifest: &RawManifest) {
    let descriptor = manifest.image().unwrap().config;
    repository.push_blob(&descriptor, BlobContent::Bytes(config.to_vec().into())).await.unwrap();
    repository.push_manifest(manifest.digest.as_str(), manifest).await.unwrap();
}

fn descriptor(media_type: &str, bytes: &[u8]) -> Value {
    json!({"mediaType": media_type, "digest": Digest::of(bytes), "size": bytes.len()})
}

async fn original(repository: &dyn Repository, media_type: &str, layer_type: &str) -> Image {
    let layer = b"layer";
    let blob: Descriptor = serde_json::from_value(descriptor(layer_type, layer)).unwrap();
    repository.push_blob(&blob, BlobContent::Bytes(layer.to_vec().into())).await.unwrap();
    let config = json!({
        "created": "2024-01-01T00:00:00Z", "architecture": "amd64", "os": "linux", "x-vendor": {"kept": true},
        "rootfs": {"type": "layers", "diff_ids": [Digest::of(b"plain")]}, "history": [{"created_by": "x"}],
    });
    let config = serde_json::to_vec(&config).unwrap();
    let manifest = json!({
        "schemaVersion": 2, "mediaType": media_type, "layers": [blob],
        "config": descriptor(model::OCI_CONFIG, &config), "annotations": {"org.opencontainers.image.base.name": "b"},
    });
    let manifest = RawManifest::new(media_type, serde_json::to_vec(&manifest).unwrap());
    put(repository, &config, &manifest).await;
    open(repository, manifest.digest.as_str()).await.unwrap()
}

async fn fixed(repository: &dyn Repository, origin: &Image) -> Image {
    let patch = b"patch";
    let layer = Written {
        path: PathBuf::new(),
        digest: Digest::of(patch),
        size: 5,
        diff_id: Digest::of(b"patch, plain"),
    };
    let lineage = Lineage {
        source: origin.raw.digest.clone(),
        patch_layer: layer.digest.clone(),
        source_tag: Some("1".into()),
        upgrades: 3,
    };
    let (documents, blob) = extend(origin, &layer, &lineage).unwrap();
    repository.push_blob(&blob, BlobContent::Bytes(patch.to_vec().into())).await.unwrap();
    put(repository, &documents.config, &documents.manifest).await;
    open(repository, documents.manifest.digest.as_str()).await.unwrap()
}

#[tokio::test]
async fn a_fixed_image_knows_its_original_and_gives_it_back() {
    let folder = tempfile::tempdir().unwrap();
    let repository = layout::open(folder.path(), true).unwrap();
    let origin = original(&*repository, model::OCI_MANIFEST, model::OCI_LAYER_GZIP).await;
    let fixed = fixed(&*repository, &origin).await;
    assert_eq!(fixed.manifest.layers[..1], origin.manifest.layers[..]);
    assert_eq!(fixed.config.get("x-vendor"), origin.config.get("x-vendor"), "what we do not know stays");
    assert_eq!(fixed.config.pointer("/history/1/created"), origin.config.get("created"));
    assert_eq!(fixed.manifest.annotations["org.opencontainers.image.base.name"], "b");
    let said = read(&*repository, &fixed.raw.digest, None).await.unwrap().unwrap();
    assert_eq!(
        (said.source, said.upgrades, said.source_tag.as_deref()),
        (origin.raw.digest.clone(), 3, Some("1"))
    );
    assert_eq!(read(&*repository, &origin.raw.digest, None).await.unwrap(), None);
    let back = strip(&fixed).unwrap();
    assert_eq!(back.manifest.digest, origin.raw.digest, "byte for byte");
    // The original gone: the image's own lower layers stand for it, when our own record says that it was there.
    let source = origin.raw.digest;
    repository.delete_manifest(&source).await.unwrap();
    let digest = &fixed.raw.digest;
    assert!(read(&*repository, digest, Some(&source)).await.unwrap().is_some());
    assert_eq!(read(&*repository, digest, None).await.unwrap(), None);
    assert_eq!(read(&*repository, digest, Some(&Digest::of(b"another"))).await.unwrap(), None);
}

#[tokio::test]
async fn a_lineage_that_the_layers_do_not_bear_out_is_not_believed() {
    let folder = tempfile::tempdir().unwrap();
    let repository = layout::open(folder.path(), true).unwrap();
    let origin = original(&*repository, model::OCI_MANIFEST, model::OCI_LAYER_GZIP).await;
    let fixed = fixed(&*repository, &origin).await;
    let lies: &[(&str, Value)] = &[
        ("source-diff-ids", json!(Digest::of(b"others"))),
        ("patch-diff-id", json!(Digest::of(b"others"))),
        ("patch-layer", json!(Digest::of(b"others"))),
        ("source", json!(fixed.raw.digest)),
        ("upgrades", json!("many")),
    ];
    for (key, lie) in lies {
        let mut manifest: Value = serde_json::from_slice(&fixed.raw.bytes).unwrap();
        manifest["annotations"][format!("{PREFIX}{key}")] = lie.clone();
        let raw = RawManifest::new(model::OCI_MANIFEST, serde_json::to_vec(&manifest).unwrap());
        repository.push_manifest(raw.digest.as_str(), &raw).await.unwrap();
        assert_eq!(read(&*repository, &raw.digest, None).await.unwrap(), None, "{key}");
    }
}

#[tokio::test]
async fn dockers_media_types_stay_dockers() {
    let folder = tempfile::tempdir().unwrap();
    let repository = layout::open(folder.path(), true).unwrap();
    let origin = original(&*repository, model::DOCKER_MANIFEST, model::DOCKER_LAYER_GZIP).await;
    let fixed = fixed(&*repository, &origin).await;
    assert_eq!(fixed.raw.media_type, model::DOCKER_MANIFEST);
    assert_eq!(fixed.manifest.layers[1].media_type, model::DOCKER_LAYER_GZIP);
}
