//! The JSON API, version 1.

mod chains;
mod control;
mod diff;
mod events;
mod images;
pub(crate) mod outbox;
mod plans;
mod runs;
pub(crate) mod said;

use axum::{
    Router,
    extract::DefaultBodyLimit,
    routing::{get, post},
};
use patchline_registry::Digest;
use patchline_remediation::fix::LONGEST_PLAN;

use crate::{App, Error, Result};

/// A start is a few hundred bytes.
const LONGEST_BODY: usize = 64 << 10;

/// A plan as it was given out, and who has chosen it.
const LONGEST_FIX: usize = (LONGEST_PLAN as usize) + LONGEST_BODY;

/// Everything under `/api/v1`.
pub(crate) fn router() -> Router<App> {
    Router::new()
        .route("/runs", get(runs::list).post(runs::start))
        .route("/runs/{id}", get(runs::show))
        .route("/runs/{id}/plan", get(runs::plan))
        .route("/runs/{id}/events", get(events::stream))
        .route("/runs/{id}/cancel", post(control::cancel))
        .route("/runs/{id}/steps/{step}/decision", post(control::decide))
        .route("/runs/{id}/steps/{step}/retry", post(control::retry))
        .route("/runs/{id}/steps/{step}/rerun", post(control::rerun))
        .route("/runs/{id}/steps/{step}/resolution", post(control::resolve))
        .route("/images", get(images::list))
        .route("/images/{digest}", get(images::show))
        .route("/images/{digest}/findings", get(images::findings))
        .route("/images/{digest}/fix", get(images::fix))
        .route("/diff", get(diff::diff))
        .route("/plans", post(plans::ask))
        .route("/plans/{id}", get(plans::show))
        .route("/fixes", post(plans::start).layer(DefaultBodyLimit::max(LONGEST_FIX)))
        .route("/chains", get(chains::list))
        .route("/chains/{name}/pause", post(chains::pause))
        .route("/chains/{name}/resume", post(chains::resume))
        .route("/schedules", get(chains::schedules))
        .route("/outbox", get(outbox::list))
        .route("/outbox/{id}/resend", post(outbox::resend))
        .fallback(async |uri: axum::http::Uri| Error::NoSuchPage(uri.path().chars().take(200).collect()))
        .layer(DefaultBodyLimit::max(LONGEST_BODY))
}

/// A digest of the address.
pub(crate) fn digest(text: &str) -> Result<Digest> {
    text.parse().map_err(|_| Error::InvalidDigest(text.chars().take(100).collect()))
}
