//! What writer, workers and handle share.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use jiff::{SignedDuration, Timestamp};
use patchline_chains::Plan;
use tokio::sync::broadcast;

use super::{command::Writer, feed::Feed, held::Held, job::Job, outbox::Parcel};
use crate::{Clock, Event, RunId, Step, Store};

/// How long a lease lasts.
pub(super) const LEASE: SignedDuration = SignedDuration::from_secs(15);
/// How often it is renewed.
pub(super) const RENEW: SignedDuration = SignedDuration::from_secs(5);
/// A worker stops acting so long before its lease ends.
pub(super) const MARGIN: SignedDuration = SignedDuration::from_secs(3);
/// How long a step may take to stop by itself, once told.
pub(super) const GRACE: Duration = Duration::from_secs(2);
/// The writer looks at the store at least so often.
pub(super) const TICK: Duration = Duration::from_secs(1);
/// Messages on their way at once.
pub(super) const PARCELS: usize = 4;

/// Everything but the writer's own state.
pub(super) struct Shared {
    pub(super) store: Arc<dyn Store>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) kinds: BTreeMap<&'static str, Arc<dyn Step>>,
    pub(super) concurrency: usize,
    pub(super) public_url: Option<String>,
    pub(super) events: broadcast::Sender<Event>,
    pub(super) held: Held,
    pub(super) jobs: Feed<Job>,
    pub(super) parcels: Feed<Parcel>,
    pub(super) writer: Writer,
    pub(super) plans: Plans,
}

impl Shared {
    pub(super) fn now(&self) -> Timestamp {
        self.clock.now()
    }
    /// The page of a run.
    pub(super) fn url(&self, run: &RunId) -> Option<String> {
        self.public_url.as_ref().map(|base| format!("{}/runs/{run}", base.trim_end_matches('/')))
    }
}

/// Plans by hash: immutable, so they are read once.
#[derive(Default)]
pub(super) struct Plans(Mutex<HashMap<String, Arc<Plan>>>);

impl Plans {
    pub(super) fn get(&self, hash: &str) -> Option<Arc<Plan>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(hash).cloned()
    }
    pub(super) fn put(&self, hash: &str, plan: Arc<Plan>) -> Arc<Plan> {
        let mut plans = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // Chain versions are few; a flood of them must not stay in memory.
        if plans.len() >= 512 {
            plans.clear();
        }
        plans.entry(hash.to_owned()).or_insert(plan).clone()
    }
}
