//! Locks on names, held until the end of the transaction.

use sqlx::PgConnection;

use super::text::lock as number;
use crate::error::Result;

/// In the order of their numbers, so that two transactions do not wait in a ring.
pub(super) async fn lock(db: &mut PgConnection, names: &[String]) -> Result<()> {
    let mut numbers: Vec<i64> = names.iter().map(|name| number("name", name)).collect();
    numbers.sort_unstable();
    numbers.dedup();
    sqlx::query("SELECT pg_advisory_xact_lock(n) FROM unnest($1::bigint[]) AS t (n)")
        .bind(numbers)
        .execute(db)
        .await?;
    Ok(())
}
