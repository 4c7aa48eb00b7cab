//! From a fixed image back to its original: our annotations, believed only when the layers agree.

use patchline_registry::{Descriptor, Digest, RawManifest, Repository};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::{
    Error, Result,
    executor::native::Written,
    tree::{Image, open},
};

/// Prefix of all our annotation keys.
pub const PREFIX: &str = "dev.patchline.";
/// What made the patch layer; another engine may lay the same upgrades in other bytes.
pub const ENGINE: &str = "2";
/// The history entry of a patch layer.
const CREATED_BY: &str = "patchline fix";

/// What a fixed image's manifest says of where it comes from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lineage {
    /// The original's image manifest.
    pub source: Digest,
    /// The patch layer's blob.
    pub patch_layer: Digest,
    /// The original's tag, as the chain saw it.
    pub source_tag: Option<String>,
    /// How many packages went up.
    pub upgrades: usize,
}

/// Reads a manifest's lineage; none: it is an original, or its layers do not bear out what it says.
///
/// Believed only when its diff_ids are its source's and exactly the recorded patch layer on top. The source is
/// asked while it is there; when it is gone, anybody could have written all of this: then our own record of the
/// fix, `recorded` as the original of this manifest, must say the same.
pub async fn read(
    repository: &dyn Repository,
    manifest: &Digest,
    recorded: Option<&Digest>,
) -> Result<Option<Lineage>> {
    believed(repository, &open(repository, manifest.as_str()).await?, recorded).await
}

pub(crate) async fn believed(
    repository: &dyn Repository,
    image: &Image,
    recorded: Option<&Digest>,
) -> Result<Option<Lineage>> {
    let Some((lineage, patch_diff_id, lower)) = claimed(image) else { return Ok(None) };
    let Some((top, below)) = image.diff_ids.split_last() else { return Ok(None) };
    let last = image.manifest.layers.last().map(|layer| &layer.digest);
    if last != Some(&lineage.patch_layer) || top != &patch_diff_id || digest_of(below) != lower {
        return Ok(None);
    }
    let made_by_us =
        image.config.get("history").and_then(Value::as_array).is_none_or(|history| {
            history.last().and_then(|h| h.get("created_by")) == Some(&json!(CREATED_BY))
        });
    if !made_by_us {
        return Ok(None);
    }
    if repository.resolve(lineage.source.as_str()).await?.is_some() {
        let source = match open(repository, lineage.source.as_str()).await {
            Ok(source) => source,
            // Named as a source, and no image: the claim is false.
            Err(Error::Malformed { .. }) => return Ok(None),
            Err(other) => return Err(other),
        };
        if source.diff_ids != below {
            return Ok(None);
        }
    } else if recorded != Some(&lineage.source) {
        return Ok(None);
    }
    Ok(Some(lineage))
}

fn claimed(image: &Image) -> Option<(Lineage, Digest, Digest)> {
    let said = |key: &str| image.manifest.annotations.get(&format!("{PREFIX}{key}"));
    let lineage = Lineage {
        source: said("source")?.parse().ok()?,
        patch_layer: said("patch-layer")?.parse().ok()?,
        source_tag: said("source-tag").cloned(),
        upgrades: said("upgrades")?.parse().ok()?,
    };
    Some((lineage, said("patch-diff-id")?.parse().ok()?, said("source-diff-ids")?.parse().ok()?))
}

/// Stands for a list of diff_ids.
fn digest_of(diff_ids: &[Digest]) -> Digest {
    Digest::of(diff_ids.iter().map(Digest::as_str).collect::<Vec<_>>().join("\n").as_bytes())
}

pub(crate) fn object<'v>(value: &'v mut Value, what: &str) -> Result<&'v mut Map<String, Value>> {
    value
        .as_object_mut()
        .ok_or_else(|| Error::Malformed { file: what.to_owned(), reason: "it is no JSON object".to_owned() })
}

/// An image's documents as bytes.
pub(crate) struct Documents {
    /// The manifest.
    pub(crate) manifest: RawManifest,
    /// The configuration.
    pub(crate) config: Vec<u8>,
}

/// The original of a believed fixed image, rebuilt from its lower layers.
pub(crate) fn strip(fixed: &Image) -> Result<Documents> {
    let mut config = fixed.config.clone();
    if let Some(ids) = config.pointer_mut("/rootfs/diff_ids").and_then(Value::as_array_mut) {
        ids.pop();
    }
    if let Some(history) = config.get_mut("history").and_then(Value::as_array_mut) {
        history.pop();
    }
    let mut manifest = decode(&fixed.raw)?;
    if let Some(layers) = manifest.get_mut("layers").and_then(Value::as_array_mut) {
        layers.pop();
    }
    let document = object(&mut manifest, "manifest")?;
    if let Some(annotations) = document.get_mut("annotations").and_then(Value::as_object_mut) {
        annotations.retain(|key, _| !key.starts_with(PREFIX));
        if annotations.is_empty() {
            document.shift_remove("annotations");
        }
    }
    seal(fixed, manifest, &config)
}

/// The fixed image: the original's documents with one layer more, and nothing else changed.
pub(crate) fn extend(origin: &Image, layer: &Written, lineage: &Lineage) -> Result<(Documents, Descriptor)> {
    let mut config = origin.config.clone();
    if let Some(ids) = config.pointer_mut("/rootfs/diff_ids").and_then(Value::as_array_mut) {
        ids.push(json!(layer.diff_id));
    }
    let created = config.get("created").cloned();
    if let Some(history) = config.get_mut("history").and_then(Value::as_array_mut) {
        let mut entry = Map::new();
        // The original's own time: a clock here would make each run another image.
        if let Some(created) = created {
            entry.insert("created".to_owned(), created);
        }
        entry.insert("created_by".to_owned(), json!(CREATED_BY));
        history.push(Value::Object(entry));
    }
    let docker =
        origin.manifest.layers.first().is_some_and(|l| l.media_type.starts_with("application/vnd.docker."))
            || origin.raw.media_type == patchline_registry::model::DOCKER_MANIFEST;
    let media_type = if docker {
        patchline_registry::model::DOCKER_LAYER_GZIP
    } else {
        patchline_registry::model::OCI_LAYER_GZIP
    };
    let mut manifest = decode(&origin.raw)?;
    let descriptor = json!({"mediaType": media_type, "digest": layer.digest, "size": layer.size});
    if let Some(layers) = manifest.get_mut("layers").and_then(Value::as_array_mut) {
        layers.push(descriptor.clone());
    }
    let document = object(&mut manifest, "manifest")?;
    let annotations = document.entry("annotations").or_insert_with(|| json!({}));
    if annotations.is_null() {
        *annotations = json!({});
    }
    let annotations = object(annotations, "annotations")?;
    let mut say = |key: &str, value: String| {
        annotations.insert(format!("{PREFIX}{key}"), Value::String(value));
    };
    say("engine", ENGINE.to_owned());
    say("patch-diff-id", layer.diff_id.to_string());
    say("patch-layer", layer.digest.to_string());
    say("source", lineage.source.to_string());
    say("source-diff-ids", digest_of(&origin.diff_ids).to_string());
    if let Some(tag) = &lineage.source_tag {
        say("source-tag", tag.clone());
    }
    say("upgrades", lineage.upgrades.to_string());
    let descriptor: Descriptor = serde_json::from_value(descriptor).map_err(|e| not_json(&e))?;
    Ok((seal(origin, manifest, &config)?, descriptor))
}

pub(crate) fn decode(raw: &RawManifest) -> Result<Value> {
    serde_json::from_slice(&raw.bytes).map_err(|e| not_json(&e))
}

fn not_json(e: &serde_json::Error) -> Error {
    Error::Malformed { file: "manifest".into(), reason: e.to_string() }
}

/// Puts the configuration's new digest into the manifest and both into bytes.
pub(crate) fn seal(like: &Image, mut manifest: Value, config: &Value) -> Result<Documents> {
    let config = serde_json::to_vec(config).map_err(|e| not_json(&e))?;
    if let Some(descriptor) = manifest.get_mut("config").and_then(Value::as_object_mut) {
        descriptor.insert("digest".to_owned(), json!(Digest::of(&config)));
        descriptor.insert("size".to_owned(), json!(config.len()));
        // An inlined copy would be the old one's.
        descriptor.shift_remove("data");
    }
    let bytes = serde_json::to_vec(&manifest).map_err(|e| not_json(&e))?;
    Ok(Documents { manifest: RawManifest::new(like.raw.media_type.clone(), bytes), config })
}

#[cfg(test)]
#[path = "lineage_tests.rs"]
mod tests;
