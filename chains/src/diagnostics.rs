//! What is wrong with a chain, where, and what would make it right.

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
