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
/// image says of itself counts only where its layers bear it out.
async fn origin(
    repository: &dyn Repository,
    fixes: &dyn Fixes,
    reference: &Reference,
    raw: &RawManifest,
    kind: &ManifestKind,
) -> Result<(Option<String>, Digest)> {
    let found = match kind {
        ManifestKind::Image(_) => {
            lineage::read(repository, &raw.digest).await?.map(|lineage| (lineage.source_tag, lineage.source))
        }
        // An index has no layers that could bear it out: our own record alone counts.
        ManifestKind::Index(_) => fixes
            .fix_of(&raw.digest)
            .await
            .map_err(|source| Error::Stored { what: "fix", source })?
            .map(|(origin, _)| (reference.tag.clone(), origin)),
    };
    if let Some(found) = found {
        return Ok(found);
    }
    Ok((reference.tag.clone(), raw.digest.clone()))
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
                            .is_none_or(|p| p.os != "unknown" && p.architecture != "unknown")
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
mod tests {
    use super::*;

    #[test]
    fn signature_tags_are_told_from_versions() {
        let hex = "a".repeat(64);
        for tag in [format!("sha256-{hex}"), format!("sha256-{hex}.sig"), format!("sha256-{hex}.att")] {
            assert!(is_supplement(&tag), "{tag}");
        }
        for tag in ["v1", "sha256-short", "sha256-", "v1.sig", "latest"] {
            assert!(!is_supplement(tag), "{tag}");
        }
    }

    #[test]
    fn only_what_has_a_root_file_system_is_an_image() {
        let kind = |value: serde_json::Value, index: bool| {
            if index {
                ManifestKind::Index(serde_json::from_value(value).unwrap())
            } else {
                ManifestKind::Image(serde_json::from_value(value).unwrap())
            }
        };
        let digest = Digest::of(b"x");
        let descriptor = |media: &str| json!({"mediaType": media, "digest": digest, "size": 1});
        let image = |media: &str| json!({"schemaVersion": 2, "config": descriptor(media), "layers": []});
        assert!(is_image(&kind(image(OCI_CONFIG), false)));
        assert!(!is_image(&kind(image("application/vnd.cncf.helm.config.v1+json"), false)));
        let mut referrer = image(OCI_CONFIG);
        referrer["subject"] = descriptor("application/vnd.oci.image.manifest.v1+json");
        assert!(!is_image(&kind(referrer, false)));
        let entry = |os: &str| {
            let mut entry = descriptor("application/vnd.oci.image.manifest.v1+json");
            entry["platform"] =
                json!({"os": os, "architecture": if os == "unknown" { "unknown" } else { "amd64" }});
            entry
        };
        let index = |entries: Vec<serde_json::Value>| json!({"schemaVersion": 2, "manifests": entries});
        assert!(is_image(&kind(index(vec![entry("linux"), entry("unknown")]), true)));
        assert!(!is_image(&kind(index(vec![entry("unknown")]), true)));
    }
}
