//! Limits and paused chains: who waits for room, and who is let in again.

use std::{
    collections::BTreeMap,
    sync::{PoisonError, RwLock},
};

use super::batch::{Batch, UNPARKED};
use crate::{Pause, Result};

/// The key under which the steps of a paused chain wait.
pub(super) fn pause_key(chain: &str) -> String {
    format!("paused {chain}")
}

/// The paused chains as this process knows them: at once when it paused them, within a second otherwise.
#[derive(Default)]
pub(super) struct Pauses(RwLock<BTreeMap<String, Pause>>);

impl Pauses {
    pub(super) fn set(&self, pauses: Vec<Pause>) {
        let pauses = pauses.into_iter().map(|pause| (pause.chain.clone(), pause)).collect();
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = pauses;
    }
    pub(super) fn is_paused(&self, chain: &str) -> bool {
        self.0.read().unwrap_or_else(PoisonError::into_inner).contains_key(chain)
    }
    pub(super) fn is_empty(&self) -> bool {
        self.0.read().unwrap_or_else(PoisonError::into_inner).is_empty()
    }
    /// Whether the key is that of a chain that is paused.
    fn holds(&self, key: &str) -> bool {
        self.0.read().unwrap_or_else(PoisonError::into_inner).keys().any(|chain| pause_key(chain) == key)
    }
}

impl Batch<'_> {
    /// Lets steps in again whose limit has room, is no limit any more, or whose chain goes on: what no end of a step
    /// in this process tells of.
    pub(super) async fn sweep(&mut self) -> Result<()> {
        let keys = self.tx.parked().await?;
        for key in keys {
            if self.shared.pauses.holds(&key) {
                continue;
            }
            let room = match self.shared.limits.most(&key) {
                None => UNPARKED,
                Some(most) => {
                    let taken = self.tx.count_permits(std::slice::from_ref(&key)).await?;
                    most.saturating_sub(taken.first().copied().unwrap_or(0)).min(UNPARKED)
                }
            };
            if room > 0 {
                self.tx.unpark(&key, room).await?;
            }
        }
        Ok(())
    }
}
