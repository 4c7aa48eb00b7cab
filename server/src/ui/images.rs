//! `/images`: every image that a chain has handled, with its last verdict.

use askama::Template;
use axum::{extract::State, response::Response};

use super::{
    Visit,
    format::{self, ShortDigest, When},
    state::Badge,
};
use crate::{
    App, Error, Result,
    i18n::Words,
    seen::{self, SeenImage, StateFilter},
};

/// Images on the page; a search narrows them.
const PAGE: usize = 200;

#[derive(Template)]
#[template(path = "images.html")]
struct Page<'a> {
    visit: &'a Visit,
    words: &'static Words,
    rows: Vec<Row>,
    states: Vec<(&'static str, &'static str, bool)>,
    search: String,
    filtered: bool,
    push_target: String,
}

struct Row {
    href: String,
    image: String,
    registry: String,
    digest: Option<ShortDigest>,
    badge: Badge,
    mended: bool,
    chain: String,
    run_href: String,
    at: When,
    runs: usize,
}

pub(super) async fn page(visit: Visit, State(app): State<App>) -> Response {
    visit.answer(build(&visit, &app).await)
}

async fn build<'a>(visit: &'a Visit, app: &App) -> Result<Page<'a>> {
    let words = visit.words;
    let search = visit.get("q").map(str::trim);
    let state = visit.get("state");
    let wanted = match state {
        None => None,
        Some(word) => Some(
            StateFilter::parse(word)
                .ok_or_else(|| Error::InvalidQuery(format!("`{}` is no state", format::cut(word, 50))))?,
        ),
    };
    let now = format::now();
    let images = seen::images(&app.engine, search).await?;
    let row = |image: &SeenImage| {
        let digest = image.name.digest.as_ref()?;
        Some(Row {
            href: format!("/images/{digest}"),
            image: image.name.short(),
            registry: image.name.registry.clone(),
            digest: Some(ShortDigest::new(digest, words)),
            badge: Badge::run(&image.newest, words),
            mended: image.name.is_fixed(),
            chain: image.newest.chain.clone(),
            run_href: format!("/runs/{}", super::encode(&image.newest.id.0)),
            at: When::new(image.newest.created_at, now, words),
            runs: image.runs,
        })
    };
    let rows = images
        .iter()
        .filter(|image| wanted.is_none_or(|state| state.holds(&image.newest)))
        .filter_map(row)
        .take(PAGE)
        .collect();
    Ok(Page {
        visit,
        words,
        rows,
        states: super::runs::states(words)
            .into_iter()
            .map(|(value, word)| (value, word, state == Some(value)))
            .collect(),
        search: search.unwrap_or_default().to_owned(),
        filtered: search.is_some() || state.is_some(),
        push_target: format!("{}/…", app.embedded),
    })
}
