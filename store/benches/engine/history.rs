//! Rows by the million, as copies of one run that the engine itself has made: whatever columns there are.

use sqlx::{Connection as _, Executor as _, Row as _};

use crate::place::Place;

/// What stands in a copied row instead of the template's value, by table and column; `n` counts the copies.
const CHANGED: &[(&str, &str)] = &[("runs", "id"), ("runs", "cascade"), ("steps", "run"), ("events", "run")];

/// Copies a run `count` times, with its steps and its history. The ids are older than any that is made now.
pub(crate) async fn copy(place: &Place, run: &str, count: u64) {
    match place {
        Place::Sqlite(file) => {
            let mut db = sqlx::SqliteConnection::connect(&file.display().to_string()).await.unwrap();
            // What is filled in is not what is measured.
            db.execute("PRAGMA synchronous = OFF").await.unwrap();
            db.execute("PRAGMA cache_size = -1000000").await.unwrap();
            db.execute("CREATE TEMP TABLE n (n INTEGER PRIMARY KEY)").await.unwrap();
            let numbers = format!(
                "WITH RECURSIVE c (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c WHERE n < {count}) INSERT INTO n SELECT n FROM c"
            );
            db.execute(sqlx::raw_sql(sqlx::AssertSqlSafe(numbers))).await.unwrap();
            for table in ["runs", "steps", "events"] {
                let columns = format!("SELECT name FROM pragma_table_info('{table}')");
                let rows = sqlx::query(sqlx::AssertSqlSafe(columns)).fetch_all(&mut db).await.unwrap();
                let columns: Vec<String> = rows.iter().map(|r| r.get(0)).collect();
                let insert = insert(table, &columns, run, "printf('01A%023d', n.n)", "printf('%d', n.n)");
                db.execute(sqlx::raw_sql(sqlx::AssertSqlSafe(insert))).await.unwrap();
            }
            db.execute("ANALYZE").await.unwrap();
            db.execute("PRAGMA wal_checkpoint(TRUNCATE)").await.unwrap();
            db.close().await.unwrap();
        }
        Place::Postgres(url) => {
            let mut db = sqlx::PgConnection::connect(url).await.unwrap();
            db.execute("SET synchronous_commit = off").await.unwrap();
            let numbers = format!("CREATE TEMP TABLE n AS SELECT n FROM generate_series(1, {count}) AS n");
            db.execute(sqlx::raw_sql(sqlx::AssertSqlSafe(numbers))).await.unwrap();
            for table in ["runs", "steps", "events"] {
                let rows = sqlx::query(
                    "SELECT column_name::text FROM information_schema.columns
                     WHERE table_schema = current_schema() AND table_name = $1 AND is_generated = 'NEVER'
                     ORDER BY ordinal_position",
                )
                .bind(table)
                .fetch_all(&mut db)
                .await
                .unwrap();
                let columns: Vec<String> = rows.iter().map(|r| r.get(0)).collect();
                let id = "'01A' || lpad(n.n::text, 23, '0')";
                let insert = insert(table, &columns, run, id, "n.n::text");
                db.execute(sqlx::raw_sql(sqlx::AssertSqlSafe(insert))).await.unwrap();
            }
            db.execute("VACUUM ANALYZE").await.unwrap();
            db.execute("CHECKPOINT").await.unwrap();
            db.close().await.unwrap();
        }
    }
}

fn insert(table: &str, columns: &[String], run: &str, id: &str, number: &str) -> String {
    let names: Vec<String> = columns.iter().map(|c| format!("\"{c}\"")).collect();
    let values: Vec<String> = columns
        .iter()
        .map(|column| match column.as_str() {
            column if CHANGED.contains(&(table, column)) => id.to_owned(),
            "identity" => format!("'main/shop/old:' || {number} || '@sha256:0'"),
            column => format!("t.\"{column}\""),
        })
        .collect();
    let key = if table == "runs" { "id" } else { "run" };
    // Runs in the order of their ids, the steps of each together: as they would have come.
    format!(
        "INSERT INTO {table} ({}) SELECT {} FROM n CROSS JOIN (SELECT * FROM {table} WHERE {key} = '{run}') AS t ORDER BY n.n",
        names.join(", "),
        values.join(", "),
    )
}
