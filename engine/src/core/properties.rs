//! Random plans under random events: duplicates, late and stale ones, crashes, and people who change their minds.

use jiff::Timestamp;
use proptest::prelude::*;
use serde_json::json;

use super::{
    simulated::{Simulated, WHENS, plan, replay},
    *,
};
use crate::RunResult;

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn whatever_happens_a_run_keeps_its_order_and_ends(
        shape in prop::collection::vec((any::<u64>(), 0..WHENS.len(), any::<bool>()), 1..=200),
        choices in prop::collection::vec((any::<prop::sample::Index>(), any::<u32>()), 0..600),
        child in any::<bool>(),
    ) {
        let mut run = Simulated::new(plan(&shape), child);
        let at = Timestamp::UNIX_EPOCH;
        // Nothing can be claimed before the run has started.
        run.apply(Event::Claimed { step: 0, until: at, at })?;
        prop_assert!(run.log.is_empty());
        run.apply(Event::Started { at })?;
        for (index, choice) in choices {
            run.happen(index, choice)?;
        }
        run.drain()?;
        prop_assert!(run.state.result().is_some(), "it does not end: {:?}", run.state.steps);
        // What happened, told again, leads to the same state by the same effects.
        let (again, effects) = replay(&run.plan, child, &run.log);
        prop_assert_eq!(&again, &run.state);
        prop_assert_eq!(&effects, &run.effects);
        // And the persisted form holds all of it.
        for step in again.steps.iter() {
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
        let steps: Steps = states.iter().map(|s| StepRun::new((*s).clone())).collect();
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
