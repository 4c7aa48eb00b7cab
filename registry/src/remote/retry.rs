//! When to ask again, and how long to wait first.

use std::time::Duration;

use http::{HeaderMap, StatusCode, header};
use rand::Rng;

/// How often one call is made at most.
pub(super) const ATTEMPTS: u32 = 4;
/// A registry that asks for longer than this is left to the caller's patience.
const LONGEST_WAIT: Duration = Duration::from_secs(10);

/// Whether a status is the registry's own passing trouble.
pub(super) fn is_passing(status: StatusCode) -> bool {
    matches!(status.as_u16(), 429 | 500 | 502 | 503 | 504)
}

/// How long to wait before attempt number `next` (1 is the first repetition);
/// none: give up.
pub(super) fn wait(next: u32, asked: Option<Duration>) -> Option<Duration> {
    if next >= ATTEMPTS {
        return None;
    }
    match asked {
        Some(asked) if asked > LONGEST_WAIT => None,
        Some(asked) => Some(asked + Duration::from_millis(rand::rng().random_range(0..200))),
        // Full jitter: those that failed together do not come back together.
        None => Some(Duration::from_millis(rand::rng().random_range(50..=(200 << next.min(5))))),
    }
}

/// `Retry-After` in seconds, or as a date that is measured against the
/// answer's own `Date`: the two clocks need not agree.
pub(super) fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let text = |name| headers.get(name).and_then(|v: &http::HeaderValue| v.to_str().ok()).map(str::trim);
    let asked = text(header::RETRY_AFTER)?;
    if let Ok(seconds) = asked.parse::<u32>() {
        return Some(Duration::from_secs(seconds.into()));
    }
    let date = |text: &str| jiff::fmt::rfc2822::parse(text).ok().map(|z| z.timestamp());
    let wait = date(asked)?.duration_since(date(text(header::DATE)?)?);
    Some(Duration::try_from(wait).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(header::HeaderName, &'static str)]) -> HeaderMap {
        pairs.iter().map(|(k, v)| (k.clone(), http::HeaderValue::from_static(v))).collect()
    }

    #[test]
    fn retry_after_is_read_in_both_forms() {
        let seconds = headers(&[(header::RETRY_AFTER, "7")]);
        assert_eq!(retry_after(&seconds), Some(Duration::from_secs(7)));
        let date = headers(&[
            (header::RETRY_AFTER, "Sun, 06 Nov 1994 08:49:37 GMT"),
            (header::DATE, "Sun, 06 Nov 1994 08:48:37 GMT"),
        ]);
        assert_eq!(retry_after(&date), Some(Duration::from_secs(60)));
        let past = headers(&[
            (header::RETRY_AFTER, "Sun, 06 Nov 1994 08:49:37 GMT"),
            (header::DATE, "Sun, 06 Nov 1994 08:49:38 GMT"),
        ]);
        assert_eq!(retry_after(&past), Some(Duration::ZERO));
        assert_eq!(retry_after(&headers(&[(header::RETRY_AFTER, "soon")])), None);
    }

    #[test]
    fn waits_are_bounded_in_number_and_length() {
        assert!(wait(1, None).unwrap() <= Duration::from_millis(400));
        assert!(wait(1, Some(Duration::from_secs(1))).unwrap() >= Duration::from_secs(1));
        assert_eq!(wait(1, Some(Duration::from_secs(3600))), None);
        assert_eq!(wait(ATTEMPTS, None), None);
    }
}
