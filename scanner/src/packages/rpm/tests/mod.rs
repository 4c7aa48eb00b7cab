//! The readers against databases that these tests write themselves, that other programs write, and real ones.

mod fixtures;
mod forms;
mod tools;
pub(crate) mod writers;

use super::*;
