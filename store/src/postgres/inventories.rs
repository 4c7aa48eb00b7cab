//! Inventories by image, and the packages that they share.

use std::collections::HashSet;

use async_trait::async_trait;
use patchline_scanner::{
    BoxError, Digest, Inventory,
    advisories::Touched,
    rematch::{Inventories, Matched, Reading},
};
use sqlx::{Connection as _, PgConnection};

use super::{Postgres, once};
use crate::{
    error::Result,
    inventories::{self, Kept, Reader, Rows},
};

impl Postgres {
    pub(super) async fn save_inventory(&self, inventory: &Inventory) -> Result<()> {
        let kept = inventories::kept(inventory)?;
        once!(self, |db| save(db, inventory, &kept))
    }

    pub(super) async fn load_inventory(&self, image: &str) -> Result<Option<Inventory>> {
        Ok(Reader::new(self.clone(), None).read(&[image.to_owned()]).await?.pop())
    }

    async fn load_matched(&self, images: &[String]) -> Result<Vec<inventories::MatchedRow>> {
        once!(self, |db| {
            sqlx::query_as(
                "SELECT i.image, i.edition, r.id, CASE WHEN i.matched_report = r.id THEN i.matched END
                 FROM inventories AS i JOIN LATERAL (
                    SELECT id FROM reports WHERE image = i.image ORDER BY made DESC LIMIT 1) AS r ON true
                 WHERE i.image = ANY ($1)",
            )
            .bind(images)
            .fetch_all(db)
        })
    }

    async fn save_matched(&self, images: &[Matched]) -> Result<()> {
        // In order, so that two processes do not wait for each other.
        let mut images = images.to_vec();
        images.sort_by(|a, b| a.image.as_str().cmp(b.image.as_str()));
        let names: Vec<&str> = images.iter().map(|one| one.image.as_str()).collect();
        let editions: Vec<i64> = images.iter().map(|one| one.edition).collect();
        let notes: Vec<Option<&str>> = images.iter().map(|one| one.note.as_deref()).collect();
        let reports: Vec<&str> = images.iter().map(|one| one.report.as_str()).collect();
        once!(self, |db| {
            sqlx::query(
                "WITH m AS (SELECT * FROM unnest($1::text[], $2::bigint[], $3::text[], $4::text[])
                            AS m (image, edition, note, report)),
                 held AS (SELECT i.image FROM inventories AS i JOIN m ON i.image = m.image AND i.edition = m.edition
                          ORDER BY i.image FOR UPDATE OF i)
                 UPDATE inventories AS i SET matched = m.note, matched_report = m.report
                 FROM m JOIN held ON held.image = m.image WHERE i.image = m.image AND i.edition = m.edition",
            )
            .bind(&names)
            .bind(&editions)
            .bind(&notes)
            .bind(&reports)
            .execute(db)
        })?;
        Ok(())
    }
}

/// One transaction.
async fn save(db: &mut PgConnection, inventory: &Inventory, kept: &[Kept]) -> Result<()> {
    let hashes: Vec<[u8; 32]> = kept.iter().map(|package| package.hash).collect();
    let asked: Vec<&[u8]> = hashes.iter().map(<[u8; 32]>::as_slice).collect();
    let numbers = "SELECT id, hash FROM packages WHERE hash = ANY ($1)";
    let mut tx = db.begin().await?;
    let mut there: Vec<(i64, Vec<u8>)> = sqlx::query_as(numbers).bind(&asked).fetch_all(&mut *tx).await?;
    let known: HashSet<&[u8]> = there.iter().map(|(_, hash)| hash.as_slice()).collect();
    let mut missing: Vec<&Kept> =
        kept.iter().filter(|package| !known.contains(package.hash.as_slice())).collect();
    // In order, so that two that bring the same packages wait for each other in one direction alone.
    missing.sort_unstable();
    missing.dedup();
    if !missing.is_empty() {
        let new: Vec<&[u8]> = missing.iter().map(|package| package.hash.as_slice()).collect();
        let bodies: Vec<&str> = missing.iter().map(|package| package.body.as_str()).collect();
        sqlx::query(
            "INSERT INTO packages (hash, body) SELECT * FROM unnest($1::bytea[], $2::text[]) ORDER BY 1
             ON CONFLICT (hash) DO NOTHING",
        )
        .bind(&new)
        .bind(&bodies)
        .execute(&mut *tx)
        .await?;
        there = sqlx::query_as(numbers).bind(&asked).fetch_all(&mut *tx).await?;
    }
    let body = inventories::encode(inventory, &inventories::in_order(&hashes, there)?)?;
    // A later analyser may see more in the same bytes.
    sqlx::query(
        "INSERT INTO inventories AS i (image, body) VALUES ($1, $2)
         ON CONFLICT (image) DO UPDATE
         SET body = excluded.body, edition = i.edition + 1, matched = NULL, matched_report = NULL
         WHERE i.body <> excluded.body",
    )
    .bind(inventory.image.to_string())
    .bind(body)
    .execute(&mut *tx)
    .await?;
    tx.commit().await?;
    Ok(())
}

#[async_trait]
impl Rows for Postgres {
    async fn bodies(&self, images: &[String]) -> Result<Vec<(String, Vec<u8>)>> {
        once!(self, |db| {
            sqlx::query_as("SELECT image, body FROM inventories WHERE image = ANY ($1)")
                .bind(images)
                .fetch_all(db)
        })
    }
    async fn packages(&self, numbers: &[i64]) -> Result<Vec<(i64, Vec<u8>, String)>> {
        once!(self, |db| {
            sqlx::query_as("SELECT id, hash, body FROM packages WHERE id = ANY ($1)")
                .bind(numbers)
                .fetch_all(db)
        })
    }
}

#[async_trait]
impl Inventories for Postgres {
    fn reading(&self, only: Option<Touched>) -> Box<dyn Reading> {
        Box::new(Reader::new(self.clone(), only))
    }
    async fn matched(&self, images: &[Digest]) -> Result<Vec<Matched>, BoxError> {
        let images: Vec<String> = images.iter().map(ToString::to_string).collect();
        let rows = self.load_matched(&images).await?;
        Ok(rows.into_iter().map(inventories::matched).collect::<Result<_>>()?)
    }
    async fn set_matched(&self, images: &[Matched]) -> Result<(), BoxError> {
        if images.is_empty() {
            return Ok(());
        }
        Ok(self.save_matched(images).await?)
    }
}
