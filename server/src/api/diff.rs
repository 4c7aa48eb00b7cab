//! `/api/v1/diff`: two images before and after.

use std::time::Duration;

use axum::{
    Json,
    extract::{Query, State, rejection::QueryRejection},
    http::{StatusCode, header},
    response::{IntoResponse, Response},
};
use patchline_remediation::diff::Changes;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::{App, Error, Result, bench::locate};

/// As long as one answer is waited for; proxies close what is silent for a minute.
const WAIT: Duration = Duration::from_secs(20);
/// Seconds after which to ask again.
pub(super) const AGAIN: &str = "2";

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Which {
    from: String,
    to: String,
    /// Of indexes; this machine's.
    platform: Option<String>,
    /// Name every file that differs, not only how many.
    #[serde(default)]
    files: bool,
}

/// 200 with what `patchline diff FROM TO --output json` writes; 202 while it is being compared: asking again waits on.
pub(super) async fn diff(
    State(app): State<App>,
    query: Result<Query<Which>, QueryRejection>,
) -> Result<Response> {
    let Query(which) = query.map_err(|rejection| Error::InvalidQuery(rejection.body_text()))?;
    let before = locate(&app, &which.from, which.platform.as_deref()).await?;
    let after = locate(&app, &which.to, which.platform.as_deref()).await?;
    match app.workbench.changes(before, after, WAIT).await? {
        Some(changes) => Ok(Json(told(&changes, which.files)).into_response()),
        None => Ok(not_yet()),
    }
}

/// 202: it goes on, and asking again is how one hears of it.
pub(super) fn not_yet() -> Response {
    (StatusCode::ACCEPTED, [(header::RETRY_AFTER, AGAIN)], Json(json!({"state": "running"}))).into_response()
}

/// With the files, or without them; what of them is left out is counted.
fn told(changes: &Changes, files: bool) -> Value {
    let all = changes.count.added + changes.count.changed + changes.count.removed;
    let mut told = json!(changes);
    if !files {
        told["files"] = json!([]);
    }
    let named = told["files"].as_array().map_or(0, Vec::len);
    told["files_left_out"] = json!(all.saturating_sub(named));
    told
}
