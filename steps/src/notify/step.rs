//! `notify`: writes one message a channel into the outbox; delivery is apart from the run.

use std::sync::Arc;

use async_trait::async_trait;
use patchline_chains::{
    Field, Param, ParamType, StepKind, ValueType,
    catalogue::{Effect, Objection, Rehearsed, StepInPlan},
};
use patchline_engine::{Context, Message, Outcome, Step, StepError};
use serde::Deserialize;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use super::{
    Channels,
    message::{Language, Story},
};
use crate::{
    catalogue::{list, objection, optional, required},
    image::Image,
    params, summary,
};

/// As chains are checked.
pub(crate) struct Kind;

impl StepKind for Kind {
    fn name(&self) -> &'static str {
        "notify"
    }

    fn summary(&self) -> &'static str {
        "tells channels what became of the image"
    }

    fn params(&self) -> Vec<Param> {
        vec![
            required("channels", list(ParamType::String), "channels of the configuration"),
            optional("template", ParamType::Enum(&["gate-result"]), "what is told; gate-result"),
            optional("language", ParamType::Enum(&["en", "zh"]), "of the template; en"),
            optional("title", ParamType::String, "instead of the template's"),
            optional("text", ParamType::String, "instead of the template's, in Markdown"),
        ]
    }

    fn outputs(&self) -> Vec<Field> {
        vec![
            Field::new("messages", ValueType::list(ValueType::Text), "ids"),
            Field::new("type", ValueType::Text, "of the event"),
            Field::new("summary", ValueType::Text, "one line for people"),
        ]
    }

    fn check(&self, step: &StepInPlan<'_>) -> Vec<Objection> {
        check(step)
    }

    fn effects(&self, step: &Rehearsed<'_>) -> Vec<Effect> {
        let channels = step.with.get("channels").and_then(Value::as_array).into_iter().flatten();
        channels
            .filter_map(Value::as_str)
            .map(|channel| Effect { verb: "send", target: channel.to_owned() })
            .collect()
    }
}

fn check(step: &StepInPlan<'_>) -> Vec<Objection> {
    let none = step.with.get("channels").and_then(Value::as_array).is_some_and(Vec::is_empty);
    if none {
        return vec![objection(
            &["channels"],
            "notify-without-channels",
            "a notification without a channel reaches nobody",
            "name a channel of the server's configuration",
        )];
    }
    Vec::new()
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Params {
    channels: Vec<String>,
    #[serde(default)]
    template: Template,
    #[serde(default)]
    language: Language,
    #[serde(default)]
    title: Option<String>,
    #[serde(default)]
    text: Option<String>,
}

#[derive(Debug, Default, Clone, Copy, Deserialize)]
enum Template {
    #[default]
    #[serde(rename = "gate-result")]
    GateResult,
}

/// The step.
pub(crate) struct Notify {
    channels: Arc<Channels>,
}

impl Notify {
    pub(crate) fn new(channels: Arc<Channels>) -> Self {
        Self { channels }
    }
}

/// The same for every attempt, so that receivers tell repeats.
fn message_id(run: &str, step: &str, channel: &str) -> String {
    let hash = Sha256::digest(format!("{run}\0{step}\0{channel}").as_bytes());
    format!("msg_{}", &hex::encode(hash)[..32])
}

#[async_trait]
impl Step for Notify {
    fn kind(&self) -> &'static str {
        "notify"
    }

    async fn run(&self, context: Context) -> Result<Outcome, StepError> {
        let params: Params = params::read(&context.with)?;
        if let Some(unknown) = params.channels.iter().find(|c| !self.channels.contains(c)) {
            let known = self.channels.names().collect::<Vec<_>>().join(", ");
            return Err(StepError::permanent(
                "channel-unknown",
                format!("no channel is named `{unknown}`; the configuration has: {known}"),
            ));
        }
        let image = Image::of(&context)?;
        let Template::GateResult = params.template;
        let story = Story::read(&context, &image);
        let payload = json!({
            "type": story.event_type(),
            "source": format!("urn:patchline:chain:{}", context.chain),
            "subject": image.place_text(),
            "traceparent": context.span.traceparent(),
            "title": params.title.unwrap_or_else(|| story.title(params.language)),
            "text_markdown": params.text.unwrap_or_else(|| story.markdown(params.language)),
            "facts": story.facts(params.language),
            "data": story.data(),
        });
        let mut channels = params.channels;
        channels.sort_unstable();
        channels.dedup();
        let messages: Vec<Message> = channels
            .into_iter()
            .map(|channel| Message {
                id: message_id(&context.run.0, context.work(), &channel),
                channel,
                payload: payload.clone(),
            })
            .collect();
        let names: Vec<&str> = messages.iter().map(|m| m.channel.as_str()).collect();
        // The outbox delivers, apart from the run: nothing has arrived yet.
        let summary = summary::cut(&format!("to be sent to {}", names.join(", ")), summary::LINE);
        let ids: Vec<&str> = messages.iter().map(|m| m.id.as_str()).collect();
        let output = json!({"messages": ids, "type": story.event_type(), "summary": summary});
        Ok(Outcome::Succeeded { output, messages, mends: false })
    }
}
