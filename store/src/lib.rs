//! All SQL.

mod column;
mod error;
mod pack;
mod postgres;
pub mod sightings;
mod sqlite;

pub use error::Error;
pub use postgres::{Postgres, PostgresOptions};
pub use sightings::Sightings;
pub use sqlite::Sqlite;
