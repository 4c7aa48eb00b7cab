//! Python: installed distributions, requirements and the lock files of its package managers.

mod egg;
mod locks;
mod metadata;
mod requirements;

pub(super) use egg::EGG;
pub(super) use locks::{PDM, PIPENV, POETRY, PYLOCK, UV};
pub(super) use metadata::METADATA;
pub(super) use requirements::REQUIREMENTS;
