//! Inventories by image, and the packages that they share.

use std::collections::HashSet;

use async_trait::async_trait;
use patchline_scanner::{
    BoxError, Digest, Inventory,
    advisories::Touched,
    rematch::{Inventories, Matched, Reading},
};

use super::{Sqlite, bulk, column::json};
use crate::{
    error::Result,
    inventories::{self, PACKAGES, Reader, Rows, TABLE},
};

impl Sqlite {
    pub(super) async fn save_inventory(&self, inventory: &Inventory) -> Result<()> {
        let kept = inventories::kept(inventory)?;
        let hashes: Vec<[u8; 32]> = kept.iter().map(|package| package.hash).collect();
        let hex = hashes.iter().map(hex::encode).collect::<Vec<_>>();
        let hex = json(PACKAGES, &hex)?;
        let numbers = "SELECT id, hash FROM packages WHERE hash IN (SELECT unhex(value) FROM json_each(?1))";
        // Nearly always all of them are there, and none ever goes: nobody has to wait while they are looked for.
        let there: Vec<(i64, Vec<u8>)> = sqlx::query_as(numbers).bind(&hex).fetch_all(&self.readers).await?;
        let mut missing = kept;
        missing.sort_unstable();
        missing.dedup();
        let known: HashSet<&[u8]> = there.iter().map(|(_, hash)| hash.as_slice()).collect();
        missing.retain(|package| !known.contains(package.hash.as_slice()));
        let mut tx = self.begin_alone().await?;
        let there = if missing.is_empty() {
            there
        } else {
            let insert = "INSERT INTO packages (hash, body) SELECT * FROM ({rows}) WHERE column1 IS NOT NULL
                          ON CONFLICT (hash) DO NOTHING";
            let bind = |query: bulk::Query, package: &inventories::Kept| {
                Ok(query.bind(package.hash.to_vec()).bind(package.body.clone()))
            };
            bulk::execute(&mut tx, insert, 2, &missing, bind).await?;
            sqlx::query_as(numbers).bind(&hex).fetch_all(&mut *tx).await?
        };
        let body = inventories::encode(inventory, &inventories::in_order(&hashes, there)?)?;
        // A later analyser may see more in the same bytes.
        sqlx::query(
            "INSERT INTO inventories (image, body) VALUES (?1, ?2)
             ON CONFLICT (image) DO UPDATE
             SET body = excluded.body, edition = edition + 1, matched = NULL, matched_report = NULL
             WHERE body <> excluded.body",
        )
        .bind(inventory.image.to_string())
        .bind(body)
        .execute(&mut *tx)
        .await?;
        tx.commit().await?;
        Ok(())
    }

    pub(super) async fn load_inventory(&self, image: &str) -> Result<Option<Inventory>> {
        Ok(Reader::new(self.clone(), None).read(&[image.to_owned()]).await?.pop())
    }

    async fn load_matched(&self, images: &[String]) -> Result<Vec<inventories::MatchedRow>> {
        Ok(sqlx::query_as(
            "SELECT i.image, i.edition, r.id, CASE WHEN i.matched_report = r.id THEN i.matched END
             FROM inventories AS i JOIN reports AS r ON r.id = (
                SELECT id FROM reports WHERE image = i.image ORDER BY made DESC LIMIT 1)
             WHERE i.image IN (SELECT value FROM json_each(?1))",
        )
        .bind(json(TABLE, &images)?)
        .fetch_all(&self.readers)
        .await?)
    }

    async fn save_matched(&self, images: &[Matched]) -> Result<()> {
        let update =
            "UPDATE inventories SET matched = m.column3, matched_report = m.column4 FROM ({rows}) AS m
                      WHERE inventories.image = m.column1 AND edition = m.column2";
        let bind = |query: bulk::Query, one: &Matched| {
            let Matched { image, edition, report, note } = one.clone();
            Ok(query.bind(image.to_string()).bind(edition).bind(note).bind(report))
        };
        let mut tx = self.begin_alone().await?;
        bulk::execute(&mut tx, update, 4, images, bind).await?;
        tx.commit().await?;
        Ok(())
    }
}

#[async_trait]
impl Rows for Sqlite {
    async fn bodies(&self, images: &[String]) -> Result<Vec<(String, Vec<u8>)>> {
        let query = "SELECT image, body FROM inventories WHERE image IN (SELECT value FROM json_each(?1))";
        Ok(sqlx::query_as(query).bind(json(TABLE, &images)?).fetch_all(&self.readers).await?)
    }
    async fn packages(&self, numbers: &[i64]) -> Result<Vec<(i64, Vec<u8>, String)>> {
        let query = "SELECT id, hash, body FROM packages WHERE id IN (SELECT value FROM json_each(?1))";
        Ok(sqlx::query_as(query).bind(json(PACKAGES, &numbers)?).fetch_all(&self.readers).await?)
    }
}

#[async_trait]
impl Inventories for Sqlite {
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
