//! `/runs`: every run, the filter in the address.

use askama::Template;
use axum::{extract::State, response::Response};
use patchline_engine::RunId;

use super::{Visit, format, table::RunRow};
use crate::{
    App, Error, Result,
    i18n::Words,
    seen::{self, RunQuery, StateFilter},
};

/// Runs on one page.
const PAGE: usize = 50;

#[derive(Template)]
#[template(path = "runs.html")]
struct Page<'a> {
    visit: &'a Visit,
    words: &'static Words,
    rows: Vec<RunRow>,
    /// (value, word, chosen).
    states: Vec<(&'static str, &'static str, bool)>,
    /// (name, chosen).
    chains: Vec<(String, bool)>,
    search: String,
    filtered: bool,
    older: Option<String>,
    newest: Option<String>,
    push_target: String,
}

pub(super) async fn page(visit: Visit, State(app): State<App>) -> Response {
    visit.answer(build(&visit, &app).await)
}

async fn build<'a>(visit: &'a Visit, app: &App) -> Result<Page<'a>> {
    let words = visit.words;
    let state = visit.get("state");
    let query = RunQuery {
        chain: visit.get("chain").map(str::to_owned),
        subject: visit.get("q").map(|text| text.trim().to_owned()),
        state: state.map(parse).transpose()?,
        limit: PAGE,
        before: visit.get("before").map(|id| RunId(id.to_owned())),
    };
    let (runs, next) = seen::runs(&app.engine, &query).await?;
    let now = format::now();
    let mut chains: Vec<String> = app.chains.iter().map(|plan| plan.chain.clone()).collect();
    // A chain that is no longer loaded still has its runs.
    chains.extend(query.chain.clone().filter(|name| !chains.contains(name)));
    Ok(Page {
        visit,
        words,
        rows: runs.iter().map(|run| RunRow::new(run, now, words)).collect(),
        states: states(words).into_iter().map(|(value, word)| (value, word, state == Some(value))).collect(),
        chains: chains.into_iter().map(|name| (name.clone(), query.chain.as_ref() == Some(&name))).collect(),
        search: query.subject.clone().unwrap_or_default(),
        filtered: query.chain.is_some() || query.subject.is_some() || query.state.is_some(),
        older: next.map(|id| visit.with("before", Some(&id.0))),
        newest: query.before.map(|_| visit.with("before", None)),
        push_target: format!("{}/…", app.embedded),
    })
}

fn parse(word: &str) -> Result<StateFilter> {
    StateFilter::parse(word)
        .ok_or_else(|| Error::InvalidQuery(format!("`{}` is no state of a run", format::cut(word, 50))))
}

/// In the order in which one looks for them.
pub(super) fn states(words: &'static Words) -> [(&'static str, &'static str); 9] {
    [
        ("active", words.active),
        ("denied", words.denied),
        ("remediated", words.remediated),
        ("failed", words.failed),
        ("passed", words.passed),
        ("cancelled", words.cancelled),
        ("queued", words.queued),
        ("running", words.running),
        ("waiting", words.waiting),
    ]
}
