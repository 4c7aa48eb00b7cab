//! What people do to runs: stop, decide, try again, begin anew, say what became of an effect.

use axum::{
    Json,
    extract::{
        FromRequestParts, Path, State,
        rejection::{JsonRejection, PathRejection},
    },
    http::{StatusCode, request::Parts},
    response::IntoResponse,
};
use patchline_engine::{Engine, RunId, RunView};
use serde::Deserialize;
use serde_json::json;

use super::said::{self, Said};
use crate::{App, Result};

/// Who stops a run, and why; a script may leave out both.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Stop {
    by: Option<String>,
    reason: Option<String>,
}

/// 202: what runs is told, and ends in a moment.
pub(super) async fn cancel(
    State(app): State<App>,
    Path(id): Path<String>,
    body: Result<Option<Json<Stop>>, JsonRejection>,
) -> Result<impl IntoResponse> {
    let stop = match body.transpose() {
        Some(body) => said::body(body)?,
        None => Stop::default(),
    };
    let by = stop.by.as_deref().map_or_else(|| Ok("somebody".to_owned()), said::by)?;
    let reason = stop.reason.as_deref().map_or_else(|| Ok("no reason was given".to_owned()), said::reason)?;
    let id = RunId(id);
    app.engine.cancel(&id, &by, &reason).await?;
    Ok((StatusCode::ACCEPTED, Json(json!({"run": id}))))
}

/// The step that the path names, and who is asked to change it.
pub(super) struct Target {
    engine: Engine,
    run: RunId,
    step: String,
}

impl FromRequestParts<App> for Target {
    type Rejection = PathRejection;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, PathRejection> {
        let Path((run, step)) = Path::from_request_parts(parts, app).await?;
        Ok(Self { engine: app.engine.clone(), run: RunId(run), step })
    }
}

impl Target {
    /// The run as it is now.
    async fn after(&self) -> Result<Json<RunView>> {
        Ok(Json(self.engine.run(&self.run).await?))
    }
}

/// What a person says of a step that waits.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Decide {
    approve: bool,
    by: String,
    reason: String,
}

/// 200 with the run as it is then; 409 where it is decided, or waits for nobody.
pub(super) async fn decide(at: Target, body: Result<Json<Decide>, JsonRejection>) -> Result<Json<RunView>> {
    let Decide { approve, by, reason } = said::body(body)?;
    let (by, reason) = (said::by(&by)?, said::reason(&reason)?);
    at.engine.decide(&at.run, &at.step, approve, &by, &reason).await?;
    at.after().await
}

/// 200 with the run, open again; 409 where the step has not ended badly, or what follows it is under way.
pub(super) async fn retry(at: Target, body: Result<Json<Said>, JsonRejection>) -> Result<Json<RunView>> {
    let (by, reason) = said::body(body)?.read()?;
    at.engine.retry(&at.run, &at.step, &by, &reason).await?;
    at.after().await
}

/// 200 with the run, open again; 409 where the step has not ended, or what follows it is under way.
pub(super) async fn rerun(at: Target, body: Result<Json<Said>, JsonRejection>) -> Result<Json<RunView>> {
    let (by, reason) = said::body(body)?.read()?;
    at.engine.rerun(&at.run, &at.step, &by, &reason).await?;
    at.after().await
}

/// What a person found of an effect that nobody knew of.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Resolve {
    made: bool,
    by: String,
    reason: String,
}

/// 200 with the run; 409 where no effect of the step is in doubt.
pub(super) async fn resolve(at: Target, body: Result<Json<Resolve>, JsonRejection>) -> Result<Json<RunView>> {
    let Resolve { made, by, reason } = said::body(body)?;
    let (by, reason) = (said::by(&by)?, said::reason(&reason)?);
    at.engine.resolve(&at.run, &at.step, made, &by, &reason).await?;
    at.after().await
}
