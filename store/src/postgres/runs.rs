//! Runs: one row each, without steps. The row is what is locked for whatever changes in the run.

use patchline_engine::{
    RunFilter, RunId, RunResult,
    core::Steps,
    store::{Fetched, Lock, NewRun, RunRecord},
};
use sqlx::{FromRow, PgConnection, QueryBuilder};

use super::{
    column::{json, millis, of_json, of_word, signed, timestamp, unsigned, word},
    leases::watch,
    steps,
    text::{key, plain},
};
use crate::{
    Error,
    error::Result,
    runs::{TABLE, phase, phase_word},
};

/// What a row is read from, in the order of [`Row`]; sent as it stands, whatever columns come later.
const COLUMNS: &str =
    "r.id, r.chain, r.plan_hash, r.submission, r.cascade, r.round, r.slot, r.priority, r.deadline,
    r.phase, r.status, r.result, r.last_seq, r.version, r.created_at, r.finished_at";

#[derive(FromRow)]
pub(super) struct Row {
    pub(super) id: String,
    chain: String,
    plan_hash: String,
    /// None where the caller knows this version already.
    submission: Option<String>,
    cascade: String,
    round: i64,
    slot: Option<String>,
    priority: i16,
    deadline: Option<i64>,
    phase: String,
    status: String,
    result: Option<String>,
    last_seq: i64,
    version: i64,
    created_at: i64,
    finished_at: Option<i64>,
}

impl Row {
    pub(super) fn record(self) -> Result<RunRecord> {
        let submission = self.submission.ok_or_else(|| Error::row(TABLE, "it has no submission"))?;
        Ok(RunRecord {
            id: RunId(self.id),
            chain: self.chain,
            plan_hash: self.plan_hash,
            submission: of_json(TABLE, &submission)?,
            cascade: RunId(self.cascade),
            round: unsigned(TABLE, self.round)?,
            slot: self.slot,
            priority: unsigned(TABLE, i64::from(self.priority))?,
            deadline: self.deadline.map(|at| timestamp(TABLE, at)).transpose()?,
            phase: phase(&self.phase, self.result)?,
            status: of_word(TABLE, self.status)?,
            steps: Steps::default(),
            last_seq: unsigned(TABLE, self.last_seq)?,
            version: unsigned(TABLE, self.version)?,
            created_at: timestamp(TABLE, self.created_at)?,
            finished_at: self.finished_at.map(|at| timestamp(TABLE, at)).transpose()?,
        })
    }
}

/// One run with its steps, as of one moment.
pub(super) async fn get(db: &mut PgConnection, run: &RunId) -> Result<Option<RunRecord>> {
    #[derive(FromRow)]
    struct Whole {
        #[sqlx(flatten)]
        row: Row,
        bodies: Vec<String>,
        leases: Vec<Option<i64>>,
    }
    let row: Option<Whole> = sqlx::query_as(sqlx::AssertSqlSafe(format!(
        "SELECT {COLUMNS}, s.bodies, s.leases FROM runs r
         CROSS JOIN LATERAL (
            SELECT coalesce(array_agg(body ORDER BY position), '{{}}') AS bodies,
                   coalesce(array_agg(lease_until ORDER BY position), '{{}}') AS leases
            FROM steps WHERE run = r.id) s
         WHERE r.id = $1",
    )))
    .bind(plain(&run.0))
    .fetch_optional(db)
    .await?;
    let Some(Whole { row, bodies, leases }) = row else { return Ok(None) };
    let mut record = row.record()?;
    record.steps = bodies.iter().zip(leases).map(|(b, l)| crate::steps::read(b, l)).collect::<Result<_>>()?;
    Ok(Some(record))
}

/// Locks runs in the order of their ids, so that two transactions that want the same ones do not wait in a ring; then
/// reads the steps of those whose version is not the known one. See [`Lock`].
pub(super) async fn lock(
    db: &mut PgConnection,
    wanted: &[(RunId, Option<u64>)],
    lock: Lock,
) -> Result<Vec<Fetched>> {
    let rows: Vec<(bool, Row)> = {
        #[derive(FromRow)]
        struct Known {
            same: bool,
            #[sqlx(flatten)]
            row: Row,
        }
        // What is known need not come over the wire.
        let query = COLUMNS.replace(
            "r.submission",
            "CASE WHEN r.version = w.version THEN NULL ELSE r.submission END AS submission",
        );
        let found: Vec<Known> = sqlx::query_as(sqlx::AssertSqlSafe(format!(
            "SELECT coalesce(r.version = w.version, false) AS same, {query}
             FROM unnest($1::text[], $2::bigint[]) AS w (id, version) JOIN runs r ON r.id = w.id
             ORDER BY r.id {}",
            match lock {
                Lock::Wait => "FOR NO KEY UPDATE OF r",
                Lock::Skip => "FOR NO KEY UPDATE OF r SKIP LOCKED",
                Lock::Held => "",
            },
        )))
        .bind(wanted.iter().map(|(run, _)| run.0.as_str()).collect::<Vec<_>>())
        .bind(wanted.iter().map(|(_, version)| version.map(signed)).collect::<Vec<_>>())
        .fetch_all(&mut *db)
        .await?;
        found.into_iter().map(|known| (known.same, known.row)).collect()
    };
    let changed: Vec<&str> = rows.iter().filter(|(same, _)| !same).map(|(_, row)| row.id.as_str()).collect();
    // A statement of its own: it sees what whoever had the lock has written.
    let mut steps =
        if changed.is_empty() { Default::default() } else { steps::of_runs(db, &changed).await? };
    let mut fetched = Vec::with_capacity(rows.len());
    for (same, row) in rows {
        fetched.push(if same {
            Fetched::Same(RunId(row.id))
        } else {
            let mut record = row.record()?;
            record.steps = steps.remove(&record.id.0).unwrap_or_default();
            Fetched::Read(Box::new(record))
        });
    }
    Ok(fetched)
}

pub(super) async fn list(db: &mut PgConnection, filter: &RunFilter) -> Result<Vec<RunRecord>> {
    let limit = if filter.limit == 0 { 100 } else { filter.limit.min(1000) };
    let mut query = QueryBuilder::new(format!("SELECT {COLUMNS} FROM runs r WHERE true"));
    if let Some(chain) = &filter.chain {
        query.push(" AND r.chain = ").push_bind(key(chain).into_owned());
    }
    if let Some(subject) = &filter.subject {
        query.push(" AND strpos(r.identity, ").push_bind(plain(subject).into_owned()).push(") > 0");
    }
    if let Some(before) = &filter.before {
        query.push(" AND r.id < ").push_bind(plain(&before.0).into_owned());
    }
    query.push(" ORDER BY r.id DESC LIMIT ").push_bind(i64::from(limit));
    let rows: Vec<Row> = query.build_query_as().fetch_all(db).await?;
    rows.into_iter().map(Row::record).collect()
}

/// New runs and their steps; gives back the hashes of plans that are not there, as when they were forgotten.
pub(super) async fn insert(db: &mut PgConnection, runs: &[NewRun<'_>]) -> Result<Vec<String>> {
    let records = || runs.iter().map(|new| new.record);
    let mut hashes: Vec<&str> = records().map(|r| r.plan_hash.as_str()).collect();
    hashes.sort_unstable();
    hashes.dedup();
    let submissions: Vec<String> = records().map(|r| json(TABLE, &r.submission)).collect::<Result<_>>()?;
    let steps = steps::New::of(runs)?;
    let (watched, ends) = steps.watched.arrays();
    let missing: Vec<(String,)> = sqlx::query_as(concat!(
        "WITH watched AS (",
        watch!(28, 29),
        "), new_runs AS (
            INSERT INTO runs (id, chain, plan_hash, identity, submission, cascade, round, slot, priority, deadline,
                              phase, status, result, last_seq, version, created_at, finished_at)
            SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::bigint[],
                                 $8::text[], $9::smallint[], $10::bigint[], $11::text[], $12::text[], $13::text[],
                                 $14::bigint[], $15::bigint[], $16::bigint[], $17::bigint[])),
         new_steps AS (
            INSERT INTO steps (run, position, kind, status, fence, priority, ready_at, lease_until, body)
            SELECT * FROM unnest($18::text[], $19::int[], $20::text[], $21::text[], $22::bigint[], $23::smallint[],
                                 $24::bigint[], $25::bigint[], $26::text[]))
         SELECT t.hash FROM unnest($27::text[]) AS t (hash)
         WHERE NOT EXISTS (SELECT FROM plans WHERE plans.hash = t.hash)",
    ))
    .bind(records().map(|r| r.id.0.as_str()).collect::<Vec<_>>())
    .bind(records().map(|r| key(&r.chain)).collect::<Vec<_>>())
    .bind(records().map(|r| r.plan_hash.as_str()).collect::<Vec<_>>())
    .bind(records().map(|r| key(&r.submission.subject.identity)).collect::<Vec<_>>())
    .bind(submissions)
    .bind(records().map(|r| r.cascade.0.as_str()).collect::<Vec<_>>())
    .bind(records().map(|r| i64::from(r.round)).collect::<Vec<_>>())
    .bind(records().map(|r| r.slot.as_deref().map(key)).collect::<Vec<_>>())
    .bind(records().map(|r| i16::from(r.priority)).collect::<Vec<_>>())
    .bind(records().map(|r| r.deadline.map(millis)).collect::<Vec<_>>())
    .bind(records().map(|r| phase_word(r.phase)).collect::<Vec<_>>())
    .bind(records().map(|r| word(&r.status)).collect::<Vec<_>>())
    .bind(records().map(|r| r.result().map(|r| word(&r))).collect::<Vec<_>>())
    .bind(records().map(|r| signed(r.last_seq)).collect::<Vec<_>>())
    .bind(records().map(|r| signed(r.version)).collect::<Vec<_>>())
    .bind(records().map(|r| millis(r.created_at)).collect::<Vec<_>>())
    .bind(records().map(|r| r.finished_at.map(millis)).collect::<Vec<_>>())
    .bind(steps.runs)
    .bind(steps.positions)
    .bind(steps.kinds)
    .bind(steps.statuses)
    .bind(steps.fences)
    .bind(steps.priorities)
    .bind(steps.ready_ats)
    .bind(steps.lease_untils)
    .bind(steps.bodies)
    .bind(hashes)
    .bind(watched)
    .bind(ends)
    .fetch_all(db)
    .await?;
    Ok(missing.into_iter().map(|(hash,)| hash).collect())
}

pub(super) async fn save(db: &mut PgConnection, runs: &[&RunRecord]) -> Result<()> {
    // A run that has finished has no lease.
    let finished = runs.iter().filter(|r| r.result().is_some());
    sqlx::query(
        "WITH unwatched AS (DELETE FROM lease_watch w USING unnest($9::text[]) AS t (run) WHERE w.run = t.run)
         UPDATE runs r SET phase = t.phase, status = t.status, result = t.result, last_seq = t.last_seq,
                version = t.version, finished_at = t.finished_at, deadline = t.deadline
         FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::bigint[], $6::bigint[], $7::bigint[],
                     $8::bigint[]) AS t (id, phase, status, result, last_seq, version, finished_at, deadline)
         WHERE r.id = t.id",
    )
    .bind(runs.iter().map(|r| r.id.0.as_str()).collect::<Vec<_>>())
    .bind(runs.iter().map(|r| phase_word(r.phase)).collect::<Vec<_>>())
    .bind(runs.iter().map(|r| word(&r.status)).collect::<Vec<_>>())
    .bind(runs.iter().map(|r| r.result().map(|r| word(&r))).collect::<Vec<_>>())
    .bind(runs.iter().map(|r| signed(r.last_seq)).collect::<Vec<_>>())
    .bind(runs.iter().map(|r| signed(r.version)).collect::<Vec<_>>())
    .bind(runs.iter().map(|r| r.finished_at.map(millis)).collect::<Vec<_>>())
    .bind(runs.iter().map(|r| r.deadline.map(millis)).collect::<Vec<_>>())
    .bind(finished.map(|r| r.id.0.as_str()).collect::<Vec<_>>())
    .execute(db)
    .await?;
    Ok(())
}

/// For each (chain, identity), newest first, at most 16.
pub(super) async fn over(
    db: &mut PgConnection,
    wanted: &[(String, String)],
) -> Result<Vec<Vec<(RunId, Option<RunResult>)>>> {
    let rows: Vec<(i64, String, Option<String>)> = sqlx::query_as(
        "SELECT t.place, r.id, r.result
         FROM unnest($1::text[], $2::text[]) WITH ORDINALITY AS t (chain, identity, place)
         CROSS JOIN LATERAL (
            SELECT id, result FROM runs WHERE chain = t.chain AND identity = t.identity
            ORDER BY id DESC LIMIT 16) r
         ORDER BY t.place, r.id DESC",
    )
    .bind(wanted.iter().map(|(chain, _)| key(chain)).collect::<Vec<_>>())
    .bind(wanted.iter().map(|(_, identity)| key(identity)).collect::<Vec<_>>())
    .fetch_all(db)
    .await?;
    let mut found = vec![Vec::new(); wanted.len()];
    for (place, id, result) in rows {
        let place: usize = unsigned(TABLE, place - 1)?;
        let result = result.map(|r| of_word(TABLE, r)).transpose()?;
        if let Some(runs) = found.get_mut(place) {
            runs.push((RunId(id), result));
        }
    }
    Ok(found)
}

pub(super) async fn in_cascade(
    db: &mut PgConnection,
    chain: &str,
    identity: &str,
    cascade: &RunId,
) -> Result<Option<RunId>> {
    let row: Option<(String,)> =
        sqlx::query_as("SELECT id FROM runs WHERE chain = $1 AND identity = $2 AND cascade = $3")
            .bind(key(chain))
            .bind(key(identity))
            .bind(&cascade.0)
            .fetch_optional(db)
            .await?;
    Ok(row.map(|(id,)| RunId(id)))
}

pub(super) async fn in_slot(db: &mut PgConnection, slot: &str, limit: usize) -> Result<Vec<(RunId, bool)>> {
    let rows: Vec<(String, bool)> = sqlx::query_as(
        "(SELECT id, false FROM runs WHERE open_slot = $1 AND phase <> 'queued')
         UNION ALL
         (SELECT id, true FROM runs WHERE open_slot = $1 AND phase = 'queued' ORDER BY id LIMIT $2)
         ORDER BY 1",
    )
    .bind(key(slot))
    .bind(signed(limit as u64))
    .fetch_all(db)
    .await?;
    Ok(rows.into_iter().map(|(id, queued)| (RunId(id), queued)).collect())
}
