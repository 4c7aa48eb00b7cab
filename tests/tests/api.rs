//! The JSON API, the event stream and the webhook over a real engine, store and registry.

use std::time::Duration;

use futures::StreamExt as _;
use patchline_engine::RunResult;
use patchline_registry::Digest;
use patchline_tests::showcase::Showcase;
use reqwest::{Client, StatusCode};
use serde_json::{Value, json};

async fn get(url: &str) -> (StatusCode, Value) {
    let answer = Client::new().get(url).send().await.unwrap();
    (answer.status(), answer.json().await.unwrap())
}

async fn post(url: &str, body: Value) -> (StatusCode, Value) {
    let answer = Client::new().post(url).json(&body).send().await.unwrap();
    (answer.status(), answer.json().await.unwrap())
}

fn code(answer: &(StatusCode, Value)) -> (u16, &str) {
    (answer.0.as_u16(), answer.1["error"]["code"].as_str().unwrap_or_default())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_push_is_a_run_and_the_api_tells_it() {
    let folder = tempfile::tempdir().unwrap();
    let showcase = Showcase::start(folder.path()).await;
    let url = &showcase.url;
    let web = showcase.push("shop/web", "v1").await;
    let run = showcase.run_of(&web).await;
    let ended = tokio::time::timeout(Duration::from_secs(60), showcase.engine.finished(&run.id))
        .await
        .unwrap()
        .unwrap();
    assert_eq!(ended.result, Some(RunResult::Remediated));

    assert_eq!(get(&format!("{url}/healthz")).await.1["status"], "ok");
    let (_, list) = get(&format!("{url}/api/v1/runs?state=remediated")).await;
    assert_eq!(list["runs"].as_array().unwrap().len(), 1, "{list}");
    // The parent and its child; our own pushes have started nothing else.
    let (_, all) = get(&format!("{url}/api/v1/runs?limit=1")).await;
    let next = all["next"].as_str().unwrap();
    let (_, rest) = get(&format!("{url}/api/v1/runs?limit=1&before={next}")).await;
    assert_eq!((rest["runs"].as_array().unwrap().len(), &rest["next"]), (1, &Value::Null));
    let (_, plan) = get(&format!("{url}/api/v1/runs/{}/plan", run.id)).await;
    assert_eq!(plan["layers"][0], json!(["scan"]), "{plan}");
    let (_, images) = get(&format!("{url}/api/v1/images")).await;
    assert_eq!(images["images"].as_array().unwrap().len(), 2, "{images}");
    let (_, image) = get(&format!("{url}/api/v1/images/{web}")).await;
    assert_eq!(image["platforms"][0]["report"]["counts"]["high"], 5, "{image}");
    let (_, findings) = get(&format!("{url}/api/v1/images/{web}/findings")).await;
    assert_eq!(findings["platforms"][0]["findings"].as_array().unwrap().len(), 12);
    let (_, fix) = get(&format!("{url}/api/v1/images/{web}/fix")).await;
    let fixed = fix["fixes"][0]["fixed"].as_str().unwrap();
    let (_, made) = get(&format!("{url}/api/v1/images/{fixed}/fix")).await;
    assert_eq!(made["made_by"]["origin"], json!(web));
    let (_, chains) = get(&format!("{url}/api/v1/chains")).await;
    assert_eq!(chains["chains"][0]["chain"], "web-release");

    // A finished run's stream: its history with ids, then its end.
    let events = format!("{url}/api/v1/runs/{}/events", run.id);
    let text = Client::new().get(&events).send().await.unwrap().text().await.unwrap();
    assert!(text.contains("id: 1\n") && text.contains("run_finished"), "{text}");
    let last = ended_seq(&text);
    let later = Client::new().get(&events).header("last-event-id", last.to_string()).send().await.unwrap();
    assert_eq!(later.status(), StatusCode::NO_CONTENT);

    for (path, wanted) in [
        ("/api/v1/runs/nothing", (404, "run-not-found")),
        ("/api/v1/runs?state=mended", (400, "invalid-query")),
        ("/api/v1/runs?limit=many", (400, "invalid-query")),
        ("/api/v1/images/latest", (400, "invalid-digest")),
        ("/api/v1/nothing", (404, "page-not-found")),
    ] {
        let answer = get(&format!("{url}{path}")).await;
        assert_eq!(code(&answer), wanted, "{path}: {}", answer.1);
    }
    let unseen = get(&format!("{url}/api/v1/images/{}", Digest::of(b"x"))).await;
    assert_eq!(code(&unseen), (404, "image-unseen"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_cannot_write_is_not_healthy() {
    let folder = tempfile::tempdir().unwrap();
    let showcase = Showcase::start(folder.path()).await;
    let health = format!("{}/healthz", showcase.url);
    assert_eq!(get(&health).await.0, StatusCode::OK);
    std::fs::remove_dir_all(folder.path()).unwrap();
    // What was read before can still be read.
    assert_eq!(get(&format!("{}/api/v1/runs", showcase.url)).await.0, StatusCode::OK);
    assert_eq!(code(&get(&health).await), (503, "store-failed"));
}

fn ended_seq(stream: &str) -> u64 {
    stream.lines().filter_map(|l| l.strip_prefix("id: ")).filter_map(|id| id.parse().ok()).max().unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_start_is_checked_and_a_live_run_is_followed_and_stopped() {
    let folder = tempfile::tempdir().unwrap();
    let showcase = Showcase::start(folder.path()).await;
    let url = &showcase.url;
    let runs = format!("{url}/api/v1/runs");
    for (body, wanted) in [
        (json!({"chain": "wbe", "image": "main/shop/web:v1"}), (404, "chain-not-found")),
        (json!({"chain": "web-release", "image": "main/other/web:v1"}), (422, "image-out-of-scope")),
        (json!({"chain": "web-release", "image": "evil.example/shop/web:v1"}), (422, "unknown-registry")),
        (json!({"chain": "web-release", "image": "main/shop/web:v1"}), (404, "image-not-found")),
        (
            json!({"chain": "web-release", "image": "main/shop/web:v1", "params": {"x": 1}}),
            (422, "invalid-param"),
        ),
        (
            json!({"chain": "web-release", "image": "main/shop/web:v1", "params": {"block_at": 1}}),
            (422, "invalid-param"),
        ),
        (json!({"chain": "web-release"}), (422, "invalid-body")),
        (json!({"chain": "x".repeat(70_000), "image": "x"}), (413, "invalid-body")),
    ] {
        let answer = post(&runs, body).await;
        assert_eq!(code(&answer), wanted, "{}", answer.1);
    }
    let foreign = Client::new()
        .post(&runs)
        .header("origin", "https://evil.example")
        .json(&json!({}))
        .send()
        .await
        .unwrap();
    assert_eq!(foreign.status(), StatusCode::FORBIDDEN);
    let rebound = Client::new().get(&runs).header("host", "evil.example").send().await.unwrap();
    assert_eq!(rebound.status(), StatusCode::MISDIRECTED_REQUEST);

    let slow = showcase.push("shop/slow", "v3").await;
    let run = showcase.run_of(&slow).await;
    // The push's run is under way: a start by hand means that one.
    let again = post(&runs, json!({"chain": "web-release", "image": "main/shop/slow:v3"})).await;
    assert_eq!((again.0, &again.1["run"]), (StatusCode::OK, &json!(run.id)));
    let answer = Client::new().get(format!("{runs}/{}/events", run.id)).send().await.unwrap();
    let mut stream = answer.bytes_stream();
    let mut text = String::new();
    let mut cancelled = false;
    while let Some(chunk) = tokio::time::timeout(Duration::from_secs(30), stream.next()).await.unwrap() {
        text.push_str(&String::from_utf8_lossy(&chunk.unwrap()));
        if !cancelled && text.contains("\"progress\"") {
            cancelled = true;
            assert_eq!(post(&format!("{runs}/{}/cancel", run.id), json!({})).await.0, StatusCode::ACCEPTED);
        }
    }
    assert!(text.contains("run_finished") && text.contains("cancelled"), "{text}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_distribution_hook_believes_the_registry_alone() {
    let folder = tempfile::tempdir().unwrap();
    let showcase = Showcase::start(folder.path()).await;
    let hook = format!("{}/hooks/distribution", showcase.url);
    let client = Client::new();
    let send = |secret: &'static str, body: String| {
        let request = client.post(&hook).header("authorization", secret).body(body);
        async move {
            let answer = request.send().await.unwrap();
            (answer.status(), answer.json::<Value>().await.unwrap())
        }
    };
    let event = |id: &str, repository: &str, tag: &str| {
        json!({"events": [{"id": id, "action": "push", "target": {
            "mediaType": "application/vnd.oci.image.manifest.v1+json", "digest": Digest::of(b"a lie"),
            "repository": repository, "tag": tag}, "request": {"host": "evil.example"}}]})
        .to_string()
    };
    assert_eq!(code(&send("Bearer wrong", event("1", "shop/slow", "v1")).await), (401, "hook-unauthorized"));
    assert_eq!(code(&send("Bearer hush", "{".into()).await), (400, "invalid-body"));
    assert_eq!(code(&send("Bearer hush", " ".repeat(2 << 20)).await), (413, "invalid-body"));
    let gone = send("Bearer hush", event("2", "shop/web", "v9")).await;
    assert_eq!((gone.0.as_u16(), &gone.1["dropped"][0]["reason"]), (202, &json!("gone")), "{}", gone.1);
    let no_chain = send("hush", event("3", "other/web", "v1")).await;
    assert_eq!(no_chain.1["dropped"][0]["reason"], "no-chain");
    let hex = "a".repeat(64);
    let signature = send("hush", event("4", "shop/web", &format!("sha256-{hex}.sig"))).await;
    assert_eq!(signature.1["dropped"][0]["reason"], "supplement");

    // The digest is the registry's, not the event's; the same image by two ways is one run.
    let slow = showcase.push("shop/slow", "v3").await;
    let run = showcase.run_of(&slow).await;
    let both = send("Bearer hush", event("5", "shop/slow", "v3")).await;
    assert_eq!(
        (&both.1["runs"][0]["run"], &both.1["runs"][0]["new"]),
        (&json!(run.id), &json!(false)),
        "{}",
        both.1
    );
    // What was handled is not handled again on the next start.
    let tags = vec![("shop/slow".to_owned(), "v3".to_owned(), slow)];
    assert_eq!(patchline_server::catch_up(showcase.context.clone(), tags).await.unwrap(), 0);
    showcase.engine.cancel(&run.id, "ana", "it is not wanted").await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_decision_is_taken_once_and_from_our_own_pages_alone() {
    let folder = tempfile::tempdir().unwrap();
    let showcase = Showcase::start(folder.path()).await;
    let digest = showcase.push("asked/web", "v1").await;
    let run = showcase.run_of(&digest).await;
    let runs = format!("{}/api/v1/runs", showcase.url);
    let decide = format!("{runs}/{}/steps/ask/decision", run.id);
    let yes = || json!({"approve": true, "by": "ana", "reason": "looked at it"});
    for _ in 0..200 {
        if get(&format!("{runs}/{}", run.id)).await.1["steps"][0]["decide_by"].is_string() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(25)).await;
    }
    for (address, body, wanted) in [
        (decide.clone(), json!({"approve": "yes", "by": "ana", "reason": "x"}), (422, "invalid-body")),
        (decide.clone(), json!({"approve": true, "by": " ", "reason": "x"}), (422, "invalid-body")),
        (decide.clone(), json!({"approve": true, "by": "ana"}), (422, "invalid-body")),
        (
            decide.clone(),
            json!({"approve": true, "by": "a".repeat(101), "reason": "x"}),
            (422, "invalid-body"),
        ),
        (
            decide.clone(),
            json!({"approve": true, "by": "a", "reason": "x".repeat(1001)}),
            (422, "invalid-body"),
        ),
        (decide.clone(), json!({"approve": true, "by": "a", "reason": "x", "at": 1}), (422, "invalid-body")),
        (decide.replace("/ask/", "/nope/"), yes(), (404, "step-not-found")),
        (decide.replace("/ask/", "/copy/"), yes(), (409, "nothing-to-decide")),
        (format!("{runs}/nothing/steps/ask/decision"), yes(), (404, "run-not-found")),
    ] {
        let answer = post(&address, body).await;
        assert_eq!(code(&answer), wanted, "{}", answer.1);
    }
    let foreign = Client::new().post(&decide).header("origin", "https://evil.example").json(&yes());
    assert_eq!(foreign.send().await.unwrap().status(), StatusCode::FORBIDDEN);
    let (status, taken) = post(&decide, yes()).await;
    assert_eq!((status, &taken["steps"][0]["output"]["by"]), (StatusCode::OK, &json!("ana")), "{taken}");
    let again = post(&decide, yes()).await;
    assert_eq!(code(&again), (409, "already-decided"), "{}", again.1);
}
