//! From a path to what is asked: repository names have slashes, so that no router of patterns fits.

use std::sync::Arc;

use axum::{
    Router,
    extract::{Path, Request, State},
    response::{IntoResponse, Response},
    routing::any,
};
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};

use super::{
    Inner, blobs,
    failure::{Answer, Failure},
    lists, manifests, uploads,
};
use crate::{Digest, reference::is_repository};

const VERSION: HeaderName = HeaderName::from_static("docker-distribution-api-version");

pub(super) fn router(inner: Arc<Inner>) -> Router {
    Router::new()
        .route("/v2", any(base))
        .route("/v2/", any(base))
        .route("/v2/{*path}", any(dispatch))
        .with_state(inner)
}

/// What the path names.
#[derive(Debug, PartialEq, Eq)]
enum Route<'a> {
    Catalog,
    Tags(&'a str),
    Referrers(&'a str, &'a str),
    Manifest(&'a str, &'a str),
    Blob(&'a str, &'a str),
    Uploads(&'a str),
    Upload(&'a str, &'a str),
}

/// What every handler needs of a request, but its body.
pub(super) struct Asked {
    pub(super) inner: Arc<Inner>,
    pub(super) name: String,
    pub(super) headers: HeaderMap,
    pub(super) query: Vec<(String, String)>,
}

impl Asked {
    pub(super) fn query(&self, key: &str) -> Option<&str> {
        self.query.iter().find(|(k, _)| k == key).map(|(_, v)| v.as_str())
    }

    pub(super) fn header(&self, name: impl http::header::AsHeaderName) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }
}

async fn base(method: Method) -> Response {
    let answer = match method {
        Method::GET | Method::HEAD => axum::Json(serde_json::json!({})).into_response(),
        _ => not_allowed().into_response(),
    };
    versioned(answer)
}

async fn dispatch(State(inner): State<Arc<Inner>>, Path(path): Path<String>, request: Request) -> Response {
    let answer = match parse(&path) {
        Some(route) => Box::pin(answer(inner, route, request)).await,
        None => Err(Failure::unknown("UNSUPPORTED", "no such path")),
    };
    versioned(answer.unwrap_or_else(IntoResponse::into_response))
}

fn versioned(mut response: Response) -> Response {
    response.headers_mut().insert(VERSION, HeaderValue::from_static("registry/2.0"));
    response
}

fn not_allowed() -> Failure {
    Failure::new(StatusCode::METHOD_NOT_ALLOWED, "UNSUPPORTED", "not with this method")
}

async fn answer(inner: Arc<Inner>, route: Route<'_>, request: Request) -> Answer {
    let name = match &route {
        Route::Catalog => "",
        Route::Tags(name)
        | Route::Uploads(name)
        | Route::Referrers(name, _)
        | Route::Manifest(name, _)
        | Route::Blob(name, _)
        | Route::Upload(name, _) => name,
    };
    if !name.is_empty() && !is_repository(name) || name.is_empty() && route != Route::Catalog {
        return Err(Failure::invalid("NAME_INVALID", "no name for a repository"));
    }
    let (parts, body) = request.into_parts();
    let query = url::form_urlencoded::parse(parts.uri.query().unwrap_or_default().as_bytes());
    let asked = Asked {
        inner,
        name: name.to_owned(),
        headers: parts.headers,
        query: query.into_owned().take(16).collect(),
    };
    let is_get = parts.method == Method::GET;
    match (route, parts.method) {
        (Route::Catalog, Method::GET) => lists::catalog(asked).await,
        (Route::Tags(_), Method::GET) => lists::tags(asked).await,
        (Route::Referrers(_, digest), Method::GET) => lists::referrers(asked, parse_digest(digest)?).await,
        (Route::Manifest(_, reference), Method::GET | Method::HEAD) => manifests::get(asked, reference).await,
        (Route::Manifest(_, reference), Method::PUT) => manifests::put(asked, reference, body).await,
        (Route::Manifest(_, reference), Method::DELETE) => manifests::delete(asked, reference).await,
        (Route::Blob(_, digest), Method::GET | Method::HEAD) => {
            blobs::get(asked, parse_digest(digest)?, is_get).await
        }
        (Route::Blob(_, digest), Method::DELETE) => blobs::delete(asked, parse_digest(digest)?).await,
        (Route::Uploads(_), Method::POST) => uploads::start(asked, body).await,
        (Route::Upload(_, id), Method::GET) => uploads::status(asked, id).await,
        (Route::Upload(_, id), Method::PATCH) => uploads::patch(asked, id, body).await,
        (Route::Upload(_, id), Method::PUT) => uploads::put(asked, id, body).await,
        (Route::Upload(_, id), Method::DELETE) => uploads::cancel(asked, id).await,
        _ => Err(not_allowed()),
    }
}

pub(super) fn parse_digest(text: &str) -> Result<Digest, Failure> {
    text.parse().map_err(|_| Failure::invalid("DIGEST_INVALID", "only sha256 digests are kept here"))
}

fn parse(path: &str) -> Option<Route<'_>> {
    if path == "_catalog" {
        return Some(Route::Catalog);
    }
    if let Some(name) = path.strip_suffix("/tags/list") {
        return Some(Route::Tags(name));
    }
    if let Some(name) = path.strip_suffix("/blobs/uploads/").or_else(|| path.strip_suffix("/blobs/uploads")) {
        return Some(Route::Uploads(name));
    }
    let (before, last) = path.rsplit_once('/')?;
    let (name, kind) = before.rsplit_once('/')?;
    match kind {
        "manifests" => Some(Route::Manifest(name, last)),
        "referrers" => Some(Route::Referrers(name, last)),
        "blobs" => Some(Route::Blob(name, last)),
        "uploads" => name.strip_suffix("/blobs").map(|name| Route::Upload(name, last)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_may_hold_the_words_of_the_api() {
        assert_eq!(parse("a/b/manifests/v1"), Some(Route::Manifest("a/b", "v1")));
        assert_eq!(parse("manifests/manifests/manifests"), Some(Route::Manifest("manifests", "manifests")));
        assert_eq!(parse("a/tags/tags/list"), Some(Route::Tags("a/tags")));
        assert_eq!(parse("a/blobs/uploads/"), Some(Route::Uploads("a")));
        assert_eq!(parse("a/blobs/blobs/uploads/x"), Some(Route::Upload("a/blobs", "x")));
        assert_eq!(parse("a/blobs/sha256:1"), Some(Route::Blob("a", "sha256:1")));
        assert_eq!(parse("_catalog"), Some(Route::Catalog));
        for none in ["", "a", "a/b", "a/b/c", "/tags", "uploads/x"] {
            assert_eq!(parse(none), None, "{none}");
        }
    }
}
