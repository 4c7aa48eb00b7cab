//! The one function through which a run's state changes.

use std::collections::VecDeque;

use jiff::{SignedDuration, Timestamp};
use patchline_chains::{
    Plan,
    plan::{ShortForm, should_run},
};
use serde_json::{Value, json};

use super::{
    Effect, Ended, Event, Failure, LOST_LEASES, MESSAGES_LIMIT, OUTPUT_LIMIT, Phase, RunState, StepState,
    backoff,
    names::{names, needs},
    result::{is_late, result},
};
use crate::{Decision, Error, ErrorClass, Message, Problem, Result, RunId, RunResult};

/// Moves a run on. An event that cannot happen in this state is an error and
/// changes nothing: a stale worker's completion is one.
pub fn transition(plan: &Plan, state: RunState, event: Event) -> Result<(RunState, Vec<Effect>)> {
    let mut machine = Machine { plan, state, effects: Vec::new() };
    match event {
        Event::Started { at } => machine.started(at)?,
        Event::Claimed { step, until, at } => machine.claimed(step, until, at)?,
        Event::Completed { step, fence, ended, at } => machine.completed(step, fence, ended, at)?,
        Event::Failed { step, fence, failure, jitter, open, at } => {
            machine.leased(step, fence, "failed")?;
            machine.failed(step, failure, jitter, open, at);
        }
        Event::LeaseLost { step, fence, counts, open, at } => {
            machine.lease_lost(step, fence, counts, open, at)?;
        }
        Event::BackoffDue { step, at } => machine.backoff_due(step, at)?,
        Event::ChildFinished { step, child, result, at } => machine.child(step, &child, result, at)?,
        Event::Decided { step, decision } => machine.decided(step, decision)?,
        Event::Expired { step, at } => machine.expired(step, at)?,
        Event::Cancel { at } => machine.cancel(at)?,
        Event::TimedOut { at } => machine.timed_out(at)?,
        Event::Retry { step, room, at, .. } => machine.retry(step, room, at)?,
        Event::Rerun { step, room, at, .. } => machine.rerun(step, room, at)?,
        Event::Resolved { step, made, by, reason, room, at } => {
            let said = json!({"made": made, "by": by, "reason": reason, "at": at});
            machine.resolved(step, made, said, room, at)?;
        }
    }
    machine.finish();
    Ok((machine.state, machine.effects))
}

pub(super) struct Machine<'a> {
    pub(super) plan: &'a Plan,
    pub(super) state: RunState,
    pub(super) effects: Vec<Effect>,
}

impl Machine<'_> {
    fn started(&mut self, at: Timestamp) -> Result<()> {
        if self.state.phase != Phase::Queued {
            return Err(self.illegal("started"));
        }
        self.state.phase = Phase::Active;
        self.effects.push(Effect::Started);
        let roots: VecDeque<usize> = (0..self.state.steps.len())
            .filter(|&i| matches!(self.state.steps[i].state, StepState::Blocked { pending: 0 }))
            .collect();
        self.decide(roots, at);
        Ok(())
    }

    fn claimed(&mut self, step: usize, until: Timestamp, at: Timestamp) -> Result<()> {
        let ready = matches!(self.state.steps.get(step).map(|s| &s.state), Some(StepState::Ready { .. }));
        if !ready || self.state.phase != Phase::Active {
            return Err(self.illegal_step("claimed", step));
        }
        let run = &mut self.state.steps[step];
        run.fence += 1;
        run.attempt = run.failures + 1;
        run.claimed_at = run.started_at.map(|_| at);
        run.started_at.get_or_insert(at);
        let fence = run.fence;
        self.set(step, StepState::Leased { fence, until });
        Ok(())
    }

    fn completed(&mut self, step: usize, fence: u64, ended: Ended, at: Timestamp) -> Result<()> {
        self.leased(step, fence, "completed")?;
        let (output, messages) = match &ended {
            Ended::Succeeded { output, messages, .. } | Ended::Denied { output, messages } => {
                (output, messages.as_slice())
            }
            Ended::Child { output, .. } | Ended::Approval { output, .. } => (output, &[][..]),
        };
        if let Some(failure) = too_large(output, messages) {
            self.failed(step, failure, 0.0, false, at);
            return Ok(());
        }
        self.state.steps[step].lost = 0;
        match ended {
            Ended::Succeeded { output, messages, mends } => {
                self.enqueue(step, messages);
                self.end(step, StepState::Succeeded { output: object(output), mends }, at);
            }
            Ended::Denied { output, messages } => {
                self.enqueue(step, messages);
                self.end(step, StepState::Denied { output: object(output) }, at);
            }
            Ended::Child { .. } | Ended::Approval { .. } if self.state.phase == Phase::Cancelling => {
                self.end(step, StepState::Cancelled, at);
            }
            Ended::Child { run, subject, output, mends } => {
                self.state.steps[step].child = Some(run.clone());
                self.set(step, StepState::Child { run: run.clone(), output: object(output), mends });
                self.effects.push(Effect::StartChild { step, child: run, subject });
            }
            Ended::Approval { until, output } => {
                self.set(step, StepState::Approval { until, output: object(output) });
            }
        }
        Ok(())
    }

    fn failed(&mut self, step: usize, failure: Failure, jitter: f64, open: bool, at: Timestamp) {
        let run = &mut self.state.steps[step];
        run.failures += 1;
        run.lost = 0;
        let class = match failure.class {
            ErrorClass::Transient => "transient",
            ErrorClass::Throttled(_) => "throttled",
            ErrorClass::Auth => "auth",
            ErrorClass::Permanent => "permanent",
        };
        let problem = Problem { code: failure.code, message: failure.message, class: class.into() };
        if self.state.phase == Phase::Cancelling {
            self.stopped(step, problem, open, at);
            return;
        }
        run.problem = Some(problem.clone());
        let failures = run.failures;
        match backoff::pause(&self.plan.steps[step].retry, failure.class, failures, jitter) {
            Some(pause) => {
                let pause = SignedDuration::try_from(pause).unwrap_or(SignedDuration::from_hours(1));
                self.set(step, StepState::Backoff { at: at.saturating_add(pause).unwrap_or(at) });
            }
            None => self.end_badly(step, problem, open, at),
        }
    }

    /// The last attempt has failed. What may have been done is not called undone.
    fn end_badly(&mut self, step: usize, problem: Problem, open: bool, at: Timestamp) {
        let output = json!({});
        let state =
            if open { StepState::Unknown { problem, output } } else { StepState::Failed { problem, output } };
        self.end(step, state, at);
    }

    /// It was told to stop, and has.
    fn stopped(&mut self, step: usize, problem: Problem, open: bool, at: Timestamp) {
        let run = &mut self.state.steps[step];
        if !is_late(run) {
            run.problem = Some(problem.clone());
        }
        let state =
            if open { StepState::Unknown { problem, output: json!({}) } } else { StepState::Cancelled };
        self.end(step, state, at);
    }

    fn lease_lost(&mut self, step: usize, fence: u64, counts: bool, open: bool, at: Timestamp) -> Result<()> {
        self.leased(step, fence, "lease lost")?;
        if self.state.phase == Phase::Cancelling {
            let problem = Problem {
                code: "step-stopped".into(),
                message: "its worker was lost after it was told to stop".into(),
                class: "permanent".into(),
            };
            self.stopped(step, problem, open, at);
            return Ok(());
        }
        let run = &mut self.state.steps[step];
        run.lost += u32::from(counts);
        if run.lost >= LOST_LEASES {
            let problem = Problem {
                code: "step-poisoned".into(),
                message: format!("its worker was lost {LOST_LEASES} times without progress"),
                class: "poison".into(),
            };
            run.problem = Some(problem.clone());
            self.end_badly(step, problem, open, at);
        } else {
            self.set(step, StepState::Ready { at });
        }
        Ok(())
    }

    fn backoff_due(&mut self, step: usize, at: Timestamp) -> Result<()> {
        match self.state.steps.get(step).map(|s| &s.state) {
            Some(StepState::Backoff { at: due }) if *due <= at => {
                self.set(step, StepState::Ready { at });
                Ok(())
            }
            _ => Err(self.illegal_step("back-off over", step)),
        }
    }

    fn child(&mut self, step: usize, child: &RunId, result: RunResult, at: Timestamp) -> Result<()> {
        let (mut output, mends) = match self.state.steps.get(step).map(|s| &s.state) {
            Some(StepState::Child { run, output, mends }) if run == child => (output.clone(), *mends),
            _ => return Err(self.illegal_step("child finished", step)),
        };
        if let Value::Object(map) = &mut output {
            map.insert("child".into(), json!({"run": child, "result": result}));
        }
        let cancelling = self.state.phase == Phase::Cancelling;
        let state = match result {
            RunResult::Passed | RunResult::Remediated => StepState::Succeeded { output, mends },
            RunResult::Denied => StepState::Denied { output },
            RunResult::Cancelled if cancelling => StepState::Cancelled,
            RunResult::Failed | RunResult::Cancelled => {
                let word = if result == RunResult::Failed { "failed" } else { "was cancelled" };
                let problem = Problem {
                    code: "child-failed".into(),
                    message: format!("the run {child} {word}"),
                    class: "permanent".into(),
                };
                let run = &mut self.state.steps[step];
                if !is_late(run) {
                    run.problem = Some(problem.clone());
                }
                StepState::Failed { problem, output }
            }
        };
        self.end(step, state, at);
        Ok(())
    }

    /// The first decision stands.
    fn decided(&mut self, step: usize, decision: Decision) -> Result<()> {
        let Some(run) = self.state.steps.get(step) else {
            return Err(self.illegal_step("decided", step));
        };
        let output = match (&run.state, &run.decision) {
            (StepState::Approval { output, .. }, _) => output.clone(),
            (_, Some(earlier)) => {
                return Err(Error::AlreadyDecided {
                    step: self.plan.steps[step].name.clone(),
                    earlier: earlier.to_string(),
                });
            }
            _ => return Err(Error::NothingToDecide { step: self.plan.steps[step].name.clone() }),
        };
        let output = with_decision(output, &decision);
        let at = decision.at;
        let state = if decision.approved {
            StepState::Succeeded { output, mends: false }
        } else {
            StepState::Denied { output }
        };
        self.state.steps[step].decision = Some(decision);
        self.end(step, state, at);
        Ok(())
    }

    fn expired(&mut self, step: usize, at: Timestamp) -> Result<()> {
        match self.state.steps.get(step).map(|s| &s.state) {
            Some(StepState::Approval { until, .. }) if *until <= at => {
                let reason = format!("nobody decided by {}", until.strftime("%Y-%m-%d %H:%M UTC"));
                self.decided(step, Decision { approved: false, by: None, reason, at })
            }
            _ => Err(self.illegal_step("time to decide over", step)),
        }
    }

    /// Makes a step terminal, and decides about what waited for it alone.
    fn end(&mut self, step: usize, state: StepState, at: Timestamp) {
        self.state.steps[step].finished_at = Some(at);
        self.set(step, state);
        let unblocked = self.unblock(step);
        self.decide(unblocked, at);
    }

    fn unblock(&mut self, ended: usize) -> VecDeque<usize> {
        let mut unblocked = VecDeque::new();
        let name = &self.plan.steps[ended].name;
        for (i, planned) in self.plan.steps.iter().enumerate().skip(ended + 1) {
            let StepState::Blocked { pending } = self.state.steps[i].state else { continue };
            let ended = planned.needs.iter().filter(|n| *n == name).count();
            if ended > 0 {
                let pending = pending.saturating_sub(ended);
                self.state.steps[i].state = StepState::Blocked { pending };
                if pending == 0 {
                    unblocked.push_back(i);
                }
            }
        }
        unblocked
    }

    /// Evaluates `when` of steps whose needs are all terminal; one that does not run unblocks others.
    pub(super) fn decide(&mut self, mut steps: VecDeque<usize>, at: Timestamp) {
        while let Some(step) = steps.pop_front() {
            let planned = &self.plan.steps[step];
            // Most steps ask no more than how their needs have ended: then outputs are not copied.
            let short = planned.when.as_deref().is_none_or(|when| ShortForm::parse(when).is_some());
            let names =
                if short { needs(self.plan, &self.state, step) } else { names(self.plan, &self.state) };
            let state = match should_run(planned, &names) {
                Ok(true) => StepState::Ready { at },
                Ok(false) => StepState::Skipped,
                Err(error) => {
                    let problem = Problem {
                        code: "when-failed".into(),
                        message: error.to_string(),
                        class: "permanent".into(),
                    };
                    self.state.steps[step].problem = Some(problem.clone());
                    StepState::Failed { problem, output: json!({}) }
                }
            };
            let ended = state.is_terminal();
            self.set(step, state);
            if ended {
                self.state.steps[step].finished_at = Some(at);
                steps.extend(self.unblock(step));
            }
        }
    }

    fn finish(&mut self) {
        let under_way = matches!(self.state.phase, Phase::Active | Phase::Cancelling);
        if !under_way || !self.state.steps.iter().all(|s| s.state.is_terminal()) {
            return;
        }
        let result = result(self.plan, &self.state.steps);
        self.state.phase = Phase::Finished { result };
        self.effects.push(Effect::Finished { result });
        if let Some(parent) = &self.state.facts.parent {
            self.effects.push(Effect::TellParent { parent: parent.clone(), result });
        }
    }

    pub(super) fn set(&mut self, step: usize, state: StepState) {
        self.state.steps[step].state = state;
        self.effects.push(Effect::Changed { step });
    }

    fn enqueue(&mut self, step: usize, messages: Vec<Message>) {
        if !messages.is_empty() {
            self.effects.push(Effect::Enqueue { step, messages });
        }
    }

    fn leased(&self, step: usize, fence: u64, event: &'static str) -> Result<()> {
        match self.state.steps.get(step).map(|s| &s.state) {
            Some(StepState::Leased { fence: held, .. }) if *held == fence => Ok(()),
            _ => Err(self.illegal_step(event, step)),
        }
    }

    pub(super) fn illegal(&self, event: &'static str) -> Error {
        Error::Illegal { event, state: format!("the run is {:?}", self.state.phase) }
    }

    pub(super) fn illegal_step(&self, event: &'static str, step: usize) -> Error {
        let state = match (self.plan.steps.get(step), self.state.steps.get(step)) {
            (Some(planned), Some(run)) => {
                format!("step {} is {:?} with fence {}", planned.name, run.state.status(), run.fence)
            }
            _ => format!("there is no step {step}"),
        };
        Error::Illegal { event, state }
    }
}

/// What `when` and templates see of a decision, beside what the step said before it.
fn with_decision(mut output: Value, decision: &Decision) -> Value {
    if let Value::Object(map) = &mut output {
        map.insert("approved".into(), json!(decision.approved));
        map.insert("reason".into(), json!(decision.reason));
        map.insert("at".into(), json!(decision.at));
        if let Some(by) = &decision.by {
            map.insert("by".into(), json!(by));
        }
        map.insert("summary".into(), json!(decision.to_string()));
    }
    output
}

/// Outputs are maps, so that `steps.x.output.y` is a missing key at worst.
fn object(output: Value) -> Value {
    match output {
        Value::Object(_) => output,
        Value::Null => json!({}),
        other => json!({ "value": other }),
    }
}

fn too_large(output: &Value, messages: &[Message]) -> Option<Failure> {
    let permanent = |code: &str, message: String| {
        Some(Failure { class: ErrorClass::Permanent, code: code.into(), message })
    };
    let size = output.to_string().len();
    if size > OUTPUT_LIMIT {
        return permanent(
            "output-too-large",
            format!("its output has {size} bytes, more than {OUTPUT_LIMIT}"),
        );
    }
    if messages.len() > MESSAGES_LIMIT || messages.iter().any(|m| m.payload.to_string().len() > OUTPUT_LIMIT)
    {
        return permanent(
            "messages-too-large",
            format!("it wrote more than {MESSAGES_LIMIT} messages, or one of more than {OUTPUT_LIMIT} bytes"),
        );
    }
    None
}
