//! Documents as OCI 1.1 referrers: an image manifest with a `subject`, an empty configuration and one layer
//! (image-spec, "Guidelines for Artifact Usage").

use std::collections::BTreeMap;

use bytes::Bytes;
use patchline_registry::{
    BlobContent, Descriptor, Digest, Manifest, RawManifest, Repository, model::OCI_MANIFEST,
};

use crate::Result;

/// Media type of the configuration of what is no image (image-spec, "Guidance for an Empty Descriptor").
pub const EMPTY: &str = "application/vnd.oci.empty.v1+json";

/// What is attached.
#[derive(Debug, Clone)]
pub struct Artifact<'a> {
    /// What whoever lists referrers sees.
    pub artifact_type: &'a str,
    /// Of the content.
    pub media_type: &'a str,
    /// The content.
    pub bytes: Bytes,
    /// Of manifest and layer.
    pub annotations: BTreeMap<String, String>,
}

/// Attaches an artifact to an image that is there; gives the digest of its manifest, which is the same for the same artifact.
/// Where a registry keeps no list of referrers, the repository keeps it under `sha256-<hex>`.
///
/// # Errors
/// The registry's.
pub async fn push(
    repository: &dyn Repository,
    subject: &RawManifest,
    artifact: Artifact<'_>,
) -> Result<Digest> {
    let config = blob(repository, EMPTY, Bytes::from_static(b"{}")).await?;
    let mut layer = blob(repository, artifact.media_type, artifact.bytes).await?;
    layer.annotations = artifact.annotations.clone();
    let manifest = Manifest {
        schema_version: 2,
        media_type: Some(OCI_MANIFEST.to_owned()),
        artifact_type: Some(artifact.artifact_type.to_owned()),
        config,
        layers: vec![layer],
        subject: Some(subject.descriptor()),
        annotations: artifact.annotations,
    };
    let bytes = serde_json::to_vec(&manifest).map_err(|e| super::not_json(&e))?;
    let raw = RawManifest::new(OCI_MANIFEST, bytes);
    repository.push_manifest(raw.digest.as_str(), &raw).await?;
    Ok(raw.digest)
}

/// Puts a small blob there, and describes it.
pub(super) async fn blob(repository: &dyn Repository, media_type: &str, bytes: Bytes) -> Result<Descriptor> {
    let descriptor = Descriptor {
        media_type: media_type.to_owned(),
        digest: Digest::of(&bytes),
        size: bytes.len() as u64,
        platform: None,
        artifact_type: None,
        annotations: BTreeMap::new(),
    };
    repository.push_blob(&descriptor, BlobContent::Bytes(bytes)).await?;
    Ok(descriptor)
}
