//! Lists: tags, repositories, referrers, each in pages.

use axum::response::IntoResponse;
use http::{HeaderName, header};
use serde_json::json;

use super::{
    failure::{Answer, Failure},
    route::Asked,
};
use crate::{Digest, layout::blocking, model::OCI_INDEX};

const FILTERS: HeaderName = HeaderName::from_static("oci-filters-applied");
/// The most names of one page.
const MAX_PAGE: usize = 1000;
/// A page of referrers stays below what a client takes as one manifest.
const MAX_REFERRERS_BYTES: usize = 2 * 1024 * 1024;

/// Cuts the page that `n` and `last` ask for from a sorted list; with the
/// `Link` to the next one, when there is more.
fn page(asked: &Asked, path: &str, all: Vec<String>) -> Result<(Vec<String>, Option<String>), Failure> {
    let n = match asked.query("n").map(str::parse::<usize>) {
        None => MAX_PAGE,
        Some(Ok(n)) => n.min(MAX_PAGE),
        Some(Err(_)) => return Err(Failure::invalid("PAGINATION_NUMBER_INVALID", "`n` is no number")),
    };
    let last = asked.query("last").unwrap_or_default();
    let rest = all.into_iter().filter(|name| last.is_empty() || name.as_str() > last);
    let mut page: Vec<String> = rest.take(n + 1).collect();
    let more = page.len() > n;
    page.truncate(n);
    let next = page.last().filter(|_| more).map(|last| format!("<{path}?n={n}&last={last}>; rel=\"next\""));
    Ok((page, next))
}

fn respond(body: serde_json::Value, next: Option<String>) -> Answer {
    let link = next.map(|next| [(header::LINK, next)]);
    Ok(match link {
        Some(link) => (link, axum::Json(body)).into_response(),
        None => axum::Json(body).into_response(),
    })
}

/// `GET …/tags/list`.
pub(super) async fn tags(asked: Asked) -> Answer {
    let (storage, name) = (asked.inner.storage.clone(), asked.name.clone());
    let tags = blocking(move || storage.repository(&name)?.map(|r| r.tags()).transpose()).await?;
    let tags = tags.ok_or_else(|| Failure::unknown("NAME_UNKNOWN", "no such repository"))?;
    let tags = tags.into_iter().map(|(tag, _)| tag).collect();
    let (tags, next) = page(&asked, &format!("/v2/{}/tags/list", asked.name), tags)?;
    respond(json!({ "name": asked.name, "tags": tags }), next)
}

/// `GET /v2/_catalog`.
pub(super) async fn catalog(asked: Asked) -> Answer {
    let storage = asked.inner.storage.clone();
    let names = blocking(move || storage.names()).await?;
    let (names, next) = page(&asked, "/v2/_catalog", names)?;
    respond(json!({ "repositories": names }), next)
}

/// `GET …/referrers/<digest>`; what nobody refers to has an empty list.
pub(super) async fn referrers(asked: Asked, digest: Digest) -> Answer {
    let (storage, name, subject) = (asked.inner.storage.clone(), asked.name.clone(), digest.clone());
    let found =
        blocking(move || storage.repository(&name)?.map(|r| r.referrers(&subject)).transpose()).await?;
    let mut found = found.unwrap_or_default();
    let wanted = asked.query("artifactType");
    found.retain(|d| wanted.is_none_or(|w| d.artifact_type.as_deref() == Some(w)));
    found.sort_by(|a, b| a.digest.cmp(&b.digest));
    let after = asked.query("after").unwrap_or_default();
    let (mut page, mut bytes, mut next) = (Vec::new(), 0, None);
    for descriptor in found.into_iter().filter(|d| d.digest.as_str() > after) {
        let value = json!(descriptor);
        bytes += value.to_string().len();
        if bytes > MAX_REFERRERS_BYTES && !page.is_empty() {
            let mut query = url::form_urlencoded::Serializer::new(String::new());
            if let Some(wanted) = wanted {
                query.append_pair("artifactType", wanted);
            }
            let last = page.last().and_then(|v: &serde_json::Value| v["digest"].as_str()).unwrap_or_default();
            let query = query.append_pair("after", last).finish();
            next = Some(format!("</v2/{}/referrers/{digest}?{query}>; rel=\"next\"", asked.name));
            break;
        }
        page.push(value);
    }
    let index = json!({ "schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": page });
    let mut response = respond(index, next)?;
    response.headers_mut().insert(header::CONTENT_TYPE, http::HeaderValue::from_static(OCI_INDEX));
    if wanted.is_some() {
        response.headers_mut().insert(FILTERS, http::HeaderValue::from_static("artifactType"));
    }
    Ok(response)
}
