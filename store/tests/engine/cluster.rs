//! The testkit's private PostgreSQL cluster: one for all tests of this program.

#![allow(
    dead_code,
    unreachable_pub,
    unused_imports,
    clippy::print_stderr,
    reason = "another crate's file: other suites use the rest of it"
)]

#[path = "../../../tests/src/postgres.rs"]
mod postgres;
#[path = "../../../tests/src/process.rs"]
mod process;

pub(crate) use self::postgres::Stop;
use self::postgres::{Error, Options, Postgres};

/// A new, empty database: its address. None: PostgreSQL is not installed, which is said; under `CI=true` it fails.
pub(crate) fn fresh() -> Option<String> {
    match Postgres::shared() {
        Ok(cluster) => Some(cluster.fresh().unwrap()),
        Err(Error::NotInstalled(what)) => {
            crate::machine::skip(&format!("{what} is not installed"));
            None
        }
        Err(error) => panic!("{error}"),
    }
}

/// A cluster of a test's own, to be stopped and killed.
pub(crate) fn own() -> Option<Postgres> {
    match Postgres::start(Options::default()) {
        Ok(cluster) => Some(cluster),
        Err(Error::NotInstalled(what)) => {
            crate::machine::skip(&format!("{what} is not installed"));
            None
        }
        Err(error) => panic!("{error}"),
    }
}
