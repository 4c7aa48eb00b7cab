//! The chain that killed processes run, and its step kinds: work, a limited one, a call, a child, a message.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use patchline_chains::{Plan, PlanStep, Retry, Scope};
use patchline_engine::{
    Context, Deliver, DeliveryError, ErrorClass, Limits, Message, Outcome, Step, StepError, Subject,
    Submission, Trigger, TriggerKind, limits::Limit, step::Intent,
};
use serde_json::{Value, json};

use crate::lines::Lines;

/// What limited steps are counted under, over all processes.
pub(crate) const KEY: &str = "registry main";
/// How many at once.
pub(crate) const MOST: usize = 3;

fn step(name: &str, kind: &str, needs: &[&str]) -> PlanStep {
    PlanStep {
        name: name.into(),
        title: None,
        uses: kind.into(),
        needs: needs.iter().map(|n| (*n).to_owned()).collect(),
        when: None,
        with: json!({}),
        timeout: Duration::from_secs(120),
        retry: Retry {
            attempts: 20,
            backoff: Duration::from_millis(200),
            max_backoff: Duration::from_secs(2),
        },
        continue_on_failure: false,
    }
}

/// Fan out, fan in, a child for some, a message at the end.
pub(crate) fn plan() -> Plan {
    Plan {
        version: 1,
        chain: "chaos".into(),
        description: None,
        scope: Scope::default(),
        on_push: true,
        on_advisories: None,
        on_schedule: None,
        params: json!({}),
        parameters: Default::default(),
        concurrency: None,
        timeout: None,
        steps: vec![
            step("scan", "work", &[]),
            step("copy", "limited", &["scan"]),
            step("call", "call", &["scan"]),
            step("sign", "work", &["scan"]),
            step("fix", "child", &["copy", "call", "sign"]),
            step("tell", "tell", &["fix"]),
        ],
    }
}

/// The image of the n-th run; every fifth has a child.
pub(crate) fn subject(n: u64, of: &str) -> Subject {
    let tag = format!("v{n}{of}");
    Subject {
        identity: format!("main/shop/web:{tag}@sha256:0"),
        context: json!({"registry": "main", "repository": "shop/web", "tag": tag, "n": n, "child": of.is_empty() && n.is_multiple_of(5)}),
    }
}

pub(crate) fn submission(plan: &Arc<Plan>, n: u64) -> Submission {
    Submission {
        plan: Some(plan.clone()),
        subject: subject(n, ""),
        trigger: Trigger {
            kind: TriggerKind::Push,
            source: "chaos".into(),
            event_id: Some(format!("event{n}")),
        },
        params: Value::Null,
        parent: None,
    }
}

/// The limit of the kind `limited`.
pub(crate) struct Few;

impl Limits for Few {
    fn of(&self, _: &str, _: &Subject, kind: &str) -> Vec<Limit> {
        if kind == "limited" { vec![Limit { key: KEY.into(), most: MOST }] } else { Vec::new() }
    }
    fn most(&self, key: &str) -> Option<usize> {
        (key == KEY).then_some(MOST)
    }
}

/// What all kinds share.
#[derive(Clone)]
pub(crate) struct World {
    pub(crate) lines: Arc<Lines>,
    pub(crate) standin: String,
    pub(crate) client: reqwest::Client,
}

/// One of the kinds.
pub(crate) struct Kind(pub(crate) &'static str, pub(crate) World);

pub(crate) const KINDS: [&str; 5] = ["work", "limited", "call", "child", "tell"];

/// Writes down how an attempt ends, also when it is dropped.
struct Noted<'a> {
    lines: &'a Lines,
    key: String,
    how: &'static str,
}

impl Drop for Noted<'_> {
    fn drop(&mut self) {
        self.lines.write(&format!("E {} {}", self.key, self.how));
    }
}

fn unreachable_standin(error: &reqwest::Error) -> StepError {
    StepError::new(ErrorClass::Transient, "standin-unreachable", error)
}

fn engine(error: &patchline_engine::Error) -> StepError {
    StepError::new(ErrorClass::Transient, "store-unavailable", error)
}

#[async_trait]
impl Step for Kind {
    fn kind(&self) -> &'static str {
        self.0
    }
    async fn run(&self, context: Context) -> Result<Outcome, StepError> {
        let key = format!("{}/{}#{}", context.idempotency_key, context.attempt, rand::random::<u32>());
        self.1.lines.write(&format!("B {key} {} {} {}", context.run, context.step, self.0));
        let mut noted = Noted { lines: &self.1.lines, key, how: "dropped" };
        let pause = Duration::from_millis(rand::random_range(5..250));
        tokio::time::sleep(pause).await;
        let outcome = match self.0 {
            "call" => self.call(&context).await,
            "child" if context.round == 1 && context.subject.context["child"] == json!(true) => {
                let n = context.subject.context["n"].as_u64().unwrap_or_default();
                Ok(Outcome::Child { subject: subject(n, "_fixed"), output: json!({}), mends: false })
            }
            "tell" => {
                let id = format!("{}/ops", context.idempotency_key);
                let payload = json!({"effect": format!("message {}", context.idempotency_key)});
                let message = Message { id, channel: "ops".into(), payload };
                Ok(Outcome::Succeeded { output: json!({}), messages: vec![message], mends: false })
            }
            _ => Ok(Outcome::succeeded(json!({"step": context.step}))),
        };
        noted.how = if outcome.is_ok() { "done" } else { "failed" };
        outcome
    }
}

impl Kind {
    /// An effect as `trigger` makes it: the intent before, the answer after, one id for all attempts.
    async fn call(&self, context: &Context) -> Result<Outcome, StepError> {
        let (log, run, step) = (&context.effects.log, &context.run, &context.step);
        let earlier = log.of_step(run, step).await.map_err(|e| engine(&e))?;
        if earlier.iter().any(|intent| intent.kind == "answered") {
            return Ok(Outcome::succeeded(json!({"again": true})));
        }
        let intent =
            |kind: &str, done| Intent { kind: kind.into(), target: "sink".into(), detail: json!({}), done };
        log.intend(run, step, &intent("call", false)).await.map_err(|e| engine(&e))?;
        let body = json!({"effect": format!("call {}", context.idempotency_key)});
        let request = self.1.client.post(format!("{}/call", self.1.standin));
        let request = request.header("idempotency-key", &context.idempotency_key).json(&body);
        let answer = request.send().await.map_err(|e| unreachable_standin(&e))?;
        answer.error_for_status().map_err(|e| unreachable_standin(&e))?;
        log.intend(run, step, &intent("answered", true)).await.map_err(|e| engine(&e))?;
        log.done(run, step, "call", "sink").await.map_err(|e| engine(&e))?;
        Ok(Outcome::succeeded(json!({"again": false})))
    }
}

/// Sends messages to the stand-in.
pub(crate) struct Post(pub(crate) World);

#[async_trait]
impl Deliver for Post {
    async fn deliver(&self, message: &Message) -> Result<(), DeliveryError> {
        let request = self.0.client.post(format!("{}/message", self.0.standin));
        let sent = request.header("webhook-id", &message.id).json(&message.payload).send().await;
        let failed = |message: String| DeliveryError {
            code: "standin-unreachable".into(),
            message,
            retry: true,
            after: None,
        };
        sent.and_then(reqwest::Response::error_for_status).map(drop).map_err(|e| failed(e.to_string()))
    }
}
