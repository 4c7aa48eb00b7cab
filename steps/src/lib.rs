//! The step kinds and notification channels.

pub mod catalogue;
pub mod chosen;
pub mod exceptions;
pub mod fits;
pub mod notify;
pub mod signers;
pub mod trigger;

mod advisories;
mod approve;
mod attest;
mod backup;
mod copied;
mod delete;
mod doubt;
mod evidence;
mod explain;
mod failure;
mod fix;
mod gate;
mod image;
mod params;
mod place;
mod platforms;
mod replicate;
mod scan;
mod severity;
mod sign;
mod summary;
#[cfg(test)]
mod testing;

use std::{path::PathBuf, sync::Arc};

use patchline_engine::{Clock, Step};
use patchline_registry::Registries;
use patchline_remediation::{Remediator, fix::Fixes};
use patchline_scanner::{LayerFacts, Reports, adapters::Scanners, advisories::Advisories};

pub use catalogue::catalogue;

/// What the step kinds need of the world, handed in by the cli's wiring.
#[derive(Clone)]
pub struct World {
    /// Registries by name.
    pub registries: Registries,
    /// Mending; also lists security uploads.
    pub remediator: Remediator,
    /// Kept facts.
    pub facts: Arc<dyn LayerFacts>,
    /// Kept inventories and reports.
    pub reports: Arc<dyn Reports>,
    /// Kept fixes.
    pub fixes: Arc<dyn Fixes>,
    /// Compiled advisories; there may be none.
    pub advisories: Advisories,
    /// Folder for work, emptied at start.
    pub scratch: PathBuf,
    /// Channels by name.
    pub channels: Arc<notify::Channels>,
    /// Lists of exceptions by name.
    pub exceptions: Arc<exceptions::Exceptions>,
    /// What the time is.
    pub clock: Arc<dyn Clock>,
    /// Targets by name.
    pub targets: Arc<trigger::Targets>,
    /// Scanners beside our own, by name.
    pub scanners: Scanners,
    /// Private keys by name.
    pub signers: Arc<signers::Signers>,
}

/// Every step kind, ready to run.
pub fn all(world: &World) -> Vec<Arc<dyn Step>> {
    vec![
        Arc::new(scan::Scan::new(world.clone())),
        Arc::new(gate::Gate::new(world.clone())),
        Arc::new(backup::Backup::new(world.clone())),
        Arc::new(delete::Delete::new(world.clone())),
        Arc::new(fix::Fix::new(world.clone())),
        Arc::new(replicate::Replicate::new(world.clone())),
        Arc::new(approve::Approve),
        Arc::new(trigger::Trigger::new(world.targets.clone())),
        Arc::new(attest::Attest::new(world.clone())),
        Arc::new(sign::Sign::new(world.clone())),
        Arc::new(notify::step::Notify::new(world.channels.clone())),
    ]
}

#[cfg(test)]
mod delete_tests;
#[cfg(test)]
mod doubt_tests;
