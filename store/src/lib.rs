//! All SQL.

pub mod admin;
mod column;
mod error;
mod housekeeping;
mod pack;
mod postgres;
mod sqlite;

pub use error::Error;
pub use housekeeping::Forgotten;
pub use postgres::{Postgres, PostgresOptions};
pub use sqlite::Sqlite;
