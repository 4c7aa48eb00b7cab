//! Cron expressions of five fields, checked; firing them belongs to the engine.

const FIELDS: [(&str, u32, u32, &[&str]); 5] = [
    ("minute", 0, 59, &[]),
    ("hour", 0, 23, &[]),
    ("day of the month", 1, 31, &[]),
    ("month", 1, 12, &["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"]),
    ("day of the week", 0, 7, &["sun", "mon", "tue", "wed", "thu", "fri", "sat"]),
];

/// Checks minute, hour, day, month and weekday: `*`, numbers, names, ranges, steps and lists of them.
pub(crate) fn check(text: &str) -> Result<(), String> {
    let fields: Vec<&str> = text.split_ascii_whitespace().collect();
    if fields.len() != FIELDS.len() {
        return Err(format!("has {} fields, not 5", fields.len()));
    }
    for (field, (name, low, high, words)) in fields.iter().zip(FIELDS) {
        if !field.split(',').all(|item| item_fits(item, low, high, words)) {
            return Err(format!(
                "has `{}` as its {name}, which is not within {low} to {high}",
                crate::diagnostics::shown(field)
            ));
        }
    }
    Ok(())
}

fn item_fits(item: &str, low: u32, high: u32, words: &[&str]) -> bool {
    let (range, step) = match item.split_once('/') {
        Some((range, step)) => (range, Some(step)),
        None => (item, None),
    };
    if step.is_some_and(|s| !number(s).is_some_and(|n| (1..=high).contains(&n))) {
        return false;
    }
    if range == "*" {
        return true;
    }
    let value = |text: &str| {
        let named =
            words.iter().position(|w| w.eq_ignore_ascii_case(text)).and_then(|i| u32::try_from(i).ok());
        named.map(|i| i + low).or_else(|| number(text)).filter(|n| (low..=high).contains(n))
    };
    match range.split_once('-') {
        Some((from, to)) => matches!((value(from), value(to)), (Some(f), Some(t)) if f <= t),
        None => value(range).is_some(),
    }
}

fn number(text: &str) -> Option<u32> {
    text.bytes().all(|b| b.is_ascii_digit()).then(|| text.parse().ok()).flatten()
}

/// Whether a text looks like a zone of the tz database: `UTC`, `Asia/Shanghai`. Whether it exists is known where it runs.
pub(crate) fn zone_like(text: &str) -> bool {
    let part = |p: &str| {
        p.starts_with(|c: char| c.is_ascii_alphabetic())
            && p.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'+'))
    };
    text.len() <= 64 && text.split('/').all(part)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn five_fields_within_their_bounds() {
        for good in ["0 3 * * *", "*/15 0-6,22 1 jan-mar MON-FRI", "59 23 31 12 7", "0 0 1-15/2 * *"] {
            assert_eq!(check(good), Ok(()), "{good}");
        }
        for bad in [
            "",
            "0 3 * *",
            "60 3 * * *",
            "0 3 0 * *",
            "0 3 * 13 *",
            "0 3 * * 8",
            "a * * * *",
            "5-1 * * * *",
            "*/0 * * * *",
            "1,, * * * *",
            "99999999999 * * * *",
        ] {
            assert!(check(bad).is_err(), "{bad}");
        }
        assert!(
            zone_like("Asia/Shanghai")
                && zone_like("UTC")
                && !zone_like("")
                && !zone_like("Asia/")
                && !zone_like("../etc")
        );
    }
}
