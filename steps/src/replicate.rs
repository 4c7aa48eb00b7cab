//! `replicate`: promotes the pinned image: a verified copy of the whole of it under a tag elsewhere.
//!
//! Everything is put there by digest first; the tag is looked at once more
//! and written last. A registry cannot compare and write a tag in one move,
//! so between these two requests somebody else's push may be lost.

use async_trait::async_trait;
use patchline_chains::{
    Field, Param, ParamType, StepKind, ValueType,
    catalogue::{Effect, Objection, Rehearsed, StepInPlan},
};
use patchline_engine::{Context, Outcome, Step, StepError, step::Intent};
use patchline_registry::{CopyOptions, Digest, Error as RegistryError, Reference, Repository, copy};
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
};

/// As chains are checked.
pub(crate) struct Kind;

impl StepKind for Kind {
    fn name(&self) -> &'static str {
        "replicate"
    }

    fn summary(&self) -> &'static str {
        "copies the whole image with its referrers under a tag elsewhere, which may start other chains there"
    }

    fn params(&self) -> Vec<Param> {
        vec![
            required(
                "to",
                ParamType::String,
                "`[registry/]repository[:tag]`; the image's registry and tag when none is named",
            )
            .example("prod/{{image.repository}}:{{image.tag}}"),
            optional(
                "when_taken",
                ParamType::Enum(&["refuse", "move"]),
                "what becomes of a tag there that points at another image",
            )
            .default("refuse"),
        ]
    }

    fn outputs(&self) -> Vec<Field> {
        vec![
            Field::new("reference", ValueType::Text, "where the copy is, by tag and digest"),
            Field::new("registry", ValueType::Text, "of the copy"),
            Field::new("repository", ValueType::Text, "of the copy"),
            Field::new("tag", ValueType::Text, "of the copy"),
            Field::new("digest", ValueType::Text, "of the image and its copy"),
            Field::new("replaced", ValueType::Text, "the digest that the tag had before, if another"),
            Field::new("verified", ValueType::Bool, "the copy was read back"),
            Field::new("bytes", ValueType::Integer, "copied"),
            Field::new("summary", ValueType::Text, "one line for people"),
        ]
    }

    fn check(&self, step: &StepInPlan<'_>) -> Vec<Objection> {
        let to = step.with.get("to").and_then(|t| t.as_str()).unwrap_or("");
        let own = params::sole_expression(to) == Some("image.repository")
            || matches!(to, "{{image.repository}}:{{image.tag}}" | "{{image.reference}}");
        if own {
            return vec![objection(
                &["to"],
                "replica-not-apart",
                "the copy would be the image itself",
                "name another repository or another tag: `prod/{{image.repository}}`",
            )];
        }
        Vec::new()
    }

    fn effects(&self, step: &Rehearsed<'_>) -> Vec<Effect> {
        let to = step.with.get("to").and_then(|t| t.as_str()).unwrap_or("").trim();
        let target = match (split(to), step.image.get("tag").and_then(|t| t.as_str())) {
            ((repository, None), Some(tag)) if !tag.is_empty() => format!("{repository}:{tag}"),
            _ => to.to_owned(),
        };
        vec![Effect { verb: "push", target }]
    }
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum WhenTaken {
    #[default]
    Refuse,
    Move,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Params {
    to: String,
    #[serde(default)]
    when_taken: WhenTaken,
}

/// The step.
pub(crate) struct Replicate {
    world: World,
}

impl Replicate {
    pub(crate) fn new(world: World) -> Self {
        Self { world }
    }
}

/// Repository and tag: a colon behind the last slash leads the tag.
fn split(to: &str) -> (&str, Option<&str>) {
    let name = to.rfind('/').map_or(0, |slash| slash + 1);
    match to[name..].find(':') {
        Some(colon) => (&to[..name + colon], Some(&to[name + colon + 1..])),
        None => (to, None),
    }
}

#[async_trait]
impl Step for Replicate {
    fn kind(&self) -> &'static str {
        "replicate"
    }

    async fn run(&self, context: Context) -> Result<Outcome, StepError> {
        let params: Params = params::read(&context.with)?;
        let registries = &self.world.registries;
        let image = Image::of(&context)?;
        let home = image.place(registries);
        let (repository, tag) = split(params.to.trim());
        let place = Place::parse(registries, repository, &home).map_err(failure::registry)?;
        let tag = tag_of(tag, &image)?;
        if place == home && image.tag.as_ref() == Some(&tag) {
            return Err(StepError::permanent(
                "replica-not-apart",
                "the copy would be the image itself: name another repository or another tag in `to`",
            ));
        }
        let source = image.open(registries)?;
        let target = place.open(registries).map_err(failure::registry)?;
        let taken = Taken { tag: &tag, digest: &image.digest, rule: params.when_taken };
        let before = taken.look(&*target).await?;

        let reference = place.target(Some(&tag), &image.digest);
        let doubt = Doubt::of(&context, "copy", &reference).await?;
        intend(&context, &reference).await?;
        context.news.progress("copy", 0, 0);
        let asked = Asked::new(&*target, &tag);
        let copying = async {
            let mut bytes = 0;
            if place != home {
                // By digest first: nobody sees the tag before all of it is there.
                let by_digest = image.digest.as_str();
                let options = CopyOptions { referrers: true };
                let report = copy(&*source, by_digest, &*target, by_digest, &options).await;
                bytes = report.map_err(failure::registry)?.bytes;
            }
            taken.write(&*source, &asked, before.as_ref()).await?;
            context.news.progress("verify", 0, 0);
            copied::verify_copy(&*target, &tag, &image.digest, "replica-broken").await?;
            copied::verify_referrers(&*source, &*target, &image.digest, "replica-broken").await?;
            Ok(bytes)
        };
        let bytes = match copying.await {
            Ok(bytes) => bytes,
            Err(error) => {
                let stands = async || doubt::is_at(&*target, &tag, &image.digest).await;
                return Err(doubt.failed(error, asked.was(), stands).await);
            }
        };
        doubt.made().await?;
        let mut output = json!({
            "reference": reference,
            "registry": place.registry,
            "repository": place.repository,
            "tag": tag,
            "digest": image.digest,
            "verified": true,
            "bytes": bytes,
            "summary": format!("{}/{}:{tag}", place.registry, place.repository),
        });
        if let Some(before) = before.filter(|d| *d != image.digest) {
            output["replaced"] = json!(before);
        }
        Ok(Outcome::succeeded(output))
    }
}

/// The tag to write: the chain's, else the image's.
fn tag_of(named: Option<&str>, image: &Image) -> Result<String, StepError> {
    let Some(tag) = named.or(image.tag.as_deref()) else {
        return Err(StepError::permanent(
            "replica-without-tag",
            "the run's image has no tag, and `to` names none",
        ));
    };
    // The registry room knows what a tag is.
    format!("x/x:{tag}").parse::<Reference>().map_err(failure::registry)?;
    Ok(tag.to_owned())
}

/// Recorded as a `copy`, not as a `push`: its event may start chains over the
/// place that it goes to, only never one that the copy comes from.
async fn intend(context: &Context, reference: &str) -> Result<(), StepError> {
    let log = &context.effects.log;
    let mut from = vec![context.chain.clone()];
    // A copy of a copy: what made the first has a share in the second.
    for earlier in log.of_target("copy", &context.subject.identity).await.map_err(failure::engine)? {
        let chains = earlier.detail["from"].as_array().into_iter().flatten();
        from.extend(chains.filter_map(|c| c.as_str()).map(str::to_owned));
    }
    from.sort_unstable();
    from.dedup();
    let intent = Intent {
        kind: "copy".into(),
        target: reference.to_owned(),
        detail: json!({"from": from}),
        done: false,
    };
    log.intend(&context.run, &context.step, &intent).await.map_err(failure::engine)
}

/// The tag that is to be written, and what may be there already.
struct Taken<'a> {
    tag: &'a str,
    digest: &'a Digest,
    rule: WhenTaken,
}

impl Taken<'_> {
    /// Where the tag points now; refuses what may not be moved.
    async fn look(&self, target: &dyn Repository) -> Result<Option<Digest>, StepError> {
        let present = target.resolve(self.tag).await.map_err(failure::registry)?.map(|d| d.digest);
        match &present {
            Some(other) if other != self.digest && self.rule == WhenTaken::Refuse => {
                Err(StepError::permanent(
                    "replica-tag-taken",
                    format!(
                        "tag {} in {} points at {other}: it stays as it is, unless `when_taken` is `move`",
                        self.tag,
                        target.name()
                    ),
                ))
            }
            _ => Ok(present),
        }
    }

    /// Writes the tag, if it still is where it was when the copy began.
    async fn write(
        &self,
        source: &dyn Repository,
        target: &dyn Repository,
        before: Option<&Digest>,
    ) -> Result<(), StepError> {
        let now = self.look(target).await?;
        if now.as_ref() == Some(self.digest) {
            return Ok(());
        }
        if let Some(expected) = before.filter(|_| now.as_ref() != before) {
            return Err(failure::registry(RegistryError::TagMoved {
                tag: self.tag.to_owned(),
                expected: expected.clone(),
                actual: now,
            }));
        }
        if before.is_none() && now.is_some() {
            return Err(StepError::permanent(
                "replica-tag-taken",
                format!("tag {} in {} was pushed by somebody else meanwhile", self.tag, target.name()),
            ));
        }
        let raw = source.manifest(self.digest.as_str()).await.map_err(failure::registry)?;
        target.push_manifest(self.tag, &raw).await.map_err(failure::registry)
    }
}

#[cfg(test)]
mod tests;
