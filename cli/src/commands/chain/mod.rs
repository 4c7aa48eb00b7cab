//! `patchline chain …`: one file per subcommand.

mod explain;
mod graph;
mod import;
mod init;
mod live;
pub(crate) mod load;
mod plan;
pub(crate) mod run;
mod sarif;
mod schema;
mod show;
mod validate;
mod write;

use clap::Subcommand;

use crate::{Global, config::Config, exit::Exit, failure::Result};

/// Check, draw and run chains
#[derive(Debug, Subcommand)]
pub(crate) enum Chain {
    /// Say everything that is wrong with chain files, at once
    Validate(validate::Validate),
    /// Draw a chain's DAG
    Graph(graph::Graph),
    /// Tell what a run over one image would do, without doing it
    Plan(Box<plan::Rehearsal>),
    /// Print the JSON Schema of a chain document
    Schema(schema::Schema),
    /// Write a commented chain to begin with
    Init(init::Init),
    /// Explain a code at length
    Explain(explain::Explain),
    /// Write another system's chain as one of ours
    Import(import::Import),
    /// Run a chain over one image in this process, and wait for its end
    Run(Box<run::ChainRun>),
    /// The chains of a server: what starts them, and which are paused
    List(live::List),
    /// Start none of a server's chain's steps, until it goes on; what runs may end
    Pause(live::Turn),
    /// Let a paused chain of a server go on
    Resume(live::Turn),
}

impl Chain {
    /// Whether it can print SARIF.
    pub(crate) fn knows_sarif(&self) -> bool {
        matches!(self, Self::Validate(_))
    }

    pub(crate) async fn run(self, global: &Global) -> Result<Exit> {
        match self {
            Self::Validate(command) => command.run(global),
            Self::Graph(command) => command.run(),
            Self::Schema(command) => command.run(),
            Self::Init(command) => command.run(),
            Self::Explain(command) => command.run(global),
            Self::Import(command) => command.run(),
            Self::List(command) => command.run(global).await,
            Self::Pause(command) => command.run("pause", global).await,
            Self::Resume(command) => command.run("resume", global).await,
            Self::Plan(command) => command.run(global).await,
            Self::Run(command) => {
                let config = Config::load(global.config.as_deref())?;
                let data = crate::data::Data::path(global.data.as_deref());
                Box::pin(command.run(global, &config, data)).await
            }
        }
    }
}
