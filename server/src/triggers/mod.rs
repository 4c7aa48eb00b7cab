//! What starts runs from outside: registries' events, the embedded registry, a person, the calendar, new advisories.

mod admit;
mod advisories;
mod distribution;
pub mod embedded;
mod listing;
pub mod schedule;
mod sightings;
pub mod start;
pub mod subject;
mod window;

pub(crate) use distribution::same;

use axum::{Router, routing::post};

use crate::App;

/// `/hooks/…`: each hook authenticates itself.
pub(crate) fn router() -> Router<App> {
    Router::new().route("/hooks/distribution", post(distribution::receive))
}
