//! From an image reference to what a run is about: the tag resolved once, the digest pinned, the unfixed ancestor named.

use patchline_chains::Plan;
use patchline_engine::Subject;
use patchline_registry::{
    Digest, Location, ManifestKind, RawManifest, Reference, Registries, Repository, model::OCI_CONFIG,
};
use patchline_remediation::{fix::Fixes, lineage};
use serde_json::json;

use crate::{Error, Result};

/// Docker's image configuration, schema 2.
const DOCKER_CONFIG: &str = "application/vnd.docker.container.image.v1+json";

/// Entries of an index that are asked where they come from.
const MOST_PLATFORMS: usize = 64;

/// Builds the subject of a run over `reference`: asks the registry for the
/// manifest, pins its digest, refuses what is no container image, and finds
/// the unfixed ancestor of an image that we mended.
///
/// `reference.registry` is a configured name or a host that has one.
pub async fn resolve(registries: &Registries, fixes: &dyn Fixes, reference: &Reference) -> Result<Subject> {
    let reference = named(registries, reference);
    let repository = registries.open(&Location::Registry(reference.clone()))?;
    let raw = repository.manifest(&reference.target()).await?;
    describe(&*repository, fixes, &reference, &raw).await
}

/// The same once the manifest is at hand.
pub(crate) async fn describe(
    repository: &dyn Repository,
    fixes: &dyn Fixes,
    reference: &Reference,
    raw: &RawManifest,
) -> Result<Subject> {
    let kind = raw.decode()?;
    if !is_image(&kind) {
        return Err(Error::NotAnImage(reference.to_string()));
    }
    let (tag, digest) = origin(repository, fixes, reference, raw, &kind).await?;
    let pinned = identity(&reference.registry, &reference.repository, reference.tag.as_deref(), &raw.digest);
    let context = json!({
        "registry": reference.registry,
        "repository": reference.repository,
        "tag": reference.tag,
        "digest": raw.digest,
        "reference": pinned,
        "origin": {"tag": tag, "digest": digest},
    });
    Ok(Subject { identity: pinned, context })
}

/// The subject as this chain's steps see it: with the platforms of the chain's scope, where it names any.
pub fn for_chain(subject: &Subject, plan: &Plan) -> Subject {
    let mut subject = subject.clone();
    if !plan.scope.platforms.is_empty() {
        subject.context["platforms"] = json!(plan.scope.platforms);
    }
    subject
}

/// `registry/repository:tag@digest`, without the tag where there is none.
pub fn identity(registry: &str, repository: &str, tag: Option<&str>, digest: &Digest) -> String {
    match tag {
        Some(tag) => format!("{registry}/{repository}:{tag}@{digest}"),
        None => format!("{registry}/{repository}@{digest}"),
    }
}

/// The reference with its registry's configured name, so that a host and its name are one subject;
/// `latest` where it names neither tag nor digest.
pub(crate) fn named(registries: &Registries, reference: &Reference) -> Reference {
    let mut reference = reference.clone();
    reference.registry = registries.name_of(&reference.registry);
    if reference.tag.is_none() && reference.digest.is_none() {
        reference.tag = Some("latest".to_owned());
    }
    reference
}

/// The unfixed ancestor: (tag, digest); the image itself when it was not mended by us. What an
/// image says of itself counts only where its layers bear it out. The tag is the ancestor's: the
/// tag of what was pushed is that of the fixed image.
async fn origin(
    repository: &dyn Repository,
    fixes: &dyn Fixes,
    reference: &Reference,
    raw: &RawManifest,
    kind: &ManifestKind,
) -> Result<(Option<String>, Digest)> {
    let ours = recorded(fixes, &raw.digest).await?;
    if let ManifestKind::Image(_) = kind
        && let Some(lineage) = lineage::read(repository, &raw.digest, ours.as_ref()).await?
    {
        return Ok((lineage.source_tag, lineage.source));
    }
    // An index has no layers that could bear it out: our own record alone counts.
    let Some(origin) = ours else {
        return Ok((reference.tag.clone(), raw.digest.clone()));
    };
    if let ManifestKind::Index(index) = kind {
        for entry in index.manifests.iter().take(MOST_PLATFORMS) {
            // A platform of which nobody recorded a fix stayed as it was, and knows nothing.
            if let Some(ours) = recorded(fixes, &entry.digest).await?
                && let Some(lineage) = lineage::read(repository, &entry.digest, Some(&ours)).await?
            {
                return Ok((lineage.source_tag, origin));
            }
        }
    }
    Ok((None, origin))
}

async fn recorded(fixes: &dyn Fixes, digest: &Digest) -> Result<Option<Digest>> {
    let fix = fixes.fix_of(digest).await.map_err(|source| Error::Stored { what: "fix", source })?;
    Ok(fix.map(|(origin, _)| origin))
}

/// Whether this is something with a root file system, and not a signature, an
/// attestation, a chart, or what refers to another manifest.
pub(crate) fn is_image(kind: &ManifestKind) -> bool {
    match kind {
        ManifestKind::Image(manifest) => {
            manifest.subject.is_none()
                && manifest.artifact_type.is_none()
                && matches!(manifest.config.media_type.as_str(), OCI_CONFIG | DOCKER_CONFIG)
        }
        ManifestKind::Index(index) => {
            index.subject.is_none()
                && index.manifests.iter().any(|entry| {
                    entry.artifact_type.is_none()
                        && entry
                            .platform
                            .as_ref()
                            .is_none_or(|p| p.os != "unknown" || p.architecture != "unknown")
                })
        }
    }
}

/// Tags that hold what belongs to another manifest: the referrers index `sha256-<hex>` of
/// distribution-spec 1.1 and the `.sig`, `.att`, `.sbom` tags of signers.
pub(crate) fn is_supplement(tag: &str) -> bool {
    let Some(rest) = tag.strip_prefix("sha256-") else { return false };
    let (hex, suffix) = rest.split_once('.').unwrap_or((rest, ""));
    hex.len() == 64
        && hex.bytes().all(|b| b.is_ascii_hexdigit())
        && (suffix.is_empty() || suffix.bytes().all(|b| b.is_ascii_alphanumeric()))
}

#[cfg(test)]
mod tests;
