//! `WWW-Authenticate`, RFC 9110 section 11.6.1, as registries write it.

use http::{HeaderMap, header};

/// What a registry asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Challenge {
    Basic,
    Bearer { realm: String, service: Option<String> },
}

/// The challenges of an answer that we can meet, the better first.
pub(super) fn challenges(headers: &HeaderMap) -> Vec<Challenge> {
    let mut found = Vec::new();
    for value in headers.get_all(header::WWW_AUTHENTICATE).iter().take(8) {
        let Ok(text) = value.to_str() else { continue };
        if text.len() > 4096 {
            continue;
        }
        for (scheme, parameters) in parse(text) {
            let get = |name: &str| {
                parameters.iter().find(|(k, _)| k.eq_ignore_ascii_case(name)).map(|(_, v)| v.clone())
            };
            if scheme.eq_ignore_ascii_case("basic") {
                found.push(Challenge::Basic);
            } else if scheme.eq_ignore_ascii_case("bearer")
                && let Some(realm) = get("realm")
            {
                found.push(Challenge::Bearer { realm, service: get("service") });
            }
        }
    }
    found.sort_by_key(|c| matches!(c, Challenge::Basic));
    found
}

type Parameters = Vec<(String, String)>;

/// Splits `Scheme k=v, k="v, v", Scheme k=v`.
fn parse(text: &str) -> Vec<(String, Parameters)> {
    let mut out: Vec<(String, Parameters)> = Vec::new();
    let mut rest = text;
    loop {
        rest = rest.trim_start_matches([' ', '\t', ',']);
        if rest.is_empty() {
            return out;
        }
        let end = rest.find([' ', '\t', ',', '=']).unwrap_or(rest.len());
        let (word, after) = rest.split_at(end);
        match after.strip_prefix('=') {
            Some(value) if !word.is_empty() => {
                let (value, after) = take_value(value);
                if let Some((_, parameters)) = out.last_mut() {
                    parameters.push((word.to_owned(), value));
                }
                rest = after;
            }
            // A stray `=`: what follows cannot be understood.
            Some(_) => return out,
            None => {
                out.push((word.to_owned(), Vec::new()));
                rest = after;
            }
        }
    }
}

fn take_value(text: &str) -> (String, &str) {
    let Some(quoted) = text.strip_prefix('"') else {
        let end = text.find([' ', '\t', ',']).unwrap_or(text.len());
        return (text[..end].to_owned(), &text[end..]);
    };
    let mut value = String::new();
    let mut chars = quoted.char_indices();
    while let Some((at, c)) = chars.next() {
        match c {
            '"' => return (value, &quoted[at + 1..]),
            '\\' => value.extend(chars.next().map(|(_, c)| c)),
            c => value.push(c),
        }
    }
    (value, "")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &'static str) -> Vec<Challenge> {
        let mut headers = HeaderMap::new();
        headers.insert(header::WWW_AUTHENTICATE, http::HeaderValue::from_static(text));
        challenges(&headers)
    }

    #[test]
    fn what_registries_write_is_read() {
        let bearer = Challenge::Bearer {
            realm: "https://auth.example.com/token?a=b,c".to_owned(),
            service: Some("registry".to_owned()),
        };
        let text = r#"Basic realm="x y", bearer Realm="https://auth.example.com/token?a=b,c",service=registry,scope="a,b""#;
        assert_eq!(read(text), [bearer, Challenge::Basic]);
        assert_eq!(read(r#"Bearer service="x""#), [], "without a realm there is nothing to ask");
        assert_eq!(read("Basic"), [Challenge::Basic]);
    }

    #[test]
    fn nonsense_ends() {
        for text in ["", "=", "Bearer =", r#"Bearer realm="open"#, r#"Bearer realm="\"#, "Negotiate abc==, x"]
        {
            read(text);
        }
    }
}
