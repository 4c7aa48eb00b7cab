//! `kill -9` at random moments: every run ends as if nothing had happened.
//!
//! The test starts its own executable again, which runs the engine over the same file until all is done.

use std::{
    collections::HashMap,
    fs,
    io::Write,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::Arc,
    time::Duration,
};

use async_trait::async_trait;
use patchline_engine::{
    Deliver, DeliveryError, DeliveryState, Engine, EngineOptions, Message, Outcome, RunFilter, RunResult,
    Step, TriggerKind, clock::SystemClock,
};
use serde_json::json;

use crate::kit::*;

const STORE: &str = "PATCHLINE_TEST_KILL_STORE";
const DIR: &str = "PATCHLINE_TEST_KILL_DIR";
const KILLS: usize = 10;
const RUNS: usize = 6;

/// One line that a crash cannot tear from the one before.
fn line(file: &Path, text: &str) {
    let mut file = fs::OpenOptions::new().append(true).create(true).open(file).unwrap();
    file.write_all(format!("{text}\n").as_bytes()).unwrap();
}

struct FileSink(PathBuf);

#[async_trait]
impl Deliver for FileSink {
    async fn deliver(&self, message: &Message) -> Result<(), DeliveryError> {
        line(&self.0, &message.id);
        tokio::time::sleep(Duration::from_millis(20)).await;
        Ok(())
    }
}

fn chain() -> patchline_chains::Plan {
    let mut fix = step("fix", &["gate"]);
    fix.when = Some("steps.gate.denied".into());
    let mut tell = step("tell", &["gate", "fix"]);
    tell.when = Some("always".into());
    plan("web", vec![step("scan", &[]), step("gate", &["scan"]), fix, tell])
}

fn script(dir: &Path) -> Script {
    let log = dir.join("steps");
    let slow = move |c: &patchline_engine::Context| {
        line(&log, &c.idempotency_key);
        tokio::time::sleep(Duration::from_millis(60))
    };
    let (scan, gate, fix) = (slow.clone(), slow.clone(), slow.clone());
    Script::default()
        .on("scan", move |c| {
            let pause = scan(&c);
            async move {
                pause.await;
                Ok(Outcome::succeeded(json!({})))
            }
        })
        .on("gate", move |c| {
            let pause = gate(&c);
            async move {
                pause.await;
                Ok(if c.round == 1 { Outcome::denied(json!({})) } else { Outcome::succeeded(json!({})) })
            }
        })
        .on("fix", move |c| {
            let pause = fix(&c);
            async move {
                pause.await;
                let subject = subject(&format!("{}_fixed", c.names["image"]["tag"].as_str().unwrap()));
                Ok(Outcome::Child { subject, output: json!({}), mends: true })
            }
        })
        .on("tell", move |c| {
            let pause = slow(&c);
            async move {
                pause.await;
                let id = format!("{}/ops", c.idempotency_key);
                let message = Message { id, channel: "ops".into(), payload: json!({}) };
                Ok(Outcome::Succeeded { output: json!({}), messages: vec![message], mends: false })
            }
        })
}

/// What the killed process does; a test only in name.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn victim() {
    let Some(dir) = std::env::var_os(DIR).map(PathBuf::from) else { return };
    let store = open(&std::env::var(STORE).unwrap()).await;
    let steps: Vec<Arc<dyn Step>> = vec![Arc::new(script(&dir))];
    let options = EngineOptions {
        concurrency: 2,
        owns_data: true,
        drain: Duration::from_secs(1),
        public_url: None,
        ..Default::default()
    };
    let sink = Arc::new(FileSink(dir.join("messages")));
    let engine = Engine::start(store, steps, sink, Arc::new(SystemClock), options).await.unwrap();
    let plan = chain();
    let submissions = (0..RUNS).map(|n| {
        let mut submission = submission(&plan, &format!("v{n}"));
        submission.trigger.kind = TriggerKind::Push;
        submission.trigger.event_id = Some(format!("event{n}"));
        submission
    });
    for submitted in engine.submit(submissions.collect()).await.unwrap() {
        engine.finished(&submitted.run).await.unwrap();
    }
    for run in engine.runs(&RunFilter::default()).await.unwrap() {
        until(async || {
            let deliveries = engine.run(&run.id).await.unwrap().deliveries;
            deliveries.len() == 1 && deliveries[0].state == DeliveryState::Delivered
        })
        .await;
    }
    engine.stop().await.unwrap();
    line(&dir.join("done"), "done");
}

fn start(place: &Place) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "kill::victim", "--nocapture"])
        .env(DIR, place.dir.path())
        .env(STORE, place.name())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

fn counted(file: &Path) -> HashMap<String, usize> {
    let mut counts = HashMap::new();
    for line in fs::read_to_string(file).unwrap_or_default().lines() {
        *counts.entry(line.to_owned()).or_default() += 1;
    }
    counts
}

on_both!(ten_kills_at_random_moments_change_nothing_but_the_time);

async fn ten_kills_at_random_moments_change_nothing_but_the_time(place: Place) {
    let mut kills = 0;
    while kills < KILLS && !place.dir.path().join("done").exists() {
        let mut child = start(&place);
        let pause = rand::random_range(60..450);
        tokio::time::sleep(Duration::from_millis(pause)).await;
        child.kill().unwrap();
        child.wait().unwrap();
        kills += 1;
    }
    assert!(kills > 3, "it was done before it could be killed often");
    if !place.dir.path().join("done").exists() {
        let mut last = start(&place);
        let ended = tokio::task::spawn_blocking(move || last.wait().unwrap()).await.unwrap();
        assert!(ended.success());
    }
    let records = place.open().await.runs(&RunFilter::default()).await.unwrap();
    assert_eq!(records.len(), 2 * RUNS);
    for record in &records {
        let expected = if record.round == 1 { RunResult::Remediated } else { RunResult::Passed };
        assert_eq!(record.result(), Some(expected), "{record:?}");
    }
    let ran = counted(&place.dir.path().join("steps"));
    // Every step but the skipped fix of a child.
    assert_eq!(ran.len(), RUNS * 7);
    let again: usize = ran.values().map(|n| n - 1).sum();
    assert!(again <= kills * 2, "{again} steps ran again after {kills} kills of 2 workers");
    let messages = counted(&place.dir.path().join("messages"));
    assert_eq!(messages.len(), 2 * RUNS);
    assert!(messages.values().all(|n| n - 1 <= kills));
    let again: usize = messages.values().map(|n| n - 1).sum();
    // Four are on their way at once, at most.
    assert!(again <= kills * 4, "{again} messages were repeated after {kills} kills");
}
