//! A disk that is full: an error with its code, and nothing lost.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use patchline_chains::{Plan, PlanStep, Retry, Scope};
use patchline_engine::{
    Context, Deliver, DeliveryError, Engine, EngineOptions, Message, Outcome, RunResult, Step, StepError,
    Subject, Submission, Trigger, TriggerKind, clock::SystemClock,
};
use serde_json::{Value, json};

use super::Sqlite;

/// No page more than there is; or as many as one likes: for the connection that there is, and for those to come.
async fn full(store: &Sqlite, is: bool) {
    let pages = if is { "1" } else { "1000000" };
    let options = store.writer.connect_options().as_ref().clone().pragma("max_page_count", pages);
    store.writer.set_connect_options(options);
    let mut connection = store.writer.acquire().await.unwrap();
    let limit = if is { "PRAGMA max_page_count = 1" } else { "PRAGMA max_page_count = 1000000" };
    sqlx::query(limit).execute(&mut *connection).await.unwrap();
}

struct Fills(Sqlite);

#[async_trait]
impl Step for Fills {
    fn kind(&self) -> &'static str {
        "fill"
    }
    async fn run(&self, context: Context) -> Result<Outcome, StepError> {
        context.news.note("ran".into()).await;
        full(&self.0, true).await;
        Ok(Outcome::succeeded(json!({"much": "x".repeat(60_000)})))
    }
}

struct Nobody;

#[async_trait]
impl Deliver for Nobody {
    async fn deliver(&self, _: &Message) -> Result<(), DeliveryError> {
        Ok(())
    }
}

fn submission() -> Submission {
    let step = PlanStep {
        name: "fill".into(),
        title: None,
        uses: "fill".into(),
        needs: Vec::new(),
        when: None,
        with: json!({}),
        timeout: Duration::from_secs(30),
        retry: Retry { attempts: 1, backoff: Duration::from_secs(1), max_backoff: Duration::from_secs(1) },
        continue_on_failure: false,
    };
    let plan = Plan {
        version: 1,
        chain: "c".into(),
        description: None,
        scope: Scope::default(),
        on_push: false,
        on_advisories: None,
        on_schedule: None,
        params: json!({}),
        parameters: Default::default(),
        concurrency: None,
        timeout: None,
        steps: vec![step],
    };
    Submission {
        plan: Some(Arc::new(plan)),
        // Larger than what a page has left.
        subject: Subject { identity: "r/x:1@sha256:0".into(), context: json!({"much": "x".repeat(20_000)}) },
        trigger: Trigger { kind: TriggerKind::Manual, source: "test".into(), event_id: None },
        params: Value::Null,
        parent: None,
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_disk_refuses_what_is_new_and_keeps_what_was_done() {
    let dir = tempfile::tempdir().unwrap();
    let store = Sqlite::open(&dir.path().join("p.db")).await.unwrap();
    let options = EngineOptions {
        concurrency: 1,
        owns_data: true,
        drain: Duration::from_secs(1),
        public_url: None,
        ..Default::default()
    };
    let steps: Vec<Arc<dyn Step>> = vec![Arc::new(Fills(store.clone()))];
    let engine =
        Engine::start(Arc::new(store.clone()), steps, Arc::new(Nobody), Arc::new(SystemClock), options)
            .await
            .unwrap();

    full(&store, true).await;
    let refused = engine.submit(vec![submission()]).await.unwrap_err();
    assert_eq!(refused.code(), "store-failed");
    full(&store, false).await;
    assert!(engine.runs(&Default::default()).await.unwrap().is_empty());

    let run = engine.submit(vec![submission()]).await.unwrap()[0].run.clone();
    tokio::time::sleep(Duration::from_millis(1500)).await;
    // Its end could not be written so far.
    assert_eq!(engine.run(&run).await.unwrap().result, None);
    full(&store, false).await;
    let view = tokio::time::timeout(Duration::from_secs(20), engine.finished(&run)).await.unwrap().unwrap();
    assert_eq!((view.result, view.steps[0].attempt), (Some(RunResult::Passed), 1));
    let ran = engine.events(&run, 0).await.unwrap();
    let notes = ran.iter().filter(|e| matches!(e.kind, patchline_engine::EventKind::Note { .. })).count();
    assert_eq!(notes, 1, "it ran once");
}
