//! Steps of runs.

use std::collections::HashMap;

use patchline_engine::{
    core::Steps,
    store::{NewRun, StepChange},
};
use sqlx::PgConnection;

use super::{
    column::{json, signed, word},
    leases::{Watched, watch},
    permits::positions,
    text::key,
};
use crate::{
    error::Result,
    steps::{TABLE, lease_until, read, ready_at},
};

pub(super) async fn of_runs(db: &mut PgConnection, runs: &[&str]) -> Result<HashMap<String, Steps>> {
    let rows: Vec<(String, String, Option<i64>)> = sqlx::query_as(
        "SELECT s.run, s.body, s.lease_until FROM unnest($1::text[]) AS t (run) JOIN steps s ON s.run = t.run
         ORDER BY s.run, s.position",
    )
    .bind(runs)
    .fetch_all(db)
    .await?;
    let mut steps: HashMap<String, Steps> = HashMap::with_capacity(runs.len());
    for (run, body, lease_until) in rows {
        steps.entry(run).or_default().push(read(&body, lease_until)?);
    }
    Ok(steps)
}

/// The columns of new steps.
#[derive(Default)]
pub(super) struct New<'a> {
    pub(super) runs: Vec<&'a str>,
    pub(super) positions: Vec<i32>,
    pub(super) kinds: Vec<std::borrow::Cow<'a, str>>,
    pub(super) statuses: Vec<String>,
    pub(super) fences: Vec<i64>,
    pub(super) priorities: Vec<i16>,
    pub(super) ready_ats: Vec<Option<i64>>,
    pub(super) lease_untils: Vec<Option<i64>>,
    pub(super) bodies: Vec<String>,
    pub(super) watched: Watched<'a>,
}

impl<'a> New<'a> {
    pub(super) fn of(runs: &[NewRun<'a>]) -> Result<Self> {
        let mut new = Self::default();
        for NewRun { record, plan } in runs {
            new.positions.extend(positions(0..record.steps.len().min(plan.steps.len())));
            for (step, planned) in record.steps.iter().zip(&plan.steps) {
                new.runs.push(&record.id.0);
                new.kinds.push(key(&planned.uses));
                new.statuses.push(word(&step.state.status()));
                new.fences.push(signed(step.fence));
                new.priorities.push(i16::from(record.priority));
                new.ready_ats.push(ready_at(step));
                new.lease_untils.push(lease_until(step));
                new.watched.note(&record.id, lease_until(step));
                new.bodies.push(json(TABLE, step)?);
            }
        }
        Ok(new)
    }
}

/// The fenced write: it takes only rows that are as their `before` says.
pub(super) async fn save(db: &mut PgConnection, changes: &[StepChange<'_>]) -> Result<bool> {
    let bodies: Vec<String> = changes.iter().map(|c| json(TABLE, c.after)).collect::<Result<_>>()?;
    let mut watched = Watched::default();
    changes.iter().for_each(|c| watched.note(c.run, lease_until(c.after)));
    let (watched, ends) = watched.arrays();
    let done = sqlx::query(concat!(
        "WITH watched AS (",
        watch!(10, 11),
        ") UPDATE steps s SET status = t.status, fence = t.fence, ready_at = t.ready_at, lease_until = t.lease_until,
                parked = NULL, body = t.body
         FROM unnest($1::text[], $2::int[], $3::bigint[], $4::text[], $5::text[], $6::bigint[], $7::bigint[],
                     $8::bigint[], $9::text[])
              AS t (run, position, old_fence, old_status, status, fence, ready_at, lease_until, body)
         WHERE s.run = t.run AND s.position = t.position AND s.fence = t.old_fence AND s.status = t.old_status",
    ))
    .bind(changes.iter().map(|c| c.run.0.as_str()).collect::<Vec<_>>())
    .bind(positions(changes.iter().map(|c| c.step)))
    .bind(changes.iter().map(|c| signed(c.before.fence)).collect::<Vec<_>>())
    .bind(changes.iter().map(|c| word(&c.before.state.status())).collect::<Vec<_>>())
    .bind(changes.iter().map(|c| word(&c.after.state.status())).collect::<Vec<_>>())
    .bind(changes.iter().map(|c| signed(c.after.fence)).collect::<Vec<_>>())
    .bind(changes.iter().map(|c| ready_at(c.after)).collect::<Vec<_>>())
    .bind(changes.iter().map(|c| lease_until(c.after)).collect::<Vec<_>>())
    .bind(bodies)
    .bind(watched)
    .bind(ends)
    .execute(db)
    .await?;
    Ok(done.rows_affected() == changes.len() as u64)
}
