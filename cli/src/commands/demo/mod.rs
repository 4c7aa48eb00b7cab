//! `patchline demo`: the main job on a real outdated image, in one process.

mod show;
mod sink;

use std::{sync::Arc, time::Duration};

use patchline_chains::{Source, compile};
use patchline_engine::{Clock as _, RunFilter, RunId, RunResult, RunView, clock::SystemClock};
use patchline_registry::{CopyOptions, Location, Reference, copy};
use patchline_remediation::{
    apt::Mirrors,
    bootstrap::{BootstrapOptions, bootstrap},
};

use crate::{
    Global,
    commands::runs,
    config::Config,
    data::Data,
    exit::Exit,
    failure::{Failure, Result, io},
    images,
    progress::Bars,
    terminal, wiring,
};

/// What the demo's image holds beyond the minimal set.
pub(crate) const PACKAGES: &str = "openssl,curl,nginx-light,python3,ca-certificates";

/// The chain that the demo runs: also an example that a reader can copy.
const CHAIN: &str = include_str!("../../../../examples/chains/demo.yaml");

/// Show the main job on a real outdated Debian image
///
/// Starts a server in this process, assembles an outdated image from the Debian main suite,
/// pushes it, and shows what the chain makes of it.
#[derive(Debug, clap::Args)]
pub(crate) struct Demo {
    /// Leave the server up afterwards
    #[arg(long)]
    keep: bool,
    /// An image of one's own instead: host/repository:tag or oci:DIR:tag
    #[arg(long, value_name = "REF")]
    image: Option<String>,
    /// The suite to assemble from
    #[arg(long, default_value = "bookworm")]
    suite: String,
    #[command(flatten)]
    mirrors: super::MirrorFlags,
}

impl Demo {
    pub(crate) async fn run(self, global: &Global) -> Result<Exit> {
        let config = Config::load(global.config.as_deref())?;
        let mirrors = self.mirrors.mirrors().or(config.mirrors()?).or_machine();
        if mirrors.debian.main.is_none() || mirrors.debian.security.is_none() {
            return Err(Failure::says("no-mirror", "no Debian mirror is configured on this machine")
                .hint("name one with --mirror URL and --security-mirror URL"));
        }
        // With --data the packages stay in a cache of one's own; else nothing is left behind.
        let folder = tempfile::tempdir().map_err(io("make a temporary data folder"))?;
        let data = Data::owned(global.data.clone().unwrap_or_else(|| folder.path().join("data")))?;
        let bars = Bars::new();
        let sink = sink::Sink::start().await?;
        let running = self.start(&config, &data, mirrors, &sink).await?;
        bars.say(&format!("page       {}", running.url()));
        bars.say(&format!("registry   {}", running.registry));

        let image = Reference {
            registry: wiring::EMBEDDED.to_owned(),
            repository: "demo/web".to_owned(),
            tag: Some("1.0".to_owned()),
            digest: None,
        };
        self.push(&running, &image, &bars).await?;
        let run = first_run(&running).await?;
        show::follow(&running, &run, &bars).await?;
        bars.clear();
        let view = sink.settle(&running.engine, &run).await?;
        let verdict = show::summary(&running, &sink, &view).await?;
        show::notifications(&sink);
        terminal::out(&format!("\npage  {}/runs/{run}", running.url()));
        if self.keep {
            terminal::err("the server stays up; stop with Ctrl-C");
            super::serve::wait_for_signal().await?;
        }
        running.stop().await?;
        verdict
    }

    async fn start(
        &self,
        config: &Config,
        data: &Data,
        mirrors: Mirrors,
        sink: &sink::Sink,
    ) -> Result<wiring::Running> {
        let compiled = compile(
            Source { name: "demo.yaml", bytes: CHAIN.as_bytes() },
            &patchline_steps::catalogue::catalogue(),
        );
        if let Some(diagnostic) = compiled.diagnostics.first() {
            return Err(Failure::usage("chain-invalid", diagnostic.render("demo.yaml", CHAIN)));
        }
        let start = wiring::Start {
            listen: ([127, 0, 0, 1], 0).into(),
            registry_listen: ([127, 0, 0, 1], 0).into(),
            chains: compiled.plans.into_iter().map(Arc::new).collect(),
            channels: sink.channels(),
            mirrors,
            keyrings: self.mirrors.keyrings(),
            allow_expired: self.mirrors.allow_expired(),
            apk: self.mirrors.apk_flags(),
            rpm: self.mirrors.rpm_flags(),
            place: wiring::Place::DataFolder,
            no_work: false,
            watching: Default::default(),
        };
        wiring::start(config, data, start).await
    }

    /// Puts the image into the embedded registry; its push event starts the chain.
    async fn push(&self, running: &wiring::Running, image: &Reference, bars: &Bars) -> Result<()> {
        let target = running.registries.open(&Location::Registry(image.clone()))?;
        let tag = image.tag.as_deref().unwrap_or("1.0");
        match &self.image {
            Some(own) => {
                let location = images::location(&running.registries, own)?;
                let source = running.registries.open(&location)?;
                bars.set("copy", &format!("copying {own}"), 0, 0);
                let done =
                    copy(source.as_ref(), &location.target(), target.as_ref(), tag, &CopyOptions::default())
                        .await?;
                bars.end("copy", &format!("copied {own}, {:.1} MB", done.bytes as f64 / 1e6));
            }
            None => {
                let options = BootstrapOptions {
                    suite: self.suite.clone(),
                    architecture: debian_architecture()?,
                    packages: PACKAGES.split(',').map(str::to_owned).collect(),
                };
                let start = SystemClock.now();
                let made = bootstrap(&running.apt, &options, target.as_ref(), tag, &bars.progress()).await?;
                bars.clear();
                bars.say(&format!(
                    "assembled demo/web:{tag} from {} alone: {} packages, {:.1} MB in {}",
                    self.suite,
                    made.packages,
                    made.bytes as f64 / 1e6,
                    runs::seconds(start, SystemClock.now())
                ));
            }
        }
        Ok(())
    }
}

/// dpkg's name of this machine's architecture.
fn debian_architecture() -> Result<String> {
    match std::env::consts::ARCH {
        "x86_64" => Ok("amd64".into()),
        "aarch64" => Ok("arm64".into()),
        other => Err(Failure::says("architecture-unsupported", format!("the demo has no image for {other}"))
            .hint("name an image of your own with --image")),
    }
}

/// The run that the push started; the event is on its way, so this waits a little.
async fn first_run(running: &wiring::Running) -> Result<RunId> {
    for _ in 0..150 {
        let runs = running.engine.runs(&RunFilter::default()).await?;
        if let Some(run) = runs.iter().find(|r| r.round == 1) {
            return Ok(run.id.clone());
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    Err(Failure::says("no-run", "the push started no run within 30 s"))
}

/// What the run came to, as the demo's own verdict.
pub(super) fn verdict(view: &RunView, mendable_left: usize) -> Result<Exit> {
    match view.result {
        // Nothing dangerous was in it, or what was has been mended and passed.
        Some(RunResult::Passed) => Ok(Exit::Ok),
        Some(RunResult::Remediated) if mendable_left == 0 => Ok(Exit::Ok),
        Some(RunResult::Remediated) => Err(Failure::says(
            "mendable-left",
            format!("{mendable_left} mendable findings are left in the fixed image"),
        )),
        other => {
            let failed = view.steps.iter().find_map(|s| s.problem.as_ref().map(|p| (s, p)));
            Err(match failed {
                Some((step, problem)) => {
                    Failure::says(problem.code.clone(), format!("step {}: {}", step.name, problem.message))
                }
                None => Failure::says(
                    "not-remediated",
                    format!(
                        "the run ended {}",
                        other.map_or("without a result".into(), |r| format!("{r:?}").to_lowercase())
                    ),
                ),
            })
        }
    }
}

/// The newest report of an image by its digest's text.
pub(super) async fn report_of(
    running: &wiring::Running,
    digest: &str,
) -> Result<Option<patchline_scanner::Report>> {
    let Ok(digest) = digest.parse() else { return Ok(None) };
    let found = running.database.reports.latest_report(&digest).await;
    let found = found.map_err(|error| Failure::new("store-failed", error.as_ref()))?;
    Ok(found.map(|(_, report)| report))
}
