//! The testkit: real programs started and stopped, images made and looked into.
//!
//! Nothing here is a stand-in where the real thing can be started. What a machine cannot run is
//! skipped loudly, and under `CI=true` it fails instead.

pub mod arguments;
pub mod chroot;
pub mod distribution;
pub mod fits;
pub mod guarded;
pub mod image;
pub mod machine;
pub mod postgres;
pub mod process;
pub mod server;
pub mod showcase;
pub mod sink;
pub mod webdriver;
pub mod worker;
