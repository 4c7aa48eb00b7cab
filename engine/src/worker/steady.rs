//! Time that never goes back while the process lives, whatever becomes of the machine's clock.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use jiff::{SignedDuration, Timestamp};

use crate::Clock;

/// The clock that never jumps, for how long something takes.
#[expect(clippy::disallowed_methods, reason = "the one place where the writer asks what has passed")]
pub(super) fn instant() -> Instant {
    Instant::now()
}

/// A difference between the clock and what has passed that is worth a word.
const JUMP: Duration = Duration::from_secs(5);

/// The clock, or what has passed since it was last looked at, whichever is later: what is due in five seconds is not
/// due in an hour because somebody has set the clock back.
pub(super) struct Steady {
    clock: Arc<dyn Clock>,
    last: Mutex<Last>,
}

struct Last {
    given: Timestamp,
    at: Instant,
    behind: bool,
}

impl Steady {
    pub(super) fn new(clock: Arc<dyn Clock>) -> Self {
        let last = Last { given: clock.now(), at: instant(), behind: false };
        Self { clock, last: Mutex::new(last) }
    }

    /// Now.
    pub(super) fn now(&self) -> Timestamp {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        let (wall, at) = (self.clock.now(), instant());
        let passed = SignedDuration::try_from(at - last.at).unwrap_or(SignedDuration::ZERO);
        let expected = last.given.saturating_add(passed).unwrap_or(last.given);
        let jump = SignedDuration::try_from(JUMP).unwrap_or(SignedDuration::ZERO);
        if wall > expected + jump {
            tracing::warn!(error.code = "clock-jumped", by = %wall.duration_since(expected), "the clock jumped ahead");
        }
        let behind = wall + jump < expected;
        if behind && !last.behind {
            let by = expected.duration_since(wall);
            tracing::warn!(error.code = "clock-jumped", %by, "the clock went back; time goes on as it was");
        }
        *last = Last { given: wall.max(expected), at, behind };
        last.given
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Clone)]
    struct Hand(Arc<Mutex<Timestamp>>);

    impl Clock for Hand {
        fn now(&self) -> Timestamp {
            *self.0.lock().unwrap()
        }
    }

    #[test]
    fn time_follows_ahead_and_never_back() {
        let hour = SignedDuration::from_hours(1);
        let start = Timestamp::UNIX_EPOCH;
        let hand = Hand(Arc::new(Mutex::new(start)));
        let steady = Steady::new(Arc::new(hand.clone()));
        *hand.0.lock().unwrap() = start + hour;
        let ahead = steady.now();
        assert!(ahead >= start + hour);
        *hand.0.lock().unwrap() = start;
        std::thread::sleep(Duration::from_millis(5));
        let later = steady.now();
        assert!(later > ahead && later < ahead + SignedDuration::from_secs(60), "{ahead} {later}");
    }
}
