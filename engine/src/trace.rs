//! One trace for a run and all that follows from it, whatever process does the work: ids are derived, never handed on.

use std::fmt;

use jiff::Timestamp;
use sha2::{Digest as _, Sha256};

use crate::{Problem, RunId, TriggerKind};

/// W3C Trace Context, "trace-id": 16 bytes, not all zero.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct TraceId(pub [u8; 16]);

/// W3C Trace Context, "parent-id": 8 bytes, not all zero.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct SpanId(pub [u8; 8]);

impl TraceId {
    /// The 128 bits of the ULID of the cascade's first run: a child stands in its parent's trace, and the time of the
    /// start can be read from the id.
    pub fn of(cascade: &RunId) -> Self {
        match ulid::Ulid::from_string(&cascade.0).map(u128::from) {
            Ok(bits) if bits != 0 => Self(bits.to_be_bytes()),
            _ => Self(hash(&[b"trace", cascade.0.as_bytes()])),
        }
    }
}

impl SpanId {
    /// Of a run as a whole.
    pub fn of_run(run: &RunId) -> Self {
        Self(hash(&[b"run", run.0.as_bytes()]))
    }
    /// Of one claim of a step, up to its end or its return: an attempt whose lease was lost is another one.
    pub fn of_step(run: &RunId, step: &str, fence: u64) -> Self {
        Self(hash(&[b"step", run.0.as_bytes(), step.as_bytes(), &fence.to_be_bytes()]))
    }
}

/// The first bytes of SHA-256 over the parts, each with its length before it.
fn hash<const N: usize>(parts: &[&[u8]]) -> [u8; N] {
    let mut hasher = Sha256::new();
    for part in parts {
        hasher.update((part.len() as u64).to_be_bytes());
        hasher.update(part);
    }
    let mut bytes = [0; N];
    for (byte, of) in bytes.iter_mut().zip(hasher.finalize()) {
        *byte = of;
    }
    // All zero is no id; nobody will see it happen.
    if bytes == [0; N] {
        bytes = [1; N];
    }
    bytes
}

impl fmt::Display for TraceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Display for SpanId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for TraceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Debug for SpanId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// What names a span to others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SpanContext {
    /// Its trace.
    pub trace: TraceId,
    /// Itself.
    pub span: SpanId,
}

impl SpanContext {
    /// Of one claim of a step.
    pub fn of_step(cascade: &RunId, run: &RunId, step: &str, fence: u64) -> Self {
        Self { trace: TraceId::of(cascade), span: SpanId::of_step(run, step, fence) }
    }
    /// The header `traceparent` (W3C Trace Context, version 00) of calls that this span makes, with the flag `sampled`:
    /// whoever is called keeps its part, and it is found by our trace id, also where no spans of ours are exported.
    pub fn traceparent(&self) -> String {
        format!("00-{}-{}-01", self.trace, self.span)
    }
}

/// Something that has ended, as it is told to an [`Observer`].
#[derive(Debug, Clone, PartialEq)]
pub struct Span {
    /// Its name to others.
    pub context: SpanContext,
    /// What it is a part of; none: the first run of a cascade.
    pub parent: Option<SpanId>,
    /// Of this run.
    pub run: RunId,
    /// The chain's name.
    pub chain: String,
    /// What the run is about: `registry/repository:tag@digest`.
    pub subject: String,
    /// From when.
    pub start: Timestamp,
    /// Until when.
    pub end: Timestamp,
    /// A run's result, or a step's status; `retried` and `lost` for attempts that are made again.
    pub outcome: &'static str,
    /// Why it ended badly.
    pub problem: Option<Problem>,
    /// Which part of the work.
    pub part: Part,
}

/// Which part of the work a span is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Part {
    /// A run as a whole.
    Run {
        /// What started it.
        trigger: TriggerKind,
        /// From 1.
        round: u32,
    },
    /// One claim of a step, with the time that it waits for a child run or a person.
    Step {
        /// Key in the plan.
        name: String,
        /// Step kind.
        kind: String,
        /// From 1.
        attempt: u32,
    },
}

/// Is told of every span once it has ended and stands in the store, by the process that has written its end.
pub trait Observer: Send + Sync {
    /// Called by the writer: must not block.
    fn ended(&self, span: Span);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_the_same_in_every_process() {
        let run = RunId("01ARZ3NDEKTSV4RRFFQ69G5FAV".into());
        let context = SpanContext::of_step(&run, &run, "scan", 1);
        assert_eq!(context.trace.to_string(), "01563e3ab5d3d6764c61efb99302bd5b");
        assert_eq!(context.traceparent(), format!("00-{}-{}-01", context.trace, context.span));
        assert_eq!(context.span.to_string(), "c190a7ae63e0c6e9");
        assert_eq!(SpanId::of_run(&run).to_string(), "55f2a634d2c3b921");
    }

    #[test]
    fn every_claim_has_an_id_of_its_own() {
        let run = RunId("01ARZ3NDEKTSV4RRFFQ69G5FAV".into());
        let mut ids = vec![SpanId::of_run(&run), SpanId::of_run(&RunId("x".into()))];
        for step in ["scan", "scan1", "sca"] {
            ids.extend([1, 2, 11].map(|fence| SpanId::of_step(&run, step, fence)));
        }
        let all = ids.len();
        ids.sort_unstable_by_key(|id| id.0);
        ids.dedup();
        assert_eq!(ids.len(), all);
        // A name that is no ULID has a trace too.
        assert_ne!(TraceId::of(&RunId("x".into())), TraceId::of(&RunId("y".into())));
        assert_ne!(TraceId::of(&RunId("0".repeat(26))).0, [0; 16]);
    }
}
