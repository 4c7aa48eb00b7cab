//! What `chains` knows of step kinds: only what is handed in, nothing by name.

use serde_json::Value;

use crate::Diagnostic;

/// The step kinds that a chain may use.
#[derive(Debug, Clone, Default)]
pub struct Catalogue {
    /// By name, in the order to show them.
    pub kinds: Vec<StepKind>,
}

impl Catalogue {
    /// A kind by its name.
    pub fn kind(&self, name: &str) -> Option<&StepKind> {
        self.kinds.iter().find(|k| k.name == name)
    }
}

/// One step kind, contributed by the room that runs it.
#[derive(Debug, Clone)]
pub struct StepKind {
    /// `scan`
    pub name: &'static str,
    /// One line for people.
    pub summary: &'static str,
    /// What may stand under `with`.
    pub params: Vec<Param>,
    /// What `steps.<name>.output` holds, for checking `when`; names only.
    pub outputs: Vec<&'static str>,
    /// Checks that types alone cannot say, over this step's `with` (templates
    /// not yet rendered), e.g. "a delete needs a backup before it".
    pub check: Option<fn(&StepInPlan<'_>) -> Vec<Objection>>,
}

/// One parameter under `with`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Param {
    /// Key.
    pub name: &'static str,
    /// What values it takes.
    pub ty: ParamType,
    /// Whether leaving it out is an error.
    pub required: bool,
    /// One line for people.
    pub summary: &'static str,
}

/// Types of parameters. Where a string is expected, a template may stand.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ParamType {
    /// Any text.
    String,
    /// `true` or `false` alone.
    Bool,
    /// A whole number at least 0.
    Integer,
    /// `15m`, `30d`.
    Duration,
    /// `low`, `>= high`: a severity, with an optional comparison.
    SeverityRule,
    /// One of these words.
    Enum(&'static [&'static str]),
    /// A CEL expression over the gate's names (`findings`, `image`, …), boolean.
    Expression,
    /// A list of one type.
    List(Box<ParamType>),
    /// A map with known keys.
    Map(Vec<Param>),
    /// A map with free keys and values of one type.
    MapOf(Box<ParamType>),
}

/// What a step's own check may look at.
#[derive(Debug)]
pub struct StepInPlan<'a> {
    /// The step's name.
    pub name: &'a str,
    /// Its `with`, defaults filled in, templates unrendered.
    pub with: &'a Value,
    /// (name, kind, with) of every step that surely stands before it.
    pub before: Vec<(&'a str, &'a str, &'a Value)>,
}

/// A step's own complaint, located by a path inside `with`.
#[derive(Debug, Clone)]
pub struct Objection {
    /// Keys from `with` down; empty: the step's name.
    pub path: Vec<String>,
    /// Kebab-case.
    pub code: &'static str,
    /// Lowercase fragment.
    pub message: String,
    /// What to do.
    pub hint: Option<String>,
}

/// Kept so that a catalogue's author sees what its objections become.
pub type Reported = Diagnostic;
