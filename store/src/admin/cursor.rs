//! The rows of a table in the order of its key, page by page, whichever database it is in.

use sha2::{Digest as _, Sha256};
use sqlx::{AssertSqlSafe, PgConnection, Row as _, SqliteConnection, ValueRef as _};

use super::{
    error::Result,
    table::{Column, Kind, Table},
};
use crate::{Error, postgres::text};

/// One column of one row.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Value {
    Null,
    Int(i64),
    Bool(bool),
    Text(String),
    Blob(Vec<u8>),
}

impl Value {
    pub(super) fn text(&self) -> Option<&str> {
        if let Self::Text(text) = self { Some(text) } else { None }
    }
    pub(super) fn int(&self) -> Option<i64> {
        if let Self::Int(int) = self { Some(*int) } else { None }
    }
    /// As PostgreSQL keeps it.
    pub(super) fn fit(self, kind: Kind) -> Self {
        match (self, kind) {
            (Self::Text(text), Kind::Key) => Self::Text(text::key(&text).into_owned()),
            (Self::Text(text), _) => Self::Text(text::plain(&text).into_owned()),
            (other, _) => other,
        }
    }
}

/// One row.
pub(super) type Row = Vec<Value>;

/// A connection to one database or the other.
pub(super) enum Source<'a> {
    Sqlite(&'a mut SqliteConnection),
    Postgres(&'a mut PgConnection),
}

impl Source<'_> {
    pub(super) async fn count(&mut self, table: &Table) -> Result<u64> {
        let query = AssertSqlSafe(format!("SELECT count(*) FROM {}", table.name));
        let (count,): (i64,) = match self {
            Self::Sqlite(db) => sqlx::query_as(query).fetch_one(&mut **db).await?,
            Self::Postgres(db) => sqlx::query_as(query).fetch_one(&mut **db).await?,
        };
        Ok(u64::try_from(count).unwrap_or(0))
    }

    /// The next rows after a key.
    pub(super) async fn page(&mut self, table: &Table, after: Option<&[Value]>) -> Result<Vec<Row>> {
        let sqlite = matches!(self, Self::Sqlite(_));
        let (columns, keys) = (table.list(sqlite), table.keys());
        let after = after.unwrap_or_default();
        let places: Vec<String> =
            (1..=after.len()).map(|n| if sqlite { format!("?{n}") } else { format!("${n}") }).collect();
        let behind = if after.is_empty() {
            String::new()
        } else {
            format!("WHERE ({keys}) > ({})", places.join(", "))
        };
        let query = AssertSqlSafe(format!(
            "SELECT {columns} FROM {} {behind} ORDER BY {keys} LIMIT {}",
            table.name, table.page
        ));
        match self {
            Self::Sqlite(db) => {
                let mut query = sqlx::query(query);
                for value in after {
                    query = match value {
                        Value::Int(int) => query.bind(*int),
                        value => query.bind(value.text().unwrap_or_default().to_owned()),
                    };
                }
                let rows = query.fetch_all(&mut **db).await?;
                rows.iter().map(|row| read(row, table, sqlite_value)).collect()
            }
            Self::Postgres(db) => {
                let mut query = sqlx::query(query);
                for value in after {
                    query = match value {
                        Value::Int(int) => query.bind(*int),
                        value => query.bind(value.text().unwrap_or_default().to_owned()),
                    };
                }
                let rows = query.fetch_all(&mut **db).await?;
                rows.iter().map(|row| read(row, table, postgres_value)).collect()
            }
        }
    }
}

fn read<R>(row: &R, table: &Table, value: impl Fn(&R, usize, &Column) -> sqlx::Result<Value>) -> Result<Row> {
    let read = |(at, column)| value(row, at, column);
    Ok(table
        .columns
        .iter()
        .enumerate()
        .map(read)
        .collect::<sqlx::Result<_>>()
        .map_err(|e| Error::row(table.name, e))?)
}

fn sqlite_value(row: &sqlx::sqlite::SqliteRow, at: usize, column: &Column) -> sqlx::Result<Value> {
    if row.try_get_raw(at)?.is_null() {
        return Ok(Value::Null);
    }
    Ok(match column.kind {
        Kind::Text | Kind::Key => Value::Text(row.try_get(at)?),
        Kind::Int | Kind::Int4 | Kind::Int2 => Value::Int(row.try_get(at)?),
        Kind::Bool => Value::Bool(row.try_get(at)?),
        Kind::Blob => Value::Blob(row.try_get(at)?),
    })
}

fn postgres_value(row: &sqlx::postgres::PgRow, at: usize, column: &Column) -> sqlx::Result<Value> {
    if row.try_get_raw(at)?.is_null() {
        return Ok(Value::Null);
    }
    Ok(match column.kind {
        Kind::Text | Kind::Key => Value::Text(row.try_get(at)?),
        Kind::Int => Value::Int(row.try_get(at)?),
        Kind::Int4 => Value::Int(row.try_get::<i32, _>(at)?.into()),
        Kind::Int2 => Value::Int(row.try_get::<i16, _>(at)?.into()),
        Kind::Bool => Value::Bool(row.try_get(at)?),
        Kind::Blob => Value::Blob(row.try_get(at)?),
    })
}

/// Goes through a table from its first row to its last.
pub(super) struct Cursor {
    table: &'static Table,
    rows: std::vec::IntoIter<Row>,
    last: Option<Vec<Value>>,
    ended: bool,
}

impl Cursor {
    pub(super) fn over(table: &'static Table) -> Self {
        Self { table, rows: Vec::new().into_iter(), last: None, ended: false }
    }
    /// The next row without taking it.
    pub(super) async fn peek(&mut self, source: &mut Source<'_>) -> Result<Option<&Row>> {
        if self.rows.as_slice().is_empty() && !self.ended {
            let page = source.page(self.table, self.last.as_deref()).await?;
            match page.last() {
                Some(last) => self.last = Some(self.table.key.iter().map(|at| last[*at].clone()).collect()),
                None => self.ended = true,
            }
            self.rows = page.into_iter();
        }
        Ok(self.rows.as_slice().first())
    }
    /// The next row.
    pub(super) async fn next(&mut self, source: &mut Source<'_>) -> Result<Option<Row>> {
        self.peek(source).await?;
        Ok(self.rows.next())
    }
}

/// What all rows of a table come to, in whatever order: keys that were shortened stand elsewhere than before.
#[derive(Default)]
pub(super) struct Sum([u64; 4]);

impl Sum {
    pub(super) fn add(&mut self, row: &Row) {
        let mut hash = Sha256::default();
        for value in row {
            let number;
            let (tag, bytes): (u8, &[u8]) = match value {
                Value::Null => (0, &[]),
                Value::Int(int) => {
                    number = int.to_be_bytes();
                    (1, &number)
                }
                Value::Bool(yes) => (2, if *yes { &[1] } else { &[0] }),
                Value::Text(text) => (3, text.as_bytes()),
                Value::Blob(blob) => (4, blob),
            };
            hash.update([tag]);
            hash.update((bytes.len() as u64).to_be_bytes());
            hash.update(bytes);
        }
        for (lane, bytes) in self.0.iter_mut().zip(hash.finalize().chunks_exact(8)) {
            let mut word = [0; 8];
            word.copy_from_slice(bytes);
            *lane = lane.wrapping_add(u64::from_be_bytes(word));
        }
    }
    /// 64 hexadecimal digits.
    pub(super) fn done(self) -> String {
        self.0.iter().map(|lane| format!("{lane:016x}")).collect()
    }
}
