//! Reading a step's rendered parameters.

use patchline_chains::catalogue::StepInPlan;
use patchline_engine::StepError;
use serde::de::DeserializeOwned;
use serde_json::Value;

/// Reads `with`. Chains are checked before they run, so what fails here is a
/// template that rendered to something unexpected.
pub(crate) fn read<T: DeserializeOwned>(with: &Value) -> Result<T, StepError> {
    let with = if with.is_null() { Value::Object(serde_json::Map::new()) } else { with.clone() };
    serde_json::from_value(with).map_err(|e| {
        StepError::permanent("parameters-invalid", format!("the step's parameters cannot be read: {e}"))
    })
}

/// Whether a step of this kind surely stands before this one.
pub(crate) fn stands_before(step: &StepInPlan<'_>, kind: &str) -> bool {
    step.before.iter().any(|(_, uses, _)| *uses == kind)
}

/// A scan before this step that does not believe our own scanner, and whom it believes.
pub(crate) fn other_scanner<'a>(step: &StepInPlan<'a>) -> Option<(&'a str, &'a str)> {
    step.before.iter().filter(|(_, uses, _)| *uses == "scan").find_map(|(name, _, with)| {
        let scanner = with.get("scanner")?;
        let first = scanner.get(0).unwrap_or(scanner).as_str()?;
        (first != patchline_scanner::adapters::BUILTIN).then_some((*name, first))
    })
}

/// The inside of a template that is one expression and nothing else:
/// `image.tag` for `{{ image.tag }}`.
pub(crate) fn sole_expression(template: &str) -> Option<&str> {
    let inner = template.trim().strip_prefix("{{")?.strip_suffix("}}")?;
    let inner = inner.strip_prefix('{').and_then(|i| i.strip_suffix('}')).unwrap_or(inner);
    let inner = inner.trim().trim_matches('~').trim();
    (!inner.contains(['{', '}'])).then_some(inner)
}
