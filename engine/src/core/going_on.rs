//! Retry, re-run, doubt and its end, and a run's time: what they do to a run, and when they are refused.

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use serde_json::{Map, json};

use super::{simulated::plan, *};
use crate::{Error, ErrorClass, RunId, RunResult, RunStatus, StepStatus, Subject};

const START: Timestamp = Timestamp::UNIX_EPOCH;

fn at(seconds: i64) -> Timestamp {
    START + SignedDuration::from_secs(seconds)
}

/// `s0 → s1 → s2`, `s3` after `s1` when it fails, `s4` alone.
struct Run {
    plan: patchline_chains::Plan,
    state: RunState,
}

impl Run {
    fn new() -> Self {
        let mut plan = plan(&[(0, 0, false); 5]);
        for (step, need) in [(1, "s0"), (2, "s1"), (3, "s1")] {
            plan.steps[step].needs = vec![need.into()];
        }
        plan.steps[3].when = Some("failed".into());
        let state = RunState::new(
            &plan,
            Arc::new(Facts { names: Map::new(), identity: String::new(), parent: None }),
        );
        let mut run = Self { plan, state };
        run.apply(Event::Started { at: START }).unwrap();
        run
    }
    fn apply(&mut self, event: Event) -> crate::Result<Vec<Effect>> {
        let (state, effects) = transition(&self.plan, self.state.clone(), event)?;
        self.state = state;
        Ok(effects)
    }
    fn claim(&mut self, step: usize) -> u64 {
        self.apply(Event::Claimed { step, until: at(15), at: at(1) }).unwrap();
        self.state.steps[step].fence
    }
    fn succeed(&mut self, step: usize) {
        let fence = self.claim(step);
        let ended = Ended::Succeeded { output: json!({"n": fence}), messages: Vec::new(), mends: false };
        self.apply(Event::Completed { step, fence, ended, at: at(2) }).unwrap();
    }
    fn fail(&mut self, step: usize, open: bool) -> Vec<Effect> {
        let fence = self.claim(step);
        let failure = Failure { class: ErrorClass::Permanent, code: "x".into(), message: "y".into() };
        self.apply(Event::Failed { step, fence, failure, jitter: 0.0, open, at: at(2) }).unwrap()
    }
    fn retry(&mut self, step: usize, room: bool) -> crate::Result<Vec<Effect>> {
        self.apply(Event::Retry { step, by: "ana".into(), reason: "again".into(), room, at: at(9) })
    }
    fn rerun(&mut self, step: usize) -> crate::Result<Vec<Effect>> {
        self.apply(Event::Rerun { step, by: "ana".into(), reason: "anew".into(), room: true, at: at(9) })
    }
    fn resolve(&mut self, step: usize, made: bool) -> crate::Result<Vec<Effect>> {
        let (by, reason) = ("ana".into(), "I looked".into());
        self.apply(Event::Resolved { step, made, by, reason, room: true, at: at(9) })
    }
    fn statuses(&self) -> String {
        // The first letters; `skipped` is `-`.
        let letter = |s: &StepRun| match s.state.status() {
            StepStatus::Skipped => '-',
            status => status.to_string().chars().next().unwrap_or('?'),
        };
        self.state.steps.iter().map(letter).collect()
    }
    fn result(&self) -> Option<RunResult> {
        self.state.result()
    }
}

/// `s1` failed for good, all else ended.
fn failed(open: bool) -> Run {
    let mut run = Run::new();
    run.succeed(0);
    run.succeed(4);
    run.fail(1, open);
    assert_eq!(run.statuses(), if open { "su-rs" } else { "sf-rs" });
    run.succeed(3);
    run
}

#[test]
fn a_failed_step_is_tried_again_in_place() {
    let mut run = failed(false);
    assert_eq!(run.result(), Some(RunResult::Failed));
    let effects = run.retry(1, true).unwrap();
    assert_eq!(&effects[..2], [Effect::Reopened, Effect::Started]);
    assert_eq!((run.statuses().as_str(), run.state.phase), ("srbbs", Phase::Active));
    let (tried, after) = (&run.state.steps[1], &run.state.steps[3]);
    assert_eq!((tried.fence, tried.failures, tried.resets, &tried.problem), (1, 0, 0, &None));
    assert_eq!((after.fence, after.resets, after.started_at), (1, 1, None), "a new piece of work");
    // The worker of before is a stale one.
    let ended = Ended::Denied { output: json!({}), messages: Vec::new() };
    assert!(run.apply(Event::Completed { step: 1, fence: 1, ended, at: at(9) }).is_err());
    run.succeed(1);
    assert_eq!(run.statuses(), "ssr-s");
    run.succeed(2);
    assert_eq!(run.result(), Some(RunResult::Passed));
    assert_eq!((run.state.steps[1].fence, run.state.steps[1].attempt), (2, 1));
}

#[test]
fn a_live_run_goes_on_beside_what_is_tried_again() {
    let mut run = Run::new();
    run.succeed(0);
    let held = run.claim(4);
    run.fail(1, false);
    let effects = run.retry(1, true).unwrap();
    assert!(!effects.contains(&Effect::Reopened), "{effects:?}");
    assert_eq!(run.statuses(), "srbbl");
    assert!(matches!(run.state.steps[4].state, StepState::Leased { fence, .. } if fence == held));
}

#[test]
fn what_comes_after_must_not_be_under_way() {
    let mut run = Run::new();
    run.succeed(0);
    run.succeed(1);
    run.claim(2);
    let refused = run.rerun(0).unwrap_err();
    assert_eq!(refused.code(), "descendants-busy");
    assert_eq!(refused.to_string(), "step `s2` comes after `s0` and is under way");
    let subject = Subject { identity: "x".into(), context: json!({}) };
    let ended = Ended::Child { run: RunId("c".into()), subject, output: json!({}), mends: false };
    run.apply(Event::Completed { step: 2, fence: 1, ended, at: at(3) }).unwrap();
    assert_eq!(run.rerun(1).unwrap_err().code(), "descendants-busy", "it waits for its child");
    assert_eq!(run.rerun(2).unwrap_err().to_string(), "step `s2` is waiting: it has not ended yet");
    assert_eq!(run.retry(1, true).unwrap_err().code(), "nothing-to-retry");
    assert_eq!(run.resolve(1, true).unwrap_err().code(), "nothing-to-resolve");
    assert!(matches!(run.retry(9, true), Err(Error::Illegal { .. })));
    run.apply(Event::Cancel { at: at(4) }).unwrap();
    assert_eq!(run.rerun(1).unwrap_err().code(), "run-cancelling");
}

#[test]
fn what_has_ended_well_is_done_anew() {
    let mut run = Run::new();
    for step in [0, 1, 2, 4] {
        run.succeed(step);
    }
    assert_eq!((run.result(), run.statuses().as_str()), (Some(RunResult::Passed), "sss-s"));
    run.rerun(1).unwrap();
    assert_eq!(run.statuses(), "srbbs");
    let resets: Vec<u32> = run.state.steps.iter().map(|s| s.resets).collect();
    assert_eq!(resets, [0, 1, 1, 0, 0], "the third never ran, the last does not depend on it");
    run.fail(1, false);
    run.succeed(3);
    assert_eq!(run.result(), Some(RunResult::Failed));
}

#[test]
fn a_run_that_is_opened_again_waits_for_its_key() {
    let mut run = failed(false);
    let effects = run.retry(1, false).unwrap();
    assert_eq!(effects[0], Effect::Reopened);
    assert!(!effects.contains(&Effect::Started));
    assert_eq!((run.state.status(), run.statuses().as_str()), (RunStatus::Queued, "sbbbs"));
    assert!(run.apply(Event::Claimed { step: 1, until: at(30), at: at(10) }).is_err());
    assert!(run.apply(Event::TimedOut { at: at(10) }).is_err(), "its time has not begun");
    run.apply(Event::Started { at: at(11) }).unwrap();
    assert_eq!(run.statuses(), "srbbs");
}

#[test]
fn a_cancelled_step_follows_what_it_needs() {
    let mut run = Run::new();
    run.succeed(0);
    run.apply(Event::Cancel { at: at(3) }).unwrap();
    assert_eq!((run.result(), run.statuses().as_str()), (Some(RunResult::Cancelled), "scccc"));
    // What it needs was cancelled too, and is not tried again with it.
    run.retry(2, true).unwrap();
    assert_eq!((run.result(), run.statuses().as_str()), (Some(RunResult::Cancelled), "sc-cc"));
    run.retry(1, true).unwrap();
    assert_eq!(run.statuses(), "srbbc");
    run.retry(4, true).unwrap();
    run.succeed(4);
    run.succeed(1);
    run.succeed(2);
    assert_eq!(run.result(), Some(RunResult::Passed));
}

#[test]
fn doubt_counts_as_a_failure_until_a_person_ends_it() {
    let mut run = failed(true);
    assert_eq!(run.result(), Some(RunResult::Failed));
    let names = names::names(&run.plan, &run.state);
    let seen = &names["steps"]["s1"];
    assert_eq!((&seen["failed"], &seen["outcome"]), (&json!(true), &json!("unknown")));
    let mut other = failed(true);

    run.resolve(1, true).unwrap();
    assert_eq!(run.statuses(), "ssr-s", "what ran because it failed does not stand any more");
    let resolved = json!({"made": true, "by": "ana", "reason": "I looked", "at": at(9)});
    assert_eq!(run.state.steps[1].state.output(), json!({"resolved": resolved}));
    assert_eq!(run.resolve(1, true).unwrap_err().code(), "nothing-to-resolve");
    run.succeed(2);
    assert_eq!(run.result(), Some(RunResult::Passed));

    other.resolve(1, false).unwrap();
    assert_eq!(other.statuses(), "sf-rs");
    other.succeed(3);
    assert_eq!(other.result(), Some(RunResult::Failed));

    let mut last = Run::new();
    for step in [0, 1, 2] {
        last.succeed(step);
    }
    last.fail(4, true);
    let effects = last.resolve(4, true).unwrap();
    assert_eq!(last.result(), Some(RunResult::Passed), "nothing came after it: it has ended at once");
    assert!(effects.contains(&Effect::Finished { result: RunResult::Passed }));
}

#[test]
fn only_a_final_failure_leaves_doubt() {
    let mut run = Run::new();
    for (attempt, status) in [(1, "wbbbr"), (2, "u--rr")] {
        let fence = run.claim(0);
        let failure = Failure { class: ErrorClass::Transient, code: "x".into(), message: "y".into() };
        let event = Event::Failed { step: 0, fence, failure, jitter: 0.0, open: true, at: at(2) };
        run.apply(event).unwrap();
        assert!(run.statuses().starts_with(&status[..2]), "attempt {attempt}: {}", run.statuses());
        drop(run.apply(Event::BackoffDue { step: 0, at: at(5) }));
    }
    // A step whose workers die one after the other.
    for lost in 1..=LOST_LEASES {
        let fence = run.claim(4);
        run.apply(Event::LeaseLost { step: 4, fence, counts: true, open: true, at: at(9) }).unwrap();
        let unknown = matches!(run.state.steps[4].state, StepState::Unknown { .. });
        assert_eq!(unknown, lost == LOST_LEASES);
    }
    // And one that is told to stop while it acts.
    let mut run = Run::new();
    let (first, second) = (run.claim(0), run.claim(4));
    run.apply(Event::Cancel { at: at(3) }).unwrap();
    run.apply(Event::LeaseLost { step: 0, fence: first, counts: false, open: true, at: at(4) }).unwrap();
    let failure = Failure { class: ErrorClass::Permanent, code: "step-stopped".into(), message: "y".into() };
    let event = Event::Failed { step: 4, fence: second, failure, jitter: 0.0, open: false, at: at(5) };
    run.apply(event).unwrap();
    assert_eq!((run.statuses().as_str(), run.result()), ("ucccc", Some(RunResult::Cancelled)));
}

#[test]
fn a_run_that_takes_too_long_has_failed() {
    let mut run = Run::new();
    run.plan.timeout = Some(std::time::Duration::from_secs(60));
    run.succeed(0);
    let fence = run.claim(4);
    let effects = run.apply(Event::TimedOut { at: at(60) }).unwrap();
    assert_eq!(effects.last(), Some(&Effect::Stop { step: 4 }));
    assert_eq!((run.statuses().as_str(), run.state.phase), ("scccl", Phase::Cancelling));
    let problem = run.state.steps[1].problem.clone().unwrap();
    assert_eq!(
        (problem.code.as_str(), problem.message.as_str()),
        ("run-timeout", "the run took longer than 60 s")
    );
    assert!(run.apply(Event::TimedOut { at: at(61) }).is_err());
    run.apply(Event::Cancel { at: at(61) }).unwrap();
    // Even what ends well in spite of it comes too late.
    let ended = Ended::Succeeded { output: json!({}), messages: Vec::new(), mends: false };
    run.apply(Event::Completed { step: 4, fence, ended, at: at(62) }).unwrap();
    assert_eq!(run.result(), Some(RunResult::Failed));
    // With time again, only what did not run weighs.
    run.retry(1, true).unwrap();
    assert_eq!(run.statuses(), "srbbs");
    run.succeed(1);
    run.succeed(2);
    assert_eq!(run.result(), Some(RunResult::Passed));
}

#[test]
fn a_child_that_is_stopped_by_its_parents_time_fails_it() {
    let mut run = Run::new();
    run.succeed(0);
    run.claim(4);
    let subject = Subject { identity: "x".into(), context: json!({}) };
    let child = RunId("c".into());
    let ended = Ended::Child { run: child.clone(), subject, output: json!({}), mends: false };
    run.apply(Event::Completed { step: 4, fence: 1, ended, at: at(3) }).unwrap();
    let effects = run.apply(Event::TimedOut { at: at(60) }).unwrap();
    assert!(effects.contains(&Effect::CancelChild { child: child.clone() }));
    let result = RunResult::Cancelled;
    run.apply(Event::ChildFinished { step: 4, child, result, at: at(61) }).unwrap();
    assert_eq!((run.statuses().as_str(), run.result()), ("scccc", Some(RunResult::Failed)));
}
