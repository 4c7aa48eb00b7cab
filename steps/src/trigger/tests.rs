//! Calls against a real HTTP server on loopback.

use std::{
    sync::{
        Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use axum::{Router, body::Bytes, extract::State, http::HeaderMap, routing::any};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use hmac::{Hmac, KeyInit as _, Mac as _};
use jiff::Timestamp;
use patchline_engine::Clock;
use patchline_registry::{Digest, remote::Secret};
use sha2::Sha256;

use super::*;
use crate::testing::{self, Memory};

const SIGNING: &str = "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=";

struct Noon;

impl Clock for Noon {
    fn now(&self) -> Timestamp {
        "2026-03-01T12:00:00Z".parse().expect("a time")
    }
}

/// Method, headers and body of a request.
type Seen = (String, HeaderMap, Vec<u8>);

/// Status, headers and body of an answer.
type Answer = (u16, Vec<(&'static str, &'static str)>, Vec<u8>);

/// The same as tests write it.
type Told<'a> = (u16, &'a [(&'static str, &'static str)], &'a str);

#[derive(Clone, Default)]
struct Deploy {
    /// (status, headers, body) of each call in turn; the last for ever.
    answers: Arc<Mutex<Vec<Answer>>>,
    seen: Arc<Mutex<Vec<Seen>>>,
    calls: Arc<AtomicUsize>,
}

async fn receive(
    State(deploy): State<Deploy>,
    method: axum::http::Method,
    headers: HeaderMap,
    body: Bytes,
) -> axum::response::Response {
    deploy.calls.fetch_add(1, Ordering::SeqCst);
    deploy.seen.lock().expect("lock").push((method.to_string(), headers, body.to_vec()));
    let mut answers = deploy.answers.lock().expect("lock");
    let (status, headers, body) = if answers.len() > 1 {
        answers.remove(0)
    } else {
        answers.first().cloned().unwrap_or((204, vec![], vec![]))
    };
    let mut response = axum::response::Response::builder().status(status);
    for (name, value) in headers {
        response = response.header(name, value);
    }
    response.body(axum::body::Body::from(body)).expect("a response")
}

/// Answers what it is told, at `/hooks/<secret>`.
async fn start(answers: &[Told<'_>]) -> (Deploy, String) {
    let deploy = Deploy::default();
    *deploy.answers.lock().expect("lock") =
        answers.iter().map(|(s, h, b)| (*s, h.to_vec(), b.as_bytes().to_vec())).collect();
    let router = Router::new().fallback(any(receive)).with_state(deploy.clone());
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    tokio::spawn(async move { axum::serve(listener, router).await });
    (deploy, format!("http://{address}/hooks/hush-hush-hush?key=hunter2"))
}

fn step(url: &str, method: Method, allow_private: bool) -> Trigger {
    let config = TargetConfig {
        url: Secret::new(url),
        method,
        headers: [("Authorization".to_owned(), Secret::new("Bearer opensesame"))].into(),
        secret: Some(Secret::new(SIGNING)),
        allow_private,
    };
    let targets = Targets::with_clock([("prod".to_owned(), config)].into(), Arc::new(Noon));
    Trigger::new(Arc::new(targets.expect("targets")))
}

fn context(memory: &Arc<Memory>, with: Value) -> Context {
    testing::context(memory.clone(), ("shop/web", Some("v1"), &Digest::of(b"image")), with, &[])
}

async fn call(step: &Trigger, memory: &Arc<Memory>, with: Value) -> Result<Value, StepError> {
    match step.run(context(memory, with)).await? {
        Outcome::Succeeded { output, .. } => {
            assert_eq!(crate::fits::misfits(&Kind.outputs(), &output), [""; 0]);
            Ok(output)
        }
        other => panic!("{other:?}"),
    }
}

fn header<'a>(seen: &'a Seen, name: &str) -> &'a str {
    seen.1.get(name).and_then(|v| v.to_str().ok()).unwrap_or_default()
}

#[tokio::test]
async fn a_call_is_signed_and_made_once() {
    let (deploy, url) = start(&[(202, &[], "queued as 7, Bearer opensesame, hunter2, hush-hush-hush")]).await;
    let (step, memory) = (step(&url, Method::Put, true), Arc::new(Memory::default()));
    let with =
        json!({"target": "prod", "body": {"image": "main/shop/web:v1", "note": "a \"quoted\" line\n"}});
    let output = call(&step, &memory, with.clone()).await.expect("an answer");
    assert_eq!((&output["status"], &output["target"]), (&json!(202), &json!("prod")));
    assert_eq!(output["answer"], "queued as 7, ***, ***, ***");
    {
        let seen = deploy.seen.lock().expect("lock");
        let body: Value = serde_json::from_slice(&seen[0].2).expect("json");
        assert_eq!((seen[0].0.as_str(), &body), ("PUT", &with["body"]));
        assert_eq!(header(&seen[0], "authorization"), "Bearer opensesame");
        assert_eq!(header(&seen[0], "content-type"), "application/json");
        let span = testing::context(memory.clone(), ("x", None, &Digest::of(b"x")), json!({}), &[]).span;
        assert_eq!(header(&seen[0], "traceparent"), span.traceparent());
        let id = header(&seen[0], "webhook-id");
        assert_eq!((id, header(&seen[0], "idempotency-key")), (output["id"].as_str().expect("an id"), id));
        // As a receiver verifies it, Standard Webhooks.
        let key = STANDARD.decode(&SIGNING["whsec_".len()..]).expect("base64");
        let mut mac = Hmac::<Sha256>::new_from_slice(&key).expect("a key");
        mac.update(format!("{id}.{}.", header(&seen[0], "webhook-timestamp")).as_bytes());
        mac.update(&seen[0].2);
        let expected = format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes()));
        assert_eq!(header(&seen[0], "webhook-signature"), expected);
    }
    // A crash after the answer: the next attempt takes it from the record.
    assert_eq!(call(&step, &memory, with).await.expect("the same"), output);
    assert_eq!(deploy.calls.load(Ordering::SeqCst), 1);
    let intents = format!("{:?}", memory.all());
    for secret in ["opensesame", "hunter2", "hush-hush", "127.0.0.1", "whsec"] {
        assert!(!intents.contains(secret), "{secret}: {intents}");
    }
}

#[tokio::test]
async fn each_attempt_is_the_same_call_until_one_is_answered() {
    let (deploy, url) = start(&[(500, &[], ""), (503, &[("retry-after", "7")], ""), (200, &[], "")]).await;
    let (step, memory) = (step(&url, Method::Post, true), Arc::new(Memory::default()));
    let with = json!({"target": "prod"});
    assert_eq!(call(&step, &memory, with.clone()).await.expect_err("500").class, ErrorClass::Transient);
    let class = call(&step, &memory, with.clone()).await.expect_err("503").class;
    assert_eq!(class, ErrorClass::Throttled(Some(Duration::from_secs(7))));
    assert_eq!(memory.open().await.len(), 1, "the first may have been heard, whatever the second says");
    let output = call(&step, &memory, with).await.expect("200");
    assert!(memory.open().await.is_empty());
    assert_eq!((output.get("answer"), &output["summary"]), (None, &json!("prod answers 200")));
    let seen = deploy.seen.lock().expect("lock");
    let same: Vec<_> = seen.iter().map(|s| (header(s, "idempotency-key"), &s.2)).collect();
    assert!(same.len() == 3 && same.iter().all(|one| *one == same[0]), "{same:?}");
    let body: Value = serde_json::from_slice(&seen[0].2).expect("json");
    assert_eq!((&body["chain"], &body["image"]["tag"]), (&json!("web"), &json!("v1")));
}

#[tokio::test]
async fn work_that_is_done_anew_is_another_call() {
    let (deploy, url) = start(&[]).await;
    let (step, memory) = (step(&url, Method::Post, true), Arc::new(Memory::default()));
    for key in ["01TEST/it", "01TEST/it", "01TEST/it/2", "01TEST/it/2"] {
        let mut context = context(&memory, json!({"target": "prod"}));
        context.idempotency_key = key.into();
        step.run(context).await.expect("an answer");
    }
    let seen = deploy.seen.lock().expect("lock");
    let ids: Vec<_> = seen.iter().map(|s| header(s, "webhook-id")).collect();
    assert!(ids.len() == 2 && ids[0] != ids[1], "{ids:?}");
}

#[tokio::test]
async fn what_an_answer_means() {
    let big = "x".repeat(300_000);
    for (answer, headers, expect, wanted) in [
        ((400, "no such cluster"), &[][..], json!([]), Err(("target-status", ErrorClass::Permanent))),
        ((404, ""), &[], json!([]), Err(("target-status", ErrorClass::Permanent))),
        ((401, "Bearer opensesame is wrong"), &[], json!([]), Err(("target-status", ErrorClass::Auth))),
        ((403, ""), &[], json!([]), Err(("target-status", ErrorClass::Auth))),
        ((429, ""), &[("retry-after", "60")], json!([]), {
            Err(("target-status", ErrorClass::Throttled(Some(Duration::from_secs(60)))))
        }),
        (
            (429, ""),
            &[("retry-after", "soon")],
            json!([]),
            Err(("target-status", ErrorClass::Throttled(None))),
        ),
        ((302, ""), &[("location", "http://169.254.169.254/")], json!([]), {
            Err(("target-status", ErrorClass::Permanent))
        }),
        ((200, ""), &[], json!([202]), Err(("target-status", ErrorClass::Permanent))),
        ((409, "deployed already"), &[], json!([200, 409]), Ok(409)),
        ((500, &*big), &[], json!([]), Err(("target-status", ErrorClass::Transient))),
        ((200, &*big), &[], json!([]), Ok(200)),
    ] {
        let (deploy, url) = start(&[(answer.0, headers, answer.1)]).await;
        let (step, memory) = (step(&url, Method::Post, true), Arc::new(Memory::default()));
        let ended = call(&step, &memory, json!({"target": "prod", "expect": expect})).await;
        match (&ended, wanted) {
            (Ok(output), Ok(status)) => assert_eq!(output["status"], json!(status)),
            (Err(error), Err((code, class))) => {
                assert_eq!((error.code.as_str(), error.class), (code, class), "{error}");
                assert!(error.message.len() < 400, "{error}");
                for secret in ["opensesame", "hunter2", "hush-hush", "127.0.0.1"] {
                    assert!(!error.message.contains(secret), "{error}");
                }
            }
            other => panic!("{} {other:?}", answer.0),
        }
        assert_eq!(deploy.calls.load(Ordering::SeqCst), 1, "no redirect is followed");
        // Who broke may have done it; who refused has not, and who answered has.
        assert_eq!(memory.open().await.is_empty(), answer.0 != 500, "{}", answer.0);
    }
}

#[tokio::test]
async fn what_is_never_called() {
    let (deploy, url) = start(&[]).await;
    let memory = Arc::new(Memory::default());
    let with = || json!({"target": "prod"});
    let error = call(&step(&url, Method::Post, false), &memory, with()).await.expect_err("http");
    assert_eq!((error.code.as_str(), error.class), ("target-address-refused", ErrorClass::Permanent));
    let https = url.replace("http:", "https:");
    let error = call(&step(&https, Method::Post, false), &memory, with()).await.expect_err("loopback");
    assert_eq!((error.code.as_str(), error.class), ("target-address-refused", ErrorClass::Permanent));
    let nowhere = step("http://169.254.169.254/latest/meta-data", Method::Post, true);
    let error = call(&nowhere, &memory, with()).await.expect_err("metadata");
    assert_eq!(error.code, "target-address-refused");
    let closed = call(&step("http://127.0.0.1:1/hush", Method::Post, true), &memory, with()).await;
    let error = closed.expect_err("nobody listens");
    assert_eq!((error.code.as_str(), error.class), ("target-unreachable", ErrorClass::Transient));
    assert!(memory.open().await.is_empty(), "nothing was sent");
    let step = step(&url, Method::Post, true);
    let unknown = call(&step, &memory, json!({"target": "staging"})).await.expect_err("unknown");
    assert_eq!((unknown.code.as_str(), unknown.message.contains("prod")), ("target-unknown", true));
    let long = json!({"target": "prod", "body": {"x": "y".repeat(70_000)}});
    let error = call(&step, &memory, long).await.expect_err("too long");
    assert_eq!(error.code, "trigger-body-too-large");
    assert_eq!(deploy.calls.load(Ordering::SeqCst), 0);
}

#[test]
fn a_dry_run_names_the_target() {
    let (with, image) = (json!({"target": "prod"}), json!({}));
    let effects = Kind.effects(&Rehearsed { name: "it", with: &with, image: &image });
    assert_eq!(effects, [Effect { verb: "call", target: "prod".into() }]);
}
