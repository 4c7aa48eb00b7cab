//! What the engine asks of a database. `store` implements it; one suite runs over every backend.

use async_trait::async_trait;

/// The persistence of runs. (The engine's room designs the methods; it holds SQL nowhere.)
#[async_trait]
pub trait Store: crate::step::EffectLog + Send + Sync + 'static {}
