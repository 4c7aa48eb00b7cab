//! Intents of steps, recorded before they touch the world.

use patchline_engine::{RunId, step::Intent};
use sqlx::PgConnection;

use super::{Postgres, column::json, once, text::key};
use crate::{
    effects::{TABLE, effect_log, intent},
    error::Result,
};

impl Postgres {
    async fn intend(&self, run: &RunId, step: &str, intent: &Intent) -> Result<()> {
        let detail = json(TABLE, &intent.detail)?;
        // An intent that is recorded again keeps what was known of it; one that was withdrawn is open again.
        once!(self, |db| {
            sqlx::query(
                "INSERT INTO effects (run, step, kind, target, detail, done) VALUES ($1, $2, $3, $4, $5, $6)
                 ON CONFLICT (run, step, kind, target) DO UPDATE SET done = effects.done OR excluded.done,
                    withdrawn = false",
            )
            .bind(&run.0)
            .bind(key(step))
            .bind(key(&intent.kind))
            .bind(key(&intent.target))
            .bind(&detail)
            .bind(intent.done)
            .execute(db)
        })?;
        Ok(())
    }

    async fn effect_done(&self, run: &RunId, step: &str, kind: &str, target: &str) -> Result<()> {
        once!(self, |db| {
            sqlx::query(
                "UPDATE effects SET done = true, withdrawn = false WHERE run = $1 AND step = $2 AND kind = $3 AND target = $4",
            )
            .bind(&run.0)
            .bind(key(step))
            .bind(key(kind))
            .bind(key(target))
            .execute(db)
        })?;
        Ok(())
    }

    async fn effect_withdrawn(&self, run: &RunId, step: &str, kind: &str, target: &str) -> Result<()> {
        once!(self, |db| {
            sqlx::query(
                "UPDATE effects SET withdrawn = true
                 WHERE run = $1 AND step = $2 AND kind = $3 AND target = $4 AND NOT done",
            )
            .bind(&run.0)
            .bind(key(step))
            .bind(key(kind))
            .bind(key(target))
            .execute(db)
        })?;
        Ok(())
    }

    async fn effects(&self, run: &RunId, step: &str) -> Result<Vec<Intent>> {
        let rows: Vec<(String, String, String, bool)> = once!(self, |db| {
            sqlx::query_as(
                "SELECT kind, target, detail, done FROM effects
                 WHERE run = $1 AND step = $2 AND NOT withdrawn ORDER BY id",
            )
            .bind(&run.0)
            .bind(key(step))
            .fetch_all(db)
        })?;
        rows.into_iter().map(intent).collect()
    }

    async fn effects_on(&self, kind: &str, target: &str) -> Result<Vec<Intent>> {
        let rows: Vec<(String, bool)> = once!(self, |db| {
            sqlx::query_as(
                "SELECT detail, done FROM effects WHERE kind = $1 AND target = $2 ORDER BY id DESC LIMIT 100",
            )
            .bind(key(kind))
            .bind(key(target))
            .fetch_all(db)
        })?;
        rows.into_iter()
            .map(|(detail, done)| intent((kind.to_owned(), target.to_owned(), detail, done)))
            .collect()
    }

    async fn any_effect(&self, kind: &str, target: &str) -> Result<bool> {
        let (found,): (bool,) = once!(self, |db| {
            sqlx::query_as("SELECT EXISTS (SELECT 1 FROM effects WHERE kind = $1 AND target = $2)")
                .bind(key(kind))
                .bind(key(target))
                .fetch_one(db)
        })?;
        Ok(found)
    }
}

/// Whether a step has an intent that is neither known to be made nor withdrawn.
pub(super) async fn any_open(db: &mut PgConnection, run: &RunId, step: &str) -> Result<bool> {
    let (open,): (bool,) = sqlx::query_as(
        "SELECT EXISTS (SELECT 1 FROM effects WHERE run = $1 AND step = $2 AND NOT done AND NOT withdrawn)",
    )
    .bind(&run.0)
    .bind(key(step))
    .fetch_one(db)
    .await?;
    Ok(open)
}

/// What a person knows of a step's open intents.
pub(super) async fn settle(db: &mut PgConnection, run: &RunId, step: &str, made: bool) -> Result<()> {
    sqlx::query(
        "UPDATE effects SET done = $3, withdrawn = NOT $3
         WHERE run = $1 AND step = $2 AND NOT done AND NOT withdrawn",
    )
    .bind(&run.0)
    .bind(key(step))
    .bind(made)
    .execute(db)
    .await?;
    Ok(())
}

effect_log!(Postgres);
