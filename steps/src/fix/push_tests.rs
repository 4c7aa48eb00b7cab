//! Whose tag a fix may move.

use patchline_registry::{
    BlobContent, Descriptor, Digest, RawManifest,
    model::{OCI_CONFIG, OCI_LAYER_GZIP, OCI_MANIFEST},
};
use patchline_remediation::{FixPlan, fix::Fixes as _};
use serde_json::{Value, json};

use super::{attest::Asked, push::Push};
use crate::{image::Image, testing::Bench};

/// Pushes an image of these layers under a tag; with `annotations` as a fix leaves them.
async fn push(bench: &Bench, tag: &str, layers: &[&str], annotations: Value) -> Digest {
    let repository = bench.repository("shop/web");
    let blob = async |media: &str, bytes: Vec<u8>| {
        let described = json!({"mediaType": media, "digest": Digest::of(&bytes), "size": bytes.len()});
        let descriptor: Descriptor = serde_json::from_value(described).expect("a descriptor");
        repository.push_blob(&descriptor, BlobContent::Bytes(bytes.into())).await.expect("a blob");
        descriptor
    };
    let ids: Vec<Digest> = layers.iter().map(|l| Digest::of(l.as_bytes())).collect();
    let config =
        json!({"os": "linux", "architecture": "amd64", "rootfs": {"type": "layers", "diff_ids": ids}});
    let config = blob(OCI_CONFIG, config.to_string().into_bytes()).await;
    let mut described = Vec::new();
    for layer in layers {
        described.push(blob(OCI_LAYER_GZIP, layer.as_bytes().to_vec()).await);
    }
    let manifest = json!({
        "schemaVersion": 2, "mediaType": OCI_MANIFEST, "config": config, "layers": described,
        "annotations": annotations,
    });
    let raw = RawManifest::new(OCI_MANIFEST, manifest.to_string());
    repository.push_manifest(tag, &raw).await.expect("a manifest");
    raw.digest
}

/// What a fix writes into the manifest of `source`'s fixed image, whose layers are `base` and `patch`.
fn lineage(source: &Digest, tag: &str) -> Value {
    let id = |layer: &str| Digest::of(layer.as_bytes());
    json!({
        "dev.patchline.source": source, "dev.patchline.patch-layer": id("patch"),
        "dev.patchline.source-tag": tag, "dev.patchline.upgrades": "1",
        "dev.patchline.patch-diff-id": id("patch"),
        "dev.patchline.source-diff-ids": id(id("base").as_str()),
    })
}

async fn may_take(bench: &Bench, digest: &Digest) -> Result<bool, String> {
    let context = bench.context(("shop/web", Some("v1"), digest), json!({}), &[]);
    let image = Image::of(&context).expect("an image");
    let place = image.place(&bench.world.registries);
    let params = crate::params::read(&context.with).expect("parameters");
    let attest = Asked::read(&bench.world, &params, &context.with).expect("nothing");
    let push = Push { world: &bench.world, context: &context, image: &image, place: &place, attest };
    push.may_take(&*bench.repository("shop/web"), "v1_fixed", None).await.map_err(|e| e.code)
}

fn plan() -> FixPlan {
    FixPlan {
        version: 1,
        upgrades: Vec::new(),
        refused: Vec::new(),
        repositories: Vec::new(),
        advisory_revision: "r1".into(),
        smoked: Vec::new(),
    }
}

#[tokio::test]
async fn a_tag_that_was_built_anew_gets_its_fix_again() {
    let bench = Bench::start().await;
    let taken = Err("fixed-tag-taken".to_owned());
    let first = push(&bench, "v1", &["base"], json!({})).await;
    assert_eq!(may_take(&bench, &first).await, Ok(false), "free");
    let fixed = push(&bench, "v1_fixed", &["base", "patch"], lineage(&first, "v1")).await;
    assert_eq!(may_take(&bench, &first).await, taken, "annotations alone are anybody's");
    bench.memory.put_fix(&first, &fixed, &plan()).await.expect("kept");
    assert_eq!(may_take(&bench, &first).await, Ok(true), "ours, of this very image");

    let second = push(&bench, "v1", &["rebuilt"], json!({})).await;
    assert_eq!(may_take(&bench, &second).await, Ok(true), "ours, of what the tag held before");
    assert_eq!(may_take(&bench, &Digest::of(b"older")).await, taken, "the tag has moved beyond this image");
}

#[tokio::test]
async fn a_fix_of_another_tag_stays() {
    let bench = Bench::start().await;
    let other = push(&bench, "stable", &["base"], json!({})).await;
    let image = push(&bench, "v1", &["rebuilt"], json!({})).await;
    let fixed = push(&bench, "v1_fixed", &["base", "patch"], lineage(&other, "stable")).await;
    bench.memory.put_fix(&other, &fixed, &plan()).await.expect("kept");
    assert_eq!(may_take(&bench, &image).await, Err("fixed-tag-taken".to_owned()));
}

async fn stands(bench: &Bench, digest: &Digest) -> Result<(), String> {
    let context = bench.context(("shop/web", Some("v1"), digest), json!({}), &[]);
    let image = Image::of(&context).expect("an image");
    let place = image.place(&bench.world.registries);
    let params = crate::params::read(&context.with).expect("parameters");
    let attest = Asked::read(&bench.world, &params, &context.with).expect("nothing");
    let push = Push { world: &bench.world, context: &context, image: &image, place: &place, attest };
    push.stands(&*bench.repository("shop/web")).await.map_err(|e| e.code)
}

#[tokio::test]
async fn nothing_is_pushed_once_the_tag_has_moved() {
    let bench = Bench::start().await;
    let first = push(&bench, "v1", &["base"], json!({})).await;
    assert_eq!(stands(&bench, &first).await, Ok(()));
    push(&bench, "v1", &["rebuilt"], json!({})).await;
    assert_eq!(stands(&bench, &first).await, Err("tag-moved".to_owned()));
    let other = push(&bench, "v2", &["other"], json!({})).await;
    assert_eq!(stands(&bench, &other).await, Err("tag-moved".to_owned()), "v1 is another image");
}
