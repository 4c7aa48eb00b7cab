//! Signatures and attestations where cosign looks for them: under the tags `sha256-<hex>.sig` and `sha256-<hex>.att`
//! (cosign's signature specification, "Storage" and "Payload").
//!
//! A registry cannot add to a tag in one move: of two who sign the same image in the same moment one may lose. Who signs
//! looks afterwards, by [`verify`].

use base64::{Engine as _, prelude::BASE64_STANDARD};
use bytes::Bytes;
use patchline_registry::{
    Descriptor, Digest, Manifest, ManifestKind, RawManifest, Repository,
    model::{OCI_CONFIG, OCI_MANIFEST},
};
use serde::{Deserialize, Serialize};
use serde_json::json;
use tokio::io::AsyncReadExt as _;

use super::{IN_TOTO, SigningKey, VerifyingKey, dsse, not_json, referrer};
use crate::{Error, Result};

/// Media type of a payload.
pub const SIMPLE_SIGNING: &str = "application/vnd.dev.cosign.simplesigning.v1+json";
/// Annotation of a payload's layer that holds its signature, in base64.
const SIGNATURE: &str = "dev.cosignproject.cosign/signature";
/// Annotation of an envelope's layer that names its predicate.
const PREDICATE: &str = "predicateType";
/// What a payload says it is.
const TYPE: &str = "cosign container image signature";
/// What is kept under one tag.
const MOST_LAYERS: usize = 100;
/// A payload is a few hundred bytes; an envelope holds an SBOM.
const MOST_PAYLOAD: u64 = 64 << 10;
const MOST_ENVELOPE: u64 = 128 << 20;

/// "Simple signing" (containers-signature(5)).
#[derive(Serialize, Deserialize)]
struct Payload {
    critical: Critical,
    optional: Option<serde_json::Value>,
}

#[derive(Serialize, Deserialize)]
struct Critical {
    identity: Identity,
    image: Image,
    #[serde(rename = "type")]
    kind: String,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Identity {
    docker_reference: String,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Image {
    docker_manifest_digest: Digest,
}

/// cosign's tag for an image: `sig` or `att`.
pub fn tag(image: &Digest, suffix: &str) -> String {
    format!("sha256-{}.{suffix}", image.hex())
}

/// Signs an image that is called `name`, `host/repository`, beside the signatures that are there; gives cosign's tag. Twice
/// is harmless: the same key signs the same bytes the same.
///
/// # Errors
/// The registry's; the image is not there; something else stands under the tag, or too much.
pub async fn sign(
    repository: &dyn Repository,
    image: &Digest,
    name: &str,
    key: &SigningKey,
) -> Result<String> {
    if repository.resolve(image.as_str()).await?.is_none() {
        let (what, repository) = (format!("manifest {image}"), repository.name());
        return Err(patchline_registry::Error::NotFound { what, repository }.into());
    }
    let payload = Payload {
        critical: Critical {
            identity: Identity { docker_reference: name.to_owned() },
            image: Image { docker_manifest_digest: image.clone() },
            kind: TYPE.to_owned(),
        },
        optional: None,
    };
    let payload: Bytes = serde_json::to_vec(&payload).map_err(|e| not_json(&e))?.into();
    let signature = BASE64_STANDARD.encode(key.sign(&payload));
    let mut layer = referrer::blob(repository, SIMPLE_SIGNING, payload).await?;
    layer.annotations.insert(SIGNATURE.to_owned(), signature);
    let tag = tag(image, "sig");
    let mut layers = present(repository, &tag).await?;
    // A payload may be signed by several keys: then its layer stands there once for each.
    if !layers.contains(&layer) {
        layers.push(layer);
        write(repository, &tag, layers).await?;
    }
    Ok(tag)
}

/// How many signatures of this image by this key stand under cosign's tag.
///
/// # Errors
/// The registry's; there is none.
pub async fn verify(repository: &dyn Repository, image: &Digest, key: &VerifyingKey) -> Result<usize> {
    let mut good = 0;
    let layers = present(repository, &tag(image, "sig")).await?;
    for layer in layers.iter().filter(|layer| layer.media_type == SIMPLE_SIGNING) {
        let signature = layer.annotations.get(SIGNATURE).and_then(|text| BASE64_STANDARD.decode(text).ok());
        let Some(signature) = signature else { continue };
        let Some(payload) = read(repository, layer, MOST_PAYLOAD).await? else { continue };
        let says_so = || {
            serde_json::from_slice::<Payload>(&payload)
                .is_ok_and(|p| p.critical.image.docker_manifest_digest == *image && p.critical.kind == TYPE)
        };
        if key.verify(&payload, &signature) && says_so() {
            good += 1;
        }
    }
    if good == 0 {
        return Err(Error::Unsigned {
            what: format!("image {image}"),
            reason: format!("{} are there", layers.len()),
        });
    }
    Ok(good)
}

/// Puts envelopes under cosign's tag for attestations. What this key has said of the image before, of the same type, is
/// replaced; everything else stays.
pub(super) async fn attest(
    repository: &dyn Repository,
    image: &Digest,
    envelopes: &[(&'static str, Bytes)],
    key: &VerifyingKey,
) -> Result<()> {
    let tag = tag(image, "att");
    let mut layers = Vec::new();
    for layer in present(repository, &tag).await? {
        let again =
            layer.annotations.get(PREDICATE).is_some_and(|p| envelopes.iter().any(|(new, _)| p == new));
        if !(again && is_by(repository, &layer, key).await?) {
            layers.push(layer);
        }
    }
    for (predicate, envelope) in envelopes {
        let mut layer = referrer::blob(repository, dsse::MEDIA_TYPE, envelope.clone()).await?;
        layer.annotations.insert(PREDICATE.to_owned(), (*predicate).to_owned());
        layer.annotations.insert(SIGNATURE.to_owned(), String::new());
        layers.push(layer);
    }
    write(repository, &tag, layers).await
}

async fn is_by(repository: &dyn Repository, layer: &Descriptor, key: &VerifyingKey) -> Result<bool> {
    if layer.media_type != dsse::MEDIA_TYPE {
        return Ok(false);
    }
    let envelope = read(repository, layer, MOST_ENVELOPE).await?;
    Ok(envelope.is_some_and(|envelope| dsse::open(key, IN_TOTO, &envelope).is_ok()))
}

/// The layers of a tag of cosign's; none: there is no such tag.
async fn present(repository: &dyn Repository, tag: &str) -> Result<Vec<Descriptor>> {
    if repository.resolve(tag).await?.is_none() {
        return Ok(Vec::new());
    }
    match repository.manifest(tag).await?.decode()? {
        ManifestKind::Image(manifest) => Ok(manifest.layers),
        ManifestKind::Index(_) => Err(Error::Malformed {
            file: tag.to_owned(),
            reason: "it is an index, and signatures are kept as one image".to_owned(),
        }),
    }
}

/// Puts layers under a tag, as cosign puts them: an image without platform or history, whose diff_ids are its layers.
async fn write(repository: &dyn Repository, tag: &str, layers: Vec<Descriptor>) -> Result<()> {
    if layers.len() > MOST_LAYERS {
        return Err(Error::Crowded { tag: tag.to_owned(), count: layers.len() - 1 });
    }
    let ids: Vec<&Digest> = layers.iter().map(|layer| &layer.digest).collect();
    // No clock: Go's zero time, as cosign writes it.
    let zero = "0001-01-01T00:00:00Z";
    let config = json!({
        "architecture": "", "created": zero, "os": "", "config": {},
        "history": ids.iter().map(|_| json!({"created": zero})).collect::<Vec<_>>(),
        "rootfs": {"type": "layers", "diff_ids": ids},
    });
    let config = referrer::blob(repository, OCI_CONFIG, config.to_string().into()).await?;
    let manifest = Manifest {
        schema_version: 2,
        media_type: Some(OCI_MANIFEST.to_owned()),
        artifact_type: None,
        config,
        layers,
        subject: None,
        annotations: Default::default(),
    };
    let bytes = serde_json::to_vec(&manifest).map_err(|e| not_json(&e))?;
    Ok(repository.push_manifest(tag, &RawManifest::new(OCI_MANIFEST, bytes)).await?)
}

/// A small blob, whole; none: what a stranger put under the tag is larger, gone or something else, and counts for nothing.
async fn read(repository: &dyn Repository, blob: &Descriptor, most: u64) -> Result<Option<Vec<u8>>> {
    if blob.size > most {
        return Ok(None);
    }
    let mut reader = match repository.blob(blob).await {
        Ok(reader) => reader.take(most + 1),
        Err(error) if error.is_transient() => return Err(error.into()),
        Err(_) => return Ok(None),
    };
    let mut bytes = Vec::new();
    Ok(reader.read_to_end(&mut bytes).await.is_ok().then_some(bytes))
}
