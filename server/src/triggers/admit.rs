//! From push events to runs: each is a hint, the registry is asked, what needs no run is dropped with its reason.

use std::{collections::HashSet, sync::Arc, time::Duration};

use futures::{StreamExt, TryStreamExt, stream};
use patchline_chains::Plan;
use patchline_engine::{Subject, Submission, Submitted, Trigger, TriggerKind, step::Intent};
use patchline_registry::{
    Descriptor, Digest, Location, RawManifest, Reference, Repository, events::PushEvent,
};
use serde_json::Value;

use super::{sightings, subject};
use crate::{Error, Result, ServerContext};

/// What became of a delivery.
#[derive(Debug, Default)]
pub(crate) struct Admitted {
    /// Durable when this is returned.
    pub(crate) runs: Vec<Submitted>,
    /// (image, why nothing was started).
    pub(crate) dropped: Vec<(String, &'static str)>,
}

/// Considers every event and submits what matches, all in one transaction.
///
/// `registry` is the configured name that `source` speaks for; what the events
/// say of their host is not believed.
pub(crate) async fn admit(
    context: &ServerContext,
    source: &str,
    registry: &str,
    events: Vec<PushEvent>,
) -> Result<Admitted> {
    sightings::pushed(context, registry, &events).await;
    let mut seen = HashSet::new();
    let events = events.into_iter().filter(|e| seen.insert((e.repository.clone(), e.tag.clone())));
    let considered: Vec<Considered> = stream::iter(events)
        .map(|event| consider(context, source, registry, event))
        .buffered(4)
        .try_collect()
        .await?;
    let mut admitted = Admitted::default();
    let mut submissions = Vec::new();
    for one in considered {
        match one {
            Considered::Start(some) => submissions.extend(some),
            Considered::Drop(image, why) => {
                tracing::debug!(image.reference = image, reason = why, "push starts nothing");
                admitted.dropped.push((image, why));
            }
        }
    }
    if !submissions.is_empty() {
        admitted.runs = context.engine.submit(submissions).await?;
    }
    Ok(admitted)
}

enum Considered {
    Start(Vec<Submission>),
    Drop(String, &'static str),
}

async fn consider(
    context: &ServerContext,
    source: &str,
    registry: &str,
    event: PushEvent,
) -> Result<Considered> {
    let Some(tag) = event.tag else {
        // A child of an index, or a blob of a client that tags later: the tag's own event comes.
        return Ok(Considered::Drop(format!("{registry}/{}", event.repository), "untagged"));
    };
    let mut reference = Reference {
        registry: registry.to_owned(),
        repository: event.repository,
        tag: Some(tag),
        digest: None,
    };
    let name = reference.to_string();
    let tag = reference.tag.as_deref().unwrap_or_default();
    if subject::is_supplement(tag) {
        return Ok(Considered::Drop(name, "supplement"));
    }
    let chains = handlers(&context.chains, registry, &reference.repository, tag);
    if chains.is_empty() {
        return Ok(Considered::Drop(name, "no-chain"));
    }
    let repository = context.registries.open(&Location::Registry(reference.clone()))?;
    let Some(descriptor) = settled(&*repository, tag, event.digest.as_ref()).await? else {
        return Ok(Considered::Drop(name, "gone"));
    };
    let target = subject::identity(registry, &reference.repository, Some(tag), &descriptor.digest);
    let chains = match not_ours(context, chains, &target).await? {
        Ok(chains) => chains,
        Err(reason) => return Ok(Considered::Drop(target, reason)),
    };
    reference.digest = Some(descriptor.digest);
    let subject = match read(context, &*repository, &reference).await? {
        Ok((subject, _)) => subject,
        Err("gone") => return Ok(Considered::Drop(name, "gone")),
        Err(reason) => return Ok(Considered::Drop(target, reason)),
    };
    let start = |plan: Arc<Plan>| Submission {
        subject: subject::for_chain(&subject, &plan),
        plan: Some(plan),
        trigger: Trigger {
            kind: TriggerKind::Push,
            source: source.to_owned(),
            event_id: Some(event.id.clone()).filter(|id| !id.is_empty()),
        },
        params: Value::Object(serde_json::Map::new()),
        parent: None,
    };
    Ok(Considered::Start(chains.into_iter().map(start).collect()))
}

/// The chains that may be started over an image of this identity; where there are none, why. What we have pushed
/// ourselves (a backup, a fixed image) starts nothing. A promoted image may start chains where it arrives, but none
/// that had a share in the copy: a chain whose scope holds what it copies to would go round for ever.
pub(super) async fn not_ours(
    context: &ServerContext,
    mut chains: Vec<Arc<Plan>>,
    target: &str,
) -> Result<Result<Vec<Arc<Plan>>, &'static str>> {
    if context.engine.is_own_effect("push", target).await? {
        return Ok(Err("own-push"));
    }
    let copies = context.engine.effects_on("copy", target).await?;
    chains.retain(|plan| !copied_by(&copies, &plan.chain));
    Ok(if chains.is_empty() { Err("own-copy") } else { Ok(chains) })
}

/// Whether a chain had a share in one of these copies.
pub(super) fn copied_by(copies: &[Intent], chain: &str) -> bool {
    copies
        .iter()
        .any(|copy| copy.detail["from"].as_array().into_iter().flatten().any(|c| c.as_str() == Some(chain)))
}

/// What a run over a pinned image is about, and its manifest; where there can be none, why.
pub(super) async fn read(
    context: &ServerContext,
    repository: &dyn Repository,
    reference: &Reference,
) -> Result<Result<(Subject, RawManifest), &'static str>> {
    let raw = match repository.manifest(&reference.target()).await {
        Ok(raw) => raw,
        Err(patchline_registry::Error::NotFound { .. }) => return Ok(Err("gone")),
        Err(patchline_registry::Error::InvalidDocument { .. }) => return Ok(Err("not-an-image")),
        Err(error) => return Err(error.into()),
    };
    match subject::describe(repository, &*context.fixes, reference, &raw).await {
        Ok(subject) => Ok(Ok((subject, raw))),
        Err(Error::NotAnImage(_) | Error::Registry(patchline_registry::Error::InvalidDocument { .. })) => {
            Ok(Err("not-an-image"))
        }
        Err(error) => Err(error),
    }
}

/// How long a tag may take to point where its event says, in milliseconds between looks. Distribution tells of a
/// manifest a few milliseconds before it writes the tag, and waits 5 s or so for our answer.
const LOOKS: [u64; 6] = [50, 100, 200, 400, 600, 800];

/// Where the tag points, once it points where the event says. When it does not come to that (a later push has
/// moved it, the event lies) the registry is right.
async fn settled(
    repository: &dyn Repository,
    tag: &str,
    said: Option<&Digest>,
) -> Result<Option<Descriptor>> {
    let mut found = repository.resolve(tag).await?;
    for pause in LOOKS {
        let there = found.as_ref().is_some_and(|d| said.is_none_or(|said| d.digest == *said));
        if there {
            break;
        }
        tokio::time::sleep(Duration::from_millis(pause)).await;
        found = repository.resolve(tag).await?;
    }
    Ok(found)
}

/// The chains that a push of this tag starts.
pub(crate) fn handlers(chains: &[Arc<Plan>], registry: &str, repository: &str, tag: &str) -> Vec<Arc<Plan>> {
    chains
        .iter()
        .filter(|plan| plan.on_push && plan.matches(registry, repository, Some(tag)))
        .cloned()
        .collect()
}
