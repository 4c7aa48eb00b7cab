//! Comparisons, plans, and fixes by a plan that a person has chosen: over the API, and by a form without a script.

use std::time::Duration;

use patchline_engine::{RunId, RunResult, RunView, TriggerKind};
use patchline_registry::Digest;
use patchline_tests::showcase::{HOSTILE, Showcase};
use reqwest::{Client, Response, StatusCode, redirect::Policy};
use serde_json::{Value, json};

async fn get(url: &str) -> (StatusCode, Value) {
    let answer = Client::new().get(url).send().await.unwrap();
    (answer.status(), answer.json().await.unwrap())
}

async fn post(url: &str, body: &Value) -> (StatusCode, Value) {
    let answer = Client::new().post(url).json(body).send().await.unwrap();
    (answer.status(), answer.json().await.unwrap())
}

fn code(answer: &(StatusCode, Value)) -> (u16, &str) {
    (answer.0.as_u16(), answer.1["error"]["code"].as_str().unwrap_or_default())
}

async fn finished(showcase: &Showcase, run: &RunId) -> RunView {
    tokio::time::timeout(Duration::from_secs(60), showcase.engine.finished(run)).await.unwrap().unwrap()
}

/// Pushes an image and waits until its chain is through.
async fn handled(showcase: &Showcase, repository: &str) -> Digest {
    let digest = showcase.push(repository, "v1").await;
    let run = showcase.run_of(&digest).await;
    finished(showcase, &run.id).await;
    digest
}

/// Asks for a plan of an image and waits for it.
async fn planned(url: &str, image: &str) -> Value {
    let asked = post(&format!("{url}/api/v1/plans"), &json!({"image": image})).await;
    assert_eq!(asked.0, StatusCode::ACCEPTED, "{}", asked.1);
    let plan = get(&format!("{url}/api/v1/plans/{}", asked.1["plan"].as_str().unwrap())).await;
    assert_eq!(plan.0, StatusCode::OK, "{}", plan.1);
    plan.1
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_images_are_compared() {
    let folder = tempfile::tempdir().unwrap();
    let showcase = Showcase::start(folder.path()).await;
    let url = &showcase.url;
    let web = handled(&showcase, "shop/web").await;
    let diff = format!("{url}/api/v1/diff?from=main/shop/web:v1&to=main/shop/web:v1_fixed");
    let (status, told) = get(&diff).await;
    assert_eq!(status, StatusCode::OK, "{told}");
    assert_eq!(told["before"]["digest"], json!(web));
    assert_eq!((told["gone"].as_array().unwrap().len(), told["left"].as_array().unwrap().len()), (10, 2));
    assert_eq!(told["count"], json!({"added": 1, "changed": 1, "removed": 1}));
    assert_eq!((&told["files"], &told["files_left_out"]), (&json!([]), &json!(3)));
    assert_eq!((&told["shared"], &told["after"]["size"]), (&json!(1), &json!(51_400_000)));
    let (_, told) = get(&format!("{diff}&files=true")).await;
    assert_eq!((told["files"].as_array().unwrap().len(), &told["files_left_out"]), (3, &json!(0)));
    assert_eq!(told["files"][0]["what"], json!(["content"]));

    for (query, wanted) in [
        ("from=main/shop/web:v1", (400, "invalid-query")),
        ("from=main/shop/web:v1&to=main/shop/web:v1&more=1", (400, "invalid-query")),
        ("from=main/shop/web:v1&to=main/shop/web:v9", (404, "image-not-found")),
        ("from=main/shop/web:v1&to=evil.example/shop/web:v1", (422, "unknown-registry")),
        ("from=main/shop/web:v1&to=oci:/etc:v1", (422, "invalid-reference")),
        ("from=main/shop/web:v1&to=../../etc/passwd", (422, "invalid-reference")),
    ] {
        let answer = get(&format!("{url}/api/v1/diff?{query}")).await;
        assert_eq!(code(&answer), wanted, "{query}: {}", answer.1);
    }
    // A page of another site, under a name of its own, reads nothing.
    let rebound = Client::new().get(&diff).header("host", "evil.example").send().await.unwrap();
    assert_eq!(rebound.status(), StatusCode::MISDIRECTED_REQUEST);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_plan_goes_out_and_comes_back_as_a_run() {
    let folder = tempfile::tempdir().unwrap();
    let showcase = Showcase::start(folder.path()).await;
    let (url, fixes) = (&showcase.url, format!("{}/api/v1/fixes", showcase.url));
    let web = handled(&showcase, "shop/web").await;
    let mut plan = planned(url, "main/shop/web:v1").await;
    assert_eq!(plan["image"], json!(web));
    let upgrades = plan["plan"]["upgrades"].as_array().unwrap().clone();
    assert!(upgrades.len() > 5 && plan["stays"].as_array().unwrap().len() == 2, "{plan}");
    plan["plan"]["upgrades"] =
        upgrades.iter().filter(|up| up["source"] == "openssl").cloned().collect::<Vec<_>>().into();
    let ask = |more: Value| {
        let mut body =
            json!({"image": "main/shop/web:v1", "plan": plan, "by": "ana", "reason": "openssl alone"});
        for (key, value) in more.as_object().unwrap() {
            body[key] = value.clone();
        }
        body
    };

    let mut empty = plan.clone();
    empty["plan"]["upgrades"] = json!([]);
    let mut another = plan.clone();
    another["image"] = json!(Digest::of(b"another"));
    let mut forged = plan.clone();
    forged["said"] = json!({"by": "the boss", "reason": "do it"});
    for (more, wanted) in [
        (json!({"plan": empty}), (422, "fix-plan-unreadable")),
        (json!({"plan": "all"}), (422, "fix-plan-unreadable")),
        (json!({"plan": another}), (409, "fix-plan-of-another")),
        (json!({"image": "main/shop/web:v1_fixed"}), (409, "fix-plan-of-another")),
        (json!({"image": "main/shop/web:v9"}), (404, "image-not-found")),
        (json!({"image": "evil.example/shop/web:v1"}), (422, "unknown-registry")),
        (json!({"chain": "web-release"}), (422, "chain-takes-no-plan")),
        (json!({"chain": "nothing"}), (404, "chain-not-found")),
        (json!({"by": " \n"}), (422, "invalid-body")),
        (json!({"reason": "x".repeat(2_000)}), (422, "invalid-body")),
        (json!({"more": 1}), (422, "invalid-body")),
    ] {
        let answer = post(&fixes, &ask(more.clone())).await;
        assert_eq!(code(&answer), wanted, "{more}: {}", answer.1);
    }
    let foreign = Client::new().post(&fixes).header("origin", "https://evil.example");
    let foreign = foreign.json(&ask(json!({}))).send().await.unwrap();
    assert_eq!(foreign.status(), StatusCode::FORBIDDEN);

    let (status, started) = post(&fixes, &ask(json!({"plan": forged}))).await;
    assert_eq!((status, &started["new"]), (StatusCode::CREATED, &json!(true)), "{started}");
    let run = RunId(started["run"].as_str().unwrap().to_owned());
    let run = finished(&showcase, &run).await;
    assert_eq!((run.chain.as_str(), run.result), ("mend-by-plan", Some(RunResult::Passed)), "{run:?}");
    assert_eq!(run.submission.trigger.kind, TriggerKind::Manual);
    // Who has chosen is whoever handed it in, whatever stands in it.
    let kept: Value = serde_json::from_str(run.submission.params["plan"].as_str().unwrap()).unwrap();
    assert_eq!(kept["said"], json!({"by": "ana", "reason": "openssl alone"}));
    let keys: Vec<&String> = kept["plan"]["upgrades"][0].as_object().unwrap().keys().collect();
    assert_eq!(keys, ["package", "architecture", "from", "to"]);
    let fix = run.steps.iter().find(|step| step.name == "fix").unwrap();
    assert_eq!(fix.output["upgrades"], 2, "{fix:?}");
    // The fixed image's run looks at it, and mends nothing.
    let child = finished(&showcase, fix.child.as_ref().unwrap()).await;
    let skipped = child.steps.iter().find(|step| step.name == "fix").unwrap();
    assert_eq!(skipped.status, patchline_engine::StepStatus::Skipped);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_run_that_knows_of_no_plan_is_not_taken_for_one_that_does() {
    let folder = tempfile::tempdir().unwrap();
    let showcase = Showcase::start(folder.path()).await;
    let fixes = format!("{}/api/v1/fixes", showcase.url);
    let slow = showcase.push("shop/slow", "v1").await;
    let one = |to: &str| json!([{"package": "openssl", "architecture": "amd64", "from": "1", "to": to}]);
    let ask = |to: &str| {
        json!({"image": "main/shop/slow:v1", "by": "ana", "reason": "openssl alone",
            "plan": {"version": 1, "image": slow, "plan": {"upgrades": one(to)}}})
    };
    let first = post(&fixes, &ask("2")).await;
    assert_eq!(first.0, StatusCode::CREATED, "{}", first.1);
    // It is being scanned: another choice would be lost in it.
    let second = post(&fixes, &ask("3")).await;
    assert_eq!(code(&second), (409, "run-under-way"), "{}", second.1);
    assert!(second.1["error"]["message"].as_str().unwrap().contains(first.1["run"].as_str().unwrap()));
    let run = RunId(first.1["run"].as_str().unwrap().to_owned());
    showcase.engine.cancel(&run, "ana", "it is not wanted").await.unwrap();
    finished(&showcase, &run).await;
    assert_eq!(post(&fixes, &ask("3")).await.0, StatusCode::CREATED);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_cannot_be_planned_says_why() {
    let folder = tempfile::tempdir().unwrap();
    let showcase = Showcase::start(folder.path()).await;
    let plans = format!("{}/api/v1/plans", showcase.url);
    handled(&showcase, "shop/broken").await;
    let asked = post(&plans, &json!({"image": "main/shop/broken:v1"})).await;
    let answer = get(&format!("{plans}/{}", asked.1["plan"].as_str().unwrap())).await;
    assert_eq!(code(&answer), (422, "system-unsupported"), "{}", answer.1);
    assert_eq!(code(&get(&format!("{plans}/nothing")).await), (404, "fix-plan-unknown"));
    for (body, wanted) in [
        (json!({"image": "main/shop/broken:v9"}), (404, "image-not-found")),
        (json!({"image": "main/shop/broken:v1", "policy": "newest"}), (422, "invalid-body")),
        (json!({"image": "main/shop/broken:v1", "deny_packages": ["a b"]}), (422, "invalid-body")),
        (json!({"image": "main/shop/broken:v1", "ids": vec!["CVE-1"; 1_001]}), (422, "invalid-body")),
        (json!({"image": "x".repeat(70_000)}), (413, "invalid-body")),
    ] {
        let answer = post(&plans, &body).await;
        assert_eq!(code(&answer), wanted, "{}", answer.1);
    }
}

/// A browser that runs no script.
struct Plain(Client);

impl Plain {
    fn new() -> Self {
        Self(Client::builder().redirect(Policy::none()).build().unwrap())
    }
    async fn send(&self, url: &str, fields: &[(&str, &str)]) -> Response {
        self.0.post(url).form(fields).send().await.unwrap()
    }
}

fn location(answer: &Response) -> String {
    assert_eq!(answer.status(), StatusCode::SEE_OTHER);
    answer.headers()["location"].to_str().unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn forms_work_without_a_script() {
    let folder = tempfile::tempdir().unwrap();
    let showcase = Showcase::start(folder.path()).await;
    let url = &showcase.url;
    let web = handled(&showcase, "shop/web").await;
    let browser = Plain::new();
    let plans = format!("{url}/images/{web}/plans");
    let page = location(&browser.send(&plans, &[("manifest", web.as_str())]).await);
    let text = reqwest::get(format!("{url}{page}")).await.unwrap().text().await.unwrap();
    assert!(text.contains("Mend with this choice") && text.contains("3.0.17-1~deb12u2"), "{text}");
    assert!(!text.contains(HOSTILE), "a stranger's markup stands in the page");

    let mend = format!("{url}{page}/mend");
    let up = r#"["libssl3","amd64","3.0.11-1~deb12u2","3.0.17-1~deb12u2"]"#;
    let (by, why, manifest) = (("by", "ana"), ("reason", "openssl alone"), ("manifest", web.as_str()));
    for (fields, status, said) in [
        (vec![manifest, by, why], 422, "fix-plan-unreadable"),
        (vec![manifest, by, why, ("up", "libssl3")], 422, "fix-plan-unreadable"),
        (vec![manifest, by, why, ("up", up), ("up", up)], 422, "fix-plan-unreadable"),
        (vec![("manifest", "v1"), by, why, ("up", up)], 422, "fix-plan-unreadable"),
        (vec![manifest, why, ("up", up)], 422, "invalid-body"),
        (vec![manifest, by, why, ("up", up), ("chain", "web-release")], 422, "chain-takes-no-plan"),
    ] {
        let answer = browser.send(&mend, &fields).await;
        let (told, text) = (answer.status().as_u16(), answer.text().await.unwrap());
        assert!(told == status && text.contains(said), "{fields:?}: {told} {text}");
    }
    let json = browser.0.post(&mend).json(&json!({"up": up})).send().await.unwrap();
    assert_eq!(json.status(), StatusCode::UNSUPPORTED_MEDIA_TYPE);
    let foreign = browser.0.post(&mend).header("sec-fetch-site", "cross-site").form(&[by]).send();
    assert_eq!(foreign.await.unwrap().status(), StatusCode::FORBIDDEN);

    let run = location(&browser.send(&mend, &[manifest, by, why, ("up", up)]).await);
    let run = finished(&showcase, &RunId(run.strip_prefix("/runs/").unwrap().to_owned())).await;
    assert_eq!(run.result, Some(RunResult::Passed), "{run:?}");
    let fix = run.steps.iter().find(|step| step.name == "fix").unwrap();
    assert_eq!(fix.output["upgrades"], 1);
    // Whoever tries again what could not be shown stands on a page.
    let again = browser.0.get(&mend).send().await.unwrap();
    assert_eq!(location(&again), page);
    assert_eq!(location(&browser.0.get(&plans).send().await.unwrap()), format!("/images/{web}"));
    let missing = browser.send(&format!("{url}/images/{}/plans", Digest::of(b"x")), &[manifest]).await;
    assert_eq!(missing.status(), StatusCode::NOT_FOUND);
}
