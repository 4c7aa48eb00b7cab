//! `approve`: waits, durably, for a person. Nobody's answer is never taken for a yes.

use std::time::Duration;

use async_trait::async_trait;
use patchline_chains::{
    Field, Param, ParamType, StepKind, ValueType,
    catalogue::{Objection, StepInPlan},
    duration,
};
use patchline_engine::{Context, Outcome, Step, StepError};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::{
    catalogue::{objection, optional, required},
    params, summary,
};

/// A person needs so long at least, and a run is not kept open longer than that.
const SHORTEST: Duration = Duration::from_secs(60);
const LONGEST: Duration = Duration::from_secs(90 * 86_400);

/// Without `expires`.
const DEFAULT: Duration = Duration::from_secs(7 * 86_400);

/// Characters of a question.
const MESSAGE: usize = 2000;

/// As chains are checked.
pub(crate) struct Kind;

impl StepKind for Kind {
    fn name(&self) -> &'static str {
        "approve"
    }

    fn summary(&self) -> &'static str {
        "waits until a person approves or rejects; keeps its place in the chain's `concurrency` meanwhile"
    }

    fn params(&self) -> Vec<Param> {
        vec![
            required("message", ParamType::String, "what the person is asked")
                .example("ship {{image.repository}}:{{image.tag}} to production?"),
            optional("expires", ParamType::Duration, "how long it waits, from 1m to 90d").default("7d"),
            optional("on_expiry", ParamType::Enum(&["reject"]), "what becomes of it when nobody decides")
                .default("reject"),
        ]
    }

    fn outputs(&self) -> Vec<Field> {
        vec![
            Field::new("message", ValueType::Text, "what was asked"),
            Field::new("approved", ValueType::Bool, "what the person said"),
            Field::new("by", ValueType::Text, "who, as they call themselves; left out when nobody decided"),
            Field::new("reason", ValueType::Text, "why"),
            Field::new("at", ValueType::Text, "when it was decided, RFC 3339"),
            Field::new("summary", ValueType::Text, "one line for people"),
        ]
    }

    fn denies(&self) -> bool {
        true
    }

    fn check(&self, step: &StepInPlan<'_>) -> Vec<Objection> {
        let expires = step.with.get("expires").and_then(Value::as_str).filter(|text| !text.contains("{{"));
        // What is no duration at all is told by its type.
        let Some(Ok(expires)) = expires.map(duration::parse) else { return Vec::new() };
        if (SHORTEST..=LONGEST).contains(&expires) {
            return Vec::new();
        }
        vec![objection(
            &["expires"],
            "approval-expiry",
            "an approval waits from 1m to 90d",
            "write `1d`, or leave it out: `7d`",
        )]
    }
}

#[derive(Debug, Default, Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
enum OnExpiry {
    #[default]
    Reject,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Params {
    message: String,
    #[serde(default)]
    expires: Option<String>,
    #[serde(default)]
    on_expiry: OnExpiry,
}

/// The step.
pub(crate) struct Approve;

#[async_trait]
impl Step for Approve {
    fn kind(&self) -> &'static str {
        "approve"
    }

    async fn run(&self, context: Context) -> Result<Outcome, StepError> {
        let params: Params = params::read(&context.with)?;
        // There is one answer to time: the engine refuses.
        let OnExpiry::Reject = params.on_expiry;
        let expires = match &params.expires {
            None => DEFAULT,
            Some(text) => {
                let wait = duration::parse(text).ok().filter(|w| (SHORTEST..=LONGEST).contains(w));
                wait.ok_or_else(|| {
                    let shown: String = text.chars().take(50).collect();
                    StepError::permanent(
                        "approval-expiry",
                        format!("`{shown}` is no time that an approval waits: from 1m to 90d"),
                    )
                })?
            }
        };
        // It is shown in terminals too.
        let words = params.message.split(|c: char| c.is_whitespace() || c.is_control());
        let words: Vec<&str> = words.filter(|w| !w.is_empty()).collect();
        let message = summary::cut(&words.join(" "), MESSAGE);
        let line = summary::cut(&format!("waits for a person: {message}"), summary::LINE);
        Ok(Outcome::Approval { expires, output: json!({"message": message, "summary": line}) })
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use patchline_registry::Digest;

    use super::*;
    use crate::testing::{self, Memory};

    async fn ask(with: Value) -> Result<(Duration, Value), StepError> {
        let digest = Digest::of(b"image");
        let context =
            testing::context(Arc::new(Memory::default()), ("shop/web", Some("v1"), &digest), with, &[]);
        match Approve.run(context).await? {
            Outcome::Approval { expires, output } => Ok((expires, output)),
            other => panic!("{other:?}"),
        }
    }

    #[tokio::test]
    async fn a_question_and_how_long_it_stands() {
        let (expires, output) = ask(json!({"message": " ship\u{1b} it? "})).await.expect("asked");
        assert_eq!((expires, &output["message"]), (DEFAULT, &json!("ship it?")));
        assert_eq!(output["summary"], "waits for a person: ship it?");
        assert!(crate::fits::misfits(&Kind.outputs(), &output).is_empty());
        let (expires, output) =
            ask(json!({"message": "x".repeat(100_000), "expires": "3d", "on_expiry": "reject"}))
                .await
                .expect("asked");
        assert_eq!((expires, output.to_string().len() < 4000), (Duration::from_secs(3 * 86_400), true));
        for expires in ["0s", "59s", "91d", "soon", ""] {
            let error = ask(json!({"message": "?", "expires": expires})).await.expect_err(expires);
            assert_eq!(error.code, "approval-expiry", "{expires}");
        }
        for with in
            [json!({}), json!({"message": "?", "on_expiry": "approve"}), json!({"message": "?", "by": "me"})]
        {
            assert_eq!(ask(with).await.expect_err("refused").code, "parameters-invalid");
        }
    }

    #[test]
    fn a_chain_is_told_of_a_wait_that_is_none() {
        let codes = |with: Value| {
            let step = StepInPlan { name: "it", with: &with, before: vec![] };
            Kind.check(&step).into_iter().map(|o| o.code).collect::<Vec<_>>()
        };
        for well in [
            json!({}),
            json!({"expires": "1m"}),
            json!({"expires": "90d"}),
            json!({"expires": "{{params.wait}}"}),
        ] {
            assert!(codes(well).is_empty());
        }
        assert_eq!(codes(json!({"expires": "30s"})), ["approval-expiry"]);
        assert_eq!(codes(json!({"expires": "1000d"})), ["approval-expiry"]);
    }
}
