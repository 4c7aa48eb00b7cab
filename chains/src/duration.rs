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

/// The text that [`parse`] reads as this duration, in days and smaller; what is below a millisecond is left out.
pub fn text(duration: Duration) -> String {
    let mut rest = duration.as_millis();
    let mut text = String::new();
    for (unit, millis) in [("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1_000), ("ms", 1)] {
        if rest >= millis {
            text.push_str(&format!("{}{unit}", rest / millis));
            rest %= millis;
        }
    }
    if text.is_empty() { "0s".to_owned() } else { text }
}

/// Durations of a plan that stand there as text.
pub(crate) mod as_text {
    use std::time::Duration;

    use serde::{Deserialize, Deserializer, Serializer, de::Error as _};

    pub(crate) fn serialize<S: Serializer>(value: &Option<Duration>, out: S) -> Result<S::Ok, S::Error> {
        match value {
            Some(duration) => out.serialize_str(&super::text(*duration)),
            None => out.serialize_none(),
        }
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(input: D) -> Result<Option<Duration>, D::Error> {
        let text: Option<String> = Option::deserialize(input)?;
        text.map(|t| super::parse(&t).map_err(D::Error::custom)).transpose()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_read_as_what_it_was_made_of() {
        for (text, same) in [("90d", "90d"), ("1w", "7d"), ("90s", "1m30s"), ("0s", "0s"), ("1h1ms", "1h1ms")]
        {
            let duration = parse(text).unwrap();
            assert_eq!(super::text(duration), same);
            assert_eq!(parse(same), Ok(duration));
        }
    }

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
