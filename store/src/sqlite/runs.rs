//! Runs: one row each, without steps.

use patchline_engine::{RunFilter, RunId, RunResult, core::Phase, store::RunRecord};
use sqlx::{FromRow, SqliteConnection};

use super::column::{json, millis, of_json, of_word, signed, timestamp, unsigned, word};
use crate::{Error, error::Result};

const TABLE: &str = "runs";

#[derive(FromRow)]
struct Row {
    id: String,
    chain: String,
    plan_hash: String,
    submission: String,
    cascade: String,
    round: i64,
    slot: Option<String>,
    priority: i64,
    phase: String,
    status: String,
    result: Option<String>,
    last_seq: i64,
    created_at: i64,
    finished_at: Option<i64>,
}

impl Row {
    fn record(self) -> Result<RunRecord> {
        Ok(RunRecord {
            id: RunId(self.id),
            chain: self.chain,
            plan_hash: self.plan_hash,
            submission: of_json(TABLE, &self.submission)?,
            cascade: RunId(self.cascade),
            round: unsigned(TABLE, self.round)?,
            slot: self.slot,
            priority: unsigned(TABLE, self.priority)?,
            phase: phase(&self.phase, self.result)?,
            status: of_word(TABLE, self.status)?,
            steps: Vec::new(),
            last_seq: unsigned(TABLE, self.last_seq)?,
            created_at: timestamp(TABLE, self.created_at)?,
            finished_at: self.finished_at.map(|at| timestamp(TABLE, at)).transpose()?,
        })
    }
}

fn phase(phase: &str, result: Option<String>) -> Result<Phase> {
    Ok(match (phase, result) {
        ("queued", None) => Phase::Queued,
        ("active", None) => Phase::Active,
        ("cancelling", None) => Phase::Cancelling,
        ("finished", Some(result)) => Phase::Finished { result: of_word(TABLE, result)? },
        (other, _) => return Err(Error::row(TABLE, format!("unknown phase {other}"))),
    })
}

fn phase_word(phase: Phase) -> &'static str {
    match phase {
        Phase::Queued => "queued",
        Phase::Active => "active",
        Phase::Cancelling => "cancelling",
        Phase::Finished { .. } => "finished",
    }
}

pub(super) async fn get(db: &mut SqliteConnection, run: &RunId) -> Result<Option<RunRecord>> {
    let row: Option<Row> =
        sqlx::query_as("SELECT * FROM runs WHERE id = ?1").bind(&run.0).fetch_optional(db).await?;
    row.map(Row::record).transpose()
}

pub(super) async fn list(db: &mut SqliteConnection, filter: &RunFilter) -> Result<Vec<RunRecord>> {
    let limit = if filter.limit == 0 { 100 } else { filter.limit.min(1000) };
    let rows: Vec<Row> = sqlx::query_as(
        "SELECT * FROM runs
         WHERE (?1 IS NULL OR chain = ?1) AND (?2 IS NULL OR instr(identity, ?2) > 0) AND (?3 IS NULL OR id < ?3)
         ORDER BY id DESC LIMIT ?4",
    )
    .bind(&filter.chain)
    .bind(&filter.subject)
    .bind(filter.before.as_ref().map(|r| &r.0))
    .bind(limit)
    .fetch_all(db)
    .await?;
    rows.into_iter().map(Row::record).collect()
}

pub(super) async fn insert(db: &mut SqliteConnection, run: &RunRecord) -> Result<()> {
    sqlx::query(
        "INSERT INTO runs (id, chain, plan_hash, identity, submission, cascade, round, slot, priority, phase, status,
                           result, last_seq, created_at, finished_at)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15)",
    )
    .bind(&run.id.0)
    .bind(&run.chain)
    .bind(&run.plan_hash)
    .bind(&run.submission.subject.identity)
    .bind(json(TABLE, &run.submission)?)
    .bind(&run.cascade.0)
    .bind(run.round)
    .bind(&run.slot)
    .bind(run.priority)
    .bind(phase_word(run.phase))
    .bind(word(&run.status))
    .bind(run.result().map(|r| word(&r)))
    .bind(signed(run.last_seq))
    .bind(millis(run.created_at))
    .bind(run.finished_at.map(millis))
    .execute(db)
    .await?;
    Ok(())
}

pub(super) async fn save(db: &mut SqliteConnection, run: &RunRecord) -> Result<()> {
    sqlx::query(
        "UPDATE runs SET phase = ?2, status = ?3, result = ?4, last_seq = ?5, finished_at = ?6 WHERE id = ?1",
    )
    .bind(&run.id.0)
    .bind(phase_word(run.phase))
    .bind(word(&run.status))
    .bind(run.result().map(|r| word(&r)))
    .bind(signed(run.last_seq))
    .bind(run.finished_at.map(millis))
    .execute(db)
    .await?;
    Ok(())
}

pub(super) async fn over(
    db: &mut SqliteConnection,
    chain: &str,
    identity: &str,
) -> Result<Vec<(RunId, Option<RunResult>)>> {
    let rows: Vec<(String, Option<String>)> = sqlx::query_as(
        "SELECT id, result FROM runs WHERE chain = ?1 AND identity = ?2 ORDER BY id DESC LIMIT 16",
    )
    .bind(chain)
    .bind(identity)
    .fetch_all(db)
    .await?;
    rows.into_iter()
        .map(|(id, result)| Ok((RunId(id), result.map(|r| of_word(TABLE, r)).transpose()?)))
        .collect()
}

pub(super) async fn in_cascade(
    db: &mut SqliteConnection,
    chain: &str,
    identity: &str,
    cascade: &RunId,
) -> Result<Option<RunId>> {
    let row: Option<(String,)> =
        sqlx::query_as("SELECT id FROM runs WHERE chain = ?1 AND identity = ?2 AND cascade = ?3")
            .bind(chain)
            .bind(identity)
            .bind(&cascade.0)
            .fetch_optional(db)
            .await?;
    Ok(row.map(|(id,)| RunId(id)))
}

pub(super) async fn in_slot(db: &mut SqliteConnection, slot: &str) -> Result<Vec<(RunId, bool)>> {
    let rows: Vec<(String, bool)> = sqlx::query_as(
        "SELECT id, phase = 'queued' FROM runs WHERE slot = ?1 AND phase <> 'finished' ORDER BY id",
    )
    .bind(slot)
    .fetch_all(db)
    .await?;
    Ok(rows.into_iter().map(|(id, queued)| (RunId(id), queued)).collect())
}
