//! The embedded registry's pushes: as they come, and those that a stopped process missed.

use std::time::Duration;

use patchline_engine::RunFilter;
use patchline_registry::{Digest, events::PushEvent};
use tokio::sync::mpsc;

use super::{
    admit::{Admitted, admit, handlers},
    subject,
};
use crate::{Error, Result, ServerContext};

/// How often an event is tried before it is left to [`catch_up`].
const TRIES: u32 = 8;
/// The same while the store is away: about an hour.
const WAITS: u32 = 720;
/// Between two tries, at most.
const LONGEST: Duration = Duration::from_secs(5);

/// Turns the embedded registry's pushes into runs until the channel closes.
pub async fn follow_pushes(context: ServerContext, mut events: mpsc::Receiver<PushEvent>) {
    while let Some(event) = events.recv().await {
        let image = format!("{}:{}", event.repository, event.tag.as_deref().unwrap_or("-"));
        match persist(&context, "embedded", event).await {
            Ok(admitted) => {
                for submitted in admitted.runs.iter().filter(|s| s.new) {
                    tracing::info!(run.id = %submitted.run, image.reference = image, "a push started a run");
                }
            }
            Err(Error::Engine(patchline_engine::Error::Stopping)) => return,
            Err(error) => {
                tracing::error!(
                    error.code = error.code(),
                    image.reference = image,
                    "a push started nothing: {error}"
                );
            }
        }
    }
}

/// Submits what has no run yet: a tag that was pushed while the process was down, or that it died over, is not
/// lost. `tags` is what [`patchline_registry::embedded::Embedded::all_tags`] gives. Gives how many runs are new.
pub async fn catch_up(context: ServerContext, tags: Vec<(String, String, Digest)>) -> Result<usize> {
    let mut started = 0;
    for (repository, tag, digest) in tags {
        let missing = unhandled(&context, &repository, &tag, &digest).await?;
        if !missing {
            continue;
        }
        let event = PushEvent {
            id: format!("start/{}", subject::identity(&context.embedded, &repository, Some(&tag), &digest)),
            host: None,
            repository,
            tag: Some(tag),
            digest: Some(digest),
            media_type: None,
        };
        let image = format!("{}:{}", event.repository, event.tag.as_deref().unwrap_or_default());
        match persist(&context, "embedded-start", event).await {
            Ok(admitted) => started += admitted.runs.iter().filter(|s| s.new).count(),
            Err(error @ Error::Engine(_)) => return Err(error),
            // One image that cannot be read keeps no other from being handled.
            Err(error) => {
                tracing::warn!(error.code = error.code(), image.reference = image, "not caught up: {error}");
            }
        }
    }
    Ok(started)
}

/// Whether a chain handles this tag, and no chain ever had a run over this digest under it, nor was it our own
/// push. A chain that is new or has another name starts nothing over what was there before it.
async fn unhandled(context: &ServerContext, repository: &str, tag: &str, digest: &Digest) -> Result<bool> {
    if subject::is_supplement(tag) || handlers(&context.chains, &context.embedded, repository, tag).is_empty()
    {
        return Ok(false);
    }
    let identity = subject::identity(&context.embedded, repository, Some(tag), digest);
    let filter = RunFilter { subject: Some(identity.clone()), limit: 1, ..RunFilter::default() };
    Ok(context.engine.runs(&filter).await?.is_empty()
        && !context.engine.is_own_effect("push", &identity).await?)
}

/// Tries until it is durable: the push was answered, so nobody will send it again. A database that is away, or cannot
/// be written, is waited for; whatever else may pass has a few tries.
async fn persist(context: &ServerContext, source: &str, event: PushEvent) -> Result<Admitted> {
    use patchline_engine::Error as Engine;
    let mut pause = Duration::from_millis(250);
    let mut tries = 0;
    loop {
        let error = match admit(context, source, &context.embedded, vec![event.clone()]).await {
            Err(error) if passes(&error) => error,
            done => return done,
        };
        tries += 1;
        let store = matches!(error, Error::Engine(Engine::Store { .. } | Engine::Conflict(_)));
        if tries >= WAITS || (tries >= TRIES && !store && !is_away(context).await) {
            return Err(error);
        }
        tracing::warn!(error.code = error.code(), "a push is tried again: {error}");
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(LONGEST);
    }
}

/// Whether the store says nothing at all.
async fn is_away(context: &ServerContext) -> bool {
    context.engine.runs(&RunFilter { limit: 1, ..RunFilter::default() }).await.is_err()
}

/// Whether the same may well succeed in a while.
pub(super) fn passes(error: &Error) -> bool {
    use patchline_engine::Error as Engine;
    match error {
        Error::Engine(error) => matches!(error, Engine::Store { .. } | Engine::Conflict(_)),
        Error::Registry(error) => error.is_transient(),
        Error::Remediation(error) => error.is_transient(),
        Error::Stored { .. } => true,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_passes_is_tried_again() {
        let store = patchline_engine::Error::Store { operation: "starting a run", source: "full".into() };
        let status = |status| {
            Error::Registry(patchline_registry::Error::Status {
                registry: "main".into(),
                status,
                operation: "get manifest",
                detail: None,
            })
        };
        assert!(passes(&Error::Engine(store)) && passes(&status(503)));
        let for_good = [
            Error::Engine(patchline_engine::Error::Stopping),
            Error::Engine(patchline_engine::Error::NoSuchKind("x".into())),
            status(400),
            Error::Registry(patchline_registry::Error::UnknownRegistry("x".into())),
        ];
        for error in for_good {
            assert!(!passes(&error), "{error}");
        }
    }
}
