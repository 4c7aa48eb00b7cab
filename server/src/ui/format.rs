//! Times, spans, sizes and digests as people read them.

use std::time::Duration;

use askama::{Template, filters::HtmlSafe};
use jiff::Timestamp;
use patchline_engine::{Clock, clock::SystemClock};
use patchline_registry::Digest;

use super::icons;
use crate::i18n::{Words, fill};

/// Now, for "3 min ago".
pub(crate) fn now() -> Timestamp {
    SystemClock.now()
}

/// A moment: relative, the exact time on hover.
#[derive(Debug, Clone, Template)]
#[template(ext = "html", source = r#"<time datetime="{{ exact }}" title="{{ exact }}">{{ text }}</time>"#)]
pub(crate) struct When {
    exact: String,
    text: String,
}
impl HtmlSafe for When {}

impl When {
    pub(crate) fn new(at: Timestamp, now: Timestamp, words: &Words) -> Self {
        let exact = at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
        let seconds = now.as_second() - at.as_second();
        let text = match seconds {
            ..5 => words.just_now.to_owned(),
            5..60 => fill(words.seconds_ago, seconds),
            60..3_600 => fill(words.minutes_ago, seconds / 60),
            3_600..86_400 => fill(words.hours_ago, seconds / 3_600),
            86_400..2_592_000 => fill(words.days_ago, seconds / 86_400),
            _ => at.strftime("%Y-%m-%d").to_string(),
        };
        Self { exact, text }
    }

    /// A moment that is still to come.
    pub(crate) fn coming(at: Timestamp, now: Timestamp, words: &Words) -> Self {
        let seconds = at.as_second() - now.as_second();
        let text = match seconds {
            ..5 => words.just_now.to_owned(),
            5..60 => fill(words.in_seconds, seconds),
            60..3_600 => fill(words.in_minutes, seconds / 60),
            3_600..86_400 => fill(words.in_hours, seconds / 3_600),
            86_400..2_592_000 => fill(words.in_days, seconds / 86_400),
            _ => at.strftime("%Y-%m-%d").to_string(),
        };
        Self { exact: at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string(), text }
    }
}

/// From start to end, or to now while it goes on.
pub(crate) fn span(from: Timestamp, to: Timestamp) -> String {
    duration(Duration::from_millis(u64::try_from(to.as_millisecond() - from.as_millisecond()).unwrap_or(0)))
}

/// `340 ms`, `8.1 s`, `3 min 05 s`, `2 h 07 min`.
pub(crate) fn duration(length: Duration) -> String {
    let (millis, seconds) = (length.as_millis(), length.as_secs());
    match seconds {
        0 => format!("{millis} ms"),
        1..60 => format!("{}.{} s", seconds, (millis / 100) % 10),
        60..3_600 => format!("{} min {:02} s", seconds / 60, seconds % 60),
        _ => format!("{} h {:02} min", seconds / 3_600, seconds / 60 % 60),
    }
}

/// `48.2 MB`, in powers of ten as registries show it.
pub(crate) fn bytes(size: u64) -> String {
    match size {
        0..1_000 => format!("{size} B"),
        1_000..1_000_000 => format!("{:.1} kB", size as f64 / 1e3),
        1_000_000..1_000_000_000 => format!("{:.1} MB", size as f64 / 1e6),
        _ => format!("{:.2} GB", size as f64 / 1e9),
    }
}

/// A digest, short, with a button that copies the whole.
#[derive(Debug, Clone, Template)]
#[template(
    ext = "html",
    source = r#"<span class="digest"><code title="{{ whole }}">{{ short }}</code><button type="button" class="copy" data-copy="{{ whole }}" title="{{ label }}" aria-label="{{ label }} {{ whole }}">{{ icons::COPY|safe }}</button></span>"#
)]
pub(crate) struct ShortDigest {
    whole: String,
    short: String,
    label: &'static str,
}
impl HtmlSafe for ShortDigest {}

impl ShortDigest {
    pub(crate) fn new(digest: &Digest, words: &'static Words) -> Self {
        Self { whole: digest.to_string(), short: digest.short().to_owned(), label: words.copy }
    }
}

/// At most `most` characters of a stranger's text.
pub(crate) fn cut(text: &str, most: usize) -> String {
    match text.char_indices().nth(most) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::i18n::{EN, ZH};

    #[test]
    fn spans_are_short() {
        for (millis, text) in
            [(340, "340 ms"), (8_140, "8.1 s"), (185_000, "3 min 05 s"), (7_620_000, "2 h 07 min")]
        {
            assert_eq!(duration(Duration::from_millis(millis)), text);
        }
        assert_eq!(bytes(48_200_000), "48.2 MB");
    }

    #[test]
    fn moments_are_relative_and_exact() {
        let at = Timestamp::from_second(1_700_000_000).unwrap();
        let now = Timestamp::from_second(1_700_000_180).unwrap();
        assert_eq!(
            When::new(at, now, &EN).to_string(),
            r#"<time datetime="2023-11-14T22:13:20Z" title="2023-11-14T22:13:20Z">3 min ago</time>"#
        );
        assert_eq!(When::new(at, now, &ZH).text, "3 分钟前");
        assert_eq!(When::coming(now, at, &EN).text, "in 3 min");
        // A clock that runs ahead of ours is no moment in the future.
        assert_eq!(When::new(now, at, &EN).text, "just now");
    }

    #[test]
    fn cutting_keeps_characters_whole() {
        assert_eq!(cut("镜像仓库", 2), "镜像…");
        assert_eq!(cut("ab", 2), "ab");
    }
}
