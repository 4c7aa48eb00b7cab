//! Where time comes from: a value, so that tests own it.

use jiff::Timestamp;

/// Tells the time; cheap to call.
pub trait Clock: Send + Sync {
    /// Now.
    fn now(&self) -> Timestamp;
}

/// The machine's clock.
#[derive(Debug, Default, Clone, Copy)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "the one place where the engine asks the machine")]
    fn now(&self) -> Timestamp {
        Timestamp::now()
    }
}
