//! `patchline worker`: a process that only works, without any door of its own.

use std::net::SocketAddr;

use crate::{
    Global,
    config::Config,
    data::Data,
    exit::Exit,
    failure::Result,
    observe::Watching,
    terminal,
    wiring::{self, work::Work},
};

/// Work on the steps of a server's runs, over the PostgreSQL that both share
///
/// It has no address of its own but for metrics, and takes no more steps than it may work on at once. SIGTERM lets running steps
/// end within the configured `drain` (20 s); exit code 5 says that some did not, and were given back to others.
#[derive(Debug, clap::Args)]
pub(crate) struct Worker {
    /// Step kinds that it takes, as scan,fix [default: all]
    #[arg(long, value_name = "KINDS", value_delimiter = ',')]
    kinds: Option<Vec<String>>,
    /// Steps at once [default: as configured, else 4]
    #[arg(long, value_name = "N", value_parser = clap::builder::RangedU64ValueParser::<usize>::new().range(1..=10_000))]
    concurrency: Option<usize>,
    /// Address of /metrics; port 0 takes a free one [default: none]
    #[arg(long, value_name = "ADDRESS")]
    metrics_listen: Option<SocketAddr>,
    #[command(flatten)]
    mirrors: super::MirrorFlags,
}

impl Worker {
    pub(crate) async fn run(self, global: &Global) -> Result<Exit> {
        let config = Config::load(global.config.as_deref())?;
        let data = Data::worker(Data::path(global.data.as_deref()))?;
        let apt = self.mirrors.apt(&config, &data)?;
        let kinds = self.kinds.map(|kinds| kinds.iter().map(|kind| kind.trim().to_owned()).collect());
        let work = Work {
            apk: Some(self.mirrors.apk(&config, &data)?),
            rpm: Some(self.mirrors.rpm(&config, &data)?),
            tooling: self.mirrors.rpm_flags().tooling,
            concurrency: self.concurrency,
            kinds,
            watching: Watching::start()?,
            ..Work::default()
        };
        let worker = wiring::worker(&config, &data, &apt, work).await?;
        terminal::err(&format!("working         {}", worker.takes()));
        if let Some(address) = self.metrics_listen {
            terminal::err(&format!("metrics         http://{}/metrics", worker.measured(address).await?));
        }
        terminal::err("stop with Ctrl-C");
        super::serve::wait_for_signal().await?;
        super::serve::stopping(worker.stop()).await
    }
}
