//! Many rows in one statement, as `VALUES` of parameters. Each number of rows is a statement of its own to prepare, so
//! powers of two are enough, and rows of NULL fill up what is missing. One parameter of JSON would be shorter to write,
//! and takes SQLite longer to read than the whole statement takes otherwise.

use sqlx::{AssertSqlSafe, SqliteConnection, sqlite::SqliteQueryResult};

use crate::error::Result;

/// Rows of one statement, at most; more go in further ones.
const MOST: usize = 256;

/// A query whose parameters are bound.
pub(super) type Query = sqlx::query::Query<'static, sqlx::Sqlite, sqlx::sqlite::SqliteArguments>;

/// Executes `sql` for all rows, and tells how many it has touched. `{rows}` in it stands for `VALUES` of as many
/// columns as `bind` binds for each row; rows whose first column is NULL fill up and must touch nothing.
pub(super) async fn execute<T>(
    db: &mut SqliteConnection,
    sql: &'static str,
    columns: usize,
    rows: &[T],
    bind: impl Fn(Query, &T) -> Result<Query>,
) -> Result<u64> {
    let mut touched = 0;
    for rows in rows.chunks(MOST) {
        let size = rows.len().next_power_of_two();
        let mut query = sqlx::query(AssertSqlSafe(sql.replace("{rows}", &values(columns, size))));
        for row in rows {
            query = bind(query, row)?;
        }
        for _ in rows.len() * columns..size * columns {
            query = query.bind(None::<i64>);
        }
        let done: SqliteQueryResult = query.execute(&mut *db).await?;
        touched += done.rows_affected();
    }
    Ok(touched)
}

/// `VALUES (?,?),(?,?)`
fn values(columns: usize, rows: usize) -> String {
    let row = format!("({})", vec!["?"; columns].join(","));
    format!("VALUES {}", vec![row.as_str(); rows].join(","))
}

#[cfg(test)]
mod tests {
    use sqlx::Connection as _;

    use super::*;

    #[tokio::test]
    async fn any_number_of_rows_and_none_but_those() {
        let mut db = SqliteConnection::connect(":memory:").await.unwrap();
        sqlx::query("CREATE TABLE t (a INTEGER NOT NULL, b TEXT) STRICT").execute(&mut db).await.unwrap();
        let mut all = 0;
        for count in [0_i64, 1, 2, 3, 31, 256, 257, 1000] {
            let rows: Vec<(i64, Option<String>)> =
                (0..count).map(|n| (n, (n % 2 == 0).then(|| "x".repeat(9)))).collect();
            let insert = "INSERT INTO t (a, b) SELECT * FROM ({rows}) WHERE column1 IS NOT NULL";
            let bind = |query: Query, (a, b): &(i64, Option<String>)| Ok(query.bind(*a).bind(b.clone()));
            assert_eq!(execute(&mut db, insert, 2, &rows, bind).await.unwrap(), count.unsigned_abs());
            all += count;
        }
        let found: (i64, i64) =
            sqlx::query_as("SELECT count(*), count(b) FROM t").fetch_one(&mut db).await.unwrap();
        assert_eq!(found.0, all);
        assert_eq!(found.1, 1 + 1 + 2 + 16 + 128 + 129 + 500);
    }
}
