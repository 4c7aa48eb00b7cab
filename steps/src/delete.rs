//! `delete`: takes a tag, or a manifest, out of the registry, after everything that speaks against it was asked.

use std::sync::Arc;

use async_trait::async_trait;
use base64::{Engine as _, engine::general_purpose::STANDARD as BASE64};
use futures::{FutureExt as _, StreamExt as _, TryStreamExt as _, future::BoxFuture, stream};
use patchline_chains::{
    Field, Param, ParamType, StepKind, ValueType,
    catalogue::{Effect, Objection, Rehearsed, StepInPlan},
};
use patchline_engine::{Context, ErrorClass, Outcome, Step, StepError, StepStatus, step::Intent};
use patchline_registry::{
    Descriptor, Digest, Error as RegistryError, Kept, ManifestKind, RawManifest, Repository,
};
use serde::Deserialize;
use serde_json::{Value, json};
use tracing::Instrument as _;

use crate::{
    World, backup,
    catalogue::{objection, optional},
    doubt::{Doubt, is_answer},
    evidence, failure,
    image::Image,
    params,
    place::Place,
    summary,
};

/// As chains are checked.
pub(crate) struct Kind;

impl StepKind for Kind {
    fn name(&self) -> &'static str {
        "delete"
    }

    fn summary(&self) -> &'static str {
        "takes the image's tag, or its manifest, out of the registry"
    }

    fn params(&self) -> Vec<Param> {
        vec![
            optional("mode", ParamType::Enum(&["untag", "manifest"]), "what is taken; the tag alone"),
            optional("irreversible", ParamType::Bool, "without a backup"),
            optional(
                "allow_deployed",
                ParamType::Bool,
                "also in runs that a schedule or an advisory started",
            ),
        ]
    }

    fn outputs(&self) -> Vec<Field> {
        vec![
            Field::new("mode", ValueType::Text, "`untag` or `manifest`"),
            Field::new("tag", ValueType::Text, "that went"),
            Field::new("digest", ValueType::Text, "of the image"),
            Field::new("deleted", ValueType::Bool, "it is gone"),
            Field::new("summary", ValueType::Text, "one line for people"),
        ]
    }

    fn check(&self, step: &StepInPlan<'_>) -> Vec<Objection> {
        check(step)
    }

    fn effects(&self, step: &Rehearsed<'_>) -> Vec<Effect> {
        let Some(image) = Image::rehearsed(step.image) else { return Vec::new() };
        let manifest = step.with.get("mode").and_then(Value::as_str) == Some("manifest");
        let (verb, tag) = match (manifest, image.tag.as_deref()) {
            (true, _) => ("delete", None),
            (false, Some(tag)) => ("untag", Some(tag)),
            // It would fail: there is no tag to remove.
            (false, None) => return Vec::new(),
        };
        vec![Effect { verb, target: image.named(tag) }]
    }
}

fn check(step: &StepInPlan<'_>) -> Vec<Objection> {
    let irreversible = step.with.get("irreversible").and_then(Value::as_bool).unwrap_or(false);
    if irreversible || params::stands_before(step, "backup") {
        return Vec::new();
    }
    vec![objection(
        &[],
        "delete-without-backup",
        "a delete without a verified backup before it cannot be taken back",
        "add a `backup` to this step's `needs`, or say `irreversible: true`",
    )]
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Mode {
    #[default]
    Untag,
    Manifest,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Params {
    #[serde(default)]
    mode: Mode,
    #[serde(default)]
    irreversible: bool,
    #[serde(default)]
    allow_deployed: bool,
}

/// The step.
pub(crate) struct Delete {
    world: World,
}

impl Delete {
    pub(crate) fn new(world: World) -> Self {
        Self { world }
    }
}

#[async_trait]
impl Step for Delete {
    fn kind(&self) -> &'static str {
        "delete"
    }

    async fn run(&self, context: Context) -> Result<Outcome, StepError> {
        let params: Params = params::read(&context.with)?;
        let image = Image::of(&context)?;
        refuse_deployed(&context, &params)?;
        refuse_beside_a_fix(&context)?;
        if !params.irreversible {
            self.backed_up(&context, &image.digest).await?;
        }
        let repository = image.open(&self.world.registries)?;
        let place = image.place(&self.world.registries);
        let act = match (params.mode, &image.tag) {
            (Mode::Untag, None) => {
                return Err(StepError::permanent(
                    "no-tag",
                    "the run's image has no tag that could be removed",
                ));
            }
            (Mode::Untag, Some(tag)) => Act {
                kind: "untag",
                target: place.target(Some(tag), &image.digest),
                tag: Some(tag.clone()),
                digest: image.digest.clone(),
                by_digest: place.target(None, &image.digest),
                place,
            },
            (Mode::Manifest, tag) => Act {
                kind: "delete",
                target: place.target(None, &image.digest),
                tag: tag.clone(),
                digest: image.digest.clone(),
                by_digest: place.target(None, &image.digest),
                place,
            },
        };
        act.make(&context, repository).await?;
        Ok(Outcome::succeeded(summary::present(json!({
            "mode": if params.mode == Mode::Untag { "untag" } else { "manifest" },
            "tag": image.tag,
            "digest": image.digest,
            "deleted": true,
            "summary": match (params.mode, &image.tag) {
                (Mode::Untag, Some(tag)) => format!("tag {tag} removed"),
                _ => format!("manifest {} removed", image.digest),
            },
        }))))
    }
}

impl Delete {
    /// A backup of this very digest by this run, verified then and again now.
    async fn backed_up(&self, context: &Context, digest: &Digest) -> Result<(), StepError> {
        for (name, kind, status) in &context.steps {
            if kind != "backup" || *status != StepStatus::Succeeded {
                continue;
            }
            let made: Option<backup::Made> =
                serde_json::from_value(evidence::output(context, name).clone()).ok();
            if let Some(made) = made.filter(|m| m.covers(digest)) {
                return made.still_there(&self.world.registries).await;
            }
        }
        Err(StepError::permanent(
            "delete-without-backup",
            "no backup step of this run has made a verified copy, so nothing is deleted",
        ))
    }
}

/// What a schedule or an advisory looks at may be running somewhere.
fn refuse_deployed(context: &Context, params: &Params) -> Result<(), StepError> {
    let trigger = &context.names["trigger"];
    let kind = trigger.get("kind").unwrap_or(trigger).as_str();
    let kind = kind.or_else(|| context.names["run"]["trigger"].as_str()).unwrap_or("");
    // A child's source is what started its cascade.
    let kind = if kind == "child" { trigger["source"].as_str().unwrap_or("") } else { kind };
    if !params.allow_deployed && matches!(kind, "schedule" | "advisories") {
        return Err(StepError::permanent(
            "delete-deployed",
            "a run that a schedule or an advisory started deletes only with `allow_deployed: true`: \
             the image may be running",
        ));
    }
    Ok(())
}

/// A fix reads the image that would be deleted, and may yet fail.
fn refuse_beside_a_fix(context: &Context) -> Result<(), StepError> {
    let fix = context.steps.iter().find(|(_, kind, status)| {
        let untouched = matches!(status, StepStatus::Blocked | StepStatus::Skipped | StepStatus::Succeeded);
        kind == "fix" && !untouched
    });
    match fix {
        Some((name, ..)) => Err(StepError::permanent(
            "delete-beside-fix",
            format!("`{name}` has started and has not succeeded, so its source stays"),
        )),
        None => Ok(()),
    }
}

/// One removal, as it is recorded.
struct Act {
    kind: &'static str,
    target: String,
    tag: Option<String>,
    digest: Digest,
    /// Where a registry takes the manifest along with its tag, the manifest is
    /// put back by digest: that push is ours too.
    by_digest: String,
    place: Place,
}

impl Act {
    /// Compares the world with the pin, records the intent, acts. After a
    /// crash, what is gone and was intended is done, once everything that may
    /// have gone with it is back.
    async fn make(self, context: &Context, repository: Arc<dyn Repository>) -> Result<(), StepError> {
        let (log, run, step) = (&context.effects.log, &context.run, &context.step);
        let earlier = log.of_step(run, step).await.map_err(failure::engine)?;
        let intended = earlier.iter().find(|i| i.kind == self.kind && i.target == self.target);
        if let (Some(intent), "untag") = (intended, self.kind)
            && !intent.done
        {
            self.put_back(context, &*repository, intent, &earlier).await?;
        }
        let doubt = Doubt::of(context, self.kind, &self.target).await?;
        if intended.is_some() && self.is_gone(&*repository).await? {
            let text = format!("reconciled: {} is gone, an earlier attempt has removed it", self.target);
            context.news.note(text).await;
            return doubt.made().await;
        }
        self.tag_stands(&*repository).await?;
        if self.kind == "delete" {
            refuse_shared(&*repository, &self.digest, self.tag.as_deref()).await?;
        }
        for intent in self.intents(&*repository).await? {
            log.intend(run, step, &intent).await.map_err(failure::engine)?;
        }
        // Apart from this future: a cancellation or a time limit that drops it
        // must not fall between a removal and what is put back after it.
        let context = context.clone();
        let acting = async move {
            let doubt = Doubt::of(&context, self.kind, &self.target).await?;
            let acted = match (self.kind, &self.tag) {
                ("untag", Some(tag)) => repository.untag(tag, &self.digest).await,
                _ => repository.delete_manifest(&self.digest).await,
            };
            let Err(error) = acted.map_err(failure::registry) else { return doubt.made().await };
            // A refusal may have come after the removal, to what was to be put back: what is gone stays in doubt.
            if is_answer(&error) && self.is_gone(&*repository).await.is_ok_and(|gone| !gone) {
                context.effects.withdraw_open().await.map_err(failure::engine)?;
            }
            Err(error)
        };
        match tokio::spawn(acting.in_current_span()).await {
            Ok(result) => result,
            Err(error) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
            // Only a runtime that stops cancels it: the next attempt looks at what stands.
            Err(error) => Err(StepError::new(ErrorClass::Transient, "registry-unreachable", &error)),
        }
    }

    /// The removal with what it takes to put the manifest back, and every push that this may need.
    async fn intents(&self, repository: &dyn Repository) -> Result<Vec<Intent>, StepError> {
        let push = |target, detail| Intent { kind: "push".into(), target, detail, done: false };
        let mut detail = json!({});
        let mut intents = vec![push(self.by_digest.clone(), json!({}))];
        if let ("untag", Some(tag)) = (self.kind, &self.tag) {
            let kept = Kept::beside(repository, tag, &self.digest).await.map_err(failure::registry)?;
            detail = json!({
                "media_type": kept.manifest.media_type,
                "manifest": BASE64.encode(&kept.manifest.bytes),
            });
            intents.extend(
                kept.tags
                    .iter()
                    .map(|t| push(self.place.target(Some(t), &self.digest), json!({"beside": t}))),
            );
        }
        // The removal last: where it stands, everything beside it stands too.
        intents.push(Intent { kind: self.kind.into(), target: self.target.clone(), detail, done: false });
        Ok(intents)
    }

    /// What an attempt that was cut off between a removal and what it puts back has left out.
    async fn put_back(
        &self,
        context: &Context,
        repository: &dyn Repository,
        intent: &Intent,
        earlier: &[Intent],
    ) -> Result<(), StepError> {
        let (Some(media_type), Some(bytes)) = (
            intent.detail["media_type"].as_str(),
            intent.detail["manifest"].as_str().and_then(|text| BASE64.decode(text).ok()),
        ) else {
            return Ok(());
        };
        let mut kept = Kept { manifest: RawManifest::new(media_type, bytes), tags: Vec::new() };
        if kept.manifest.digest != self.digest {
            return Ok(());
        }
        let gone = kept.is_gone(repository).await.map_err(failure::registry)?;
        for intent in earlier.iter().filter(|i| i.kind == "push") {
            let Some(tag) = intent.detail["beside"].as_str() else { continue };
            // While the manifest stands, a tag may be missing because another run removed it.
            let log = &context.effects.log;
            if gone || !log.intended("untag", &intent.target).await.map_err(failure::engine)? {
                kept.tags.push(tag.to_owned());
            }
        }
        kept.put_back(repository).await.map_err(failure::registry)
    }

    async fn is_gone(&self, repository: &dyn Repository) -> Result<bool, StepError> {
        let reference = match (self.kind, &self.tag) {
            ("untag", Some(tag)) => tag.as_str(),
            _ => self.digest.as_str(),
        };
        Ok(repository.resolve(reference).await.map_err(failure::registry)?.is_none())
    }

    /// The tag still points at what the run has pinned.
    async fn tag_stands(&self, repository: &dyn Repository) -> Result<(), StepError> {
        let Some(tag) = &self.tag else { return Ok(()) };
        let actual = repository.resolve(tag).await.map_err(failure::registry)?.map(|d| d.digest);
        if actual.as_ref() == Some(&self.digest) {
            return Ok(());
        }
        Err(failure::registry(RegistryError::TagMoved {
            tag: tag.clone(),
            expected: self.digest.clone(),
            actual,
        }))
    }
}

/// A tag and where it points.
type Resolved = (String, Option<Descriptor>);

async fn resolved(repository: &dyn Repository, tag: String) -> Result<Resolved, RegistryError> {
    let found = repository.resolve(&tag).await?;
    Ok((tag, found))
}

/// A manifest stays while another tag, or an index under any tag, needs it.
async fn refuse_shared(
    repository: &dyn Repository,
    digest: &Digest,
    own: Option<&str>,
) -> Result<(), StepError> {
    let tags = repository.tags().await.map_err(failure::registry)?;
    let calls: Vec<BoxFuture<'_, Result<Resolved, RegistryError>>> = tags
        .into_iter()
        .filter(|t| Some(t.as_str()) != own)
        .map(|t| resolved(repository, t).boxed())
        .collect();
    let found: Vec<Resolved> =
        stream::iter(calls).buffer_unordered(8).try_collect().await.map_err(failure::registry)?;
    let mut indexes: Vec<(String, Digest)> = Vec::new();
    for (tag, descriptor) in found {
        let Some(descriptor) = descriptor else { continue };
        if descriptor.digest == *digest {
            return Err(StepError::permanent(
                "digest-tagged-elsewhere",
                format!("tag {tag} points at {digest} too, and would go with it"),
            ));
        }
        if !indexes.iter().any(|(_, d)| *d == descriptor.digest) {
            indexes.push((tag, descriptor.digest));
        }
    }
    for (tag, other) in indexes {
        if references(repository, &other, digest).await? {
            return Err(StepError::permanent(
                "digest-in-index",
                format!("the index of tag {tag} references {digest}, and would be broken without it"),
            ));
        }
    }
    Ok(())
}

/// Whether an index, or an index in it, holds `wanted`.
async fn references(repository: &dyn Repository, root: &Digest, wanted: &Digest) -> Result<bool, StepError> {
    let mut waiting = vec![(root.clone(), 0)];
    while let Some((digest, depth)) = waiting.pop() {
        let raw = repository.manifest(digest.as_str()).await.map_err(failure::registry)?;
        let ManifestKind::Index(index) = raw.decode().map_err(failure::registry)? else { continue };
        for entry in index.manifests {
            if entry.digest == *wanted {
                return Ok(true);
            }
            let index = entry.media_type == patchline_registry::model::OCI_INDEX
                || entry.media_type == patchline_registry::model::DOCKER_INDEX;
            if index && depth < 4 {
                waiting.push((entry.digest, depth + 1));
            }
        }
    }
    Ok(false)
}
