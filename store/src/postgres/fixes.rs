//! Fixes: which image was made from which, and by what plan.

use async_trait::async_trait;
use patchline_remediation::{
    FixPlan,
    fix::{BoxError, Fixes},
};
use patchline_scanner::Digest;

use super::{
    Postgres,
    column::{digest, json, of_json},
    once,
};
use crate::error::Result;

const TABLE: &str = "fixes";

impl Postgres {
    async fn save_fix(&self, origin: &Digest, fixed: &Digest, plan: &FixPlan) -> Result<()> {
        let (origin, fixed, body) = (origin.to_string(), fixed.to_string(), json(TABLE, plan)?);
        once!(self, |db| {
            sqlx::query(
                "INSERT INTO fixes (fixed, origin, body) VALUES ($1, $2, $3)
                 ON CONFLICT (fixed) DO UPDATE SET origin = excluded.origin, body = excluded.body",
            )
            .bind(&fixed)
            .bind(&origin)
            .bind(&body)
            .execute(db)
        })?;
        Ok(())
    }

    async fn load_fix(&self, fixed: &Digest) -> Result<Option<(Digest, FixPlan)>> {
        let fixed = fixed.to_string();
        let row: Option<(String, String)> = once!(self, |db| {
            sqlx::query_as("SELECT origin, body FROM fixes WHERE fixed = $1").bind(&fixed).fetch_optional(db)
        })?;
        row.map(|(origin, body)| Ok((digest(TABLE, &origin)?, of_json(TABLE, &body)?))).transpose()
    }

    async fn load_fixes(&self, origin: &Digest) -> Result<Vec<(Digest, FixPlan)>> {
        let origin = origin.to_string();
        let rows: Vec<(String, String)> = once!(self, |db| {
            sqlx::query_as("SELECT fixed, body FROM fixes WHERE origin = $1 ORDER BY made")
                .bind(&origin)
                .fetch_all(db)
        })?;
        rows.into_iter().map(|(fixed, body)| Ok((digest(TABLE, &fixed)?, of_json(TABLE, &body)?))).collect()
    }
}

#[async_trait]
impl Fixes for Postgres {
    async fn put_fix(&self, origin: &Digest, fixed: &Digest, plan: &FixPlan) -> Result<(), BoxError> {
        Ok(self.save_fix(origin, fixed, plan).await?)
    }
    async fn fix_of(&self, fixed: &Digest) -> Result<Option<(Digest, FixPlan)>, BoxError> {
        Ok(self.load_fix(fixed).await?)
    }
    async fn fixes_from(&self, origin: &Digest) -> Result<Vec<(Digest, FixPlan)>, BoxError> {
        Ok(self.load_fixes(origin).await?)
    }
}
