//! Why a run ended as it did: what its gate said, or what failed, in sentences.

use patchline_engine::{RunView, StepStatus, StepView};
use serde_json::Value;

use super::format::cut;

/// A denial says what and why; a failure its code and message. Empty for what went well.
pub(crate) fn reasons(run: &RunView) -> Vec<String> {
    let heaviest = run
        .steps
        .iter()
        .find(|s| s.status == StepStatus::Failed)
        .or_else(|| run.steps.iter().find(|s| s.status == StepStatus::Unknown))
        .or_else(|| run.steps.iter().find(|s| s.status == StepStatus::Denied));
    heaviest.map(of_step).unwrap_or_default()
}

/// The same of one step.
pub(crate) fn of_step(step: &StepView) -> Vec<String> {
    let mut reasons = Vec::new();
    if let Some(problem) = &step.problem {
        reasons.push(format!("{} ({})", cut(&problem.message, 2_000), problem.code));
    }
    for name in ["denied_by", "reasons"] {
        if let Some(Value::Array(some)) = step.output.get(name) {
            reasons.extend(some.iter().take(20).filter_map(sentence));
        }
    }
    if step.status == StepStatus::Denied
        && let Some(message) = step.output.get("message").and_then(Value::as_str)
    {
        reasons.push(cut(message, 1_000));
    }
    if reasons.is_empty()
        && let Some(summary) = step.output.get("summary").and_then(Value::as_str)
    {
        reasons.push(cut(summary, 1_000));
    }
    reasons
}

/// A reason is a text, or a map with its sentence under one of these names.
fn sentence(reason: &Value) -> Option<String> {
    let text = match reason {
        Value::String(text) => Some(text.as_str()),
        Value::Object(map) => ["why", "message", "reason", "text"].iter().find_map(|k| map.get(*k)?.as_str()),
        _ => None,
    };
    text.filter(|text| !text.is_empty()).map(|text| cut(text, 1_000))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn reasons_are_texts_or_maps_with_one() {
        assert_eq!(sentence(&json!("12 findings")), Some("12 findings".into()));
        assert_eq!(sentence(&json!({"message": "malware", "rule": 2})), Some("malware".into()));
        assert_eq!(sentence(&json!(3)), None);
    }
}
