//! Promotion over a real registry.

use patchline_engine::{Context, step::EffectLog};
use patchline_registry::{RawManifest, model::OCI_MANIFEST};
use serde_json::Value;

use super::*;
use crate::testing::Bench;

fn context(bench: &Bench, tag: Option<&str>, digest: &Digest, with: Value) -> Context {
    bench.context(("shop/web", tag, digest), with, &[])
}

async fn promote(bench: &Bench, digest: &Digest, with: Value) -> Result<Value, String> {
    match Replicate::new(bench.world.clone()).run(context(bench, Some("v1"), digest, with)).await {
        Ok(Outcome::Succeeded { output, .. }) => Ok(output),
        Ok(other) => panic!("{other:?}"),
        Err(error) => Err(error.code),
    }
}

async fn at(bench: &Bench, repository: &str, reference: &str) -> Option<Digest> {
    bench.repository(repository).resolve(reference).await.expect("an answer").map(|d| d.digest)
}

/// A signature, as a referrer of the image or index.
async fn sign(bench: &Bench, digest: &Digest) -> Digest {
    let repository = bench.repository("shop/web");
    let subject = repository.manifest(digest.as_str()).await.expect("the image").descriptor();
    let empty = bench.blob("shop/web", "application/vnd.oci.empty.v1+json", b"{}".to_vec()).await;
    let signature = json!({"schemaVersion": 2, "mediaType": OCI_MANIFEST, "artifactType": "application/x.signature",
        "config": empty, "layers": [empty], "subject": subject});
    let raw = RawManifest::new(OCI_MANIFEST, signature.to_string());
    repository.push_manifest(raw.digest.as_str(), &raw).await.expect("a signature");
    raw.digest
}

#[tokio::test]
async fn the_whole_image_arrives_under_its_tag_and_twice_is_once() {
    let bench = Bench::start().await;
    let image = bench.push("shop/web", "v1", "one").await;
    let signature = sign(&bench, &image).await;
    let index = bench.push_index("shop/web", "v1", &image).await;
    let signed = sign(&bench, &index).await;
    let made = promote(&bench, &index, json!({"to": "prod/web"})).await.expect("promoted");
    assert_eq!(at(&bench, "prod/web", "v1").await, Some(index.clone()));
    for digest in [&image, &signature, &signed] {
        assert!(at(&bench, "prod/web", digest.as_str()).await.is_some(), "{digest}");
    }
    let target = format!("main/prod/web:v1@{index}");
    assert_eq!((&made["reference"], &made["verified"]), (&json!(target), &json!(true)));
    assert_eq!((&made["summary"], made.get("replaced")), (&json!("main/prod/web:v1"), None));
    assert!(crate::fits::misfits(&Kind.outputs(), &made).is_empty(), "{made}");
    let again = promote(&bench, &index, json!({"to": "main/prod/web:v1"})).await.expect("again");
    assert_eq!(again["reference"], made["reference"]);
    let intents = bench.memory.of_target("copy", &target).await.expect("intents");
    assert_eq!((intents[0].done, &intents[0].detail), (true, &json!({"from": ["web"]})));
    assert!(!bench.memory.intended("push", &target).await.expect("an answer"), "its event may start chains");
}

#[tokio::test]
async fn a_tag_that_is_taken_stays_unless_it_may_move() {
    let bench = Bench::start().await;
    let image = bench.push("shop/web", "v1", "one").await;
    let other = bench.push("prod/web", "stable", "two").await;
    let to = || json!({"to": "prod/web:stable"});
    assert_eq!(promote(&bench, &image, to()).await, Err("replica-tag-taken".to_owned()));
    assert_eq!(at(&bench, "prod/web", "stable").await, Some(other.clone()), "nothing was done");
    assert_eq!(at(&bench, "prod/web", image.as_str()).await, None, "nor sent");
    let mut with = to();
    with["when_taken"] = json!("move");
    let made = promote(&bench, &image, with).await.expect("moved");
    assert_eq!(
        (at(&bench, "prod/web", "stable").await, &made["replaced"]),
        (Some(image.clone()), &json!(other))
    );
    // What is there already is no reason to refuse.
    assert_eq!(promote(&bench, &image, to()).await.expect("there already").get("replaced"), None);
}

#[tokio::test]
async fn a_tag_that_moves_while_the_copy_is_made_stays() {
    let bench = Bench::start().await;
    let image = bench.push("shop/web", "v1", "one").await;
    let before = bench.push("prod/web", "stable", "two").await;
    let (source, target) = (bench.repository("shop/web"), bench.repository("prod/web"));
    copy(&*source, image.as_str(), &*target, image.as_str(), &CopyOptions::default())
        .await
        .expect("by digest");
    let later = bench.push("prod/web", "stable", "three").await;
    for rule in [WhenTaken::Move, WhenTaken::Refuse] {
        let taken = Taken { tag: "stable", digest: &image, rule };
        let code = taken.write(&*source, &*target, Some(&before)).await.expect_err("it moved").code;
        assert_eq!(code, if rule == WhenTaken::Move { "tag-moved" } else { "replica-tag-taken" });
        let free = taken.write(&*source, &*target, None).await.expect_err("it was free").code;
        assert_eq!(free, "replica-tag-taken");
    }
    assert_eq!(at(&bench, "prod/web", "stable").await, Some(later));
}

#[tokio::test]
async fn where_it_may_go() {
    let bench = Bench::start().await;
    let image = bench.push("shop/web", "v1", "one").await;
    for (to, code) in [
        ("shop/web", "replica-not-apart"),
        ("main/shop/web:v1", "replica-not-apart"),
        ("prod/web:", "invalid-reference"),
        ("prod/web:-x", "invalid-reference"),
        ("prod/web:a:b", "invalid-reference"),
        ("prod/web@sha256:00", "invalid-reference"),
        ("../x", "invalid-reference"),
        ("", "invalid-reference"),
        ("nowhere.invalid:1/web", "unknown-registry"),
    ] {
        let failed = promote(&bench, &image, json!({ "to": to })).await.expect_err(to);
        assert!(
            failed == code || (code == "unknown-registry" && failed == "registry-unreachable"),
            "{to}: {failed}"
        );
    }
    // Another tag of the same repository is a promotion, too.
    promote(&bench, &image, json!({"to": "shop/web:stable"})).await.expect("tagged");
    assert_eq!(at(&bench, "shop/web", "stable").await, Some(image.clone()));
    let untagged = context(&bench, None, &image, json!({"to": "prod/web"}));
    let error = Replicate::new(bench.world.clone()).run(untagged).await.expect_err("no tag");
    assert_eq!(error.code, "replica-without-tag");
}

#[tokio::test]
async fn a_copy_of_a_copy_names_all_its_chains() {
    let bench = Bench::start().await;
    let image = bench.push("shop/web", "v1", "one").await;
    let mut first = context(&bench, Some("v1"), &image, json!({"to": "stage/web"}));
    first.chain = "stage".into();
    let step = Replicate::new(bench.world.clone());
    step.run(first).await.expect("promoted");
    let mut second = bench.context(("stage/web", Some("v1"), &image), json!({"to": "prod/web"}), &[]);
    second.chain = "prod".into();
    second.subject.identity = format!("main/stage/web:v1@{image}");
    step.run(second).await.expect("promoted");
    let intents =
        bench.memory.of_target("copy", &format!("main/prod/web:v1@{image}")).await.expect("intents");
    assert_eq!(intents[0].detail, json!({"from": ["prod", "stage"]}));
}

#[test]
fn a_dry_run_names_what_would_be_written() {
    let effects = |to: &str, tag: Value| {
        let (with, image) = (json!({ "to": to }), json!({ "tag": tag }));
        Kind.effects(&Rehearsed { name: "it", with: &with, image: &image }).remove(0).target
    };
    assert_eq!(effects("prod/web", json!("v1")), "prod/web:v1");
    assert_eq!(effects("host:5000/web", json!("v1")), "host:5000/web:v1");
    assert_eq!(effects("prod/web:stable", json!("v1")), "prod/web:stable");
    assert_eq!(effects("prod/web", json!(null)), "prod/web");
}
