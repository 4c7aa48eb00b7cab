//! How steps stand to each other: missing needs, cycles, the order, what surely stands before what.

use std::collections::hash_map::Entry;
use std::collections::{BTreeSet, HashMap, HashSet, VecDeque};

use petgraph::algo::kosaraju_scc;
use petgraph::graph::{DiGraph, NodeIndex};

use super::Ctx;
use super::steps::Draft;
use crate::diagnostics::{Diagnostic, shown};
use crate::suggest::Guesses;

/// How many edges of a cycle are shown in the source, after the first.
const SHOWN_NEEDS: usize = 5;

/// The edges among drafts, by index.
pub(super) struct Dag {
    /// Position by name.
    pub(super) index: HashMap<String, usize>,
    /// Needs before what needs them, as written where that leaves a choice. Without those in or behind a cycle.
    pub(super) order: Vec<usize>,
    /// Whether there is a cycle.
    pub(super) cyclic: bool,
    /// What each needs, without the unknown.
    pub(super) needs: Vec<Vec<usize>>,
    /// One bit a step: what surely stands before it.
    before: Vec<Vec<u64>>,
    /// What is left for guessing step names.
    pub(super) guesses: Guesses,
}

impl Dag {
    /// Whether `earlier` surely stands before `later`.
    pub(super) fn stands_before(&self, earlier: usize, later: usize) -> bool {
        self.before[later].get(earlier / 64).is_some_and(|word| word >> (earlier % 64) & 1 == 1)
    }
}

impl Dag {
    /// Whether before `step` stands just what stands before `last`; and `last` itself, if `with_it`.
    pub(super) fn sees_the_same(&self, step: usize, last: usize, with_it: bool) -> bool {
        let (own, other) = (&self.before[step], &self.before[last]);
        own.iter().zip(other).enumerate().all(|(at, (own, other))| {
            let bit = if with_it && last / 64 == at { 1 << (last % 64) } else { 0 };
            *own == *other | bit
        })
    }

    /// All that surely stands before a step.
    pub(super) fn all_before(&self, step: usize) -> impl Iterator<Item = usize> {
        let words = self.before[step].iter().enumerate();
        words.flat_map(|(at, word)| {
            let mut left = *word;
            std::iter::from_fn(move || {
                let bit = left.trailing_zeros() as usize;
                left &= left.checked_sub(1)?;
                Some(at * 64 + bit)
            })
        })
    }
}

impl Ctx<'_> {
    pub(super) fn dag(&mut self, drafts: &[Draft<'_>]) -> Dag {
        let index: HashMap<String, usize> =
            drafts.iter().enumerate().map(|(i, d)| (d.step.name.clone(), i)).collect();
        let guesses = Guesses::default();
        let mut needs = Vec::with_capacity(drafts.len());
        for draft in drafts {
            let mut found = Vec::new();
            for (need, span) in &draft.needs {
                match index.get(*need) {
                    Some(i) => found.push(*i),
                    None => {
                        let message = format!(
                            "step `{}` needs `{}`, which does not exist",
                            shown(&draft.step.name),
                            shown(need)
                        );
                        let near = guesses.nearest(need, drafts.iter().map(|d| d.step.name.as_str()));
                        self.push(Diagnostic::error("unknown-step", *span, message).did_you_mean(near));
                    }
                }
            }
            needs.push(found);
        }
        let cyclic = self.cycles(drafts, &needs);
        let order = order(&needs);
        let before = before(&needs, &order);
        Dag { index, order, cyclic, needs, before, guesses }
    }

    /// One complaint for each group of steps that wait for each other, with a shortest path through it.
    fn cycles(&mut self, drafts: &[Draft<'_>], needs: &[Vec<usize>]) -> bool {
        let mut graph = DiGraph::<(), ()>::with_capacity(needs.len(), 0);
        for _ in needs {
            graph.add_node(());
        }
        for (i, list) in needs.iter().enumerate() {
            for need in list {
                graph.add_edge(NodeIndex::new(i), NodeIndex::new(*need), ());
            }
        }
        let mut cyclic = false;
        for group in kosaraju_scc(&graph) {
            let members: HashSet<usize> = group.iter().map(|n| n.index()).collect();
            let Some(first) = members.iter().copied().min() else { continue };
            if members.len() == 1 && !needs[first].contains(&first) {
                continue;
            }
            cyclic = true;
            let path = round(first, needs, &members);
            let names: Vec<String> =
                path.iter().map(|i| format!("`{}`", shown(&drafts[*i].step.name))).collect();
            let message = match names.as_slice() {
                [one, _] => format!("step {one} needs itself"),
                _ => format!("steps wait for each other: {}", crop(&names)),
            };
            let next = path.get(1).copied().unwrap_or(first);
            let need = drafts[first].needs.iter().find(|(n, _)| *n == drafts[next].step.name);
            let span = need.map_or(drafts[first].span, |(_, span)| *span);
            let mut error = Diagnostic::error("cycle", span, message);
            for pair in path.windows(2).skip(1).take(SHOWN_NEEDS) {
                let (from, to) = (&drafts[pair[0]], &drafts[pair[1]].step.name);
                if let Some((_, place)) = from.needs.iter().find(|(need, _)| need == to) {
                    let word = format!("`{}` needs `{}`", shown(&from.step.name), shown(to));
                    error = error.related(*place, word);
                }
            }
            self.push(error.hint("remove one of these `needs`"));
        }
        cyclic
    }
}

/// `a` needs `b` needs … needs `a`; a long one without its middle.
fn crop(names: &[String]) -> String {
    if names.len() <= 24 {
        return names.join(" needs ");
    }
    let (head, tail) = (names[..12].join(" needs "), names[names.len() - 12..].join(" needs "));
    format!("{head} needs … ({} more) … needs {tail}", names.len() - 24)
}

/// A shortest way from `first` along needs back to itself, both ends included.
fn round(first: usize, needs: &[Vec<usize>], members: &HashSet<usize>) -> Vec<usize> {
    let mut from: HashMap<usize, usize> = HashMap::new();
    let mut queue = VecDeque::from([first]);
    while let Some(at) = queue.pop_front() {
        for next in needs[at].iter().copied().filter(|n| members.contains(n)) {
            if next == first {
                let mut path = vec![first, at];
                let mut step = at;
                while step != first {
                    step = from[&step];
                    path.push(step);
                }
                path.reverse();
                if at == first {
                    path.truncate(2);
                }
                return path;
            }
            if let Entry::Vacant(unseen) = from.entry(next) {
                unseen.insert(at);
                queue.push_back(next);
            }
        }
    }
    vec![first]
}

/// Kahn's order; among those that are free, the one written first.
fn order(needs: &[Vec<usize>]) -> Vec<usize> {
    let mut waiting: Vec<usize> = needs.iter().map(Vec::len).collect();
    let mut followers = vec![Vec::new(); needs.len()];
    for (i, list) in needs.iter().enumerate() {
        list.iter().for_each(|need| followers[*need].push(i));
    }
    let mut free: BTreeSet<usize> = (0..needs.len()).filter(|i| waiting[*i] == 0).collect();
    let mut order = Vec::with_capacity(needs.len());
    while let Some(next) = free.pop_first() {
        order.push(next);
        for follower in &followers[next] {
            waiting[*follower] -= 1;
            if waiting[*follower] == 0 {
                free.insert(*follower);
            }
        }
    }
    order
}

fn before(needs: &[Vec<usize>], order: &[usize]) -> Vec<Vec<u64>> {
    let words = needs.len().div_ceil(64);
    let mut before = vec![vec![0_u64; words]; needs.len()];
    for &step in order {
        let mut own = std::mem::take(&mut before[step]);
        for &need in &needs[step] {
            own[need / 64] |= 1 << (need % 64);
            own.iter_mut().zip(&before[need]).for_each(|(a, b)| *a |= b);
        }
        before[step] = own;
    }
    before
}
