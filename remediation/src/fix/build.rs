//! Plan, lay, prove.

use std::{collections::BTreeMap, sync::Arc};

use patchline_registry::{Digest, Repository};
use patchline_scanner::{LayerFacts, Report};

use super::{
    FixRequest, Fixed, FixedImage, Remediator,
    decide::{Decided, Question, decide},
    ground::{Ground, Suites, codename},
};
use crate::{
    Error, FixPlan, Result,
    executor::native::{self, Built, Change, Outcome},
    lineage::{self, Documents, Lineage},
    overlay::Overlay,
    plan::{Blocked, Key, Want},
    proof,
    tree::{Image, image_blocking as blocking, open},
};

/// Everything that stands before the first byte is written.
pub(super) struct Prepared {
    /// The original: the image itself, or what a believed fixed image was made from.
    origin: Image,
    /// Its documents, where the registry no longer has them.
    rebuilt: Option<Documents>,
    origin_digest: Digest,
    tag: Option<String>,
    /// The image that was asked about is itself a fixed one.
    refix: bool,
    ground: Arc<Ground>,
    suites: Suites,
    report: Report,
    want: Want,
    pub(super) decided: Decided,
}

fn no_database() -> Error {
    Error::UnsupportedSystem { system: "the image".to_owned(), reason: "it has no dpkg database".to_owned() }
}

impl Remediator {
    pub(super) async fn prepare(&self, request: &FixRequest<'_>) -> Result<Prepared> {
        let image = open(request.repository, request.manifest.as_str()).await?;
        let (mut origin, mut rebuilt) = (image.clone(), None);
        let (mut origin_digest, mut tag) = (image.raw.digest.clone(), request.tag.clone());
        let mut report = request.report.clone();
        let mut floors = BTreeMap::new();
        let mut refix = false;
        if let Some(lineage) =
            lineage::believed(request.repository, &image, request.recorded.as_ref()).await?
        {
            let fixed = Ground::read(self, request.repository, &image, &request.progress)
                .await?
                .ok_or_else(no_database)?;
            floors = versions(&fixed);
            refix = true;
            origin_digest = lineage.source.clone();
            tag = lineage.source_tag.or(tag);
            if request.repository.resolve(lineage.source.as_str()).await?.is_some() {
                origin = open(request.repository, lineage.source.as_str()).await?;
            } else {
                let documents = lineage::strip(&image)?;
                origin =
                    open(&over(request.repository, &documents), documents.manifest.digest.as_str()).await?;
                rebuilt = Some(documents);
            }
        }
        let over = rebuilt.as_ref().map(|documents| over(request.repository, documents));
        let repository: &dyn Repository = match &over {
            Some(overlay) => overlay,
            None => request.repository,
        };
        let ground =
            Ground::read(self, repository, &origin, &request.progress).await?.ok_or_else(no_database)?;
        if origin.raw.digest != image.raw.digest {
            let inventory =
                patchline_scanner::inventory(repository, &origin.raw.digest, self.facts.clone()).await?;
            report = patchline_scanner::report(&inventory, request.advisories);
        }
        let codename = codename(report.distro.as_ref())?;
        (request.progress)("repositories", 0, 1);
        let mut suites = Suites::security(self, &codename, &ground.database.architecture).await?;
        (request.progress)("repositories", 1, 1);
        // The report that was asked about counts, too: it may know of findings that came with newer packages.
        let selected =
            report.findings.iter().chain(&request.report.findings).filter(|f| request.select.selects(f));
        let mut want = Want::from_findings(selected);
        let old = versions(&ground);
        for (source, version) in floors {
            let newer = old
                .get(&source)
                .is_some_and(|old| patchline_scanner::version::compare_debian(old, &version).is_lt());
            if newer {
                want.floor(&source, &version);
            }
        }
        let question = Question {
            ground: &ground,
            report: &report,
            want: &want,
            policy: request.policy,
            blocked: &BTreeMap::new(),
            progress: &request.progress,
        };
        let decided = decide(self, &mut suites, &question).await?;
        Ok(Prepared { origin, rebuilt, origin_digest, tag, refix, ground, suites, report, want, decided })
    }
}

fn over<'a>(base: &'a dyn Repository, documents: &Documents) -> Overlay<'a> {
    Overlay::new(base).manifest(documents.manifest.clone()).bytes(documents.config.clone())
}

/// The lowest source version of each source's installed packages.
fn versions(ground: &Ground) -> BTreeMap<String, String> {
    let mut lowest: BTreeMap<String, String> = BTreeMap::new();
    for package in ground.database.packages.values() {
        let version = lowest
            .entry(package.record.source.clone())
            .or_insert_with(|| package.record.source_version.clone());
        if patchline_scanner::version::compare_debian(&package.record.source_version, version).is_lt() {
            version.clone_from(&package.record.source_version);
        }
    }
    lowest
}

/// The layer, planning again without what turns out not to be layable.
async fn lay(
    remediator: &Remediator,
    request: &FixRequest<'_>,
    prepared: &mut Prepared,
) -> Result<Option<(Built, FixPlan)>> {
    let mut blocked: BTreeMap<Key, Blocked> = BTreeMap::new();
    loop {
        if prepared.decided.ready.is_empty() {
            return Ok(None);
        }
        let (ground, ready) = (prepared.ground.clone(), prepared.decided.ready.clone());
        let (scratch, progress) = (request.scratch.clone(), request.progress.clone());
        let outcome = blocking(move || {
            let changes: Vec<Change<'_>> = ready
                .into_iter()
                .map(|one| Change {
                    installed: &ground.database.packages[&one.key],
                    record: one.record,
                    deb: one.deb,
                    control: one.control,
                    shadows: one.shadows,
                })
                .collect();
            native::build(&ground.tree, &ground.database, &ground.filters, &changes, &scratch, &*progress)
        })
        .await?;
        match outcome {
            Outcome::Built(built) => return Ok(Some((*built, prepared.decided.plan.clone()))),
            Outcome::Blocked(more) => {
                let before = blocked.len();
                blocked.extend(more);
                if blocked.len() == before {
                    return Err(Error::Proof { reason: "a refused package was planned again".to_owned() });
                }
                let question = Question {
                    ground: &prepared.ground,
                    report: &prepared.report,
                    want: &prepared.want,
                    policy: request.policy,
                    blocked: &blocked,
                    progress: &request.progress,
                };
                prepared.decided = decide(remediator, &mut prepared.suites, &question).await?;
            }
        }
    }
}

pub(super) async fn build(remediator: &Remediator, request: &FixRequest<'_>) -> Result<Fixed> {
    let mut prepared = remediator.prepare(request).await?;
    let Some((built, mut plan)) = lay(remediator, request, &mut prepared).await? else {
        return Ok(Fixed::Unchanged(prepared.decided.plan));
    };
    let lineage = Lineage {
        source: prepared.origin_digest.clone(),
        patch_layer: built.layer.digest.clone(),
        source_tag: prepared.tag.clone(),
        upgrades: plan.upgrades.len(),
    };
    let (documents, descriptor) = lineage::extend(&prepared.origin, &built.layer, &lineage)?;
    if documents.manifest.digest == request.manifest {
        return Ok(Fixed::Unchanged(plan));
    }
    (request.progress)("prove", 0, 1);
    let mut overlay = Overlay::new(request.repository);
    if let Some(rebuilt) = &prepared.rebuilt {
        overlay = overlay.manifest(rebuilt.manifest.clone()).bytes(rebuilt.config.clone());
    }
    let overlay = overlay
        .manifest(documents.manifest.clone())
        .bytes(documents.config.clone())
        .file(built.layer.digest.clone(), built.layer.path.clone());
    let facts: Arc<dyn LayerFacts> = remediator.facts.clone();
    // Both read the layer whole, each on a core of its own.
    let (copies, inventory) = tokio::join!(
        proof::files(&overlay, &descriptor, &facts, prepared.ground, &built),
        patchline_scanner::inventory(&overlay, &documents.manifest.digest, facts.clone()),
    );
    let (copies, inventory) = (copies?, inventory?);
    let report = patchline_scanner::report(&inventory, request.advisories);
    proof::findings(&plan, &inventory, &report)?;
    if prepared.refix {
        let returning = proof::returning(request.report, &report);
        if !returning.is_empty() {
            // What stands is better than what would be made: nothing goes up.
            plan.upgrades.clear();
            plan.refused.extend(returning);
            return Ok(Fixed::Unchanged(plan));
        }
    }
    plan.refused.extend(proof::refusals(&plan, copies));
    (request.progress)("prove", 1, 1);
    Ok(Fixed::Image(Box::new(FixedImage {
        plan,
        manifest: documents.manifest,
        config: documents.config.into(),
        layer: (descriptor, built.layer.path.clone()),
        origin: prepared.origin_digest,
        report,
        inventory,
        kept: built.kept,
        read_from: request.repository.origin(),
    })))
}
