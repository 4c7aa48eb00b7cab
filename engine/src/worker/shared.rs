//! What writer, workers and handle share.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use jiff::{SignedDuration, Timestamp};
use patchline_chains::Plan;
use tokio::sync::broadcast;

use super::{
    command::Writer, feed::Feed, held::Held, hints::Hints, job::Job, limited::Pauses, outbox::Parcel,
    steady::Steady,
};
use crate::{Event, Limits, RunId, Step, Store, trace::Observer};

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
    pub(super) clock: Steady,
    pub(super) kinds: BTreeMap<&'static str, Arc<dyn Step>>,
    /// Kinds that are claimed here; none: all of `kinds`.
    pub(super) wanted: Option<Vec<String>>,
    pub(super) limits: Arc<dyn Limits>,
    /// Whether there is any limit.
    pub(super) has_limits: bool,
    pub(super) pauses: Pauses,
    /// Whether other processes work on the same store.
    pub(super) has_others: bool,
    pub(super) hints: Hints,
    pub(super) concurrency: usize,
    pub(super) public_url: Option<String>,
    pub(super) observer: Option<Arc<dyn Observer>>,
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
    /// Whether this process claims steps of a kind.
    pub(super) fn takes(&self, kind: &str) -> bool {
        self.wanted.as_ref().is_none_or(|kinds| kinds.iter().any(|k| k == kind))
    }
    /// Whether anything can be parked.
    pub(super) fn limited(&self) -> bool {
        self.has_limits || !self.pauses.is_empty()
    }
    /// The page of a run.
    pub(super) fn url(&self, run: &RunId) -> Option<String> {
        self.public_url.as_ref().map(|base| format!("{}/runs/{run}", base.trim_end_matches('/')))
    }
}

/// Plans by hash: immutable, so they are read and hashed once.
#[derive(Default)]
pub(super) struct Plans(Mutex<Known>);

#[derive(Default)]
struct Known {
    plans: HashMap<String, Arc<Plan>>,
    /// Those that the store has.
    stored: HashSet<String>,
    /// Of plans that are held elsewhere, by where they lie; the plan is kept, so that no other can lie there.
    hashes: HashMap<usize, (Arc<Plan>, String)>,
}

/// Chain versions are few; a flood of them must not stay in memory.
const PLANS: usize = 512;

impl Plans {
    fn lock(&self) -> std::sync::MutexGuard<'_, Known> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
    pub(super) fn get(&self, hash: &str) -> Option<Arc<Plan>> {
        self.lock().plans.get(hash).cloned()
    }
    pub(super) fn put(&self, hash: &str, plan: Arc<Plan>) -> Arc<Plan> {
        let mut known = self.lock();
        if known.plans.len() >= PLANS {
            known.plans.clear();
        }
        known.plans.entry(hash.to_owned()).or_insert(plan).clone()
    }
    /// The hash of a plan; worked out once for as long as the plan is in use.
    pub(super) fn hash(&self, plan: &Arc<Plan>) -> String {
        let place = Arc::as_ptr(plan) as usize;
        if let Some((_, hash)) = self.lock().hashes.get(&place) {
            return hash.clone();
        }
        let hash = plan.hash();
        let mut known = self.lock();
        if known.hashes.len() >= PLANS {
            known.hashes.clear();
        }
        known.hashes.insert(place, (plan.clone(), hash.clone()));
        hash
    }
    /// Whether the store has it.
    pub(super) fn stands(&self, hash: &str) -> bool {
        self.lock().stored.contains(hash)
    }
    /// The store has these.
    pub(super) fn stand(&self, hashes: Vec<String>) {
        let mut known = self.lock();
        if known.stored.len() >= 8 * PLANS {
            known.stored.clear();
        }
        known.stored.extend(hashes);
    }
}
