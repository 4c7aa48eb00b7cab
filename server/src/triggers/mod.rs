//! What starts runs from outside: registries' events, the embedded registry, a person.

mod admit;
mod distribution;
pub mod embedded;
pub mod start;
pub mod subject;

use axum::{Router, routing::post};

use crate::App;

/// `/hooks/…`: each hook authenticates itself.
pub(crate) fn router() -> Router<App> {
    Router::new().route("/hooks/distribution", post(distribution::receive))
}
