//! What people and the clock do to a run as a whole: stopping it, and going on with one that has ended.

use std::collections::{HashMap, VecDeque};

use jiff::Timestamp;
use serde_json::Value;

use super::{
    Effect, Phase, StepRun, StepState,
    result::{descendants, is_late},
    transition::Machine,
};
use crate::{Error, Problem, Result};

impl Machine<'_> {
    pub(super) fn cancel(&mut self, at: Timestamp) -> Result<()> {
        match self.state.phase {
            Phase::Finished { .. } => Err(self.illegal("cancelled")),
            Phase::Cancelling => Ok(()),
            Phase::Queued | Phase::Active => {
                self.stop(None, at);
                Ok(())
            }
        }
    }

    /// As if it were cancelled, but the run has failed. Whoever cancelled it before was first.
    pub(super) fn timed_out(&mut self, at: Timestamp) -> Result<()> {
        if !matches!(self.state.phase, Phase::Active) {
            return Err(self.illegal("out of time"));
        }
        let message = match self.plan.timeout {
            Some(limit) => format!("the run took longer than {} s", limit.as_secs_f64()),
            None => "the run took longer than it may".into(),
        };
        self.stop(Some(Problem { code: "run-timeout".into(), message, class: "permanent".into() }), at);
        Ok(())
    }

    fn stop(&mut self, why: Option<Problem>, at: Timestamp) {
        self.state.phase = Phase::Cancelling;
        for step in 0..self.state.steps.len() {
            let run = &mut self.state.steps[step];
            if run.state.is_terminal() {
                continue;
            }
            if let Some(why) = &why {
                run.problem = Some(why.clone());
            }
            match &run.state {
                StepState::Leased { .. } => self.effects.push(Effect::Stop { step }),
                StepState::Child { run, .. } => self.effects.push(Effect::CancelChild { child: run.clone() }),
                _ => {
                    run.finished_at = Some(at);
                    self.set(step, StepState::Cancelled);
                }
            }
        }
    }

    /// The same piece of work once more: its key stays, and what it intended is reconciled.
    pub(super) fn retry(&mut self, step: usize, room: bool, at: Timestamp) -> Result<()> {
        let state = &self.known(step, "tried again")?.state;
        let badly =
            matches!(state, StepState::Failed { .. } | StepState::Unknown { .. } | StepState::Cancelled);
        if !badly {
            return Err(Error::NothingToRetry { step: self.name(step), status: state.status() });
        }
        let after = self.may_set_back(step)?;
        self.reopen(room);
        self.set_back(step, false);
        self.go_on(step, &after, at);
        Ok(())
    }

    /// A new piece of work, and so is all that follows from it.
    pub(super) fn rerun(&mut self, step: usize, room: bool, at: Timestamp) -> Result<()> {
        let state = &self.known(step, "done once more")?.state;
        if !state.is_terminal() {
            return Err(Error::StepNotEnded { step: self.name(step), status: state.status() });
        }
        let after = self.may_set_back(step)?;
        self.reopen(room);
        self.set_back(step, true);
        self.go_on(step, &after, at);
        Ok(())
    }

    pub(super) fn resolved(
        &mut self,
        step: usize,
        made: bool,
        said: Value,
        room: bool,
        at: Timestamp,
    ) -> Result<()> {
        let StepState::Unknown { problem, output } = &self.known(step, "resolved")?.state else {
            return Err(Error::NothingToResolve { step: self.name(step) });
        };
        let (problem, mut output) = (problem.clone(), output.clone());
        if let Value::Object(map) = &mut output {
            map.insert("resolved".into(), said);
        }
        let after = self.may_set_back(step)?;
        // Where nothing follows, there is nothing to wait for room with.
        self.reopen(room || !after.contains(&true));
        let state = if made {
            StepState::Succeeded { output, mends: false }
        } else {
            StepState::Failed { problem, output }
        };
        self.state.steps[step].finished_at = Some(at);
        self.set(step, state);
        self.go_on(step, &after, at);
        Ok(())
    }

    /// What stands after the step, if all of it may be set back.
    fn may_set_back(&self, step: usize) -> Result<Vec<bool>> {
        if self.state.phase == Phase::Cancelling {
            return Err(Error::Cancelling);
        }
        let after = descendants(self.plan, step);
        let busy = self.state.steps.iter().zip(&after).position(|(run, after)| {
            *after
                && matches!(
                    run.state,
                    StepState::Leased { .. }
                        | StepState::Backoff { .. }
                        | StepState::Child { .. }
                        | StepState::Approval { .. }
                )
        });
        match busy {
            Some(busy) => Err(Error::DescendantsBusy { step: self.name(step), busy: self.name(busy) }),
            None => Ok(after),
        }
    }

    /// A run that had ended is under way again, or waits for its concurrency key.
    fn reopen(&mut self, room: bool) {
        if !matches!(self.state.phase, Phase::Finished { .. }) {
            return;
        }
        self.effects.push(Effect::Reopened);
        self.state.phase = if room { Phase::Active } else { Phase::Queued };
        if room {
            self.effects.push(Effect::Started);
        }
        // It has time again: what did end in spite of the lack of it is not held against the run any more.
        for step in 0..self.state.steps.len() {
            let run = &self.state.steps[step];
            let problem = match &run.state {
                _ if !is_late(run) => continue,
                StepState::Cancelled => continue,
                StepState::Failed { problem, .. } | StepState::Unknown { problem, .. } => {
                    Some(problem.clone())
                }
                _ => None,
            };
            self.state.steps[step].problem = problem;
        }
    }

    /// A step as if it had never run; fences go on counting, so that a stale worker stays a stale one.
    fn set_back(&mut self, step: usize, anew: bool) {
        let run = &mut self.state.steps[step];
        let resets = run.resets + u32::from(anew && run.fence > 0);
        *run = StepRun { fence: run.fence, resets, ..StepRun::new(StepState::Blocked { pending: 0 }) };
    }

    /// Sets back what stands after the step, and decides about what waits for nothing.
    fn go_on(&mut self, step: usize, after: &[bool], at: Timestamp) {
        for i in (0..after.len()).filter(|i| after[*i]) {
            self.set_back(i, true);
        }
        let place: HashMap<&str, usize> =
            self.plan.steps.iter().enumerate().map(|(i, s)| (s.name.as_str(), i)).collect();
        let mut free = VecDeque::new();
        for (i, planned) in self.plan.steps.iter().enumerate() {
            if !matches!(self.state.steps[i].state, StepState::Blocked { .. }) || (i != step && !after[i]) {
                continue;
            }
            let ended = |need: &String| {
                place.get(need.as_str()).is_none_or(|n| self.state.steps[*n].state.is_terminal())
            };
            let pending = planned.needs.iter().filter(|need| !ended(need)).count();
            self.set(i, StepState::Blocked { pending });
            if pending == 0 {
                free.push_back(i);
            }
        }
        if self.state.phase == Phase::Active {
            self.decide(free, at);
        }
    }

    fn known(&self, step: usize, event: &'static str) -> Result<&StepRun> {
        self.state.steps.get(step).ok_or_else(|| self.illegal_step(event, step))
    }

    fn name(&self, step: usize) -> String {
        self.plan.steps[step].name.clone()
    }
}
