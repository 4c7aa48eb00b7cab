//! Fixes: which image was made from which, and by what plan.

use async_trait::async_trait;
use patchline_remediation::{
    FixPlan,
    fix::{BoxError, Fixes},
};
use patchline_scanner::Digest;

use super::{
    Sqlite,
    column::{digest, json, of_json},
};
use crate::error::Result;

const TABLE: &str = "fixes";

impl Sqlite {
    async fn save_fix(&self, origin: &Digest, fixed: &Digest, plan: &FixPlan) -> Result<()> {
        sqlx::query(
            "INSERT INTO fixes (fixed, origin, made, body)
             VALUES (?1, ?2, (SELECT coalesce(max(made), 0) + 1 FROM fixes), ?3)
             ON CONFLICT (fixed) DO UPDATE SET origin = excluded.origin, body = excluded.body",
        )
        .bind(fixed.to_string())
        .bind(origin.to_string())
        .bind(json(TABLE, plan)?)
        .execute(&self.writer)
        .await?;
        Ok(())
    }

    async fn load_fix(&self, fixed: &Digest) -> Result<Option<(Digest, FixPlan)>> {
        let row: Option<(String, String)> = sqlx::query_as("SELECT origin, body FROM fixes WHERE fixed = ?1")
            .bind(fixed.to_string())
            .fetch_optional(&self.readers)
            .await?;
        row.map(|(origin, body)| Ok((digest(TABLE, &origin)?, of_json(TABLE, &body)?))).transpose()
    }

    async fn load_fixes(&self, origin: &Digest) -> Result<Vec<(Digest, FixPlan)>> {
        let rows: Vec<(String, String)> =
            sqlx::query_as("SELECT fixed, body FROM fixes WHERE origin = ?1 ORDER BY made")
                .bind(origin.to_string())
                .fetch_all(&self.readers)
                .await?;
        rows.into_iter().map(|(fixed, body)| Ok((digest(TABLE, &fixed)?, of_json(TABLE, &body)?))).collect()
    }
}

#[async_trait]
impl Fixes for Sqlite {
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
