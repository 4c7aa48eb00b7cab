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
/// How our own client begins to name itself.
pub(crate) const USER_AGENT: &str = "patchline/";
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

/// A manifest was pulled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PullEvent {
    /// `shop/web`.
    pub repository: String,
    /// None for a pull by digest.
    pub tag: Option<String>,
    /// Of the manifest.
    pub digest: Digest,
}

/// What an envelope tells of manifests.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Told {
    /// In order.
    pub pushes: Vec<PushEvent>,
    /// In order, without those that Patchline itself has made: nobody uses an image because it is looked at.
    pub pulls: Vec<PullEvent>,
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
    useragent: Option<String>,
}

/// The pushes of Distribution's notification envelope: see [`decode`].
pub fn decode_distribution(body: &[u8]) -> Result<Vec<PushEvent>> {
    decode(body).map(|told| told.pushes)
}

/// Decodes Distribution's notification envelope
/// (`application/vnd.docker.distribution.events.v2+json`): pushes and pulls of
/// manifests and indexes, everything else is left out, and so is an event
/// whose names follow no grammar: nothing could be asked about it.
pub fn decode(body: &[u8]) -> Result<Told> {
    let bad = |reason: String| Error::invalid("the registry's notification", reason);
    if body.len() > MAX_BODY_BYTES {
        return Err(bad(format!("larger than {MAX_BODY_BYTES} bytes")));
    }
    let envelope: Envelope = serde_json::from_slice(body).map_err(|e| bad(e.to_string()))?;
    if envelope.events.len() > MAX_EVENTS {
        return Err(bad(format!("more than {MAX_EVENTS} events")));
    }
    let mut told = Told::default();
    for event in envelope.events {
        match event.action.as_deref() {
            Some("push") => told.pushes.extend(push(event)),
            Some("pull") => told.pulls.extend(pull(event)),
            _ => {}
        }
    }
    Ok(told)
}

fn is_manifest(media_type: &str) -> bool {
    matches!(media_type, OCI_MANIFEST | OCI_INDEX | DOCKER_MANIFEST | DOCKER_INDEX)
}

fn tag(given: Option<String>) -> Option<Option<String>> {
    match given.filter(|t| !t.is_empty()) {
        Some(tag) if is_tag(&tag) => Some(Some(tag)),
        Some(_) => None,
        None => Some(None),
    }
}

fn pull(event: Event) -> Option<PullEvent> {
    let ours = |request: &Request| request.useragent.as_deref().is_some_and(|a| a.starts_with(USER_AGENT));
    let target = event.target?;
    if !target.media_type.as_deref().is_some_and(is_manifest) || event.request.as_ref().is_some_and(ours) {
        return None;
    }
    Some(PullEvent {
        repository: target.repository.filter(|r| is_repository(r))?,
        tag: tag(target.tag)?,
        digest: target.digest?.parse().ok()?,
    })
}

fn push(event: Event) -> Option<PushEvent> {
    let target = event.target?;
    let media_type = target.media_type.filter(|kind| is_manifest(kind))?;
    Some(PushEvent {
        id: event.id.filter(|id| !id.is_empty() && id.len() <= MAX_TEXT)?,
        host: event.request.and_then(|r| r.host).filter(|h| !h.is_empty() && h.len() <= MAX_TEXT),
        repository: target.repository.filter(|r| is_repository(r))?,
        tag: tag(target.tag)?,
        digest: target.digest.map(|d| d.parse()).transpose().ok()?,
        media_type: Some(media_type),
    })
}

#[cfg(test)]
#[path = "events/tests.rs"]
mod tests;
