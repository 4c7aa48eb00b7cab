//! What is forgotten with time, and how much of it was.

use jiff::{SignedDuration, Timestamp};

/// What one round of housekeeping did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize)]
pub struct Forgotten {
    /// Runs that had ended long ago, with their steps, history, messages and intents.
    pub runs: u64,
    /// Deliveries of events: one that comes again after so long counts as new.
    pub deliveries: u64,
    /// Plans that no run and no schedule has.
    pub plans: u64,
    /// Days of history (PostgreSQL).
    pub days: u64,
    /// Another process keeps house just now, and nothing was done (PostgreSQL).
    pub elsewhere: bool,
}

/// The end of what is forgotten.
pub(crate) fn cutoff(now: Timestamp, retention: SignedDuration) -> Timestamp {
    // A retention that goes back beyond the calendar keeps everything.
    now.checked_sub(retention).unwrap_or(Timestamp::MIN)
}

/// A text that sorts before the id of each run made from `at` on, and after those of before (ULID specification,
/// "Encoding": the first ten characters are the milliseconds).
pub(crate) fn first_id(at: Timestamp) -> String {
    const ALPHABET: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";
    let ms = u64::try_from(at.as_millisecond()).unwrap_or(0);
    (0..10).rev().map(|place| char::from(ALPHABET[((ms >> (5 * place)) & 31) as usize])).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_told_apart_by_time() {
        // The specification's own example is of this moment.
        let at = Timestamp::from_millisecond(1_469_918_176_385).unwrap();
        assert_eq!(first_id(at), "01ARYZ6S41");
        assert!(first_id(at).as_str() < "01ARYZ6S41TSV4RRFFQ69G5FAV");
        assert_eq!(first_id(Timestamp::MIN), "0000000000");
        assert_eq!(cutoff(at, SignedDuration::MAX), Timestamp::MIN);
    }
}
