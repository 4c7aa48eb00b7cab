//! The web pages: what a visitor asked for, and each page under its own file.

mod assets;
mod chains;
mod compare;
mod dag;
mod form;
mod format;
mod graph;
mod icons;
mod image;
mod images;
mod outbox;
mod overview;
mod panel;
mod paused;
mod plan;
mod run;
mod runs;
mod schedules;
mod state;
mod table;
mod verdict;
mod weigh;

use std::convert::Infallible;

use askama::Template;
use axum::{
    Router,
    extract::{DefaultBodyLimit, FromRequestParts},
    http::{HeaderValue, StatusCode, header, request::Parts},
    response::{Html, IntoResponse, Response},
    routing::get,
};
use url::form_urlencoded;

use crate::{
    App, Error,
    i18n::{Lang, Words},
};

/// A form with a tick for each upgrade of a long plan.
const LONGEST_CHOICE: usize = 4 << 20;

/// Every page and asset.
pub(crate) fn router() -> Router<App> {
    Router::new()
        .route("/", get(overview::page))
        .route("/runs", get(runs::page))
        .route("/runs/{id}", get(run::page))
        .route("/images", get(images::page))
        .route("/images/{digest}", get(image::page))
        .route("/images/{digest}/compare", get(compare::page))
        .route("/images/{digest}/plans", get(plan::back).post(plan::ask))
        .route("/images/{digest}/plans/{id}", get(plan::page))
        .route(
            "/images/{digest}/plans/{id}/mend",
            get(plan::back_to_plan).post(plan::mend).layer(DefaultBodyLimit::max(LONGEST_CHOICE)),
        )
        .route("/chains", get(chains::page))
        .route("/schedules", get(schedules::page))
        .route("/outbox", get(outbox::page))
        .route("/assets/{name}", get(assets::serve))
}

/// What every page is told of the request.
#[derive(Debug, Clone)]
pub(crate) struct Visit {
    pub(crate) lang: Lang,
    pub(crate) words: &'static Words,
    pub(crate) path: String,
    query: Vec<(String, String)>,
    /// The language was named in the address: it is remembered.
    chosen: bool,
}

impl Visit {
    /// A query parameter; empty ones count as not given.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.query
            .iter()
            .find(|(key, value)| key == name && !value.is_empty())
            .map(|(_, value)| value.as_str())
    }
    /// This address with one parameter set, or taken away.
    pub(crate) fn with(&self, name: &str, value: Option<&str>) -> String {
        let mut query = form_urlencoded::Serializer::new(String::new());
        for (key, old) in self.query.iter().filter(|(key, _)| key != name && key != "lang") {
            query.append_pair(key, old);
        }
        if let Some(value) = value {
            query.append_pair(name, value);
        }
        let query = query.finish();
        if query.is_empty() { self.path.clone() } else { format!("{}?{query}", self.path) }
    }
    /// The address of this page in the other language.
    pub(crate) fn other_language(&self) -> String {
        self.with("lang", Some(self.lang.other().code()))
    }
    /// Whether this page stands under a navigation entry.
    pub(crate) fn under(&self, prefix: &str) -> bool {
        if prefix == "/" { self.path == "/" } else { self.path.starts_with(prefix) }
    }
    /// Renders a page; a page that is not there is a failure page with its reason.
    pub(crate) fn answer<P: Template>(&self, page: crate::Result<P>) -> Response {
        let (status, html) = match page.and_then(|page| Ok(page.render()?)) {
            Ok(html) => (StatusCode::OK, html),
            Err(error) => self.failure(&error),
        };
        let mut response = (status, Html(html)).into_response();
        if self.chosen {
            let cookie = match self.lang {
                Lang::En => "lang=en; Path=/; Max-Age=31536000; SameSite=Lax",
                Lang::Zh => "lang=zh; Path=/; Max-Age=31536000; SameSite=Lax",
            };
            response.headers_mut().insert(header::SET_COOKIE, HeaderValue::from_static(cookie));
        }
        response
    }
    fn failure(&self, error: &Error) -> (StatusCode, String) {
        error.log();
        let page = Failure {
            visit: self,
            words: self.words,
            code: error.code(),
            message: error.message(),
            hint: error.hint(),
        };
        let html = page.render().unwrap_or_else(|_| error.code().to_owned());
        (error.status(), html)
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Visit {
    type Rejection = Infallible;
    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        let uri = &parts.uri;
        let query: Vec<(String, String)> = form_urlencoded::parse(uri.query().unwrap_or_default().as_bytes())
            .into_owned()
            .take(50)
            .collect();
        let named = query.iter().find(|(key, _)| key == "lang").and_then(|(_, value)| Lang::parse(value));
        let lang = named.unwrap_or_else(|| Lang::of(&parts.headers));
        Ok(Self { lang, words: lang.words(), path: uri.path().to_owned(), query, chosen: named.is_some() })
    }
}

#[derive(Template)]
#[template(path = "failure.html")]
struct Failure<'a> {
    visit: &'a Visit,
    words: &'static Words,
    code: &'static str,
    message: String,
    hint: Option<String>,
}

/// Addresses that are none.
pub(crate) async fn not_found(visit: Visit) -> Response {
    visit.answer::<Failure<'_>>(Err(Error::NoSuchPage(visit.path.chars().take(200).collect())))
}

/// A text as one segment of a path, or the value of a query parameter.
pub(crate) fn encode(text: &str) -> String {
    // `+` means a blank in queries alone; `%20` means it in both.
    form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>().replace('+', "%20")
}
