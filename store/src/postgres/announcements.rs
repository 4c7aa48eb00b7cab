//! Where the server of a fleet is, for its workers.

use super::{Postgres, once};
use crate::Error;

impl Postgres {
    /// Says (name, value) from now on, whatever was said before under the same name.
    pub async fn announce(&self, said: &[(&str, &str)]) -> Result<(), Error> {
        for (name, value) in said {
            once!(self, |db| {
                sqlx::query(
                    "INSERT INTO announcements (name, value) VALUES ($1, $2)
                     ON CONFLICT (name) DO UPDATE SET value = excluded.value",
                )
                .bind(name)
                .bind(value)
                .execute(db)
            })?;
        }
        Ok(())
    }

    /// What was last said under a name.
    pub async fn announced(&self, name: &str) -> Result<Option<String>, Error> {
        let row: Option<(String,)> = once!(self, |db| {
            sqlx::query_as("SELECT value FROM announcements WHERE name = $1").bind(name).fetch_optional(db)
        })?;
        Ok(row.map(|(value,)| value))
    }
}
