//! The names of a registry's repositories: distribution's `_catalog`, which no specification asks for.

use std::collections::BTreeSet;

use http::{HeaderMap, Method, StatusCode};
use serde::Deserialize;

use super::{
    endpoint::{Call, Endpoint},
    link,
};
use crate::{Error, Result, model::MAX_MANIFEST_BYTES, reference::is_repository};

const OPERATION: &str = "list repositories";
const MAX_PAGES: usize = 1000;

#[derive(Deserialize)]
struct Catalog {
    repositories: Option<Vec<String>>,
}

/// All names, sorted; more than `most` are an error.
pub(super) async fn repositories(endpoint: &Endpoint, most: usize) -> Result<Vec<String>> {
    let scopes = ["registry:catalog:*".to_owned()];
    let mut names = BTreeSet::new();
    let mut url = endpoint.url("_catalog?n=1000")?;
    for _ in 0..MAX_PAGES {
        let headers = HeaderMap::new();
        let call =
            Call { method: Method::GET, url, operation: OPERATION, scopes: &scopes, headers, body: None };
        let answer = endpoint.call(call).await?;
        match answer.response.status() {
            StatusCode::OK => {}
            StatusCode::NOT_FOUND | StatusCode::METHOD_NOT_ALLOWED | StatusCode::NOT_IMPLEMENTED => {
                return Err(Error::Unsupported { registry: endpoint.host.clone(), operation: OPERATION });
            }
            _ => return Err(endpoint.error(answer.response, OPERATION).await),
        }
        let next = link::next_page(&answer.url, answer.response.headers());
        let body = endpoint.body(answer.response, MAX_MANIFEST_BYTES, "the repositories").await?;
        let page: Catalog =
            serde_json::from_slice(&body).map_err(|e| endpoint.invalid(OPERATION, e.to_string()))?;
        // What is no name could not be asked for anyway.
        names.extend(page.repositories.unwrap_or_default().into_iter().filter(|n| is_repository(n)));
        if names.len() > most {
            return Err(endpoint.invalid(OPERATION, format!("more than {most} repositories")));
        }
        match next {
            Some(next) => url = next,
            None => return Ok(names.into_iter().collect()),
        }
    }
    Err(endpoint.invalid(OPERATION, format!("more than {MAX_PAGES} pages")))
}
