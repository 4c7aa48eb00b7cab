//! PostgreSQL: the writer's connections, and some for everything else. One file an entity.

#![allow(clippy::needless_question_mark, reason = "`once!` takes the driver's errors and our own alike")]

mod advisories;
mod announcements;
mod backlog;
mod claims;
mod deliveries;
mod effects;
mod events;
mod facts;
mod fixes;
mod health;
mod hints;
mod housekeep;
mod inventories;
mod leases;
mod migrate;
mod names;
mod outbox;
mod partitions;
mod pauses;
mod permits;
mod plans;
mod pool;
mod reports;
mod runs;
mod schedules;
mod sightings;
mod steps;
mod store;
pub(crate) mod text;
mod transaction;

use std::{str::FromStr, time::Duration};

use jiff::Timestamp;
use sqlx::{ConnectOptions, PgConnection, postgres::PgConnectOptions};

use self::{
    hints::Hints,
    leases::Looks,
    pool::{Lent, Pool, bounded},
};
use crate::{Error, column, error::Result, pack};

/// How to keep a connection to PostgreSQL.
#[derive(Debug, Clone)]
pub struct PostgresOptions {
    /// What the server calls this process in `pg_stat_activity`.
    pub application: String,
    /// At most so many connections for reads and single writes, beside two for the writer and two for hints.
    pub connections: usize,
    /// The server gives up a statement after so long.
    pub statement_timeout: Duration,
    /// The server gives up waiting for a lock after so long; the transaction is then tried again.
    pub lock_timeout: Duration,
    /// The server undoes a transaction that says nothing for so long: its process was cut off. It is below a lease,
    /// so that whoever takes over a lease finds its run unlocked.
    pub idle_timeout: Duration,
    /// Leases are told by the server's clock, as they must be where several processes share it. False: by that of
    /// the process, for one alone.
    pub server_clock: bool,
}

impl Default for PostgresOptions {
    fn default() -> Self {
        Self {
            application: "patchline".into(),
            connections: 8,
            statement_timeout: Duration::from_secs(5),
            lock_timeout: Duration::from_secs(4),
            idle_timeout: Duration::from_secs(10),
            server_clock: true,
        }
    }
}

/// A PostgreSQL database; cheap to clone. It implements `engine::Store` and `EffectLog`,
/// `scanner::{LayerFacts, Reports}`, `remediation::fix::Fixes`.
#[derive(Debug, Clone)]
pub struct Postgres {
    server: PgConnectOptions,
    /// For transactions of the engine alone: they never wait behind readers.
    writers: Pool,
    others: Pool,
    hints: Hints,
    looks: Looks,
    server_clock: bool,
}

impl Postgres {
    /// Connects and migrates. `url` is `postgres://user:password@host:port/database?sslmode=verify-full`; a host that
    /// is a percent-encoded folder is a Unix socket's. It reconnects by itself; a server that is away is an error of
    /// each call until it is back.
    pub async fn open(url: &str, options: PostgresOptions) -> Result<Self, Error> {
        let parsed = parse(url)?;
        let server = parsed.application_name(&options.application);
        migrate::migrate(&server).await?;
        let setup = setup(&options);
        let hints = Hints::over(server.clone(), sender(&options));
        // The server speaks first, with the reason.
        let patience = options.statement_timeout + Duration::from_secs(1);
        let pool = |setup, most| Pool::new(server.clone(), setup, most, patience);
        Ok(Self {
            writers: pool(format!("{setup}; {PLANS}"), 2),
            others: pool(setup.clone(), options.connections.max(1)),
            server,
            hints,
            looks: Looks::default(),
            server_clock: options.server_clock,
        })
    }

    /// A connection of its own for long work: it ends what it has begun when it is dropped, and waits as long as it takes.
    pub(crate) async fn connect_alone(&self) -> Result<PgConnection> {
        let mut db = bounded(self.others.patience(), async { Ok(self.server.connect().await?) }).await?;
        sqlx::raw_sql(
            "SET statement_timeout = 0; SET lock_timeout = '10s'; SET client_min_messages = warning",
        )
        .execute(&mut db)
        .await?;
        Ok(db)
    }

    /// Partitions of the history for the days from `first` to `last`, at most so many of the last ones.
    pub(crate) async fn make_days(
        &self,
        db: &mut PgConnection,
        first: Timestamp,
        last: Timestamp,
        most: i64,
    ) -> Result<()> {
        partitions::make_all(db, first, last, most).await
    }

    /// Closes all connections; what was committed stands.
    pub async fn close(&self) {
        self.others.close().await;
        self.writers.close().await;
    }
}

/// The writer's statements find all that they touch by an index, in order. Plans that were made while a table was small
/// would read the whole of it, and go on to do so when it is large; none of theirs is worth planning twice.
const PLANS: &str = "SET enable_seqscan = off; SET enable_bitmapscan = off; SET enable_hashjoin = off;
    SET enable_mergejoin = off; SET jit = off; SET plan_cache_mode = force_generic_plan";

fn parse(url: &str) -> Result<PgConnectOptions> {
    PgConnectOptions::from_str(url).map_err(Error::Address)
}

/// Where it is, for people: without the password.
fn place(server: &PgConnectOptions) -> String {
    let host = server.get_socket().map_or_else(|| server.get_host().to_owned(), |s| s.display().to_string());
    let database = server.get_database().unwrap_or(server.get_username());
    format!("{database} at {host}:{}", server.get_port())
}

/// By which this process knows what it said itself.
fn sender(options: &PostgresOptions) -> String {
    // Each hasher of the standard library has keys of its own, from the system's random numbers.
    let random = std::hash::BuildHasher::hash_one(&std::hash::RandomState::new(), &options.application);
    format!("{}-{random:x}", std::process::id())
}

/// What each connection is told first. Keep-alives let the server notice within 10 s that a process is cut off.
fn setup(options: &PostgresOptions) -> String {
    format!(
        "SET statement_timeout = {}; SET lock_timeout = {}; SET idle_in_transaction_session_timeout = {};
         SET tcp_keepalives_idle = 4; SET tcp_keepalives_interval = 2; SET tcp_keepalives_count = 3;
         SET tcp_user_timeout = 10000; SET client_min_messages = warning;
         SELECT set_config('synchronous_commit', 'on', false) WHERE current_setting('synchronous_commit') = 'off'",
        options.statement_timeout.as_millis(),
        options.lock_timeout.as_millis(),
        options.idle_timeout.as_millis(),
    )
}

/// Runs a query outside of transactions on a connection of its own. All of them may be run twice, so one that finds
/// its connection dead is run again on a new one.
macro_rules! once {
    ($store:expr, |$db:ident| $query:expr) => {{
        let pool = &$store.others;
        let mut lent = pool.lend().await?;
        let mut result = {
            let $db: &mut sqlx::PgConnection = &mut lent;
            pool.bounded(async { Ok($query.await?) }).await
        };
        if lent.used && crate::postgres::is_gone(&result) {
            drop(lent);
            lent = pool.anew().await?;
            let $db: &mut sqlx::PgConnection = &mut lent;
            result = pool.bounded(async { Ok($query.await?) }).await;
        }
        crate::postgres::settle(lent, &result);
        result
    }};
}
use once;

/// Whether the connection was found dead before the server could do anything.
fn is_gone<T>(result: &Result<T>) -> bool {
    match result {
        Err(Error::Sql(sqlx::Error::Io(_) | sqlx::Error::Protocol(_))) => true,
        // The server was stopped, or ended the session while it was idle.
        Err(Error::Sql(sqlx::Error::Database(e))) => {
            matches!(e.code().as_deref(), Some("57P01" | "57P02" | "57P05" | "08006"))
        }
        _ => false,
    }
}

/// Brings a connection back after a query, unless it is not known in what state it is.
fn settle<T>(lent: Lent, result: &Result<T>) {
    match result {
        // An error of the server leaves a connection in order, if it did not end it.
        Err(Error::Sql(sqlx::Error::Database(_))) if !is_gone(result) => lent.back(),
        Err(Error::Sql(_) | Error::Silent { .. }) => drop(lent),
        _ => lent.back(),
    }
}
