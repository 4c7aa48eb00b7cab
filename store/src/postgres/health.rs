//! Whether the server takes writes.

use async_trait::async_trait;

use super::{Postgres, once};
use crate::{Health, error::Result};

#[async_trait]
impl Health for Postgres {
    async fn writable(&self) -> Result<()> {
        // A standby, or a database that was made read-only, refuses to lock rows, be there any or not. A server whose
        // log finds no room stops, and answers nothing.
        once!(self, |db| sqlx::query("SELECT 1 FROM runs WHERE false FOR NO KEY UPDATE").execute(db))?;
        Ok(())
    }
}
