//! A row of the tables of runs, as the overview, the listing and an image's page show it.

use jiff::Timestamp;
use patchline_engine::RunView;

use super::{
    encode,
    format::{ShortDigest, When, span},
    state::{Badge, trigger},
};
use crate::{i18n::Words, seen::ImageName};

/// One run.
pub(crate) struct RunRow {
    pub(crate) href: String,
    pub(crate) badge: Badge,
    /// Carries the seam.
    pub(crate) mended: bool,
    pub(crate) image: String,
    pub(crate) image_href: Option<String>,
    pub(crate) digest: Option<ShortDigest>,
    pub(crate) chain: String,
    pub(crate) trigger: &'static str,
    pub(crate) started: When,
    pub(crate) took: String,
}

impl RunRow {
    pub(crate) fn new(run: &RunView, now: Timestamp, words: &'static Words) -> Self {
        let image = ImageName::of(run);
        Self {
            href: format!("/runs/{}", encode(&run.id.0)),
            badge: Badge::run(run, words),
            mended: run.result == Some(patchline_engine::RunResult::Remediated) || image.is_fixed(),
            image: image.short(),
            image_href: image.digest.as_ref().map(|digest| format!("/images/{digest}")),
            digest: image.digest.as_ref().map(|digest| ShortDigest::new(digest, words)),
            chain: run.chain.clone(),
            trigger: trigger(run.submission.trigger.kind, words),
            started: When::new(run.created_at, now, words),
            took: span(run.created_at, run.finished_at.unwrap_or(now)),
        }
    }
}
