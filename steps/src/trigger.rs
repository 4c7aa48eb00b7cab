//! `trigger`: one HTTP call to a target of the configuration, a deployment for instance.
//!
//! Each attempt carries the same `webhook-id` and `Idempotency-Key`: a call
//! whose answer was lost is made again, and the receiver tells that it is the
//! same by them. Once an answer was taken, no attempt calls again. `traceparent`
//! (W3C Trace Context) names the span of the attempt that calls.

mod targets;

use std::sync::Arc;

use async_trait::async_trait;
use patchline_chains::{
    Field, Param, ParamType, StepKind, ValueType,
    catalogue::{Effect, Rehearsed},
};
use patchline_engine::{Context, ErrorClass, Outcome, Step, StepError, step::Intent};
use reqwest::StatusCode;
use serde::Deserialize;
use serde_json::{Map, Value, json};
use sha2::{Digest as _, Sha256};

pub use self::targets::{InvalidTarget, Method, TargetConfig, Targets};
use crate::{
    catalogue::{list, optional, required},
    failure,
    notify::answer::Answer,
    params, summary,
};

/// A body beyond it is not sent.
const MOST_BODY: usize = 64 << 10;

/// Characters of the answer that are kept.
const EXCERPT: usize = 200;

/// As chains are checked.
pub(crate) struct Kind;

impl StepKind for Kind {
    fn name(&self) -> &'static str {
        "trigger"
    }

    fn summary(&self) -> &'static str {
        "makes an HTTP call to a target of the server's configuration, a deployment for instance"
    }

    fn params(&self) -> Vec<Param> {
        let status = ParamType::Integer { least: 200, most: 599 };
        vec![
            required("target", ParamType::String, "a target of the configuration").example("deploy-prod"),
            optional(
                "body",
                ParamType::MapOf(Box::new(ParamType::String)),
                "the JSON object that is sent; else chain, run, image, tag and digest",
            )
            .example("{image: \"{{image.reference}}\"}"),
            optional("expect", list(status), "statuses that are a success; any 2xx when left out")
                .example("[200, 202]"),
        ]
    }

    fn outputs(&self) -> Vec<Field> {
        vec![
            Field::new("target", ValueType::Text, "that was called"),
            Field::new("status", ValueType::Integer, "of the answer"),
            Field::new("id", ValueType::Text, "of the call: `webhook-id` and `Idempotency-Key`"),
            Field::new("answer", ValueType::Text, "the beginning of what it answered, without secrets"),
            Field::new("summary", ValueType::Text, "one line for people"),
        ]
    }

    fn effects(&self, step: &Rehearsed<'_>) -> Vec<Effect> {
        let target = step.with.get("target").and_then(Value::as_str).unwrap_or_default().to_owned();
        vec![Effect { verb: "call", target }]
    }
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Params {
    target: String,
    #[serde(default)]
    body: Option<Map<String, Value>>,
    #[serde(default)]
    expect: Vec<u16>,
}

/// The step.
pub(crate) struct Trigger {
    targets: Arc<Targets>,
}

impl Trigger {
    pub(crate) fn new(targets: Arc<Targets>) -> Self {
        Self { targets }
    }
}

/// The same for every attempt.
fn call_id(context: &Context, target: &str) -> String {
    let hash = Sha256::digest(format!("{}\0{}\0call\0{target}", context.run, context.work()).as_bytes());
    format!("msg_{}", &hex::encode(hash)[..32])
}

#[async_trait]
impl Step for Trigger {
    fn kind(&self) -> &'static str {
        "trigger"
    }

    async fn run(&self, context: Context) -> Result<Outcome, StepError> {
        let params: Params = params::read(&context.with)?;
        let name = params.target.as_str();
        let Some(target) = self.targets.get(name) else {
            let known = self.targets.names().collect::<Vec<_>>().join(", ");
            return Err(StepError::permanent(
                "target-unknown",
                format!("no target is named `{name}`; the configuration has: {known}"),
            ));
        };
        let body = body(&params, &context)?;
        let id = call_id(&context, name);
        let (log, run, step) = (&context.effects.log, &context.run, &context.step);
        let earlier = log.of_step(run, step).await.map_err(failure::engine)?;
        // When a person wants it done anew it is another call.
        let aim = match context.work().split_once('/') {
            Some((_, nth)) => format!("{name}/{nth}"),
            None => name.to_owned(),
        };
        if let Some(answered) = earlier.iter().find(|i| i.kind == "answered" && i.target == aim) {
            return Ok(Outcome::succeeded(answered.detail.clone()));
        }
        let intent = |kind: &str, detail: Value, done: bool| Intent {
            kind: kind.into(),
            target: aim.clone(),
            detail,
            done,
        };
        // An earlier attempt whose answer was lost may have been heard, whatever this one is told.
        let doubted = earlier.iter().any(|i| i.kind == "call" && i.target == aim && !i.done);
        let call = intent("call", json!({"id": id}), false);
        log.intend(run, step, &call).await.map_err(failure::engine)?;
        let answer = match target.call(&id, &context.span.traceparent(), body, self.targets.now()).await {
            Ok(answer) => answer,
            Err((sent, error)) => {
                if !sent && !doubted {
                    context.effects.withdraw("call", &aim).await.map_err(failure::engine)?;
                }
                return Err(error);
            }
        };
        let said = target.redact(&answer.body, EXCERPT);
        if let Err(error) = judge(name, &params.expect, &answer, &said) {
            if answer.status.is_success() {
                log.done(run, step, "call", &aim).await.map_err(failure::engine)?;
            } else if !doubted && is_refusal(answer.status) {
                context.effects.withdraw("call", &aim).await.map_err(failure::engine)?;
            }
            return Err(error);
        }
        let status = answer.status.as_u16();
        let line = format!("{name} answers {status}{}", after_colon(&said));
        let mut output = json!({
            "target": name,
            "status": status,
            "id": id,
            "summary": summary::cut(&line, summary::LINE),
        });
        if !said.is_empty() {
            output["answer"] = json!(said);
        }
        // Before the call is marked as made: a crash in between must not call again.
        log.intend(run, step, &intent("answered", output.clone(), true)).await.map_err(failure::engine)?;
        log.done(run, step, "call", &aim).await.map_err(failure::engine)?;
        Ok(Outcome::succeeded(output))
    }
}

fn after_colon(said: &str) -> String {
    if said.is_empty() { String::new() } else { format!(": {said}") }
}

/// The same bytes on every attempt.
fn body(params: &Params, context: &Context) -> Result<Vec<u8>, StepError> {
    let body = match &params.body {
        Some(body) => json!(body),
        None => {
            let image = &context.subject.context;
            let known = ["reference", "registry", "repository", "tag", "digest"].into_iter();
            let known =
                known.filter(|key| image[key].is_string()).map(|key| (key.to_owned(), image[key].clone()));
            json!({"chain": context.chain, "run": context.run, "step": context.step, "image": known.collect::<Map<_, _>>()})
        }
    };
    let bytes = body.to_string().into_bytes();
    if bytes.len() > MOST_BODY {
        return Err(StepError::permanent(
            "trigger-body-too-large",
            format!("the body has {} bytes, more than {MOST_BODY}", bytes.len()),
        ));
    }
    Ok(bytes)
}

/// Whether the receiver has surely not done what it was asked for.
fn is_refusal(status: StatusCode) -> bool {
    (status.is_client_error() && status != StatusCode::REQUEST_TIMEOUT) || status.is_redirection()
}

/// What a status means: expected, or to be tried again, or not.
fn judge(name: &str, expect: &[u16], answer: &Answer, said: &str) -> Result<(), StepError> {
    let status = answer.status;
    let well = if expect.is_empty() { status.is_success() } else { expect.contains(&status.as_u16()) };
    if well {
        return Ok(());
    }
    let class = match status {
        StatusCode::TOO_MANY_REQUESTS => ErrorClass::Throttled(answer.retry_after),
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => ErrorClass::Auth,
        StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_EARLY => ErrorClass::Transient,
        _ if status.is_server_error() && answer.retry_after.is_some() => {
            ErrorClass::Throttled(answer.retry_after)
        }
        _ if status.is_server_error() => ErrorClass::Transient,
        _ => ErrorClass::Permanent,
    };
    let redirect = if status.is_redirection() { ", and a redirect is never followed" } else { "" };
    let message = format!("{name} answers {}{redirect}{}", status.as_u16(), after_colon(said));
    Err(StepError { class, code: "target-status".into(), message })
}

#[cfg(test)]
mod tests;
