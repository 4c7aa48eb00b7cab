//! `patchline chain plan FILE --image REF`: a dry run. The registry is read, nothing is written, nothing is started.

mod text;

use std::path::PathBuf;

use async_trait::async_trait;
use clap::ValueEnum;
use patchline_chains::dry_run::{self, DryRun};
use patchline_registry::{Digest, Location, Registries, RegistryConfig};
use patchline_remediation::{FixPlan, fix::BoxError, fix::Fixes};
use patchline_server::triggers::subject;

use crate::{
    Global, Output,
    config::Config,
    exit::{self, Exit},
    failure::{Failure, Result},
    images, terminal, wiring,
};

/// Tell what a run over one image would do, without doing it
///
/// The tag is resolved in its registry, by reads alone. Then: what every template renders to, which
/// steps run under which outcomes, and which effects each would have. Parts that only a run can
/// know stand in ‹ ›.
#[derive(Debug, clap::Args)]
pub(crate) struct Rehearsal {
    /// The chain file; it must hold one chain
    file: PathBuf,
    /// host/repository:tag or a configured registry's name/repository:tag
    #[arg(long)]
    image: String,
    /// A parameter of the chain, as block_at=critical
    #[arg(long = "param", value_name = "NAME=VALUE")]
    params: Vec<String>,
    /// What starts the run
    #[arg(long, value_enum, default_value_t)]
    trigger: Trigger,
}

/// What starts the run.
#[derive(Debug, Clone, Copy, Default, ValueEnum)]
enum Trigger {
    #[default]
    Manual,
    Push,
    Schedule,
    Advisories,
}

impl Trigger {
    fn word(self) -> &'static str {
        match self {
            Self::Manual => "manual",
            Self::Push => "push",
            Self::Schedule => "schedule",
            Self::Advisories => "advisories",
        }
    }
}

impl Rehearsal {
    pub(super) async fn run(self, global: &Global) -> Result<Exit> {
        let plan = super::load::one(&self.file)?;
        let given = super::run::params(&self.params)?;
        let given = given.as_object().cloned().unwrap_or_default();
        // Before a registry is asked: a mistake on the command line costs no request.
        plan.start_params(&given).map_err(wrong_parameter)?;
        let registries = registries(&Config::load(global.config.as_deref())?)?;
        let Location::Registry(reference) = images::location(&registries, &self.image)? else {
            let message = "a chain runs over an image in a registry";
            return Err(Failure::usage("registry-image-needed", message)
                .hint("push it first: patchline image copy oci:DIR:tag host/repository:tag"));
        };
        let subject = subject::resolve(&registries, &NoRecord, &reference).await?;
        let start = dry_run::Start {
            image: &subject.context,
            trigger: self.trigger.word(),
            source: "cli",
            params: &given,
        };
        let catalogue = patchline_steps::catalogue::catalogue();
        let rehearsed: DryRun = dry_run::rehearse(&plan, &catalogue, &start).map_err(wrong_parameter)?;
        match global.output {
            Output::Json => super::super::json(&rehearsed)?,
            Output::Table => terminal::out(&text::render(&rehearsed)),
        }
        Ok(Exit::Ok)
    }
}

fn wrong_parameter(error: patchline_chains::plan::params::Error) -> Failure {
    Failure { exit: exit::USAGE, ..Failure::new(error.code(), &error) }
}

/// The configured registries, and the embedded one of a server that runs here, by the name that it has there.
fn registries(config: &Config) -> Result<Registries> {
    let mut by_name = config.registries()?;
    let host = config.registry_listen.clone().unwrap_or_else(|| super::super::serve::REGISTRY.to_owned());
    let embedded = RegistryConfig { host, plain_http: true, credentials: None, token_hosts: Vec::new() };
    by_name.entry(wiring::EMBEDDED.to_owned()).or_insert(embedded);
    Ok(Registries::new(by_name)?)
}

/// A dry run opens no database: where an image comes from is read from the image alone.
struct NoRecord;

#[async_trait]
impl Fixes for NoRecord {
    async fn put_fix(&self, _: &Digest, _: &Digest, _: &FixPlan) -> Result<(), BoxError> {
        Err("a dry run keeps nothing".into())
    }
    async fn fix_of(&self, _: &Digest) -> Result<Option<(Digest, FixPlan)>, BoxError> {
        Ok(None)
    }
    async fn fixes_from(&self, _: &Digest) -> Result<Vec<(Digest, FixPlan)>, BoxError> {
        Ok(Vec::new())
    }
}
