//! `Link` and `Location` of registries' answers, never trusted further than their host.

use http::{HeaderMap, header};
use url::Url;

use super::host;

/// The next page, RFC 8288 `rel="next"`; none at the end, or when it lies on
/// another host.
pub(super) fn next_page(current: &Url, headers: &HeaderMap) -> Option<Url> {
    for value in headers.get_all(header::LINK) {
        let Ok(text) = value.to_str() else { continue };
        let mut rest = text;
        while let Some((target, after)) = rest.find('<').and_then(|at| rest[at + 1..].split_once('>')) {
            // Parameters end where the next link begins.
            let end = after.find('<').unwrap_or(after.len());
            let is_next = after[..end].split([';', ',']).any(|p| {
                let (name, value) = p.split_once('=').unwrap_or((p, ""));
                name.trim().eq_ignore_ascii_case("rel")
                    && value.trim().trim_matches('"').split(' ').any(|r| r.eq_ignore_ascii_case("next"))
            });
            if is_next {
                let next = current.join(target).ok()?;
                return (host::same_origin(current, &next) && next != *current).then_some(next);
            }
            rest = after;
        }
    }
    None
}

/// Where an answer's `Location` leads, relative ones resolved; none when it
/// is missing, unreadable or a place that the registry may not lead to.
pub(super) fn location(base: &Url, current: &Url, headers: &HeaderMap) -> Option<Url> {
    let text = headers.get(header::LOCATION)?.to_str().ok()?;
    let to = current.join(text).ok()?;
    host::may_lead_to(base, &to).then_some(to)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn next(link: &'static str) -> Option<String> {
        let current: Url = "https://r.test/v2/a/tags/list?n=2".parse().unwrap();
        let mut headers = HeaderMap::new();
        headers.insert(header::LINK, http::HeaderValue::from_static(link));
        next_page(&current, &headers).map(String::from)
    }

    #[test]
    fn the_next_page_is_found_and_stays_on_its_host() {
        let wanted = Some("https://r.test/v2/a/tags/list?n=2&last=b".to_owned());
        assert_eq!(next(r#"</v2/a/tags/list?n=2&last=b>; rel="next""#), wanted);
        assert_eq!(next(r#"</x>; rel=prev, <?n=2&last=b>; title="<" ; rel=next"#), None, "odd, not wrong");
        assert_eq!(next(r#"</x>; rel=prev, <?n=2&last=b>; rel=next"#), wanted);
        assert_eq!(next(r#"<https://evil.test/v2/a/tags/list>; rel="next""#), None);
        assert_eq!(next(r#"</v2/a/tags/list?n=2>; rel="next""#), None, "a page is not its own next");
        assert_eq!(next("nonsense"), None);
        assert_eq!(next("<"), None);
    }

    #[test]
    fn a_bad_location_is_none() {
        let base: Url = "https://r.test/".parse().unwrap();
        let at = |text: &'static str| {
            let mut headers = HeaderMap::new();
            headers.insert(header::LOCATION, http::HeaderValue::from_static(text));
            location(&base, &base, &headers).map(String::from)
        };
        assert_eq!(at("/v2/a/blobs/uploads/1"), Some("https://r.test/v2/a/blobs/uploads/1".to_owned()));
        assert_eq!(at("uploads/1"), Some("https://r.test/uploads/1".to_owned()));
        assert_eq!(at("http://r.test/x"), None);
        assert_eq!(at("https://[broken"), None);
        assert_eq!(location(&base, &base, &HeaderMap::new()), None);
    }
}
