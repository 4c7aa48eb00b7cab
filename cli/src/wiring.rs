//! The only place where everything is put together.

use std::{collections::BTreeMap, net::SocketAddr, path::PathBuf, sync::Arc, time::Duration};

use patchline_chains::Plan;
use patchline_engine::{Engine, EngineOptions, ScheduleOptions, clock::SystemClock};
use patchline_registry::{Registries, RegistryConfig, embedded::Embedded, events::PushEvent};
use patchline_remediation::{
    Remediator,
    apt::{Apt, AptConfig, Mirrors},
};
use patchline_server::{Launcher, ServerContext};
use patchline_steps::{World, notify::Channels};
use patchline_store::Sqlite;
use tokio::{net::TcpListener, sync::mpsc};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{
    config::Config,
    data::Data,
    failure::{Failure, Result, io},
};

/// The name under which the embedded registry stands beside the configured ones.
pub(crate) const EMBEDDED: &str = "embedded";

/// What differs from one start to another.
pub(crate) struct Start {
    /// API and pages; port 0 takes a free one.
    pub(crate) listen: SocketAddr,
    /// Embedded registry; port 0 takes a free one.
    pub(crate) registry_listen: SocketAddr,
    /// Compiled chains.
    pub(crate) chains: Vec<Arc<Plan>>,
    /// Channels beyond the configured ones.
    pub(crate) channels: BTreeMap<String, patchline_steps::notify::ChannelConfig>,
    /// Mirrors that win over the configured ones.
    pub(crate) mirrors: Mirrors,
    /// Keyrings instead of the configured ones, or the machine's.
    pub(crate) keyrings: Vec<PathBuf>,
    /// Accept suites whose `Valid-Until` has passed.
    pub(crate) allow_expired: bool,
}

/// A running server.
pub(crate) struct Running {
    /// Runs.
    pub(crate) engine: Engine,
    /// Registries by name, the embedded one among them.
    pub(crate) registries: Registries,
    /// Verified repositories.
    pub(crate) apt: Apt,
    /// The database.
    pub(crate) store: Arc<Sqlite>,
    /// API and pages.
    pub(crate) address: SocketAddr,
    /// Embedded registry.
    pub(crate) registry: SocketAddr,
    stop: CancellationToken,
    tasks: TaskTracker,
}

/// Opens the repositories of a configuration, without a server.
pub(crate) fn apt(
    config: &Config,
    data: &Data,
    mirrors: Mirrors,
    keyrings: Vec<PathBuf>,
    allow_expired: bool,
) -> Result<Apt> {
    // None given, none configured: the apt client takes the machine's own.
    let keyrings = if keyrings.is_empty() { config.keyrings.clone() } else { keyrings };
    Ok(Apt::new(AptConfig {
        mirrors: mirrors.or(config.mirrors()).or(Mirrors::from_machine()),
        cache: data.apt_cache(),
        keyrings,
        allow_expired,
    })?)
}

/// Starts everything in this process, on the data folder that it owns.
pub(crate) async fn start(config: &Config, data: &Data, start: Start) -> Result<Running> {
    let pages = bind(start.listen).await?;
    let images = bind(start.registry_listen).await?;
    let address = pages.local_addr().map_err(io("read the address of the pages"))?;
    let registry = images.local_addr().map_err(io("read the address of the registry"))?;

    let mut by_name = config.registries()?;
    by_name.insert(
        EMBEDDED.to_owned(),
        RegistryConfig {
            host: registry.to_string(),
            plain_http: true,
            credentials: None,
            token_hosts: Vec::new(),
        },
    );
    let registries = Registries::new(by_name)?;

    let store = Arc::new(Sqlite::open(&data.database()).await?);
    let apt = apt(config, data, start.mirrors, start.keyrings, start.allow_expired)?;
    let scratch = empty(data.scratch())?;
    let mut channels = config.channels()?;
    channels.extend(start.channels);
    let channels = Arc::new(Channels::new(channels));
    let world = World {
        registries: registries.clone(),
        remediator: Remediator::new(apt.clone(), store.clone()),
        facts: store.clone(),
        reports: store.clone(),
        fixes: store.clone(),
        advisories: data.advisories(),
        scratch,
        channels: channels.clone(),
        exceptions: Arc::new(config.exceptions()),
        clock: Arc::new(SystemClock),
        targets: Arc::new(config.targets()?),
    };
    let engine = Engine::start(
        store.clone(),
        patchline_steps::all(&world),
        channels,
        Arc::new(SystemClock),
        EngineOptions {
            concurrency: config.concurrency.unwrap_or(4),
            owns_data: true,
            drain: Duration::from_secs(20),
            public_url: Some(format!("http://{address}")),
            ..EngineOptions::default()
        },
    )
    .await?;

    let distribution = match &config.hooks.distribution {
        Some(hook) => Some((hook.secret.resolve()?, hook.registry.clone())),
        None => None,
    };
    let context = ServerContext {
        engine: engine.clone(),
        chains: Arc::new(start.chains),
        registries: registries.clone(),
        embedded: EMBEDDED.to_owned(),
        reports: store.clone(),
        fixes: store.clone(),
        sightings: store.clone(),
        clock: Arc::new(SystemClock),
        distribution,
        public_url: None,
    };

    let schedules = ScheduleOptions {
        catch_up: config.schedules.catch_up()?,
        owns_data: true,
        ..ScheduleOptions::new(context.chains.to_vec())
    };

    let stop = CancellationToken::new();
    let tasks = TaskTracker::new();
    let (events, pushes) = mpsc::channel::<PushEvent>(1024);
    let embedded = Embedded::open(&data.registry(), events)?;
    // A page of another site that finds the registry under some name reads and writes nothing in it.
    let guarded = patchline_server::guard_local(embedded.router(), context.public_url.as_deref());
    serve(&tasks, &stop, images, guarded);
    serve(&tasks, &stop, pages, patchline_server::router(context.clone()));
    let follower = patchline_server::follow_pushes(context.clone(), pushes);
    tasks.spawn(stop.clone().run_until_cancelled_owned(follower));
    let scheduling = context.clone();
    // A tag that was pushed right before a crash has no run yet: the registry is asked, not the event.
    let (tags, late) = (embedded.all_tags()?, stop.clone());
    tasks.spawn(late.run_until_cancelled_owned(async move {
        match patchline_server::catch_up(context, tags).await {
            Ok(0) => {}
            Ok(runs) => tracing::info!(runs, "pushes that a stopped process missed have started runs"),
            Err(error) => {
                tracing::error!(error.code = error.code(), "missed pushes were not caught up: {error}");
            }
        }
    }));

    // The embedded registry answers by now: what fires at once may ask it.
    let launcher = Launcher::new(scheduling, data.advisories());
    engine.start_schedules(store.clone(), Arc::new(launcher), schedules).await?;

    Ok(Running { engine, registries, apt, store, address, registry, stop, tasks })
}

impl Running {
    /// Takes no new work, lets running steps end, closes the doors.
    pub(crate) async fn stop(self) -> Result<()> {
        self.engine.stop().await?;
        self.stop.cancel();
        self.tasks.close();
        // An open page holds its stream for as long as it likes.
        let _ = tokio::time::timeout(Duration::from_secs(3), self.tasks.wait()).await;
        Ok(())
    }
    /// `http://127.0.0.1:7800`
    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }
}

async fn bind(address: SocketAddr) -> Result<TcpListener> {
    if !address.ip().is_loopback() {
        return Err(Failure::usage("not-loopback", format!("{address} is reachable from other machines"))
            .hint("until sign-in is set up, Patchline listens on loopback only: 127.0.0.1 or [::1]"));
    }
    TcpListener::bind(address).await.map_err(io(format!("listen on {address}")))
}

fn serve(tasks: &TaskTracker, stop: &CancellationToken, listener: TcpListener, router: axum::Router) {
    let stop = stop.clone();
    tasks.spawn(async move {
        let ended = axum::serve(listener, router).with_graceful_shutdown(stop.cancelled_owned()).await;
        if let Err(error) = ended {
            tracing::error!(%error, "a listener ended");
        }
    });
}

/// What a crash left in the scratch folder is of no use to anybody.
fn empty(folder: PathBuf) -> Result<PathBuf> {
    match std::fs::remove_dir_all(&folder) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            return Err(io(format!("empty {}", folder.display()))(error));
        }
        _ => {}
    }
    std::fs::create_dir_all(&folder).map_err(io(format!("make {}", folder.display())))?;
    Ok(folder)
}
