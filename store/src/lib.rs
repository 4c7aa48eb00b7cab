//! All SQL.

mod column;
mod error;
mod pack;
mod postgres;
mod sqlite;

pub use error::Error;
pub use postgres::{Postgres, PostgresOptions};
pub use sqlite::Sqlite;
