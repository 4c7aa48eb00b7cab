//! The documents of the OCI image-spec 1.1 and their Docker schema-2 twins, as far as we read or write them.

use std::collections::BTreeMap;

use bytes::Bytes;
use serde::{Deserialize, Deserializer, Serialize};

use crate::{Digest, Error, Result};

/// The largest manifest or index that is read or taken, distribution-spec "Pushing Manifests".
pub const MAX_MANIFEST_BYTES: usize = 4 * 1024 * 1024;
/// The most layers of an image, and children of an index, that we follow.
pub const MAX_PARTS: usize = 512;
/// The annotation that names a tag in a layout's `index.json`.
pub const REF_NAME: &str = "org.opencontainers.image.ref.name";

/// Media type of an OCI image manifest.
pub const OCI_MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
/// Media type of an OCI image index.
pub const OCI_INDEX: &str = "application/vnd.oci.image.index.v1+json";
/// Media type of an OCI image configuration.
pub const OCI_CONFIG: &str = "application/vnd.oci.image.config.v1+json";
/// Media type of a gzip layer.
pub const OCI_LAYER_GZIP: &str = "application/vnd.oci.image.layer.v1.tar+gzip";
/// Media type of a zstd layer.
pub const OCI_LAYER_ZSTD: &str = "application/vnd.oci.image.layer.v1.tar+zstd";
/// Media type of an uncompressed layer.
pub const OCI_LAYER_TAR: &str = "application/vnd.oci.image.layer.v1.tar";
/// Docker's image manifest, schema 2.
pub const DOCKER_MANIFEST: &str = "application/vnd.docker.distribution.manifest.v2+json";
/// Docker's manifest list.
pub const DOCKER_INDEX: &str = "application/vnd.docker.distribution.manifest.list.v2+json";
/// Docker's gzip layer.
pub const DOCKER_LAYER_GZIP: &str = "application/vnd.docker.image.rootfs.diff.tar.gzip";

/// OCI image-spec "descriptor".
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Descriptor {
    /// What the bytes are.
    pub media_type: String,
    /// Of the bytes.
    pub digest: Digest,
    /// In bytes.
    pub size: u64,
    /// Only in an index.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub platform: Option<Platform>,
    /// What kind of artifact a referrer is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub artifact_type: Option<String>,
    /// Free key and value pairs.
    #[serde(default, deserialize_with = "null_is_empty", skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: BTreeMap<String, String>,
}

/// OCI image-spec "platform".
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Platform {
    /// GOARCH: `amd64`, `arm64` …
    pub architecture: String,
    /// GOOS: `linux` …
    pub os: String,
    /// `v7` of `linux/arm/v7`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub variant: Option<String>,
}

/// An image manifest (one platform), OCI or Docker schema 2.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Manifest {
    /// Always 2.
    pub schema_version: u32,
    /// Absent in some OCI manifests.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub media_type: Option<String>,
    /// What kind of artifact this is, when it is no image.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub artifact_type: Option<String>,
    /// The image configuration.
    pub config: Descriptor,
    /// Lowest first.
    #[serde(deserialize_with = "null_is_empty")]
    pub layers: Vec<Descriptor>,
    /// What a referrer refers to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject: Option<Descriptor>,
    /// Free key and value pairs.
    #[serde(default, deserialize_with = "null_is_empty", skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: BTreeMap<String, String>,
}

/// An image index (several platforms), OCI or Docker's manifest list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Index {
    /// Always 2.
    pub schema_version: u32,
    /// Absent in some OCI indexes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub media_type: Option<String>,
    /// What kind of artifact this is, when it is no image.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub artifact_type: Option<String>,
    /// One a platform, and attestations.
    #[serde(deserialize_with = "null_is_empty")]
    pub manifests: Vec<Descriptor>,
    /// What a referrer refers to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject: Option<Descriptor>,
    /// Free key and value pairs.
    #[serde(default, deserialize_with = "null_is_empty", skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: BTreeMap<String, String>,
}

/// A manifest's bytes as the registry keeps them, with their digest, already verified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RawManifest {
    /// Of `bytes`.
    pub digest: Digest,
    /// From the `Content-Type`, or the document itself.
    pub media_type: String,
    /// Exactly as stored: re-encoding would change the digest.
    pub bytes: Bytes,
}

/// What a manifest turned out to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ManifestKind {
    /// One platform.
    Image(Manifest),
    /// Several platforms.
    Index(Index),
}

impl RawManifest {
    /// Wraps bytes of our own making.
    pub fn new(media_type: impl Into<String>, bytes: impl Into<Bytes>) -> Self {
        let bytes = bytes.into();
        Self { digest: Digest::of(&bytes), media_type: media_type.into(), bytes }
    }
    /// A descriptor of this manifest.
    pub fn descriptor(&self) -> Descriptor {
        Descriptor {
            media_type: self.media_type.clone(),
            digest: self.digest.clone(),
            size: self.bytes.len() as u64,
            platform: None,
            artifact_type: None,
            annotations: BTreeMap::new(),
        }
    }
    /// Decodes by media type; a document that is neither is an error, and so
    /// is one whose own `mediaType` says otherwise or that has more than
    /// [`MAX_PARTS`] parts.
    pub fn decode(&self) -> Result<ManifestKind> {
        if self.bytes.len() > MAX_MANIFEST_BYTES {
            return Err(self.invalid("larger than 4 MiB"));
        }
        let (kind, said, parts) = match self.media_type.as_str() {
            OCI_MANIFEST | DOCKER_MANIFEST => {
                let manifest: Manifest = self.json()?;
                let said = manifest.media_type.clone();
                let parts = manifest.layers.len();
                (ManifestKind::Image(manifest), said, parts)
            }
            OCI_INDEX | DOCKER_INDEX => {
                let index: Index = self.json()?;
                let (said, parts) = (index.media_type.clone(), index.manifests.len());
                (ManifestKind::Index(index), said, parts)
            }
            other => {
                let shown: String = other.chars().take(100).collect();
                return Err(self.invalid(format!("media type `{shown}` is no image manifest or index")));
            }
        };
        if said.is_some_and(|said| said != self.media_type) {
            return Err(self.invalid("its mediaType is not the one it was sent with"));
        }
        if parts > MAX_PARTS {
            return Err(self.invalid(format!("{parts} parts, at most {MAX_PARTS} are taken")));
        }
        Ok(kind)
    }
    /// Decodes an image manifest; an index is an error that says so.
    pub fn image(&self) -> Result<Manifest> {
        match self.decode()? {
            ManifestKind::Image(manifest) => Ok(manifest),
            ManifestKind::Index(_) => Err(self.invalid("it is an index of several platforms, not one image")),
        }
    }
    /// The descriptor under which a referrer is listed, with the digest of
    /// its subject; none when it refers to nothing (distribution-spec
    /// "Listing Referrers": the artifact type falls back to the config's).
    pub fn referrer(&self) -> Result<Option<(Digest, Descriptor)>> {
        let (subject, artifact_type, annotations) = match self.decode()? {
            ManifestKind::Image(m) => {
                let kind = m.artifact_type.unwrap_or(m.config.media_type);
                (m.subject, Some(kind), m.annotations)
            }
            ManifestKind::Index(i) => (i.subject, i.artifact_type, i.annotations),
        };
        Ok(subject.map(|s| (s.digest, Descriptor { artifact_type, annotations, ..self.descriptor() })))
    }

    fn json<T: serde::de::DeserializeOwned>(&self) -> Result<T> {
        serde_json::from_slice(&self.bytes).map_err(|e| self.invalid(e.to_string()))
    }

    fn invalid(&self, reason: impl Into<String>) -> Error {
        Error::InvalidDocument { what: format!("manifest {}", self.digest), reason: reason.into() }
    }
}

impl Descriptor {
    /// Whether the bytes may only be fetched from where they come from, so
    /// that registries do not hold them (image-spec "Non-Distributable Layers").
    pub fn is_foreign(&self) -> bool {
        self.media_type.contains(".nondistributable.") || self.media_type.contains(".foreign.")
    }
    /// Whether this is an index, not an image manifest.
    pub fn is_index(&self) -> bool {
        matches!(self.media_type.as_str(), OCI_INDEX | DOCKER_INDEX)
    }
}

/// Some writers say `null` where they mean nothing.
fn null_is_empty<'de, D: Deserializer<'de>, T: Deserialize<'de> + Default>(d: D) -> Result<T, D::Error> {
    Ok(Option::<T>::deserialize(d)?.unwrap_or_default())
}

#[cfg(test)]
#[path = "model/tests.rs"]
mod tests;
