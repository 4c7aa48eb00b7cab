//! `/api/v1/runs`: listing, showing, starting, stopping, deciding.

use axum::{
    Json,
    extract::{
        Path, Query, State,
        rejection::{JsonRejection, QueryRejection},
    },
    http::{StatusCode, header},
    response::IntoResponse,
};
use patchline_engine::RunId;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::{
    App, Error, Result,
    seen::{self, RunQuery, StateFilter},
    triggers::start,
};

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ListQuery {
    chain: Option<String>,
    subject: Option<String>,
    /// `active`, a status or a result.
    state: Option<String>,
    status: Option<String>,
    result: Option<String>,
    limit: Option<usize>,
    before: Option<String>,
}

pub(super) async fn list(
    State(app): State<App>,
    query: Result<Query<ListQuery>, QueryRejection>,
) -> Result<impl IntoResponse> {
    let Query(query) = query.map_err(|rejection| Error::InvalidQuery(rejection.body_text()))?;
    let word = query.state.or(query.status).or(query.result);
    let state = match word {
        None => None,
        Some(word) => Some(StateFilter::parse(&word).ok_or_else(|| {
            Error::InvalidQuery(format!(
                "`{}` is no state of a run",
                word.chars().take(50).collect::<String>()
            ))
        })?),
    };
    let query = RunQuery {
        chain: query.chain,
        subject: query.subject,
        state,
        limit: query.limit.unwrap_or(50).clamp(1, 500),
        before: query.before.map(RunId),
    };
    let (runs, next) = seen::runs(&app.engine, &query).await?;
    Ok(Json(json!({"runs": runs, "next": next})))
}

pub(super) async fn show(State(app): State<App>, Path(id): Path<String>) -> Result<impl IntoResponse> {
    Ok(Json(app.engine.run(&RunId(id)).await?))
}

/// The pinned plan, as far as it draws: steps, needs, layers from left to right.
pub(super) async fn plan(State(app): State<App>, Path(id): Path<String>) -> Result<impl IntoResponse> {
    let run = app.engine.run(&RunId(id)).await?;
    let plan = app.engine.plan(&run.plan_hash).await?;
    let names = |layer: Vec<usize>| -> Vec<String> {
        layer.into_iter().filter_map(|i| plan.steps.get(i).map(|s| s.name.clone())).collect()
    };
    Ok(Json(json!({
        "chain": plan.chain,
        "plan_hash": run.plan_hash,
        "description": plan.description,
        "layers": plan.layers().into_iter().map(names).collect::<Vec<_>>(),
        "steps": plan.steps,
    })))
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Start {
    chain: String,
    image: String,
    #[serde(default)]
    params: Map<String, Value>,
}

/// 201 with the run's address; 200 where it was there already.
pub(super) async fn start(
    State(app): State<App>,
    body: Result<Json<Start>, JsonRejection>,
) -> Result<impl IntoResponse> {
    let body = super::said::body(body)?;
    let submitted = start::start(&app, "api", &body.chain, &body.image, body.params).await?;
    let status = if submitted.new { StatusCode::CREATED } else { StatusCode::OK };
    let location = format!("/api/v1/runs/{}", submitted.run);
    Ok((status, [(header::LOCATION, location)], Json(submitted)))
}
