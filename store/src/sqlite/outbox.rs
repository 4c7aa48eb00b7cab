//! Messages on their way out.

use jiff::Timestamp;
use patchline_engine::{
    Delivery, DeliveryState, Message, RunId,
    store::{DeadLetter, Outgoing, Resent},
};
use sqlx::SqliteConnection;

use super::column::{json, millis, signed};
use crate::{
    error::Result,
    outbox::{OutgoingRow, Row, TABLE, columns, dead_letter, delivery, most, outgoing},
};

pub(super) async fn enqueue(
    db: &mut SqliteConnection,
    run: &RunId,
    step: &str,
    messages: &[Message],
    at: Timestamp,
) -> Result<()> {
    for message in messages {
        sqlx::query(
            "INSERT INTO outbox (id, run, step, channel, payload, state, attempts, due_at, changed_at)
             VALUES (?1, ?2, ?3, ?4, ?5, 'pending', 0, ?6, ?6) ON CONFLICT (id) DO NOTHING",
        )
        .bind(&message.id)
        .bind(&run.0)
        .bind(step)
        .bind(&message.channel)
        .bind(json(TABLE, &message.payload)?)
        .bind(millis(at))
        .execute(&mut *db)
        .await?;
    }
    Ok(())
}

pub(super) async fn take(
    db: &mut SqliteConnection,
    now: Timestamp,
    until: Timestamp,
    limit: usize,
) -> Result<Vec<Outgoing>> {
    let rows: Vec<OutgoingRow> = sqlx::query_as(
        "UPDATE outbox SET held_until = ?2
         WHERE id IN (
            SELECT id FROM outbox
            WHERE state = 'pending' AND due_at <= ?1 AND (held_until IS NULL OR held_until <= ?1)
            ORDER BY due_at, id LIMIT ?3)
         RETURNING id, run, channel, payload, attempts",
    )
    .bind(millis(now))
    .bind(millis(until))
    .bind(signed(limit as u64))
    .fetch_all(db)
    .await?;
    rows.into_iter().map(outgoing).collect()
}

pub(super) async fn settle(
    db: &mut SqliteConnection,
    id: &str,
    state: &DeliveryState,
    at: Timestamp,
    due: Option<Timestamp>,
) -> Result<()> {
    let (word, attempts, problem) = columns(state)?;
    sqlx::query(
        "UPDATE outbox SET state = ?2, attempts = coalesce(?3, attempts + 1), problem = ?4, due_at = ?5,
                held_until = NULL, changed_at = ?6
         WHERE id = ?1 AND state = 'pending'",
    )
    .bind(id)
    .bind(word)
    .bind(attempts)
    .bind(problem)
    .bind(due.map(millis))
    .bind(millis(at))
    .execute(db)
    .await?;
    Ok(())
}

/// Lets a message that was given up go out again.
pub(super) async fn resend(db: &mut SqliteConnection, id: &str, at: Timestamp) -> Result<Option<Resent>> {
    let row: Option<(String, String, String, String)> =
        sqlx::query_as("SELECT run, step, channel, state FROM outbox WHERE id = ?1")
            .bind(id)
            .fetch_optional(&mut *db)
            .await?;
    let Some((run, step, channel, state)) = row else { return Ok(None) };
    let again = state == "failed";
    if again {
        sqlx::query(
            "UPDATE outbox SET state = 'pending', attempts = 0, problem = NULL, due_at = ?2, held_until = NULL,
                    changed_at = ?2
             WHERE id = ?1",
        )
        .bind(id)
        .bind(millis(at))
        .execute(db)
        .await?;
    }
    Ok(Some(Resent { run: RunId(run), step, channel, again }))
}

/// What was given up, the last first.
pub(super) async fn dead(
    db: &mut SqliteConnection,
    limit: u32,
    before: Option<(Timestamp, &str)>,
) -> Result<Vec<DeadLetter>> {
    let rows: Vec<Row> = sqlx::query_as(
        "SELECT id, run, step, channel, payload, attempts, problem, changed_at FROM outbox
         WHERE state = 'failed' AND (?1 IS NULL OR (changed_at, id) < (?1, ?2))
         ORDER BY changed_at DESC, id DESC LIMIT ?3",
    )
    .bind(before.map(|(at, _)| millis(at)))
    .bind(before.map(|(_, id)| id))
    .bind(most(limit))
    .fetch_all(db)
    .await?;
    rows.into_iter().map(dead_letter).collect()
}

pub(super) async fn release(db: &mut SqliteConnection) -> Result<()> {
    sqlx::query("UPDATE outbox SET held_until = NULL WHERE state = 'pending' AND held_until IS NOT NULL")
        .execute(db)
        .await?;
    Ok(())
}

pub(super) async fn of_run(db: &mut SqliteConnection, run: &RunId) -> Result<Vec<Delivery>> {
    let rows: Vec<Row> = sqlx::query_as(
        "SELECT id, step, channel, payload, state, attempts, problem, changed_at FROM outbox WHERE run = ?1
         ORDER BY rowid",
    )
    .bind(&run.0)
    .fetch_all(db)
    .await?;
    rows.into_iter().map(delivery).collect()
}
