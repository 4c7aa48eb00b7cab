//! Durations as a chain writes them: `15m`, `1h30m`, `30d`.

use std::time::Duration;

/// A text that is no duration.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// No number, no unit, or something else beside them.
    #[error("not a duration")]
    Malformed,
    /// Beyond ten years.
    #[error("a duration of more than ten years")]
    TooLong,
}

impl Error {
    /// The stable code.
    pub fn code(&self) -> &'static str {
        "bad-duration"
    }
}

/// What to write instead.
pub(crate) const HINT: &str = "write a number and a unit: `500ms`, `30s`, `15m`, `2h`, `7d`, `1w`";

const LONGEST: Duration = Duration::from_secs(3_650 * 86_400);

/// Whole numbers with a unit (`ms`, `s`, `m`, `h`, `d`, `w`), from the largest to the smallest; `0s` is allowed.
pub fn parse(text: &str) -> Result<Duration, Error> {
    let mut rest = text;
    let mut total = Duration::ZERO;
    let mut smaller_than = u64::MAX;
    while !rest.is_empty() {
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        let (number, after) = rest.split_at(digits);
        let letters = after.bytes().take_while(u8::is_ascii_alphabetic).count();
        let (unit, after) = after.split_at(letters);
        let millis: u64 = match unit {
            "ms" => 1,
            "s" => 1_000,
            "m" => 60_000,
            "h" => 3_600_000,
            "d" => 86_400_000,
            "w" => 604_800_000,
            _ => return Err(Error::Malformed),
        };
        if number.is_empty() || millis >= smaller_than {
            return Err(Error::Malformed);
        }
        smaller_than = millis;
        let number: u64 = number.parse().map_err(|_| Error::TooLong)?;
        let part = number.checked_mul(millis).map(Duration::from_millis).ok_or(Error::TooLong)?;
        total = total.checked_add(part).filter(|t| *t <= LONGEST).ok_or(Error::TooLong)?;
        rest = after;
    }
    if smaller_than == u64::MAX { Err(Error::Malformed) } else { Ok(total) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_and_their_order() {
        assert_eq!(parse("15m"), Ok(Duration::from_secs(900)));
        assert_eq!(parse("1h30m"), Ok(Duration::from_secs(5_400)));
        assert_eq!(parse("250ms"), Ok(Duration::from_millis(250)));
        assert_eq!(parse("30d"), Ok(Duration::from_secs(30 * 86_400)));
        for bad in ["", "15", "m", "15 m", "30m1h", "1h1h", "-1s", "1.5h", "5y", "１m"] {
            assert_eq!(parse(bad), Err(Error::Malformed), "{bad}");
        }
        for long in ["99999d", "18446744073709551615w", "99999999999999999999999s"] {
            assert_eq!(parse(long), Err(Error::TooLong), "{long}");
        }
    }
}
