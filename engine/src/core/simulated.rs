//! A run that anything may happen to, and what must hold of it after every event.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use jiff::{SignedDuration, Timestamp};
use patchline_chains::{Plan, PlanStep, Retry, Scope};
use proptest::prelude::*;
use serde_json::{Map, json};

use super::*;
use crate::{Decision, Error, ErrorClass, Message, Parent, RunId, RunResult, StepStatus, Subject};

pub(super) const WHENS: [Option<&str>; 7] = [
    None,
    None,
    Some("always"),
    Some("denied"),
    Some("failed"),
    Some("no such expression ("),
    Some("steps.s0.outcome == \"unknown\" || steps.s0.succeeded"),
];

/// Each step: what its needs are drawn from, which of [`WHENS`], whether it may fail.
pub(super) fn plan(shape: &[(u64, usize, bool)]) -> Plan {
    let steps = shape
        .iter()
        .enumerate()
        .map(|(i, (needs, when, continue_on_failure))| PlanStep {
            name: format!("s{i}"),
            title: None,
            uses: "do".into(),
            needs: needs_of(i, *needs).into_iter().map(|n| format!("s{n}")).collect(),
            when: WHENS[*when].map(str::to_owned),
            with: json!({}),
            timeout: Duration::from_secs(1),
            retry: Retry {
                attempts: 2,
                backoff: Duration::from_secs(1),
                max_backoff: Duration::from_secs(4),
            },
            continue_on_failure: *continue_on_failure,
        })
        .collect();
    Plan {
        version: 1,
        chain: "random".into(),
        description: None,
        scope: Scope::default(),
        on_push: false,
        on_advisories: None,
        on_schedule: None,
        params: json!({}),
        parameters: Default::default(),
        concurrency: None,
        timeout: None,
        steps,
    }
}

/// None to three steps before it: near ones make the graph deep, far ones wide.
fn needs_of(step: usize, drawn: u64) -> BTreeSet<usize> {
    let bits = |from: u32| (drawn >> from) as usize & 0xffff;
    (0..bits(0) % 4)
        .filter(|_| step > 0)
        .map(|n| {
            let near = bits(2) >> n & 1 == 1;
            let far = bits(12 + 16 * n as u32);
            if near { step - 1 - far % step.min(8) } else { far % step }
        })
        .collect()
}

/// As steps are kept: without what blocked ones wait for.
fn forgetful(steps: &Steps) -> Steps {
    let mut kept = steps.clone();
    for i in 0..kept.len() {
        if matches!(kept[i].state, StepState::Blocked { pending: 1.. }) {
            kept[i].state = StepState::Blocked { pending: 0 };
        }
    }
    kept
}

fn decision(approved: bool, at: Timestamp) -> Decision {
    Decision { approved, by: Some("somebody".into()), reason: "because".into(), at }
}

/// A run with everything that must hold of it.
pub(super) struct Simulated {
    pub(super) plan: Plan,
    pub(super) state: RunState,
    /// What happened, as a log: JSON, a line an event.
    pub(super) log: Vec<String>,
    pub(super) effects: Vec<Vec<Effect>>,
    /// Status of each step, as whoever only hears of effects has it.
    shown: Vec<StepStatus>,
    openings: usize,
    finished: usize,
    /// What may happen once for each fence: (what, step, fence).
    once: BTreeSet<(&'static str, usize, u64)>,
    after: Vec<Vec<bool>>,
    now: Timestamp,
}

impl Simulated {
    pub(super) fn new(plan: Plan, child: bool) -> Self {
        let state = Self::fresh(&plan, child);
        let shown = vec![StepStatus::Blocked; plan.steps.len()];
        let after = (0..plan.steps.len()).map(|i| reach(&plan, i)).collect();
        let (openings, finished, once) = (1, 0, BTreeSet::new());
        let (log, effects, now) = (Vec::new(), Vec::new(), Timestamp::UNIX_EPOCH);
        Self { plan, state, log, effects, shown, openings, finished, once, after, now }
    }

    pub(super) fn fresh(plan: &Plan, child: bool) -> RunState {
        let parent = child.then(|| Parent { run: RunId("parent".into()), step: "fix".into() });
        RunState::new(plan, Arc::new(Facts { names: Map::new(), identity: String::new(), parent }))
    }

    /// What happens next; `at` draws the step, `choice` the rest.
    pub(super) fn happen(&mut self, at: prop::sample::Index, choice: u32) -> Result<(), TestCaseError> {
        self.now += SignedDuration::from_millis(i64::from(choice % 700));
        if choice % 23 == 5 && !self.log.is_empty() {
            // Something of before comes late, or twice.
            let old = serde_json::from_str(&self.log[at.index(self.log.len())]).expect("an event");
            return self.apply(old);
        }
        let waiting: Vec<usize> = (0..self.plan.steps.len())
            .filter(|i| {
                let state = &self.state.steps[*i].state;
                !state.is_terminal() && !matches!(state, StepState::Blocked { .. })
            })
            .collect();
        let doubted = self.state.steps.iter().position(|s| matches!(s.state, StepState::Unknown { .. }));
        let step = match (choice % 8, doubted) {
            (0, Some(step)) => step,
            (0 | 1, _) => at.index(self.plan.steps.len()),
            _ if waiting.is_empty() => at.index(self.plan.steps.len()),
            _ => waiting[at.index(waiting.len())],
        };
        let event = self.pick(step, choice / 8);
        self.apply(event.clone())?;
        if choice.is_multiple_of(5) {
            self.apply(event)?;
        }
        Ok(())
    }

    fn pick(&mut self, step: usize, choice: u32) -> Event {
        let at = self.now;
        let fence = self.state.steps[step].fence;
        // Now and then a fence of yesterday.
        let fence = if choice % 11 == 10 { fence.wrapping_sub(1) } else { fence };
        let flag = choice & 256 == 0;
        let (by, reason) = ("ana".to_owned(), "it is mended".to_owned());
        match &self.state.steps[step].state {
            _ if choice % 97 == 3 => Event::Cancel { at },
            _ if choice % 101 == 7 => Event::TimedOut { at },
            _ if self.state.phase == Phase::Queued && flag => Event::Started { at },
            StepState::Ready { .. } => Event::Claimed { step, until: at + SignedDuration::from_secs(15), at },
            StepState::Leased { .. } => self.end(step, fence, choice / 97),
            StepState::Backoff { .. } => {
                self.now += SignedDuration::from_secs(2);
                Event::BackoffDue { step, at: self.now }
            }
            StepState::Child { run, .. } => {
                let results = [RunResult::Passed, RunResult::Denied, RunResult::Failed, RunResult::Cancelled];
                let result = results[choice as usize / 97 % 4];
                Event::ChildFinished { step, child: run.clone(), result, at }
            }
            StepState::Approval { .. } if choice.is_multiple_of(5) => {
                self.now += SignedDuration::from_secs(4);
                Event::Expired { step, at: self.now }
            }
            StepState::Approval { .. } => Event::Decided { step, decision: decision(flag, at) },
            StepState::Unknown { .. } if choice.is_multiple_of(3) => {
                Event::Resolved { step, made: flag, by, reason, room: choice & 512 == 0, at }
            }
            _ if choice % 3 == 1 => Event::Retry { step, by, reason, room: choice & 512 == 0, at },
            _ if choice.is_multiple_of(6) => Event::Rerun { step, by, reason, room: choice & 512 == 0, at },
            _ => Event::LeaseLost { step, fence, counts: flag, open: !flag, at },
        }
    }

    fn end(&self, step: usize, fence: u64, choice: u32) -> Event {
        let (at, flag) = (self.now, choice & 64 == 0);
        let output = json!({"by": fence});
        let message = Message { id: format!("{step}#{fence}"), channel: "c".into(), payload: json!({}) };
        let fail = |class, open| {
            let failure = Failure { class, code: "x".into(), message: "y".into() };
            Event::Failed { step, fence, failure, jitter: 0.5, open, at }
        };
        let ended = match choice % 18 {
            0..=5 | 16 | 17 => Ended::Succeeded { output, messages: vec![message], mends: flag },
            6 | 7 => Ended::Denied { output, messages: vec![message] },
            8 => {
                let subject = Subject { identity: "x".into(), context: json!({}) };
                Ended::Child { run: RunId(format!("child{step}")), subject, output, mends: flag }
            }
            9 => Ended::Approval { until: at + SignedDuration::from_secs(3), output },
            10 => Ended::Succeeded {
                output: json!("x".repeat(OUTPUT_LIMIT + 1)),
                messages: vec![],
                mends: false,
            },
            11 => return fail(ErrorClass::Transient, flag),
            12 => return fail(ErrorClass::Permanent, flag),
            13 => return fail(ErrorClass::Throttled(Some(Duration::from_secs(1))), flag),
            _ => return Event::LeaseLost { step, fence, counts: choice & 128 == 0, open: flag, at },
        };
        Event::Completed { step, fence, ended, at }
    }

    /// Ends everything that can be ended, as workers, clocks and people do.
    pub(super) fn drain(&mut self) -> Result<(), TestCaseError> {
        // A claim, two attempts with a pause between them, and a wait, for each layer of the graph.
        for _ in 0..self.plan.steps.len() * 8 + 8 {
            if self.state.result().is_some() {
                return Ok(());
            }
            self.now += SignedDuration::from_secs(60);
            let at = self.now;
            if self.state.phase == Phase::Queued {
                self.apply(Event::Started { at })?;
            }
            for step in 0..self.plan.steps.len() {
                let event = match &self.state.steps[step].state {
                    StepState::Ready { .. } => Event::Claimed { step, until: at, at },
                    StepState::Leased { fence, .. } => {
                        self.end(step, *fence, 97 * *fence as u32 + step as u32)
                    }
                    StepState::Backoff { .. } => Event::BackoffDue { step, at },
                    StepState::Child { run, .. } => {
                        Event::ChildFinished { step, child: run.clone(), result: RunResult::Passed, at }
                    }
                    StepState::Approval { .. } if step % 2 == 0 => Event::Expired { step, at },
                    StepState::Approval { .. } => Event::Decided { step, decision: decision(true, at) },
                    _ => continue,
                };
                self.apply(event)?;
            }
        }
        Ok(())
    }

    /// One event, and all that must hold after it.
    pub(super) fn apply(&mut self, event: Event) -> Result<(), TestCaseError> {
        let result = transition(&self.plan, self.state.clone(), event.clone());
        let before = &self.state;
        let origin = match &event {
            Event::Retry { step, .. } | Event::Rerun { step, .. } | Event::Resolved { step, .. } => {
                Some(*step)
            }
            _ => None,
        };
        if let Some(step) = origin {
            let under_way = |i: usize| {
                self.after[step][i]
                    && matches!(before.steps[i].state.status(), StepStatus::Leased | StepStatus::Waiting)
            };
            let busy = (0..before.steps.len()).any(under_way);
            prop_assert!(!busy || result.is_err(), "set back under a running step");
            prop_assert!(
                !matches!(result, Err(Error::DescendantsBusy { .. })) || busy,
                "refused although nothing runs"
            );
        }
        let Ok((after, effects)) = result else { return Ok(()) };
        let before = std::mem::replace(&mut self.state, after);
        let after = self.state.clone();
        // What is kept is enough to go on from.
        let kept = RunState::resume(&self.plan, after.facts.clone(), after.phase, forgetful(&after.steps));
        prop_assert_eq!(&kept, &after);
        if let Event::Completed { step, fence, .. }
        | Event::Failed { step, fence, .. }
        | Event::LeaseLost { step, fence, .. } = &event
        {
            let held = matches!(&before.steps[*step].state, StepState::Leased { fence: f, .. } if f == fence);
            prop_assert!(held, "a stale worker was heard");
        }
        self.hear(&event, &effects, &before, &after)?;
        for i in 0..before.steps.len() {
            self.step_holds(i, &event, origin, &before, &after)?;
        }
        let over = before.result().is_some();
        prop_assert!(!over || origin.is_some() || before == after, "a finished run changed");
        if after.result().is_some() {
            prop_assert!(after.steps.iter().all(|s| s.state.is_terminal()), "it ended too early");
        }
        self.log.push(serde_json::to_string(&event).expect("an event is JSON"));
        self.effects.push(effects);
        prop_assert_eq!(
            &self.shown,
            &self.state.steps.iter().map(|s| s.state.status()).collect::<Vec<_>>(),
            "a change was not told"
        );
        prop_assert_eq!(self.finished, self.openings - usize::from(self.state.result().is_none()));
        Ok(())
    }

    fn hear(
        &mut self,
        event: &Event,
        effects: &[Effect],
        before: &RunState,
        after: &RunState,
    ) -> Result<(), TestCaseError> {
        let mut told = 0;
        for effect in effects {
            let once = match effect {
                Effect::Changed { step } => {
                    self.shown[*step] = after.steps[*step].state.status();
                    continue;
                }
                Effect::StartChild { step, .. } => ("child", *step, after.steps[*step].fence),
                Effect::Enqueue { step, .. } => ("messages", *step, after.steps[*step].fence),
                Effect::Finished { .. } => {
                    self.finished += 1;
                    continue;
                }
                Effect::Reopened => {
                    prop_assert!(before.result().is_some(), "what had not ended was opened again");
                    self.openings += 1;
                    continue;
                }
                Effect::Started => {
                    prop_assert!(!matches!(before.phase, Phase::Active | Phase::Cancelling));
                    continue;
                }
                Effect::TellParent { .. } => {
                    told += 1;
                    continue;
                }
                Effect::Stop { .. } | Effect::CancelChild { .. } => {
                    let stops = matches!(event, Event::Cancel { .. } | Event::TimedOut { .. });
                    prop_assert!(stops, "stopped by {:?}", event);
                    continue;
                }
            };
            prop_assert!(self.once.insert(once), "twice: {:?}", once);
        }
        let ended = effects.iter().filter(|e| matches!(e, Effect::Finished { .. })).count();
        prop_assert_eq!(told, if after.facts.parent.is_some() { ended } else { 0 });
        Ok(())
    }

    fn step_holds(
        &self,
        i: usize,
        event: &Event,
        origin: Option<usize>,
        before: &RunState,
        after: &RunState,
    ) -> Result<(), TestCaseError> {
        let (was, is) = (&before.steps[i], &after.steps[i]);
        let set_back = origin.is_some_and(|from| from == i || self.after[from][i]);
        prop_assert!(!was.state.is_terminal() || was.state == is.state || set_back, "step {} ended twice", i);
        prop_assert!(is.fence >= was.fence && is.resets >= was.resets, "step {} went back in time", i);
        if set_back && !matches!(event, Event::Resolved { step, .. } if *step == i) {
            prop_assert_eq!((is.failures, is.lost, is.attempt), (0, 0, 0), "step {} does not begin anew", i);
            prop_assert!(is.child.is_none() && is.decision.is_none() && is.started_at.is_none());
        }
        let unknown = |run: &StepRun| matches!(run.state, StepState::Unknown { .. });
        if unknown(is) && !unknown(was) {
            let open =
                matches!(event, Event::Failed { open: true, .. } | Event::LeaseLost { open: true, .. });
            prop_assert!(open, "step {} is in doubt without an intent", i);
        }
        let leased = |run: &StepRun| matches!(run.state, StepState::Leased { .. });
        if leased(is) && !leased(was) {
            prop_assert_eq!(is.fence, was.fence + 1);
            prop_assert_eq!(before.phase, Phase::Active);
            let planned = &self.plan.steps[i];
            for need in &planned.needs {
                let n = self.plan.steps.iter().position(|s| s.name == *need).expect("a need is a step");
                let need = &before.steps[n].state;
                prop_assert!(need.is_terminal(), "step {} started before {}", i, n);
                let succeeded = matches!(need, StepState::Succeeded { .. });
                prop_assert!(planned.when.is_some() || succeeded, "step {} started without {}", i, n);
            }
        }
        Ok(())
    }
}

/// Tells a log again to a fresh run: the state it leads to, and the effects on the way.
pub(super) fn replay(plan: &Plan, child: bool, log: &[String]) -> (RunState, Vec<Vec<Effect>>) {
    let mut state = Simulated::fresh(plan, child);
    let mut told = Vec::new();
    for line in log {
        let event: Event = serde_json::from_str(line).expect("an event");
        let (next, effects) = transition(plan, state, event).expect("it was legal before");
        state = next;
        told.push(effects);
    }
    (state, told)
}

/// The steps after one, found apart from the code that is tested.
fn reach(plan: &Plan, from: usize) -> Vec<bool> {
    let mut after = vec![false; plan.steps.len()];
    let mut todo = vec![from];
    while let Some(at) = todo.pop() {
        for (i, step) in plan.steps.iter().enumerate() {
            if !after[i] && step.needs.contains(&plan.steps[at].name) {
                after[i] = true;
                todo.push(i);
            }
        }
    }
    after
}
