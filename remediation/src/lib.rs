//! Mending: upgrades chosen, fetched from verified repositories, laid as one patch layer, and proven.

pub mod advise;
pub mod apk;
pub mod apt;
pub mod attest;
pub mod bases;
pub mod bootstrap;
pub mod cache;
mod clock;
pub mod deb;
pub mod diff;
mod error;
pub mod executor;
pub mod fix;
pub mod installed;
pub mod languages;
pub mod lineage;
mod mirrored;
mod overlay;
pub mod plan;
pub mod proof;
mod proxy;
pub mod rebase;
pub mod rpm;
mod span;
mod tooling;
pub mod tree;

pub use error::{Error, Result};
pub use executor::{Choice, Executor, Runner, engine::Engine, sandbox::Sandbox};
pub use fix::family::is_systems;
pub use fix::{
    Archive, Draft, Edited, FixRequest, Fixed, FixedImage, Progress, Remediator, Said, Selection, Smoke,
    Stay, UpgradePolicy,
};
pub use plan::{Chosen, Denied, EndOfLife, FixPlan, NoEntry, Refusal, Smoked, Upgrade};
pub use proxy::Proxy;
pub use tooling::Tooling;
