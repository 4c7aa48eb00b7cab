//! `attest`: attaches what this run knows of its image to it, as OCI referrers: an SBOM, and a VEX document.
//!
//! Provenance is attached by `fix` alone, for only who made an image knows what went into it.

use async_trait::async_trait;
use patchline_chains::{
    Field, Param, ParamType, StepKind, ValueType,
    catalogue::{Effect, Objection, Rehearsed, StepInPlan},
};
use patchline_engine::{Context, Outcome, Step, StepError};
use patchline_registry::Repository;
use patchline_remediation::attest::{self, Found, Kind as What, Named, SigningKey};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::{
    World,
    catalogue::{list, objection, optional},
    evidence::{self, Evidence},
    failure,
    image::Image,
    params,
};

/// A configuration is some kilobytes.
const MOST_CONFIG: u64 = 8 << 20;

/// As chains are checked.
pub(crate) struct Kind;

impl StepKind for Kind {
    fn name(&self) -> &'static str {
        "attest"
    }

    fn summary(&self) -> &'static str {
        "attaches SBOM and VEX of the image to it as OCI referrers, signed where a key is named"
    }

    fn params(&self) -> Vec<Param> {
        vec![
            optional("what", list(ParamType::Enum(&["sbom", "vex"])), "which documents; both when left out"),
            optional("key", ParamType::String, "a signing key of the configuration; unsigned when left out")
                .example("release"),
        ]
    }

    fn outputs(&self) -> Vec<Field> {
        vec![
            Field::new("attached", ValueType::list(ValueType::Text), "digests of the referrers"),
            Field::new("signed", ValueType::Bool, "statements about the image are signed"),
            Field::new("summary", ValueType::Text, "one line for people"),
        ]
    }

    fn check(&self, step: &StepInPlan<'_>) -> Vec<Objection> {
        let mut objections = Vec::new();
        if !params::stands_before(step, "scan") {
            objections.push(objection(
                &[],
                "attest-without-scan",
                "an attestation needs a scan before it: it says what the scan found",
                "add a step that `uses: scan` before it",
            ));
        }
        if step.with.get("what").and_then(Value::as_array).is_some_and(Vec::is_empty) {
            objections.push(objection(
                &["what"],
                "attest-nothing",
                "nothing would be attached",
                "leave `what` out, or name sbom or vex",
            ));
        }
        objections
    }

    fn effects(&self, step: &Rehearsed<'_>) -> Vec<Effect> {
        let target = Image::rehearsed(step.image).map(|image| image.named(None)).unwrap_or_default();
        vec![Effect { verb: "attest", target }]
    }
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Params {
    #[serde(default = "both")]
    what: Vec<String>,
    #[serde(default)]
    key: Option<String>,
}

fn both() -> Vec<String> {
    vec!["sbom".to_owned(), "vex".to_owned()]
}

/// The step.
pub(crate) struct Attest {
    world: World,
}

impl Attest {
    pub(crate) fn new(world: World) -> Self {
        Self { world }
    }
}

#[async_trait]
impl Step for Attest {
    fn kind(&self) -> &'static str {
        "attest"
    }

    async fn run(&self, context: Context) -> Result<Outcome, StepError> {
        let params: Params = params::read(&context.with)?;
        let what = kinds(&params.what)?;
        if what.contains(&What::Provenance) {
            return Err(StepError::permanent(
                "attest-provenance",
                "only a fix knows how an image was made: name provenance in its `attest`",
            ));
        }
        let key = params.key.as_deref().map(|name| self.world.signers.get(name)).transpose()?;
        let image = Image::of(&context)?;
        let repository = image.open(&self.world.registries)?;
        let mut attached = Vec::new();
        for evidence in evidence::load(&self.world, &context).await? {
            context.news.progress("attest", attached.len() as u64, 0);
            attached.extend(self.one(&*repository, &image, &evidence, &what, key).await?);
        }
        Ok(Outcome::succeeded(json!({
            "attached": attached,
            "signed": key.is_some(),
            "summary": format!("{} of {}", params.what.join(" and "), image.short()),
        })))
    }
}

impl Attest {
    /// Documents about one platform. Each is the same for the same image and advisories: twice is harmless, and no intent
    /// needs to be known of what starts nothing and takes nothing.
    async fn one(
        &self,
        repository: &dyn Repository,
        image: &Image,
        evidence: &Evidence,
        what: &[What],
        key: Option<&SigningKey>,
    ) -> Result<Vec<String>, StepError> {
        let digest = &evidence.line.image;
        let inventory = self.world.reports.inventory(digest).await.map_err(failure::store)?;
        let inventory = inventory.ok_or_else(|| {
            StepError::permanent(
                "inventory-missing",
                format!("the inventory of {digest} is not in the store"),
            )
        })?;
        let fix = self.world.fixes.fix_of(digest).await.map_err(failure::store)?;
        let before = match &fix {
            Some((origin, _)) => self.world.reports.latest_report(origin).await.map_err(failure::store)?,
            None => None,
        };
        // Of other advisories it would say `fixed` of what nobody looked for.
        let before = before.map(|(_, report)| report);
        let before = before.filter(|old| old.advisory_revision == evidence.report.advisory_revision);
        let raw = repository.manifest(digest.as_str()).await.map_err(failure::registry)?;
        let config = config(repository, &raw).await?;
        let (home, tag) = (repository.name(), image.tag.as_deref());
        let name = tag.map_or_else(|| home.clone(), |tag| format!("{home}:{tag}"));
        let home = repository.origin().map(|_| home);
        let name = if home.is_some() { name } else { image.short() };
        let named = Named { name: &name, repository: home.as_deref(), at: attest::created(&config) };
        let found = Found {
            inventory: &inventory,
            report: &evidence.report,
            before: before.as_ref(),
            plan: fix.as_ref().map(|(_, plan)| plan),
        };
        let documents: Result<Vec<_>, _> = what
            .iter()
            .map(|kind| match kind {
                What::Sbom => attest::sbom(&named, &found),
                _ => attest::vex(&named, &found),
            })
            .collect();
        let documents = documents.map_err(failure::remediation)?;
        let subject = home.as_deref().unwrap_or(&name);
        let attached = attest::attach(repository, &raw, subject, &documents, key).await;
        Ok(attached.map_err(failure::remediation)?.into_iter().map(|one| one.digest.to_string()).collect())
    }
}

/// What a chain names.
pub(crate) fn kinds(words: &[String]) -> Result<Vec<What>, StepError> {
    let mut kinds = Vec::new();
    for word in words {
        let kind: What = word.parse().map_err(|error: attest::UnknownKind| {
            StepError::permanent("attest-unknown", error.to_string())
        })?;
        if !kinds.contains(&kind) {
            kinds.push(kind);
        }
    }
    Ok(kinds)
}

/// The configuration of an image; nothing where it is beyond a limit.
async fn config(
    repository: &dyn Repository,
    raw: &patchline_registry::RawManifest,
) -> Result<Vec<u8>, StepError> {
    use tokio::io::AsyncReadExt as _;
    let described = raw.image().map_err(failure::registry)?.config;
    let mut bytes = Vec::new();
    if described.size <= MOST_CONFIG {
        let blob = repository.blob(&described).await.map_err(failure::registry)?;
        let read = blob.take(MOST_CONFIG).read_to_end(&mut bytes).await;
        read.map_err(|error| failure::io("the image's configuration cannot be read", &error))?;
    }
    Ok(bytes)
}

#[cfg(test)]
#[path = "attest_tests.rs"]
mod tests;
