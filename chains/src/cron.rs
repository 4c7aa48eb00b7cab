//! Cron expressions of five fields, checked, and the days, hours and minutes that they name; when that is in a time
//! zone belongs to the engine.
//!
//! As in cron(8): where both days are restricted, either is enough.

use std::{ops::Range, str::FromStr};

/// A field: its name, its bounds, the words that stand for its lowest values.
pub(crate) struct Part {
    name: &'static str,
    low: u32,
    high: u32,
    pub(crate) words: &'static [&'static str],
}

const MONTHS: [&str; 12] =
    ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"];
const DAYS: [&str; 7] = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"];

pub(crate) const PARTS: [Part; 5] = [
    Part { name: "minute", low: 0, high: 59, words: &[] },
    Part { name: "hour", low: 0, high: 23, words: &[] },
    Part { name: "day of the month", low: 1, high: 31, words: &[] },
    Part { name: "month", low: 1, high: 12, words: &MONTHS },
    Part { name: "day of the week", low: 0, high: 7, words: &DAYS },
];

const SHORT: [(&str, &str); 6] = [
    ("@hourly", "0 * * * *"),
    ("@daily", "0 0 * * *"),
    ("@midnight", "0 0 * * *"),
    ("@weekly", "0 0 * * 0"),
    ("@monthly", "0 0 1 * *"),
    ("@yearly", "0 0 1 1 *"),
];

const HINT: &str = "minute, hour, day of the month, month, day of the week: `0 3 * * 1-5`";

/// What is wrong, and where (bytes).
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Fault {
    pub(crate) message: String,
    pub(crate) place: Range<usize>,
    pub(crate) hint: String,
}

/// The minutes of the calendar that an expression names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cron {
    /// A bit for each value: minutes, hours, days of the month, months, days of the week (Sunday is 0).
    sets: [u64; 5],
    /// Whether a day has to be in both sets of days: one of them begins with `*`.
    both_days: bool,
}

/// A text that is no cron expression.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("bad cron expression: {0}")]
pub struct Error(String);

impl Error {
    /// The stable code.
    pub fn code(&self) -> &'static str {
        "bad-cron"
    }
}

impl FromStr for Cron {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        read(text).map(|(_, cron)| cron).map_err(|fault| Error(fault.message))
    }
}

impl Cron {
    /// Whether it names minutes of this day: `month` from 1, `day` from 1, `weekday` from Sunday, which is 0.
    pub fn has_day(&self, month: u32, day: u32, weekday: u32) -> bool {
        let [_, _, days, months, weekdays] = self.sets;
        let (day, weekday) = (has(days, day), has(weekdays, weekday));
        has(months, month) && if self.both_days { day && weekday } else { day || weekday }
    }
    /// Whether it names any day of this month, from 1.
    pub fn has_month(&self, month: u32) -> bool {
        has(self.sets[3], month)
    }
    /// Whether it names minutes of this hour, on the days that it names.
    pub fn has_hour(&self, hour: u32) -> bool {
        has(self.sets[1], hour)
    }
    /// Whether it names this minute, in the hours that it names.
    pub fn has_minute(&self, minute: u32) -> bool {
        has(self.sets[0], minute)
    }
    /// Whether it names every hour: it means a pace (`*/15 * * * *`) then, and not times of the day.
    pub fn is_pace(&self) -> bool {
        (0..24).all(|hour| self.has_hour(hour))
    }
}

fn has(set: u64, value: u32) -> bool {
    set.checked_shr(value).is_some_and(|set| set & 1 == 1)
}

/// Checks minute, hour, day, month and weekday: `*`, numbers, names, ranges, steps and lists of them. Gives the same
/// with single spaces and in lower case.
pub(crate) fn parse(text: &str) -> Result<String, Fault> {
    read(text).map(|(text, _)| text)
}

fn read(text: &str) -> Result<(String, Cron), Fault> {
    let fields: Vec<(usize, &str)> = text
        .split_ascii_whitespace()
        .map(|field| (field.as_ptr() as usize - text.as_ptr() as usize, field))
        .collect();
    if fields.len() != PARTS.len() {
        return Err(wrong_count(text, &fields));
    }
    let mut sets = [0_u64; 5];
    for (set, ((at, field), part)) in sets.iter_mut().zip(fields.iter().zip(&PARTS)) {
        let mut start = *at;
        for item in field.split(',') {
            *set |= part.item(item).map_err(|(message, hint)| Fault {
                message,
                place: start..start + item.len(),
                hint,
            })?;
            start += item.len() + 1;
        }
    }
    let [_, _, days, months, _] = sets;
    let any_weekday = fields[4].1.starts_with('*');
    if any_weekday && (1..=12).filter(|m| months >> m & 1 == 1).all(|m| days.trailing_zeros() > length(m)) {
        let (from, to) = (fields[2].0, fields[3].0 + fields[3].1.len());
        return Err(Fault {
            message: format!("it never fires: no such month has a day {}", days.trailing_zeros()),
            place: from..to,
            hint: "February has 29 days at most; April, June, September and November have 30".to_owned(),
        });
    }
    let parts: Vec<&str> = fields.iter().map(|(_, field)| *field).collect();
    // Sunday is 0 and 7.
    sets[4] |= sets[4] >> 7;
    let cron = Cron { sets, both_days: any_weekday || fields[2].1.starts_with('*') };
    Ok((parts.join(" ").to_ascii_lowercase(), cron))
}

fn wrong_count(text: &str, fields: &[(usize, &str)]) -> Fault {
    let hint = match fields {
        [(_, word)] if word.starts_with('@') => {
            let same = SHORT.iter().find(|(short, _)| short.eq_ignore_ascii_case(word));
            same.map_or_else(|| HINT.to_owned(), |(_, five)| format!("write it out: `{five}`"))
        }
        [_, rest @ ..] if rest.len() == 5 => format!("there are no seconds; {HINT}"),
        _ => HINT.to_owned(),
    };
    let fields = fields.len();
    let count = if fields == 1 { "1 field".to_owned() } else { format!("{fields} fields") };
    Fault { message: format!("it has {count}, not 5"), place: 0..text.len(), hint }
}

impl Part {
    /// The values that one item of a list means, as bits; what is wrong with it, and what to do.
    fn item(&self, item: &str) -> Result<u64, (String, String)> {
        let shown = crate::diagnostics::shown(item);
        let (range, step) = match item.split_once('/') {
            Some((range, step)) => (range, Some(step)),
            None => (item, None),
        };
        let every = match step {
            None => 1,
            Some(step) => number(step).filter(|n| (1..=self.high).contains(n)).ok_or_else(|| {
                let message = format!("`{shown}` has no step within 1 to {}", self.high);
                (message, "a step says every how many: `*/15`".to_owned())
            })?,
        };
        let (from, to) = match range.split_once('-') {
            _ if range == "*" => (self.low, self.high),
            Some((from, to)) => (self.value(from)?, self.value(to)?),
            None if step.is_some() => {
                let message = format!("`{shown}` has a step without a range");
                return Err((message, format!("write where it ends: `{range}-{}/{every}`", self.high)));
            }
            None => (self.value(range)?, self.value(range)?),
        };
        if from > to {
            let message = format!("`{shown}` ends before it begins");
            return Err((message, "split it in two, with a comma between".to_owned()));
        }
        Ok((from..=to).step_by(every as usize).fold(0, |set, n| set | 1 << n))
    }

    fn value(&self, text: &str) -> Result<u32, (String, String)> {
        let named = self.words.iter().position(|w| w.eq_ignore_ascii_case(text));
        let value = named.and_then(|i| u32::try_from(i).ok()).map(|i| i + self.low).or_else(|| number(text));
        value.filter(|n| (self.low..=self.high).contains(n)).ok_or_else(|| {
            let shown = crate::diagnostics::shown(text);
            let words = match self.words {
                [] => String::new(),
                words => format!(", or {} to {}", words[0], words[words.len() - 1]),
            };
            let message =
                format!("`{shown}` is no {}, which is {} to {}{words}", self.name, self.low, self.high);
            (message, HINT.to_owned())
        })
    }
}

/// Days of a month in the longest year.
fn length(month: u32) -> u32 {
    match month {
        2 => 29,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

fn number(text: &str) -> Option<u32> {
    text.bytes().all(|b| b.is_ascii_digit()).then(|| text.parse().ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn five_fields_within_their_bounds() {
        for good in [
            "0 3 * * *",
            "*/15 0-6,22 1 jan-mar mon-fri",
            "59 23 31 12 7",
            "0 0 1-15/2 * *",
            "0 0 29 2 *",
            "0 0 31 1,2 *",
            "0 0 31 2 fri",
        ] {
            assert_eq!(parse(good).as_deref(), Ok(good));
        }
        assert_eq!(parse(" 0\t3 *  * MON ").as_deref(), Ok("0 3 * * mon"));
        for (bad, place, message) in [
            ("", 0..0, "it has 0 fields, not 5"),
            ("0 3 * *", 0..7, "it has 4 fields, not 5"),
            ("@daily", 0..6, "it has 1 field, not 5"),
            ("60 3 * * *", 0..2, "`60` is no minute, which is 0 to 59"),
            ("0 3 0 * *", 4..5, "`0` is no day of the month, which is 1 to 31"),
            ("0 3 * 1,13 *", 8..10, "`13` is no month, which is 1 to 12, or jan to dec"),
            ("0 3 * * 8", 8..9, "`8` is no day of the week, which is 0 to 7, or sun to sat"),
            ("a * * * *", 0..1, "`a` is no minute, which is 0 to 59"),
            ("50-10 * * * *", 0..5, "`50-10` ends before it begins"),
            ("*/0 * * * *", 0..3, "`*/0` has no step within 1 to 59"),
            ("5/15 * * * *", 0..4, "`5/15` has a step without a range"),
            ("1,, * * * *", 2..2, "`` is no minute, which is 0 to 59"),
            ("99999999999 * * * *", 0..11, "`99999999999` is no minute, which is 0 to 59"),
            ("0 0 31 2 *", 4..8, "it never fires: no such month has a day 31"),
            ("0 0 31 2-6/2 */2", 4..12, "it never fires: no such month has a day 31"),
            ("0 0 30,31 feb *", 4..13, "it never fires: no such month has a day 30"),
        ] {
            let fault = parse(bad).expect_err(bad);
            assert_eq!((fault.message.as_str(), fault.place), (message, place), "{bad}");
        }
        assert_eq!(
            "0 3 * *".parse::<Cron>().expect_err("short").to_string(),
            "bad cron expression: it has 4 fields, not 5"
        );
        assert_eq!(parse("@Daily").expect_err("short").hint, "write it out: `0 0 * * *`");
        assert_eq!(parse("5/15 * * * *").expect_err("no range").hint, "write where it ends: `5-59/15`");
    }

    #[test]
    fn either_day_is_enough_where_both_are_restricted() {
        let days = |text: &str| -> Vec<u32> {
            let cron: Cron = text.parse().expect(text);
            // March 2026 begins on a Sunday.
            (1..=31).filter(|day| cron.has_day(3, *day, (day - 1) % 7)).collect()
        };
        assert_eq!(days("0 0 13 * fri"), [6, 13, 20, 27]);
        assert_eq!(days("0 0 1,2 * mon"), [1, 2, 9, 16, 23, 30]);
        assert_eq!(days("0 0 * * 7"), [1, 8, 15, 22, 29]);
        assert_eq!(days("0 0 * * 6-7"), [1, 7, 8, 14, 15, 21, 22, 28, 29]);
        assert_eq!(days("0 0 30 * *"), [30]);
        // As in cron(8), a step of `*` restricts as a further condition.
        assert_eq!(days("0 0 */10 * mon"), [] as [u32; 0]);
        assert_eq!(days("0 0 1-31/10 * mon"), [1, 2, 9, 11, 16, 21, 23, 30, 31]);
        assert!(days("0 0 * 4 *").is_empty());
    }

    #[test]
    fn a_pace_names_every_hour() {
        for (text, pace) in
            [("*/15 * * * *", true), ("7 0-23 * * *", true), ("0 */2 * * *", false), ("* 2 * * *", false)]
        {
            assert_eq!(text.parse::<Cron>().expect(text).is_pace(), pace, "{text}");
        }
    }
}
