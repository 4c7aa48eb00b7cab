//! When images were seen, as registries tell it: for the windows of schedules. A hint like any other: that it could not
//! be kept is logged, and holds up nothing.

use std::collections::BTreeMap;

use patchline_registry::events::{PullEvent, PushEvent};
use patchline_store::sightings::{Seen, Sight};

use crate::ServerContext;

/// Notes pushes.
pub(super) async fn pushed(context: &ServerContext, registry: &str, events: &[PushEvent]) {
    let seen = events.iter().filter_map(|event| {
        let (tag, digest) = (event.tag.clone(), event.digest.clone()?);
        Some(Seen { registry: registry.to_owned(), repository: event.repository.clone(), tag, digest })
    });
    note(context, seen, Sight::Pushed).await;
}

/// Notes pulls: of the tag, where it is told, and of the digest, which clients that have resolved the tag ask for.
pub(super) async fn pulled(context: &ServerContext, registry: &str, events: &[PullEvent]) {
    let seen = events.iter().map(|event| {
        let PullEvent { repository, tag, digest } = event.clone();
        Seen { registry: registry.to_owned(), repository, tag, digest }
    });
    note(context, seen, Sight::Pulled).await;
}

async fn note(context: &ServerContext, seen: impl Iterator<Item = Seen>, sight: Sight) {
    // Each once, the last one told: a tag may be pushed twice in an envelope.
    let by_name: BTreeMap<_, _> = seen
        .map(|seen| {
            let reference = seen.tag.clone().unwrap_or_else(|| seen.digest.to_string());
            ((seen.repository.clone(), reference), (seen, sight))
        })
        .collect();
    let images: Vec<_> = by_name.into_values().collect();
    if images.is_empty() {
        return;
    }
    if let Err(error) = context.sightings.saw(&images, context.clock.now()).await {
        tracing::warn!(images = images.len(), "when images were seen was not kept: {error}");
    }
}
