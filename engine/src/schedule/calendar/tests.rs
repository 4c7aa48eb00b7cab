use jiff::civil::datetime;
use proptest::prelude::*;

use super::*;

/// The next firings after `from` (local time of the zone, the first of two), as clocks there show them.
fn shown(cron: &str, zone: &str, from: &str, count: usize) -> Vec<String> {
    let calendar = Calendar::new(cron, zone).unwrap();
    let from: DateTime = from.parse().unwrap();
    let mut at = calendar.zone.to_ambiguous_timestamp(from).earlier().unwrap();
    let mut all = Vec::new();
    for _ in 0..count {
        at = calendar.next(at).unwrap();
        all.push(at.to_zoned(calendar.zone.clone()).strftime("%m-%d %H:%M%:z").to_string());
    }
    all
}

#[test]
fn a_zone_without_changes_has_every_day_alike() {
    assert_eq!(
        shown("0 3 * * 1-5", "Asia/Shanghai", "2026-10-01T12:00", 4),
        ["10-02 03:00+08:00", "10-05 03:00+08:00", "10-06 03:00+08:00", "10-07 03:00+08:00"]
    );
    // It had summer time until 1991.
    assert_eq!(
        shown("30 2 * * *", "Asia/Shanghai", "1986-05-03T12:00", 2),
        ["05-04 03:00+09:00", "05-05 02:30+09:00"]
    );
}

#[test]
fn a_time_that_never_comes_fires_once_right_after_the_gap() {
    assert_eq!(
        shown("30 2 * * *", "Europe/Berlin", "2026-03-28T00:00", 3),
        ["03-28 02:30+01:00", "03-29 03:00+02:00", "03-30 02:30+02:00"]
    );
    // All that fall into the gap are one firing, also with what is due at its end.
    assert_eq!(
        shown("*/20 2,3 * * *", "Europe/Berlin", "2026-03-29T00:00", 4),
        ["03-29 03:00+02:00", "03-29 03:20+02:00", "03-29 03:40+02:00", "03-30 02:00+02:00"]
    );
    assert_eq!(
        shown("30 2 * * *", "America/New_York", "2026-03-07T12:00", 2),
        ["03-08 03:00-04:00", "03-09 02:30-04:00"]
    );
    // Half an hour is left out on Lord Howe: 02:00 to 02:30.
    assert_eq!(
        shown("15 2 * * *", "Australia/Lord_Howe", "2026-10-03T12:00", 2),
        ["10-04 02:30+11:00", "10-05 02:15+11:00"]
    );
    assert_eq!(
        shown("45 2 * * *", "Australia/Lord_Howe", "2026-10-03T12:00", 2),
        ["10-04 02:45+11:00", "10-05 02:45+11:00"]
    );
    // A whole day that never came.
    assert_eq!(
        shown("0 9 30 12 *", "Pacific/Apia", "2011-12-01T00:00", 2),
        ["12-31 00:00+14:00", "12-30 09:00+14:00"]
    );
}

#[test]
fn a_time_that_comes_twice_fires_the_first_time() {
    assert_eq!(
        shown("30 2 * * *", "Europe/Berlin", "2026-10-24T12:00", 2),
        ["10-25 02:30+02:00", "10-26 02:30+01:00"]
    );
    assert_eq!(
        shown("0,30 1 * * *", "America/New_York", "2026-10-31T12:00", 3),
        ["11-01 01:00-04:00", "11-01 01:30-04:00", "11-02 01:00-05:00"]
    );
    assert_eq!(
        shown("45 1 * * *", "Australia/Lord_Howe", "2026-04-04T12:00", 2),
        ["04-05 01:45+11:00", "04-06 01:45+10:30"]
    );
    // Asked in the hour that comes again, what has fired does not fire again.
    let calendar = Calendar::new("30 2 * * *", "Europe/Berlin").unwrap();
    let again = calendar.zone.to_ambiguous_timestamp(datetime(2026, 10, 25, 2, 10, 0, 0)).later().unwrap();
    assert_eq!(calendar.next(again).unwrap().to_string(), "2026-10-26T01:30:00Z");
}

#[test]
fn a_pace_is_kept_through_every_change() {
    let gaps = |cron: &str, zone: &str, from: &str, hours: i64| -> Vec<i64> {
        let calendar = Calendar::new(cron, zone).unwrap();
        let from: DateTime = from.parse().unwrap();
        let from = calendar.zone.to_ambiguous_timestamp(from).earlier().unwrap();
        let mut at = calendar.next(from).unwrap();
        let mut gaps = Vec::new();
        while at < from + SignedDuration::from_hours(hours) {
            let next = calendar.next(at).unwrap();
            gaps.push(next.duration_since(at).as_mins());
            at = next;
        }
        gaps
    };
    for (zone, day) in [
        ("Europe/Berlin", "2026-03-29T00:00"),
        ("Europe/Berlin", "2026-10-25T00:00"),
        ("America/New_York", "2026-03-08T00:00"),
        ("America/New_York", "2026-11-01T00:00"),
        ("Australia/Lord_Howe", "2026-10-04T00:00"),
        ("Australia/Lord_Howe", "2026-04-05T00:00"),
        ("Asia/Shanghai", "2026-01-01T00:00"),
    ] {
        assert!(gaps("*/15 * * * *", zone, day, 12).iter().all(|gap| *gap == 15), "{zone} {day}");
        assert!(gaps("* * * * *", zone, day, 12).iter().all(|gap| *gap == 1), "{zone} {day}");
        if zone != "Australia/Lord_Howe" {
            assert!(gaps("7 * * * *", zone, day, 12).iter().all(|gap| *gap == 60), "{zone} {day}");
        }
    }
    // Where clocks change by half an hour, a minute past the hour is half an hour off once.
    assert_eq!(gaps("0 * * * *", "Australia/Lord_Howe", "2026-04-05T00:00", 4), [90, 60, 60]);
    assert_eq!(gaps("45 * * * *", "Australia/Lord_Howe", "2026-04-05T00:00", 4), [60, 30, 60, 60]);
    // Midnight is not shown in Beirut on that day: a pace has no minute there.
    assert_eq!(
        shown("0 * 29 3 *", "Asia/Beirut", "2026-03-28T00:00", 2),
        ["03-29 01:00+03:00", "03-29 02:00+03:00"]
    );
}

#[test]
fn the_rarest_days_are_found_and_the_search_ends() {
    assert_eq!(shown("0 0 29 2 *", "UTC", "2096-03-01T00:00", 1), ["02-29 00:00+00:00"]);
    let calendar = Calendar::new("0 0 29 2 */7", "UTC").unwrap();
    let next = calendar.next("2088-03-01T00:00:00Z".parse().unwrap()).unwrap();
    assert_eq!(next.to_string(), "2128-02-29T00:00:00Z", "a Sunday, 40 years on");
    assert_eq!(calendar.next(Timestamp::MAX), None);
    let pace = Calendar::new("* * 29 2 */7", "Europe/Berlin").unwrap();
    assert!(pace.next("2088-03-01T00:00:00Z".parse().unwrap()).is_some());
    assert_eq!(pace.next(Timestamp::MAX), None);
    assert!(pace.next(Timestamp::MIN).is_some());
}

#[test]
fn what_is_no_schedule_has_its_code() {
    assert_eq!(Calendar::new("0 3 * *", "UTC").unwrap_err().code(), "bad-cron");
    assert_eq!(Calendar::new("0 3 * * *", "Middle/Earth").unwrap_err().code(), "bad-timezone");
    assert_eq!(Calendar::new("0 3 * * *", "../../etc/passwd").unwrap_err().code(), "bad-timezone");
}

#[test]
fn the_last_of_many_is_found_with_their_number() {
    let calendar = Calendar::new("*/15 * * * *", "UTC").unwrap();
    let at = |text: &str| -> Timestamp { text.parse().unwrap() };
    let (from, until) = (at("2026-01-01T00:00:00Z"), at("2026-01-01T02:59:00Z"));
    assert_eq!(calendar.last(from, until), Some((at("2026-01-01T02:45:00Z"), 11)));
    assert_eq!(calendar.last(from, at("2026-01-01T00:14:59Z")), None);
    assert_eq!(calendar.last(from, at("2026-01-01T00:15:00Z")), Some((at("2026-01-01T00:15:00Z"), 1)));
}

/// A clock on the wall, looked at each minute: what cron(8) would do. For times of the day a hand marks how far the
/// calendar has been; a minute fires what lies between the mark and what is shown now.
fn walked(calendar: &Calendar, from: Timestamp, minutes: i64) -> Vec<Timestamp> {
    let names = |time: DateTime| {
        calendar.has_day(time.date())
            && calendar.cron.has_hour(number(time.hour()))
            && calendar.cron.has_minute(number(time.minute()))
    };
    let day = SignedDuration::from_hours(25);
    let mut mark: Option<DateTime> = None;
    let mut fired = Vec::new();
    for step in 0..=(minutes + day.as_mins()) {
        let at = from - day + SignedDuration::from_mins(step);
        let shows = calendar.zone.to_datetime(at);
        let fires = if calendar.cron.is_pace() {
            names(shows)
        } else {
            let before = mark.unwrap_or(shows - 1.minute());
            let mut between = before;
            let mut any = false;
            while between < shows {
                between += 1.minute();
                any |= names(between);
            }
            mark = Some(before.max(shows));
            any
        };
        if fires && at > from {
            fired.push(at);
        }
    }
    fired
}

fn field(low: u32, high: u32) -> impl Strategy<Value = String> {
    prop_oneof![
        3 => Just("*".to_owned()),
        3 => (low..=high).prop_map(|n| n.to_string()),
        2 => (2..=high.min(30)).prop_map(|n| format!("*/{n}")),
        2 => (low..=high, low..=high).prop_map(|(a, b)| format!("{}-{}", a.min(b), a.max(b))),
        1 => (low..=high, low..=high).prop_map(|(a, b)| format!("{a},{b}")),
    ]
}

fn days() -> impl Strategy<Value = (String, String)> {
    prop_oneof![
        4 => Just(("*".to_owned(), "*".to_owned())),
        1 => (field(1, 31), Just("*".to_owned())),
        1 => (Just("*".to_owned()), field(0, 7)),
        1 => (field(1, 31), field(0, 7)),
    ]
}

/// Zones, and a day of each on which something may change.
const CHANGES: [(&str, &str); 9] = [
    ("Europe/Berlin", "2026-03-29T01:00:00Z"),
    ("Europe/Berlin", "2026-10-25T01:00:00Z"),
    ("America/New_York", "2026-03-08T07:00:00Z"),
    ("America/New_York", "2026-11-01T06:00:00Z"),
    ("Australia/Lord_Howe", "2026-04-04T15:00:00Z"),
    ("Australia/Lord_Howe", "2026-10-03T15:30:00Z"),
    ("Asia/Shanghai", "2026-06-01T00:00:00Z"),
    ("America/St_Johns", "2026-03-08T05:30:00Z"),
    ("Pacific/Apia", "2011-12-30T10:00:00Z"),
];

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

    #[test]
    fn it_fires_as_a_clock_on_the_wall_would(
        minute in field(0, 59),
        hour in field(0, 23),
        (day, weekday) in days(),
        change in 0..CHANGES.len(),
        before in 0_i64..1_800,
    ) {
        let (zone, at) = CHANGES[change];
        let calendar = Calendar::new(&format!("{minute} {hour} {day} * {weekday}"), zone).unwrap();
        let from = at.parse::<Timestamp>().unwrap() - SignedDuration::from_mins(before);
        let walked = walked(&calendar, from, 1_800);
        let end = from + SignedDuration::from_mins(1_800);
        let mut found = Vec::new();
        let mut last = from;
        while let Some(next) = calendar.next(last).filter(|next| *next <= end) {
            found.push(next);
            last = next;
        }
        prop_assert_eq!(found, walked);
    }

    #[test]
    fn the_next_comes_later_and_nothing_lies_between(
        minute in field(0, 59),
        hour in field(0, 23),
        (day, weekday) in days(),
        change in 0..CHANGES.len(),
        at in 0_i64..4_000_000_000,
        within in 0_u32..1_000,
    ) {
        let calendar = Calendar::new(&format!("{minute} {hour} {day} * {weekday}"), CHANGES[change].0).unwrap();
        let at = Timestamp::from_second(at).unwrap();
        if let Some(next) = calendar.next(at) {
            prop_assert!(next > at);
            // From anywhere between, it is the same.
            let between = at + (next.duration_since(at) * i32::try_from(within).unwrap()) / 1_000;
            prop_assert_eq!(calendar.next(between), Some(next));
        }
    }
}
