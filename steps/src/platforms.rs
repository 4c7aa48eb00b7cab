//! Which image manifests a pinned digest stands for: itself, or the platforms of an index.

use patchline_engine::StepError;
use patchline_registry::{Digest, Index, ManifestKind, Platform, RawManifest, Repository};

use crate::{failure, image::Image};

/// Annotation by which BuildKit's attestations name what they attest.
pub(crate) const ATTESTS: &str = "vnd.docker.reference.digest";

/// Manifests in one index: beyond it somebody plays games.
const MOST_PLATFORMS: usize = 64;

/// What a pinned digest turned out to be.
pub(crate) struct Pinned {
    /// As stored.
    pub(crate) raw: RawManifest,
    /// Whether it is an index.
    pub(crate) index: bool,
    /// In scope.
    pub(crate) images: Vec<PlatformImage>,
}

/// One image manifest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct PlatformImage {
    pub(crate) digest: Digest,
    /// `linux/arm64`; none: the pinned digest is no index, so nobody says.
    pub(crate) platform: Option<String>,
}

/// Reads the pinned manifest and chooses the platforms in scope.
pub(crate) async fn pinned(repository: &dyn Repository, image: &Image) -> Result<Pinned, StepError> {
    let raw = repository.manifest(image.digest.as_str()).await.map_err(failure::registry)?;
    let (index, images) = match raw.decode().map_err(failure::registry)? {
        ManifestKind::Image(_) => {
            (false, vec![PlatformImage { digest: image.digest.clone(), platform: None }])
        }
        ManifestKind::Index(index) => (true, in_scope(&index, &image.platforms)),
    };
    if images.is_empty() {
        return Err(StepError::permanent(
            "no-platform-in-scope",
            format!("{} holds no image for a platform in the chain's scope", image.short()),
        ));
    }
    if images.len() > MOST_PLATFORMS {
        return Err(StepError::permanent(
            "limit-exceeded",
            format!("{} holds more than {MOST_PLATFORMS} platforms", image.short()),
        ));
    }
    Ok(Pinned { raw, index, images })
}

fn in_scope(index: &Index, scope: &[String]) -> Vec<PlatformImage> {
    let mut images: Vec<PlatformImage> = Vec::new();
    for entry in &index.manifests {
        let attestation = entry.platform.as_ref().is_some_and(|p| is_unknown(&p.os, &p.architecture));
        let label = entry.platform.as_ref().map(label);
        // What does not say its platform may be run on any: it is looked at.
        let wanted = scope.is_empty() || label.as_ref().is_none_or(|l| scope.iter().any(|s| covers(s, l)));
        if !attestation && wanted && !images.iter().any(|i| i.digest == entry.digest) {
            images.push(PlatformImage { digest: entry.digest.clone(), platform: label });
        }
    }
    images
}

/// Whether an entry's platform is the one that BuildKit gives to attestations: no client ever runs it. What an
/// entry's annotations say is the pusher's word, and hides nothing.
pub(crate) fn is_unknown(os: &str, architecture: &str) -> bool {
    os == "unknown" && architecture == "unknown"
}

fn label(platform: &Platform) -> String {
    match &platform.variant {
        Some(variant) => format!("{}/{}/{variant}", platform.os, platform.architecture),
        None => format!("{}/{}", platform.os, platform.architecture),
    }
}

/// `linux/arm` covers `linux/arm/v7`.
fn covers(scope: &str, label: &str) -> bool {
    label.strip_prefix(scope).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn index() -> Index {
        let entry = |n: u8, os: &str, arch: &str, variant: Option<&str>| {
            let mut platform = json!({"os": os, "architecture": arch});
            if let Some(v) = variant {
                platform["variant"] = json!(v);
            }
            json!({"mediaType": patchline_registry::model::OCI_MANIFEST, "size": 1,
                "digest": Digest::of(&[n]), "platform": platform})
        };
        serde_json::from_value(json!({"schemaVersion": 2, "manifests": [
            entry(1, "linux", "amd64", None),
            entry(2, "linux", "arm", Some("v7")),
            entry(3, "unknown", "unknown", None),
            entry(1, "linux", "amd64", None),
        ]}))
        .expect("an index")
    }

    #[test]
    fn attestations_are_no_platforms_and_scope_chooses() {
        let labels = |scope: &[&str]| -> Vec<String> {
            let scope: Vec<String> = scope.iter().map(|s| (*s).to_owned()).collect();
            in_scope(&index(), &scope).into_iter().filter_map(|i| i.platform).collect()
        };
        assert_eq!(labels(&[]), ["linux/amd64", "linux/arm/v7"]);
        assert_eq!(labels(&["linux/arm"]), ["linux/arm/v7"]);
        assert_eq!(labels(&["linux/arm64"]), Vec::<String>::new());
        assert_eq!(labels(&["linux/amd64"]), ["linux/amd64"]);
    }

    #[test]
    fn an_annotation_or_a_missing_platform_hides_nothing() {
        let index: Index = serde_json::from_value(json!({"schemaVersion": 2, "manifests": [
            {"mediaType": patchline_registry::model::OCI_MANIFEST, "size": 1, "digest": Digest::of(&[1]),
                "platform": {"os": "linux", "architecture": "amd64"},
                "annotations": {ATTESTS: Digest::of(&[9]),
                    "vnd.docker.reference.type": "attestation-manifest"}},
            {"mediaType": patchline_registry::model::OCI_MANIFEST, "size": 1, "digest": Digest::of(&[2])},
        ]}))
        .expect("an index");
        for scope in [vec![], vec!["linux/amd64".to_owned()]] {
            let digests: Vec<Digest> = in_scope(&index, &scope).into_iter().map(|i| i.digest).collect();
            assert_eq!(digests, [Digest::of(&[1]), Digest::of(&[2])], "{scope:?}");
        }
    }
}
