//! `gate`: refuses an image by rules over its findings, packages and configuration.
//!
//! A rule is a conjunction: it holds when all its keys hold. Rules over
//! findings hold from `count` (1 when left out) distinct vulnerabilities on.
//! An image of which not everything could be learnt is denied, unless a rule
//! of its own, `{undetermined: allow}` or `{undetermined: warn}`, says otherwise.

mod evaluate;
mod facts;
mod rule;
mod text;

use std::collections::BTreeSet;

use async_trait::async_trait;
use patchline_chains::{
    Field, Param, ParamType, StepKind, ValueType,
    catalogue::{Objection, StepInPlan},
};
use patchline_engine::{Context, Outcome, Step, StepError};
use serde::Deserialize;
use serde_json::{Value, json};

use self::{
    evaluate::{Decision, Hit, View},
    rule::{RawRule, Rule, Undetermined},
};
use crate::{
    World,
    catalogue::{list, objection, optional},
    evidence::{self, Evidence},
    image::Image,
    params, summary,
};

/// As chains are checked.
pub(crate) struct Kind;

impl StepKind for Kind {
    fn name(&self) -> &'static str {
        "gate"
    }

    fn summary(&self) -> &'static str {
        "denies the image by rules over what the scan found"
    }

    fn params(&self) -> Vec<Param> {
        vec![
            optional("deny", list(rule::param()), "rules that refuse the image"),
            optional("warn", list(rule::param()), "rules that only tell"),
            optional("message", ParamType::String, "whom to ask; shown with every denial"),
        ]
    }

    fn outputs(&self) -> Vec<Field> {
        vec![
            Field::new("denied_by", ValueType::list(ValueType::Any), "the rules that refused"),
            Field::new("warned_by", ValueType::list(ValueType::Any), "the rules that told"),
            Field::new("mendable", ValueType::Bool, "every rule that denied can be met by upgrades"),
            Field::new(
                "counts",
                ValueType::map_of(ValueType::Integer),
                "distinct vulnerabilities by severity",
            ),
            Field::new("total", ValueType::Integer, "distinct vulnerabilities"),
            Field::new("worst", ValueType::Text, "the heaviest severity"),
            Field::new("report", ValueType::Text, "id of the heaviest report"),
            Field::new("verdict", ValueType::Text, "`passed`, `warned` or `denied`"),
            Field::new("message", ValueType::Text, "whom to ask"),
            Field::new("summary", ValueType::Text, "one line for people"),
        ]
    }

    fn denies(&self) -> bool {
        true
    }

    fn check(&self, step: &StepInPlan<'_>) -> Vec<Objection> {
        check(step)
    }
}

fn check(step: &StepInPlan<'_>) -> Vec<Objection> {
    let mut objections = Vec::new();
    if !params::stands_before(step, "scan") {
        objections.push(objection(
            &[],
            "gate-without-scan",
            "a gate needs a scan before it",
            "add a step that `uses: scan`, and name it in this step's `needs`",
        ));
    }
    for side in ["deny", "warn"] {
        let rules = step.with.get(side).and_then(Value::as_array).into_iter().flatten();
        for (position, rule) in rules.enumerate() {
            let Some(keys) = rule.as_object() else { continue };
            let path = [side, &position.to_string()];
            let says = keys.keys().filter(|k| *k != "message").count();
            if says == 0 {
                objections.push(objection(
                    &path,
                    "empty-rule",
                    "a rule without a condition says nothing",
                    "name a `severity`, `fixable`, `packages`, `when` …",
                ));
            } else if says > 1 && keys.contains_key("undetermined") {
                objections.push(objection(
                    &path,
                    "undetermined-not-alone",
                    "`undetermined` says what an unknowable image gets: it stands alone in its rule",
                    "write it as a rule of its own: `- {undetermined: allow}`",
                ));
            }
        }
    }
    objections
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Params {
    #[serde(default)]
    deny: Vec<RawRule>,
    #[serde(default)]
    warn: Vec<RawRule>,
    #[serde(default)]
    message: Option<String>,
}

/// The step.
pub(crate) struct Gate {
    world: World,
}

impl Gate {
    pub(crate) fn new(world: World) -> Self {
        Self { world }
    }
}

#[async_trait]
impl Step for Gate {
    fn kind(&self) -> &'static str {
        "gate"
    }

    async fn run(&self, context: Context) -> Result<Outcome, StepError> {
        let params: Params = params::read(&context.with)?;
        let deny = parse(params.deny)?;
        let warn = parse(params.warn)?;
        let image = Image::of(&context)?;
        let evidence = evidence::load(&self.world, &context).await?;
        let mut decision = Decision::default();
        for one in &evidence {
            let facts = facts::gather(&self.world, &image, one, deny.iter().chain(&warn)).await?;
            let now = View::now(&context.names, &one.report, &facts);
            let after = View::after_upgrades(&context.names, &one.report, &facts);
            let several = evidence.len() > 1;
            let platform = one.line.platform.as_deref().filter(|_| several);
            decide(&mut decision, one, platform, (&deny, &warn), (&now, &after));
        }
        for denial in &decision.denied {
            context.news.note(denial.text()).await;
        }
        let rules = deny.iter().filter(|r| r.undetermined.is_none()).count();
        let output = output(&decision, &evidence, rules, params.message.as_deref());
        Ok(if decision.denied.is_empty() { Outcome::succeeded(output) } else { Outcome::denied(output) })
    }
}

fn parse(rules: Vec<RawRule>) -> Result<Vec<Rule>, StepError> {
    rules.into_iter().map(Rule::try_from).collect()
}

/// Judges one platform's report.
fn decide(
    decision: &mut Decision,
    evidence: &Evidence,
    platform: Option<&str>,
    (deny, warn): (&[Rule], &[Rule]),
    (now, after): (&View<'_>, &View<'_>),
) {
    let (state, reasons) = summary::completeness(&evidence.report);
    if state != "complete" {
        let said = deny.iter().chain(warn).find_map(|r| r.undetermined);
        let hit = Hit::undetermined(state, &reasons);
        match said.unwrap_or(Undetermined::Deny) {
            Undetermined::Deny => decision.deny(platform, None, hit, false),
            Undetermined::Warn => decision.warn(platform, None, hit),
            Undetermined::Allow => {}
        }
    }
    for rule in deny.iter().filter(|r| r.undetermined.is_none()) {
        decision.count(rule, now);
        if let Some(hit) = evaluate::holds(rule, now) {
            // An expression that fails now is not met by upgrades, whatever it says then.
            let mendable = !hit.broken && evaluate::holds(rule, after).is_none();
            decision.deny(platform, Some(rule), hit, mendable);
        }
    }
    for rule in warn.iter().filter(|r| r.undetermined.is_none()) {
        if let Some(hit) = evaluate::holds(rule, now) {
            decision.warn(platform, Some(rule), hit);
        }
    }
}

fn output(decision: &Decision, evidence: &[Evidence], rules: usize, message: Option<&str>) -> Value {
    let denied = !decision.denied.is_empty();
    let ids = evidence.iter().flat_map(|e| &e.report.findings).map(|f| &f.id);
    let total = ids.collect::<BTreeSet<_>>().len();
    let worst = evidence.iter().max_by_key(|e| summary::weight(&e.report));
    let verdict = match (decision.denied.is_empty(), decision.warned.is_empty()) {
        (false, _) => "denied",
        (true, false) => "warned",
        (true, true) => "passed",
    };
    summary::present(json!({
        "verdict": verdict,
        "denied_by": decision.denied.iter().take(50).map(|d| d.output()).collect::<Vec<_>>(),
        "warned_by": decision.warned.iter().take(50).map(|d| d.output()).collect::<Vec<_>>(),
        "mendable": denied && decision.denied.iter().all(|d| d.mendable),
        "counts": worst.map(|e| summary::counts(&e.report)),
        "total": worst.map(|e| summary::distinct(&e.report, |_| true)),
        "worst": worst.map(|e| summary::worst(&e.report)),
        "report": worst.map(|e| &e.line.report),
        "message": message.filter(|_| denied).map(|m| summary::cut(m, 1000)),
        "summary": text::line(decision, rules, total),
    }))
}

#[cfg(test)]
mod tests;
