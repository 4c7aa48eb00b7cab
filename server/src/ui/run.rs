//! `/runs/{id}`: the live DAG, below it the chosen step, then the notifications.

use askama::Template;
use axum::{
    extract::{Path, State},
    response::Response,
};
use jiff::Timestamp;
use patchline_chains::Plan;
use patchline_engine::{DeliveryState, Event, RunId, RunStatus, RunView, StepStatus, StepView};

use super::{
    Visit,
    dag::Direction,
    encode,
    format::{self, ShortDigest, When},
    graph::Graph,
    panel::Panel,
    paused::Banner,
    state::{Badge, trigger},
    verdict,
};
use crate::{App, Result, i18n::Words, i18n::fill, seen::ImageName};

#[derive(Template)]
#[template(path = "run.html")]
struct Page<'a> {
    visit: &'a Visit,
    words: &'static Words,
    id: String,
    badge: Badge,
    image: String,
    image_href: Option<String>,
    digest: Option<ShortDigest>,
    chain: String,
    description: Option<String>,
    trigger: &'static str,
    source: String,
    started: When,
    took: String,
    round: u32,
    parent: Option<String>,
    /// Not finished: the script listens.
    live: bool,
    /// Finished, but a notification is under way: the script looks again.
    pending: bool,
    /// What the page shows already.
    after: u64,
    reasons: Vec<String>,
    /// Its chain is paused, and it has not ended.
    paused: Option<Banner>,
    lineage: Option<Chain>,
    graphs: [Graph; 2],
    panel: Option<Panel>,
    deliveries: Vec<DeliveryRow>,
    again: Option<String>,
}

/// The original, a gold edge, the fixed image.
struct Chain {
    original: String,
    original_href: Option<String>,
    fixed: String,
    run_href: String,
    badge: Badge,
    compare: Option<String>,
    mended: bool,
}

struct DeliveryRow {
    channel: String,
    step: String,
    badge: Badge,
    reason: String,
    at: When,
}

pub(super) async fn page(visit: Visit, State(app): State<App>, Path(id): Path<String>) -> Response {
    visit.answer(build(&visit, &app, RunId(id)).await)
}

async fn build<'a>(visit: &'a Visit, app: &App, id: RunId) -> Result<Page<'a>> {
    let words = visit.words;
    // Before the run itself: what comes between is told again, never left out.
    let events = app.engine.events(&id, 0).await?;
    let run = app.engine.run(&id).await?;
    let plan = app.engine.plan(&run.plan_hash).await?;
    let child = run.steps.iter().rev().find_map(|step| step.child.clone());
    let child = match child {
        Some(child) => Some(app.engine.run(&child).await?),
        None => None,
    };
    let now = format::now();
    let mut page = Page::new(visit, words, &run, &plan, &events, child.as_ref(), now, app);
    if page.live {
        let pauses = app.engine.pauses().await?;
        page.paused =
            pauses.iter().find(|pause| pause.chain == run.chain).map(|pause| Banner::new(pause, now, words));
    }
    Ok(page)
}

impl<'a> Page<'a> {
    #[expect(clippy::too_many_arguments, reason = "what was read, once, for one page")]
    fn new(
        visit: &'a Visit,
        words: &'static Words,
        run: &RunView,
        plan: &Plan,
        events: &[Event],
        child: Option<&RunView>,
        now: Timestamp,
        app: &App,
    ) -> Self {
        let image = ImageName::of(run);
        let chosen = choose(run, visit.get("step"));
        let graph = |direction| Graph::new(run, plan, direction, chosen.map(|s| s.name.as_str()), now, visit);
        let live = run.status != RunStatus::Finished;
        let loaded = app.chains.iter().any(|plan| plan.chain == run.chain);
        Self {
            visit,
            words,
            id: run.id.0.clone(),
            badge: Badge::run(run, words),
            image_href: image.digest.as_ref().map(|digest| format!("/images/{digest}")),
            digest: image.digest.as_ref().map(|digest| ShortDigest::new(digest, words)),
            chain: run.chain.clone(),
            description: plan.description.clone(),
            trigger: trigger(run.submission.trigger.kind, words),
            source: run.submission.trigger.source.clone(),
            started: When::new(run.created_at, now, words),
            took: format::span(run.created_at, run.finished_at.unwrap_or(now)),
            round: run.round,
            parent: run.submission.parent.as_ref().map(|p| format!("/runs/{}", encode(&p.run.0))),
            live,
            pending: run.deliveries.iter().any(|d| matches!(d.state, DeliveryState::Pending { .. })),
            after: events.last().map_or(0, |event| event.seq),
            reasons: verdict::reasons(run),
            paused: None,
            lineage: child.map(|child| Chain::new(run, &image, child, words)),
            graphs: [graph(Direction::Right), graph(Direction::Down)],
            panel: chosen.map(|step| Panel::new(&run.id, step, plan.step(&step.name), events, words)),
            deliveries: deliveries(run, now, words),
            again: (!live && loaded).then(|| image.reference()),
            image: image.short(),
        }
    }
}

/// What was asked for; else what one would look at first.
fn choose<'r>(run: &'r RunView, asked: Option<&str>) -> Option<&'r StepView> {
    let with = |status: StepStatus| run.steps.iter().find(|s| s.status == status);
    asked
        .and_then(|name| run.steps.iter().find(|s| s.name == name))
        .or_else(|| with(StepStatus::Leased))
        .or_else(|| with(StepStatus::Failed))
        .or_else(|| with(StepStatus::Unknown))
        .or_else(|| with(StepStatus::Waiting))
        .or_else(|| with(StepStatus::Denied))
        .or_else(|| run.steps.iter().rev().find(|s| s.status == StepStatus::Succeeded))
        .or_else(|| run.steps.first())
}

fn deliveries(run: &RunView, now: Timestamp, words: &'static Words) -> Vec<DeliveryRow> {
    let reason = |state: &DeliveryState| match state {
        DeliveryState::Delivered => String::new(),
        DeliveryState::Failed { problem } => {
            format!("{} ({})", format::cut(&problem.message, 500), problem.code)
        }
        DeliveryState::Pending { attempts, problem } => match problem {
            Some(problem) => format!(
                "{} ({}), {}",
                format::cut(&problem.message, 500),
                problem.code,
                fill(words.attempts, attempts)
            ),
            None => String::new(),
        },
    };
    run.deliveries
        .iter()
        .map(|delivery| DeliveryRow {
            channel: delivery.message.channel.clone(),
            step: delivery.step.clone(),
            badge: Badge::delivery(&delivery.state, words),
            reason: reason(&delivery.state),
            at: When::new(delivery.at, now, words),
        })
        .collect()
}

impl Chain {
    fn new(run: &RunView, original: &ImageName, child: &RunView, words: &'static Words) -> Self {
        let fixed = ImageName::of(child);
        Self {
            original: original.short(),
            original_href: original.digest.as_ref().map(|digest| format!("/images/{digest}")),
            fixed: fixed.short(),
            run_href: format!("/runs/{}", encode(&child.id.0)),
            badge: Badge::run(child, words),
            compare: fixed.digest.as_ref().map(|digest| format!("/images/{digest}/compare")),
            mended: run.steps.iter().any(|s| s.child.is_some() && s.status == StepStatus::Succeeded),
        }
    }
}
