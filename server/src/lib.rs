//! The HTTP API, the web pages, the webhook receivers.

use std::sync::Arc;

use axum::Router;
use patchline_chains::Plan;
use patchline_engine::{Clock, Engine};
use patchline_registry::{Registries, remote::Secret};
use patchline_remediation::fix::Fixes;
use patchline_scanner::{Reports, rematch::Inventories};
use patchline_store::{Health, Sightings};

mod api;
pub mod bench;
mod error;
mod evidence;
mod guard;
pub mod harbor;
mod health;
mod i18n;
mod jobs;
mod mend;
mod seen;
pub mod triggers;
mod ui;

pub use error::{Error, Result};
pub use guard::guard_local;
pub use jobs::Lost;
pub use triggers::{
    embedded::{catch_up, follow_pushes},
    schedule::Launcher,
};

/// What the server needs of the world, handed in by the cli's wiring.
#[derive(Clone)]
pub struct ServerContext {
    /// Runs.
    pub engine: Engine,
    /// The chains that pushes and people start.
    pub chains: Arc<Vec<Arc<Plan>>>,
    /// The chain that carries out a plan where an image's own chains take none.
    pub mender: Arc<Plan>,
    /// Comparisons and plans.
    pub workbench: bench::Workbench,
    /// Registries by name.
    pub registries: Registries,
    /// Name of the embedded registry in `registries`.
    pub embedded: String,
    /// Kept reports.
    pub reports: Arc<dyn Reports>,
    /// Kept inventories, to be matched again.
    pub inventories: Arc<dyn Inventories>,
    /// Kept fixes.
    pub fixes: Arc<dyn Fixes>,
    /// When images were seen.
    pub sightings: Arc<dyn Sightings>,
    /// Whether the database takes writes.
    pub health: Arc<dyn Health>,
    /// What windows of schedules, and sightings, are told by.
    pub clock: Arc<dyn Clock>,
    /// Shared secret of `POST /hooks/distribution` (`Authorization: Bearer …`), and the registry it speaks for.
    pub distribution: Option<(Secret, String)>,
    /// Patchline as a scanner of Harbor's; none: it is not configured.
    pub harbor: Option<harbor::HarborScanner>,
    /// Where people reach the pages from other machines; its host may stand in
    /// `Host` beside the loopback names. None: loopback alone.
    pub public_url: Option<String>,
}

/// What handlers share.
pub(crate) type App = Arc<ServerContext>;

/// Everything under one router: `/healthz`, `/api/v1/…`, `/hooks/…`, pages.
pub fn router(context: ServerContext) -> Router {
    let app: App = Arc::new(context);
    let people = Router::new()
        .merge(ui::router())
        .nest("/api/v1", api::router())
        .fallback(ui::not_found)
        .layer(axum::middleware::from_fn_with_state(app.clone(), guard::people));
    Router::new()
        .merge(health::router())
        .merge(triggers::router())
        .merge(harbor::router())
        .merge(people)
        .layer(axum::middleware::map_response(guard::headers))
        .with_state(app)
}
