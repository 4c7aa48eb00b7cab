//! What people do to runs, chains and messages, over the API and on the pages in a real Chromium: who and why stand in
//! the history, and what cannot be is refused with its code.

use std::time::Duration;

use patchline_engine::{RunResult, RunView, StepStatus};
use patchline_tests::{
    showcase::Showcase,
    webdriver::{Browser, screenshots},
};
use reqwest::Client;
use serde_json::{Value, json};

struct Asked<'a>(&'a Showcase);

impl Asked<'_> {
    async fn post(&self, path: &str, body: Value) -> (u16, String, Value) {
        let url = format!("{}/api/v1/{path}", self.0.url);
        let answer = Client::new().post(url).json(&body).send().await.unwrap();
        let status = answer.status().as_u16();
        let body: Value = answer.json().await.unwrap();
        (status, body["error"]["code"].as_str().unwrap_or_default().to_owned(), body)
    }
    async fn get(&self, path: &str) -> Value {
        Client::new().get(format!("{}/api/v1/{path}", self.0.url)).send().await.unwrap().json().await.unwrap()
    }
    async fn refused(&self, path: &str, body: Value, status: u16, code: &str) {
        let (was, said, body) = self.post(path, body).await;
        assert_eq!((was, said.as_str()), (status, code), "{path}: {body}");
    }
    /// Every line of a run's history, as one text.
    async fn history(&self, run: &RunView) -> String {
        let events = self.0.engine.events(&run.id, 0).await.unwrap();
        serde_json::to_string(&events).unwrap()
    }
    async fn ended(&self, run: &RunView) -> RunView {
        let ended = self.0.engine.finished(&run.id);
        tokio::time::timeout(Duration::from_secs(60), ended).await.unwrap().unwrap()
    }
    async fn push(&self, repository: &str) -> RunView {
        let digest = self.0.push(repository, "v1").await;
        self.0.run_of(&digest).await
    }
}

fn said() -> Value {
    json!({"by": "ana", "reason": "the mirror is back"})
}

fn status(run: &RunView, name: &str) -> StepStatus {
    run.steps.iter().find(|s| s.name == name).unwrap().status
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_step_is_tried_again_run_again_and_resolved_over_the_api() {
    let folder = tempfile::tempdir().unwrap();
    let showcase = Showcase::start(folder.path()).await;
    let ask = Asked(&showcase);
    let broken = ask.push("shop/broken").await;
    assert_eq!(ask.ended(&broken).await.result, Some(RunResult::Failed));
    let scan = format!("runs/{}/steps/scan", broken.id);
    for (path, body, wanted, code) in [
        (format!("{scan}/retry"), json!({"by": "ana"}), 422, "invalid-body"),
        (format!("{scan}/retry"), json!({"by": " ", "reason": "x"}), 422, "invalid-body"),
        (format!("{scan}/retry"), json!({"by": "ana", "reason": "x".repeat(1001)}), 422, "invalid-body"),
        (
            format!("{scan}/resolution"),
            json!({"by": "ana", "reason": "x", "made": "yes"}),
            422,
            "invalid-body",
        ),
        (
            format!("{scan}/resolution"),
            json!({"by": "ana", "reason": "x", "made": true}),
            409,
            "nothing-to-resolve",
        ),
        (format!("runs/{}/steps/none/retry", broken.id), said(), 404, "step-not-found"),
        (format!("runs/{}/steps/gate/retry", broken.id), said(), 409, "nothing-to-retry"),
        ("runs/none/steps/scan/rerun".into(), said(), 404, "run-not-found"),
        ("outbox/none/resend".into(), json!({"by": "ana"}), 404, "message-not-found"),
        ("chains/none/pause".into(), said(), 404, "chain-not-found"),
        ("chains/web-release/resume".into(), said(), 409, "chain-not-paused"),
    ] {
        ask.refused(&path, body, wanted, code).await;
    }
    // Another site's page changes nothing.
    let foreign = Client::new()
        .post(format!("{}/api/v1/{scan}/retry", showcase.url))
        .header("origin", "https://evil.example")
        .json(&said());
    assert_eq!(foreign.send().await.unwrap().status().as_u16(), 403);

    // The same work again: it fails again, and the history says who wanted it and why.
    assert_eq!(ask.post(&format!("{scan}/retry"), said()).await.0, 200);
    let again = ask.ended(&broken).await;
    assert_eq!(status(&again, "scan"), StepStatus::Failed);
    let history = ask.history(&broken).await;
    assert!(history.contains("run_reopened") && history.contains("the mirror is back"), "{history}");
    // A stream from the beginning goes on past the first end.
    let events = format!("{}/api/v1/runs/{}/events", showcase.url, broken.id);
    let stream = Client::new()
        .get(events)
        .timeout(Duration::from_secs(20))
        .send()
        .await
        .unwrap()
        .text()
        .await
        .unwrap();
    assert_eq!(stream.matches("run_finished").count(), 2, "{stream}");

    // Nobody knows whether the backup was made, until a person has looked.
    let doubt = ask.push("shop/doubt").await;
    let ended = ask.ended(&doubt).await;
    assert_eq!((status(&ended, "backup"), ended.result), (StepStatus::Unknown, Some(RunResult::Failed)));
    let backup = format!("runs/{}/steps/backup", doubt.id);
    let (code, _, view) = ask
        .post(
            &format!("{backup}/resolution"),
            json!({"by": "ana", "reason": "it lies in the vault", "made": true}),
        )
        .await;
    assert_eq!(code, 200, "{view}");
    let ended = ask.ended(&doubt).await;
    assert_eq!(
        (status(&ended, "backup"), status(&ended, "delete")),
        (StepStatus::Succeeded, StepStatus::Succeeded)
    );
    assert!(ask.history(&doubt).await.contains("it lies in the vault"));
    // From a step on: it and what comes after it is new work.
    assert_eq!(ask.post(&format!("{backup}/rerun"), said()).await.0, 200);
    // What it would make is known to be there since a person has said so: its failure leaves nothing in doubt.
    assert_eq!(status(&ask.ended(&doubt).await, "backup"), StepStatus::Failed);

    // Stopping says who and why.
    let slow = ask.push("shop/slow").await;
    let begun = async {
        while status(&showcase.engine.run(&slow.id).await.unwrap(), "scan") != StepStatus::Leased {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), begun).await.unwrap();
    ask.refused(&format!("runs/{}/steps/scan/rerun", slow.id), said(), 409, "step-not-ended").await;
    ask.refused(&format!("runs/{}/cancel", slow.id), json!({"by": ""}), 422, "invalid-body").await;
    assert_eq!(ask.post(&format!("runs/{}/cancel", slow.id), said()).await.0, 202);
    assert_eq!(ask.ended(&slow).await.result, Some(RunResult::Cancelled));
    assert!(ask.history(&slow).await.contains("ana"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_paused_chain_waits_and_what_was_given_up_is_sent_again_over_the_api() {
    let folder = tempfile::tempdir().unwrap();
    let showcase = Showcase::start(folder.path()).await;
    let ask = Asked(&showcase);
    assert_eq!(ask.post("chains/web-release/pause", said()).await.0, 200);
    let chains = ask.get("chains").await;
    assert_eq!(
        (&chains["chains"][0]["paused"]["by"], &chains["chains"][1]["paused"]),
        (&json!("ana"), &Value::Null)
    );
    let run = ask.push("shop/web").await;
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert_eq!(status(&showcase.engine.run(&run.id).await.unwrap(), "scan"), StepStatus::Ready);
    assert_eq!(ask.post("chains/web-release/resume", said()).await.0, 200);
    assert_eq!(ask.ended(&run).await.result, Some(RunResult::Remediated));

    // The robot refuses for good, twice: of the run and of its child.
    let mut letters = Value::Null;
    for _ in 0..100 {
        letters = ask.get("outbox").await;
        if letters["messages"].as_array().unwrap().len() == 2 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let first = ask.get("outbox?limit=1").await;
    let next = first["next"].as_str().unwrap();
    let query = [("limit", "1"), ("before", next)];
    let second =
        Client::new().get(format!("{}/api/v1/outbox", showcase.url)).query(&query).send().await.unwrap();
    let second: Value = second.json().await.unwrap();
    assert_ne!(
        first["messages"][0]["message"]["id"], second["messages"][0]["message"]["id"],
        "{first} {second}"
    );
    assert_eq!(second["next"], Value::Null);
    assert_eq!(letters["messages"][0]["problem"]["code"], "dingtalk-310000", "{letters}");
    let id = letters["messages"][0]["message"]["id"].as_str().unwrap();
    let path = format!("outbox/{}/resend", id.replace('/', "%2F"));
    assert_eq!(ask.post(&path, json!({"by": "ana"})).await.0, 200);
    // A message that is under way, or was delivered, is not sent by hand.
    let delivered = id.replace("ops-dingtalk", "ci-webhook").replace('/', "%2F");
    ask.refused(&format!("outbox/{delivered}/resend"), json!({"by": "ana"}), 409, "message-not-failed").await;
}

const FILL: &str = "const fill = (form, said) => { for (const [name, text] of Object.entries(said)) form.querySelector(`[name=${name}]`).value = text; };";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_person_goes_on_with_runs_and_chains_on_the_pages() {
    let Some(browser) = Browser::start().await else { return };
    let folder = tempfile::tempdir().unwrap();
    let showcase = Showcase::start(folder.path()).await;
    let (ask, url) = (Asked(&showcase), showcase.url.clone());
    let web = ask.push("shop/web").await;
    assert_eq!(ask.ended(&web).await.result, Some(RunResult::Remediated));
    let doubt = ask.push("shop/doubt").await;
    ask.ended(&doubt).await;
    let broken = ask.push("shop/broken").await;
    ask.ended(&broken).await;
    assert_eq!(
        ask.post("chains/ask-first/pause", json!({"by": "ana", "reason": "the vault is full"})).await.0,
        200
    );
    let asked = ask.push("asked/web").await;

    let open = "document.querySelectorAll('details.act').forEach((d) => d.open = true);";
    for lang in ["en", "zh"] {
        browser.goto(&format!("{url}/?lang={lang}")).await;
        let said = |en: &'static str, zh: &'static str| if lang == "en" { en } else { zh };
        let pages = [
            ("control-unknown", format!("/runs/{}?step=backup", doubt.id), said("Nobody knows", "无法确定")),
            ("control-failed", format!("/runs/{}?step=scan", broken.id), said("Try again", "重试")),
            ("control-paused", format!("/runs/{}", asked.id), said("is paused", "已暂停")),
            ("control-overview", "/".into(), said("is paused", "已暂停")),
            ("control-chains", "/chains".into(), said("Let it go on", "继续运行")),
            ("control-outbox", "/outbox".into(), said("Send again", "重新发送")),
        ];
        for scheme in ["light", "dark"] {
            browser.prefer(scheme).await;
            for (width, height) in [(1280, 800), (360, 740)] {
                browser.viewport(width, height).await;
                for (name, path, said) in &pages {
                    browser.goto(&format!("{url}{path}")).await;
                    browser.script(open).await;
                    let text = browser.text().await;
                    assert!(text.contains(said), "{name} says no `{said}`: {text}");
                    let file = format!("{name}-{lang}-{scheme}-{width}.png");
                    browser.screenshot(&screenshots().join(file)).await;
                    let overflow =
                        browser.script("return document.documentElement.scrollWidth - innerWidth").await;
                    assert!(
                        overflow.as_i64().unwrap() <= 0,
                        "{name} at {width} px is {overflow} px too wide"
                    );
                    assert_eq!(browser.script("return window.hit ?? null").await, json!(null), "{name}");
                }
            }
        }
    }
    browser.goto(&format!("{url}/?lang=en")).await;
    browser.viewport(1280, 800).await;

    // What became of the backup: said on the page, and the run goes on.
    browser.goto(&format!("{url}/runs/{}?step=backup", doubt.id)).await;
    let resolve = "const form = document.querySelector('form.ask[data-decide$=\"/resolution\"]');
        fill(form, {by: 'ana', reason: 'it lies there'}); form.querySelector('[value=made]').click();";
    browser.script(&format!("{FILL} {resolve}")).await;
    browser
        .wait_for("return document.querySelector('#step .panel-head').innerText.includes('Succeeded')")
        .await;
    assert!(ask.history(&doubt).await.contains("it lies there"));

    // A failed step again; without a name nothing is sent.
    browser.goto(&format!("{url}/runs/{}?step=scan", broken.id)).await;
    browser.script(&format!("{open} document.querySelector('[value=retry]').click()")).await;
    assert!(!ask.history(&broken).await.contains("run_reopened"));
    let retry = "const form = document.querySelector('details.act form');
        fill(form, {by: 'ana', reason: 'once more'}); form.querySelector('[value=retry]').click();";
    browser.script(&format!("{FILL} {retry}")).await;
    browser.wait_for("return document.querySelector('.log')?.innerText.includes('once more') ?? false").await;
    assert!(ask.history(&broken).await.contains("run_reopened"));

    // The paused chain goes on.
    browser.goto(&format!("{url}/chains")).await;
    let resume = "const form = document.querySelector('form.ask[data-decide$=\"/ask-first/resume\"]');
        form.closest('details').open = true;
        fill(form, {by: 'ana', reason: 'there is room'}); form.querySelector('button').click();";
    browser.script(&format!("{FILL} {resume}")).await;
    browser.wait_for("return !document.querySelector('[data-decide$=\"/resume\"]')").await;
    browser.goto(&format!("{url}/runs/{}", asked.id)).await;
    browser.wait_for("return !!document.querySelector('form.ask[data-decide$=\"/decision\"]')").await;
    assert!(!browser.text().await.contains("is paused"));

    // What could not be delivered is sent again; the robot refuses again, and it is back.
    browser.goto(&format!("{url}/outbox")).await;
    let before = browser.script("return document.querySelector('time').title").await;
    let again = "const form = document.querySelector('form.ask[data-decide$=\"/resend\"]');
        form.closest('details').open = true; fill(form, {by: 'ana'}); form.querySelector('button').click();";
    tokio::time::sleep(Duration::from_millis(1100)).await;
    browser.script(&format!("{FILL} {again}")).await;
    let changed = format!("return document.querySelector('time')?.title !== {before}");
    browser.wait_for(&changed).await;
    browser.quit().await;
}
