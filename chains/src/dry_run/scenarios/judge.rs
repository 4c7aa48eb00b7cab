//! Whether a step runs, where not everything is known: `when` over a context that has only what is assumed.

use serde_json::{Map, Value, json};

use super::mentions::mentions;
use crate::expr::Expression;
use crate::expr::parse;
use crate::plan::{PlanStep, ShortForm};

/// How a step stands in a scenario.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum State {
    Succeeded,
    Denied,
    Failed,
    Skipped,
    /// It runs; how it ends is not assumed.
    Ended,
    /// Whether it runs is not known.
    Unknown,
}

/// What follows from a `when`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    Run,
    Skip,
    /// It cannot be evaluated in a run either.
    Fail,
    Depends,
}

/// A step's condition, read once.
pub(super) enum When {
    Form(ShortForm),
    Cel(Condition),
    /// Nothing that compiles has it.
    Unreadable,
}

pub(super) struct Condition {
    expression: Expression,
    /// Each `steps.<index>` that it names, with the output, where it names one.
    pub(super) steps: Vec<(usize, Option<String>)>,
    /// Whether it names something that is known only in a run.
    later: bool,
    /// Whether what is missing may give an answer instead of an error: `has`, or a loop.
    lenient: bool,
}

impl When {
    /// Of a step; `index` gives a step's place.
    pub(super) fn read(step: &PlanStep, index: impl Fn(&str) -> Option<usize>) -> When {
        let Some(when) = step.when.as_deref() else { return When::Form(ShortForm::Succeeded) };
        if let Some(form) = ShortForm::parse(when) {
            return When::Form(form);
        }
        let (Ok(expression), Ok(parsed)) = (Expression::parse(when), parse::parse(when)) else {
            return When::Unreadable;
        };
        let (mut steps, mut later) = (Vec::new(), false);
        for name in mentions(&parsed.tree) {
            match (name.path[0].as_str(), name.path.get(1)) {
                ("steps", Some(step)) => match index(step) {
                    Some(at) => {
                        let output = name.path.get(2).is_some_and(|field| field == "output");
                        later |= output && name.path.len() == 3;
                        steps.push((at, name.path.get(3).filter(|_| output).cloned()));
                    }
                    None => later = true,
                },
                ("run", Some(field)) => later |= field == "id" || field == "url",
                ("steps" | "run", None) => later = true,
                _ => {}
            }
            later |= name.computed;
        }
        let lenient = ["has(", ".exists", ".all(", ".map(", ".filter(", " in ", "size("]
            .iter()
            .any(|w| when.contains(w));
        When::Cel(Condition { expression, steps, later, lenient })
    }
}

/// What is assumed so far.
pub(super) struct Assumed<'a> {
    /// `image`, `run`, `params`, `trigger`.
    pub(super) names: &'a Value,
    /// Of the steps before.
    pub(super) states: &'a [State],
    /// Boolean outputs by (step, output).
    pub(super) outputs: &'a [((usize, String), bool)],
    /// Names of all steps.
    pub(super) steps: &'a [PlanStep],
}

impl Assumed<'_> {
    /// Asks a step's `when`; `needs` are places of its needs.
    pub(super) fn judge(&self, when: &When, needs: &[usize]) -> Verdict {
        match when {
            When::Form(form) => self.form(*form, needs),
            When::Cel(condition) => self.condition(condition),
            When::Unreadable => Verdict::Fail,
        }
    }

    fn form(&self, form: ShortForm, needs: &[usize]) -> Verdict {
        let unknown = |s: State| matches!(s, State::Ended | State::Unknown);
        let mut states = needs.iter().map(|need| self.states[*need]);
        let open = states.clone().any(unknown);
        let any = |wanted: State| match needs.iter().any(|need| self.states[*need] == wanted) {
            true => Verdict::Run,
            false if open => Verdict::Depends,
            false => Verdict::Skip,
        };
        match form {
            ShortForm::Always => Verdict::Run,
            ShortForm::Denied => any(State::Denied),
            ShortForm::Failed => any(State::Failed),
            ShortForm::Succeeded => match (states.any(|s| s != State::Succeeded && !unknown(s)), open) {
                (true, _) => Verdict::Skip,
                (false, true) => Verdict::Depends,
                (false, false) => Verdict::Run,
            },
        }
    }

    fn condition(&self, condition: &Condition) -> Verdict {
        let mut steps = Map::new();
        let mut open = condition.later;
        for (at, output) in &condition.steps {
            let state = self.states[*at];
            let ran = matches!(state, State::Succeeded | State::Denied | State::Ended);
            if matches!(state, State::Unknown | State::Ended) {
                open = true;
            }
            if let (true, Some(output)) = (ran, output) {
                open |= !self.outputs.iter().any(|((step, name), _)| step == at && name == output);
            }
            steps.insert(self.steps[*at].name.clone(), self.seen(*at));
        }
        if open && condition.lenient {
            return Verdict::Depends;
        }
        let mut context = self.names.as_object().cloned().unwrap_or_default();
        context.insert("steps".to_owned(), Value::Object(steps));
        match condition.expression.evaluate(&Value::Object(context)) {
            Ok(true) => Verdict::Run,
            Ok(false) => Verdict::Skip,
            Err(_) if open => Verdict::Depends,
            Err(_) => Verdict::Fail,
        }
    }

    /// A step as an expression sees it: what is not assumed is not there, and asking for it is an error.
    fn seen(&self, at: usize) -> Value {
        let outputs = || -> Map<String, Value> {
            let own = self.outputs.iter().filter(|((step, _), _)| *step == at);
            own.map(|((_, name), holds)| (name.clone(), json!(holds))).collect()
        };
        let ended = |word: &str, output: Map<String, Value>| {
            json!({
                "succeeded": word == "succeeded", "denied": word == "denied", "failed": word == "failed",
                "skipped": word == "skipped", "outcome": word, "output": output,
            })
        };
        match self.states[at] {
            State::Succeeded => ended("succeeded", outputs()),
            State::Denied => ended("denied", outputs()),
            State::Failed => ended("failed", Map::new()),
            State::Skipped => ended("skipped", Map::new()),
            // It ran: that alone is known.
            State::Ended => json!({"skipped": false, "output": outputs()}),
            State::Unknown => json!({}),
        }
    }
}
