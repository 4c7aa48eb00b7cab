//! What is an image, and what a fixed image's run is about.

use patchline_registry::{BlobContent, Descriptor, layout, model};
use patchline_remediation::FixPlan;
use patchline_store::Sqlite;
use serde_json::Value;

use super::*;

#[test]
fn signature_tags_are_told_from_versions() {
    let hex = "a".repeat(64);
    for tag in [format!("sha256-{hex}"), format!("sha256-{hex}.sig"), format!("sha256-{hex}.att")] {
        assert!(is_supplement(&tag), "{tag}");
    }
    for tag in ["v1", "sha256-short", "sha256-", "v1.sig", "latest"] {
        assert!(!is_supplement(tag), "{tag}");
    }
}

#[test]
fn only_what_has_a_root_file_system_is_an_image() {
    let kind = |value: serde_json::Value, index: bool| {
        if index {
            ManifestKind::Index(serde_json::from_value(value).unwrap())
        } else {
            ManifestKind::Image(serde_json::from_value(value).unwrap())
        }
    };
    let digest = Digest::of(b"x");
    let descriptor = |media: &str| json!({"mediaType": media, "digest": digest, "size": 1});
    let image = |media: &str| json!({"schemaVersion": 2, "config": descriptor(media), "layers": []});
    assert!(is_image(&kind(image(OCI_CONFIG), false)));
    assert!(!is_image(&kind(image("application/vnd.cncf.helm.config.v1+json"), false)));
    let mut referrer = image(OCI_CONFIG);
    referrer["subject"] = descriptor("application/vnd.oci.image.manifest.v1+json");
    assert!(!is_image(&kind(referrer, false)));
    let entry = |os: &str| {
        let mut entry = descriptor("application/vnd.oci.image.manifest.v1+json");
        entry["platform"] =
            json!({"os": os, "architecture": if os == "unknown" { "unknown" } else { "amd64" }});
        entry
    };
    let index = |entries: Vec<serde_json::Value>| json!({"schemaVersion": 2, "manifests": entries});
    assert!(is_image(&kind(index(vec![entry("linux"), entry("unknown")]), true)));
    assert!(!is_image(&kind(index(vec![entry("unknown")]), true)));
}

fn descriptor(media: &str, bytes: &[u8]) -> Value {
    json!({"mediaType": media, "digest": Digest::of(bytes), "size": bytes.len()})
}

/// Pushes an image of these layers; (diff_id, blob) is one content here.
async fn push(repository: &dyn Repository, layers: &[&str], annotations: Value) -> RawManifest {
    let blob = async |media: &str, bytes: &[u8]| -> Descriptor {
        let descriptor: Descriptor = serde_json::from_value(descriptor(media, bytes)).unwrap();
        repository.push_blob(&descriptor, BlobContent::Bytes(bytes.to_vec().into())).await.unwrap();
        descriptor
    };
    let ids: Vec<Digest> = layers.iter().map(|l| Digest::of(l.as_bytes())).collect();
    let config =
        json!({"os": "linux", "architecture": "amd64", "rootfs": {"type": "layers", "diff_ids": ids}});
    let config = blob(OCI_CONFIG, config.to_string().as_bytes()).await;
    let mut blobs = Vec::new();
    for layer in layers {
        blobs.push(blob(model::OCI_LAYER_GZIP, layer.as_bytes()).await);
    }
    let manifest = json!({"schemaVersion": 2, "mediaType": model::OCI_MANIFEST, "config": config,
        "layers": blobs, "annotations": annotations});
    let raw = RawManifest::new(model::OCI_MANIFEST, manifest.to_string());
    repository.push_manifest(raw.digest.as_str(), &raw).await.unwrap();
    raw
}

/// As a fix of `source`, whose layer is `plain`, writes it.
async fn push_fixed(repository: &dyn Repository, source: &Digest, tag: Option<&str>) -> RawManifest {
    let (plain, patch) = (Digest::of(b"plain"), Digest::of(b"patch"));
    let mut annotations = json!({
        "dev.patchline.source": source, "dev.patchline.patch-layer": patch, "dev.patchline.upgrades": "1",
        "dev.patchline.patch-diff-id": patch, "dev.patchline.source-diff-ids": Digest::of(plain.as_str().as_bytes()),
    });
    if let Some(tag) = tag {
        annotations["dev.patchline.source-tag"] = json!(tag);
    }
    push(repository, &["plain", "patch"], annotations).await
}

fn plan() -> FixPlan {
    FixPlan {
        version: 1,
        upgrades: Vec::new(),
        refused: Vec::new(),
        repositories: Vec::new(),
        advisory_revision: String::new(),
        smoked: Vec::new(),
    }
}

#[tokio::test]
async fn a_fixed_image_that_somebody_pushes_keeps_its_originals_tag() {
    let dir = tempfile::tempdir().unwrap();
    let repository = layout::open(dir.path(), true).unwrap();
    let store = Sqlite::open(&dir.path().join("p.db")).await.unwrap();
    let reference = Reference {
        registry: "main".into(),
        repository: "shop/web".into(),
        tag: Some("v1_fixed".into()),
        digest: None,
    };
    let origin = async |raw: &RawManifest| {
        let subject = describe(&*repository, &store, &reference, raw).await.unwrap();
        assert_eq!(subject.context["tag"], "v1_fixed");
        subject.context["origin"].clone()
    };
    let plain = push(&*repository, &["plain"], json!({})).await;
    assert_eq!(origin(&plain).await, json!({"tag": "v1_fixed", "digest": plain.digest}), "not one of ours");

    let fixed = push_fixed(&*repository, &plain.digest, Some("v1")).await;
    assert_eq!(origin(&fixed).await, json!({"tag": "v1", "digest": plain.digest}));
    let nameless = push_fixed(&*repository, &plain.digest, None).await;
    assert_eq!(origin(&nameless).await, json!({"tag": null, "digest": plain.digest}));

    let index = |children: &[&RawManifest]| {
        let entries: Vec<Descriptor> = children.iter().map(|c| c.descriptor()).collect();
        let index = json!({"schemaVersion": 2, "mediaType": model::OCI_INDEX, "manifests": entries});
        RawManifest::new(model::OCI_INDEX, index.to_string())
    };
    let (before, after) = (index(&[&plain]), index(&[&plain, &fixed]));
    // Nobody recorded it: whoever put a fixed image into an index made another image.
    assert_eq!(origin(&after).await, json!({"tag": "v1_fixed", "digest": after.digest}));
    store.put_fix(&plain.digest, &fixed.digest, &plan()).await.unwrap();
    store.put_fix(&before.digest, &after.digest, &plan()).await.unwrap();
    assert_eq!(origin(&after).await, json!({"tag": "v1", "digest": before.digest}));
    // Recorded, and its lineage is not borne out: a tag that nobody knows is none.
    let bare = index(&[&plain, &nameless]);
    store.put_fix(&before.digest, &bare.digest, &plan()).await.unwrap();
    assert_eq!(origin(&bare).await, json!({"tag": null, "digest": before.digest}));
}
