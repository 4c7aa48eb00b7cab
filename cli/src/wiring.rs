//! The only place where everything is put together.

mod bench;
mod fleet;
mod harbor;
mod judge;
pub(crate) mod work;

use std::{collections::BTreeMap, net::SocketAddr, path::PathBuf, sync::Arc, time::Duration};

use patchline_chains::Plan;
use patchline_engine::{Engine, ScheduleOptions, clock::SystemClock};
use patchline_registry::{Registries, embedded::Embedded, events::PushEvent};
use patchline_remediation::{
    Remediator, Sandbox, Tooling,
    apk::{Apk, ApkConfig, Mirrors as ApkMirrors},
    apt::{Apt, AptConfig, Mirrors},
    rpm::{Mirrors as RpmMirrors, Rpm, RpmConfig},
};
use patchline_scanner::LayerFacts;
use patchline_server::{Launcher, ServerContext, bench::Workbench, harbor::HarborScanner};
use tokio::{net::TcpListener, sync::mpsc};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

pub(crate) use self::fleet::worker;
use self::work::{Work, Working};
use crate::{
    config::Config,
    data::Data,
    database::Database,
    exit::Exit,
    failure::{Failure, Result, io},
    observe::Watching,
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
    /// Mirrors and keys of apk repositories that win over the configured ones.
    pub(crate) apk: ApkFlags,
    /// The same of rpm repositories.
    pub(crate) rpm: RpmFlags,
    /// Where runs are kept.
    pub(crate) place: Place,
    /// Leave the steps to workers.
    pub(crate) no_work: bool,
    /// Who watches.
    pub(crate) watching: Watching,
}

/// What a command line says of apk repositories.
#[derive(Debug, Clone, Default)]
pub(crate) struct ApkFlags {
    /// Asked before the configured ones.
    pub(crate) mirrors: ApkMirrors,
    /// Instead of the configured ones.
    pub(crate) keys: Vec<PathBuf>,
}

/// What a command line says of rpm repositories.
#[derive(Debug, Clone, Default)]
pub(crate) struct RpmFlags {
    /// Asked before the configured ones.
    pub(crate) mirrors: RpmMirrors,
    /// Instead of the configured ones.
    pub(crate) keys: Vec<PathBuf>,
    /// The same of images whose tools work on those without rpm.
    pub(crate) tooling: Vec<String>,
}

/// Where runs are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    /// Where the configuration says.
    Configured,
    /// In the data folder: of a process that is alone with its runs.
    DataFolder,
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
    pub(crate) database: Database,
    /// API and pages.
    pub(crate) address: SocketAddr,
    /// Embedded registry.
    pub(crate) registry: SocketAddr,
    stop: CancellationToken,
    tasks: TaskTracker,
    watching: Watching,
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
        mirrors: mirrors.or(config.mirrors()?).or_machine(),
        cache: data.apt_cache(),
        keyrings,
        allow_expired,
    })?)
}

/// Opens the apk repositories of a configuration, without a server. A machine's own are not looked at: where it is no
/// Alpine it has none.
pub(crate) fn apk(config: &Config, data: &Data, flags: ApkFlags) -> Result<Apk> {
    let keys = if flags.keys.is_empty() { config.apk_keys.clone() } else { flags.keys };
    let mirrors = flags.mirrors.or(config.apk_mirrors()?);
    Ok(Apk::new(ApkConfig { mirrors, cache: data.apk_cache(), keys })?)
}

/// Opens the rpm repositories of a configuration, without a server. A machine's own are not looked at.
pub(crate) fn rpm(config: &Config, data: &Data, flags: RpmFlags) -> Result<Rpm> {
    let keys = if flags.keys.is_empty() { config.rpm_keys.clone() } else { flags.keys };
    let mirrors = flags.mirrors.or(config.rpm_mirrors()?);
    Ok(Rpm::new(RpmConfig { mirrors, cache: data.rpm_cache(), keys })?)
}

/// Starts everything in this process, on the data folder that it owns.
pub(crate) async fn start(config: &Config, data: &Data, start: Start) -> Result<Running> {
    let pages = bind(start.listen).await?;
    let images = bind(start.registry_listen).await?;
    let address = pages.local_addr().map_err(io("read the address of the pages"))?;
    let registry = images.local_addr().map_err(io("read the address of the registry"))?;

    let database = match start.place {
        Place::Configured => Database::open(config, data, "patchline serve").await?,
        Place::DataFolder => Database::local(data).await?,
    };
    let apt = apt(config, data, start.mirrors, start.keyrings, start.allow_expired)?;
    let work = Work {
        tooling: start.rpm.tooling.clone(),
        apk: Some(apk(config, data, start.apk)?),
        rpm: Some(rpm(config, data, start.rpm)?),
        concurrency: start.no_work.then_some(0),
        kinds: None,
        channels: start.channels,
        embedded: Some(registry.to_string()),
        pages: Some(format!("http://{address}")),
        watching: start.watching.clone(),
    };
    let Working { engine, registries, advisories, remediator, scratch } =
        Box::pin(work::start(config, data, &database, &apt, work)).await?;
    let judge = judge::Judge::new(&apt, &advisories);

    let distribution = match &config.hooks.distribution {
        Some(hook) => Some((hook.secret.resolve()?, hook.registry.clone())),
        None => None,
    };
    let harbor = match &config.harbor_scanner {
        Some(entry) => {
            let scans = harbor::Scanning::new(judge.clone(), &database);
            Some(HarborScanner::new(entry.secret.resolve()?, Arc::new(scans)))
        }
        None => None,
    };
    let bench = bench::Benching {
        judge,
        remediator,
        facts: database.facts.clone(),
        fixes: database.fixes.clone(),
        scratch,
    };
    let context = ServerContext {
        engine: engine.clone(),
        chains: Arc::new(start.chains),
        mender: patchline_steps::chosen::chain(),
        workbench: Workbench::new(Arc::new(bench)),
        registries: registries.clone(),
        embedded: EMBEDDED.to_owned(),
        reports: database.reports.clone(),
        inventories: database.inventories.clone(),
        fixes: database.fixes.clone(),
        sightings: database.sightings.clone(),
        health: database.health.clone(),
        clock: Arc::new(SystemClock),
        distribution,
        harbor,
        public_url: None,
    };

    let schedules = ScheduleOptions {
        catch_up: config.schedules.catch_up()?,
        owns_data: database.postgres().is_none(),
        ..ScheduleOptions::new(context.chains.to_vec())
    };

    let stop = CancellationToken::new();
    let tasks = TaskTracker::new();
    if let Some(fleet) = database.postgres() {
        fleet::announce(fleet, &registry.to_string(), &format!("http://{address}")).await?;
        tasks.spawn(stop.clone().run_until_cancelled_owned(fleet::offer(advisories)));
    }
    let keeping = housekeep(database.clone(), config.retention.runs);
    tasks.spawn(stop.clone().run_until_cancelled_owned(keeping));
    let (events, pushes) = mpsc::channel::<PushEvent>(1024);
    let embedded = Embedded::open(&data.registry(), events)?;
    // A page of another site that finds the registry under some name reads and writes nothing in it.
    let guarded = patchline_server::guard_local(embedded.router(), context.public_url.as_deref());
    serve(&tasks, &stop, images, guarded);
    let metrics = start.watching.router(&engine, &tasks, &stop);
    serve(&tasks, &stop, pages, patchline_server::router(context.clone()).merge(metrics));
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
    engine.start_schedules(database.schedules.clone(), Arc::new(launcher), schedules).await?;

    Ok(Running {
        engine,
        registries,
        apt,
        database,
        address,
        registry,
        stop,
        tasks,
        watching: start.watching,
    })
}

impl Running {
    /// Takes no new work, lets running steps end, closes the doors.
    pub(crate) async fn stop(self) -> Result<Exit> {
        let returned = self.engine.stop().await?;
        self.stop.cancel();
        self.tasks.close();
        // An open page holds its stream for as long as it likes.
        let _ = tokio::time::timeout(Duration::from_secs(3), self.tasks.wait()).await;
        self.database.close().await;
        self.watching.stop().await;
        Ok(Exit::stopped(returned))
    }
    /// `http://127.0.0.1:7800`
    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }
}

/// Once an hour, what is older than the configured time is forgotten.
async fn housekeep(database: Database, retention: Option<Duration>) {
    let mut tick = tokio::time::interval(Duration::from_secs(3_600));
    tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tick.tick().await;
        match database.housekeep(retention).await {
            Ok(forgotten) if forgotten.runs > 0 => {
                tracing::info!(runs = forgotten.runs, "runs that ended long ago were forgotten");
            }
            Ok(_) => {}
            Err(error) => {
                tracing::warn!(error.code = error.code, "nothing was forgotten: {:?}", error.causes)
            }
        }
    }
}

/// Images whose tools work on those that bring none: those of a command line, else the configured ones; none: nobody named any.
pub(crate) fn tooling(config: &Config, registries: &Registries, named: &[String]) -> Result<Option<Tooling>> {
    let named = if named.is_empty() { &config.tooling } else { named };
    let located = named.iter().map(|name| Ok((name.clone(), crate::images::location(registries, name)?)));
    let images = located.collect::<Result<Vec<_>>>()?;
    Ok((!images.is_empty()).then(|| Tooling::new(registries.clone(), images)))
}

/// One that makes its sandboxes of this very program, and keeps back what the configuration says.
pub(crate) fn remediator(
    config: &Config,
    data: &Data,
    apt: Apt,
    facts: Arc<dyn LayerFacts>,
    tooling: Option<Tooling>,
) -> Remediator {
    let program = PathBuf::from("/proc/self/exe");
    let remediator = Remediator::new(apt, facts);
    // Nobody need have a daemon: whoever chooses one is told that there is none.
    let remediator =
        match crate::images::socket_here().map(|socket| patchline_remediation::Engine::at(&socket)) {
            Ok(Ok(engine)) => remediator.with_engine(engine),
            Ok(Err(_)) | Err(_) => remediator,
        };
    let remediator = match tooling {
        Some(tooling) => remediator.with_tooling(tooling),
        None => remediator,
    };
    remediator
        .with_sandbox(Sandbox::new(program, &[crate::commands::sandbox_init::NAME]))
        .denying(config.deny_packages.clone())
        .keeping(config.package_cache())
        .keeping_languages_in(data.language_cache())
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
