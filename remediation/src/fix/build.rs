//! Plan, lay, prove.

use std::{collections::BTreeMap, sync::Arc};

use patchline_registry::{Digest, Repository};
use patchline_scanner::{Finding, LayerFacts, Report};

use super::{
    FixRequest, Fixed, FixedImage, Remediator, UpgradePolicy,
    family::{self, is_rpms, is_systems},
    system::{Course, System},
};
use crate::{
    Error, FixPlan, Result,
    executor::{
        Choice,
        native::{Built, Outcome, extend},
    },
    languages::{Decided as Languages, Question},
    lineage::{self, Documents, Lineage},
    overlay::Overlay,
    plan::{Blocked, Key},
    proof,
    tree::{Image, image_blocking as blocking, open},
};

/// Everything that stands before the first byte is written.
pub(super) struct Prepared {
    /// The original: the image itself, or what a believed fixed image was made from.
    origin: Image,
    /// Its documents, where the registry no longer has them.
    rebuilt: Option<Documents>,
    pub(super) origin_digest: Digest,
    tag: Option<String>,
    /// The image that was asked about is itself a fixed one.
    refix: bool,
    system: System,
    pub(super) report: Report,
    pub(super) course: Course,
    /// What of languages goes up, and what of them stays.
    languages: Languages,
}

impl Prepared {
    /// What was decided, of the system and of languages.
    pub(super) fn plan(&self) -> FixPlan {
        let mut plan = self.course.plan().clone();
        self.languages.join(&mut plan);
        plan
    }
}

impl Remediator {
    pub(super) async fn prepare(&self, request: &FixRequest<'_>) -> Result<Prepared> {
        let image = open(request.repository, request.manifest.as_str()).await?;
        self.may_smoke(&image).await?;
        let (mut origin, mut rebuilt) = (image.clone(), None);
        let (mut origin_digest, mut tag) = (image.raw.digest.clone(), request.tag.clone());
        let mut report = request.report.clone();
        let mut floors = BTreeMap::new();
        let mut refix = false;
        if let Some(lineage) =
            lineage::believed(request.repository, &image, request.recorded.as_ref()).await?
        {
            floors = self.system(request, request.repository, &image).await?.versions();
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
        let system = self.system(request, repository, &origin).await?;
        self.has_room_to_smoke(&image, system.tree())?;
        if origin.raw.digest != image.raw.digest {
            let inventory =
                patchline_scanner::inventory(repository, &origin.raw.digest, self.facts.clone()).await?;
            report = patchline_scanner::report(&inventory, request.advisories);
        }
        // The report that was asked about counts, too: it may know of findings that came with newer packages.
        let selected: Vec<&Finding> = report
            .findings
            .iter()
            .chain(&request.report.findings)
            .filter(|f| request.select.selects(f))
            .collect();
        let systems =
            |finding: &&Finding| finding.fixed.is_some() && (is_systems(finding) || is_rpms(finding));
        // Whoever wants packages of languages alone needs no mirror of the system; but what a former fix has
        // reached is not given up.
        let alone = self.languages.is_some() && !refix && !selected.iter().any(systems);
        let course = match alone {
            true => Course::nothing(&report),
            false => Course::new(self, &system, &report, selected.into_iter(), floors, request).await?,
        };
        let wanted = report.findings.iter().filter(|finding| {
            let gone = || {
                !request.report.findings.iter().any(|known| {
                    (&known.ecosystem, &known.source, &known.id)
                        == (&finding.ecosystem, &finding.source, &finding.id)
                })
            };
            request.select.selects(finding) || refix && gone()
        });
        let languages = match &self.languages {
            Some(languages) => {
                let question = Question {
                    repository,
                    image: &origin,
                    tree: system.tree(),
                    facts: self.facts.clone(),
                    owned: system.owned(),
                    wanted: wanted.collect(),
                    advisories: request.advisories,
                    latest: request.policy == UpgradePolicy::Latest,
                    rules: &self.rules,
                    progress: &request.progress,
                };
                languages.decide(&question).await?
            }
            None => match self.rules.languages.iter().flatten().next() {
                Some(one) => {
                    let reason = "packages of languages go up with --languages alone".to_owned();
                    return Err(Error::PlanRefused { package: one.package.clone(), reason });
                }
                None => Languages::default(),
            },
        };
        Ok(Prepared { origin, rebuilt, origin_digest, tag, refix, system, report, course, languages })
    }

    async fn system(
        &self,
        request: &FixRequest<'_>,
        repository: &dyn Repository,
        image: &Image,
    ) -> Result<System> {
        let distro = request.report.distro.as_ref();
        System::read(self, repository, image, distro, &request.progress)
            .await?
            .ok_or_else(|| family::none(distro))
    }
}

fn over<'a>(base: &'a dyn Repository, documents: &Documents) -> Overlay<'a> {
    Overlay::new(base).manifest(documents.manifest.clone()).bytes(documents.config.clone())
}

/// The layer, planning again without what turns out not to be layable.
async fn lay(
    mut remediator: &Remediator,
    request: &FixRequest<'_>,
    prepared: &mut Prepared,
) -> Result<Option<Built>> {
    let without = remediator.clone().choosing(Choice::Native);
    let mut blocked: BTreeMap<Key, Blocked> = BTreeMap::new();
    loop {
        let outcome = match prepared.course.lay(remediator, request, &prepared.origin).await {
            // A plan that a person has chosen is followed whole or not at all.
            Err(Error::Sandbox(failure))
                if remediator.choice == Choice::Auto
                    && remediator.rules.exactly.is_none()
                    && prepared.course.can_be_native() =>
            {
                // A script that fails must not keep from being mended what needs none.
                tracing::warn!(reason = %failure, "the sandbox failed: only what needs none is mended");
                remediator = &without;
                prepared.course.decide(remediator, &prepared.report, request, &blocked).await?;
                continue;
            }
            outcome => outcome?,
        };
        let Some(outcome) = outcome else { return Ok(None) };
        match outcome {
            Outcome::Built(built) => return Ok(Some(*built)),
            Outcome::Blocked(more) => {
                let before = blocked.len();
                blocked.extend(more);
                if blocked.len() == before {
                    return Err(Error::Proof { reason: "a refused package was planned again".to_owned() });
                }
                prepared.course.decide(remediator, &prepared.report, request, &blocked).await?;
            }
        }
    }
}

/// The layer of the system's packages with those of languages in it; none: nothing goes up.
async fn lay_all(
    remediator: &Remediator,
    request: &FixRequest<'_>,
    prepared: &mut Prepared,
) -> Result<Option<Built>> {
    let system = lay(remediator, request, prepared).await?;
    if prepared.languages.is_empty() {
        return Ok(system);
    }
    let (all, additions) = (prepared.system.clone(), prepared.languages.additions());
    let (scratch, progress) = (request.scratch.clone(), request.progress.clone());
    let extended = move || extend::extend(all.tree(), system, additions, all.flavour(), &scratch, &*progress);
    blocking(extended).await.map(Some)
}

pub(super) async fn build(remediator: &Remediator, request: &FixRequest<'_>) -> Result<Fixed> {
    let mut prepared = remediator.prepare(request).await?;
    let Some(built) = lay_all(remediator, request, &mut prepared).await? else {
        return Ok(Fixed::Unchanged(prepared.plan()));
    };
    let mut plan = prepared.plan();
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
    let flavour = prepared.system.flavour();
    // What was promised against what was written; and what a scan finds, which reads the blob itself.
    let (copies, inventory) = tokio::join!(
        proof::files(prepared.system, &plan, &built),
        patchline_scanner::inventory(&overlay, &documents.manifest.digest, facts.clone()),
    );
    let (copies, inventory) = (copies?, inventory?);
    // Now that the blob holds what was read of it on its way: who asks about the fixed image needs not read it again.
    facts.put(&built.layer.digest, flavour.analyser(), &built.tree.encode()?).await?;
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
    let fixed = open(&overlay, documents.manifest.digest.as_str()).await?;
    plan.smoked = remediator.smoke(&overlay, &fixed, request).await?;
    let mut archives = prepared.course.archives().await?;
    archives.extend(prepared.languages.archives());
    (request.progress)("prove", 1, 1);
    Ok(Fixed::Image(Box::new(FixedImage {
        plan,
        manifest: documents.manifest,
        config: documents.config.into(),
        layer: (descriptor, built.layer.path.clone()),
        origin: prepared.origin_digest,
        before: prepared.report,
        report,
        inventory,
        archives,
        kept: built.kept,
        read_from: request.repository.origin(),
    })))
}
