//! The tree of outcomes: steps in order, a branch at each outcome that decides, equal branches made one.

use std::collections::HashMap;

use serde_json::Value;

use super::judge::{Assumed, State, Verdict, When};
use super::{Assumption, Cell, Ending, MOST_SCENARIOS, MOST_WORK};
use crate::catalogue::Catalogue;
use crate::plan::Plan;
use crate::types::ValueType;

/// One end of the tree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Leaf {
    pub(super) assumes: Vec<Assumption>,
    pub(super) cells: Vec<Cell>,
}

/// What is known of a step before any scenario.
struct Node {
    when: When,
    needs: Vec<usize>,
    denies: bool,
    mends: bool,
    /// What of it decides: none for its outcome, else a boolean output.
    questions: Vec<Option<String>>,
    /// Number of the first of them, over all steps.
    first: usize,
}

pub(super) struct Walk<'p> {
    plan: &'p Plan,
    names: &'p Value,
    nodes: Vec<Node>,
    total: usize,
    /// Questions with a lower number are asked.
    asked: usize,
    work: usize,
    /// The step that fails, and what is assumed beside.
    fixed: Option<(usize, Vec<Assumption>)>,
    states: Vec<State>,
    cells: Vec<Cell>,
    outputs: Vec<((usize, String), bool)>,
}

impl<'p> Walk<'p> {
    pub(super) fn new(plan: &'p Plan, catalogue: &dyn Catalogue, names: &'p Value) -> Walk<'p> {
        let index: HashMap<&str, usize> =
            plan.steps.iter().enumerate().map(|(i, s)| (s.name.as_str(), i)).collect();
        let at = |name: &str| index.get(name).copied();
        let mut nodes: Vec<Node> = Vec::with_capacity(plan.steps.len());
        for step in &plan.steps {
            let kind = catalogue.kind(&step.uses);
            let denies = kind.is_some_and(|k| k.denies());
            nodes.push(Node {
                when: When::read(step, at),
                needs: step.needs.iter().filter_map(|need| at(need)).collect(),
                denies,
                mends: kind.is_some_and(|k| k.mends(&step.with)),
                questions: if denies { vec![None] } else { Vec::new() },
                first: 0,
            });
        }
        let asked: Vec<(usize, String)> = nodes
            .iter()
            .filter_map(|node| if let When::Cel(condition) = &node.when { Some(condition) } else { None })
            .flat_map(|condition| &condition.steps)
            .filter_map(|(step, output)| Some((*step, output.clone()?)))
            .collect();
        for (step, output) in asked {
            let kind = catalogue.kind(&plan.steps[step].uses);
            let boolean = kind.is_some_and(|kind| {
                kind.outputs().iter().any(|field| field.name == output && field.ty == ValueType::Bool)
            });
            let question = Some(output);
            if boolean && !nodes[step].questions.contains(&question) {
                nodes[step].questions.push(question);
            }
        }
        let mut total = 0;
        for node in &mut nodes {
            node.first = total;
            total += node.questions.len();
        }
        let (states, cells) = (vec![State::Unknown; nodes.len()], vec![Cell::Depends; nodes.len()]);
        Walk { plan, names, nodes, total, asked: 0, work: 0, fixed: None, states, cells, outputs: Vec::new() }
    }

    /// How many outcomes decide.
    pub(super) fn questions(&self) -> usize {
        self.total
    }

    /// Steps whose outcomes are not told apart when only so many are.
    pub(super) fn untold(&self, asked: usize) -> Vec<String> {
        let behind = |node: &Node| node.first + node.questions.len() > asked && !node.questions.is_empty();
        let nodes = self.nodes.iter().zip(&self.plan.steps).filter(|(node, _)| behind(node));
        nodes.map(|(_, step)| step.name.clone()).collect()
    }

    /// Every scenario over the first `asked` questions; none: they are too many.
    pub(super) fn scenarios(&mut self, asked: usize) -> Option<Vec<Leaf>> {
        (self.asked, self.work, self.fixed) = (asked, 0, None);
        self.outputs.clear();
        match self.from(0) {
            // Without any question there is one scenario, whatever it costs.
            None if asked > 0 => None,
            found => Some(found.unwrap_or_default()),
        }
    }

    /// What becomes of a scenario when `step` fails in it.
    pub(super) fn failing(&mut self, step: usize, assumes: &[Assumption]) -> Leaf {
        (self.asked, self.work) = (0, 0);
        self.fixed = Some((step, assumes.to_vec()));
        self.outputs.clear();
        let leaf = self.from(0).and_then(|mut leaves| leaves.pop());
        leaf.unwrap_or_else(|| Leaf { assumes: Vec::new(), cells: self.cells.clone() })
    }

    /// Steps from `start` on, as far as nothing branches; then each branch.
    fn from(&mut self, start: usize) -> Option<Vec<Leaf>> {
        for step in start..self.nodes.len() {
            self.work += 1;
            if self.work > MOST_WORK && self.asked > 0 {
                return None;
            }
            let node = &self.nodes[step];
            let assumed = Assumed {
                names: self.names,
                states: &self.states,
                outputs: &self.outputs,
                steps: &self.plan.steps,
            };
            let (state, cell) = match assumed.judge(&node.when, &node.needs) {
                Verdict::Skip => (State::Skipped, Cell::Skipped),
                Verdict::Fail => (State::Failed, Cell::Fails),
                Verdict::Depends => (State::Unknown, Cell::Depends),
                Verdict::Run => {
                    if self.fixed.as_ref().is_some_and(|(failing, _)| *failing == step) {
                        (State::Failed, Cell::Fails)
                    } else if self.nodes[step].first < self.asked && !self.nodes[step].questions.is_empty() {
                        return self.ask(step, 0);
                    } else {
                        self.unasked(step)
                    }
                }
            };
            (self.states[step], self.cells[step]) = (state, cell);
        }
        Some(vec![Leaf { assumes: Vec::new(), cells: self.cells.clone() }])
    }

    /// A step that runs, with what is assumed of it from outside, if anything.
    fn unasked(&mut self, step: usize) -> (State, Cell) {
        if let Some((_, assumes)) = &self.fixed {
            let own = assumes.iter().filter(|a| a.at == step);
            let outputs = own.clone().filter_map(|a| Some(((step, a.output.clone()?), a.holds)));
            self.outputs.extend(outputs);
            if let Some(outcome) = own.clone().find(|a| a.output.is_none()) {
                return if outcome.holds {
                    (State::Succeeded, Cell::Passes)
                } else {
                    (State::Denied, Cell::Denies)
                };
            }
        }
        match self.nodes[step].denies {
            true => (State::Ended, Cell::Runs),
            false => (State::Succeeded, Cell::Runs),
        }
    }

    /// Both answers to a question about a step that runs, and all that follows.
    fn ask(&mut self, step: usize, number: usize) -> Option<Vec<Leaf>> {
        let node = &self.nodes[step];
        let question = match node.questions.get(number) {
            Some(question) if node.first + number < self.asked => question.clone(),
            _ => {
                if !self.nodes[step].denies {
                    (self.states[step], self.cells[step]) = (State::Succeeded, Cell::Runs);
                }
                return self.from(step + 1);
            }
        };
        let known = self.outputs.len();
        let mut answers = Vec::with_capacity(2);
        for holds in [true, false] {
            match &question {
                None if holds => (self.states[step], self.cells[step]) = (State::Succeeded, Cell::Passes),
                None => (self.states[step], self.cells[step]) = (State::Denied, Cell::Denies),
                Some(output) => self.outputs.push(((step, output.clone()), holds)),
            }
            // What an output says is asked after the outcome, which must not be lost below.
            let outcome = (self.states[step], self.cells[step]);
            answers.push(self.ask(step, number + 1)?);
            (self.states[step], self.cells[step]) = outcome;
            self.outputs.truncate(known);
        }
        let (no, yes) = (answers.pop()?, answers.pop()?);
        if yes == no {
            return Some(yes);
        }
        let label = |holds: bool, leaf: Leaf| {
            let mut assumes = vec![self.assumption(step, question.clone(), holds)];
            assumes.extend(leaf.assumes);
            Leaf { assumes, cells: leaf.cells }
        };
        let all = yes
            .into_iter()
            .map(|leaf| label(true, leaf))
            .chain(no.into_iter().map(|leaf| label(false, leaf)));
        let all: Vec<Leaf> = all.collect();
        (all.len() <= MOST_SCENARIOS).then_some(all)
    }

    fn assumption(&self, step: usize, output: Option<String>, holds: bool) -> Assumption {
        let name = &self.plan.steps[step].name;
        let words = match (&output, holds, self.nodes[step].mends) {
            (None, true, true) => format!("{name} mends"),
            (None, false, true) => format!("{name} does not mend"),
            (None, true, false) => format!("{name} passes"),
            (None, false, false) => format!("{name} denies"),
            (Some(output), true, _) => output.replace('_', " "),
            (Some(output), false, _) => format!("not {}", output.replace('_', " ")),
        };
        Assumption { at: step, step: name.clone(), output, holds, words }
    }

    /// How a run ends whose steps end so: the heaviest of what they make.
    pub(super) fn ending(&self, leaf: &Leaf) -> Ending {
        let failed =
            |(at, cell): (usize, &Cell)| *cell == Cell::Fails && !self.plan.steps[at].continue_on_failure;
        if leaf.cells.iter().enumerate().any(failed) {
            return Ending::Failed;
        }
        let cells = || leaf.cells.iter().enumerate();
        let open = |at: usize, cell: Cell| {
            let node = &self.nodes[at];
            cell == Cell::Depends || (cell == Cell::Runs && node.denies)
        };
        let denied = cells().any(|(_, cell)| *cell == Cell::Denies);
        let may_deny = cells().any(|(at, cell)| open(at, *cell) && self.nodes[at].denies);
        let may_mend = cells().any(|(at, cell)| open(at, *cell) && self.nodes[at].mends);
        if may_deny || (denied && may_mend) {
            return Ending::Depends;
        }
        if !denied {
            return Ending::Passed;
        }
        let menders: Vec<usize> = cells()
            .filter(|(at, cell)| self.nodes[*at].mends && matches!(cell, Cell::Runs | Cell::Passes))
            .map(|(at, _)| at)
            .collect();
        let mended = |at: usize| menders.iter().any(|mender| !self.after(*mender, at));
        match cells().filter(|(_, cell)| **cell == Cell::Denies).all(|(at, _)| mended(at)) {
            true => Ending::Remediated,
            false => Ending::Denied,
        }
    }

    /// Whether `step` stands after `from`: a denial there is one of what was mended.
    fn after(&self, from: usize, step: usize) -> bool {
        let mut after = vec![false; step + 1];
        for at in from + 1..=step {
            after[at] =
                self.nodes[at].needs.iter().any(|need| *need == from || after.get(*need) == Some(&true));
        }
        from < step && after[step]
    }
}
