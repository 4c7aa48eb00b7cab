//! Facts about layers.

use async_trait::async_trait;
use patchline_scanner::{Digest, Error as ScannerError, LayerFacts, Result as ScannerResult};

use super::{Postgres, once, pack, text::key};
use crate::error::Result;

const TABLE: &str = "layer_facts";

impl Postgres {
    async fn layer_facts(&self, layer: &str, analysers: &str) -> Result<Option<Vec<u8>>> {
        let row: Option<(Vec<u8>,)> = once!(self, |db| {
            sqlx::query_as("SELECT body FROM layer_facts WHERE layer = $1 AND analysers = $2")
                .bind(layer)
                .bind(key(analysers))
                .fetch_optional(db)
        })?;
        row.map(|(body,)| pack::inflate(TABLE, &body)).transpose()
    }

    async fn put_layer_facts(&self, layer: &str, analysers: &str, facts: &[u8]) -> Result<()> {
        let body = pack::pack(TABLE, facts)?;
        once!(self, |db| {
            sqlx::query(
                "INSERT INTO layer_facts (layer, analysers, body) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING",
            )
            .bind(layer)
            .bind(key(analysers))
            .bind(&body)
            .execute(db)
        })?;
        Ok(())
    }
}

#[async_trait]
impl LayerFacts for Postgres {
    async fn get(&self, layer: &Digest, analysers: &str) -> ScannerResult<Option<Vec<u8>>> {
        self.layer_facts(&layer.to_string(), analysers).await.map_err(|e| ScannerError::Facts(Box::new(e)))
    }
    async fn put(&self, layer: &Digest, analysers: &str, facts: &[u8]) -> ScannerResult<()> {
        self.put_layer_facts(&layer.to_string(), analysers, facts)
            .await
            .map_err(|e| ScannerError::Facts(Box::new(e)))
    }
}
