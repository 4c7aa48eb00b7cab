//! Whether the database can be written: what it answers to readers does not tell. Only the server needs it.

use async_trait::async_trait;

use crate::Error;

/// Whether the database takes writes.
#[async_trait]
pub trait Health: Send + Sync + 'static {
    /// Looks, and leaves nothing behind: nothing is committed, so that it may be asked every second for years.
    ///
    /// # Errors
    /// What stands in the way of a transaction that writes.
    async fn writable(&self) -> Result<(), Error>;
}
