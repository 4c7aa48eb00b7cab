//! How many steps may run at once under a name: a registry, a repository, a chain.

use crate::Subject;

/// At most so many steps at once under one key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limit {
    /// `registry main`: what is counted together, over all processes.
    pub key: String,
    /// At least 1.
    pub most: usize,
}

/// The limits of an installation. The engine does not know what their keys mean.
pub trait Limits: Send + Sync {
    /// Those that a step falls under.
    fn of(&self, chain: &str, subject: &Subject, kind: &str) -> Vec<Limit>;
    /// How many a key allows now; none: it is no limit any more.
    fn most(&self, key: &str) -> Option<usize>;
}

/// No limits.
#[derive(Debug, Clone, Copy, Default)]
pub struct Unlimited;

impl Limits for Unlimited {
    fn of(&self, _: &str, _: &Subject, _: &str) -> Vec<Limit> {
        Vec::new()
    }
    fn most(&self, _: &str) -> Option<usize> {
        None
    }
}
