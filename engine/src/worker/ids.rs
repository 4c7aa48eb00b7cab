//! New run ids: ULIDs that ascend, also within a millisecond.

use jiff::Timestamp;
use ulid::Ulid;

use crate::RunId;

/// The last one that was given.
#[derive(Default)]
pub(super) struct Ids(Option<Ulid>);

impl Ids {
    /// A new one.
    pub(super) fn next(&mut self, now: Timestamp) -> RunId {
        let ms = u64::try_from(now.as_millisecond()).unwrap_or(0);
        let fresh = Ulid::from_parts(ms, rand::random());
        let id = match self.0 {
            Some(last) if last.timestamp_ms() >= ms => last.increment().unwrap_or(fresh),
            _ => fresh,
        };
        self.0 = Some(id);
        RunId(id.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_ascend_even_when_the_clock_stands_or_goes_back() {
        let mut ids = Ids::default();
        let all: Vec<_> = [5, 5, 5, 3, 6]
            .map(|ms| ids.next(Timestamp::from_millisecond(ms).unwrap()))
            .into_iter()
            .collect();
        assert!(all.is_sorted_by(|a, b| a < b), "{all:?}");
    }
}
