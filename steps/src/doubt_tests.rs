//! What stays in doubt when a registry refuses, breaks, or does and does not say so.

use std::sync::{Arc, Mutex};

use axum::{
    extract::Request,
    http::{Method, StatusCode},
    middleware::{Next, from_fn},
    response::IntoResponse as _,
};
use patchline_engine::{Step, StepError};
use patchline_registry::Digest;
use serde_json::json;

use crate::{backup::Backup, delete::Delete, replicate::Replicate, testing::Bench};

/// What to answer to requests of a method whose path holds a text, and whether the registry hears of them.
type Rule = Option<(Method, &'static str, StatusCode, bool)>;

async fn bench() -> (Bench, Arc<Mutex<Rule>>) {
    let rule: Arc<Mutex<Rule>> = Arc::default();
    let kept = rule.clone();
    let behind = move |router: axum::Router| {
        router.layer(from_fn(move |request: Request, next: Next| {
            let rule = kept.lock().expect("lock").clone();
            async move {
                match rule
                    .filter(|(m, path, ..)| *m == request.method() && request.uri().path().contains(path))
                {
                    None => next.run(request).await,
                    Some((.., status, heard)) => {
                        if heard {
                            drop(next.run(request).await);
                        }
                        status.into_response()
                    }
                }
            }
        }))
    };
    (Bench::start_behind(behind).await, rule)
}

async fn attempt(bench: &Bench, kind: &str, digest: &Digest) -> Result<(), StepError> {
    let with = match kind {
        "backup" => json!({"to": "vault/shop/web"}),
        "replicate" => json!({"to": "prod/shop/web:v1"}),
        _ => json!({"irreversible": true}),
    };
    let context = bench.context(("shop/web", Some("v1"), digest), with, &[]);
    let world = bench.world.clone();
    let ended = match kind {
        "backup" => Backup::new(world).run(context).await,
        "replicate" => Replicate::new(world).run(context).await,
        _ => Delete::new(world).run(context).await,
    };
    ended.map(drop)
}

#[tokio::test]
async fn only_what_may_have_been_done_stays_open() {
    const FORBIDDEN: StatusCode = StatusCode::FORBIDDEN;
    const BROKEN: StatusCode = StatusCode::INTERNAL_SERVER_ERROR;
    let (put, post, delete) = (Method::PUT, Method::POST, Method::DELETE);
    for (kind, method, path, status, heard, open) in [
        // The tag was refused, or what comes before it.
        ("backup", &put, "vault/shop/web/manifests/backup-", FORBIDDEN, false, false),
        ("backup", &post, "vault/shop/web/blobs", FORBIDDEN, false, false),
        // Blobs go before the tag: it was never asked for.
        ("backup", &post, "vault/shop/web/blobs", BROKEN, false, false),
        // The registry says that it broke, and has done it or not.
        ("backup", &put, "vault/shop/web/manifests/backup-", BROKEN, false, true),
        ("backup", &put, "vault/shop/web/manifests/backup-", BROKEN, true, true),
        // It says no, and the tag is there all the same: made, and known to be.
        ("backup", &put, "vault/shop/web/manifests/backup-", FORBIDDEN, true, false),
        ("replicate", &put, "prod/shop/web/manifests/sha256", BROKEN, false, false),
        ("replicate", &put, "prod/shop/web/manifests/v1", FORBIDDEN, false, false),
        ("replicate", &put, "prod/shop/web/manifests/v1", BROKEN, false, true),
        ("delete", &delete, "shop/web/manifests/v1", FORBIDDEN, false, false),
        ("delete", &delete, "shop/web/manifests/v1", StatusCode::METHOD_NOT_ALLOWED, false, false),
        ("delete", &delete, "shop/web/manifests/v1", BROKEN, false, true),
        ("delete", &delete, "shop/web/manifests/v1", FORBIDDEN, true, true),
    ] {
        let case = format!("{kind}: {method} {path} {status} {heard}");
        let (bench, rule) = bench().await;
        let image = bench.push("shop/web", "v1", "one").await;
        *rule.lock().expect("lock") = Some((method.clone(), path, status, heard));
        attempt(&bench, kind, &image).await.expect_err(&case);
        let left = bench.memory.open().await;
        assert_eq!(!left.is_empty(), open, "{case}: {left:?}");
        // What was deleted after all is found to be gone, before anything is asked of `/v2/`.
        if open && status == BROKEN {
            // An attempt that does not come so far says nothing of the one before.
            *rule.lock().expect("lock") = Some((Method::GET, "/v2/", FORBIDDEN, false));
            attempt(&bench, kind, &image).await.expect_err(&case);
            assert!(!bench.memory.open().await.is_empty(), "{case}: forgotten");
        }
        *rule.lock().expect("lock") = None;
        attempt(&bench, kind, &image).await.expect(&case);
        assert!(bench.memory.open().await.is_empty(), "{case}: reconciled");
    }
}
