//! Executors turn a plan into one patch layer.

mod authorities;
pub mod ca_certificates;
pub mod native;
