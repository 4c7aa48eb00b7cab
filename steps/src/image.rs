//! The image that a run is about, as `image` in templates shows it.

use std::sync::Arc;

use patchline_engine::{Context, StepError, Subject};
use patchline_registry::{Digest, Registries, Repository};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::{failure, place::Place};

/// What `subject.context` holds.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Image {
    pub(crate) registry: String,
    #[serde(default)]
    pub(crate) repository: String,
    #[serde(default)]
    pub(crate) tag: Option<String>,
    /// The pinned digest: everything is read by it, never by the tag.
    pub(crate) digest: Digest,
    /// The unfixed ancestor; the image itself when it is none of ours.
    #[serde(default)]
    origin: Option<Origin>,
    /// The chain's `scope.platforms`, where whoever submitted the run says so; none: all.
    #[serde(default)]
    pub(crate) platforms: Vec<String>,
}

#[derive(Debug, Clone, Deserialize)]
struct Origin {
    #[serde(default)]
    tag: Option<String>,
    digest: Digest,
}

impl Image {
    /// The run's subject.
    pub(crate) fn of(context: &Context) -> Result<Self, StepError> {
        let mut image: Self = serde_json::from_value(context.subject.context.clone()).map_err(|e| {
            StepError::permanent("subject-invalid", format!("the run's subject is no image: {e}"))
        })?;
        image.tag = image.tag.filter(|t| !t.is_empty());
        if let Some(origin) = &mut image.origin {
            origin.tag = origin.tag.take().filter(|t| !t.is_empty());
        }
        Ok(image)
    }
    /// `image` of a dry run.
    pub(crate) fn rehearsed(image: &Value) -> Option<Self> {
        let image: Self = serde_json::from_value(image.clone()).ok()?;
        Some(Self { tag: image.tag.clone().filter(|tag| !tag.is_empty()), ..image })
    }
    /// `registry/repository`
    pub(crate) fn path(&self) -> String {
        format!("{}/{}", self.registry, self.repository)
    }
    /// `registry/repository:tag@digest`, without the tag where none is given.
    pub(crate) fn named(&self, tag: Option<&str>) -> String {
        match tag {
            Some(tag) => format!("{}:{tag}@{}", self.path(), self.digest),
            None => format!("{}@{}", self.path(), self.digest),
        }
    }
    /// The unfixed ancestor's tag.
    pub(crate) fn origin_tag(&self) -> Option<&str> {
        match &self.origin {
            Some(origin) => origin.tag.as_deref(),
            None => self.tag.as_deref(),
        }
    }
    /// The unfixed ancestor's digest.
    pub(crate) fn origin_digest(&self) -> &Digest {
        self.origin.as_ref().map_or(&self.digest, |o| &o.digest)
    }
    /// Where it is.
    pub(crate) fn place(&self, registries: &Registries) -> Place {
        Place::new(registries, &self.registry, &self.repository)
    }
    /// Opens its repository. No request is made.
    pub(crate) fn open(&self, registries: &Registries) -> Result<Arc<dyn Repository>, StepError> {
        self.place(registries).open(registries).map_err(failure::registry)
    }
    /// `shop/web:v1`, or with the digest when there is no tag.
    pub(crate) fn short(&self) -> String {
        match &self.tag {
            Some(tag) => format!("{}:{tag}", self.repository),
            None => format!("{}@{}", self.repository, self.digest.short()),
        }
    }
    /// `main/shop/web:v1`.
    pub(crate) fn place_text(&self) -> String {
        let registry = &self.registry;
        if self.repository.is_empty() { registry.clone() } else { format!("{registry}/{}", self.short()) }
    }
    /// The child's subject: this image's repository, another tag and digest, the same origin.
    pub(crate) fn fixed_subject(&self, parent: &Value, place: &Place, tag: &str, digest: &Digest) -> Subject {
        let identity = place.target(Some(tag), digest);
        let mut context = parent.as_object().cloned().unwrap_or_default();
        context.insert("tag".into(), json!(tag));
        context.insert("digest".into(), json!(digest));
        context.insert("reference".into(), json!(identity));
        context.insert("origin".into(), json!({"tag": self.origin_tag(), "digest": self.origin_digest()}));
        Subject { identity, context: Value::Object(context) }
    }
}
