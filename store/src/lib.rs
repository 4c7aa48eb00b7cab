//! All SQL.

pub mod admin;
mod column;
mod error;
mod housekeeping;
mod pack;
mod postgres;
pub mod sightings;
mod sqlite;

pub use error::Error;
pub use housekeeping::Forgotten;
pub use postgres::{Postgres, PostgresOptions};
pub use sightings::Sightings;
pub use sqlite::Sqlite;
