//! How long to wait before another attempt. Jitter comes in as a value.

use std::time::Duration;

use patchline_chains::Retry;

use crate::ErrorClass;

/// The pause before the next attempt, after `failures` failed ones (at least 1); none: no further attempt.
pub fn pause(retry: &Retry, class: ErrorClass, failures: u32, jitter: f64) -> Option<Duration> {
    let after = match class {
        ErrorClass::Transient => None,
        ErrorClass::Throttled(after) => after,
        ErrorClass::Auth | ErrorClass::Permanent => return None,
    };
    if failures >= retry.attempts {
        return None;
    }
    let doubled = 2u32.saturating_pow(failures.saturating_sub(1).min(31));
    let longest = retry.backoff.saturating_mul(doubled).min(retry.max_backoff);
    // Half of it is fixed, half is drawn, so that no herd comes back together.
    let jitter = if jitter.is_finite() { jitter.clamp(0.0, 1.0) } else { 0.0 };
    let drawn = longest.mul_f64(0.5 + jitter / 2.0);
    Some(match after {
        // Not before what the other side asked for, at most an hour.
        Some(after) => after.min(Duration::from_secs(3600)).saturating_add(drawn / 10).max(drawn),
        None => drawn,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const RETRY: Retry =
        Retry { attempts: 4, backoff: Duration::from_secs(5), max_backoff: Duration::from_secs(12) };

    #[test]
    fn doubles_up_to_the_longest_and_ends() {
        let at = |failures, jitter| pause(&RETRY, ErrorClass::Transient, failures, jitter);
        assert_eq!(at(1, 1.0), Some(Duration::from_secs(5)));
        assert_eq!(at(2, 1.0), Some(Duration::from_secs(10)));
        assert_eq!(at(3, 1.0), Some(Duration::from_secs(12)));
        assert_eq!(at(3, 0.0), Some(Duration::from_secs(6)));
        assert_eq!(at(4, 0.5), None);
        assert_eq!(at(1, f64::NAN), Some(Duration::from_millis(2500)));
    }

    #[test]
    fn obeys_what_was_asked_and_never_repeats_what_cannot_help() {
        let throttled = ErrorClass::Throttled(Some(Duration::from_secs(60)));
        assert_eq!(pause(&RETRY, throttled, 1, 1.0), Some(Duration::from_millis(60_500)));
        assert_eq!(pause(&RETRY, ErrorClass::Permanent, 1, 0.0), None);
        assert_eq!(pause(&RETRY, ErrorClass::Auth, 1, 0.0), None);
    }
}
