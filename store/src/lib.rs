//! All SQL.

mod error;
pub mod sightings;
mod sqlite;

pub use error::Error;
pub use sightings::Sightings;
pub use sqlite::Sqlite;
