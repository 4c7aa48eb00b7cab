//! `fix`: upgrades what carries the findings, pushes `<tag>_fixed`, and sends it through the chain again.
//!
//! The push is the one side effect. Its intent is recorded with everything
//! that follows from it, so that a crash after the push costs no second
//! build: whoever comes back finds the tag at the digest that was intended.

mod attest;
mod build;
mod params;
mod push;
#[cfg(test)]
mod push_tests;
mod tag;

use async_trait::async_trait;
use patchline_chains::{
    Field, Param, ParamType, StepKind, ValueType,
    catalogue::{Effect, Objection, Rehearsed, StepInPlan},
};
use patchline_engine::{Context, Outcome, Step, StepError};
use patchline_registry::Digest;
use serde_json::{Value, json};

use self::params::Params;
use crate::{
    World,
    catalogue::{list, objection, optional},
    evidence,
    image::Image,
    params as read_params,
    place::Place,
    platforms,
    severity::SeverityRule,
};

/// As chains are checked.
pub(crate) struct Kind;

impl StepKind for Kind {
    fn name(&self) -> &'static str {
        "fix"
    }

    fn summary(&self) -> &'static str {
        "upgrades what carries the findings in one new layer and pushes it under another tag"
    }

    fn params(&self) -> Vec<Param> {
        let mirrors = ParamType::Map(vec![
            optional("debian", ParamType::String, "base of the main archive"),
            optional("debian-security", ParamType::String, "base of the security archive"),
            optional("ubuntu", ParamType::String, "base of Ubuntu's archive"),
            optional("ubuntu-security", ParamType::String, "base of Ubuntu's security archive; `ubuntu`"),
            optional("ubuntu-ports", ParamType::String, "base of Ubuntu's archive of other architectures"),
        ]);
        let select = ParamType::Map(vec![
            optional("severity", ParamType::SeverityRule, "from this severity up"),
            optional("fixable", ParamType::Bool, "only `true` can be mended, and is meant anyway"),
            optional("ids", list(ParamType::String), "these vulnerabilities alone"),
            optional("packages", list(ParamType::String), "those of these binary or source packages alone"),
        ]);
        vec![
            optional("tag", ParamType::String, "of the fixed image; `{{image.origin.tag}}_fixed`"),
            optional("select", select, "which findings; all"),
            optional("policy", ParamType::Enum(&["minimal", "latest"]), "lowest fixing version, or newest"),
            optional("executor", ParamType::Enum(&["auto", "native", "sandbox", "engine-api"]), "who lays the new files"),
            optional(
                "deny_packages",
                list(ParamType::String),
                "packages that stay: `NAME`, or `NAME=VERSION` for that version alone",
            ),
            optional(
                "plan",
                ParamType::String,
                "a plan that a person has edited, as JSON: its upgrades and no other; empty: the step decides",
            )
            .example("\"{{params.plan}}\""),
            optional("mirrors", mirrors, "package repositories to take from first"),
            optional(
                "languages",
                ParamType::Bool,
                "upgrade packages of languages in place, too, where their own rules allow it; false",
            ),
            optional(
                "smoke",
                list(ParamType::String),
                "commands of the image that must end well in a sandbox over the fixed image, or nothing is pushed; none",
            )
            .example("[\"nginx -t\"]"),
            optional("smoke_timeout", ParamType::Duration, "for all of them together, at most 1h; 60s"),
            optional("max_rounds", ParamType::COUNT, "fixes within one cascade; 2"),
            optional("reenter", ParamType::Bool, "send the fixed image through the chain and wait; true"),
            optional(
                "attest",
                list(ParamType::Enum(&["sbom", "vex", "provenance"])),
                "what is attached to the fixed image, as OCI referrers; nothing",
            )
            .example("[sbom, vex, provenance]"),
            optional(
                "sign_key",
                ParamType::String,
                "a signing key of the configuration for what is attached; unsigned when left out",
            )
            .example("release"),
        ]
    }

    fn outputs(&self) -> Vec<Field> {
        let child = vec![
            Field::new("run", ValueType::Text, "its id"),
            Field::new(
                "result",
                ValueType::Text,
                "`passed`, `remediated`, `denied`, `failed` or `cancelled`",
            ),
        ];
        vec![
            Field::new("fixed", ValueType::Text, "the fixed image"),
            Field::new("tag", ValueType::Text, "of the fixed image"),
            Field::new("digest", ValueType::Text, "of the fixed image"),
            Field::new("upgrades", ValueType::Integer, "packages that went up"),
            Field::new("packages", ValueType::list(ValueType::Text), "name, from and to of the first ones"),
            Field::new(
                "refused",
                ValueType::list(ValueType::Text),
                "what was not upgraded, and why; the first ones",
            ),
            Field::new("refusals", ValueType::Integer, "how many were not upgraded"),
            Field::new("plan", ValueType::Text, "id of the plan"),
            Field::new("before", ValueType::map_of(ValueType::Integer), "counts of the source"),
            Field::new("after", ValueType::map_of(ValueType::Integer), "counts of the fixed image"),
            Field::new("report", ValueType::Text, "id of the report that proves it"),
            Field::new("attached", ValueType::list(ValueType::Text), "digests of the referrers"),
            Field::new("reason", ValueType::Text, "why nothing was fixed"),
            Field::new("child", ValueType::Map(child), "the run of the fixed image; left out without one"),
            Field::new("kept", ValueType::list(ValueType::Text), "platforms that needed nothing"),
            Field::new(
                "smoked",
                ValueType::list(ValueType::Text),
                "platform and smoke command, and that it passed or why it was not run",
            ),
            Field::new("message", ValueType::Text, "why nothing was fixed, for people"),
            Field::new("summary", ValueType::Text, "one line for people"),
        ]
    }

    fn denies(&self) -> bool {
        true
    }

    fn mends(&self, with: &Value) -> bool {
        with.get("reenter").and_then(Value::as_bool).unwrap_or(true)
    }

    fn check(&self, step: &StepInPlan<'_>) -> Vec<Objection> {
        check(step)
    }

    fn effects(&self, step: &Rehearsed<'_>) -> Vec<Effect> {
        let Some(image) = Image::rehearsed(step.image) else { return Vec::new() };
        let wanted = step.with.get("tag").and_then(Value::as_str);
        let tag = tag::fixed_tag(wanted, &image).unwrap_or_else(|_| wanted.unwrap_or_default().to_owned());
        let target = format!("{}:{tag}", image.path());
        let mut effects = vec![Effect { verb: "push", target: target.clone() }];
        if self.mends(step.with) {
            effects.push(Effect { verb: "start", target: format!("a run of this chain over {target}") });
        }
        effects
    }
}

fn check(step: &StepInPlan<'_>) -> Vec<Objection> {
    let mut objections = Vec::new();
    if !read_params::stands_before(step, "scan") {
        objections.push(objection(
            &[],
            "fix-without-scan",
            "a fix needs a scan before it: it mends what the scan found",
            "add a step that `uses: scan` before it",
        ));
    }
    if let Some((name, scanner)) = read_params::other_scanner(step) {
        objections.push(objection(
            &[],
            "fix-other-scanner",
            format!("`{name}` believes `{scanner}`, and a fix proves itself by our own advisories"),
            "let the scan believe the built-in scanner: scanner: [builtin, …]",
        ));
    }
    let tag = step.with.get("tag").and_then(Value::as_str);
    if let Some(source) = tag.and_then(read_params::sole_expression)
        && matches!(source, "image.tag" | "image.origin.tag")
    {
        objections.push(objection(
            &["tag"],
            "fixed-tag-not-different",
            format!("`{{{{{source}}}}}` is the tag of the source, which a fix never overwrites"),
            "write `{{image.origin.tag}}_fixed`",
        ));
    }
    if step.with.get("max_rounds").and_then(Value::as_u64) == Some(0) {
        objections.push(objection(
            &["max_rounds"],
            "max-rounds-zero",
            "a fix without any round does nothing",
            "leave it out, or write 1 or more",
        ));
    }
    let nothing = step.with.get("attest").and_then(Value::as_array).is_none_or(Vec::is_empty);
    if nothing && step.with.get("sign_key").is_some() {
        objections.push(objection(
            &["sign_key"],
            "fix-signs-nothing",
            "`sign_key` signs what is attached, and nothing is",
            "name what to attach: attest: [sbom, vex, provenance]",
        ));
    }
    let denied = step.with.get("deny_packages").and_then(Value::as_array).into_iter().flatten().enumerate();
    for (at, text) in denied.filter_map(|(at, one)| Some((at, one.as_str().filter(|s| !s.contains("{{"))?))) {
        if let Err(error) = text.parse::<patchline_remediation::Denied>() {
            objections.push(objection(
                &["deny_packages", &at.to_string()],
                "deny-package-invalid",
                error.to_string(),
                "write the name of a binary or source package, or NAME=VERSION",
            ));
        }
    }
    let smoke = step.with.get("smoke").and_then(Value::as_array).into_iter().flatten().enumerate();
    for (at, text) in smoke.filter_map(|(at, one)| Some((at, one.as_str().filter(|s| !s.contains("{{"))?))) {
        if let Err(error) = text.parse::<patchline_remediation::fix::Command>() {
            objections.push(objection(
                &["smoke", &at.to_string()],
                "smoke-invalid",
                error.to_string(),
                "write each command whole, with its arguments: smoke: [\"nginx -t\"]",
            ));
        }
    }
    // What is no duration at all, the language itself says.
    let time = step.with.get("smoke_timeout").and_then(Value::as_str);
    let time = time.filter(|text| patchline_chains::duration::parse(text).is_ok());
    if let Some(Err(error)) = time.map(params::smoke_time) {
        objections.push(objection(
            &["smoke_timeout"],
            "smoke-invalid",
            error,
            "write a time up to an hour: 90s, 5m",
        ));
    }
    let select = step.with.get("select").unwrap_or(&Value::Null);
    if select.get("fixable").and_then(Value::as_bool) == Some(false) {
        objections.push(objection(
            &["select", "fixable"],
            "select-unfixable",
            "what has no fix cannot be selected for one",
            "leave it out, or write `fixable: true`",
        ));
    }
    let severity = select.get("severity").and_then(Value::as_str).filter(|s| !s.contains("{{"));
    if let Some(Ok(rule)) = severity.map(str::parse::<SeverityRule>)
        && rule.at_least().is_none()
    {
        objections.push(objection(
            &["select", "severity"],
            "select-severity",
            "a selection is a severity and everything above it",
            "write `>= low`",
        ));
    }
    objections
}

/// The step.
pub(crate) struct Fix {
    world: World,
}

impl Fix {
    pub(crate) fn new(world: World) -> Self {
        Self { world }
    }
}

#[async_trait]
impl Step for Fix {
    fn kind(&self) -> &'static str {
        "fix"
    }

    async fn run(&self, context: Context) -> Result<Outcome, StepError> {
        let params: Params = read_params::read(&context.with)?;
        let image = Image::of(&context)?;
        if context.round > params.max_rounds {
            let message =
                format!("round {} of at most {}: mending has been tried", context.round, params.max_rounds);
            return Ok(Outcome::denied(json!({
                "reason": "rounds-used-up",
                "message": message,
                "summary": message,
                "upgrades": 0, "packages": [], "refused": [], "refusals": 0,
            })));
        }
        let repository = image.open(&self.world.registries)?;
        let place = image.place(&self.world.registries);
        let wanted = tag::fixed_tag(params.tag.as_deref(), &image)?;
        let attest = attest::Asked::read(&self.world, &params, &context.with)?;
        let push = push::Push { world: &self.world, context: &context, image: &image, place: &place, attest };
        if let Some(done) = push.made_before(&*repository).await? {
            return self.outcome(&params, &context, &image, &place, done);
        }
        push.may_take(&*repository, &wanted, None).await?;
        let evidence = evidence::load(&self.world, &context).await?;
        let pinned = platforms::pinned(&*repository, &image).await?;
        let (key, attempt) = (&context.idempotency_key, context.attempt);
        let scratch = build::Scratch::make(&self.world.scratch, key, attempt).await?;
        let job = build::Job {
            world: &self.world,
            context: &context,
            image: &image,
            params: &params,
            repository: &*repository,
            scratch: scratch.path(),
        };
        let product = job.build(&pinned, &evidence).await?;
        let Some(product) = product.changed() else {
            return Ok(Outcome::denied(product.unchanged_output()));
        };
        let done = push.make(&*repository, &wanted, product).await?;
        self.outcome(&params, &context, &image, &place, done)
    }
}

impl Fix {
    fn outcome(
        &self,
        params: &Params,
        context: &Context,
        image: &Image,
        place: &Place,
        done: push::Done,
    ) -> Result<Outcome, StepError> {
        let digest: &Digest = &done.digest;
        if !params.reenter {
            return Ok(Outcome::Succeeded { output: done.output, messages: Vec::new(), mends: false });
        }
        let subject = image.fixed_subject(&context.subject.context, place, &done.tag, digest);
        Ok(Outcome::Child { subject, output: done.output, mends: true })
    }
}
