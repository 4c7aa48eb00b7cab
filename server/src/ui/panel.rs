//! The chosen step of a run: why it did what it did, its inputs, its output, its log.

use askama::{Template, filters::HtmlSafe};
use patchline_chains::PlanStep;
use patchline_engine::{Event, EventKind, RunId, StepStatus, StepView};
use serde_json::Value;

use super::{
    encode,
    format::{cut, span},
    state::Badge,
    verdict,
};
use crate::i18n::{Words, fill};

/// Lines of log on the page; the API has all.
const LINES: usize = 400;

/// What the page shows of one step.
#[derive(Debug, Clone, Template)]
#[template(path = "panel.html")]
pub(crate) struct Panel {
    words: &'static Words,
    name: String,
    uses: String,
    badge: Badge,
    attempt: u32,
    took: Option<String>,
    needs: Vec<String>,
    when: Option<String>,
    /// The rule by which it ran, where it has no `when`.
    rule: &'static str,
    reasons: Vec<String>,
    skipped: bool,
    child: Option<String>,
    /// It waits for a person.
    ask: Option<Ask>,
    /// Where a person can go on with it.
    act: Option<Act>,
    inputs: Vec<(String, String)>,
    output: Vec<(String, String)>,
    log: Vec<LogLine>,
    cut: bool,
}
impl HtmlSafe for Panel {}

/// A question, and where its answer goes.
#[derive(Debug, Clone)]
struct Ask {
    message: String,
    until: String,
    post: String,
}

impl Ask {
    fn new(run: &RunId, step: &StepView, words: &'static Words) -> Option<Self> {
        let until = step.decide_by?.strftime("%Y-%m-%d %H:%M UTC").to_string();
        let message = step.output.get("message").and_then(Value::as_str).unwrap_or_default();
        Some(Self {
            message: cut(message, 2_000),
            until: fill(words.asks_until, until),
            post: format!("/api/v1/runs/{}/steps/{}/decision", encode(&run.0), encode(&step.name)),
        })
    }
}

/// What a person can do about a step that has ended, and where it is asked for; the engine has the last word.
#[derive(Debug, Clone)]
struct Act {
    /// It ended badly: the same once more.
    retry: Option<String>,
    rerun: String,
    /// Nobody knows what became of its effect.
    resolve: Option<String>,
}

impl Act {
    fn new(run: &RunId, step: &StepView) -> Option<Self> {
        use StepStatus::{Cancelled, Denied, Failed, Skipped, Succeeded, Unknown};
        let to = |what| format!("/api/v1/runs/{}/steps/{}/{what}", encode(&run.0), encode(&step.name));
        let badly = matches!(step.status, Failed | Unknown | Cancelled);
        (badly || matches!(step.status, Succeeded | Denied | Skipped)).then(|| Self {
            retry: badly.then(|| to("retry")),
            rerun: to("rerun"),
            resolve: (step.status == Unknown).then(|| to("resolution")),
        })
    }
}

#[derive(Debug, Clone)]
struct LogLine {
    at: String,
    text: String,
    class: &'static str,
}

impl Panel {
    pub(crate) fn new(
        run: &RunId,
        step: &StepView,
        planned: Option<&PlanStep>,
        events: &[Event],
        words: &'static Words,
    ) -> Self {
        let mut log: Vec<LogLine> = events.iter().filter_map(|event| line(event, &step.name)).collect();
        let surplus = log.len().saturating_sub(LINES);
        log.drain(..surplus);
        Self {
            words,
            name: step.name.clone(),
            uses: step.uses.clone(),
            badge: Badge::step(step, words),
            attempt: step.attempt,
            took: step.started_at.zip(step.finished_at).map(|(from, to)| span(from, to)),
            needs: step.needs.clone(),
            when: planned.and_then(|p| p.when.clone()),
            rule: if step.needs.is_empty() { words.why_root } else { words.why_default },
            reasons: verdict::of_step(step),
            skipped: step.status == StepStatus::Skipped,
            child: step.child.as_ref().map(|run| format!("/runs/{}", encode(&run.0))),
            ask: Ask::new(run, step, words),
            act: Act::new(run, step),
            inputs: planned.map(|p| fields(&p.with)).unwrap_or_default(),
            output: fields(&step.output),
            log,
            cut: surplus > 0,
        }
    }
}

/// The top keys of a map, each with its value as text.
fn fields(value: &Value) -> Vec<(String, String)> {
    let text = |value: &Value| match value {
        Value::String(text) => cut(text, 4_000),
        Value::Null => "–".to_owned(),
        Value::Array(some) if some.iter().all(|one| !one.is_array() && !one.is_object()) => {
            let words: Vec<String> =
                some.iter().map(|one| one.as_str().map_or_else(|| one.to_string(), str::to_owned)).collect();
            cut(&words.join(", "), 4_000)
        }
        other => cut(&serde_json::to_string_pretty(other).unwrap_or_default(), 8_000),
    };
    match value {
        Value::Object(map) => map.iter().map(|(key, value)| (key.clone(), text(value))).collect(),
        Value::Null => Vec::new(),
        other => vec![(String::new(), text(other))],
    }
}

fn line(event: &Event, name: &str) -> Option<LogLine> {
    let at = event.at.strftime("%H:%M:%S").to_string();
    match &event.kind {
        EventKind::Note { step, text } if step == name => {
            Some(LogLine { at, text: cut(text, 4_096), class: "note" })
        }
        EventKind::StepChanged { step, status, attempt, problem } if step == name => {
            let status = serde_json::to_value(status).ok();
            let status = status.as_ref().and_then(Value::as_str).unwrap_or_default().to_owned();
            let text = match problem {
                Some(problem) => {
                    format!("{status} #{attempt}: {} ({})", cut(&problem.message, 2_000), problem.code)
                }
                None if *attempt > 1 => format!("{status} #{attempt}"),
                None => status,
            };
            Some(LogLine { at, text, class: if problem.is_some() { "problem" } else { "change" } })
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn plain_values_stay_plain() {
        let fields = fields(&json!({"a": "x", "b": ["y", 2], "c": {"d": 1}, "e": null}));
        assert_eq!(fields[0], ("a".into(), "x".into()));
        assert_eq!(fields[1].1, "y, 2");
        assert!(fields[2].1.contains("\"d\": 1"));
        assert_eq!(fields[3].1, "–");
    }
}
