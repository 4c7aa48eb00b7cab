//! A step that waits for a person: the first decision stands, time refuses, a cancelled run asks no more.

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use serde_json::{Map, json};

use super::{simulated::plan, *};
use crate::{Decision, Error, RunResult, StepStatus};

const START: Timestamp = Timestamp::UNIX_EPOCH;

fn until() -> Timestamp {
    START + SignedDuration::from_hours(72)
}

/// `s0` waits for a person; `s1` needs it; `s2` runs when it is denied.
struct Asked {
    plan: patchline_chains::Plan,
    state: RunState,
}

impl Asked {
    fn new() -> Self {
        let mut plan = plan(&[(0, 0, false), (0, 0, false), (0, 0, false)]);
        plan.steps[1].needs = vec!["s0".into()];
        plan.steps[2].needs = vec!["s0".into()];
        plan.steps[2].when = Some("denied".into());
        let state = RunState::new(
            &plan,
            Arc::new(Facts { names: Map::new(), identity: String::new(), parent: None }),
        );
        let mut asked = Self { plan, state };
        asked.apply(Event::Started { at: START }).unwrap();
        asked.work(0);
        let ended = Ended::Approval { until: until(), output: json!({"message": "ship it?"}) };
        asked.apply(Event::Completed { step: 0, fence: 1, ended, at: START }).unwrap();
        asked
    }
    fn apply(&mut self, event: Event) -> crate::Result<Vec<Effect>> {
        let (state, effects) = transition(&self.plan, self.state.clone(), event)?;
        self.state = state;
        Ok(effects)
    }
    fn work(&mut self, step: usize) {
        let until = START + SignedDuration::from_secs(15);
        self.apply(Event::Claimed { step, until, at: START }).unwrap();
    }
    fn decide(&mut self, approved: bool) -> crate::Result<Vec<Effect>> {
        let decision =
            Decision { approved, by: Some("ana".into()), reason: "looked at it".into(), at: START };
        self.apply(Event::Decided { step: 0, decision })
    }
    fn statuses(&self) -> Vec<StepStatus> {
        self.state.steps.iter().map(|s| s.state.status()).collect()
    }
}

#[test]
fn a_step_that_waits_for_a_person_holds_no_lease_and_survives_as_text() {
    let asked = Asked::new();
    assert_eq!(asked.statuses(), [StepStatus::Waiting, StepStatus::Blocked, StepStatus::Blocked]);
    assert_eq!(asked.state.status(), crate::RunStatus::Waiting);
    assert_eq!(asked.state.steps[0].state.output(), json!({"message": "ship it?"}));
    let kept = |step: &StepRun| serde_json::from_str(&serde_json::to_string(step).unwrap()).unwrap();
    let steps: Steps = asked.state.steps.iter().map(kept).collect();
    let again = RunState::resume(&asked.plan, asked.state.facts.clone(), asked.state.phase, steps);
    assert_eq!(again, asked.state, "how many needs are open is counted anew");
}

#[test]
fn rows_from_before_there_were_approvals_are_read() {
    let old = r#"{"state":{"state":"denied","output":{"a":1}},"attempt":1,"failures":0,"lost":0,"fence":1,
        "started_at":null,"finished_at":null,"problem":null,"child":null}"#;
    let step: StepRun = serde_json::from_str(old).unwrap();
    assert_eq!((step.state.status(), step.decision), (StepStatus::Denied, None));
}

#[test]
fn the_first_decision_stands() {
    let mut asked = Asked::new();
    asked.decide(true).unwrap();
    assert_eq!(asked.statuses(), [StepStatus::Succeeded, StepStatus::Ready, StepStatus::Skipped]);
    let output = json!({"message": "ship it?", "approved": true, "by": "ana", "reason": "looked at it",
        "at": START, "summary": "approved by ana: looked at it"});
    assert_eq!(asked.state.steps[0].state.output(), output);
    let again = asked.decide(false).unwrap_err();
    assert_eq!(again.code(), "already-decided");
    assert_eq!(again.to_string(), "step `s0` is decided: approved by ana: looked at it");
    assert!(matches!(asked.apply(Event::Expired { step: 0, at: until() }), Err(Error::Illegal { .. })));
    let other = Decision { approved: true, by: None, reason: String::new(), at: START };
    for step in [1, 9] {
        let code = asked.apply(Event::Decided { step, decision: other.clone() }).unwrap_err().code();
        assert_eq!(code, if step == 1 { "nothing-to-decide" } else { "illegal-transition" });
    }
}

#[test]
fn who_refuses_denies_and_so_does_time() {
    let mut refused = Asked::new();
    refused.decide(false).unwrap();
    let mut late = Asked::new();
    let early = until() - SignedDuration::from_secs(1);
    assert!(matches!(late.apply(Event::Expired { step: 0, at: early }), Err(Error::Illegal { .. })));
    late.apply(Event::Expired { step: 0, at: until() }).unwrap();
    for asked in [&refused, &late] {
        assert_eq!(asked.statuses(), [StepStatus::Denied, StepStatus::Skipped, StepStatus::Ready]);
        assert_eq!(asked.state.steps[0].state.output()["approved"], json!(false));
    }
    let output = late.state.steps[0].state.output();
    assert_eq!(
        (output.get("by"), &output["reason"]),
        (None, &json!("nobody decided by 1970-01-04 00:00 UTC"))
    );
    assert_eq!(late.decide(true).unwrap_err().code(), "already-decided");
}

#[test]
fn a_persons_no_is_mended_by_nothing() {
    let mut asked = Asked::new();
    asked.plan.steps[2].needs = Vec::new();
    asked.state.steps[2].state = StepState::Succeeded { output: json!({}), mends: true };
    let effects = asked.decide(false).unwrap();
    assert!(effects.contains(&Effect::Finished { result: RunResult::Denied }), "{effects:?}");
}

#[test]
fn a_cancelled_run_asks_no_more() {
    let mut asked = Asked::new();
    asked.apply(Event::Cancel { at: START }).unwrap();
    assert_eq!(asked.state.result(), Some(RunResult::Cancelled));
    assert_eq!(asked.decide(true).unwrap_err().code(), "nothing-to-decide");
    // Told to stop while it was about to ask.
    let mut asked = Asked::new();
    asked.decide(true).unwrap();
    asked.work(1);
    asked.apply(Event::Cancel { at: START }).unwrap();
    let ended = Ended::Approval { until: until(), output: json!({}) };
    asked.apply(Event::Completed { step: 1, fence: 1, ended, at: START }).unwrap();
    assert_eq!(asked.statuses()[1], StepStatus::Cancelled);
}
