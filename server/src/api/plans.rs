//! `/api/v1/plans…` and `/api/v1/fixes`: what a fix would do, and doing what a person has chosen of it.

use std::time::Duration;

use axum::{
    Json,
    extract::{Path, State, rejection::JsonRejection},
    http::{StatusCode, header},
    response::{IntoResponse, Response},
};
use patchline_remediation::{Choice, Denied, Edited, Said, Selection, UpgradePolicy};
use patchline_scanner::Severity;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{diff::not_yet, said};
use crate::{
    App, Error, Result,
    bench::{Ask, locate},
    mend::{self, Mend},
};

/// As long as one answer is waited for.
const WAIT: Duration = Duration::from_secs(20);
/// Ids, packages and entries of a deny-list that one question may name, of each.
const MOST_NAMED: usize = 1_000;

/// What to plan.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Wanted {
    image: String,
    #[serde(default)]
    platform: Option<String>,
    /// From this severity up.
    #[serde(default)]
    severity: Option<Severity>,
    #[serde(default)]
    ids: Vec<String>,
    #[serde(default)]
    packages: Vec<String>,
    #[serde(default)]
    deny_packages: Vec<Denied>,
    #[serde(default)]
    policy: UpgradePolicy,
    #[serde(default)]
    executor: Choice,
    /// Packages of languages, too.
    #[serde(default)]
    languages: bool,
}

/// 202 with the plan's address: it is being made. Equal questions have one plan; asking again makes it anew.
pub(super) async fn ask(
    State(app): State<App>,
    body: Result<Json<Wanted>, JsonRejection>,
) -> Result<impl IntoResponse> {
    let wanted = said::body(body)?;
    let named = [wanted.ids.len(), wanted.packages.len(), wanted.deny_packages.len()];
    if named.into_iter().any(|count| count > MOST_NAMED) {
        return Err(Error::InvalidBody {
            status: StatusCode::UNPROCESSABLE_ENTITY,
            reason: format!("a list has more than {MOST_NAMED} entries"),
        });
    }
    let spot = locate(&app, &wanted.image, wanted.platform.as_deref()).await?;
    let image = spot.manifest.clone();
    let id = app.workbench.plan(Ask {
        spot,
        select: Selection { severity: wanted.severity, ids: wanted.ids, packages: wanted.packages },
        policy: wanted.policy,
        executor: wanted.executor,
        denied: wanted.deny_packages,
        languages: wanted.languages,
    })?;
    let location = format!("/api/v1/plans/{id}");
    let told = json!({"plan": id, "image": image, "state": "running"});
    Ok((StatusCode::ACCEPTED, [(header::LOCATION, location)], Json(told)))
}

/// 200 with what `patchline fix REF --plan --output json` writes; 202 while it is being made.
pub(super) async fn show(State(app): State<App>, Path(id): Path<String>) -> Result<Response> {
    match app.workbench.planned(&id, WAIT).await? {
        Some(draft) => Ok(Json(&*draft).into_response()),
        None => Ok(not_yet()),
    }
}

/// A plan that comes back, and whose choice it is.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Chosen {
    image: String,
    /// As [`show`] gave it, or what a person has made of it.
    plan: Value,
    #[serde(default)]
    chain: Option<String>,
    by: String,
    reason: String,
}

/// 201 with the run's address; 409 where the plan is of another image, or the chain runs over it without the plan.
pub(super) async fn start(
    State(app): State<App>,
    body: Result<Json<Chosen>, JsonRejection>,
) -> Result<impl IntoResponse> {
    let chosen = said::body(body)?;
    let said = Said { by: said::by(&chosen.by)?, reason: said::reason(&chosen.reason)? };
    let plan = Edited::read(chosen.plan.to_string().as_bytes())?;
    let mend = Mend { image: &chosen.image, plan, chain: chosen.chain.as_deref(), said, source: "api" };
    let submitted = mend::start(&app, mend).await?;
    let location = format!("/api/v1/runs/{}", submitted.run);
    Ok((StatusCode::CREATED, [(header::LOCATION, location)], Json(submitted)))
}
