//! `/api/v1/images`: what the runs were about, what is in it, what is wrong with it, what was made of it.

use axum::{
    Json,
    extract::{Path, Query, State, rejection::QueryRejection},
    response::IntoResponse,
};
use serde::Deserialize;
use serde_json::json;

use super::digest;
use crate::{App, Error, Result, evidence, seen};

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ListQuery {
    /// A part of `registry/repository:tag@digest`.
    subject: Option<String>,
}

pub(super) async fn list(
    State(app): State<App>,
    query: Result<Query<ListQuery>, QueryRejection>,
) -> Result<impl IntoResponse> {
    let Query(query) = query.map_err(|rejection| Error::InvalidQuery(rejection.body_text()))?;
    let images: Vec<_> = seen::images(&app.engine, query.subject.as_deref())
        .await?
        .into_iter()
        .map(|image| {
            json!({
                "image": image.name,
                "runs": image.runs,
                "newest": {
                    "run": image.newest.id,
                    "chain": image.newest.chain,
                    "status": image.newest.status,
                    "result": image.newest.result,
                    "created_at": image.newest.created_at,
                },
            })
        })
        .collect();
    Ok(Json(json!({ "images": images })))
}

/// Inventory summary and newest report of every platform.
pub(super) async fn show(State(app): State<App>, Path(text): Path<String>) -> Result<impl IntoResponse> {
    let digest = digest(&text)?;
    let runs = seen::runs_of(&app.engine, &digest).await?;
    let name = runs.first().map(seen::ImageName::of);
    let parts = evidence::parts(&app, &digest, name.as_ref()).await?;
    if runs.is_empty() && parts.is_empty() {
        return Err(Error::NoSuchImage(digest));
    }
    let parts: Vec<_> = parts
        .iter()
        .map(|part| {
            json!({
                "manifest": part.manifest,
                "platform": part.platform(),
                "distro": part.inventory.as_ref().and_then(|i| i.distro.clone()),
                "database": part.inventory.as_ref().and_then(|i| i.database.clone()),
                "packages": part.inventory.as_ref().map(|i| i.packages.len()),
                "layers": part.inventory.as_ref().map(|i| i.layers.len()),
                "report": part.report.as_ref().map(|(id, report)| json!({
                    "id": id,
                    "counts": report.counts(),
                    "worst": report.worst(),
                    "completeness": report.completeness,
                    "advisory_revision": report.advisory_revision,
                })),
            })
        })
        .collect();
    let newest =
        runs.first().map(|r| json!({"run": r.id, "chain": r.chain, "status": r.status, "result": r.result}));
    Ok(Json(json!({"digest": digest, "image": name, "newest": newest, "platforms": parts})))
}

pub(super) async fn findings(State(app): State<App>, Path(text): Path<String>) -> Result<impl IntoResponse> {
    let digest = digest(&text)?;
    let name = seen::runs_of(&app.engine, &digest).await?.first().map(seen::ImageName::of);
    let parts = evidence::parts(&app, &digest, name.as_ref()).await?;
    if parts.iter().all(|part| part.report.is_none()) {
        return Err(Error::NoSuchImage(digest));
    }
    let platforms: Vec<_> = parts
        .iter()
        .map(|part| json!({"manifest": part.manifest, "platform": part.platform(), "findings": part.findings()}))
        .collect();
    Ok(Json(json!({"digest": digest, "platforms": platforms})))
}

/// Which original it was made from by which plan, and what was made from it.
pub(super) async fn fix(State(app): State<App>, Path(text): Path<String>) -> Result<impl IntoResponse> {
    let digest = digest(&text)?;
    let lineage = evidence::lineage(&app, &digest).await?;
    let fixes: Vec<_> =
        lineage.fixes.iter().map(|(fixed, plan)| json!({"fixed": fixed, "plan": plan})).collect();
    let made_by = lineage.made_by.map(|(origin, plan)| json!({"origin": origin, "plan": plan}));
    Ok(Json(json!({"digest": digest, "made_by": made_by, "fixes": fixes})))
}
