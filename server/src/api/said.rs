//! What a person says when they change something: who, and why. Until there is sign-in, `by` is what they call themselves.

use axum::{Json, extract::rejection::JsonRejection, http::StatusCode};
use serde::Deserialize;

use crate::{Error, Result};

/// Characters of a name, and of a reason.
const LONGEST_NAME: usize = 100;
const LONGEST_REASON: usize = 1000;

/// Who and why.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Said {
    by: String,
    reason: String,
}

impl Said {
    /// (by, reason), each one line, neither empty.
    pub(super) fn read(&self) -> Result<(String, String)> {
        Ok((by(&self.by)?, reason(&self.reason)?))
    }
}

/// A body, or what is wrong with it.
pub(super) fn body<T>(body: Result<Json<T>, JsonRejection>) -> Result<T> {
    body.map(|Json(body)| body)
        .map_err(|rejection| Error::InvalidBody { status: rejection.status(), reason: rejection.body_text() })
}

/// Who.
pub(crate) fn by(text: &str) -> Result<String> {
    line("by", text, LONGEST_NAME)
}

/// Why.
pub(crate) fn reason(text: &str) -> Result<String> {
    line("reason", text, LONGEST_REASON)
}

/// A text that stands in a log and on a page: not empty, one line, not long.
fn line(key: &str, text: &str, most: usize) -> Result<String> {
    let words: Vec<&str> =
        text.split(|c: char| c.is_whitespace() || c.is_control()).filter(|w| !w.is_empty()).collect();
    let line = words.join(" ");
    if line.is_empty() || line.chars().count() > most {
        return Err(Error::InvalidBody {
            status: StatusCode::UNPROCESSABLE_ENTITY,
            reason: format!("`{key}` has 1 to {most} characters"),
        });
    }
    Ok(line)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_and_a_reason_are_one_line_each() {
        let said = |by: &str, reason: &str| Said { by: by.into(), reason: reason.into() }.read();
        assert_eq!(said(" ana\n", "looked\u{7} at\tit").unwrap(), ("ana".into(), "looked at it".into()));
        for (name, why) in [("", "x"), ("x", " \n"), (&*"x".repeat(101), "x"), ("x", &"y".repeat(1001))] {
            assert_eq!(said(name, why).unwrap_err().code(), "invalid-body");
        }
    }
}
