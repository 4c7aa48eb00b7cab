//! .NET: what applications bring along, and NuGet's lock files.

mod deps;
mod packages_config;
mod packages_lock;

pub(super) use deps::DEPS;
pub(super) use packages_config::PACKAGES_CONFIG;
pub(super) use packages_lock::PACKAGES_LOCK;
