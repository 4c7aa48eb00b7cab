//! All SQL.

use std::path::Path;

/// What can go wrong with the database.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Opening or migrating.
    #[error("the database {path} cannot be opened")]
    Open {
        /// Its file.
        path: String,
        /// What the driver said.
        #[source]
        source: sqlx::Error,
    },
}

/// The SQLite database of a data folder; cheap to clone. It implements `engine::Store` and
/// `EffectLog`, `scanner::{LayerFacts, Reports}`, `remediation::fix::Fixes`.
#[derive(Clone)]
pub struct Sqlite {}

impl Sqlite {
    /// Opens and migrates. WAL, `synchronous=FULL`.
    pub async fn open(_file: &Path) -> Result<Self, Error> {
        todo!()
    }
}
