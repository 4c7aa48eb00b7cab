//! All SQL.

mod error;
mod sqlite;

pub use error::Error;
pub use sqlite::Sqlite;
