//! `/api/v1/chains…`: what can be started, what is paused.

use axum::{
    Json,
    extract::{Path, State, rejection::JsonRejection},
    response::IntoResponse,
};
use patchline_engine::RunFilter;
use serde_json::json;

use super::said::{self, Said};
use crate::{App, Error, Result};

/// The chains that can be started, with their scope and steps, and who paused them; then those that are paused
/// without being loaded.
pub(super) async fn list(State(app): State<App>) -> Result<impl IntoResponse> {
    let mut pauses = app.engine.pauses().await?;
    let chains: Vec<_> = app
        .chains
        .iter()
        .map(|plan| {
            let place = pauses.iter().position(|pause| pause.chain == plan.chain);
            json!({
                "chain": plan.chain,
                "description": plan.description,
                "plan_hash": plan.hash(),
                "scope": plan.scope,
                "on_push": plan.on_push,
                "params": plan.params,
                "paused": place.map(|place| pauses.remove(place)),
                "steps": plan.steps.iter().map(|s| json!({"name": s.name, "uses": s.uses, "needs": s.needs})).collect::<Vec<_>>(),
            })
        })
        .collect();
    Ok(Json(json!({ "chains": chains, "paused_elsewhere": pauses })))
}

/// What starts by itself, by chain: when next, and how it went last.
pub(super) async fn schedules(State(app): State<App>) -> Result<impl IntoResponse> {
    Ok(Json(json!({"schedules": app.engine.schedules().await?})))
}

/// 200 with the chain's name: none of its steps starts until it goes on. A pause that is there already stays as it is.
pub(super) async fn pause(
    State(app): State<App>,
    Path(name): Path<String>,
    body: Result<Json<Said>, JsonRejection>,
) -> Result<impl IntoResponse> {
    let (by, reason) = said::body(body)?.read()?;
    known(&app, &name).await?;
    app.engine.pause(&name, &by, &reason).await?;
    Ok(Json(json!({"chain": name, "paused": true})))
}

/// 200 with the chain's name: what waited starts.
pub(super) async fn resume(
    State(app): State<App>,
    Path(name): Path<String>,
    body: Result<Json<Said>, JsonRejection>,
) -> Result<impl IntoResponse> {
    let (by, reason) = said::body(body)?.read()?;
    // A pause outlives the chain that it was made for.
    if !app.engine.pauses().await?.iter().any(|pause| pause.chain == name) {
        known(&app, &name).await?;
    }
    app.engine.resume(&name).await?;
    tracing::info!(chain = name, by, reason, "a chain goes on");
    Ok(Json(json!({"chain": name, "paused": false})))
}

/// A chain that is loaded here, or had a run.
async fn known(app: &App, name: &str) -> Result<()> {
    let loaded = app.chains.iter().any(|plan| plan.chain == name);
    let filter = RunFilter { chain: Some(name.to_owned()), limit: 1, ..RunFilter::default() };
    if loaded || !app.engine.runs(&filter).await?.is_empty() {
        return Ok(());
    }
    Err(Error::NoSuchChain {
        name: name.chars().take(100).collect(),
        known: app.chains.iter().map(|plan| plan.chain.clone()).collect(),
    })
}
