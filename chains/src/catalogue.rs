//! What `chains` knows of step kinds: only what a catalogue tells, nothing by name.

use serde_json::Value;

use crate::explain::Explanation;
use crate::types::Field;

/// The step kinds that a chain may use, listed by the room that runs them.
pub trait Catalogue: Send + Sync {
    /// In the order to show them.
    fn kinds(&self) -> &[&'static dyn StepKind];

    /// A kind by its name.
    fn kind(&self, name: &str) -> Option<&'static dyn StepKind> {
        self.kinds().iter().copied().find(|k| k.name() == name)
    }

    /// What the codes mean that these kinds object with: see [`crate::explain::explain`].
    fn explanations(&self) -> &[Explanation] {
        &[]
    }
}

/// One step kind, as chains are checked and explained. What it does when it runs is the engine's `Step`.
pub trait StepKind: Send + Sync {
    /// `scan`
    fn name(&self) -> &'static str;

    /// One line for people.
    fn summary(&self) -> &'static str;

    /// What may stand under `with`: held against the chain, written into the JSON Schema and the reference.
    fn params(&self) -> Vec<Param>;

    /// What `steps.<name>.output` holds, with types: held against `when` and templates.
    fn outputs(&self) -> Vec<Field>;

    /// The JSON Schema (draft 2020-12) of its `with`, complete in itself: by default what [`StepKind::params`] says.
    fn schema(&self) -> Value {
        crate::schema::with(&self.params())
    }

    /// Whether it can end as denied.
    fn denies(&self) -> bool {
        false
    }

    /// Whether its success makes a denial before it `remediated`, with these parameters.
    fn mends(&self, _with: &Value) -> bool {
        false
    }

    /// Checks that types alone cannot say, over this step's `with` (templates not yet rendered),
    /// e.g. "a delete needs a backup before it".
    fn check(&self, _step: &StepInPlan<'_>) -> Vec<Objection> {
        Vec::new()
    }

    /// What it would change in the outside world, for a dry run.
    fn effects(&self, _step: &Rehearsed<'_>) -> Vec<Effect> {
        Vec::new()
    }
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
    /// What holds when it is left out, as YAML; none: nothing.
    pub default: Option<&'static str>,
    /// A value as YAML, for the reference.
    pub example: Option<&'static str>,
}

impl Param {
    /// One that may be left out.
    pub const fn optional(name: &'static str, ty: ParamType, summary: &'static str) -> Param {
        Param { name, ty, required: false, summary, default: None, example: None }
    }

    /// One that must stand.
    pub const fn required(name: &'static str, ty: ParamType, summary: &'static str) -> Param {
        Param { name, ty, required: true, summary, default: None, example: None }
    }

    /// With what holds when it is left out.
    #[must_use]
    pub fn default(mut self, yaml: &'static str) -> Param {
        self.default = Some(yaml);
        self
    }

    /// With a value to show.
    #[must_use]
    pub fn example(mut self, yaml: &'static str) -> Param {
        self.example = Some(yaml);
        self
    }
}

/// Types of parameters. Where text is expected, a template may stand.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ParamType {
    /// Any text.
    String,
    /// `true` or `false` alone.
    Bool,
    /// A whole number within bounds, both included.
    Integer {
        /// The least.
        least: i64,
        /// The most.
        most: i64,
    },
    /// `15m`, `30d`.
    Duration,
    /// `low`, `>= high`: a severity, with an optional comparison.
    SeverityRule,
    /// One of these words.
    Enum(&'static [&'static str]),
    /// A glob: `netcat*`, `main/base/**`.
    Glob,
    /// A CEL expression that gives true or false, over a chain's names and these.
    Expression(Vec<Field>),
    /// A list of one type.
    List(Box<ParamType>),
    /// A value of one type, or a list of such.
    OneOrMany(Box<ParamType>),
    /// A map with known keys.
    Map(Vec<Param>),
    /// A map with free keys and values of one type.
    MapOf(Box<ParamType>),
}

impl ParamType {
    /// A whole number of at least 0.
    pub const COUNT: ParamType = ParamType::Integer { least: 0, most: i64::MAX };

    /// A list of one type.
    pub fn list(of: ParamType) -> ParamType {
        ParamType::List(Box::new(of))
    }
}

/// What a step's own check may look at.
#[derive(Debug)]
pub struct StepInPlan<'a> {
    /// The step's name.
    pub name: &'a str,
    /// Its `with`, templates unrendered.
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

/// A step of a dry run.
#[derive(Debug)]
pub struct Rehearsed<'a> {
    /// The step's name.
    pub name: &'a str,
    /// Its `with`, rendered as far as the values are known before a run; what is not, as `‹steps.fix.output.tag›`.
    pub with: &'a Value,
    /// `image` as expressions see it.
    pub image: &'a Value,
}

/// A change to the outside world that a step would make.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Effect {
    /// `push`, `untag`, `delete`, `send`, `call`: the verb of the intent that the step records.
    pub verb: &'static str,
    /// What it is done to, without any secret.
    pub target: String,
}
