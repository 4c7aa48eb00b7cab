//! `backup`: a verified copy of the whole image elsewhere, named by its digest.

use async_trait::async_trait;
use patchline_chains::{
    Field, Param, ParamType, StepKind, ValueType,
    catalogue::{Effect, Objection, Rehearsed, StepInPlan},
};
use patchline_engine::{Context, Outcome, Step, StepError, step::Intent};
use patchline_registry::{CopyOptions, Digest, Registries, copy};
use serde::Deserialize;
use serde_json::json;

use crate::{
    World,
    catalogue::{objection, optional, required},
    copied,
    doubt::{self, Asked, Doubt},
    failure,
    image::Image,
    params,
    place::Place,
    summary,
};

/// As chains are checked.
pub(crate) struct Kind;

impl StepKind for Kind {
    fn name(&self) -> &'static str {
        "backup"
    }

    fn summary(&self) -> &'static str {
        "copies the whole image with its referrers to another repository, and verifies the copy"
    }

    fn params(&self) -> Vec<Param> {
        vec![
            required(
                "to",
                ParamType::String,
                "`[registry/]repository`; the image's registry when none is named",
            ),
            optional(
                "keep",
                ParamType::Duration,
                "how long it is wanted; recorded, nothing expires by itself",
            ),
        ]
    }

    fn outputs(&self) -> Vec<Field> {
        vec![
            Field::new("reference", ValueType::Text, "where the copy is, by tag"),
            Field::new("registry", ValueType::Text, "of the copy"),
            Field::new("repository", ValueType::Text, "of the copy"),
            Field::new("tag", ValueType::Text, "of the copy"),
            Field::new("digest", ValueType::Text, "of the image and its copy"),
            Field::new("verified", ValueType::Bool, "the copy was read back"),
            Field::new("keep", ValueType::Text, "as the chain says"),
            Field::new("bytes", ValueType::Integer, "copied"),
            Field::new("summary", ValueType::Text, "the copy, by digest"),
        ]
    }

    fn check(&self, step: &StepInPlan<'_>) -> Vec<Objection> {
        check(step)
    }

    fn effects(&self, step: &Rehearsed<'_>) -> Vec<Effect> {
        let to = step.with.get("to").and_then(|to| to.as_str()).unwrap_or_default();
        let Some(image) = Image::rehearsed(step.image) else { return Vec::new() };
        vec![Effect { verb: "push", target: format!("{}:{}", to.trim(), tag_of(&image.digest)) }]
    }
}

fn check(step: &StepInPlan<'_>) -> Vec<Objection> {
    let to = step.with.get("to").and_then(|t| t.as_str()).unwrap_or("");
    if params::sole_expression(to) == Some("image.repository") {
        return vec![objection(
            &["to"],
            "backup-not-apart",
            "a backup in the image's own repository goes when the image goes",
            "name another repository: `vault/{{image.repository}}`",
        )];
    }
    Vec::new()
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Params {
    to: String,
    #[serde(default)]
    keep: Option<String>,
}

/// The step.
pub(crate) struct Backup {
    world: World,
}

impl Backup {
    pub(crate) fn new(world: World) -> Self {
        Self { world }
    }
}

/// The tag of a backup: never one that cosign's `sha256-<hex>.sig` scheme reads.
pub(crate) fn tag_of(digest: &Digest) -> String {
    format!("backup-{}", digest.hex())
}

#[async_trait]
impl Step for Backup {
    fn kind(&self) -> &'static str {
        "backup"
    }

    async fn run(&self, context: Context) -> Result<Outcome, StepError> {
        let params: Params = params::read(&context.with)?;
        let registries = &self.world.registries;
        let image = Image::of(&context)?;
        let home = image.place(registries);
        let place = Place::parse(registries, &params.to, &home).map_err(failure::registry)?;
        if place == home {
            return Err(StepError::permanent(
                "backup-not-apart",
                "a backup in the image's own repository goes when the image goes: name another one in `to`",
            ));
        }
        let source = image.open(registries)?;
        let target = place.open(registries).map_err(failure::registry)?;
        let tag = tag_of(&image.digest);
        let reference = place.target(Some(&tag), &image.digest);
        let doubt = Doubt::of(&context, "push", &reference).await?;
        self.intend(&context, &place, &tag, &image.digest).await?;
        context.news.progress("copy", 0, 0);
        let asked = Asked::new(&*target, &tag);
        let copying = async {
            let options = CopyOptions { referrers: true };
            let copied = copy(&*source, image.digest.as_str(), &asked, &tag, &options)
                .await
                .map_err(failure::registry)?;
            context.news.progress("verify", 0, 0);
            copied::verify_copy(&*target, &tag, &image.digest, "backup-broken").await?;
            copied::verify_referrers(&*source, &*target, &image.digest, "backup-broken").await?;
            Ok(copied)
        };
        let copied = match copying.await {
            Ok(copied) => copied,
            Err(error) => {
                let stands = async || doubt::is_at(&*target, &tag, &image.digest).await;
                return Err(doubt.failed(error, asked.was(), stands).await);
            }
        };
        doubt.made().await?;
        Ok(Outcome::succeeded(summary::present(json!({
            "reference": reference,
            "registry": place.registry,
            "repository": place.repository,
            "tag": tag,
            "digest": image.digest,
            "verified": true,
            "keep": params.keep,
            "bytes": copied.bytes,
            // By digest alone: it can be pulled as it stands, and fits.
            "summary": place.target(None, &image.digest),
        }))))
    }
}

impl Backup {
    /// Before anything is pushed: the registry's events of it start no chain.
    async fn intend(
        &self,
        context: &Context,
        place: &Place,
        tag: &str,
        digest: &Digest,
    ) -> Result<(), StepError> {
        for target in [place.target(Some(tag), digest), place.target(None, digest)] {
            let intent = Intent { kind: "push".into(), target, detail: json!({"tag": tag}), done: false };
            context
                .effects
                .log
                .intend(&context.run, &context.step, &intent)
                .await
                .map_err(failure::engine)?;
        }
        Ok(())
    }
}

/// What a backup step of this run said it made.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Made {
    registry: String,
    repository: String,
    tag: String,
    digest: Digest,
    verified: bool,
}

impl Made {
    /// Whether it is a copy of this image that was verified.
    pub(crate) fn covers(&self, digest: &Digest) -> bool {
        self.verified && self.digest == *digest
    }
    /// Verifies it again.
    pub(crate) async fn still_there(&self, registries: &Registries) -> Result<(), StepError> {
        let place = Place::new(registries, &self.registry, &self.repository);
        let repository = place.open(registries).map_err(failure::registry)?;
        copied::verify_copy(&*repository, &self.tag, &self.digest, "backup-broken").await
    }
}
