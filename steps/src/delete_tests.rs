//! Backup and delete over a real registry.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use axum::{
    body::Body,
    extract::Request,
    http::{Method, StatusCode},
    middleware::{Next, from_fn},
    response::IntoResponse as _,
};
use patchline_chains::StepKind as _;
use patchline_engine::{Outcome, Step, StepError, StepStatus};
use patchline_registry::Digest;
use serde_json::{Value, json};

use crate::{
    backup::{self, Backup},
    delete::{self, Delete},
    fits::misfits,
    testing::Bench,
};

async fn backup(bench: &Bench, digest: &Digest, to: &str) -> Result<Value, StepError> {
    let context = bench.context(("shop/web", Some("v1"), digest), json!({"to": to}), &[]);
    match Backup::new(bench.world.clone()).run(context).await? {
        Outcome::Succeeded { output, .. } => {
            assert_eq!(misfits(&backup::Kind.outputs(), &output), [""; 0]);
            Ok(output)
        }
        other => panic!("{other:?}"),
    }
}

async fn delete(bench: &Bench, digest: &Digest, with: Value, made: Option<&Value>) -> Result<(), String> {
    let steps: Vec<_> =
        made.map(|m| ("keep", "backup", StepStatus::Succeeded, m.clone())).into_iter().collect();
    let context = bench.context(("shop/web", Some("v1"), digest), with, &steps);
    let ended = Delete::new(bench.world.clone()).run(context).await;
    if let Ok(Outcome::Succeeded { output, .. }) = &ended {
        assert_eq!(misfits(&delete::Kind.outputs(), output), [""; 0]);
    }
    ended.map(|_| ()).map_err(|e| e.code)
}

async fn present(bench: &Bench, repository: &str, reference: &str) -> bool {
    bench.repository(repository).resolve(reference).await.expect("an answer").is_some()
}

#[tokio::test]
async fn a_backup_is_whole_apart_and_made_once() {
    let bench = Bench::start().await;
    let image = bench.push("shop/web", "v1", "one").await;
    let index = bench.push_index("shop/web", "v1", &image).await;
    let made = backup(&bench, &index, "vault/shop/web").await.expect("a backup");
    let tag = format!("backup-{}", index.hex());
    assert_eq!((made["verified"].as_bool(), made["tag"].as_str()), (Some(true), Some(tag.as_str())));
    assert!(present(&bench, "vault/shop/web", &tag).await);
    assert!(present(&bench, "vault/shop/web", image.as_str()).await);
    let target = format!("main/vault/shop/web:{tag}@{index}");
    assert_eq!(made["reference"], target);
    assert_eq!(made["summary"], format!("main/vault/shop/web@{index}"));
    let own = patchline_engine::step::EffectLog::intended(&*bench.memory, "push", &target).await;
    assert!(own.expect("an answer"), "its event starts no chain");
    assert_eq!(backup(&bench, &index, "main/vault/shop/web").await.expect("again"), made);
    for (to, code) in [
        ("shop/web", "backup-not-apart"),
        ("main/shop/web", "backup-not-apart"),
        ("vault/shop/web:tag", "invalid-reference"),
        ("../x", "invalid-reference"),
    ] {
        assert_eq!(backup(&bench, &index, to).await.expect_err(to).code, code, "{to}");
    }
    let absent = Digest::of(b"absent");
    assert_eq!(backup(&bench, &absent, "vault/x").await.expect_err("not there").code, "image-not-found");
}

#[tokio::test]
async fn a_tag_goes_only_after_a_backup_that_is_still_there() {
    let bench = Bench::start().await;
    let image = bench.push("shop/web", "v1", "one").await;
    let none = "delete-without-backup".to_owned();
    assert_eq!(delete(&bench, &image, json!({}), None).await, Err(none.clone()));
    let made = backup(&bench, &image, "vault/web").await.expect("a backup");
    let mut other = made.clone();
    other["digest"] = json!(Digest::of(b"other"));
    assert_eq!(delete(&bench, &image, json!({}), Some(&other)).await, Err(none));
    let vault = bench.repository("vault/web");
    vault.delete_manifest(&image).await.expect("somebody takes the backup away");
    assert_eq!(delete(&bench, &image, json!({}), Some(&made)).await, Err("backup-broken".to_owned()));
    assert!(present(&bench, "shop/web", "v1").await, "nothing was done");
    let made = backup(&bench, &image, "vault/web").await.expect("a backup");
    assert_eq!(delete(&bench, &image, json!({}), Some(&made)).await, Ok(()));
    assert!(!present(&bench, "shop/web", "v1").await);
    assert!(present(&bench, "shop/web", image.as_str()).await, "the manifest stays");
    // A second attempt after a crash finds the intent, and the tag gone.
    assert_eq!(delete(&bench, &image, json!({}), Some(&made)).await, Ok(()));
}

#[tokio::test]
async fn a_tag_that_moved_stays() {
    let bench = Bench::start().await;
    let image = bench.push("shop/web", "v1", "one").await;
    let newer = bench.push("shop/web", "v1", "two").await;
    for mode in ["untag", "manifest"] {
        let with = json!({"mode": mode, "irreversible": true});
        assert_eq!(delete(&bench, &image, with, None).await, Err("tag-moved".to_owned()), "{mode}");
    }
    assert!(present(&bench, "shop/web", newer.as_str()).await);
}

#[tokio::test]
async fn a_manifest_stays_while_something_else_needs_it() {
    let bench = Bench::start().await;
    let image = bench.push("shop/web", "v1", "one").await;
    let with = || json!({"mode": "manifest", "irreversible": true});
    bench.push("shop/web", "stable", "one").await;
    assert_eq!(delete(&bench, &image, with(), None).await, Err("digest-tagged-elsewhere".to_owned()));
    bench.repository("shop/web").untag("stable", &image).await.expect("untagged");
    let index = bench.push_index("shop/web", "all", &image).await;
    assert_eq!(delete(&bench, &image, with(), None).await, Err("digest-in-index".to_owned()));
    bench.repository("shop/web").delete_manifest(&index).await.expect("deleted");
    assert_eq!(delete(&bench, &image, with(), None).await, Ok(()));
    assert!(!present(&bench, "shop/web", image.as_str()).await);
    assert_eq!(delete(&bench, &image, with(), None).await, Ok(()), "again after a crash");
}

#[tokio::test]
async fn nothing_goes_beside_a_fix_or_from_a_schedule() {
    let bench = Bench::start().await;
    let image = bench.push("shop/web", "v1", "one").await;
    let with = json!({"irreversible": true});
    for (status, refused) in [
        (StepStatus::Leased, true),
        (StepStatus::Waiting, true),
        (StepStatus::Failed, true),
        (StepStatus::Denied, true),
        (StepStatus::Skipped, false),
        (StepStatus::Succeeded, false),
    ] {
        bench.push("shop/web", "v1", "one").await;
        let steps = [("fix", "fix", status, json!({}))];
        let context = bench.context(("shop/web", Some("v1"), &image), with.clone(), &steps);
        let result = Delete::new(bench.world.clone()).run(context).await;
        assert_eq!(
            result.map(|_| ()).map_err(|e| e.code).err().as_deref(),
            refused.then_some("delete-beside-fix")
        );
    }
    for kind in ["schedule", "advisories"] {
        bench.push("shop/web", "v1", "one").await;
        let context = bench.context(("shop/web", Some("v1"), &image), with.clone(), &[]);
        let triggered = |trigger: serde_json::Value| {
            let mut names = serde_json::Value::clone(&context.names);
            names["trigger"] = trigger;
            patchline_engine::Context { names: names.into(), ..context.clone() }
        };
        let step = Delete::new(bench.world.clone());
        let child = triggered(json!({"kind": "child", "source": kind}));
        let mut context = triggered(json!({"kind": kind, "source": "test"}));
        assert_eq!(step.run(child).await.expect_err("refused").code, "delete-deployed");
        assert_eq!(step.run(context.clone()).await.expect_err("refused").code, "delete-deployed");
        context.with = json!({"irreversible": true, "allow_deployed": true});
        step.run(context).await.expect("allowed");
    }
}

/// How the stand-in treats manifests that are put.
#[derive(Default)]
struct Puts {
    refused: AtomicBool,
    slowed_ms: AtomicU64,
}

/// A registry that, asked for a tag, removes the manifest with every tag on it.
async fn taking_the_manifest_along() -> (Bench, Arc<Puts>) {
    let puts = Arc::new(Puts::default());
    let shared = puts.clone();
    let between = move |mut request: Request, next: Next| {
        let puts = shared.clone();
        async move {
            let path = request.uri().path().to_owned();
            let Some((before, reference)) = path.rsplit_once("/manifests/") else {
                return next.run(request).await;
            };
            if request.method() == Method::PUT {
                tokio::time::sleep(Duration::from_millis(puts.slowed_ms.load(Ordering::SeqCst))).await;
                if puts.refused.load(Ordering::SeqCst) {
                    return StatusCode::FORBIDDEN.into_response();
                }
            }
            if request.method() == Method::DELETE && !reference.contains(':') {
                let head = Request::builder().method(Method::HEAD).uri(&path).body(Body::empty());
                let found = next.clone().run(head.expect("a request")).await;
                let Some(digest) = found.headers().get("docker-content-digest") else { return found };
                let digest = digest.to_str().expect("a digest");
                *request.uri_mut() = format!("{before}/manifests/{digest}").parse().expect("a path");
            }
            next.run(request).await
        }
    };
    // Before the routes are matched: what is rewritten is routed anew.
    let behind =
        |router| axum::Router::new().fallback_service::<axum::Router>(router).layer(from_fn(between));
    (Bench::start_behind(behind).await, puts)
}

#[tokio::test]
async fn what_a_cut_off_attempt_left_out_is_put_back_by_the_next() {
    let (bench, puts) = taking_the_manifest_along().await;
    let image = bench.push("shop/web", "v1", "one").await;
    bench.push("shop/web", "stable", "one").await;
    puts.refused.store(true, Ordering::SeqCst);
    let with = || json!({"irreversible": true});
    assert_eq!(delete(&bench, &image, with(), None).await, Err("registry-denied".to_owned()));
    assert!(!present(&bench, "shop/web", image.as_str()).await, "the stand-in took it along");
    puts.refused.store(false, Ordering::SeqCst);
    assert_eq!(delete(&bench, &image, with(), None).await, Ok(()));
    for (reference, stands) in [(image.as_str(), true), ("stable", true), ("v1", false)] {
        assert_eq!(present(&bench, "shop/web", reference).await, stands, "{reference}");
    }
    for target in [format!("main/shop/web@{image}"), format!("main/shop/web:stable@{image}")] {
        let own = patchline_engine::step::EffectLog::intended(&*bench.memory, "push", &target).await;
        assert!(own.expect("an answer"), "the event of {target} starts no chain");
    }
    // What goes after it was done is nobody's to bring back.
    bench.repository("shop/web").delete_manifest(&image).await.expect("deleted");
    assert_eq!(delete(&bench, &image, with(), None).await, Ok(()));
    assert!(!present(&bench, "shop/web", image.as_str()).await);
}

#[tokio::test]
async fn a_time_limit_does_not_fall_between_a_removal_and_what_is_put_back() {
    let (bench, puts) = taking_the_manifest_along().await;
    let image = bench.push("shop/web", "v1", "one").await;
    bench.push("shop/web", "stable", "one").await;
    puts.slowed_ms.store(2000, Ordering::SeqCst);
    let cut = delete(&bench, &image, json!({"irreversible": true}), None);
    tokio::time::timeout(Duration::from_millis(1000), cut).await.expect_err("cut off");
    assert!(!present(&bench, "shop/web", "v1").await, "it was cut after the removal");
    for _ in 0..100 {
        if present(&bench, "shop/web", "stable").await {
            break;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    assert!(present(&bench, "shop/web", "stable").await, "it went on by itself");
    assert!(present(&bench, "shop/web", image.as_str()).await);
}
