//! Connections on loan. The driver's own pool pings at every return, which a writer cannot afford, and waits for a
//! silent server as long as TCP does; here whoever does not bring a connection back in order loses it.

use std::{
    ops::{Deref, DerefMut},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use sqlx::{ConnectOptions, PgConnection, postgres::PgConnectOptions};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::{Error, error::Result};

/// A few connections to one server; cheap to clone.
#[derive(Clone)]
pub(super) struct Pool(Arc<Inner>);

struct Inner {
    options: PgConnectOptions,
    /// Run once on each connection.
    setup: String,
    permits: Arc<Semaphore>,
    most: usize,
    idle: Mutex<Vec<PgConnection>>,
    /// For a connection, and for one answer.
    patience: Duration,
}

impl Pool {
    pub(super) fn new(options: PgConnectOptions, setup: String, most: usize, patience: Duration) -> Self {
        Self(Arc::new(Inner {
            options,
            setup,
            permits: Arc::new(Semaphore::new(most)),
            most,
            idle: Mutex::default(),
            patience,
        }))
    }

    /// A connection: one that was used before, or a new one.
    pub(super) async fn lend(&self) -> Result<Lent> {
        let permit = self.permit().await?;
        let idle = lock(&self.0.idle).pop();
        let used = idle.is_some();
        let connection = match idle {
            Some(connection) => connection,
            None => self.connect().await?,
        };
        Ok(Lent { connection, pool: self.0.clone(), used, _permit: permit })
    }

    /// A new connection, and none of those that were used before is left: the server went away under one of them.
    pub(super) async fn anew(&self) -> Result<Lent> {
        let permit = self.permit().await?;
        lock(&self.0.idle).clear();
        let connection = self.connect().await?;
        Ok(Lent { connection, pool: self.0.clone(), used: false, _permit: permit })
    }

    async fn permit(&self) -> Result<OwnedSemaphorePermit> {
        let permit = self.bounded(async { Ok(self.0.permits.clone().acquire_owned().await) }).await?;
        permit.map_err(|_| Error::Sql(sqlx::Error::PoolClosed))
    }

    async fn connect(&self) -> Result<PgConnection> {
        self.bounded(async {
            let mut connection = self.0.options.connect().await?;
            sqlx::raw_sql(sqlx::AssertSqlSafe(self.0.setup.clone())).execute(&mut connection).await?;
            Ok(connection)
        })
        .await
    }

    /// The answer, if it comes in time.
    pub(super) async fn bounded<T>(&self, answer: impl Future<Output = Result<T>>) -> Result<T> {
        bounded(self.0.patience, answer).await
    }

    pub(super) fn patience(&self) -> Duration {
        self.0.patience
    }

    /// Lends no more, and waits for what is out.
    pub(super) async fn close(&self) {
        let all = u32::try_from(self.0.most).unwrap_or(u32::MAX);
        // Whoever keeps one for longer than an answer takes has lost it anyway.
        drop(tokio::time::timeout(self.0.patience, self.0.permits.acquire_many(all)).await);
        self.0.permits.close();
        lock(&self.0.idle).clear();
    }
}

/// The answer, if it comes within `limit`.
pub(super) async fn bounded<T>(limit: Duration, answer: impl Future<Output = Result<T>>) -> Result<T> {
    match tokio::time::timeout(limit, answer).await {
        Ok(answer) => answer,
        Err(_) => Err(Error::Silent { seconds: limit.as_secs() }),
    }
}

impl std::fmt::Debug for Pool {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Pool").finish_non_exhaustive()
    }
}

/// A connection on loan. Dropped, it is closed, and the server undoes what was not committed.
pub(super) struct Lent {
    connection: PgConnection,
    pool: Arc<Inner>,
    /// Whether somebody had it before: the server may have gone away since.
    pub(super) used: bool,
    _permit: OwnedSemaphorePermit,
}

impl Lent {
    /// Brings it back; nothing is open in it.
    pub(super) fn back(self) {
        let Self { connection, pool, .. } = self;
        if !pool.permits.is_closed() {
            lock(&pool.idle).push(connection);
        }
    }
}

impl Deref for Lent {
    type Target = PgConnection;
    fn deref(&self) -> &PgConnection {
        &self.connection
    }
}

impl DerefMut for Lent {
    fn deref_mut(&mut self) -> &mut PgConnection {
        &mut self.connection
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    // Nothing inside can be left half changed by a panic.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
