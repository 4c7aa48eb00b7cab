//! Pushing a fixed image under a tag that is ours to move.

use patchline_engine::{Context, StepError, step::Intent};
use patchline_registry::{Digest, Error as RegistryError, ManifestKind, Repository};
use patchline_remediation::{Error as RemediationError, lineage};
use serde_json::{Value, json};

use super::{attest::Asked, build::Product, tag};
use crate::{
    World,
    doubt::{self, Doubt},
    failure,
    image::Image,
    place::Place,
};

/// Numbered names that are tried where a tag cannot move.
const MOST_NAMES: u32 = 9;

/// Images of an index that are looked at.
const MOST_PLATFORMS: usize = 100;

/// What a push needs.
pub(super) struct Push<'a> {
    pub(super) world: &'a World,
    pub(super) context: &'a Context,
    pub(super) image: &'a Image,
    pub(super) place: &'a Place,
    pub(super) attest: Asked<'a>,
}

/// A fixed image that stands in the registry.
pub(super) struct Done {
    pub(super) tag: String,
    pub(super) digest: Digest,
    pub(super) output: Value,
}

impl Push<'_> {
    /// What an earlier attempt pushed before it died: the tag points at what was intended.
    pub(super) async fn made_before(&self, repository: &dyn Repository) -> Result<Option<Done>, StepError> {
        let (log, run, step) = (&self.context.effects.log, &self.context.run, &self.context.step);
        let intents = log.of_step(run, step).await.map_err(failure::engine)?;
        for intent in intents.iter().rev().filter(|i| i.kind == "push") {
            let detail = &intent.detail;
            let digest = detail["digest"].as_str().and_then(|d| d.parse::<Digest>().ok());
            let (Some(tag), Some(digest)) = (detail["tag"].as_str(), digest) else { continue };
            let present = repository.resolve(tag).await.map_err(failure::registry)?;
            if present.is_some_and(|d| d.digest == digest) {
                Doubt::of(self.context, "push", &intent.target).await?.made().await?;
                return Ok(Some(Done { tag: tag.to_owned(), digest, output: detail["output"].clone() }));
            }
        }
        Ok(None)
    }

    /// Whether the tag is free, or ours from the same source, or already what
    /// is wanted; gives back whether anything is there.
    pub(super) async fn may_take(
        &self,
        repository: &dyn Repository,
        tag: &str,
        wanted: Option<&Digest>,
    ) -> Result<bool, StepError> {
        let Some(present) = repository.resolve(tag).await.map_err(failure::registry)? else {
            return Ok(false);
        };
        let present = present.digest;
        if Some(&present) == wanted {
            return Ok(true);
        }
        let origin = self.image.origin_digest();
        let from = self.world.fixes.fix_of(&present).await.map_err(failure::store)?;
        if from.is_some_and(|(source, _)| source == *origin || source == self.image.digest) {
            return Ok(true);
        }
        let ours = self.world.fixes.fixes_from(origin).await.map_err(failure::store)?;
        if ours.iter().any(|(digest, _)| *digest == present) || self.outdated(repository, &present).await? {
            return Ok(true);
        }
        Err(StepError::permanent(
            "fixed-tag-taken",
            format!("tag {tag} points at {present}, which no fix of this image made: it stays as it is"),
        ))
    }

    /// Whether `present` is our fix of what this image's tag held before: the tag was built anew, and its fix
    /// follows. Not once the tag has moved beyond this image: a newer fix is never replaced by an older one.
    async fn outdated(&self, repository: &dyn Repository, present: &Digest) -> Result<bool, StepError> {
        let Some(tag) = self.image.origin_tag() else { return Ok(false) };
        let now = repository.resolve(tag).await.map_err(failure::registry)?;
        if now.is_none_or(|d| d.digest != *self.image.origin_digest()) {
            return Ok(false);
        }
        let raw = repository.manifest(present.as_str()).await.map_err(failure::registry)?;
        let images = match raw.decode().map_err(failure::registry)? {
            ManifestKind::Image(_) => vec![present.clone()],
            ManifestKind::Index(index) => {
                index.manifests.into_iter().take(MOST_PLATFORMS).map(|m| m.digest).collect()
            }
        };
        for digest in images {
            let made = self.world.fixes.fix_of(&digest).await.map_err(failure::store)?;
            let Some((source, _)) = made else { continue };
            let lineage = lineage::read(repository, &digest, Some(&source)).await;
            let lineage = lineage.map_err(failure::remediation)?;
            if lineage.is_some_and(|l| l.source == source && l.source_tag.as_deref() == Some(tag)) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Keeps what is known of the fix, then pushes, the tag last.
    pub(super) async fn make(
        &self,
        repository: &dyn Repository,
        wanted: &str,
        product: &Product,
    ) -> Result<Done, StepError> {
        let Some(root) = product.root() else {
            return Err(StepError::permanent("fix-empty", "there is nothing to push"));
        };
        let digest = root.digest.clone();
        self.stands(repository).await?;
        let report = self.keep(product, &digest).await?;
        let mut name = wanted.to_owned();
        for n in 2.. {
            let there = self.may_take(repository, &name, Some(&digest)).await?;
            let target = self.place.target(Some(&name), &digest);
            let doubt = Doubt::of(self.context, "push", &target).await?;
            let mut done = self.intend(product, &name, &digest, report.as_deref()).await?;
            let asked = doubt::Asked::new(repository, &name);
            match self.push(&asked, product, &name).await {
                Ok(attached) => {
                    doubt.made().await?;
                    self.context.news.note(format!("pushed {name} at {digest}")).await;
                    if !attached.is_empty() {
                        done.output["attached"] = json!(attached);
                    }
                    return Ok(done);
                }
                Err(error) if there && n <= MOST_NAMES && is_immutable(&error) => {
                    self.context.effects.withdraw("push", &target).await.map_err(failure::engine)?;
                    self.context.news.note(format!("tag {name} cannot be moved in this registry")).await;
                    name = tag::numbered(wanted, n);
                }
                Err(error) => {
                    let stands = async || doubt::is_at(repository, &name, &digest).await;
                    return Err(doubt.failed(failure::remediation(error), asked.was(), stands).await);
                }
            }
        }
        Err(StepError::permanent("fixed-tag-taken", "no numbered tag is free"))
    }

    /// The tag that the run came from still names what was mended, or is gone: else the fixed image would stand beside
    /// another one and be taken for its fix. That one's own push has started a run of its own.
    pub(super) async fn stands(&self, repository: &dyn Repository) -> Result<(), StepError> {
        let Some(tag) = self.image.origin_tag() else { return Ok(()) };
        let now = repository.resolve(tag).await.map_err(failure::registry)?;
        let expected = self.image.origin_digest();
        match now {
            Some(now) if now.digest != *expected => Err(StepError::permanent(
                "tag-moved",
                format!("tag {tag} points at {} now; what was mended is {expected}", now.digest),
            )),
            _ => Ok(()),
        }
    }

    /// Before the push: a tag that moves again must be known as ours.
    async fn keep(&self, product: &Product, root: &Digest) -> Result<Option<String>, StepError> {
        let (fixes, reports) = (&self.world.fixes, &self.world.reports);
        let mut worst: Option<(&patchline_scanner::Report, String)> = None;
        for (_, image) in &product.fixed {
            reports.put_inventory(&image.inventory).await.map_err(failure::store)?;
            let id = reports.put_report(&image.report).await.map_err(failure::store)?;
            let put = fixes.put_fix(&image.origin, &image.manifest.digest, &image.plan).await;
            put.map_err(failure::store)?;
            let weight = crate::summary::weight(&image.report);
            if worst.as_ref().is_none_or(|(r, _)| crate::summary::weight(r) < weight) {
                worst = Some((&image.report, id));
            }
        }
        if product.index.is_some() {
            let put = fixes.put_fix(self.image.origin_digest(), root, &product.plan()).await;
            put.map_err(failure::store)?;
        }
        Ok(worst.map(|(_, id)| id))
    }

    async fn intend(
        &self,
        product: &Product,
        name: &str,
        digest: &Digest,
        report: Option<&str>,
    ) -> Result<Done, StepError> {
        let target = self.place.target(Some(name), digest);
        let mut output = product.output(report);
        output["fixed"] = json!(target);
        output["tag"] = json!(name);
        output["digest"] = json!(digest);
        let (log, run, step) = (&self.context.effects.log, &self.context.run, &self.context.step);
        let detail = json!({"tag": name, "digest": digest, "output": output});
        // Children and the root are pushed by digest first, and registries tell of that too.
        let mut targets = vec![(target, detail), (self.place.target(None, digest), json!({}))];
        for (_, image) in &product.fixed {
            targets.push((self.place.target(None, &image.manifest.digest), json!({})));
        }
        for (target, detail) in targets {
            let intent = Intent { kind: "push".into(), target, detail, done: false };
            log.intend(run, step, &intent).await.map_err(failure::engine)?;
        }
        Ok(Done { tag: name.to_owned(), digest: digest.clone(), output })
    }

    /// Everything by digest, then what is said of it, the tag last: who sees the fixed image sees that, too. Gives the
    /// digests of what was attached.
    async fn push(
        &self,
        repository: &dyn Repository,
        product: &Product,
        name: &str,
    ) -> Result<Vec<String>, RemediationError> {
        let remediator = &self.world.remediator;
        let mut attached = Vec::new();
        for (_, image) in &product.fixed {
            remediator.push(repository, image, None).await?;
            let run = self.context.run.to_string();
            attached.extend(self.attest.attach(repository, image, name, &run).await?);
        }
        let Some(root) = product.root() else { return Ok(attached) };
        if product.index.is_some() {
            repository.push_manifest(root.digest.as_str(), root).await?;
        }
        repository.push_manifest(name, root).await?;
        Ok(attached)
    }
}

/// How registries refuse to move a tag: 409 or 412, and ECR's 400.
fn is_immutable(error: &RemediationError) -> bool {
    matches!(error, RemediationError::Registry(RegistryError::Status { status: 400 | 409 | 412, .. }))
}
