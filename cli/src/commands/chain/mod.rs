//! `patchline chain …`: one file per subcommand.

mod explain;
mod graph;
mod import;
mod init;
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
            Self::Plan(command) => command.run(global).await,
            Self::Run(command) => {
                let config = Config::load(global.config.as_deref())?;
                let data = crate::data::Data::path(global.data.as_deref());
                command.run(global, &config, data).await
            }
        }
    }
}
