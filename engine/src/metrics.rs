//! The names of what is measured, in one place: `docs/configuration.md` lists them, and a test holds the two together.
//!
//! Names and units follow Prometheus' rules; labels have few values, known beforehand. Where no recorder is installed,
//! measuring costs next to nothing.

use metrics::{Unit, counter, describe_counter, describe_gauge, describe_histogram};

/// Steps that may be claimed.
pub const QUEUE_STEPS: &str = "patchline_queue_steps";
/// How long the oldest of them has been ready.
pub const QUEUE_AGE: &str = "patchline_queue_age_seconds";
/// Steps that wait for room under a limit.
pub const QUEUE_PARKED: &str = "patchline_queue_parked_steps";
/// Leases of this process.
pub const LEASES_HELD: &str = "patchline_leases_held";
/// Leases that ran out.
pub const LEASE_EXPIRIES: &str = "patchline_lease_expiries_total";
/// How long attempts take.
pub const STEP_DURATION: &str = "patchline_step_duration_seconds";
/// Attempts that failed and are made again.
pub const RETRIES: &str = "patchline_retries_total";
/// Runs that have ended.
pub const RUNS: &str = "patchline_runs_total";
/// Messages that are not delivered yet.
pub const OUTBOX_PENDING: &str = "patchline_outbox_pending";
/// By how much the oldest due message is late.
pub const OUTBOX_LAG: &str = "patchline_outbox_lag_seconds";
/// Messages that were given up.
pub const OUTBOX_DEAD: &str = "patchline_outbox_dead";
/// Tries to deliver.
pub const DELIVERIES: &str = "patchline_deliveries_total";
/// How long the writer's transactions take.
pub const TRANSACTION_DURATION: &str = "patchline_transaction_duration_seconds";
/// How much they do at once.
pub const TRANSACTION_COMMANDS: &str = "patchline_transaction_commands";
/// Those that the store refused.
pub const TRANSACTION_FAILURES: &str = "patchline_transaction_failures_total";
/// Whether the last look at the store's queues failed.
pub const BACKLOG_FAILED: &str = "patchline_backlog_failed";

/// What a number is.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Kind {
    /// Only ascends while the process lives.
    Counter,
    /// Stands as it is now.
    Gauge,
    /// Counted in buckets, with these upper bounds.
    Histogram(&'static [f64]),
}

/// One metric.
#[derive(Debug, Clone, Copy)]
pub struct Metric {
    /// As it is scraped.
    pub name: &'static str,
    /// What it is.
    pub kind: Kind,
    /// Names of its labels.
    pub labels: &'static [&'static str],
    /// For people.
    pub help: &'static str,
}

/// Seconds of steps: from a look into a table to a rebuilt image.
const STEP_SECONDS: &[f64] =
    &[0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 1800.0];
/// Seconds of transactions: below one fsync up to a disk that hangs.
const TRANSACTION_SECONDS: &[f64] =
    &[0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0, 15.0];
/// Commands of one transaction.
const COMMANDS: &[f64] = &[0.0, 1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0];

/// All of them.
pub const ALL: &[Metric] = &[
    Metric {
        name: QUEUE_STEPS,
        kind: Kind::Gauge,
        labels: &["kind", "class"],
        help: "steps that are ready and not claimed, in the whole store",
    },
    Metric {
        name: QUEUE_AGE,
        kind: Kind::Gauge,
        labels: &["class"],
        help: "how long the oldest ready step has waited to be claimed, in the whole store; 0: none waits",
    },
    Metric {
        name: QUEUE_PARKED,
        kind: Kind::Gauge,
        labels: &["class"],
        help: "steps that are ready but wait for room under a limit, or for a paused chain, in the whole store",
    },
    Metric { name: LEASES_HELD, kind: Kind::Gauge, labels: &[], help: "steps that this process runs" },
    Metric {
        name: LEASE_EXPIRIES,
        kind: Kind::Counter,
        labels: &["kind"],
        help: "leases that were lost: they ran out, or their worker died",
    },
    Metric {
        name: STEP_DURATION,
        kind: Kind::Histogram(STEP_SECONDS),
        labels: &["kind", "outcome"],
        help: "from the claim of a step until it ends, fails, or begins to wait for a child run or a person",
    },
    Metric {
        name: RETRIES,
        kind: Kind::Counter,
        labels: &["kind", "class"],
        help: "attempts that failed and are made again, by the class of the failure",
    },
    Metric { name: RUNS, kind: Kind::Counter, labels: &["result"], help: "runs that have ended, by result" },
    Metric {
        name: OUTBOX_PENDING,
        kind: Kind::Gauge,
        labels: &[],
        help: "messages that are neither delivered nor given up, in the whole store",
    },
    Metric {
        name: OUTBOX_LAG,
        kind: Kind::Gauge,
        labels: &[],
        help: "by how much the oldest message is later than its next try, in the whole store; 0: none is late",
    },
    Metric {
        name: OUTBOX_DEAD,
        kind: Kind::Gauge,
        labels: &[],
        help: "messages that were given up and wait for a person, in the whole store",
    },
    Metric {
        name: DELIVERIES,
        kind: Kind::Counter,
        labels: &["outcome"],
        help: "tries to deliver a message: delivered, retried or failed",
    },
    Metric {
        name: TRANSACTION_DURATION,
        kind: Kind::Histogram(TRANSACTION_SECONDS),
        labels: &[],
        help: "the writer's transactions, the commit with them",
    },
    Metric {
        name: TRANSACTION_COMMANDS,
        kind: Kind::Histogram(COMMANDS),
        labels: &[],
        help: "commands that were written by one transaction",
    },
    Metric {
        name: TRANSACTION_FAILURES,
        kind: Kind::Counter,
        labels: &[],
        help: "transactions of the writer that the store did not take",
    },
    Metric {
        name: BACKLOG_FAILED,
        kind: Kind::Gauge,
        labels: &[],
        help: "1: the queues in the store could not be read, and their figures are older",
    },
];

/// Tells the installed recorder what each metric is.
pub fn describe() {
    for metric in ALL {
        let unit = if metric.name.ends_with("_seconds") { Unit::Seconds } else { Unit::Count };
        match metric.kind {
            Kind::Counter => describe_counter!(metric.name, unit, metric.help),
            Kind::Gauge => describe_gauge!(metric.name, unit, metric.help),
            Kind::Histogram(_) => describe_histogram!(metric.name, unit, metric.help),
        }
    }
}

/// Classes of work, as priorities name them.
pub(crate) const CLASSES: [&str; 3] = ["manual", "push", "bulk"];

/// The class of a priority.
pub(crate) fn class(priority: u8) -> &'static str {
    CLASSES.get(usize::from(priority)).copied().unwrap_or("bulk")
}

/// Counters stand at 0 from the start: a rate over one that appears with its first event misses that event.
pub(crate) fn begin<'a>(kinds: impl Iterator<Item = &'a &'static str>) {
    for kind in kinds.copied() {
        counter!(LEASE_EXPIRIES, "kind" => kind).increment(0);
        for class in ["transient", "throttled"] {
            counter!(RETRIES, "kind" => kind, "class" => class).increment(0);
        }
    }
    for result in ["passed", "remediated", "denied", "failed", "cancelled"] {
        counter!(RUNS, "result" => result).increment(0);
    }
    for outcome in ["delivered", "retried", "failed"] {
        counter!(DELIVERIES, "outcome" => outcome).increment(0);
    }
    counter!(TRANSACTION_FAILURES).increment(0);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_follow_the_rules_of_prometheus() {
        for metric in ALL {
            let name = metric.name;
            assert!(name.starts_with("patchline_"), "{name}");
            assert!(name.bytes().all(|b| b.is_ascii_lowercase() || b == b'_'), "{name}");
            assert_eq!(name.ends_with("_total"), metric.kind == Kind::Counter, "{name}");
            assert!(!["_sum", "_count", "_bucket", "_ms"].iter().any(|end| name.ends_with(end)), "{name}");
            if let Kind::Histogram(bounds) = metric.kind {
                assert!(bounds.is_sorted_by(|a, b| a < b), "{name}");
            }
        }
        let mut names: Vec<_> = ALL.iter().map(|m| m.name).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), ALL.len());
    }
}
