//! What is wrong with a chain, where, and what would make it right.

mod render;

use crate::limits::MAX_DIAGNOSTICS;

/// Every code that this crate gives, sorted; step kinds bring more with their objections.
pub const CODES: [&str; 48] = [
    "alias-bomb",
    "alias-cycle",
    "bad-cron",
    "bad-duration",
    "bad-expression",
    "bad-glob",
    "bad-name",
    "bad-platform",
    "bad-severity",
    "bad-template",
    "bad-timezone",
    "control-character",
    "cycle",
    "duplicate-chain",
    "duplicate-key",
    "duplicate-need",
    "empty",
    "empty-list",
    "hyphen-in-name",
    "key-not-text",
    "later-step",
    "merge-key",
    "missing-key",
    "no-steps",
    "no-value",
    "not-boolean",
    "not-utf8",
    "out-of-range",
    "step-not-named",
    "too-deep",
    "too-large",
    "too-many-problems",
    "type-mismatch",
    "unknown-field",
    "unknown-function",
    "unknown-key",
    "unknown-name",
    "unknown-output",
    "unknown-parameter",
    "unknown-step",
    "unknown-step-kind",
    "unknown-value",
    "unreachable-step",
    "unsupported-tag",
    "unsupported-trigger",
    "unsupported-version",
    "wrong-type",
    "yaml-syntax",
];

/// How bad.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Worth knowing; the chain compiles.
    Warning,
    /// The chain does not compile.
    Error,
}

/// A range of bytes of the source, with its line and column (from 1, columns in characters).
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
pub struct Span {
    /// First byte.
    pub offset: usize,
    /// Bytes.
    pub length: usize,
    /// From 1.
    pub line: usize,
    /// From 1, in characters.
    pub column: usize,
}

impl Span {
    /// The first place of a file.
    pub(crate) const START: Span = Span { offset: 0, length: 0, line: 1, column: 1 };

    /// The span of `length` bytes at byte `offset` of `text`, lines counted.
    pub(crate) fn locate(text: &[u8], offset: usize, length: usize) -> Span {
        let before = text.get(..offset).unwrap_or(text);
        let start = before.iter().rposition(|b| *b == b'\n').map_or(0, |i| i + 1);
        let line = before.iter().filter(|b| **b == b'\n').count() + 1;
        let column =
            String::from_utf8_lossy(&before[start..]).trim_start_matches('\u{feff}').chars().count() + 1;
        Span { offset, length, line, column }
    }
}

/// One located complaint.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Diagnostic {
    /// How bad.
    pub severity: Severity,
    /// Stable, kebab-case: `unknown-key`.
    pub code: &'static str,
    /// Lowercase fragment.
    pub message: String,
    /// Where.
    pub span: Span,
    /// Other places that matter, each with a word: the first of two duplicate keys.
    pub related: Vec<(Span, String)>,
    /// "did you mean `needs`?"
    pub hint: Option<String>,
}

impl Diagnostic {
    /// An error at `span`.
    pub fn error(code: &'static str, span: Span, message: impl Into<String>) -> Diagnostic {
        Diagnostic::new(Severity::Error, code, span, message)
    }

    /// A warning at `span`.
    pub fn warning(code: &'static str, span: Span, message: impl Into<String>) -> Diagnostic {
        Diagnostic::new(Severity::Warning, code, span, message)
    }

    fn new(severity: Severity, code: &'static str, span: Span, message: impl Into<String>) -> Diagnostic {
        Diagnostic { severity, code, message: message.into(), span, related: Vec::new(), hint: None }
    }

    /// With what would make it right; nothing where that is empty.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Diagnostic {
        self.hint = Some(hint.into()).filter(|h| !h.is_empty());
        self
    }

    /// With a "did you mean", where a name is near.
    #[must_use]
    pub fn did_you_mean(self, near: Option<&str>) -> Diagnostic {
        match near {
            Some(name) => self.hint(format!("did you mean `{name}`?")),
            None => self,
        }
    }

    /// With another place that matters.
    #[must_use]
    pub fn related(mut self, span: Span, word: impl Into<String>) -> Diagnostic {
        self.related.push((span, word.into()));
        self
    }
}

/// Collects complaints: each once, no more than a reader can use.
#[derive(Debug, Default)]
pub(crate) struct Sink {
    found: Vec<Diagnostic>,
    /// Told nobody, for the limit.
    untold: usize,
    last: Option<Span>,
}

impl Sink {
    /// Keeps a complaint unless the limit is reached.
    pub(crate) fn push(&mut self, diagnostic: Diagnostic) {
        if self.found.len() < MAX_DIAGNOSTICS {
            self.found.push(diagnostic);
        } else {
            self.untold += 1;
            self.last.get_or_insert(diagnostic.span);
        }
    }

    /// Whether more is only counted: a guess would be for nobody.
    pub(crate) fn is_full(&self) -> bool {
        self.found.len() >= MAX_DIAGNOSTICS
    }

    /// How many errors there are by now.
    pub(crate) fn errors(&self) -> usize {
        self.untold + self.found.iter().filter(|d| d.severity == Severity::Error).count()
    }

    /// All, by position, none twice.
    pub(crate) fn finish(mut self) -> Vec<Diagnostic> {
        if let Some(span) = self.last {
            let message = format!("{} more problems are not shown", self.untold);
            let error = Diagnostic::error("too-many-problems", span, message);
            self.found.push(error.hint("mend those above, then check again"));
        }
        self.found.sort_by(|a, b| {
            (a.span.offset, a.code, &a.message, a.span.length).cmp(&(
                b.span.offset,
                b.code,
                &b.message,
                b.span.length,
            ))
        });
        self.found
            .dedup_by(|b, a| a.code == b.code && a.message == b.message && a.span.offset == b.span.offset);
        self.found
    }
}

/// A name or value of the source, fit to stand in a message: short, and
/// without characters that would steer a terminal or reorder a line.
pub(crate) fn shown(text: &str) -> String {
    let mut out = String::new();
    for (count, c) in text.chars().enumerate() {
        if count == 60 {
            out.push('…');
            break;
        }
        if unsafe_to_show(c) { out.extend(c.escape_unicode()) } else { out.push(c) }
    }
    out
}

/// Control characters and the bidirectional overrides.
pub(crate) fn unsafe_to_show(c: char) -> bool {
    c.is_control() || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{200e}' | '\u{200f}')
}
