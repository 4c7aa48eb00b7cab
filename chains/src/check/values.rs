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
    let reason = duration::parse(text).err().map_or_else(String::new, |e| e.to_string());
    Diagnostic::error("bad-duration", span, format!("`{}` is {reason}", shown(text))).hint(duration::HINT)
}

pub(super) fn bad_glob(span: Span, pattern: &str, reason: &str) -> Diagnostic {
    let message = format!("bad glob `{}`: {reason}", shown(pattern));
    let hint = "`*` stands for letters but `/`, `**` for all, `?`, `[a-z]`, `{a,b}`; `!` in front excludes";
    Diagnostic::error("bad-glob", span, message).hint(hint)
}

/// A text that is no severity rule, or no severity.
pub(super) fn bad_severity(span: Span, text: &str) -> Diagnostic {
    let error = match severity::Rule::parse(text) {
        Err(error) => error.to_string(),
        Ok(_) => format!("`{}` is a rule, not a severity", shown(text)),
    };
    let word = text.trim_start_matches(['>', '<', '=', ' ']);
    let error = Diagnostic::error("bad-severity", span, error);
    match nearest(word, severity::LEVELS).filter(|near| *near != word) {
        None => error.hint(format!("one of: {}", severity::LEVELS.join(", "))),
        near => error.did_you_mean(near),
    }
}
