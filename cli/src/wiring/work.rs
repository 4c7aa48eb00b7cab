//! What a server and a worker have in common: the world of the steps, and the engine over it.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use patchline_engine::{Engine, EngineOptions, Limits, clock::SystemClock};
use patchline_registry::{Registries, RegistryConfig};
use patchline_remediation::{Remediator, apk::Apk, apt::Apt, rpm::Rpm};
use patchline_scanner::advisories::Advisories;
use patchline_steps::{
    World,
    notify::{ChannelConfig, Channels},
};

use crate::{
    config::Config,
    data::Data,
    database::Database,
    failure::{Failure, Result, io},
    observe::Watching,
};

/// How long an orderly stop waits for running steps, unless something else is configured.
const DRAIN: Duration = Duration::from_secs(20);
/// Steps at once, unless something else is configured.
const CONCURRENCY: usize = 4;

/// How a process works.
#[derive(Clone, Default)]
pub(crate) struct Work {
    /// Verified apk repositories, where there are.
    pub(crate) apk: Option<Apk>,
    /// Verified rpm repositories, where there are.
    pub(crate) rpm: Option<Rpm>,
    /// Images whose tools work on those without rpm; none: as configured.
    pub(crate) tooling: Vec<String>,
    /// Steps at once; none: as configured.
    pub(crate) concurrency: Option<usize>,
    /// Step kinds; none: as configured.
    pub(crate) kinds: Option<Vec<String>>,
    /// Channels beyond the configured ones.
    pub(crate) channels: BTreeMap<String, ChannelConfig>,
    /// The embedded registry, where one is reached.
    pub(crate) embedded: Option<String>,
    /// Base of addresses of pages, for people.
    pub(crate) pages: Option<String>,
    /// Who watches.
    pub(crate) watching: Watching,
}

/// A process that works.
pub(crate) struct Working {
    /// Runs.
    pub(crate) engine: Engine,
    /// Registries by name, the embedded one among them.
    pub(crate) registries: Registries,
    /// Loaded advisories.
    pub(crate) advisories: Advisories,
    /// Mending, as its steps do it.
    pub(crate) remediator: Remediator,
    /// Folder for work, emptied.
    pub(crate) scratch: PathBuf,
}

/// Starts the engine over a database. The data folder's place for scratch is emptied, so it must be owned.
pub(crate) async fn start(
    config: &Config,
    data: &Data,
    database: &Database,
    apt: &Apt,
    work: Work,
) -> Result<Working> {
    let mut by_name = config.registries()?;
    if let Some(host) = work.embedded {
        let entry = RegistryConfig { host, plain_http: true, ..RegistryConfig::default() };
        by_name.insert(super::EMBEDDED.to_owned(), entry);
    }
    let registries = Registries::new(by_name)?;
    let mut channels = config.channels()?;
    channels.extend(work.channels);
    let channels = Arc::new(Channels::new(channels));
    let advisories = match database.shelf() {
        Some(shelf) => Advisories::shared(data.advisories(), shelf),
        None => Advisories::alone(data.advisories()),
    };
    let tooling = super::tooling(config, &registries, &work.tooling)?;
    let remediator = super::remediator(config, data, apt.clone(), database.facts.clone(), tooling);
    let remediator = match work.rpm {
        Some(rpm) => remediator.with_rpm(rpm),
        None => remediator,
    };
    let world = World {
        registries: registries.clone(),
        remediator: match work.apk {
            Some(apk) => remediator.with_apk(apk),
            None => remediator,
        },
        facts: database.facts.clone(),
        reports: database.reports.clone(),
        fixes: database.fixes.clone(),
        advisories: advisories.clone(),
        scratch: empty(&data.scratch())?,
        channels: channels.clone(),
        exceptions: Arc::new(config.exceptions()),
        clock: Arc::new(SystemClock),
        targets: Arc::new(config.targets()?),
        scanners: config.scanners(&data.scratch())?,
        signers: Arc::new(config.signers()?),
    };
    let steps = patchline_steps::all(&world);
    let kinds = work.kinds.or_else(|| config.work.kinds.clone());
    if let Some(kinds) = &kinds {
        check(kinds, &steps.iter().map(|step| step.kind()).collect::<Vec<_>>())?;
    }
    let limits = config.limits()?;
    let options = EngineOptions {
        concurrency: work.concurrency.or(config.concurrency()?).unwrap_or(CONCURRENCY),
        kinds,
        limits: (!limits.is_empty()).then(|| -> Arc<dyn Limits> { Arc::new(limits) }),
        // Of a database that others use, the leases are theirs.
        owns_data: database.postgres().is_none(),
        drain: config.drain.unwrap_or(DRAIN),
        public_url: work.pages,
        observer: work.watching.observer(),
    };
    let engine =
        Engine::start(database.runs.clone(), steps, channels, Arc::new(SystemClock), options).await?;
    Ok(Working { engine, registries, advisories, remediator: world.remediator, scratch: world.scratch })
}

fn check(kinds: &[String], known: &[&str]) -> Result<()> {
    let hint = || format!("there are: {}", known.join(", "));
    if kinds.is_empty() {
        return Err(
            Failure::usage("kind-unknown", "a process that takes no step kind does nothing").hint(hint())
        );
    }
    match kinds.iter().find(|kind| !known.contains(&kind.as_str())) {
        Some(kind) => {
            Err(Failure::usage("kind-unknown", format!("there is no step kind `{kind}`")).hint(hint()))
        }
        None => Ok(()),
    }
}

/// What a crash left in the scratch folder is of no use to anybody.
fn empty(folder: &Path) -> Result<PathBuf> {
    match std::fs::remove_dir_all(folder) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            return Err(io(format!("empty {}", folder.display()))(error));
        }
        _ => {}
    }
    std::fs::create_dir_all(folder).map_err(io(format!("make {}", folder.display())))?;
    Ok(folder.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kind_that_is_none_is_told_with_those_there_are() {
        let known = ["scan", "fix"];
        assert!(check(&["fix".into()], &known).is_ok());
        for kinds in [vec!["scna".to_owned()], Vec::new()] {
            let failure = check(&kinds, &known).unwrap_err();
            assert_eq!(
                (failure.code.as_str(), failure.hint.as_deref()),
                ("kind-unknown", Some("there are: scan, fix"))
            );
        }
    }
}
