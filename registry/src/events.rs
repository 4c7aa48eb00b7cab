//! What registries say happened. A hint, never the truth: the registry is asked.

use serde::Deserialize;

use crate::{
    Digest, Error, Result,
    model::{DOCKER_INDEX, DOCKER_MANIFEST, OCI_INDEX, OCI_MANIFEST},
    reference::{is_repository, is_tag},
};

/// The largest envelope that is read.
pub const MAX_BODY_BYTES: usize = 1024 * 1024;
/// The most events of one envelope.
pub const MAX_EVENTS: usize = 1000;
/// The longest id and host that are kept.
const MAX_TEXT: usize = 255;

/// A manifest was pushed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PushEvent {
    /// The registry's own id of the event: deliveries are counted once by it.
    pub id: String,
    /// Host as the registry names itself; may be wrong behind a proxy.
    pub host: Option<String>,
    /// `shop/web`.
    pub repository: String,
    /// None for a push by digest.
    pub tag: Option<String>,
    /// Of the manifest.
    pub digest: Option<Digest>,
    /// Of the manifest.
    pub media_type: Option<String>,
}

#[derive(Deserialize)]
struct Envelope {
    events: Vec<Event>,
}

#[derive(Deserialize)]
struct Event {
    id: Option<String>,
    action: Option<String>,
    target: Option<Target>,
    request: Option<Request>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Target {
    media_type: Option<String>,
    digest: Option<String>,
    repository: Option<String>,
    tag: Option<String>,
}

#[derive(Deserialize)]
struct Request {
    host: Option<String>,
}

/// Decodes Distribution's notification envelope
/// (`application/vnd.docker.distribution.events.v2+json`): pushes of
/// manifests and indexes, everything else is left out, and so is an event
/// whose names follow no grammar: nothing could be asked about it.
pub fn decode_distribution(body: &[u8]) -> Result<Vec<PushEvent>> {
    let bad = |reason: String| Error::invalid("the registry's notification", reason);
    if body.len() > MAX_BODY_BYTES {
        return Err(bad(format!("larger than {MAX_BODY_BYTES} bytes")));
    }
    let envelope: Envelope = serde_json::from_slice(body).map_err(|e| bad(e.to_string()))?;
    if envelope.events.len() > MAX_EVENTS {
        return Err(bad(format!("more than {MAX_EVENTS} events")));
    }
    Ok(envelope.events.into_iter().filter_map(push).collect())
}

fn push(event: Event) -> Option<PushEvent> {
    let target = event.target?;
    let media_type = target.media_type?;
    let is_manifest =
        matches!(media_type.as_str(), OCI_MANIFEST | OCI_INDEX | DOCKER_MANIFEST | DOCKER_INDEX);
    if event.action.as_deref() != Some("push") || !is_manifest {
        return None;
    }
    Some(PushEvent {
        id: event.id.filter(|id| !id.is_empty() && id.len() <= MAX_TEXT)?,
        host: event.request.and_then(|r| r.host).filter(|h| !h.is_empty() && h.len() <= MAX_TEXT),
        repository: target.repository.filter(|r| is_repository(r))?,
        tag: match target.tag.filter(|t| !t.is_empty()) {
            Some(tag) if is_tag(&tag) => Some(tag),
            Some(_) => return None,
            None => None,
        },
        digest: target.digest.map(|d| d.parse()).transpose().ok()?,
        media_type: Some(media_type),
    })
}

#[cfg(test)]
#[path = "events/tests.rs"]
mod tests;
