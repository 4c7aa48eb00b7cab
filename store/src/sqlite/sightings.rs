//! When images were seen.

use async_trait::async_trait;
use jiff::Timestamp;

use super::{
    Sqlite,
    column::{json, millis},
};
use crate::{
    error::Result,
    sightings::{BoxError, MOST, Row, Seen, Sight, Sighting, Sightings, TABLE, sighting},
};

impl Sqlite {
    async fn put_sightings(&self, images: &[(Seen, Sight)], at: Timestamp) -> Result<()> {
        let at = millis(at);
        let rows: Vec<_> = images
            .iter()
            .map(|(seen, sight)| {
                let digest = seen.digest.to_string();
                let reference = seen.tag.clone().unwrap_or_else(|| digest.clone());
                let when = |of| (*sight == of).then_some(at);
                (
                    (&seen.registry, &seen.repository, reference, digest),
                    [when(Sight::Pushed), when(Sight::Pulled), when(Sight::Running), when(Sight::Created)],
                )
            })
            .collect();
        // A tag that was moved is another image: what was known of it held for the one before.
        sqlx::query(
            "INSERT INTO sightings (registry, repository, reference, digest, pushed_at, pulled_at, running_at,
                                    created_at)
             SELECT value ->> '$[0][0]', value ->> '$[0][1]', value ->> '$[0][2]', value ->> '$[0][3]',
                    value ->> '$[1][0]', value ->> '$[1][1]', value ->> '$[1][2]', value ->> '$[1][3]'
             FROM json_each(?1) WHERE true
             ON CONFLICT (registry, repository, reference) DO UPDATE SET
                digest = excluded.digest,
                pushed_at = iif(digest = excluded.digest,
                    max(coalesce(pushed_at, excluded.pushed_at), coalesce(excluded.pushed_at, pushed_at)),
                    excluded.pushed_at),
                pulled_at = iif(digest = excluded.digest,
                    max(coalesce(pulled_at, excluded.pulled_at), coalesce(excluded.pulled_at, pulled_at)),
                    excluded.pulled_at),
                running_at = iif(digest = excluded.digest,
                    max(coalesce(running_at, excluded.running_at), coalesce(excluded.running_at, running_at)),
                    excluded.running_at),
                created_at = iif(digest = excluded.digest, coalesce(excluded.created_at, created_at),
                    excluded.created_at)",
        )
        .bind(json(TABLE, &rows)?)
        .execute(&self.writer)
        .await?;
        Ok(())
    }

    async fn sightings(&self, registry: &str, repository: &str) -> Result<Vec<Sighting>> {
        let rows: Vec<Row> = sqlx::query_as(
            "SELECT reference, digest, pushed_at, pulled_at, running_at, created_at FROM sightings
             WHERE registry = ?1 AND repository = ?2 ORDER BY reference LIMIT ?3",
        )
        .bind(registry)
        .bind(repository)
        .bind(MOST)
        .fetch_all(&self.readers)
        .await?;
        rows.into_iter().map(sighting).collect()
    }
}

#[async_trait]
impl Sightings for Sqlite {
    async fn saw(&self, images: &[(Seen, Sight)], at: Timestamp) -> Result<(), BoxError> {
        if images.is_empty() {
            return Ok(());
        }
        Ok(self.put_sightings(images, at).await?)
    }
    async fn of_repository(&self, registry: &str, repository: &str) -> Result<Vec<Sighting>, BoxError> {
        Ok(self.sightings(registry, repository).await?)
    }
}
