//! Chains of other systems as chains of this language. What has no equal is told, never dropped. Pure.

pub mod acr;

use serde::Serialize;

/// A chain that was read from another system's form.
#[derive(Debug, Clone)]
pub struct Imported {
    /// The chain as a commented YAML document. It compiles against the product's step kinds.
    pub yaml: String,
    /// What it does not have of the original, or has in another way; in the order of the original.
    pub notes: Vec<Note>,
}

/// Something without an equal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Note {
    /// Stable, kebab-case, beginning with `import-`.
    pub code: &'static str,
    /// Where it stands in the original, as a JSONPath: `$.ChainConfig.Nodes[2]`.
    pub path: String,
    /// Why, as a lowercase fragment.
    pub message: String,
    /// What to do.
    pub hint: &'static str,
}

/// A text that is no chain of the other system.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// More than is read.
    #[error("more than {} bytes", crate::limits::MAX_BYTES)]
    TooLarge,
    /// No JSON.
    #[error("line {line}, column {column}: {reason}")]
    NotJson {
        /// From 1.
        line: usize,
        /// From 1.
        column: usize,
        /// The parser's.
        reason: String,
    },
    /// A value of another type than the form has.
    #[error("{path}: expected {expected}, found {found}")]
    WrongType {
        /// JSONPath.
        path: String,
        /// With its article.
        expected: &'static str,
        /// With its article.
        found: &'static str,
    },
    /// A part without which there is no chain.
    #[error("{path} is not there")]
    Missing {
        /// JSONPath.
        path: String,
    },
    /// Nodes that wait for each other.
    #[error("{path}: the nodes wait for each other")]
    Cycle {
        /// JSONPath.
        path: String,
    },
}

impl Error {
    /// The stable code.
    pub fn code(&self) -> &'static str {
        match self {
            Error::TooLarge => "import-too-large",
            Error::NotJson { .. } => "import-not-json",
            Error::WrongType { .. } => "import-wrong-type",
            Error::Missing { .. } => "import-missing",
            Error::Cycle { .. } => "import-cycle",
        }
    }
}
