//! Manifest and configuration of a rebased image: of everything that image and base both say, what the image had left as
//! its base said it follows the base, and what it had changed stays.

use patchline_registry::model::{DOCKER_LAYER_GZIP, DOCKER_MANIFEST, OCI_LAYER_GZIP};
use serde_json::{Map, Value, json};

use super::{Documents, RebaseRequest, SOURCE};
use crate::{
    Error, Result,
    lineage::{self, PREFIX},
    tree::Image,
};

const NAME: &str = "org.opencontainers.image.base.name";
const DIGEST: &str = "org.opencontainers.image.base.digest";
/// Characters of a base's name.
pub const LONGEST_NAME: usize = 512;

/// `image` on `new` instead of on `old`, whose layers it begins with.
pub(super) fn rebased(
    request: &RebaseRequest<'_>,
    image: &Image,
    (old, new): (&Image, &Image),
) -> Result<Documents> {
    let own = old.diff_ids.len();
    let mut config = image.config.clone();
    let of = |image: &Image| image.config.get("config").cloned().unwrap_or(Value::Null);
    let merged = configuration(&of(image), &of(old), &of(new));
    let diff_ids: Vec<_> = new.diff_ids.iter().chain(&image.diff_ids[own..]).collect();
    if let Some(document) = config.as_object_mut() {
        document.insert("config".to_owned(), merged);
        document.insert("rootfs".to_owned(), json!({"type": "layers", "diff_ids": diff_ids}));
        match history(&image.config, &old.config, &new.config) {
            Some(history) => document.insert("history".to_owned(), history),
            // It is optional, and a wrong one is worse.
            None => document.shift_remove("history"),
        };
    }
    relabel(&mut config, request);
    let mut manifest: Value = lineage::decode(&image.raw)?;
    let docker = image.raw.media_type == DOCKER_MANIFEST;
    let mut layers = Vec::new();
    for layer in &new.manifest.layers {
        let media_type = media_type(&layer.media_type, docker).ok_or_else(|| Error::RebaseRefused {
            reason: format!(
                "a layer of the base is {}, which the image's manifest cannot have",
                layer.media_type
            ),
        })?;
        layers.push(json!({"mediaType": media_type, "digest": layer.digest, "size": layer.size}));
    }
    let document = lineage::object(&mut manifest, "manifest")?;
    if let Some(present) = document.get_mut("layers").and_then(Value::as_array_mut) {
        layers.extend(present.drain(..).skip(own));
        *present = layers;
    }
    let annotations = document.entry("annotations").or_insert_with(|| json!({}));
    if annotations.is_null() {
        *annotations = json!({});
    }
    let annotations = lineage::object(annotations, "annotations")?;
    annotations.retain(|key, _| !key.starts_with(PREFIX));
    annotations.insert(NAME.to_owned(), json!(request.name));
    annotations.insert(DIGEST.to_owned(), json!(request.new));
    annotations.insert(format!("{PREFIX}{SOURCE}"), json!(image.raw.digest));
    lineage::seal(image, manifest, &config)
}

/// The same compression by the name that the manifest's format has for it.
fn media_type(of: &str, docker: bool) -> Option<&str> {
    match (of, docker) {
        (DOCKER_LAYER_GZIP | OCI_LAYER_GZIP, true) => Some(DOCKER_LAYER_GZIP),
        (DOCKER_LAYER_GZIP, false) => Some(OCI_LAYER_GZIP),
        (_, true) => None,
        (of, false) => of.starts_with("application/vnd.oci.image.layer.v1.").then_some(of),
    }
}

/// Labels that tell of the base tell of the new one; where there are none, none are added.
fn relabel(config: &mut Value, request: &RebaseRequest<'_>) {
    let Some(labels) = config.pointer_mut("/config/Labels").and_then(Value::as_object_mut) else { return };
    for (key, value) in [(NAME, request.name.clone()), (DIGEST, request.new.to_string())] {
        if let Some(label) = labels.get_mut(key) {
            *label = json!(value);
        }
    }
}

/// The three configurations as one, with variables by their names.
fn configuration(ours: &Value, old: &Value, new: &Value) -> Value {
    let mut merged = merge(Some(&named(ours)), Some(&named(old)), Some(&named(new))).unwrap_or(Value::Null);
    if let Some(Value::Object(variables)) = merged.get("Env").cloned() {
        let line = |(name, value): (String, Value)| json!(format!("{name}={}", value.as_str().unwrap_or("")));
        merged["Env"] = variables.into_iter().map(line).collect();
    }
    merged
}

/// `Env` as an object: a list cannot be merged line by line.
fn named(config: &Value) -> Value {
    let mut config = config.clone();
    if let Some(lines) = config.get("Env").and_then(Value::as_array) {
        let pair = |line: &Value| {
            let (name, value) = line.as_str()?.split_once('=')?;
            Some((name.to_owned(), json!(value)))
        };
        let variables: Map<String, Value> = lines.iter().filter_map(pair).collect();
        config["Env"] = Value::Object(variables);
    }
    config
}

/// What is said in three places: what the image left as its base had it follows the base. Null says nothing.
fn merge(ours: Option<&Value>, old: Option<&Value>, new: Option<&Value>) -> Option<Value> {
    let said = |value: Option<&Value>| value.filter(|value| !value.is_null()).cloned();
    let (ours, old, new) = (said(ours), said(old), said(new));
    if ours == old {
        return new;
    }
    match (&ours, &old, &new) {
        (Some(Value::Object(a)), _, Some(Value::Object(c))) => {
            let none = Map::new();
            let b = old.as_ref().and_then(Value::as_object).unwrap_or(&none);
            let added = c.keys().filter(|key| !a.contains_key(*key));
            let each = |key: &String| Some((key.clone(), merge(a.get(key), b.get(key), c.get(key))?));
            Some(Value::Object(a.keys().chain(added).filter_map(each).collect()))
        }
        _ => ours,
    }
}

/// The base's history, then the image's own; none: what the image has is not its base's and its own.
fn history(ours: &Value, old: &Value, new: &Value) -> Option<Value> {
    let of = |config: &Value| config.get("history").and_then(Value::as_array).cloned();
    let (ours, old, new) = (of(ours)?, of(old)?, of(new)?);
    let own = ours.strip_prefix(old.as_slice())?;
    Some(new.iter().chain(own).cloned().collect())
}
