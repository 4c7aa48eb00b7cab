//! `/api/v1/outbox…`: messages that were given up, and sending them again.

use axum::{
    Json,
    extract::{
        Path, Query, State,
        rejection::{JsonRejection, QueryRejection},
    },
    response::IntoResponse,
};
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::json;

use super::said;
use crate::{App, Error, Result};

/// Messages on one page of the API.
const MOST: u32 = 200;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Which {
    limit: Option<u32>,
    before: Option<String>,
}

/// Messages that were given up, the last first; `next` is the `before` of the page after this.
pub(super) async fn list(
    State(app): State<App>,
    query: Result<Query<Which>, QueryRejection>,
) -> Result<impl IntoResponse> {
    let Query(query) = query.map_err(|rejection| Error::InvalidQuery(rejection.body_text()))?;
    let limit = query.limit.unwrap_or(50).clamp(1, MOST);
    let before = query.before.as_deref().map(place).transpose()?;
    let before = before.as_ref().map(|(at, id)| (*at, id.as_str()));
    let mut messages = app.engine.dead_letters(limit + 1, before).await?;
    let more = messages.len() > limit as usize;
    messages.truncate(limit as usize);
    let next =
        messages.last().filter(|_| more).map(|last| cursor(last.delivery.at, &last.delivery.message.id));
    Ok(Json(json!({"messages": messages, "next": next})))
}

/// Where a page begins.
pub(crate) fn cursor(at: Timestamp, id: &str) -> String {
    format!("{at}~{id}")
}

/// The time and the id of a cursor.
pub(crate) fn place(cursor: &str) -> Result<(Timestamp, String)> {
    let read = cursor.split_once('~').and_then(|(at, id)| Some((at.parse().ok()?, id.to_owned())));
    read.ok_or_else(|| Error::InvalidQuery("`before` is what the page before said under `next`".to_owned()))
}

/// Who sends it again.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Again {
    by: String,
}

/// 200: it is on its way again, under the same id; 409 where it was not given up.
pub(super) async fn resend(
    State(app): State<App>,
    Path(id): Path<String>,
    body: Result<Json<Again>, JsonRejection>,
) -> Result<impl IntoResponse> {
    let by = said::by(&said::body(body)?.by)?;
    app.engine.resend(&id, &by).await?;
    Ok(Json(json!({"message": id})))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_begins_where_the_one_before_ended() {
        let at = Timestamp::from_millisecond(1_700_000_000_123).unwrap();
        assert_eq!(place(&cursor(at, "run/tell~x/ops")).unwrap(), (at, "run/tell~x/ops".to_owned()));
        assert_eq!(place("yesterday").unwrap_err().code(), "invalid-query");
    }
}
