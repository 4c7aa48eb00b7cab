//! The entries of an `index.json`: finding, listing and releasing tags, other tools' fields untouched.

use std::collections::HashSet;

use serde_json::{Value, json};

use crate::{Descriptor, RawManifest, model::REF_NAME};

pub(super) fn tag_of(entry: &Descriptor) -> Option<&str> {
    entry.annotations.get(REF_NAME).map(String::as_str)
}

pub(super) fn digest_of(entry: &Value) -> Option<&str> {
    entry.get("digest")?.as_str()
}

fn json_tag(entry: &Value) -> Option<&str> {
    entry.get("annotations")?.get(REF_NAME)?.as_str()
}

/// Takes the tag off its entry, which stays listed without one: a backup or a
/// pinned run may name it by digest.
pub(super) fn release_tag(entries: &mut Vec<Value>, tag: &str) {
    for entry in entries.iter_mut().filter(|e| json_tag(e) == Some(tag)) {
        if let Some(annotations) = entry.get_mut("annotations").and_then(Value::as_object_mut) {
            annotations.shift_remove(REF_NAME);
        }
    }
    // One bare entry a digest is enough, and none beside a tagged one.
    let mut listed: HashSet<String> =
        entries.iter().filter(|e| json_tag(e).is_some()).filter_map(digest_of).map(str::to_owned).collect();
    entries.retain(|e| json_tag(e).is_some() || digest_of(e).is_none_or(|d| listed.insert(d.to_owned())));
}

/// Lists a manifest; false when it is listed so already.
pub(super) fn enlist(entries: &mut Vec<Value>, tag: Option<&str>, manifest: &RawManifest) -> bool {
    let digest = manifest.digest.as_str();
    let here = |e: &Value| digest_of(e) == Some(digest);
    if entries.iter().any(|e| here(e) && (tag.is_none() || json_tag(e) == tag)) {
        return false;
    }
    let mut entry =
        json!({ "mediaType": manifest.media_type, "digest": digest, "size": manifest.bytes.len() });
    if let Some(tag) = tag {
        release_tag(entries, tag);
        entries.retain(|e| !(here(e) && json_tag(e).is_none()));
        entry["annotations"] = json!({ REF_NAME: tag });
    }
    entries.push(entry);
    true
}
