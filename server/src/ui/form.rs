//! What a browser sends from a form, with and without a script.

use axum::{
    extract::rejection::StringRejection,
    http::{HeaderMap, StatusCode, header},
};
use url::form_urlencoded;

use crate::{Error, Result};

/// Fields of one form: a plan has as many as upgrades.
const MOST_FIELDS: usize = 10_100;

/// The fields of a form, in order.
pub(super) struct Form(Vec<(String, String)>);

impl Form {
    pub(super) fn read(headers: &HeaderMap, body: Result<String, StringRejection>) -> Result<Self> {
        let unreadable = |status, reason: String| Error::InvalidBody { status, reason };
        let kind = headers.get(header::CONTENT_TYPE).and_then(|v| v.to_str().ok()).unwrap_or_default();
        let kind = kind.split(';').next().unwrap_or_default().trim();
        if !kind.eq_ignore_ascii_case("application/x-www-form-urlencoded") {
            let reason = "it is no form".to_owned();
            return Err(unreadable(StatusCode::UNSUPPORTED_MEDIA_TYPE, reason));
        }
        let body = body.map_err(|rejection| unreadable(rejection.status(), rejection.body_text()))?;
        let fields: Vec<_> =
            form_urlencoded::parse(body.as_bytes()).into_owned().take(MOST_FIELDS + 1).collect();
        if fields.len() > MOST_FIELDS {
            let reason = format!("it has more than {MOST_FIELDS} fields");
            return Err(unreadable(StatusCode::UNPROCESSABLE_ENTITY, reason));
        }
        Ok(Self(fields))
    }
    /// The first of this name; empty where there is none.
    pub(super) fn get(&self, name: &str) -> &str {
        let first = self.0.iter().find(|(key, _)| key == name);
        first.map(|(_, value)| value.as_str()).unwrap_or_default()
    }
    /// All of this name.
    pub(super) fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.0.iter().filter(move |(key, _)| key == name).map(|(_, value)| value.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(kind: &str) -> HeaderMap {
        HeaderMap::from_iter([(header::CONTENT_TYPE, kind.parse().unwrap())])
    }

    #[test]
    fn a_form_is_a_form_and_has_an_end() {
        let kind = "application/x-www-form-urlencoded; charset=utf-8";
        let form = Form::read(&headers(kind), Ok("up=a%22b&up=c+d&by=ana".into())).unwrap();
        assert_eq!(form.all("up").collect::<Vec<_>>(), ["a\"b", "c d"]);
        assert_eq!((form.get("by"), form.get("reason")), ("ana", ""));
        let status = |kind: &str, body: String| match Form::read(&headers(kind), Ok(body)) {
            Err(Error::InvalidBody { status, .. }) => status.as_u16(),
            _ => 200,
        };
        assert_eq!(status("text/plain", "up=a".into()), 415);
        assert_eq!(status(kind, "up=a&".repeat(MOST_FIELDS + 1)), 422);
    }
}
