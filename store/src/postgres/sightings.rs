//! When images were seen.

use std::borrow::Cow;

use async_trait::async_trait;
use jiff::Timestamp;

use super::{Postgres, column::millis, once, text::key};
use crate::{
    error::Result,
    sightings::{BoxError, MOST, Row, Seen, Sight, Sighting, Sightings, sighting},
};

impl Postgres {
    async fn put_sightings(&self, images: &[(Seen, Sight)], at: Timestamp) -> Result<()> {
        let at = millis(at);
        let column = |of: fn(&Seen) -> Cow<'_, str>| -> Vec<String> {
            images.iter().map(|(seen, _)| key(&of(seen)).into_owned()).collect()
        };
        let registries = column(|seen| Cow::Borrowed(&seen.registry));
        let repositories = column(|seen| Cow::Borrowed(&seen.repository));
        let references = column(|seen| match &seen.tag {
            Some(tag) => Cow::Borrowed(tag),
            None => Cow::Owned(seen.digest.to_string()),
        });
        let digests = column(|seen| Cow::Owned(seen.digest.to_string()));
        let when = |of| -> Vec<Option<i64>> {
            images.iter().map(|(_, sight)| (*sight == of).then_some(at)).collect()
        };
        let (pushed, pulled) = (when(Sight::Pushed), when(Sight::Pulled));
        let (running, created) = (when(Sight::Running), when(Sight::Created));
        // A tag that was moved is another image: what was known of it held for the one before. In order, so that two
        // processes do not wait for each other.
        once!(self, |db| {
            sqlx::query(
                "INSERT INTO sightings AS s (registry, repository, reference, digest, pushed_at, pulled_at,
                                             running_at, created_at)
                 SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::bigint[], $6::bigint[],
                                      $7::bigint[], $8::bigint[]) ORDER BY 1, 2, 3
                 ON CONFLICT (registry, repository, reference) DO UPDATE SET
                    digest = excluded.digest,
                    pushed_at = CASE WHEN s.digest = excluded.digest
                        THEN greatest(s.pushed_at, excluded.pushed_at) ELSE excluded.pushed_at END,
                    pulled_at = CASE WHEN s.digest = excluded.digest
                        THEN greatest(s.pulled_at, excluded.pulled_at) ELSE excluded.pulled_at END,
                    running_at = CASE WHEN s.digest = excluded.digest
                        THEN greatest(s.running_at, excluded.running_at) ELSE excluded.running_at END,
                    created_at = CASE WHEN s.digest = excluded.digest
                        THEN coalesce(excluded.created_at, s.created_at) ELSE excluded.created_at END",
            )
            .bind(&registries)
            .bind(&repositories)
            .bind(&references)
            .bind(&digests)
            .bind(&pushed)
            .bind(&pulled)
            .bind(&running)
            .bind(&created)
            .execute(db)
        })?;
        Ok(())
    }

    async fn sightings(&self, registry: &str, repository: &str) -> Result<Vec<Sighting>> {
        let rows: Vec<Row> = once!(self, |db| {
            sqlx::query_as(
                "SELECT reference, digest, pushed_at, pulled_at, running_at, created_at FROM sightings
                 WHERE registry = $1 AND repository = $2 ORDER BY reference LIMIT $3",
            )
            .bind(key(registry))
            .bind(key(repository))
            .bind(MOST)
            .fetch_all(db)
        })?;
        rows.into_iter().map(sighting).collect()
    }
}

#[async_trait]
impl Sightings for Postgres {
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
