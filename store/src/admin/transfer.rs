//! SQLite to PostgreSQL: every table, in one transaction, compared when it has arrived.

use jiff::Timestamp;
use sqlx::{AssertSqlSafe, PgConnection, SqliteConnection, query::Query};

use super::{
    Progress, Watch,
    cursor::{Cursor, Row, Source, Sum, Value},
    error::{Error, Result},
    table::{EVENTS, Kind, TABLES, Table},
};
use crate::{Postgres, Sqlite};

/// Days of history that get partitions of their own; what is older stands in the default one.
const DAYS: i64 = 120;

/// What was moved.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Moved {
    /// Each table.
    pub tables: Vec<MovedTable>,
}

/// What was moved of one table.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct MovedTable {
    /// Its name.
    pub name: &'static str,
    /// How many rows.
    pub rows: u64,
    /// The sum of all rows' SHA-256, the same on both sides: 64 hexadecimal digits.
    pub checksum: String,
}

/// Copies everything into an empty PostgreSQL database and compares it there; all of it or nothing stands. The SQLite
/// database is locked against writing for as long, and is left as it is: whoever owns its folder must stop first, and
/// start again over PostgreSQL.
///
/// Text is kept as PostgreSQL can keep it: U+0000 becomes U+2400, and a key of more than 800 bytes is shortened and
/// carries its hash, as it does whenever it is written there.
///
/// # Errors
/// [`Error::NotEmpty`], [`Error::Differs`], and what either database says.
pub async fn migrate(from: &Sqlite, to: &Postgres, watch: Watch<'_>) -> Result<Moved> {
    let mut source = from.begin_alone().await?;
    let mut target = to.connect_alone().await?;
    sqlx::raw_sql("BEGIN ISOLATION LEVEL READ COMMITTED").execute(&mut target).await?;
    for table in TABLES {
        // Nobody else writes before this is over.
        let lock = AssertSqlSafe(format!("LOCK TABLE {} IN SHARE ROW EXCLUSIVE MODE", table.name));
        sqlx::raw_sql(lock).execute(&mut target).await?;
        let rows = Source::Postgres(&mut target).count(table).await?;
        if rows > 0 {
            return Err(Error::NotEmpty { table: table.name, rows });
        }
    }
    make_days(&mut source, to, &mut target).await?;
    let mut tables = Vec::with_capacity(TABLES.len());
    for table in TABLES {
        tables.push(copy(table, &mut source, &mut target, watch).await?);
    }
    to.watch_leases(&mut target).await?;
    sqlx::raw_sql("COMMIT").execute(&mut target).await?;
    // Plans of statements over tables that were empty would be bad ones.
    sqlx::raw_sql("ANALYZE").execute(&mut target).await?;
    Ok(Moved { tables })
}

/// The partitions that the history will stand in.
async fn make_days(source: &mut SqliteConnection, to: &Postgres, target: &mut PgConnection) -> Result<()> {
    let query = AssertSqlSafe(format!("SELECT min(at), max(at) FROM {}", EVENTS.name));
    let (first, last): (Option<i64>, Option<i64>) = sqlx::query_as(query).fetch_one(source).await?;
    if let (Some(first), Some(last)) = (first, last) {
        let at = |ms| Timestamp::from_millisecond(ms).map_err(|e| crate::Error::row(EVENTS.name, e));
        to.make_days(target, at(first)?, at(last)?, DAYS).await?;
    }
    Ok(())
}

async fn copy(
    table: &'static Table,
    source: &mut SqliteConnection,
    target: &mut PgConnection,
    watch: Watch<'_>,
) -> Result<MovedTable> {
    let total = Source::Sqlite(source).count(table).await?;
    let (mut sent, mut sum) = (0, Sum::default());
    let mut after: Option<Vec<Value>> = None;
    loop {
        watch(Progress { what: table.name, done: sent, total });
        let page = Source::Sqlite(source).page(table, after.as_deref()).await?;
        let Some(last) = page.last() else { break };
        after = Some(table.key.iter().map(|at| last[*at].clone()).collect());
        let page: Vec<Row> = page
            .into_iter()
            .map(|row| row.into_iter().zip(table.columns).map(|(v, c)| v.fit(c.kind)).collect())
            .collect();
        sent += page.len() as u64;
        insert(table, target, &page).await?;
        page.iter().for_each(|row| sum.add(row));
    }
    if let Some(column) = table.counted {
        let next = AssertSqlSafe(format!(
            "SELECT setval(pg_get_serial_sequence('{0}', '{column}'), coalesce(max({column}), 0) + 1, false) FROM {0}",
            table.name
        ));
        sqlx::query(next).execute(&mut *target).await?;
    }
    let checksum = sum.done();
    let (arrived, found) = sum_of(table, target).await?;
    if arrived != sent || found != checksum {
        return Err(Error::Differs { table: table.name, sent, arrived });
    }
    Ok(MovedTable { name: table.name, rows: sent, checksum })
}

/// How many rows there are, and what they come to.
async fn sum_of(table: &'static Table, target: &mut PgConnection) -> Result<(u64, String)> {
    let (mut rows, mut sum) = (0, Sum::default());
    let mut cursor = Cursor::over(table);
    let mut source = Source::Postgres(target);
    while let Some(row) = cursor.next(&mut source).await? {
        rows += 1;
        sum.add(&row);
    }
    Ok((rows, sum.done()))
}

type Insert<'q> = Query<'q, sqlx::Postgres, sqlx::postgres::PgArguments>;

async fn insert(table: &Table, target: &mut PgConnection, page: &[Row]) -> Result<()> {
    let arrays = (1..).zip(table.columns).map(|(n, column)| {
        let kind = match column.kind {
            Kind::Text | Kind::Key => "text",
            Kind::Int => "bigint",
            Kind::Int4 => "int",
            Kind::Int2 => "smallint",
            Kind::Bool => "boolean",
            Kind::Blob => "bytea",
        };
        format!("${n}::{kind}[]")
    });
    let arrays = arrays.collect::<Vec<_>>().join(", ");
    let sql = format!("INSERT INTO {} ({}) SELECT * FROM unnest({arrays})", table.name, table.list(false));
    let mut query: Insert<'_> = sqlx::query(AssertSqlSafe(sql));
    for (at, column) in table.columns.iter().enumerate() {
        query = bind(query, column.kind, page.iter().map(|row| &row[at]));
    }
    query.execute(target).await?;
    Ok(())
}

/// One column of many rows.
fn bind<'q, 'v>(query: Insert<'q>, kind: Kind, values: impl Iterator<Item = &'v Value>) -> Insert<'q> {
    match kind {
        Kind::Text | Kind::Key => query.bind(values.map(|v| v.text().map(str::to_owned)).collect::<Vec<_>>()),
        Kind::Int => query.bind(values.map(Value::int).collect::<Vec<_>>()),
        Kind::Int4 => {
            let narrow = |v: i64| i32::try_from(v).unwrap_or(i32::MAX);
            query.bind(values.map(|v| v.int().map(narrow)).collect::<Vec<_>>())
        }
        Kind::Int2 => {
            let narrow = |v: i64| i16::try_from(v).unwrap_or(i16::MAX);
            query.bind(values.map(|v| v.int().map(narrow)).collect::<Vec<_>>())
        }
        Kind::Bool => {
            let yes = |v: &Value| if let Value::Bool(yes) = v { Some(*yes) } else { None };
            query.bind(values.map(yes).collect::<Vec<_>>())
        }
        Kind::Blob => {
            let blob = |v: &Value| if let Value::Blob(blob) = v { Some(blob.clone()) } else { None };
            query.bind(values.map(blob).collect::<Vec<_>>())
        }
    }
}
