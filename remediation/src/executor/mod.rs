//! Executors turn a plan into one patch layer.

pub mod native;
