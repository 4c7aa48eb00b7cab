//! The HTTP API, the web pages, the webhook receivers.

use std::sync::Arc;

use patchline_chains::Plan;
use patchline_engine::Engine;
use patchline_registry::{Registries, events::PushEvent, remote::Secret};
use patchline_remediation::fix::Fixes;
use patchline_scanner::Reports;
use tokio::sync::mpsc;

/// What the server needs of the world, handed in by the cli's wiring.
#[derive(Clone)]
pub struct ServerContext {
    /// Runs.
    pub engine: Engine,
    /// The chains that pushes and people start.
    pub chains: Arc<Vec<Arc<Plan>>>,
    /// Registries by name.
    pub registries: Registries,
    /// Name of the embedded registry in `registries`.
    pub embedded: String,
    /// Kept reports.
    pub reports: Arc<dyn Reports>,
    /// Kept fixes.
    pub fixes: Arc<dyn Fixes>,
    /// Shared secret of `POST /hooks/distribution` (`Authorization: Bearer …`), and the registry it speaks for.
    pub distribution: Option<(Secret, String)>,
}

/// Everything under one router: `/healthz`, `/api/v1/…`, `/hooks/…`, pages.
pub fn router(_context: ServerContext) -> axum::Router {
    todo!()
}

/// Turns the embedded registry's pushes into runs until the channel closes.
pub async fn follow_pushes(_context: ServerContext, _events: mpsc::Receiver<PushEvent>) {
    todo!()
}
