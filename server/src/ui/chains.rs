//! `/chains`: what is loaded, what starts it, what is paused and by whom; pausing and going on.

use askama::Template;
use axum::{extract::State, response::Response};
use jiff::Timestamp;
use patchline_chains::Plan;
use patchline_engine::Pause;

use super::{
    Visit, encode,
    format::{self, When},
    state::Badge,
};
use crate::{App, Result, i18n::Words};

#[derive(Template)]
#[template(path = "chains.html")]
struct Page<'a> {
    visit: &'a Visit,
    words: &'static Words,
    rows: Vec<Row>,
}

struct Row {
    name: String,
    description: String,
    badge: Badge,
    repositories: String,
    starts: String,
    steps: usize,
    loaded: bool,
    runs_href: String,
    paused: Option<Paused>,
    /// Where the form goes.
    post: String,
}

struct Paused {
    by: String,
    reason: String,
    at: When,
}

pub(super) async fn page(visit: Visit, State(app): State<App>) -> Response {
    visit.answer(build(&visit, &app).await)
}

async fn build<'a>(visit: &'a Visit, app: &App) -> Result<Page<'a>> {
    let (words, now) = (visit.words, format::now());
    let mut pauses = app.engine.pauses().await?;
    let mut rows: Vec<Row> = Vec::new();
    for plan in app.chains.iter() {
        let place = pauses.iter().position(|pause| pause.chain == plan.chain);
        let pause = place.map(|place| pauses.remove(place));
        rows.push(Row::new(&plan.chain, Some(plan), pause, now, words));
    }
    // A pause outlives the chain that it was made for.
    rows.extend(
        pauses.into_iter().map(|pause| Row::new(&pause.chain.clone(), None, Some(pause), now, words)),
    );
    Ok(Page { visit, words, rows })
}

impl Row {
    fn new(
        name: &str,
        plan: Option<&Plan>,
        pause: Option<Pause>,
        now: Timestamp,
        words: &'static Words,
    ) -> Self {
        let repositories = plan.map(|plan| plan.scope.repositories.join(", ")).unwrap_or_default();
        let what = if pause.is_some() { "resume" } else { "pause" };
        Self {
            name: name.to_owned(),
            description: plan.and_then(|plan| plan.description.clone()).unwrap_or_default(),
            badge: if pause.is_some() { Badge::paused(words) } else { Badge::in_use(words) },
            repositories: if repositories.is_empty() {
                words.all_repositories.to_owned()
            } else {
                repositories
            },
            starts: plan.map(|plan| starts(plan, words)).unwrap_or_default(),
            steps: plan.map_or(0, |plan| plan.steps.len()),
            loaded: plan.is_some(),
            runs_href: format!("/runs?chain={}", encode(name)),
            paused: pause.map(|pause| Paused {
                by: format::cut(&pause.by, 100),
                reason: format::cut(&pause.reason, 1_000),
                at: When::new(pause.at, now, words),
            }),
            post: format!("/api/v1/chains/{}/{what}", encode(name)),
        }
    }
}

fn starts(plan: &Plan, words: &'static Words) -> String {
    let mut by = Vec::new();
    if plan.on_push {
        by.push(words.by_push);
    }
    if plan.on_schedule.is_some() {
        by.push(words.by_schedule);
    }
    if plan.on_advisories.is_some() {
        by.push(words.by_advisories);
    }
    by.push(words.by_manual);
    by.join(words.comma)
}
