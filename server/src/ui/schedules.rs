//! `/schedules`: chains that start by themselves, when next, and how it went last.

use askama::Template;
use axum::{extract::State, response::Response};
use jiff::Timestamp;
use patchline_engine::schedule::{Cause, Firing, ScheduleView};

use super::{
    Visit, encode,
    format::{self, When},
    state::Badge,
};
use crate::{
    App, Result,
    i18n::{Words, fill},
};

#[derive(Template)]
#[template(path = "schedules.html")]
struct Page<'a> {
    visit: &'a Visit,
    words: &'static Words,
    rows: Vec<Row>,
}

struct Row {
    chain: String,
    href: String,
    cause: &'static str,
    cron: Option<String>,
    zone: Option<String>,
    next: Option<When>,
    last: Option<Last>,
    paused: bool,
}

/// How it went last.
struct Last {
    badge: Badge,
    due: When,
    /// `3 started, 1 under way already`.
    counts: String,
    problem: Option<String>,
}

pub(super) async fn page(visit: Visit, State(app): State<App>) -> Response {
    visit.answer(build(&visit, &app).await)
}

async fn build<'a>(visit: &'a Visit, app: &App) -> Result<Page<'a>> {
    let (words, now) = (visit.words, format::now());
    let pauses = app.engine.pauses().await?;
    let row = |view: ScheduleView| {
        let paused = pauses.iter().any(|pause| pause.chain == view.chain);
        Row::new(view, paused, now, words)
    };
    let rows = app.engine.schedules().await?.into_iter().map(row).collect();
    Ok(Page { visit, words, rows })
}

impl Row {
    fn new(view: ScheduleView, paused: bool, now: Timestamp, words: &'static Words) -> Self {
        Self {
            href: format!("/runs?chain={}", encode(&view.chain)),
            chain: view.chain,
            cause: match view.cause {
                Cause::Schedule => words.by_schedule,
                Cause::Advisories => words.by_advisories,
            },
            cron: view.cron,
            zone: view.zone,
            next: view.next.map(|at| When::coming(at, now, words)),
            last: view.last.map(|firing| Last::new(&firing, now, words)),
            paused,
        }
    }
}

impl Last {
    fn new(firing: &Firing, now: Timestamp, words: &'static Words) -> Self {
        let counts = &firing.counts;
        let parts = [
            (counts.started, words.fired_started),
            (counts.present, words.fired_present),
            (counts.left_out, words.fired_left_out),
            (counts.failed, words.fired_failed),
        ];
        let said: Vec<String> =
            parts.iter().filter(|(count, _)| *count > 0).map(|(count, word)| fill(word, count)).collect();
        Self {
            badge: Badge::firing(firing.state, words),
            due: When::new(firing.due, now, words),
            counts: said.join(words.comma),
            problem: firing
                .problem
                .as_ref()
                .map(|problem| format!("{} ({})", format::cut(&problem.message, 500), problem.code)),
        }
    }
}
