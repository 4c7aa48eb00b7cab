//! When a cron expression fires in a time zone. Pure.
//!
//! Two kinds of expressions differ on the days when clocks change. One that names every hour (`*/15 * * * *`) means a
//! pace: it fires at each minute that clocks show and that it names, also in an hour that comes twice, and not in one
//! that never comes; so the pace is kept. Any other means times of the day, and each of them once a day: one that never
//! comes fires at the first moment after the gap (all that fall into one gap together, once), and one that comes twice
//! fires the first time.

use std::fmt;

use jiff::{
    SignedDuration, Timestamp, ToSpan,
    civil::{Date, DateTime, Time},
    tz::{AmbiguousOffset, TimeZone},
};
use patchline_chains::{
    cron::{self, Cron},
    zones,
};

/// Further than the rarest expression reaches: a 29 February that is a Sunday comes every 28 years, or 40 where a
/// century has no leap day.
const YEARS: i16 = 41;

/// A cron expression in a time zone.
#[derive(Clone)]
pub struct Calendar {
    cron: Cron,
    zone: TimeZone,
}

/// A schedule that cannot be read. The compiler of chains lets none through, but a later version may know more.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The expression.
    #[error(transparent)]
    Cron(#[from] cron::Error),
    /// The zone is not in the tz database that is built in.
    #[error("`{0}` is no time zone")]
    Zone(String),
}

impl Error {
    /// The stable code.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Cron(error) => error.code(),
            Self::Zone(_) => "bad-timezone",
        }
    }
}

impl fmt::Debug for Calendar {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} in {:?}", self.cron, self.zone.iana_name())
    }
}

impl Calendar {
    /// Of five fields and a name of the tz database. The database that is built in is read, never the machine's: every
    /// process sees the same.
    pub fn new(cron: &str, zone: &str) -> Result<Self, Error> {
        let unknown = || Error::Zone(zone.chars().take(100).collect());
        let rules = zones::rules(zone).ok_or_else(unknown)?;
        let cron = cron.parse()?;
        Ok(Self { cron, zone: TimeZone::tzif(zone, rules).map_err(|_| unknown())? })
    }

    /// The first moment after `after` when it fires; none: never within 41 years.
    pub fn next(&self, after: Timestamp) -> Option<Timestamp> {
        if self.cron.is_pace() { self.next_shown(after) } else { self.next_of_day(after) }
    }

    /// The last moment in (`after`, `until`] when it fires, and how often it does in between, that one counted.
    /// Takes time by the number of firings.
    pub fn last(&self, after: Timestamp, until: Timestamp) -> Option<(Timestamp, u32)> {
        let mut last = None;
        let mut count = 0_u32;
        let mut at = after;
        while let Some(next) = self.next(at).filter(|next| *next <= until) {
            (last, count, at) = (Some(next), count.saturating_add(1), next);
        }
        last.map(|last| (last, count))
    }

    /// For times of the day. Later times of the calendar never come before earlier ones, so the first that maps to a
    /// moment after `after` is the next.
    fn next_of_day(&self, after: Timestamp) -> Option<Timestamp> {
        let mut tick = self.tick(minute(self.zone.to_datetime(after)))?;
        loop {
            let at = self.moment(tick)?;
            if at > after {
                return Some(at);
            }
            tick = self.tick(tick.checked_add(1.minute()).ok()?)?;
        }
    }

    /// When a time of the calendar comes, or what stands for it.
    fn moment(&self, time: DateTime) -> Option<Timestamp> {
        match self.zone.to_ambiguous_timestamp(time).offset() {
            AmbiguousOffset::Unambiguous { offset } => offset.to_timestamp(time).ok(),
            AmbiguousOffset::Fold { before, .. } => before.to_timestamp(time).ok(),
            AmbiguousOffset::Gap { after, .. } => {
                // The clocks change right after this: what `time` would be, were the new offset valid already.
                let early = after.to_timestamp(time).ok()?;
                let mut changes = self.zone.following(early);
                changes.find(|change| change.offset() == after).map(|change| change.timestamp())
            }
        }
    }

    /// For a pace: between two changes of the offset, the calendar's times are moments.
    fn next_shown(&self, after: Timestamp) -> Option<Timestamp> {
        // The first full minute after it, as zones have it whose offset is of whole minutes: all of today's.
        let mut from = after.checked_add(SignedDuration::from_nanos(1)).ok()?;
        let horizon = from.checked_add(SignedDuration::from_hours(24 * 366 * i64::from(YEARS))).ok()?;
        let mut changes = self.zone.following(after);
        loop {
            let change = changes.next().map(|change| change.timestamp());
            let offset = self.zone.to_offset(from);
            let shown = offset.to_datetime(from);
            let full = minute(shown);
            let first = if full == shown { full } else { full.checked_add(1.minute()).ok()? };
            if let Some(tick) = self.tick(first)
                && let Ok(at) = offset.to_timestamp(tick)
                && change.is_none_or(|change| at < change)
            {
                return Some(at);
            }
            from = change.filter(|change| *change <= horizon)?;
        }
    }

    /// The first named minute of the calendar from `from` on, which is a full minute.
    fn tick(&self, from: DateTime) -> Option<DateTime> {
        if let Some(date) = Some(from.date()).filter(|date| self.has_day(*date))
            && let Some(time) = self.time(from.time())
        {
            return Some(date.to_datetime(time));
        }
        let last = from.year().saturating_add(YEARS);
        let mut date = from.date().tomorrow().ok()?;
        while date.year() <= last {
            if !self.cron.has_month(number(date.month())) {
                date = date.last_of_month().tomorrow().ok()?;
            } else if self.has_day(date) {
                return self.time(Time::midnight()).map(|time| date.to_datetime(time));
            } else {
                date = date.tomorrow().ok()?;
            }
        }
        None
    }

    fn has_day(&self, date: Date) -> bool {
        let weekday = date.weekday().to_sunday_zero_offset();
        self.cron.has_day(number(date.month()), number(date.day()), number(weekday))
    }

    /// The first named time of a day from `from` on.
    fn time(&self, from: Time) -> Option<Time> {
        (from.hour()..24).filter(|hour| self.cron.has_hour(number(*hour))).find_map(|hour| {
            let first = if hour == from.hour() { from.minute() } else { 0 };
            let minute = (first..60).find(|minute| self.cron.has_minute(number(*minute)))?;
            Time::new(hour, minute, 0, 0).ok()
        })
    }
}

fn minute(time: DateTime) -> DateTime {
    time.with().second(0).subsec_nanosecond(0).build().unwrap_or(time)
}

fn number(value: i8) -> u32 {
    u32::from(value.unsigned_abs())
}

#[cfg(test)]
mod tests;
