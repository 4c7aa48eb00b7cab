//! The style sheet, the script and the icon: in the binary, nothing from another host.

use std::sync::LazyLock;

use axum::{
    extract::Path,
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
};
use patchline_registry::Digest;

/// (name, media type, content).
const ASSETS: [(&str, &str, &str); 3] = [
    ("app.css", "text/css; charset=utf-8", include_str!("../../assets/app.css")),
    ("app.js", "text/javascript; charset=utf-8", include_str!("../../assets/app.js")),
    ("icon.svg", "image/svg+xml", include_str!("../../assets/icon.svg")),
];

/// Of each asset, so that a browser asks again without fetching again.
static TAGS: LazyLock<[String; 3]> =
    LazyLock::new(|| ASSETS.map(|(_, _, content)| format!("\"{}\"", Digest::of(content.as_bytes()).short())));

/// `/assets/{name}`.
pub(super) async fn serve(Path(name): Path<String>, headers: HeaderMap) -> Response {
    let Some(place) = ASSETS.iter().position(|(known, _, _)| *known == name) else {
        return StatusCode::NOT_FOUND.into_response();
    };
    let (_, media, content) = ASSETS[place];
    let tag = &TAGS[place];
    let fixed = [(header::ETAG, tag.as_str()), (header::CACHE_CONTROL, "no-cache")];
    if headers.get(header::IF_NONE_MATCH).is_some_and(|known| known.as_bytes() == tag.as_bytes()) {
        return (StatusCode::NOT_MODIFIED, fixed).into_response();
    }
    (fixed, [(header::CONTENT_TYPE, media)], content).into_response()
}
