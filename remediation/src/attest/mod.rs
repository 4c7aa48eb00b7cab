//! What is said of an image to whoever finds it: SBOM, VEX and SLSA provenance as referrers, signed where there is a key.
//!
//! Everything here is made from what a scan or a proof has found, never from what was intended (decision 31).

pub mod cosign;
pub mod dsse;
pub mod key;
mod provenance;
pub mod referrer;
mod vex;

use std::str::FromStr;

use bytes::Bytes;
use jiff::Timestamp;
use patchline_registry::{Digest, RawManifest, Repository};
use patchline_scanner::{
    Inventory, Report,
    formats::{Scanned, cyclonedx},
};
use serde::Serialize;
use serde_json::Value;

pub use key::{SigningKey, VerifyingKey};
pub use provenance::{BUILD_TYPE, Build};
pub use vex::{AFFECTED, FIXED};

use crate::{FixPlan, FixedImage, Result};

/// Patchline's version, as documents name it.
const VERSION: &str = env!("CARGO_PKG_VERSION");
/// Media type of an in-toto Statement (in-toto attestation framework v1, "Statement").
pub const IN_TOTO: &str = "application/vnd.in-toto+json";
/// Annotation that names the predicate of a statement, as BuildKit writes it.
pub const PREDICATE_TYPE: &str = "in-toto.io/predicate-type";

/// What can be said.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// What is in the image: CycloneDX 1.6.
    Sbom,
    /// Which vulnerabilities it is free of, and which it is not: OpenVEX v0.2.
    Vex,
    /// How it was made: SLSA provenance v1.
    Provenance,
}

impl Kind {
    /// All, in the order in which they are attached.
    pub const ALL: [Self; 3] = [Self::Sbom, Self::Vex, Self::Provenance];

    /// `sbom`, `vex`, `provenance`
    pub fn word(self) -> &'static str {
        match self {
            Self::Sbom => "sbom",
            Self::Vex => "vex",
            Self::Provenance => "provenance",
        }
    }
    /// Type of the document as the predicate of a statement: the ones that `cosign attest --type` writes.
    pub fn predicate_type(self) -> &'static str {
        match self {
            Self::Sbom => "https://cyclonedx.org/bom",
            Self::Vex => "https://openvex.dev/ns",
            Self::Provenance => "https://slsa.dev/provenance/v1",
        }
    }
    /// Media type of the document by itself; none: it is written within a statement alone.
    pub fn media_type(self) -> Option<&'static str> {
        match self {
            Self::Sbom => Some("application/vnd.cyclonedx+json"),
            Self::Vex => Some("application/vnd.openvex+json"),
            Self::Provenance => None,
        }
    }
}

/// A word that names nothing that can be attached.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is none of sbom, vex, provenance")]
pub struct UnknownKind(String);

impl FromStr for Kind {
    type Err = UnknownKind;
    fn from_str(text: &str) -> Result<Self, UnknownKind> {
        let known = Self::ALL.into_iter().find(|kind| kind.word() == text);
        known.ok_or_else(|| UnknownKind(text.chars().take(40).collect()))
    }
}

/// How an image is named in documents about it.
#[derive(Debug, Clone, Copy)]
pub struct Named<'a> {
    /// As a person knows it: `host/repository:tag`.
    pub name: &'a str,
    /// `host/repository`; none: it is in no registry.
    pub repository: Option<&'a str>,
    /// The time that SBOM and VEX bear: the same for the same image, so that equal images have equal documents.
    pub at: Timestamp,
}

/// What documents are made from.
#[derive(Clone, Copy)]
pub struct Found<'a> {
    /// What is in the image.
    pub inventory: &'a Inventory,
    /// What is wrong with it: of this very inventory.
    pub report: &'a Report,
    /// What was wrong with what it was made from, by the same advisories; none: it is nobody's fix.
    pub before: Option<&'a Report>,
    /// What was upgraded and what was not; none: it is nobody's fix.
    pub plan: Option<&'a FixPlan>,
}

impl<'a> Found<'a> {
    /// What a proof has found.
    pub fn of(fixed: &'a FixedImage) -> Self {
        Self {
            inventory: &fixed.inventory,
            report: &fixed.report,
            before: Some(&fixed.before),
            plan: Some(&fixed.plan),
        }
    }
}

/// One document about one image.
#[derive(Debug, Clone)]
pub struct Document {
    /// Which.
    pub kind: Kind,
    /// The document itself.
    pub bytes: Bytes,
}

/// What is in an image, as `patchline scan --output cyclonedx` writes it.
///
/// # Errors
/// None that an inventory of ours can cause; a document that is no JSON is an internal mistake.
pub fn sbom(named: &Named<'_>, found: &Found<'_>) -> Result<Document> {
    let scanned = Scanned {
        inventory: found.inventory,
        report: found.report,
        name: named.name,
        version: VERSION,
        at: named.at,
    };
    Ok(Document { kind: Kind::Sbom, bytes: json(&cyclonedx::document(&scanned))? })
}

/// Which vulnerabilities an image is free of by its fix, and which it has.
///
/// # Errors
/// As [`sbom`].
pub fn vex(named: &Named<'_>, found: &Found<'_>) -> Result<Document> {
    Ok(Document { kind: Kind::Vex, bytes: json(&vex::document(named, found)?)? })
}

/// How a fixed image was made. It may hold times and the run, which its manifest never does.
///
/// # Errors
/// As [`sbom`].
pub fn provenance(named: &Named<'_>, fixed: &FixedImage, build: &Build<'_>) -> Result<Document> {
    Ok(Document { kind: Kind::Provenance, bytes: json(&provenance::predicate(named, fixed, build))? })
}

/// An in-toto Statement v1 about an image manifest.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Statement<'a> {
    #[serde(rename = "_type")]
    kind: &'static str,
    subject: [Subject<'a>; 1],
    predicate_type: &'static str,
    predicate: Value,
}

#[derive(Serialize)]
struct Subject<'a> {
    name: &'a str,
    digest: Sha256<'a>,
}

/// "DigestSet" with the one algorithm that registries speak.
#[derive(Debug, Clone, Serialize)]
struct Sha256<'a> {
    sha256: &'a str,
}

impl Document {
    /// The document as the predicate of a statement about `image`, which is called `name`.
    ///
    /// # Errors
    /// The document is no JSON.
    pub fn statement(&self, name: &str, image: &Digest) -> Result<Bytes> {
        json(&Statement {
            kind: "https://in-toto.io/Statement/v1",
            subject: [Subject { name, digest: Sha256 { sha256: image.hex() } }],
            predicate_type: self.kind.predicate_type(),
            predicate: serde_json::from_slice(&self.bytes).map_err(|e| not_json(&e))?,
        })
    }
}

/// What stands in the registry now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Attached {
    /// `sbom`, `vex`, `provenance`
    pub kind: &'static str,
    /// Media type of its content.
    pub media_type: String,
    /// The referrer's manifest.
    pub digest: Digest,
    /// Whether its content is signed.
    pub signed: bool,
}

/// Attaches documents to an image that stands in the repository. SBOM and VEX stand by themselves, where whoever looks for
/// one finds it. Each is besides the predicate of a signed statement where there is a key: as a referrer, and under
/// cosign's tag `sha256-<hex>.att`. Provenance is a statement, signed or not. Twice is harmless.
///
/// # Errors
/// The registry's; cosign's tag holds too much already.
pub async fn attach(
    repository: &dyn Repository,
    image: &RawManifest,
    name: &str,
    documents: &[Document],
    key: Option<&SigningKey>,
) -> Result<Vec<Attached>> {
    let mut artifacts: Vec<(Kind, &'static str, Bytes, bool)> = Vec::new();
    let mut envelopes = Vec::new();
    for document in documents {
        let kind = document.kind;
        if let Some(media_type) = kind.media_type() {
            artifacts.push((kind, media_type, document.bytes.clone(), false));
        }
        if let Some(key) = key {
            let statement = document.statement(name, &image.digest)?;
            let envelope = dsse::sign(key, IN_TOTO, &statement)?;
            envelopes.push((kind.predicate_type(), envelope.clone()));
            artifacts.push((kind, dsse::MEDIA_TYPE, envelope, true));
        } else if kind.media_type().is_none() {
            artifacts.push((kind, IN_TOTO, document.statement(name, &image.digest)?, false));
        }
    }
    let mut attached = Vec::new();
    for (kind, media_type, bytes, signed) in artifacts {
        let annotations = [(PREDICATE_TYPE.to_owned(), kind.predicate_type().to_owned())].into();
        let artifact = referrer::Artifact { artifact_type: media_type, media_type, bytes, annotations };
        let digest = referrer::push(repository, image, artifact).await?;
        attached.push(Attached { kind: kind.word(), media_type: media_type.to_owned(), digest, signed });
    }
    if let Some(key) = key.filter(|_| !envelopes.is_empty()) {
        cosign::attest(repository, &image.digest, &envelopes, &key.verifying_key()).await?;
    }
    Ok(attached)
}

/// The package URL of an image (purl-spec, "oci").
fn purl(named: &Named<'_>, digest: &Digest) -> String {
    let last = named.repository.and_then(|path| path.rsplit('/').next()).unwrap_or("image");
    let purl = format!("pkg:oci/{}@sha256%3A{}", last.to_ascii_lowercase(), digest.hex());
    match named.repository {
        Some(repository) => format!("{purl}?repository_url={repository}"),
        None => purl,
    }
}

/// The time of an image's documents: when its configuration says that it was created, which for a fixed image is when its
/// original was. The epoch where it says nothing that is a time.
pub fn created(config: &[u8]) -> Timestamp {
    #[derive(serde::Deserialize)]
    struct Config {
        created: Option<String>,
    }
    let said = serde_json::from_slice::<Config>(config).ok().and_then(|config| config.created);
    said.and_then(|text| text.parse().ok()).unwrap_or(Timestamp::UNIX_EPOCH)
}

fn json<T: Serialize>(document: &T) -> Result<Bytes> {
    Ok(serde_json::to_vec(document).map_err(|e| not_json(&e))?.into())
}

fn not_json(error: &serde_json::Error) -> crate::Error {
    crate::Error::Malformed { file: "the attestation".to_owned(), reason: error.to_string() }
}

#[cfg(test)]
mod tests;
