//! `patchline chain run FILE --image REF`: one run, in this process, with the exit code of its result.

use std::path::PathBuf;

use patchline_engine::{RunResult, Submission, Trigger, TriggerKind};
use patchline_server::triggers::subject;
use serde_json::{Map, Value};

use crate::{
    Global, Output,
    config::Config,
    data::Data,
    exit::Exit,
    failure::{Failure, Result},
    images, terminal, wiring,
};

/// Run a chain over one image in this process, and wait for its end
#[derive(Debug, clap::Args)]
pub(crate) struct ChainRun {
    /// The chain file; it must hold one chain
    file: PathBuf,
    /// host/repository:tag or a configured registry's name/repository:tag
    #[arg(long)]
    image: String,
    /// A parameter of the chain, as block_at=critical
    #[arg(long = "param", value_name = "NAME=VALUE")]
    params: Vec<String>,
    #[command(flatten)]
    mirrors: super::super::MirrorFlags,
}

impl ChainRun {
    pub(crate) async fn run(self, global: &Global, config: &Config, data: PathBuf) -> Result<Exit> {
        let plan = super::load::one(&self.file)?;
        let params = params(&self.params)?;
        let data = Data::owned(data)?;
        let start = wiring::Start {
            listen: ([127, 0, 0, 1], 0).into(),
            registry_listen: ([127, 0, 0, 1], 0).into(),
            chains: Vec::new(),
            channels: Default::default(),
            mirrors: self.mirrors.mirrors(),
            keyrings: self.mirrors.keyrings(),
            allow_expired: self.mirrors.allow_expired(),
            apk: self.mirrors.apk_flags(),
            rpm: self.mirrors.rpm_flags(),
            place: wiring::Place::DataFolder,
            no_work: false,
            watching: Default::default(),
        };
        let running = wiring::start(config, &data, start).await?;
        let reference = match images::location(&running.registries, &self.image)? {
            patchline_registry::Location::Registry(reference) => reference,
            patchline_registry::Location::Layout { .. } => {
                return Err(Failure::usage(
                    "registry-image-needed",
                    "a chain runs over an image in a registry",
                )
                .hint("push it first: patchline image copy oci:DIR:tag host/repository:tag"));
            }
        };
        let subject =
            subject::resolve(&running.registries, running.database.fixes.as_ref(), &reference).await?;
        let submission = Submission {
            subject: subject::for_chain(&subject, &plan),
            plan: Some(plan),
            trigger: Trigger { kind: TriggerKind::Manual, source: "cli".into(), event_id: None },
            params,
            parent: None,
        };
        let submitted = running.engine.submit(vec![submission]).await?;
        let run =
            &submitted.first().ok_or_else(|| Failure::says("not-started", "the run was not started"))?.run;
        let view = super::super::runs::follow(&running.engine, run, &running.url()).await?;
        match global.output {
            Output::Json => super::super::json(&view)?,
            Output::Table => terminal::out(&super::super::runs::render(&view)),
        }
        running.stop().await?;
        finish(view.result)
    }
}

/// The exit code of a result.
pub(crate) fn finish(result: Option<RunResult>) -> Result<Exit> {
    match result {
        Some(RunResult::Passed) => Ok(Exit::Ok),
        Some(RunResult::Denied) => Ok(Exit::Denied),
        Some(RunResult::Remediated) => Ok(Exit::Remediated),
        Some(RunResult::Cancelled) => Err(Failure::says("run-cancelled", "the run was cancelled")),
        Some(RunResult::Failed) => Err(Failure::says("run-failed", "the run failed: see the step above")),
        None => Err(Failure::says("run-unfinished", "the run has not ended")),
    }
}

/// `name=value`; a value that is JSON of a number or boolean keeps its type.
pub(super) fn params(given: &[String]) -> Result<Value> {
    let mut map = Map::new();
    for text in given {
        let (name, value) = text
            .split_once('=')
            .ok_or_else(|| Failure::usage("invalid-param", format!("`{text}` is not name=value")))?;
        let value = match serde_json::from_str::<Value>(value) {
            Ok(v @ (Value::Bool(_) | Value::Number(_))) => v,
            _ => Value::String(value.to_owned()),
        };
        map.insert(name.to_owned(), value);
    }
    Ok(Value::Object(map))
}
