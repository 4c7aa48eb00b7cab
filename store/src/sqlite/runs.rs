//! Runs: one row each, without steps.

use patchline_engine::{
    RunFilter, RunId, RunResult,
    core::Steps,
    store::{NewRun, RunRecord},
};
use sqlx::{FromRow, SqliteConnection};

use super::{
    bulk,
    column::{json, millis, of_json, of_word, signed, timestamp, unsigned, word},
};
use crate::{
    error::Result,
    runs::{TABLE, phase, phase_word},
};

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
    version: i64,
    deadline: Option<i64>,
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
            steps: Steps::default(),
            last_seq: unsigned(TABLE, self.last_seq)?,
            version: unsigned(TABLE, self.version)?,
            deadline: self.deadline.map(|at| timestamp(TABLE, at)).transpose()?,
            created_at: timestamp(TABLE, self.created_at)?,
            finished_at: self.finished_at.map(|at| timestamp(TABLE, at)).transpose()?,
        })
    }
}

pub(super) async fn get(db: &mut SqliteConnection, run: &RunId) -> Result<Option<RunRecord>> {
    let row: Option<Row> =
        sqlx::query_as("SELECT * FROM runs WHERE id = ?1").bind(&run.0).fetch_optional(db).await?;
    row.map(Row::record).transpose()
}

pub(super) async fn get_all(db: &mut SqliteConnection, runs: &[&RunId]) -> Result<Vec<RunRecord>> {
    let rows: Vec<Row> =
        sqlx::query_as("SELECT * FROM runs WHERE id IN (SELECT value FROM json_each(?1)) ORDER BY id")
            .bind(json(TABLE, &runs)?)
            .fetch_all(db)
            .await?;
    rows.into_iter().map(Row::record).collect()
}

pub(super) async fn versions(db: &mut SqliteConnection, runs: &[&RunId]) -> Result<Vec<(RunId, u64)>> {
    let rows: Vec<(String, i64)> =
        sqlx::query_as("SELECT id, version FROM runs WHERE id IN (SELECT value FROM json_each(?1))")
            .bind(json(TABLE, &runs)?)
            .fetch_all(db)
            .await?;
    rows.into_iter().map(|(run, version)| Ok((RunId(run), unsigned(TABLE, version)?))).collect()
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

pub(super) async fn insert(db: &mut SqliteConnection, runs: &[NewRun<'_>]) -> Result<()> {
    let sql =
        "INSERT INTO runs (id, chain, plan_hash, identity, submission, cascade, round, slot, priority, phase,
                                 status, result, last_seq, created_at, finished_at, version, deadline)
               SELECT * FROM ({rows}) WHERE column1 IS NOT NULL";
    bulk::execute(db, sql, 17, runs, |query, NewRun { record: run, .. }| {
        Ok(query
            .bind(run.id.0.clone())
            .bind(run.chain.clone())
            .bind(run.plan_hash.clone())
            .bind(run.submission.subject.identity.clone())
            .bind(json(TABLE, &run.submission)?)
            .bind(run.cascade.0.clone())
            .bind(run.round)
            .bind(run.slot.clone())
            .bind(run.priority)
            .bind(phase_word(run.phase))
            .bind(word(&run.status))
            .bind(run.result().map(|result| word(&result)))
            .bind(signed(run.last_seq))
            .bind(millis(run.created_at))
            .bind(run.finished_at.map(millis))
            .bind(signed(run.version))
            .bind(run.deadline.map(millis)))
    })
    .await?;
    Ok(())
}

pub(super) async fn save(db: &mut SqliteConnection, runs: &[&RunRecord]) -> Result<()> {
    let sql = "UPDATE runs SET phase = new.column2, status = new.column3, result = new.column4,
                               last_seq = new.column5, finished_at = new.column6, version = new.column7,
                               deadline = new.column8
               FROM ({rows}) AS new WHERE runs.id = new.column1";
    bulk::execute(db, sql, 8, runs, |query, run| {
        Ok(query
            .bind(run.id.0.clone())
            .bind(phase_word(run.phase))
            .bind(word(&run.status))
            .bind(run.result().map(|result| word(&result)))
            .bind(signed(run.last_seq))
            .bind(run.finished_at.map(millis))
            .bind(signed(run.version))
            .bind(run.deadline.map(millis)))
    })
    .await?;
    Ok(())
}

/// For each (chain, identity), newest first, at most 16.
pub(super) async fn over(
    db: &mut SqliteConnection,
    wanted: &[(String, String)],
) -> Result<Vec<Vec<(RunId, Option<RunResult>)>>> {
    let rows: Vec<(i64, String, Option<String>)> = sqlx::query_as(
        "SELECT n, id, result FROM (
            SELECT j.key AS n, runs.id, runs.result,
                   row_number() OVER (PARTITION BY j.key ORDER BY runs.id DESC) AS place
            FROM json_each(?1) AS j JOIN runs ON runs.chain = j.value ->> 0 AND runs.identity = j.value ->> 1)
         WHERE place <= 16 ORDER BY n, id DESC",
    )
    .bind(json(TABLE, &wanted)?)
    .fetch_all(db)
    .await?;
    let mut found = vec![Vec::new(); wanted.len()];
    for (n, id, result) in rows {
        let n: usize = unsigned(TABLE, n)?;
        let result = result.map(|r| of_word(TABLE, r)).transpose()?;
        if let Some(runs) = found.get_mut(n) {
            runs.push((RunId(id), result));
        }
    }
    Ok(found)
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

pub(super) async fn in_slot(
    db: &mut SqliteConnection,
    slot: &str,
    limit: usize,
) -> Result<Vec<(RunId, bool)>> {
    let rows: Vec<(String, bool)> = sqlx::query_as(
        "SELECT id, queued FROM (
            SELECT id, phase = 'queued' AS queued, row_number() OVER (PARTITION BY phase = 'queued' ORDER BY id) AS place
            FROM runs WHERE slot = ?1 AND phase <> 'finished')
         WHERE NOT queued OR place <= ?2 ORDER BY id",
    )
    .bind(slot)
    .bind(signed(limit as u64))
    .fetch_all(db)
    .await?;
    Ok(rows.into_iter().map(|(id, queued)| (RunId(id), queued)).collect())
}
