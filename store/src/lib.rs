//! All SQL.

pub mod admin;
mod backlog;
mod column;
mod effects;
mod error;
mod events;
mod health;
mod housekeeping;
mod inventories;
mod outbox;
mod pack;
mod postgres;
mod runs;
mod schedules;
pub mod sightings;
mod sqlite;
mod steps;

pub use error::Error;
pub use health::Health;
pub use housekeeping::Forgotten;
pub use postgres::{Postgres, PostgresOptions};
pub use sightings::Sightings;
pub use sqlite::Sqlite;
