//! The six-step diamond, its steps that do nothing, and an engine over them.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use patchline_chains::{Plan, PlanStep, Retry, Scope};
use patchline_engine::{
    Context, Deliver, DeliveryError, Engine, EngineOptions, Message, Outcome, RunId, Step, StepError, Store,
    Subject, Submission, Trigger, TriggerKind, clock::SystemClock,
};
use serde_json::{Value, json};

use crate::marks::{Mark, Marks, now};

/// One step, four beside each other, and one that needs all of them.
pub(crate) const NEEDS: [&[u8]; 6] = [&[], &[0], &[0], &[0], &[0], &[1, 2, 3, 4]];

const NAMES: [&str; 6] = ["scan", "gate", "copy", "sign", "tell", "done"];

/// Steps at once in one process.
pub(crate) const CONCURRENCY: usize = 128;

/// The kind of all steps.
pub(crate) const KIND: &str = "noop";

pub(crate) fn diamond(chain: &str) -> Plan {
    let step = |(i, needs): (usize, &&[u8])| PlanStep {
        name: NAMES[i].into(),
        title: None,
        uses: KIND.into(),
        needs: needs.iter().map(|n| NAMES[usize::from(*n)].to_owned()).collect(),
        when: None,
        with: json!({}),
        timeout: Duration::from_secs(600),
        retry: Retry { attempts: 3, backoff: Duration::from_secs(1), max_backoff: Duration::from_secs(60) },
        continue_on_failure: false,
    };
    Plan {
        version: 1,
        chain: chain.into(),
        description: None,
        scope: Scope::default(),
        on_push: true,
        on_advisories: None,
        on_schedule: None,
        params: json!({}),
        parameters: Default::default(),
        concurrency: None,
        timeout: None,
        steps: NEEDS.iter().enumerate().map(step).collect(),
    }
}

/// One run over an image that nobody else names.
pub(crate) fn submission(plan: &Arc<Plan>, tag: &str, kind: TriggerKind) -> Submission {
    Submission {
        plan: Some(plan.clone()),
        subject: Subject {
            identity: format!("main/shop/web:{tag}@sha256:{tag:0>64}"),
            context: json!({"registry": "main", "repository": "shop/web", "tag": tag, "digest": format!("sha256:{tag:0>64}")}),
        },
        trigger: Trigger { kind, source: "bench".into(), event_id: None },
        params: Value::Null,
        parent: None,
    }
}

/// Notes when it ran, and that is all; but for chains that stand for work.
pub(crate) struct Noop(pub(crate) Arc<Marks>);

#[async_trait]
impl Step for Noop {
    fn kind(&self) -> &'static str {
        KIND
    }
    async fn run(&self, context: Context) -> Result<Outcome, StepError> {
        let begin = now();
        if let Some(each) = self.0.work(&context.chain).filter(|each| !each.is_zero()) {
            tokio::time::sleep(each).await;
        }
        let step = NAMES.iter().position(|n| *n == context.step).unwrap();
        self.0.push(Mark { run: number(&context.run), step: u8::try_from(step).unwrap(), begin, end: now() });
        Ok(Outcome::succeeded(json!({})))
    }
}

/// A run's id as a number: its 26 letters hold 128 bits.
pub(crate) fn number(run: &RunId) -> u128 {
    run.0.bytes().fold(0, |all, letter| (all << 5) ^ u128::from(letter & 0x1f))
}

/// Delivers nothing: the diamond sends nothing.
struct Nowhere;

#[async_trait]
impl Deliver for Nowhere {
    async fn deliver(&self, _: &Message) -> Result<(), DeliveryError> {
        Ok(())
    }
}

/// What a process is to its store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    /// Alone: it owns the data.
    Owner,
    /// One of many that run steps.
    Worker,
    /// Submits and runs nothing.
    Server,
}

pub(crate) async fn engine(store: Arc<dyn Store>, marks: &Arc<Marks>, role: Role) -> Engine {
    let options = EngineOptions {
        concurrency: if role == Role::Server { 0 } else { CONCURRENCY },
        owns_data: role == Role::Owner,
        drain: Duration::from_secs(10),
        ..EngineOptions::default()
    };
    let steps: Vec<Arc<dyn Step>> = vec![Arc::new(Noop(marks.clone()))];
    Engine::start(store, steps, Arc::new(Nowhere), Arc::new(SystemClock), options).await.unwrap()
}
