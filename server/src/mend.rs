//! A fix by a plan that a person has chosen: which chain carries it out, and the run that does.

use std::sync::Arc;

use patchline_chains::Plan;
use patchline_engine::Submitted;
use patchline_registry::{Digest, Location, ManifestKind, Reference};
use patchline_remediation::{Edited, Error as RemediationError, Said};
use patchline_steps::chosen::{PARAM, takes_plan};
use serde_json::{Map, Value};

use crate::{
    Error, Result, ServerContext,
    triggers::{start, subject},
};

/// Bytes of a plan as a run keeps it: what a step's parameter renders to has a limit of 256 KiB.
const MOST_KEPT: usize = 192 << 10;
/// Platforms of an index that a plan may be of.
const MOST_PLATFORMS: usize = 64;

/// What is to be mended, how, and who says so.
pub(crate) struct Mend<'a> {
    /// `registry/repository:tag[@digest]`
    pub(crate) image: &'a str,
    pub(crate) plan: Edited,
    /// None: what fits the image.
    pub(crate) chain: Option<&'a str>,
    pub(crate) said: Said,
    /// Through what it was asked for: `api`, `page`.
    pub(crate) source: &'static str,
}

/// Starts it. A run of the same chain over the same image would not know of the plan: it has to end first.
pub(crate) async fn start(context: &ServerContext, mend: Mend<'_>) -> Result<Submitted> {
    let Mend { image, plan, chain, said, source } = mend;
    let reference: Reference = image.parse()?;
    let reference = subject::named(&context.registries, &reference);
    let chain = choose(context, &reference, chain)?;
    let over = start::over(context, &chain, &reference).await?;
    let pinned = over.context.get("digest").and_then(Value::as_str).and_then(|text| text.parse().ok());
    holds(context, &reference, pinned.as_ref(), plan.image()).await?;
    let by = said.by.clone();
    let kept = plan.kept(said)?;
    if kept.len() > MOST_KEPT {
        let reason = format!("its upgrades take more than {} KiB", MOST_KEPT >> 10);
        return Err(RemediationError::PlanUnreadable { reason }.into());
    }
    let params = Map::from_iter([(PARAM.to_owned(), Value::String(kept))]);
    let submitted = start::submit(context, source, &chain, over, params).await?;
    if !submitted.new {
        return Err(Error::RunUnderWay(submitted.run));
    }
    tracing::info!(run.id = %submitted.run, by, image = %reference, "a fix by a chosen plan was started");
    Ok(submitted)
}

/// The loaded chains that may be handed a plan of this image, then the one that is always there.
pub(crate) fn chains(context: &ServerContext, reference: &Reference) -> Vec<Arc<Plan>> {
    let fits = |plan: &Plan| {
        takes_plan(plan) && plan.matches(&reference.registry, &reference.repository, reference.tag.as_deref())
    };
    let mut all: Vec<_> = context.chains.iter().filter(|plan| fits(plan)).cloned().collect();
    // One of a site's own with this name takes its place.
    if !context.chains.iter().any(|plan| plan.chain == context.mender.chain) {
        all.push(context.mender.clone());
    }
    all
}

fn choose(context: &ServerContext, reference: &Reference, wanted: Option<&str>) -> Result<Arc<Plan>> {
    let loaded = || context.chains.iter().chain(std::iter::once(&context.mender));
    let Some(name) = wanted else {
        return chains(context, reference)
            .into_iter()
            .next()
            .ok_or_else(|| Error::TakesNoPlan { chain: context.mender.chain.clone() });
    };
    let chain = loaded().find(|plan| plan.chain == name).ok_or_else(|| Error::NoSuchChain {
        name: name.chars().take(100).collect(),
        known: loaded().filter(|plan| takes_plan(plan)).map(|plan| plan.chain.clone()).collect(),
    })?;
    if !takes_plan(chain) {
        return Err(Error::TakesNoPlan { chain: chain.chain.clone() });
    }
    Ok(chain.clone())
}

/// The plan is of what the reference names now, or of a platform of it. The step looks again.
async fn holds(
    context: &ServerContext,
    reference: &Reference,
    pinned: Option<&Digest>,
    planned: &Digest,
) -> Result<()> {
    let Some(image) = pinned else { return Ok(()) };
    if planned == image {
        return Ok(());
    }
    let repository = context.registries.open(&Location::Registry(reference.clone()))?;
    let platforms: Vec<Digest> = match repository.manifest(image.as_str()).await?.decode()? {
        ManifestKind::Image(_) => Vec::new(),
        ManifestKind::Index(index) => {
            index.manifests.into_iter().take(MOST_PLATFORMS).map(|entry| entry.digest).collect()
        }
    };
    if platforms.contains(planned) {
        return Ok(());
    }
    Err(RemediationError::PlanOfAnother { planned: planned.clone(), image: image.clone() }.into())
}
