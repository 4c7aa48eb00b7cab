//! `/`: four numbers that one can click, what runs now, the latest runs.

use askama::Template;
use axum::{extract::State, response::Response};
use jiff::{SignedDuration, Timestamp};
use patchline_engine::{RunResult, RunStatus, RunView};

use super::{Visit, encode, format, paused::Banner, state::Badge, table::RunRow};
use crate::{
    App, Result,
    i18n::Words,
    seen::{self, ImageName},
};

/// Shown with their steps; the rest is a click away.
const SHOWN_NOW: usize = 8;

#[derive(Template)]
#[template(path = "overview.html")]
struct Page<'a> {
    visit: &'a Visit,
    words: &'static Words,
    numbers: [Number; 4],
    paused: Vec<Banner>,
    now: Vec<Current>,
    rows: Vec<RunRow>,
    push_target: String,
}

struct Number {
    class: &'static str,
    icon: &'static str,
    value: usize,
    word: &'static str,
    note: &'static str,
    href: &'static str,
}

/// A run under way and where its steps stand.
struct Current {
    href: String,
    image: String,
    chain: String,
    badge: Badge,
    since: String,
    steps: Vec<(String, Badge)>,
}

pub(super) async fn page(visit: Visit, State(app): State<App>) -> Response {
    visit.answer(build(&visit, &app).await)
}

async fn build<'a>(visit: &'a Visit, app: &App) -> Result<Page<'a>> {
    let words = visit.words;
    let now = format::now();
    let query = seen::RunQuery { limit: 2_000, ..seen::RunQuery::default() };
    let (runs, _) = seen::runs(&app.engine, &query).await?;
    let mut current = Vec::new();
    for run in runs.iter().filter(|run| run.status != RunStatus::Finished).take(SHOWN_NOW) {
        current.push(Current::new(&app.engine.run(&run.id).await?, now, words));
    }
    let rows = runs.iter().take(10).map(|run| RunRow::new(run, now, words)).collect();
    let pauses = app.engine.pauses().await?;
    let paused = pauses.iter().take(SHOWN_NOW).map(|pause| Banner::new(pause, now, words)).collect();
    let push_target = format!("{}/…", app.embedded);
    Ok(Page { visit, words, numbers: numbers(&runs, now, words), paused, now: current, rows, push_target })
}

fn numbers(runs: &[RunView], now: Timestamp, words: &'static Words) -> [Number; 4] {
    let week = now.checked_sub(SignedDuration::from_hours(24 * 7)).unwrap_or(Timestamp::MIN);
    let ended = |result: RunResult| {
        runs.iter().filter(|r| r.result == Some(result) && r.finished_at.is_some_and(|at| at >= week)).count()
    };
    let mut images = std::collections::HashSet::new();
    let denied = runs
        .iter()
        .filter(|r| images.insert(&r.submission.subject.identity) && r.result == Some(RunResult::Denied))
        .count();
    let active = runs.iter().filter(|r| r.status != RunStatus::Finished).count();
    let icon = |result| Badge::result(result, words).icon;
    [
        Number {
            class: "denied",
            icon: icon(RunResult::Denied),
            value: denied,
            word: words.denied_now,
            note: words.denied_now_note,
            href: "/images?state=denied",
        },
        Number {
            class: "remediated",
            icon: icon(RunResult::Remediated),
            value: ended(RunResult::Remediated),
            word: words.mended_week,
            note: words.mended_week_note,
            href: "/runs?state=remediated",
        },
        Number {
            class: "running",
            icon: super::icons::HOURGLASS,
            value: active,
            word: words.under_way,
            note: words.under_way_note,
            href: "/runs?state=active",
        },
        Number {
            class: "failed",
            icon: icon(RunResult::Failed),
            value: ended(RunResult::Failed),
            word: words.failed_week,
            note: words.failed_week_note,
            href: "/runs?state=failed",
        },
    ]
}

impl Current {
    fn new(run: &RunView, now: Timestamp, words: &'static Words) -> Self {
        Self {
            href: format!("/runs/{}", encode(&run.id.0)),
            image: ImageName::of(run).short(),
            chain: run.chain.clone(),
            badge: Badge::run(run, words),
            since: format::span(run.created_at, now),
            steps: run.steps.iter().map(|step| (step.name.clone(), Badge::step(step, words))).collect(),
        }
    }
}
