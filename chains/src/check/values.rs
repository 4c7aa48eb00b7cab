//! Texts with a grammar of their own: durations, severities, globs, names.

use std::time::Duration;

use super::Ctx;
use crate::diagnostics::{Diagnostic, Span, shown};
use crate::suggest::nearest;
use crate::yaml::Node;
use crate::{duration, glob, severity};

impl Ctx<'_> {
    pub(super) fn duration(&mut self, node: &Node) -> Option<Duration> {
        let Some(text) = node.text() else {
            self.wrong_type(node, "a duration, such as `15m`");
            return None;
        };
        match duration::parse(text) {
            Ok(value) => Some(value),
            Err(_) => {
                self.push(bad_duration(node.span, text));
                None
            }
        }
    }

    pub(super) fn level(&mut self, node: &Node) -> Option<String> {
        let text = self.text(node)?;
        if severity::Level::parse(text).is_some() {
            return Some(text.to_owned());
        }
        self.push(bad_severity(node.span, text));
        None
    }

    /// A list of globs.
    pub(super) fn globs(&mut self, node: &Node) -> Vec<String> {
        let mut kept = Vec::new();
        for (pattern, item) in self.texts(node) {
            match glob::check(pattern) {
                Ok(()) => kept.push(pattern.to_owned()),
                Err(reason) => {
                    self.push(bad_glob(item.span, pattern, &reason));
                }
            }
        }
        kept
    }

    /// Whether a name of a step, parameter or chain is well formed.
    pub(super) fn name(&mut self, name: &str, span: Span, what: &str) -> bool {
        let fine = name.len() <= 63
            && name.starts_with(|c: char| c.is_ascii_lowercase())
            && name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'_' | b'-'));
        if !fine {
            let message = format!("`{}` is no name for {what}", shown(name));
            let hint = "a lowercase letter, then lowercase letters, digits, `-` and `_`: 63 at most";
            self.push(Diagnostic::error("bad-name", span, message).hint(hint));
        }
        fine
    }
}

pub(super) fn bad_duration(span: Span, text: &str) -> Diagnostic {
    let error = duration::parse(text).err().unwrap_or(duration::Error::Malformed);
    let hint = match error {
        duration::Error::Malformed => duration::HINT,
        duration::Error::TooLong => "the longest is `3650d`",
    };
    Diagnostic::error("bad-duration", span, format!("`{}` is {error}", shown(text))).hint(hint)
}

pub(super) fn bad_glob(span: Span, pattern: &str, reason: &str) -> Diagnostic {
    let message = format!("bad glob `{}`: {reason}", shown(pattern));
    let hint = "`*` stands for letters but `/`, `**` for all, `?`, `[a-z]`, `{a,b}`; `!` in front excludes";
    Diagnostic::error("bad-glob", span, message).hint(hint)
}

/// A text that is no severity rule, or no severity.
pub(super) fn bad_severity(span: Span, text: &str) -> Diagnostic {
    let word = text.trim().trim_start_matches(['>', '<', '=', ' ']);
    let wrong = |message: String| Diagnostic::error("bad-severity", span, message);
    let error = match severity::Rule::parse(text) {
        Err(severity::Error::UnknownCompared) => {
            let hint =
                "write `unknown` alone: nobody has said how bad it is, so it has no place in the order";
            return wrong("`unknown` cannot be compared".to_owned()).hint(hint);
        }
        Ok(_) => {
            let message = format!("`{}` is a rule, and here stands a severity", shown(text));
            return wrong(message).hint(format!("write the lowest that is meant: `{word}`"));
        }
        Err(error) => wrong(error.to_string()),
    };
    match nearest(word, severity::LEVELS).filter(|near| *near != word) {
        None => error.hint(format!("one of: {}", severity::LEVELS.join(", "))),
        near => error.did_you_mean(near),
    }
}
