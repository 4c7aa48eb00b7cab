//! Executors turn a plan into one patch layer.

mod authorities;
pub mod native;
