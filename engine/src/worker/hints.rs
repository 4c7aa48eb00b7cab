//! What processes over one store tell each other, so that nobody waits for a timer: the timer is there all the same.

use std::sync::Arc;

use tokio::sync::mpsc;

use super::{command::Command, renew, shared::Shared};
use crate::{RunId, Store, store::Hint};

/// Hints that wait to be sent, at most; the newest are dropped beyond it.
const WAITING: usize = 256;
/// Runs whose last known event is remembered, at most.
const FOLLOWED: usize = 10_000;

/// Sends hints without waiting for anybody.
pub(super) struct Hints(mpsc::Sender<Hint>);

impl Hints {
    /// Sends them one after the other, apart from the writer.
    pub(super) fn over(store: Arc<dyn Store>) -> Self {
        let (sender, mut hints) = mpsc::channel(WAITING);
        tokio::spawn(async move {
            while let Some(hint) = hints.recv().await {
                if let Err(error) = store.hint(&hint).await {
                    tracing::debug!(%error, "a hint was not sent; the others have their timers");
                }
            }
        });
        Self(sender)
    }
    pub(super) fn send(&self, hint: Hint) {
        // Too many wait already: they say the same.
        drop(self.0.try_send(hint));
    }
}

/// Follows what other processes tell, until the writer is gone.
pub(super) async fn follow(shared: Arc<Shared>, mut hints: mpsc::Receiver<Hint>) {
    let mut last: std::collections::HashMap<RunId, u64> = std::collections::HashMap::new();
    while let Some(hint) = hints.recv().await {
        if shared.writer.0.is_closed() {
            return;
        }
        match hint {
            // Whoever has no room looks when it has some.
            Hint::Ready if shared.held.len() < shared.concurrency => shared.writer.tell(Command::Look),
            Hint::Ready => {}
            Hint::Stop => {
                let ours = shared.held.all();
                if !ours.is_empty() {
                    // Whoever prolongs them learns which are to stop.
                    tokio::spawn(renew::renew(shared.clone(), ours));
                }
            }
            Hint::Changed(runs) => {
                // Nobody listens in a process that only works.
                if shared.events.receiver_count() == 0 {
                    last.clear();
                    continue;
                }
                if last.len() > FOLLOWED {
                    last.clear();
                }
                for run in runs {
                    let after = last.get(&run).copied().unwrap_or(0);
                    match shared.store.events(&run, after).await {
                        Ok(events) => {
                            if let Some(newest) = events.last() {
                                last.insert(run, newest.seq);
                            }
                            for event in events {
                                drop(shared.events.send(event));
                            }
                        }
                        Err(error) => tracing::debug!(%error, "the news of a run could not be read"),
                    }
                }
            }
        }
    }
}

/// Looks once a second which chains are paused.
pub(super) async fn watch_pauses(shared: Arc<Shared>) {
    let mut tick = tokio::time::interval(super::shared::TICK);
    tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    while !shared.writer.0.is_closed() {
        tick.tick().await;
        match shared.store.pauses().await {
            Ok(pauses) => shared.pauses.set(pauses),
            Err(error) => tracing::debug!(%error, "the paused chains could not be read"),
        }
    }
}
