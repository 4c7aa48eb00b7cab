//! What a chain's triggers, a due moment and a late one lead to. Pure.

use jiff::{SignedDuration, Timestamp};
use patchline_chains::Plan;

use super::{Calendar, Cause, Scheduled, calendar};

/// However long a missed firing may be made up for: beyond it, counting what was missed would take too long.
pub const LONGEST_CATCH_UP: SignedDuration = SignedDuration::from_hours(7 * 24);
/// A firing that was missed is made up for within this time, unless it is said otherwise.
pub const CATCH_UP: SignedDuration = SignedDuration::from_hours(24);

/// A firing is not late so soon, however little may be made up for.
const IN_TIME: SignedDuration = SignedDuration::from_mins(1);

/// The rows of a plan, with the calendar where it has one. `next` is not worked out yet.
pub fn rows(plan: &Plan, hash: &str) -> Result<Vec<(Scheduled, Option<Calendar>)>, calendar::Error> {
    let row = |cause, cron: Option<&str>, zone: Option<&str>| Scheduled {
        chain: plan.chain.clone(),
        cause,
        plan_hash: hash.to_owned(),
        cron: cron.map(str::to_owned),
        zone: zone.map(str::to_owned),
        next: None,
    };
    let mut rows = Vec::new();
    if let Some(schedule) = &plan.on_schedule {
        let calendar = Calendar::new(&schedule.cron, &schedule.timezone)?;
        rows.push((row(Cause::Schedule, Some(&schedule.cron), Some(&schedule.timezone)), Some(calendar)));
    }
    if plan.on_advisories.is_some() {
        rows.push((row(Cause::Advisories, None, None), None));
    }
    Ok(rows)
}

/// The name of a due moment.
pub fn occasion(due: Timestamp) -> String {
    due.to_string()
}

/// What to do about a row that was due at `due`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Late {
    /// The moment that is fired for.
    pub due: Timestamp,
    /// Whether it is too late for that: it is only recorded.
    pub missed: bool,
    /// Earlier moments that it stands for.
    pub skipped: u32,
    /// When it fires next.
    pub next: Option<Timestamp>,
}

/// The last of the due moments is fired for, if it is not older than `catch_up`; the others are not made up for.
pub fn late(calendar: &Calendar, due: Timestamp, now: Timestamp, catch_up: SignedDuration) -> Late {
    let next = calendar.next(now);
    let oldest = now.checked_sub(catch_up.clamp(IN_TIME, LONGEST_CATCH_UP)).unwrap_or(Timestamp::MIN);
    let due_itself = due.checked_sub(SignedDuration::from_nanos(1)).unwrap_or(Timestamp::MIN);
    match calendar.last(oldest.max(due_itself), now) {
        Some((last, count)) => Late { due: last, missed: false, skipped: count.saturating_sub(1), next },
        // The row's time is none of the calendar's: a moment that is, for whoever reads the list.
        None => Late { due, missed: true, skipped: 0, next },
    }
}

/// When a row fires next, as its process starts or looks again. `before` is the row as it stands; `fired` says whether
/// there was a firing for a moment already.
pub fn next(
    calendar: &Calendar,
    row: &Scheduled,
    before: Option<&Scheduled>,
    now: Timestamp,
    fired: impl FnOnce(Timestamp) -> bool,
) -> Option<Timestamp> {
    let computed = calendar.next(now);
    let stands = before.filter(|before| before.same_times(row)).and_then(|before| before.next);
    match (stands, computed) {
        // Late, or as it should be.
        (Some(stands), Some(computed)) if stands <= computed => Some(stands),
        // A clock that was ahead has moved it on too far.
        (Some(stands), Some(computed)) => Some(if fired(computed) { stands } else { computed }),
        (Some(stands), None) if stands <= now => Some(stands),
        (_, computed) => computed,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    fn row(cron: &str, next: Option<&str>) -> Scheduled {
        Scheduled {
            chain: "nightly".into(),
            cause: Cause::Schedule,
            plan_hash: "sha256:0".into(),
            cron: Some(cron.into()),
            zone: Some("UTC".into()),
            next: next.map(at),
        }
    }

    #[test]
    fn only_the_last_missed_moment_is_made_up_for_and_only_while_it_is_young() {
        let daily = Calendar::new("0 3 * * *", "UTC").unwrap();
        let day = SignedDuration::from_hours(24);
        let late = |now: &str, catch_up| late(&daily, at("2026-01-01T03:00:00Z"), at(now), catch_up);
        let fires = |due: &str, skipped, next: &str| Late {
            due: at(due),
            missed: false,
            skipped,
            next: Some(at(next)),
        };
        assert_eq!(
            late("2026-01-01T03:00:00Z", day),
            fires("2026-01-01T03:00:00Z", 0, "2026-01-02T03:00:00Z")
        );
        assert_eq!(
            late("2026-01-01T21:00:00Z", day),
            fires("2026-01-01T03:00:00Z", 0, "2026-01-02T03:00:00Z")
        );
        // Four days away: once.
        assert_eq!(
            late("2026-01-05T02:00:00Z", LONGEST_CATCH_UP),
            fires("2026-01-04T03:00:00Z", 3, "2026-01-05T03:00:00Z")
        );
        let weekly = Calendar::new("0 3 * * 4", "UTC").unwrap();
        let missed = super::late(&weekly, at("2026-01-01T03:00:00Z"), at("2026-01-02T04:00:00Z"), day);
        assert_eq!((missed.missed, missed.due), (true, at("2026-01-01T03:00:00Z")));
        assert_eq!(missed.next, Some(at("2026-01-08T03:00:00Z")));
        // A bound of nothing makes up for nothing, but a firing in time is no matter of making up.
        assert!(!late("2026-01-01T03:00:01Z", SignedDuration::ZERO).missed);
        assert!(late("2026-01-01T03:02:00Z", SignedDuration::ZERO).missed);
    }

    #[test]
    fn a_changed_calendar_is_worked_out_anew_and_an_unchanged_one_keeps_what_it_missed() {
        let daily = Calendar::new("0 3 * * *", "UTC").unwrap();
        let now = at("2026-01-05T12:00:00Z");
        let next =
            |row: &Scheduled, before: Option<&Scheduled>| next(&daily, row, before, now, |_| false).unwrap();
        let tomorrow = at("2026-01-06T03:00:00Z");
        assert_eq!(next(&row("0 3 * * *", None), None), tomorrow);
        let late = row("0 3 * * *", Some("2026-01-05T03:00:00Z"));
        assert_eq!(next(&row("0 3 * * *", None), Some(&late)), at("2026-01-05T03:00:00Z"));
        let other = row("0 4 * * *", Some("2026-01-05T04:00:00Z"));
        assert_eq!(next(&row("0 3 * * *", None), Some(&other)), tomorrow);
    }

    #[test]
    fn a_clock_that_was_ahead_leaves_nothing_behind() {
        let daily = Calendar::new("0 3 * * *", "UTC").unwrap();
        let now = at("2026-01-05T12:00:00Z");
        let far = row("0 3 * * *", Some("2027-01-05T03:00:00Z"));
        let tomorrow = at("2026-01-06T03:00:00Z");
        assert_eq!(next(&daily, &row("0 3 * * *", None), Some(&far), now, |_| false), Some(tomorrow));
        // The clock went back over a moment that has been fired for: not again.
        assert_eq!(next(&daily, &row("0 3 * * *", None), Some(&far), now, |_| true), far.next);
    }
}
