//! The one place of this crate that reads the clock.

use jiff::Timestamp;

/// What signatures and `Valid-Until` are held against.
#[expect(
    clippy::disallowed_methods,
    reason = "the crate's only clock; everything else takes the time as a value"
)]
pub(crate) fn now() -> Timestamp {
    Timestamp::now()
}
