//! Rows of runs, alike in every database.

use patchline_engine::core::Phase;

use crate::{Error, column::of_word, error::Result};

pub(crate) const TABLE: &str = "runs";

pub(crate) fn phase(phase: &str, result: Option<String>) -> Result<Phase> {
    Ok(match (phase, result) {
        ("queued", None) => Phase::Queued,
        ("active", None) => Phase::Active,
        ("cancelling", None) => Phase::Cancelling,
        ("finished", Some(result)) => Phase::Finished { result: of_word(TABLE, result)? },
        (other, _) => return Err(Error::row(TABLE, format!("unknown phase {other}"))),
    })
}

pub(crate) fn phase_word(phase: Phase) -> &'static str {
    match phase {
        Phase::Queued => "queued",
        Phase::Active => "active",
        Phase::Cancelling => "cancelling",
        Phase::Finished { .. } => "finished",
    }
}
