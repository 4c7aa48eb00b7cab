//! Rows of messages on their way out, alike in every database.

use patchline_engine::{
    Delivery, DeliveryState, Message, Problem, RunId,
    store::{DeadLetter, Outgoing},
};

use crate::{
    Error,
    column::{json, of_json, timestamp, unsigned},
    error::Result,
};

pub(crate) const TABLE: &str = "outbox";

/// Id, run, channel, payload, attempts.
pub(crate) type OutgoingRow = (String, String, String, String, i64);
/// Five texts, attempts, problem, when it changed: see [`dead_letter`] and [`delivery`] for the texts.
pub(crate) type Row = (String, String, String, String, String, i64, Option<String>, i64);

pub(crate) fn outgoing((id, run, channel, payload, attempts): OutgoingRow) -> Result<Outgoing> {
    let message = Message { id, channel, payload: of_json(TABLE, &payload)? };
    Ok(Outgoing { message, run: RunId(run), attempts: unsigned(TABLE, attempts)? })
}

/// From a message that was given up.
pub(crate) fn dead_letter(
    (id, run, step, channel, payload, attempts, problem, at): Row,
) -> Result<DeadLetter> {
    let problem = problem.ok_or_else(|| Error::row(TABLE, "a message was given up without a reason"))?;
    let state = DeliveryState::Failed { problem: of_json(TABLE, &problem)? };
    let message = Message { id, channel, payload: of_json(TABLE, &payload)? };
    let delivery = Delivery { message, step, state, at: timestamp(TABLE, at)? };
    Ok(DeadLetter { run: RunId(run), delivery, attempts: unsigned(TABLE, attempts)? })
}

pub(crate) fn delivery((id, step, channel, payload, state, attempts, problem, at): Row) -> Result<Delivery> {
    let problem: Option<Problem> = problem.map(|p| of_json(TABLE, &p)).transpose()?;
    let state = match (state.as_str(), problem) {
        ("pending", problem) => DeliveryState::Pending { attempts: unsigned(TABLE, attempts)?, problem },
        ("delivered", _) => DeliveryState::Delivered,
        ("failed", Some(problem)) => DeliveryState::Failed { problem },
        (other, _) => return Err(Error::row(TABLE, format!("unknown state {other}"))),
    };
    let message = Message { id, channel, payload: of_json(TABLE, &payload)? };
    Ok(Delivery { message, step, state, at: timestamp(TABLE, at)? })
}

/// State, attempts and problem. No attempts: one more than there were.
pub(crate) fn columns(state: &DeliveryState) -> Result<(&'static str, Option<i64>, Option<String>)> {
    let (word, attempts, problem) = match state {
        DeliveryState::Pending { attempts, problem } => ("pending", Some(*attempts), problem.as_ref()),
        DeliveryState::Delivered => ("delivered", None, None),
        DeliveryState::Failed { problem } => ("failed", None, Some(problem)),
    };
    Ok((word, attempts.map(i64::from), problem.map(|p| json(TABLE, p)).transpose()?))
}

/// So many at once. 0: whoever asks does not mind.
pub(crate) fn most(limit: u32) -> i64 {
    if limit == 0 { 100 } else { i64::from(limit.min(1000)) }
}
