//! States as an icon, a word and a colour class: colour is never the only signal.

use askama::{Template, filters::HtmlSafe};
use patchline_engine::{
    DeliveryState, RunResult, RunStatus, RunView, StepStatus, StepView, TriggerKind, schedule::FiringState,
};
use patchline_scanner::Severity;

use super::icons;
use crate::i18n::Words;

/// An icon and a word in one of the state colours.
#[derive(Debug, Clone, Copy, Template)]
#[template(
    ext = "html",
    source = r#"<span class="state state-{{ class }}">{{ icon|safe }}<span class="word">{{ word }}</span></span>"#
)]
pub(crate) struct Badge {
    pub(crate) class: &'static str,
    pub(crate) icon: &'static str,
    pub(crate) word: &'static str,
}
impl HtmlSafe for Badge {}

impl Badge {
    const fn new(class: &'static str, icon: &'static str, word: &'static str) -> Self {
        Self { class, icon, word }
    }

    /// The result, or where a run stands that has none yet.
    pub(crate) fn run(run: &RunView, words: &'static Words) -> Self {
        match (run.result, run.status) {
            (Some(result), _) => Self::result(result, words),
            (None, RunStatus::Queued) => Self::new("queued", icons::QUEUE, words.queued),
            (None, RunStatus::Waiting) => Self::new("waiting", icons::HOURGLASS, words.waiting),
            (None, RunStatus::Running) => Self::new("running", icons::SPINNER, words.running),
            (None, RunStatus::Finished) => Self::new("unknown", icons::QUESTION, words.unknown_state),
        }
    }

    pub(crate) fn result(result: RunResult, words: &'static Words) -> Self {
        match result {
            RunResult::Passed => Self::new("passed", icons::TICK, words.passed),
            RunResult::Remediated => Self::new("remediated", icons::SEAM, words.remediated),
            RunResult::Denied => Self::new("denied", icons::OCTAGON, words.denied),
            RunResult::Failed => Self::new("failed", icons::TRIANGLE, words.failed),
            RunResult::Cancelled => Self::new("cancelled", icons::CROSS, words.cancelled),
        }
    }

    pub(crate) fn step(step: &StepView, words: &'static Words) -> Self {
        match step.status {
            // What it waited for ended well: this step mended.
            StepStatus::Succeeded if step.child.is_some() => {
                Self::new("remediated", icons::SEAM, words.remediated)
            }
            StepStatus::Succeeded => Self::new("passed", icons::TICK, words.succeeded),
            StepStatus::Blocked => Self::new("blocked", icons::DOT, words.blocked),
            StepStatus::Ready => Self::new("ready", icons::RING, words.ready),
            StepStatus::Leased => Self::new("running", icons::SPINNER, words.running),
            StepStatus::Waiting => Self::new("waiting", icons::HOURGLASS, words.waiting),
            StepStatus::Denied => Self::new("denied", icons::OCTAGON, words.denied),
            StepStatus::Failed => Self::new("failed", icons::TRIANGLE, words.failed),
            StepStatus::Skipped => Self::new("skipped", icons::DASHED, words.skipped),
            StepStatus::Cancelled => Self::new("cancelled", icons::CROSS, words.cancelled),
            StepStatus::Unknown => Self::new("unknown", icons::QUESTION, words.unknown_state),
        }
    }

    pub(crate) fn delivery(state: &DeliveryState, words: &'static Words) -> Self {
        match state {
            DeliveryState::Pending { .. } => Self::new("waiting", icons::HOURGLASS, words.pending),
            DeliveryState::Delivered => Self::new("passed", icons::TICK, words.delivered),
            DeliveryState::Failed { .. } => Self::new("failed", icons::TRIANGLE, words.failed),
        }
    }

    pub(crate) fn paused(words: &'static Words) -> Self {
        Self::new("waiting", icons::PAUSE, words.paused)
    }

    pub(crate) fn in_use(words: &'static Words) -> Self {
        Self::new("passed", icons::TICK, words.in_use)
    }

    pub(crate) fn firing(state: FiringState, words: &'static Words) -> Self {
        match state {
            FiringState::Running => Self::new("running", icons::SPINNER, words.running),
            FiringState::Done => Self::new("passed", icons::TICK, words.fired_done),
            FiringState::Failed => Self::new("failed", icons::TRIANGLE, words.failed),
            FiringState::Missed => Self::new("skipped", icons::DASHED, words.fired_missed),
        }
    }

    pub(crate) fn undetermined(words: &'static Words) -> Self {
        Self::new("unknown", icons::QUESTION, words.undetermined)
    }
}

/// What started a run, in a word.
pub(crate) fn trigger(kind: TriggerKind, words: &'static Words) -> &'static str {
    match kind {
        TriggerKind::Push => words.by_push,
        TriggerKind::Manual => words.by_manual,
        TriggerKind::Schedule => words.by_schedule,
        TriggerKind::Advisories => words.by_advisories,
        TriggerKind::Child => words.by_child,
    }
}

/// The one ordered scale, worst first, with unknown at its end.
pub(crate) const SCALE: [Severity; 6] = [
    Severity::Critical,
    Severity::High,
    Severity::Medium,
    Severity::Low,
    Severity::Negligible,
    Severity::Unknown,
];

/// (class, word).
pub(crate) fn severity(severity: Severity, words: &'static Words) -> (&'static str, &'static str) {
    match severity {
        Severity::Critical => ("critical", words.critical),
        Severity::High => ("high", words.high),
        Severity::Medium => ("medium", words.medium),
        Severity::Low => ("low", words.low),
        Severity::Negligible => ("negligible", words.negligible),
        Severity::Unknown => ("unknown", words.unknown_severity),
    }
}
