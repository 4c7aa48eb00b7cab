//! Where runs are kept: SQLite in the data folder, or the PostgreSQL that `patchline.yaml` names.

use std::{sync::Arc, time::Duration};

use jiff::SignedDuration;
use patchline_engine::{Clock as _, Store, clock::SystemClock, schedule::ScheduleLog};
use patchline_remediation::fix::Fixes;
use patchline_scanner::{LayerFacts, Reports, advisories::Shelf, layers::OneReader, rematch::Inventories};
use patchline_store::{Forgotten, Health, Postgres, PostgresOptions, Sightings, Sqlite};

use crate::{
    config::Config,
    data::Data,
    failure::{Failure, Result},
};

/// An open database, as each room wants it.
#[derive(Clone)]
pub(crate) struct Database {
    /// Of the engine.
    pub(crate) runs: Arc<dyn Store>,
    /// Of the scanner.
    pub(crate) facts: Arc<dyn LayerFacts>,
    /// Inventories and reports.
    pub(crate) reports: Arc<dyn Reports>,
    /// Inventories, to be matched again.
    pub(crate) inventories: Arc<dyn Inventories>,
    /// Plans of fixes.
    pub(crate) fixes: Arc<dyn Fixes>,
    /// Chains that start by themselves.
    pub(crate) schedules: Arc<dyn ScheduleLog>,
    /// When images were seen.
    pub(crate) sightings: Arc<dyn Sightings>,
    /// Whether it takes writes.
    pub(crate) health: Arc<dyn Health>,
    kind: Kind,
}

#[derive(Clone)]
pub(crate) enum Kind {
    /// One process alone.
    Sqlite(Sqlite),
    /// As many as wanted.
    Postgres(Box<Postgres>),
}

impl Database {
    /// The configured one; none configured: the data folder's, which must be owned.
    pub(crate) async fn open(config: &Config, data: &Data, application: &str) -> Result<Self> {
        match &config.database {
            Some(_) => Self::shared(config, application).await,
            None => Self::local(data).await,
        }
    }
    /// The data folder's own, whatever is configured.
    pub(crate) async fn local(data: &Data) -> Result<Self> {
        let store = Sqlite::open(&data.database()).await?;
        Ok(Self::of(Arc::new(store.clone()), Kind::Sqlite(store)))
    }
    /// The one that many processes share.
    ///
    /// # Errors
    /// `database-not-shared` where none is configured.
    pub(crate) async fn shared(config: &Config, application: &str) -> Result<Self> {
        let Some(entry) = &config.database else { return Err(not_shared()) };
        let url = entry.url.resolve()?;
        let options = PostgresOptions { application: application.to_owned(), ..PostgresOptions::default() };
        let store = Postgres::open(url.expose(), options).await?;
        Ok(Self::of(Arc::new(store.clone()), Kind::Postgres(Box::new(store))))
    }
    fn of<S>(store: Arc<S>, kind: Kind) -> Self
    where
        S: Store + LayerFacts + Reports + Inventories + Fixes + ScheduleLog + Sightings + Health,
    {
        Self {
            runs: store.clone(),
            facts: Arc::new(OneReader::new(store.clone())),
            reports: store.clone(),
            inventories: store.clone(),
            fixes: store.clone(),
            schedules: store.clone(),
            sightings: store.clone(),
            health: store,
            kind,
        }
    }
    /// Which it is.
    pub(crate) fn kind(&self) -> &Kind {
        &self.kind
    }
    /// Forgets what has ended longer ago than that; none: nothing. Partitions of the coming days are made all the same.
    pub(crate) async fn housekeep(&self, retention: Option<Duration>) -> Result<Forgotten> {
        let retention =
            retention.and_then(|r| SignedDuration::try_from(r).ok()).unwrap_or(SignedDuration::MAX);
        let now = SystemClock.now();
        Ok(match &self.kind {
            Kind::Sqlite(store) => store.housekeep(now, retention).await?,
            Kind::Postgres(store) => store.housekeep(now, retention).await?,
        })
    }
    /// The PostgreSQL behind it, if it is one.
    pub(crate) fn postgres(&self) -> Option<&Postgres> {
        match &self.kind {
            Kind::Postgres(store) => Some(store),
            Kind::Sqlite(_) => None,
        }
    }
    /// Where advisories are shared, if they are.
    pub(crate) fn shelf(&self) -> Option<Arc<dyn Shelf>> {
        self.postgres().map(|store| -> Arc<dyn Shelf> { Arc::new(store.clone()) })
    }
    /// Closes its connections; what was committed stands.
    pub(crate) async fn close(&self) {
        match &self.kind {
            Kind::Sqlite(store) => store.close().await,
            Kind::Postgres(store) => store.close().await,
        }
    }
}

/// What needs PostgreSQL has none.
pub(crate) fn not_shared() -> Failure {
    Failure::usage(
        "database-not-shared",
        "no database is configured, and the data folder's own has one process alone",
    )
    .hint("name a PostgreSQL in patchline.yaml, for server and workers: database: {url: {env: DATABASE_URL}}")
}
