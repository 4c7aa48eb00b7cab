//! Inventories by image.

use patchline_scanner::Inventory;

use super::{Postgres, once, pack};
use crate::error::Result;

const TABLE: &str = "inventories";

impl Postgres {
    pub(super) async fn save_inventory(&self, inventory: &Inventory) -> Result<()> {
        let body = pack::pack(TABLE, &pack::canonical(TABLE, inventory)?)?;
        let image = inventory.image.to_string();
        // A later analyser may see more in the same bytes.
        once!(self, |db| {
            sqlx::query(
                "INSERT INTO inventories (image, body) VALUES ($1, $2)
                 ON CONFLICT (image) DO UPDATE SET body = excluded.body",
            )
            .bind(&image)
            .bind(&body)
            .execute(db)
        })?;
        Ok(())
    }

    pub(super) async fn load_inventory(&self, image: &str) -> Result<Option<Inventory>> {
        let row: Option<(Vec<u8>,)> = once!(self, |db| {
            sqlx::query_as("SELECT body FROM inventories WHERE image = $1").bind(image).fetch_optional(db)
        })?;
        row.map(|(body,)| pack::unpack(TABLE, &body)).transpose()
    }
}
