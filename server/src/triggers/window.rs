//! The window of a schedule: which of a repository's tags it looks at. Pure.

use jiff::{SignedDuration, Timestamp};
use patchline_chains::ImageWindow;

/// Who says that an image runs has to say so again within this time.
const RUNS: SignedDuration = SignedDuration::from_hours(7 * 24);

/// A tag, and what is known of its image.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Tagged {
    pub(super) tag: String,
    /// When it was pushed, else when it was made, as it says itself; none: nobody knows.
    pub(super) pushed: Option<Timestamp>,
    pub(super) pulled: Option<Timestamp>,
    pub(super) running: Option<Timestamp>,
}

/// Whether the window needs to know when images were pushed.
pub(super) fn asks_for_age(window: &ImageWindow) -> bool {
    window.pushed_within.is_some() || window.latest.is_some()
}

/// The tags that any of the window's fields names, sorted; all where it has none. What nobody knows the age of is
/// within no time, and older than all whose age is known.
pub(super) fn select(window: &ImageWindow, now: Timestamp, all: &[Tagged]) -> Vec<String> {
    let since = |within: Option<std::time::Duration>| {
        let within = SignedDuration::try_from(within?).ok()?;
        Some(now.checked_sub(within).unwrap_or(Timestamp::MIN))
    };
    let (pushed, pulled) = (since(window.pushed_within), since(window.pulled_within));
    let after = |at: Option<Timestamp>, since: Option<Timestamp>| {
        since.is_some_and(|since| at.is_some_and(|at| at >= since))
    };
    let runs = now.checked_sub(RUNS).ok().filter(|_| window.running);
    let mut newest: Vec<&Tagged> = all.iter().collect();
    newest.sort_by(|a, b| b.pushed.cmp(&a.pushed).then_with(|| b.tag.cmp(&a.tag)));
    let latest = usize::try_from(window.latest.unwrap_or(0)).unwrap_or(usize::MAX);
    let mut tags: Vec<String> = newest
        .into_iter()
        .enumerate()
        .filter(|(place, tagged)| {
            window.is_all()
                || *place < latest
                || after(tagged.pushed, pushed)
                || after(tagged.pulled, pulled)
                || after(tagged.running, runs)
        })
        .map(|(_, tagged)| tagged.tag.clone())
        .collect();
    tags.sort_unstable();
    tags
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const DAY: i64 = 86_400;

    fn tagged(tag: &str, pushed: Option<i64>, pulled: Option<i64>, running: Option<i64>) -> Tagged {
        let days = |ago: Option<i64>| ago.map(|ago| now() - SignedDuration::from_secs(ago * DAY));
        Tagged { tag: tag.into(), pushed: days(pushed), pulled: days(pulled), running: days(running) }
    }

    fn now() -> Timestamp {
        "2026-06-01T00:00:00Z".parse().unwrap()
    }

    fn days(days: u64) -> Option<Duration> {
        Some(Duration::from_secs(days * 86_400))
    }

    #[test]
    fn any_of_the_fields_is_enough() {
        let all = [
            tagged("new", Some(1), None, None),
            tagged("used", Some(400), Some(3), None),
            tagged("old", Some(300), Some(200), None),
            tagged("runs", Some(500), None, Some(1)),
            tagged("ran", Some(501), None, Some(30)),
            tagged("unknown", None, None, None),
        ];
        let select = |window: ImageWindow| select(&window, now(), &all);
        let empty = ImageWindow::default;
        assert_eq!(select(empty()), ["new", "old", "ran", "runs", "unknown", "used"]);
        assert_eq!(select(ImageWindow { pushed_within: days(7), ..empty() }), ["new"]);
        assert_eq!(select(ImageWindow { pulled_within: days(7), ..empty() }), ["used"]);
        assert_eq!(select(ImageWindow { running: true, ..empty() }), ["runs"]);
        assert_eq!(select(ImageWindow { latest: Some(2), ..empty() }), ["new", "old"]);
        assert_eq!(select(ImageWindow { latest: Some(5), ..empty() }), ["new", "old", "ran", "runs", "used"]);
        let both = ImageWindow { pushed_within: days(7), pulled_within: days(7), running: true, ..empty() };
        assert_eq!(select(both), ["new", "runs", "used"]);
        assert_eq!(select(ImageWindow { pushed_within: days(1), ..empty() }), ["new"], "the bound counts");
        assert!(select(ImageWindow { pulled_within: days(1), ..empty() }).is_empty());
    }

    #[test]
    fn of_equal_age_the_greater_tag_is_newer() {
        let all = ["v1", "v3", "v2"].map(|tag| tagged(tag, Some(5), None, None));
        let window = ImageWindow { latest: Some(1), ..ImageWindow::default() };
        assert_eq!(select(&window, now(), &all), ["v3"]);
        let ages_unknown = ["v1", "v2"].map(|tag| tagged(tag, None, None, None));
        let window = ImageWindow { pushed_within: days(3650), ..ImageWindow::default() };
        assert!(select(&window, now(), &ages_unknown).is_empty());
    }
}
