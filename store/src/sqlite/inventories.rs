//! Inventories by image.

use patchline_scanner::Inventory;

use super::{Sqlite, pack};
use crate::error::Result;

const TABLE: &str = "inventories";

impl Sqlite {
    pub(super) async fn save_inventory(&self, inventory: &Inventory) -> Result<()> {
        let body = pack::pack(TABLE, &pack::canonical(TABLE, inventory)?)?;
        // A later analyser may see more in the same bytes.
        sqlx::query("INSERT INTO inventories (image, body) VALUES (?1, ?2) ON CONFLICT (image) DO UPDATE SET body = excluded.body")
            .bind(inventory.image.to_string())
            .bind(body)
            .execute(&self.writer)
            .await?;
        Ok(())
    }

    pub(super) async fn load_inventory(&self, image: &str) -> Result<Option<Inventory>> {
        let row: Option<(Vec<u8>,)> = sqlx::query_as("SELECT body FROM inventories WHERE image = ?1")
            .bind(image)
            .fetch_optional(&self.readers)
            .await?;
        row.map(|(body,)| pack::unpack(TABLE, &body)).transpose()
    }
}
