//! A rehearsal of a run: what each step would do, as far as it can be known before anything runs. Pure.

mod conditions;
mod scenarios;
mod starts;
mod templates;
#[cfg(test)]
mod tests;

use std::time::Duration;

use serde::Serialize;
use serde_json::{Map, Value, json};

pub use scenarios::{Assumption, Cell, Ending, IfItFails, Outlook, Scenario};
pub use starts::{Scoped, Trigger};

use crate::catalogue::{Catalogue, Effect, Rehearsed};
use crate::plan::{Plan, PlanStep, WhenBusy, params};
use templates::Known;

/// What a run would begin with.
#[derive(Debug)]
pub struct Start<'a> {
    /// `image` as expressions see it: an object with `registry`, `repository`, `tag`, `digest`, `reference`, `origin`.
    pub image: &'a Value,
    /// `manual`, `push`, `schedule`, `advisories`: as `trigger.kind`.
    pub trigger: &'a str,
    /// As `trigger.source`.
    pub source: &'a str,
    /// What is set beside the defaults.
    pub params: &'a Map<String, Value>,
}

/// What would happen.
#[derive(Debug, Clone, Serialize)]
pub struct DryRun {
    /// The chain's name.
    pub chain: String,
    /// For people.
    pub description: Option<String>,
    /// The chain's version.
    pub hash: String,
    /// `image` as given.
    pub image: Value,
    /// Whether the chain handles the image, and if not, why.
    pub scope: Scoped,
    /// What would start it for this image.
    pub triggers: Vec<Trigger>,
    /// Values of the parameters.
    pub params: Vec<Param>,
    /// Which runs it would wait for.
    pub concurrency: Option<Slot>,
    /// In an order in which each stands after its needs.
    pub steps: Vec<Step>,
    /// What runs under which outcomes.
    pub outlook: Outlook,
}

/// A parameter's value.
#[derive(Debug, Clone, Serialize)]
pub struct Param {
    /// Its name.
    pub name: String,
    /// What it is in this run.
    pub value: Value,
    /// Whether nobody set it.
    pub default: bool,
}

/// The concurrency rule, rendered.
#[derive(Debug, Clone, Serialize)]
pub struct Slot {
    /// The rendered key; parts that are not known yet stand in `‹›`.
    pub key: String,
    /// How many at once.
    pub limit: u32,
    /// What happens when it is busy.
    pub when_busy: WhenBusy,
}

/// A step of the rehearsal.
#[derive(Debug, Clone, Serialize)]
pub struct Step {
    /// Its name.
    pub name: String,
    /// For people.
    pub title: Option<String>,
    /// The step kind.
    pub uses: String,
    /// What the kind does, in one line.
    pub summary: String,
    /// Steps before it.
    pub needs: Vec<String>,
    /// As the chain says.
    pub when: Option<String>,
    /// The same in words: `when gate has denied`.
    pub condition: String,
    /// Rendered; parts that are not known yet stand in `‹›`: `‹steps.fix.output.tag›`.
    pub with: Value,
    /// Templates that would fail, with the reason.
    pub problems: Vec<String>,
    /// Longest time of one attempt: `15m`.
    pub timeout: String,
    /// Attempts, the first one included.
    pub attempts: u32,
    /// First pause between attempts.
    pub backoff: String,
    /// Longest pause between attempts.
    pub max_backoff: String,
    /// A failure does not fail the run.
    pub continue_on_failure: bool,
    /// What it would change in the outside world, if it runs.
    pub effects: Vec<Effect>,
}

/// Rehearses a run of `plan`. Fails where a parameter is not one of the chain's, or of another type.
pub fn rehearse(plan: &Plan, catalogue: &dyn Catalogue, start: &Start<'_>) -> Result<DryRun, params::Error> {
    let values = plan.start_params(start.params)?;
    let param = |(name, value): (&String, &Value)| Param {
        name: name.clone(),
        value: value.clone(),
        default: !start.params.contains_key(name),
    };
    let params = values.iter().map(param).collect();
    let mut image = start.image.clone();
    if let (Some(image), false) = (image.as_object_mut(), plan.scope.platforms.is_empty()) {
        image.insert("platforms".to_owned(), json!(plan.scope.platforms));
    }
    let known = Known::new(json!({
        "image": image,
        "run": {"round": 1, "trigger": start.trigger},
        "params": values,
        "trigger": {"kind": start.trigger, "source": start.source},
    }));
    let concurrency = plan.concurrency.as_ref().map(|rule| Slot {
        key: known.text(&rule.key).unwrap_or_else(|error| error.to_string()),
        limit: rule.limit,
        when_busy: rule.when_busy,
    });
    Ok(DryRun {
        chain: plan.chain.clone(),
        description: plan.description.clone(),
        hash: plan.hash(),
        scope: starts::scope(plan, &image),
        triggers: starts::triggers(plan, &image),
        params,
        concurrency,
        steps: plan.steps.iter().map(|s| step(s, catalogue, &known, &image)).collect(),
        outlook: scenarios::outlook(plan, catalogue, known.names()),
        image,
    })
}

fn step(step: &PlanStep, catalogue: &dyn Catalogue, known: &Known, image: &Value) -> Step {
    let kind = catalogue.kind(&step.uses);
    let mut problems = Vec::new();
    let with = known.value(&step.with, &mut problems);
    let rehearsed = Rehearsed { name: &step.name, with: &with, image };
    let effects = kind.map(|k| k.effects(&rehearsed)).unwrap_or_default();
    Step {
        name: step.name.clone(),
        title: step.title.clone(),
        uses: step.uses.clone(),
        summary: kind.map(|k| k.summary()).unwrap_or_default().to_owned(),
        needs: step.needs.clone(),
        when: step.when.clone(),
        condition: conditions::words(step),
        with,
        problems,
        timeout: span(step.timeout),
        attempts: step.retry.attempts,
        backoff: span(step.retry.backoff),
        max_backoff: span(step.retry.max_backoff),
        continue_on_failure: step.continue_on_failure,
        effects,
    }
}

/// A duration as a chain writes it: `1h30m`.
fn span(duration: Duration) -> String {
    let mut left = duration.as_millis();
    let mut out = String::new();
    for (unit, millis) in [("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1_000), ("ms", 1)] {
        let count = left / millis;
        left %= millis;
        if count > 0 {
            out.push_str(&format!("{count}{unit}"));
        }
    }
    if out.is_empty() { "0s".to_owned() } else { out }
}
