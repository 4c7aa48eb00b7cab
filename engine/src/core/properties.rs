//! Random plans under random events, duplicates and late ones among them.

use std::{sync::Arc, time::Duration};

use jiff::{SignedDuration, Timestamp};
use patchline_chains::{Plan, PlanStep, Retry, Scope};
use proptest::prelude::*;
use serde_json::{Map, json};

use super::*;
use crate::{Decision, ErrorClass, RunId, RunResult, StepStatus, Subject};

const WHENS: [Option<&str>; 6] =
    [None, None, Some("always"), Some("denied"), Some("failed"), Some("no such expression (")];

pub(super) fn plan(shape: &[(u64, usize, bool)]) -> Plan {
    let steps = shape
        .iter()
        .enumerate()
        .map(|(i, (needs, when, continue_on_failure))| PlanStep {
            name: format!("s{i}"),
            title: None,
            uses: "do".into(),
            needs: (0..i)
                .filter(|n| needs >> n & 1 == 1 && needs >> (n + 20) & 1 == 1)
                .map(|n| format!("s{n}"))
                .collect(),
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

fn decision(approved: bool, at: Timestamp) -> Decision {
    Decision { approved, by: Some("somebody".into()), reason: "because".into(), at }
}

/// A run with everything that must hold of it.
struct Watched {
    plan: Plan,
    state: RunState,
    events: Vec<Event>,
    shown: Vec<StepStatus>,
    finished: usize,
    now: Timestamp,
}

impl Watched {
    fn fresh(plan: &Plan) -> RunState {
        RunState::new(plan, Arc::new(Facts { names: Map::new(), parent: None }))
    }

    fn apply(&mut self, event: Event) -> Result<(), TestCaseError> {
        let before = self.state.clone();
        let Ok((after, effects)) = transition(&self.plan, before.clone(), event.clone()) else {
            return Ok(());
        };
        for effect in &effects {
            match effect {
                Effect::Changed { step } => self.shown[*step] = after.steps[*step].state.status(),
                Effect::Finished { .. } => self.finished += 1,
                _ => {}
            }
        }
        for (i, (was, is)) in before.steps.iter().zip(&after.steps).enumerate() {
            prop_assert!(!was.state.is_terminal() || was == is, "step {} ended twice", i);
            let started = !matches!(was.state, StepState::Leased { .. })
                && matches!(is.state, StepState::Leased { .. });
            if started {
                let planned = &self.plan.steps[i];
                for need in &planned.needs {
                    let n = self.plan.steps.iter().position(|s| s.name == *need).expect("a need is a step");
                    prop_assert!(before.steps[n].state.is_terminal(), "step {} started before {}", i, n);
                    let succeeded = matches!(before.steps[n].state, StepState::Succeeded { .. });
                    prop_assert!(planned.when.is_some() || succeeded, "step {} started without {}", i, n);
                }
                prop_assert!(is.fence > was.fence);
            }
        }
        prop_assert!(before.result().is_none() || before == after, "a finished run changed");
        self.events.push(event);
        self.state = after;
        Ok(())
    }

    fn pick(&mut self, step: usize, choice: u32) -> Event {
        let at = self.now;
        let fence = self.state.steps[step].fence;
        // Now and then a fence of yesterday.
        let fence = if choice % 7 == 6 { fence.wrapping_sub(1) } else { fence };
        let child = RunId(format!("child{step}"));
        let fail = |class| Failure { class, code: "x".into(), message: "y".into() };
        match choice % 16 {
            0..=3 => Event::Claimed { step, until: at + SignedDuration::from_secs(15), at },
            4 | 5 => {
                let ended = Ended::Succeeded { output: json!({}), messages: vec![], mends: choice & 64 == 0 };
                Event::Completed { step, fence, ended, at }
            }
            6 => Event::Completed {
                step,
                fence,
                ended: Ended::Denied { output: json!({}), messages: vec![] },
                at,
            },
            7 => {
                let subject = Subject { identity: "x".into(), context: json!({}) };
                let ended = Ended::Child { run: child, subject, output: json!({}), mends: true };
                Event::Completed { step, fence, ended, at }
            }
            8 => {
                let class = if choice & 64 == 0 { ErrorClass::Transient } else { ErrorClass::Permanent };
                Event::Failed { step, fence, failure: fail(class), jitter: 0.5, open: false, at }
            }
            9 => Event::LeaseLost { step, fence, counts: choice & 64 == 0, open: false, at },
            10 => {
                let result =
                    [RunResult::Passed, RunResult::Denied, RunResult::Failed][choice as usize / 16 % 3];
                Event::ChildFinished { step, child, result, at }
            }
            11 => {
                self.now += SignedDuration::from_secs(2);
                Event::BackoffDue { step, at: self.now }
            }
            12 => {
                let until = at + SignedDuration::from_secs(3);
                let ended = Ended::Approval { until, output: json!({}) };
                Event::Completed { step, fence, ended, at }
            }
            13 => Event::Decided { step, decision: decision(choice & 64 == 0, at) },
            14 => Event::Expired { step, at },
            _ if choice % 1001 == 12 => Event::Cancel { at },
            _ => Event::Started { at },
        }
    }

    /// Ends everything that can be ended.
    fn drain(&mut self) -> Result<(), TestCaseError> {
        for _ in 0..self.plan.steps.len() * 8 {
            self.now += SignedDuration::from_secs(60);
            let at = self.now;
            for step in 0..self.plan.steps.len() {
                let event = match &self.state.steps[step].state {
                    StepState::Ready { .. } => Event::Claimed { step, until: at, at },
                    StepState::Leased { fence, .. } => {
                        let ended = Ended::Succeeded { output: json!({}), messages: vec![], mends: false };
                        Event::Completed { step, fence: *fence, ended, at }
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
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn whatever_happens_a_run_keeps_its_order_and_ends_once(
        shape in prop::collection::vec((any::<u64>(), 0..WHENS.len(), any::<bool>()), 1..=40),
        choices in prop::collection::vec((any::<prop::sample::Index>(), any::<u32>()), 0..400),
    ) {
        let plan = plan(&shape);
        let state = Watched::fresh(&plan);
        let shown = vec![StepStatus::Blocked; plan.steps.len()];
        let now = Timestamp::UNIX_EPOCH;
        let mut run = Watched { plan, state, events: vec![], shown, finished: 0, now };
        // Nothing can be claimed before the run has started.
        run.apply(Event::Claimed { step: 0, until: now, at: now })?;
        prop_assert!(run.events.is_empty());
        run.apply(Event::Started { at: now })?;
        for (index, choice) in choices {
            let step = index.index(run.plan.steps.len());
            let event = run.pick(step, choice);
            run.apply(event.clone())?;
            if choice % 5 == 0 {
                // It comes twice.
                run.apply(event)?;
            }
        }
        run.drain()?;
        prop_assert!(run.state.result().is_some(), "it does not end: {:?}", run.state.steps);
        prop_assert_eq!(run.finished, 1);
        prop_assert_eq!(run.shown, run.state.steps.iter().map(|s| s.state.status()).collect::<Vec<_>>());
        // What happened, told again, leads to the same state.
        let mut again = Watched::fresh(&run.plan);
        for event in run.events {
            again = transition(&run.plan, again, event).expect("it was legal before").0;
        }
        prop_assert_eq!(&again, &run.state);
        // And the persisted form holds all of it.
        for step in &again.steps {
            let json = serde_json::to_string(step).expect("a step is JSON");
            prop_assert_eq!(&serde_json::from_str::<StepRun>(&json).expect("and back"), step);
        }
    }
}

#[test]
fn the_heaviest_step_weighs() {
    let mut plan = plan(&[(0, 0, false), (0, 0, false), (0, 0, true)]);
    plan.steps[1].needs = vec!["s0".into()];
    let denied = StepState::Denied { output: json!({}) };
    let well = |mends| StepState::Succeeded { output: json!({}), mends };
    let failed = StepState::Failed {
        problem: crate::Problem { code: "x".into(), message: "y".into(), class: "permanent".into() },
        output: json!({}),
    };
    let weigh = |states: [&StepState; 3]| {
        let steps: Vec<StepRun> = states.iter().map(|s| StepRun::new((*s).clone())).collect();
        result::result(&plan, &steps)
    };
    assert_eq!(weigh([&well(false), &well(false), &failed]), RunResult::Passed, "it may fail");
    assert_eq!(weigh([&denied, &well(true), &failed]), RunResult::Remediated);
    assert_eq!(weigh([&denied, &well(false), &StepState::Skipped]), RunResult::Denied);
    assert_eq!(
        weigh([&well(true), &denied, &StepState::Skipped]),
        RunResult::Denied,
        "what was mended is denied"
    );
    assert_eq!(weigh([&failed, &denied, &StepState::Skipped]), RunResult::Failed);
    assert_eq!(weigh([&failed, &StepState::Cancelled, &denied]), RunResult::Cancelled);
}
