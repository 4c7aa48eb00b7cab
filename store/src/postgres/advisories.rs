//! Compiled advisories, in parts, for the workers of a fleet.

use async_trait::async_trait;
use patchline_scanner::{BoxError, advisories::Shelf};

use super::{Postgres, once};
use crate::error::Result;

impl Postgres {
    async fn current_advisories(&self) -> Result<Option<String>> {
        let row: Option<(String,)> =
            once!(self, |db| { sqlx::query_as("SELECT body FROM advisory_current").fetch_optional(db) })?;
        Ok(row.map(|(body,)| body))
    }

    async fn advisory_part(&self, revision: &str, part: i32) -> Result<Option<Vec<u8>>> {
        let row: Option<(Vec<u8>,)> = once!(self, |db| {
            sqlx::query_as("SELECT body FROM advisory_parts WHERE revision = $1 AND part = $2")
                .bind(revision)
                .bind(part)
                .fetch_optional(db)
        })?;
        Ok(row.map(|(body,)| body))
    }

    async fn put_advisory_part(&self, revision: &str, part: i32, body: &[u8]) -> Result<()> {
        once!(self, |db| {
            sqlx::query(
                "INSERT INTO advisory_parts (revision, part, body) VALUES ($1, $2, $3)
                 ON CONFLICT (revision, part) DO UPDATE SET put_at = now()",
            )
            .bind(revision)
            .bind(part)
            .bind(body)
            .execute(db)
        })?;
        Ok(())
    }

    async fn publish_advisories(&self, current: &str, keep: &[String]) -> Result<()> {
        // Parts that were put just now may be another server's, who has not published them yet.
        once!(self, |db| {
            sqlx::query(
                "WITH held AS (
                    INSERT INTO advisory_current (body) VALUES ($1) ON CONFLICT (one) DO UPDATE SET body = excluded.body)
                 DELETE FROM advisory_parts WHERE revision <> ALL ($2) AND put_at < now() - interval '1 hour'",
            )
            .bind(current)
            .bind(keep)
            .execute(db)
        })?;
        Ok(())
    }
}

#[async_trait]
impl Shelf for Postgres {
    async fn current(&self) -> Result<Option<String>, BoxError> {
        Ok(self.current_advisories().await?)
    }
    async fn part(&self, revision: &str, part: u32) -> Result<Option<Vec<u8>>, BoxError> {
        Ok(self.advisory_part(revision, i32::try_from(part)?).await?)
    }
    async fn put_part(&self, revision: &str, part: u32, body: &[u8]) -> Result<(), BoxError> {
        Ok(self.put_advisory_part(revision, i32::try_from(part)?, body).await?)
    }
    async fn publish(&self, current: &str, keep: &[String]) -> Result<(), BoxError> {
        Ok(self.publish_advisories(current, keep).await?)
    }
}
