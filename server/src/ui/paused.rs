//! What is said of a paused chain, wherever it is met.

use askama::{Template, filters::HtmlSafe};
use jiff::Timestamp;
use patchline_engine::Pause;

use super::{
    format::{When, cut},
    icons,
};
use crate::i18n::{Words, fill};

/// The banner of one paused chain.
#[derive(Debug, Clone, Template)]
#[template(
    ext = "html",
    source = r#"<div class="paused" role="status">{{ icons::PAUSE|safe }}<b>{{ said }}</b><span>{{ reason }}</span><span class="dim">{{ words.paused_by }} {{ by }}{{ words.comma }}{{ at }}</span></div>"#
)]
pub(crate) struct Banner {
    words: &'static Words,
    said: String,
    by: String,
    reason: String,
    at: When,
}
impl HtmlSafe for Banner {}

impl Banner {
    pub(crate) fn new(pause: &Pause, now: Timestamp, words: &'static Words) -> Self {
        Self {
            words,
            said: fill(words.chain_paused, cut(&pause.chain, 200)),
            by: cut(&pause.by, 100),
            reason: cut(&pause.reason, 1_000),
            at: When::new(pause.at, now, words),
        }
    }
}
