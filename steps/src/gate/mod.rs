//! `gate`: refuses an image by rules over its findings, packages and configuration.
//!
//! A rule is a conjunction: it holds when all its keys hold. Rules over
//! findings hold from `count` (1 when left out) distinct vulnerabilities on.
//! An image of which not everything could be learnt is denied, unless a rule
//! of its own, `{undetermined: allow}` or `{undetermined: warn}`, says otherwise.

mod base;
mod check;
mod evaluate;
mod excepted;
mod facts;
mod grace;
mod license;
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
    base::Search,
    evaluate::{Decision, Hit, View},
    excepted::Excepted,
    grace::Grace,
    rule::{RawRule, Rule, Undetermined},
};
use crate::{
    World,
    catalogue::{list, optional},
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
            optional("deny", list(rule::param()), "rules that refuse the image")
                .example(r#"[{severity: ">= high", fixable: true}, {known_exploited: true}]"#),
            optional("warn", list(rule::param()), "rules that only tell")
                .example(r#"[{severity: ">= medium", count: 20}]"#),
            grace::param(),
            excepted::param(),
            optional("message", ParamType::String, "whom to ask; shown with every denial")
                .example("ask the security desk"),
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
            Field::new("graced", ValueType::list(ValueType::Text), "vulnerabilities that only warn yet"),
            Field::new("excepted", ValueType::list(ValueType::Any), "exceptions that took something out"),
            Field::new(
                "unknown_licenses",
                ValueType::Integer,
                "packages whose licences are not all known; only where a rule asks for licences",
            ),
            Field::new("message", ValueType::Text, "whom to ask"),
            Field::new("summary", ValueType::Text, "one line for people"),
        ]
    }

    fn denies(&self) -> bool {
        true
    }

    fn check(&self, step: &StepInPlan<'_>) -> Vec<Objection> {
        check::step(step)
    }
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Params {
    #[serde(default)]
    deny: Vec<RawRule>,
    #[serde(default)]
    warn: Vec<RawRule>,
    #[serde(default)]
    grace: Option<grace::RawGrace>,
    #[serde(default)]
    exceptions: Option<String>,
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
        let now = self.world.clock.now();
        let grace = Grace::new(params.grace, now)?;
        let list = params.exceptions.as_deref();
        let mut excepted = Excepted::new(&self.world.exceptions, list, &image.repository, now)?;
        let mut search = Search::new(&self.world.registries);
        let mut decision = Decision::default();
        for one in &evidence {
            let rules = deny.iter().chain(&warn);
            let facts = facts::gather(&self.world, &image, one, &mut search, rules).await?;
            let view = View::now(&context.names, &one.report, &facts, &mut excepted);
            let several = evidence.len() > 1;
            let platform = one.line.platform.as_deref().filter(|_| several);
            decide(&mut decision, one, platform, (&deny, &warn), (&view, &grace));
        }
        for denial in &decision.denied {
            context.news.note(denial.text()).await;
        }
        let rules = deny.iter().filter(|r| r.undetermined.is_none()).count();
        let output = output(&decision, &evidence, rules, params.message.as_deref(), &excepted);
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
    (now, grace): (&View<'_>, &Grace),
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
    if deny.iter().chain(warn).any(|r| r.license.is_some()) {
        let unknown = now.unknown_licenses();
        decision.unknown_licenses = Some(decision.unknown_licenses.unwrap_or(0).max(unknown));
    }
    let ripe = now.without(|f| grace.covers(f));
    let after = ripe.after_upgrades();
    for rule in deny.iter().filter(|r| r.undetermined.is_none()) {
        decision.count(rule, now);
        if let Some(hit) = evaluate::aside(rule, now) {
            decision.warn(platform, Some(rule), hit);
        }
        let Some(hit) = evaluate::holds(rule, now) else { continue };
        // A broken expression denies, whatever time there is.
        match evaluate::holds(rule, &ripe) {
            Some(hit) if !hit.broken => {
                let mendable = evaluate::holds(rule, &after).is_none();
                decision.deny(platform, Some(rule), hit, mendable);
            }
            None if !hit.broken => {
                decision.graced.extend(now.without(|f| !grace.covers(f)).ids().map(str::to_owned));
                let mut hit = hit;
                hit.reasons.push(grace.reason());
                decision.warn(platform, Some(rule), hit);
            }
            _ => decision.deny(platform, Some(rule), hit, false),
        }
    }
    for rule in warn.iter().filter(|r| r.undetermined.is_none()) {
        if let Some(hit) = evaluate::holds(rule, now) {
            decision.warn(platform, Some(rule), hit);
        }
    }
}

fn output(
    decision: &Decision,
    evidence: &[Evidence],
    rules: usize,
    message: Option<&str>,
    excepted: &Excepted<'_>,
) -> Value {
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
        "graced": decision.graced.iter().take(50).collect::<Vec<_>>(),
        "excepted": excepted.output(),
        "unknown_licenses": decision.unknown_licenses,
        "message": message.filter(|_| denied).map(|m| summary::cut(m, 1000)),
        "summary": text::line(decision, rules, total, excepted.count()),
    }))
}

#[cfg(test)]
mod policy_tests;
#[cfg(test)]
mod tests;
