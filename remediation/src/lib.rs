//! Mending: upgrades chosen, fetched from verified repositories, laid as one patch layer, and proven.

pub mod apt;
pub mod bootstrap;
mod clock;
pub mod deb;
mod error;
pub mod executor;
pub mod fix;
pub mod lineage;
pub mod plan;
pub mod proof;

pub use error::{Error, Result};
pub use fix::{FixRequest, Fixed, FixedImage, Progress, Remediator, Selection, UpgradePolicy};
pub use plan::{FixPlan, Refusal, Upgrade};
