//! Backup and delete over a real registry.

use patchline_engine::{Outcome, Step, StepError, StepStatus};
use patchline_registry::Digest;
use serde_json::{Value, json};

use crate::{backup::Backup, delete::Delete, testing::Bench};

async fn backup(bench: &Bench, digest: &Digest, to: &str) -> Result<Value, StepError> {
    let context = bench.context(("shop/web", Some("v1"), digest), json!({"to": to}), &[]);
    match Backup::new(bench.world.clone()).run(context).await? {
        Outcome::Succeeded { output, .. } => Ok(output),
        other => panic!("{other:?}"),
    }
}

async fn delete(bench: &Bench, digest: &Digest, with: Value, made: Option<&Value>) -> Result<(), String> {
    let steps: Vec<_> =
        made.map(|m| ("keep", "backup", StepStatus::Succeeded, m.clone())).into_iter().collect();
    let context = bench.context(("shop/web", Some("v1"), digest), with, &steps);
    Delete::new(bench.world.clone()).run(context).await.map(|_| ()).map_err(|e| e.code)
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
        let mut context = bench.context(("shop/web", Some("v1"), &image), with.clone(), &[]);
        context.names["trigger"]["kind"] = json!(kind);
        let step = Delete::new(bench.world.clone());
        let mut child = context.clone();
        child.names["trigger"] = json!({"kind": "child", "source": kind});
        assert_eq!(step.run(child).await.expect_err("refused").code, "delete-deployed");
        assert_eq!(step.run(context.clone()).await.expect_err("refused").code, "delete-deployed");
        context.with = json!({"irreversible": true, "allow_deployed": true});
        step.run(context).await.expect("allowed");
    }
}
