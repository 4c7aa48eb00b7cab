//! `scan`: what is in the pinned image, and what is known to be wrong with it.

mod others;

use std::sync::Arc;

use async_trait::async_trait;
use patchline_chains::{
    Field, Param, ParamType, StepKind, ValueType,
    catalogue::{Objection, StepInPlan},
};
use patchline_engine::{Context, Outcome, Step, StepError};
use patchline_registry::{Digest, Repository};
use patchline_remediation::languages::{Languages, Sources};
use patchline_scanner::{Completeness, Inventory, Report, adapters::BUILTIN};
use serde::Deserialize;
use serde_json::{Value, json};

use self::others::{Disagreements, Names};
use crate::{
    World,
    advisories::{Revision, Sets, is_absent},
    catalogue::{list, optional},
    evidence::ReportLine,
    failure,
    image::Image,
    params,
    platforms::{self, PlatformImage},
    summary,
};

/// As chains are checked.
pub(crate) struct Kind;

impl StepKind for Kind {
    fn name(&self) -> &'static str {
        "scan"
    }

    fn summary(&self) -> &'static str {
        "reads the packages of the image and matches them against the advisories"
    }

    fn params(&self) -> Vec<Param> {
        vec![
            optional(
                "scanner",
                ParamType::OneOrMany(Box::new(ParamType::String)),
                "`builtin`, or a scanner of the server's configuration; of several the first is believed, and what the others say otherwise is the output's `disagreement`",
            )
            .default("builtin")
            .example("[builtin, trivy]"),
            optional("checks", list(ParamType::Enum(&["os"])), "what is looked at; all when left out"),
            optional(
                "sbom",
                ParamType::Enum(&["attached", "ignore"]),
                "whether SBOMs that are attached to the image may add packages; `ignore` when left out",
            ),
        ]
    }

    fn outputs(&self) -> Vec<Field> {
        vec![
            Field::new("report", ValueType::Text, "id of the heaviest report"),
            Field::new("reports", ValueType::list(ValueType::Any), "a line for each platform"),
            Field::new("total", ValueType::Integer, "distinct vulnerabilities"),
            Field::new(
                "counts",
                ValueType::map_of(ValueType::Integer),
                "distinct vulnerabilities by severity",
            ),
            Field::new("worst", ValueType::Text, "the heaviest severity"),
            Field::new("fixable", ValueType::Integer, "of them: with a fixed version"),
            Field::new("mendable_count", ValueType::Integer, "of them: that an upgrade removes"),
            Field::new("completeness", ValueType::Text, "`complete`, or what was not"),
            Field::new("reasons", ValueType::list(ValueType::Text), "why it is not complete"),
            Field::new("advisory_revision", ValueType::Any, "which advisories were asked"),
            Field::new("distro", ValueType::Text, "as os-release names it"),
            Field::new("packages", ValueType::Integer, "installed packages"),
            Field::new("platforms", ValueType::list(ValueType::Text), "that were scanned"),
            others::field(),
            Field::new("summary", ValueType::Text, "one line for people"),
        ]
    }

    fn check(&self, step: &StepInPlan<'_>) -> Vec<Objection> {
        others::check(step.with)
    }
}

/// Read so that what cannot be is refused: there is one check yet.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Params {
    #[serde(default)]
    scanner: Names,
    #[serde(default = "all_checks")]
    checks: Vec<Check>,
    #[serde(default)]
    sbom: Sbom,
}

/// What is done with SBOMs that came with the image: a stranger's word, which adds and never takes away.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Sbom {
    Attached,
    #[default]
    Ignore,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Check {
    Os,
}

fn all_checks() -> Vec<Check> {
    vec![Check::Os]
}

/// Attached SBOMs are read; some are found by the index that the image is of.
struct Sboms {
    index: Option<Digest>,
}

/// The step.
pub(crate) struct Scan {
    world: World,
}

impl Scan {
    pub(crate) fn new(world: World) -> Self {
        Self { world }
    }

    async fn platform(
        &self,
        context: &Context,
        repository: &dyn Repository,
        image: &PlatformImage,
        names: &Names,
        sboms: Option<&Sboms>,
    ) -> Result<(ReportLine, Report, Disagreements), StepError> {
        let mut inventory = patchline_scanner::inventory(repository, &image.digest, self.world.facts.clone())
            .await
            .map_err(failure::scanner)?;
        if let Some(Sboms { index }) = sboms {
            patchline_scanner::sbom::attach(repository, &mut inventory, index.as_ref())
                .await
                .map_err(failure::scanner)?;
        }
        self.world.reports.put_inventory(&inventory).await.map_err(failure::store)?;
        let mut report = self.said_by(names.first(), context, repository, &inventory).await?;
        let mut disagreements = Disagreements::default();
        for name in names.others() {
            context.news.progress("comparison", 0, 0);
            match self.said_by(name, context, repository, &inventory).await {
                Ok(theirs) => disagreements.add(name, &report, &theirs),
                // A gate denies it, unless a rule says otherwise: two were wanted, and there is one.
                Err(error) => others::undetermined(&mut report, name, &error),
            }
        }
        self.mark_mendable(context, repository, &inventory, &mut report).await?;
        if names.first() == BUILTIN {
            self.mark_languages(context, repository, &inventory, &mut report).await?;
        }
        let id = self.world.reports.put_report(&report).await.map_err(failure::store)?;
        let line = ReportLine {
            platform: image.platform.clone().or_else(|| Some(platform_of(&inventory))),
            image: image.digest.clone(),
            report: id,
        };
        Ok((line, report, disagreements))
    }

    async fn said_by(
        &self,
        name: &str,
        context: &Context,
        repository: &dyn Repository,
        inventory: &Inventory,
    ) -> Result<Report, StepError> {
        if name == BUILTIN {
            return self.builtin(context, inventory).await;
        }
        others::report(&self.world.scanners, name, repository, inventory).await
    }

    async fn builtin(&self, context: &Context, inventory: &Inventory) -> Result<Report, StepError> {
        let advisories = &self.world.advisories;
        let sets =
            Sets::read(context, advisories, Revision::Newest, &self.world.remediator, inventory).await?;
        // Matching takes a while: not on a thread that serves others.
        let inventory = inventory.clone();
        let (mut report, sets) = tokio::task::spawn_blocking(move || {
            let report = patchline_scanner::report(&inventory, &sets.all());
            (report, sets)
        })
        .await
        .map_err(|e| StepError::permanent("scan-aborted", format!("the matching was aborted: {e}")))?;
        if let Some(reason) = &sets.doubt {
            note_doubt(&mut report, reason.clone());
        }
        if sets.all().is_empty() {
            note_doubt(&mut report, "no advisories are loaded: `patchline advisories update`".to_owned());
        }
        Ok(report)
    }

    async fn mark_mendable(
        &self,
        context: &Context,
        repository: &dyn Repository,
        inventory: &Inventory,
        report: &mut Report,
    ) -> Result<(), StepError> {
        if report.findings.is_empty() {
            return Ok(());
        }
        context.news.progress("upgrades", 0, 0);
        match self.world.remediator.mark_mendable(repository, inventory, report).await {
            Ok(()) => Ok(()),
            // Nobody asked a repository: `mendable` stays unsaid, and counts as no.
            Err(error) if is_absent(&error) => Ok(()),
            Err(error) => Err(failure::remediation(error)),
        }
    }

    /// What a fix of this chain would mend of languages is mendable.
    async fn mark_languages(
        &self,
        context: &Context,
        repository: &dyn Repository,
        inventory: &Inventory,
        report: &mut Report,
    ) -> Result<(), StepError> {
        if !mends_languages(context) || !report.findings.iter().any(|f| f.fixable() && !f.paths.is_empty()) {
            return Ok(());
        }
        context.news.progress("upgrades of languages", 0, 0);
        let remediator = self.world.remediator.clone();
        // As the step `fix` has it: which registries are asked is this machine's to say.
        let remediator = remediator.with_languages(Languages::new(Sources::from_machine()));
        let revision = Revision::Of(&report.advisory_revision);
        let sets =
            Sets::read(context, &self.world.advisories, revision, &self.world.remediator, inventory).await?;
        match remediator.mark_languages(repository, report, &sets.all()).await {
            Ok(refused) => {
                for one in refused.iter().take(MOST_TOLD) {
                    let said =
                        format!("{} {} cannot go up: {}: {}", one.package, one.from, one.code, one.reason);
                    context.news.note(summary::cut(&said, LONGEST_TOLD)).await;
                }
                if let Some(more) = refused.len().checked_sub(MOST_TOLD).filter(|more| *more > 0) {
                    context.news.note(format!("{more} more packages of languages cannot go up")).await;
                }
                Ok(())
            }
            Err(error) if error.is_transient() => Err(failure::remediation(error)),
            // A scan says what is wrong with an image; that a registry of a language is not configured, or lies, is a fix's
            // to say.
            Err(error) => {
                let said = format!("what could be mended of languages is not known: {error}");
                context.news.note(said).await;
                Ok(())
            }
        }
    }
}

/// Packages of languages that a scan's log tells of, and bytes of one line.
const MOST_TOLD: usize = 20;
const LONGEST_TOLD: usize = 1000;

/// Whether a fix of this very chain decides on packages of languages, too: else nobody mends them, or a person has decided.
fn mends_languages(context: &Context) -> bool {
    let decides = |fix: &Value| fix["plan"].as_str().unwrap_or_default().is_empty();
    context.names.planned("fix").iter().any(|fix| fix["languages"] == true && decides(fix))
}

fn note_doubt(report: &mut Report, reason: String) {
    match &mut report.completeness {
        Completeness::Complete => report.completeness = Completeness::Incomplete { reasons: vec![reason] },
        Completeness::Incomplete { reasons } => reasons.push(reason),
        Completeness::Undetermined { .. } => {}
    }
}

fn platform_of(inventory: &Inventory) -> String {
    let platform = &inventory.platform;
    match &platform.variant {
        Some(variant) => format!("{}/{}/{variant}", platform.os, platform.architecture),
        None => format!("{}/{}", platform.os, platform.architecture),
    }
}

#[async_trait]
impl Step for Scan {
    fn kind(&self) -> &'static str {
        "scan"
    }

    async fn run(&self, context: Context) -> Result<Outcome, StepError> {
        let params: Params = params::read(&context.with)?;
        if !params.checks.contains(&Check::Os) {
            return Err(StepError::permanent("parameters-invalid", "a scan without any check finds nothing"));
        }
        // Before a layer is read for nothing.
        others::known(&self.world.scanners, &params.scanner)?;
        let image = Image::of(&context)?;
        let repository: Arc<dyn Repository> = image.open(&self.world.registries)?;
        let pinned = platforms::pinned(&*repository, &image).await?;
        let sboms = (params.sbom == Sbom::Attached)
            .then(|| Sboms { index: pinned.index.then(|| image.digest.clone()) });
        let total = pinned.images.len() as u64;
        let mut reports = Vec::new();
        for (done, platform) in pinned.images.iter().enumerate() {
            context.news.progress("layers", done as u64, total);
            let names = &params.scanner;
            reports.push(self.platform(&context, &*repository, platform, names, sboms.as_ref()).await?);
        }
        context.news.progress("layers", total, total);
        Ok(Outcome::succeeded(output(&reports)))
    }
}

/// The figures are those of the worst platform: an index is as bad as that.
fn output(reports: &[(ReportLine, Report, Disagreements)]) -> Value {
    let Some((line, worst, _)) = reports.iter().max_by_key(|(_, report, _)| summary::weight(report)) else {
        return json!({});
    };
    let (completeness, reasons) = summary::completeness(worst);
    summary::present(json!({
        "report": line.report,
        "reports": reports.iter().map(|(line, ..)| line).collect::<Vec<_>>(),
        "platforms": reports.iter().filter_map(|(line, ..)| line.platform.as_deref()).collect::<Vec<_>>(),
        "total": summary::distinct(worst, |_| true),
        "counts": summary::counts(worst),
        "worst": summary::worst(worst),
        "fixable": summary::distinct(worst, |f| f.fixable()),
        "mendable_count": summary::distinct(worst, |f| f.mendable == Some(true)),
        "completeness": completeness,
        "reasons": reasons.iter().take(10).map(|r| r.chars().take(500).collect::<String>()).collect::<Vec<_>>(),
        "advisory_revision": worst.advisory_revision,
        "distro": worst.distro.as_ref().map(|d| {
            d.pretty_name.clone().unwrap_or_else(|| format!("{} {}", d.id, d.version_id.as_deref().unwrap_or("")))
        }),
        "packages": worst.packages,
        "disagreement": Disagreements::output(reports.iter().map(|(.., disagreements)| disagreements)),
        "summary": summary::line(worst),
    }))
}
