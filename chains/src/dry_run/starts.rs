//! Whether an image is in a chain's scope, and what would start the chain for it.

use serde::Serialize;
use serde_json::Value;

use crate::glob;
use crate::plan::Plan;

/// Whether a chain handles an image.
#[derive(Debug, Clone, Serialize)]
pub struct Scoped {
    /// Whether it does.
    pub inside: bool,
    /// What keeps it out, each in words; empty inside.
    pub reasons: Vec<String>,
}

/// Something that starts chains.
#[derive(Debug, Clone, Serialize)]
pub struct Trigger {
    /// `push`, `schedule`, `advisories`, `manual`, …
    pub on: String,
    /// Whether it would start this chain over this image.
    pub starts: bool,
    /// In words.
    pub detail: String,
}

/// Holds `image` against the scope.
pub(super) fn scope(plan: &Plan, image: &Value) -> Scoped {
    let text = |key: &str| image.get(key).and_then(Value::as_str);
    let (registry, repository) =
        (text("registry").unwrap_or_default(), text("repository").unwrap_or_default());
    let mut reasons = Vec::new();
    let scope = &plan.scope;
    if let Some(own) = scope.registry.as_deref().filter(|own| *own != registry) {
        reasons.push(format!("its registry is `{registry}`, and the scope names `{own}`"));
    }
    if !glob::matches(&scope.repositories, repository) {
        reasons.push(format!(
            "`{repository}` is not among the repositories [{}]",
            scope.repositories.join(", ")
        ));
    }
    let tag = text("tag");
    // The tags as the plan itself holds them against the image.
    let mut tags_alone = plan.clone();
    (tags_alone.scope.registry, tags_alone.scope.repositories, tags_alone.steps) =
        (None, Vec::new(), Vec::new());
    if !tags_alone.matches(registry, repository, tag) {
        let tags = scope.tags.join(", ");
        reasons.push(match tag {
            Some(tag) => format!("the tag `{tag}` is not among [{tags}]"),
            None => format!("it has no tag, and the scope asks for one of [{tags}]"),
        });
    }
    Scoped { inside: plan.matches(registry, repository, tag), reasons }
}

/// Everything under `on`, and the start by hand that is always allowed.
pub(super) fn triggers(plan: &Plan, image: &Value) -> Vec<Trigger> {
    let inside = scope(plan, image).inside;
    let outside = |words: String| match inside {
        true => words,
        false => format!("{words}, but not this image: it is out of scope"),
    };
    let mut found = Vec::new();
    // By the plan's own form, so that a trigger that is added there is told here.
    if let Ok(Value::Object(form)) = serde_json::to_value(plan) {
        for (key, value) in &form {
            let Some(on) = key.strip_prefix("on_") else { continue };
            let Some(words) = words(on, value) else { continue };
            found.push(Trigger { on: on.to_owned(), starts: inside, detail: outside(words) });
        }
    }
    let detail = "by hand or through the API, at any time".to_owned();
    found.push(Trigger { on: "manual".to_owned(), starts: true, detail });
    found
}

/// What a trigger of the plan says; none: it is not there.
fn words(on: &str, value: &Value) -> Option<String> {
    match (on, value) {
        (_, Value::Null | Value::Bool(false)) => None,
        ("push", _) => Some("when a tag is pushed".to_owned()),
        ("advisories", value) => {
            let severity = value.as_str().or_else(|| value.get("severity").and_then(Value::as_str));
            Some(match severity {
                Some(severity) => format!("when a new advisory of severity {severity} or above touches it"),
                None => "when a new advisory touches it".to_owned(),
            })
        }
        ("schedule", value) => {
            let text = |key: &str| value.get(key).and_then(Value::as_str);
            let cron = text("cron").unwrap_or("?");
            let zone = text("timezone").unwrap_or("UTC");
            let window = value.get("images").and_then(Value::as_object).map(|images| {
                let ways = images.iter().filter(|(_, v)| !v.is_null()).map(|(key, value)| match value {
                    Value::String(text) => format!("{key}: {text}"),
                    other => format!("{key}: {other}"),
                });
                ways.collect::<Vec<_>>().join(", ")
            });
            Some(match window.filter(|w| !w.is_empty()) {
                Some(window) => format!("at `{cron}` ({zone}), if one of these holds for it: {window}"),
                None => format!("at `{cron}` ({zone})"),
            })
        }
        (other, _) => Some(format!("on {}", other.replace('_', " "))),
    }
}
