//! Chains that start by themselves: by the calendar, and when new advisories are there. Here stand the rows, what the
//! store and the launcher are asked, and the pure decisions; `worker::schedules` does the work.

pub mod calendar;
pub mod due;
mod launch;
mod log;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

pub use calendar::Calendar;
pub use launch::{Launch, LaunchError, Page};
pub use log::{Held, Progress, ScheduleLog};

use crate::{Problem, TriggerKind};

/// Why a chain starts by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Cause {
    /// `on.schedule`
    Schedule,
    /// `on.advisories`
    Advisories,
}

impl Cause {
    /// As it is written.
    pub fn word(self) -> &'static str {
        match self {
            Self::Schedule => "schedule",
            Self::Advisories => "advisories",
        }
    }
    /// What its runs say started them.
    pub fn trigger(self) -> TriggerKind {
        match self {
            Self::Schedule => TriggerKind::Schedule,
            Self::Advisories => TriggerKind::Advisories,
        }
    }
}

/// A chain that starts by itself, as it is kept. A chain with both triggers has a row for each.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scheduled {
    /// The chain's name.
    pub chain: String,
    /// Which trigger.
    pub cause: Cause,
    /// The version that fires.
    pub plan_hash: String,
    /// Five fields; none: not by the calendar.
    pub cron: Option<String>,
    /// A name of the tz database, where there is a `cron`.
    pub zone: Option<String>,
    /// When it fires next; none: never, or when advisories come.
    pub next: Option<Timestamp>,
}

impl Scheduled {
    /// Whether both name the same moments.
    pub fn same_times(&self, other: &Self) -> bool {
        (&self.cron, &self.zone) == (&other.cron, &other.zone)
    }
}

/// Where a firing stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum FiringState {
    /// Its images are being looked at, or will be.
    Running,
    /// All were looked at.
    Done,
    /// Given up; its problem says why.
    Failed,
    /// Nobody was there when it was due, and it was too old to be made up for.
    Missed,
}

impl FiringState {
    /// As it is written.
    pub fn word(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Done => "done",
            Self::Failed => "failed",
            Self::Missed => "missed",
        }
    }
}

/// What became of the images that a firing looked at.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    /// Runs that it started.
    pub started: u64,
    /// Images that had a run under way, or one of this firing from before a crash.
    pub present: u64,
    /// Images that need no run: outside of the window, our own products, nothing new.
    pub left_out: u64,
    /// Images that could not be read, or whose run could not be started.
    pub failed: u64,
}

impl Counts {
    /// Both.
    #[must_use]
    pub fn plus(self, other: Self) -> Self {
        Self {
            started: self.started.saturating_add(other.started),
            present: self.present.saturating_add(other.present),
            left_out: self.left_out.saturating_add(other.left_out),
            failed: self.failed.saturating_add(other.failed),
        }
    }
}

/// One time that a chain started by itself.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Firing {
    /// The chain's name.
    pub chain: String,
    /// Which trigger.
    pub cause: Cause,
    /// What it fires for, once: the due moment, or the revision of the advisories.
    pub occasion: String,
    /// When it was due.
    pub due: Timestamp,
    /// Where it stands.
    pub state: FiringState,
    /// Earlier due moments that it stands for: nobody was there. Those that were too old are not counted.
    pub skipped: u32,
    /// So far.
    pub counts: Counts,
    /// Why it failed, or what went wrong with one image.
    pub problem: Option<Problem>,
    /// Last change.
    pub changed_at: Timestamp,
}

impl Firing {
    /// A new one.
    pub fn new(row: &Scheduled, occasion: String, due: Timestamp, now: Timestamp) -> Self {
        Self {
            chain: row.chain.clone(),
            cause: row.cause,
            occasion,
            due,
            state: FiringState::Running,
            skipped: 0,
            counts: Counts::default(),
            problem: None,
            changed_at: now,
        }
    }
}

/// A chain that starts by itself, as it is shown.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ScheduleView {
    /// The chain's name.
    pub chain: String,
    /// Which trigger.
    pub cause: Cause,
    /// Five fields; none: not by the calendar.
    pub cron: Option<String>,
    /// A name of the tz database.
    pub zone: Option<String>,
    /// When it fires next.
    pub next: Option<Timestamp>,
    /// The newest firing, and how it went.
    pub last: Option<Firing>,
}

/// Every chain that starts by itself, by name.
pub async fn views(log: &dyn ScheduleLog) -> crate::Result<Vec<ScheduleView>> {
    let rows = log.scheduled().await?;
    let mut views = Vec::with_capacity(rows.len());
    for row in rows {
        let last = log.firings(&row.chain, Some(row.cause), 1).await?.pop();
        let Scheduled { chain, cause, cron, zone, next, .. } = row;
        views.push(ScheduleView { chain, cause, cron, zone, next, last });
    }
    Ok(views)
}
