//! Plan, lay, prove.

use std::{collections::BTreeMap, sync::Arc};

use patchline_registry::{Digest, Repository};
use patchline_scanner::{LayerFacts, Report};
use tokio::io::AsyncSeekExt;

use super::{
    FixRequest, Fixed, FixedImage, Remediator,
    decide::{Decided, Question, Ready, decide},
    ground::{Ground, Suites, codename},
};
use crate::{
    Error, FixPlan, Result,
    executor::{
        Executor,
        native::{self, Built, Change, Outcome},
        sandbox::{Sandbox, dpkg},
    },
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
        if let (Executor::Sandbox, Some(sandbox)) = (prepared.decided.executor, &remediator.sandbox) {
            let built = in_sandbox(sandbox.clone(), request, prepared, ground, ready).await?;
            return Ok(Some((built, prepared.decided.plan.clone())));
        }
        let (scratch, progress) = (request.scratch.clone(), request.progress.clone());
        let outcome = blocking(move || {
            let changes = changes(&ground, ready);
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

fn changes(ground: &Ground, ready: Vec<Ready>) -> Vec<Change<'_>> {
    let change = |one: Ready| Change {
        installed: &ground.database.packages[&one.key],
        record: one.record,
        deb: one.deb,
        control: one.control,
        shadows: one.shadows,
    };
    ready.into_iter().map(change).collect()
}

/// The layer as the distribution's own tools make it. The image's layers come first as files without a name, verified as they
/// are read, so that nothing of them stays whatever ends this.
async fn in_sandbox(
    sandbox: Sandbox,
    request: &FixRequest<'_>,
    prepared: &Prepared,
    ground: Arc<Ground>,
    ready: Vec<Ready>,
) -> Result<Built> {
    let io = |source| Error::Io { operation: "keep a layer for the sandbox".to_owned(), source };
    let all = prepared.origin.manifest.layers.len() as u64;
    let mut layers = Vec::new();
    for layer in &prepared.origin.manifest.layers {
        (request.progress)("fetch layers", layers.len() as u64, all);
        let mut blob = request.repository.blob(layer).await?;
        let mut file = tokio::fs::File::from_std(tempfile::tempfile_in(&request.scratch).map_err(io)?);
        tokio::io::copy(&mut blob, &mut file).await.map_err(io)?;
        file.rewind().await.map_err(io)?;
        layers.push(file.into_std().await);
    }
    (request.progress)("fetch layers", all, all);
    let (scratch, progress) = (request.scratch.clone(), request.progress.clone());
    blocking(move || {
        let changes = changes(&ground, ready);
        let (tree, database, filters) = (&ground.tree, &ground.database, &ground.filters);
        dpkg::build(&sandbox, tree, database, filters, &changes, &mut layers, &scratch, &*progress)
    })
    .await
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
    let copies = proof::files(&overlay, &descriptor, &facts, prepared.ground, &built).await?;
    let inventory = patchline_scanner::inventory(&overlay, &documents.manifest.digest, facts).await?;
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
