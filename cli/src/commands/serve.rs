//! `patchline serve`

use std::{net::SocketAddr, path::PathBuf};

use crate::{
    Global,
    config::Config,
    data::Data,
    exit::Exit,
    failure::{Failure, Result, io},
    observe::Watching,
    terminal, wiring,
};

/// Where the embedded registry listens, unless something else is said.
pub(crate) const REGISTRY: &str = "127.0.0.1:7850";

/// Run the server: API, pages, embedded registry, workers
#[derive(Debug, clap::Args)]
pub(crate) struct Serve {
    /// Address of API and pages [default: 127.0.0.1:7800]
    #[arg(long, value_name = "ADDRESS")]
    listen: Option<SocketAddr>,
    /// Address of the embedded registry [default: 127.0.0.1:7850]
    #[arg(long, value_name = "ADDRESS")]
    registry_listen: Option<SocketAddr>,
    /// Chain files or folders, beside the configured ones
    #[arg(long = "chain", value_name = "FILE|DIR")]
    chains: Vec<PathBuf>,
    /// Leave the steps to `patchline worker` processes; needs PostgreSQL
    #[arg(long)]
    no_work: bool,
    #[command(flatten)]
    mirrors: super::MirrorFlags,
}

impl Serve {
    pub(crate) async fn run(self, global: &Global) -> Result<Exit> {
        let config = Config::load(global.config.as_deref())?;
        if self.no_work && config.database.is_none() {
            return Err(crate::database::not_shared());
        }
        let files: Vec<PathBuf> = config.chains.iter().cloned().chain(self.chains).collect();
        let chains = super::chain::load::plans(&files)?;
        if chains.is_empty() {
            terminal::err("warning: no chain is loaded, so a push starts nothing: name one with --chain");
        }
        let listen = address(self.listen, config.listen.as_deref(), "127.0.0.1:7800")?;
        let registry_listen = address(self.registry_listen, config.registry_listen.as_deref(), REGISTRY)?;
        let data = Data::owned(Data::path(global.data.as_deref()))?;
        let start = wiring::Start {
            listen,
            registry_listen,
            chains,
            channels: Default::default(),
            mirrors: self.mirrors.mirrors(),
            keyrings: self.mirrors.keyrings(),
            allow_expired: self.mirrors.allow_expired(),
            apk: self.mirrors.apk_flags(),
            rpm: self.mirrors.rpm_flags(),
            place: wiring::Place::Configured,
            no_work: self.no_work,
            watching: Watching::start()?,
        };
        let running = Box::pin(wiring::start(&config, &data, start)).await?;
        // Written aside and renamed: a reader sees a whole address or none.
        let aside = data.address().with_extension("new");
        std::fs::write(&aside, running.url()).map_err(io("write the server's address"))?;
        std::fs::rename(&aside, data.address()).map_err(io("write the server's address"))?;
        terminal::err(&format!("pages and API   {}", running.url()));
        terminal::err(&format!("registry        {}", running.registry));
        terminal::err("stop with Ctrl-C");
        wait_for_signal().await?;
        stopping(running.stop()).await
    }
}

fn address(flag: Option<SocketAddr>, configured: Option<&str>, default: &str) -> Result<SocketAddr> {
    match flag {
        Some(address) => Ok(address),
        None => {
            let text = configured.unwrap_or(default);
            text.parse()
                .map_err(|_| Failure::usage("invalid-address", format!("`{text}` is no address with a port")))
        }
    }
}

/// An orderly stop; a second signal ends it at once.
pub(crate) async fn stopping(stop: impl Future<Output = Result<Exit>>) -> Result<Exit> {
    terminal::err("stopping: running steps may end; a second signal ends them at once");
    tokio::select! {
        exit = stop => {
            if let Ok(Exit::Returned) = exit {
                terminal::err("steps that did not end in time were given back");
            }
            exit
        }
        signal = wait_for_signal() => signal.map(|()| Exit::Returned),
    }
}

/// SIGINT or SIGTERM.
pub(crate) async fn wait_for_signal() -> Result<()> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut terminate = signal(SignalKind::terminate()).map_err(io("listen for SIGTERM"))?;
    tokio::select! {
        interrupt = tokio::signal::ctrl_c() => interrupt.map_err(io("listen for SIGINT")),
        _ = terminate.recv() => Ok(()),
    }
}
