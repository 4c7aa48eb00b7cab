//! The store that processes share.

use std::{path::PathBuf, sync::Arc};

use patchline_engine::Store;
use patchline_store::{Postgres, PostgresOptions, Sqlite};

/// Where it is.
#[derive(Debug, Clone)]
pub(crate) enum Place {
    /// A file of one process.
    Sqlite(PathBuf),
    /// A database of many.
    Postgres(String),
}

impl Place {
    /// As an argument of a process says it.
    pub(crate) fn parse(text: &str) -> Self {
        if text.starts_with("postgres:") {
            Self::Postgres(text.to_owned())
        } else {
            Self::Sqlite(text.into())
        }
    }
    pub(crate) fn text(&self) -> String {
        match self {
            Self::Sqlite(file) => file.display().to_string(),
            Self::Postgres(url) => url.clone(),
        }
    }
    /// Whether one process owns it.
    pub(crate) fn is_owned(&self) -> bool {
        matches!(self, Self::Sqlite(_))
    }
    pub(crate) async fn open(&self) -> Result<Arc<dyn Store>, patchline_store::Error> {
        Ok(match self {
            Self::Sqlite(file) => Arc::new(Sqlite::open(file).await?),
            Self::Postgres(url) => Arc::new(Postgres::open(url, PostgresOptions::default()).await?),
        })
    }
}
