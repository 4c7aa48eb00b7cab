//! Who may ask: DNS rebinding and other sites' pages are kept out, and browsers are told what a page may do.

use std::sync::Arc;

use axum::{
    Router,
    extract::{Request, State},
    http::{HeaderMap, HeaderValue, Method, Uri, header},
    middleware::Next,
    response::{IntoResponse, Response},
};
use url::Url;

use crate::{App, Error};

/// Before every page and API call. (Hooks authenticate themselves; `/healthz` says nothing.)
pub(crate) async fn people(State(app): State<App>, request: Request, next: Next) -> Response {
    let public = app.public_url.as_deref().and_then(|text| Url::parse(text).ok());
    match check(request.method(), request.uri(), request.headers(), public.as_ref()) {
        Ok(()) => next.run(request).await,
        Err(error) => error.into_response(),
    }
}

/// Around a router that stands beside ours on this machine, such as the embedded registry's: another site's
/// page neither reads nor writes it, under whatever name it finds it.
pub fn guard_local(router: Router, public_url: Option<&str>) -> Router {
    let public = public_url.and_then(|text| Url::parse(text).ok()).map(Arc::new);
    router.layer(axum::middleware::from_fn(move |request: Request, next: Next| {
        let public = public.clone();
        async move {
            match check(request.method(), request.uri(), request.headers(), public.as_deref()) {
                Ok(()) => next.run(request).await,
                Err(error) => error.into_response(),
            }
        }
    }))
}

fn check(method: &Method, uri: &Uri, headers: &HeaderMap, public: Option<&Url>) -> Result<(), Error> {
    let host = uri
        .authority()
        .map(|a| a.as_str().to_owned())
        .or_else(|| headers.get(header::HOST).and_then(|h| h.to_str().ok()).map(str::to_owned))
        .unwrap_or_default();
    // A name that an attacker's DNS points at us would otherwise make us "same origin" with his page.
    if !(is_loopback(&host) || public.is_some_and(|url| authority(url).eq_ignore_ascii_case(&host))) {
        return Err(Error::ForeignHost(host.chars().take(100).collect()));
    }
    if matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS) {
        return Ok(());
    }
    if let Some(origin) = headers.get(header::ORIGIN) {
        let origin =
            origin.to_str().ok().and_then(|text| Url::parse(text).ok()).ok_or(Error::ForeignOrigin)?;
        let same_host =
            matches!(origin.scheme(), "http" | "https") && authority(&origin).eq_ignore_ascii_case(&host);
        let ours = public.is_some_and(|url| url.origin() == origin.origin());
        if !(same_host || ours) {
            return Err(Error::ForeignOrigin);
        }
    }
    // Browsers set this themselves, also where they leave out `Origin`.
    match headers.get("sec-fetch-site").map(HeaderValue::as_bytes) {
        None | Some(b"same-origin" | b"none") => Ok(()),
        Some(_) => Err(Error::ForeignOrigin),
    }
}

/// `host[:port]`, the port only where it is not the scheme's own: as browsers write `Host`.
fn authority(url: &Url) -> String {
    match (url.host_str(), url.port()) {
        (Some(host), Some(port)) => format!("{host}:{port}"),
        (Some(host), None) => host.to_owned(),
        (None, _) => String::new(),
    }
}

/// `localhost`, `127.0.0.0/8`, `[::1]`, with any port.
fn is_loopback(host: &str) -> bool {
    let Ok(url) = Url::parse(&format!("http://{host}/")) else { return false };
    if !url.username().is_empty() || url.password().is_some() || url.path() != "/" {
        return false;
    }
    match url.host() {
        Some(url::Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
        Some(url::Host::Ipv4(address)) => address.is_loopback(),
        Some(url::Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}

/// What each answer tells the browser: nothing from elsewhere, nothing inline, no frame, no guessing of types.
pub(crate) async fn headers(mut response: Response) -> Response {
    let headers = response.headers_mut();
    for (name, value) in [
        (
            header::CONTENT_SECURITY_POLICY,
            "default-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'; object-src 'none'",
        ),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "same-origin"),
        (header::X_FRAME_OPTIONS, "DENY"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ask(method: Method, pairs: &[(&'static str, &str)], public: Option<&str>) -> Result<(), &'static str> {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.insert(*name, HeaderValue::from_str(value).unwrap());
        }
        let public = public.map(|p| Url::parse(p).unwrap());
        check(&method, &Uri::from_static("/x"), &headers, public.as_ref()).map_err(|e| e.code())
    }

    #[test]
    fn only_loopback_and_the_public_host_are_answered() {
        for host in ["127.0.0.1:8080", "localhost", "LOCALHOST:80", "[::1]:9", "127.3.2.1"] {
            assert_eq!(ask(Method::GET, &[("host", host)], None), Ok(()), "{host}");
        }
        for host in
            ["evil.example", "10.0.0.1:8080", "localhost.evil.example", "evil@localhost", "localhost/x", ""]
        {
            assert_eq!(ask(Method::GET, &[("host", host)], None), Err("host-not-allowed"), "{host}");
        }
        let public = Some("https://patch.example");
        assert_eq!(ask(Method::GET, &[("host", "patch.example")], public), Ok(()));
        assert_eq!(ask(Method::GET, &[("host", "patch.example:81")], public), Err("host-not-allowed"));
        assert_eq!(ask(Method::GET, &[], None), Err("host-not-allowed"));
    }

    #[test]
    fn another_sites_page_changes_nothing() {
        let host = ("host", "127.0.0.1:8080");
        assert_eq!(ask(Method::POST, &[host], None), Ok(()));
        assert_eq!(ask(Method::POST, &[host, ("origin", "http://127.0.0.1:8080")], None), Ok(()));
        for origin in ["https://evil.example", "http://127.0.0.1:8081", "null", "http://localhost:8080"] {
            assert_eq!(
                ask(Method::POST, &[host, ("origin", origin)], None),
                Err("origin-not-allowed"),
                "{origin}"
            );
        }
        assert_eq!(
            ask(Method::POST, &[host, ("sec-fetch-site", "cross-site")], None),
            Err("origin-not-allowed")
        );
        assert_eq!(ask(Method::POST, &[host, ("sec-fetch-site", "same-origin")], None), Ok(()));
    }

    #[tokio::test]
    async fn a_router_beside_ours_is_kept_from_other_sites_too() {
        use tower::ServiceExt as _;
        let ask = async |method: &str, pairs: &[(&str, &str)]| {
            let router = Router::new().fallback(|| async { "an image" });
            let mut request = axum::http::Request::builder().method(method).uri("/v2/shop/web/manifests/v1");
            for (name, value) in pairs {
                request = request.header(*name, *value);
            }
            let request = request.body(axum::body::Body::empty()).unwrap();
            guard_local(router, None).oneshot(request).await.unwrap().status().as_u16()
        };
        for host in ["127.0.0.1:7801", "localhost:7801"] {
            for method in ["GET", "HEAD", "PUT", "PATCH", "POST", "DELETE"] {
                assert_eq!(ask(method, &[("host", host)]).await, 200, "{method} {host}");
            }
        }
        assert_eq!(ask("GET", &[("host", "rebound.example:7801")]).await, 421);
        let ours = ("host", "127.0.0.1:7801");
        assert_eq!(ask("PUT", &[ours, ("origin", "https://evil.example")]).await, 403);
        assert_eq!(ask("POST", &[ours, ("sec-fetch-site", "cross-site")]).await, 403);
    }
}
