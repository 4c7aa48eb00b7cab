//! What an operator does to a whole database: back it up, restore it, check it, move it to PostgreSQL.

mod backup;
mod check;
mod cursor;
mod error;
mod judge;
mod restore;
mod table;
mod transfer;

pub use self::{
    backup::{Backup, backup},
    check::{Checked, Finding},
    error::Error,
    restore::{Restored, restore},
    transfer::{Moved, MovedTable, migrate},
};

/// How far a command is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// What is done: a table's name, or `copying`, `checking the file`.
    pub what: &'static str,
    /// So much of it: rows, or bytes of a file.
    pub done: u64,
    /// Of so much; 0: not known.
    pub total: u64,
}

/// Hears how far a command is, every now and then.
pub type Watch<'a> = &'a mut (dyn FnMut(Progress) + Send);

/// The columns of a table that [`migrate`] moves, so that a test can hold them against the schema.
pub fn columns(table: &str) -> Vec<&'static str> {
    let found = table::TABLES.iter().find(|known| known.name == table);
    found.map(|table| table.columns.iter().map(|column| column.name).collect()).unwrap_or_default()
}
