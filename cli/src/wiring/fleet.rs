//! A server and its workers over one PostgreSQL: what the one announces and the others read, advisories among it.

use std::{net::SocketAddr, time::Duration};

use patchline_engine::Engine;
use patchline_remediation::apt::Apt;
use patchline_scanner::advisories::Advisories;
use patchline_store::Postgres;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::work::{self, Work, Working};
use crate::{
    config::Config,
    data::Data,
    database::{self, Database},
    exit::Exit,
    failure::Result,
    observe::Watching,
    terminal,
};

/// Under which the server's embedded registry stands in the database.
const REGISTRY: &str = "embedded-registry";
/// Under which the address of its pages stands there.
const PAGES: &str = "pages";
/// How often the advisory folder is looked at: `patchline advisories update` is another process.
const LOOK: Duration = Duration::from_secs(5);

/// Tells the workers where the server is.
pub(super) async fn announce(store: &Postgres, registry: &str, pages: &str) -> Result<()> {
    store.announce(&[(REGISTRY, registry), (PAGES, pages)]).await?;
    Ok(())
}

/// Shares what is loaded into the server's folder, as long as it runs.
pub(super) async fn offer(advisories: Advisories) {
    let mut tick = tokio::time::interval(LOOK);
    tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tick.tick().await;
        match advisories.offer().await {
            Ok(true) => tracing::info!("advisories are shared with the workers"),
            Ok(false) => {}
            Err(error) => tracing::warn!(error.code = error.code(), "advisories are not shared: {error}"),
        }
    }
}

/// A running worker.
pub(crate) struct Worker {
    engine: Engine,
    database: Database,
    takes: String,
    stop: CancellationToken,
    tasks: TaskTracker,
    watching: Watching,
}

/// Starts one over the configured database.
pub(crate) async fn worker(config: &Config, data: &Data, apt: &Apt, mut work: Work) -> Result<Worker> {
    let database = Database::shared(config, "patchline worker").await?;
    let store = database.postgres().ok_or_else(database::not_shared)?;
    work.embedded = store.announced(REGISTRY).await?;
    work.pages = store.announced(PAGES).await?;
    match &work.embedded {
        None => terminal::err(
            "warning: no server has used this database yet: images of its embedded registry are out of reach",
        ),
        Some(host) if tokio::net::TcpStream::connect(host).await.is_err() => terminal::err(&format!(
            "warning: the server's embedded registry at {host} is not reached from here: steps over its images will fail"
        )),
        Some(_) => {}
    }
    let kinds = work.kinds.clone().or_else(|| config.work.kinds.clone());
    let takes = kinds.map_or_else(|| "all step kinds".to_owned(), |kinds| kinds.join(", "));
    let watching = work.watching.clone();
    let Working { engine, .. } = work::start(config, data, &database, apt, work).await?;
    let (stop, tasks) = (CancellationToken::new(), TaskTracker::new());
    Ok(Worker { engine, database, takes, stop, tasks, watching })
}

impl Worker {
    /// The step kinds that it takes, for people.
    pub(crate) fn takes(&self) -> &str {
        &self.takes
    }
    /// Opens `/metrics`; gives back its address.
    pub(crate) async fn measured(&self, address: SocketAddr) -> Result<SocketAddr> {
        self.watching.listen(address, &self.engine, &self.tasks, &self.stop).await
    }
    /// Takes no new step, lets running ones end.
    pub(crate) async fn stop(self) -> Result<Exit> {
        let returned = self.engine.stop().await?;
        self.stop.cancel();
        self.tasks.close();
        // Whoever is asking for metrics may be slow.
        let _ = tokio::time::timeout(Duration::from_secs(1), self.tasks.wait()).await;
        self.database.close().await;
        self.watching.stop().await;
        Ok(Exit::stopped(returned))
    }
}
