//! Inventories' and reports' trait, and the reports' rows.

use async_trait::async_trait;
use patchline_scanner::{BoxError, Digest, Inventory, Report, Reports};
use sha2::{Digest as _, Sha256};

use super::{Postgres, once, pack};
use crate::error::Result;

const TABLE: &str = "reports";

impl Postgres {
    async fn save_report(&self, report: &Report) -> Result<String> {
        let json = pack::canonical(TABLE, report)?;
        let id = format!("sha256:{}", hex::encode(Sha256::digest(&json)));
        let body = pack::pack(TABLE, &json)?;
        let image = report.image.to_string();
        // A report that is made again is the newest again.
        once!(self, |db| {
            sqlx::query(
                "INSERT INTO reports (id, image, body) VALUES ($1, $2, $3)
                 ON CONFLICT (id) DO UPDATE SET made = excluded.made",
            )
            .bind(&id)
            .bind(&image)
            .bind(&body)
            .execute(db)
        })?;
        Ok(id)
    }

    async fn load_report(&self, id: &str) -> Result<Option<Report>> {
        let row: Option<(Vec<u8>,)> = once!(self, |db| {
            sqlx::query_as("SELECT body FROM reports WHERE id = $1")
                .bind(super::text::plain(id))
                .fetch_optional(db)
        })?;
        row.map(|(body,)| pack::unpack(TABLE, &body)).transpose()
    }

    async fn newest_report(&self, image: &str) -> Result<Option<(String, Report)>> {
        let row: Option<(String, Vec<u8>)> = once!(self, |db| {
            sqlx::query_as("SELECT id, body FROM reports WHERE image = $1 ORDER BY made DESC LIMIT 1")
                .bind(image)
                .fetch_optional(db)
        })?;
        row.map(|(id, body)| Ok((id, pack::unpack(TABLE, &body)?))).transpose()
    }
}

#[async_trait]
impl Reports for Postgres {
    async fn put_inventory(&self, inventory: &Inventory) -> Result<(), BoxError> {
        Ok(self.save_inventory(inventory).await?)
    }
    async fn inventory(&self, image: &Digest) -> Result<Option<Inventory>, BoxError> {
        Ok(self.load_inventory(&image.to_string()).await?)
    }
    async fn put_report(&self, report: &Report) -> Result<String, BoxError> {
        Ok(self.save_report(report).await?)
    }
    async fn report(&self, id: &str) -> Result<Option<Report>, BoxError> {
        Ok(self.load_report(id).await?)
    }
    async fn latest_report(&self, image: &Digest) -> Result<Option<(String, Report)>, BoxError> {
        Ok(self.newest_report(&image.to_string()).await?)
    }
}
