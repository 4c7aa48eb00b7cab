//! Intents of steps, recorded before they touch the world.

use patchline_engine::{RunId, step::Intent};
use sqlx::SqliteConnection;

use super::{Sqlite, column::json};
use crate::{
    effects::{TABLE, effect_log, intent},
    error::Result,
};

impl Sqlite {
    async fn intend(&self, run: &RunId, step: &str, intent: &Intent) -> Result<()> {
        // An intent that is recorded again keeps what was known of it; one that was withdrawn is open again.
        sqlx::query(
            "INSERT INTO effects (run, step, kind, target, detail, done) VALUES (?1, ?2, ?3, ?4, ?5, ?6)
             ON CONFLICT (run, step, kind, target)
             DO UPDATE SET done = max(done, excluded.done), withdrawn = 0",
        )
        .bind(&run.0)
        .bind(step)
        .bind(&intent.kind)
        .bind(&intent.target)
        .bind(json(TABLE, &intent.detail)?)
        .bind(intent.done)
        .execute(&self.writer)
        .await?;
        Ok(())
    }

    async fn effect_done(&self, run: &RunId, step: &str, kind: &str, target: &str) -> Result<()> {
        sqlx::query(
            "UPDATE effects SET done = 1, withdrawn = 0
             WHERE run = ?1 AND step = ?2 AND kind = ?3 AND target = ?4",
        )
        .bind(&run.0)
        .bind(step)
        .bind(kind)
        .bind(target)
        .execute(&self.writer)
        .await?;
        Ok(())
    }

    async fn effect_withdrawn(&self, run: &RunId, step: &str, kind: &str, target: &str) -> Result<()> {
        sqlx::query(
            "UPDATE effects SET withdrawn = 1
             WHERE run = ?1 AND step = ?2 AND kind = ?3 AND target = ?4 AND done = 0",
        )
        .bind(&run.0)
        .bind(step)
        .bind(kind)
        .bind(target)
        .execute(&self.writer)
        .await?;
        Ok(())
    }

    async fn effects(&self, run: &RunId, step: &str) -> Result<Vec<Intent>> {
        let rows: Vec<(String, String, String, bool)> = sqlx::query_as(
            "SELECT kind, target, detail, done FROM effects
             WHERE run = ?1 AND step = ?2 AND withdrawn = 0 ORDER BY rowid",
        )
        .bind(&run.0)
        .bind(step)
        .fetch_all(&self.readers)
        .await?;
        rows.into_iter().map(intent).collect()
    }

    async fn effects_on(&self, kind: &str, target: &str) -> Result<Vec<Intent>> {
        let rows: Vec<(String, bool)> = sqlx::query_as(
            "SELECT detail, done FROM effects WHERE kind = ?1 AND target = ?2 ORDER BY rowid DESC LIMIT 100",
        )
        .bind(kind)
        .bind(target)
        .fetch_all(&self.readers)
        .await?;
        rows.into_iter()
            .map(|(detail, done)| intent((kind.to_owned(), target.to_owned(), detail, done)))
            .collect()
    }

    async fn any_effect(&self, kind: &str, target: &str) -> Result<bool> {
        let (found,): (bool,) =
            sqlx::query_as("SELECT EXISTS (SELECT 1 FROM effects WHERE kind = ?1 AND target = ?2)")
                .bind(kind)
                .bind(target)
                .fetch_one(&self.readers)
                .await?;
        Ok(found)
    }
}

/// Whether a step has an intent that is neither known to be made nor withdrawn.
pub(super) async fn any_open(db: &mut SqliteConnection, run: &RunId, step: &str) -> Result<bool> {
    let (found,): (bool,) = sqlx::query_as(
        "SELECT EXISTS (SELECT 1 FROM effects WHERE run = ?1 AND step = ?2 AND done = 0 AND withdrawn = 0)",
    )
    .bind(&run.0)
    .bind(step)
    .fetch_one(db)
    .await?;
    Ok(found)
}

/// A step's open intents were made, or not.
pub(super) async fn settle(db: &mut SqliteConnection, run: &RunId, step: &str, made: bool) -> Result<()> {
    sqlx::query(
        "UPDATE effects SET done = ?3, withdrawn = NOT ?3
         WHERE run = ?1 AND step = ?2 AND done = 0 AND withdrawn = 0",
    )
    .bind(&run.0)
    .bind(step)
    .bind(made)
    .execute(db)
    .await?;
    Ok(())
}

effect_log!(Sqlite);
