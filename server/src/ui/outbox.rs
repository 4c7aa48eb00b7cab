//! `/outbox`: messages that were given up, why, and sending them again.

use askama::Template;
use axum::{extract::State, response::Response};
use jiff::Timestamp;
use patchline_engine::{DeliveryState, store::DeadLetter};

use super::{
    Visit, encode,
    format::{self, When},
};
use crate::{
    App, Result,
    api::outbox::{cursor, place},
    i18n::Words,
};

/// Messages on one page.
const PAGE: u32 = 50;

#[derive(Template)]
#[template(path = "outbox.html")]
struct Page<'a> {
    visit: &'a Visit,
    words: &'static Words,
    rows: Vec<Row>,
    older: Option<String>,
    newest: Option<String>,
}

struct Row {
    channel: String,
    step: String,
    run: String,
    run_href: String,
    reason: String,
    attempts: u32,
    at: When,
    /// Where the form goes.
    post: String,
}

pub(super) async fn page(visit: Visit, State(app): State<App>) -> Response {
    visit.answer(build(&visit, &app).await)
}

async fn build<'a>(visit: &'a Visit, app: &App) -> Result<Page<'a>> {
    let (words, now) = (visit.words, format::now());
    let before = visit.get("before").map(place).transpose()?;
    let from = before.as_ref().map(|(at, id)| (*at, id.as_str()));
    let mut letters = app.engine.dead_letters(PAGE + 1, from).await?;
    let more = letters.len() > PAGE as usize;
    letters.truncate(PAGE as usize);
    let last = letters.last().filter(|_| more).map(|l| cursor(l.delivery.at, &l.delivery.message.id));
    Ok(Page {
        visit,
        words,
        rows: letters.iter().map(|letter| Row::new(letter, now, words)).collect(),
        older: last.map(|last| visit.with("before", Some(&last))),
        newest: before.map(|_| visit.with("before", None)),
    })
}

impl Row {
    fn new(letter: &DeadLetter, now: Timestamp, words: &'static Words) -> Self {
        let delivery = &letter.delivery;
        let reason = match &delivery.state {
            DeliveryState::Failed { problem } => {
                format!("{} ({})", format::cut(&problem.message, 500), problem.code)
            }
            _ => String::new(),
        };
        Self {
            channel: delivery.message.channel.clone(),
            step: delivery.step.clone(),
            run: letter.run.0.clone(),
            run_href: format!("/runs/{}", encode(&letter.run.0)),
            reason,
            attempts: letter.attempts,
            at: When::new(delivery.at, now, words),
            post: format!("/api/v1/outbox/{}/resend", encode(&delivery.message.id)),
        }
    }
}
