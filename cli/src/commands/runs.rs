//! `patchline runs …`: a running server's runs, over its API: looking at them, and what a person does to them.

mod show;

use clap::Subcommand;
use patchline_engine::RunView;
use serde_json::json;

pub(crate) use self::show::{follow, render, seconds, status_word};
use self::show::{list, tell};
use crate::{
    Global, Output,
    client::{Api, Said, Server},
    exit::Exit,
    failure::Result,
    terminal,
};

/// Look at the runs of a server, and say how they go on
#[derive(Debug, Subcommand)]
pub(crate) enum Runs {
    /// The newest runs
    List {
        /// Of this chain alone
        #[arg(long)]
        chain: Option<String>,
        /// At most so many
        #[arg(long, default_value_t = 20)]
        limit: u32,
        #[command(flatten)]
        server: Server,
    },
    /// One run: its steps, why each did what it did, its notifications
    Show {
        /// The run's id
        run: String,
        #[command(flatten)]
        server: Server,
    },
    /// Let a step that waits for a person go on
    Approve(Step),
    /// Refuse at a step that waits for a person
    Reject(Step),
    /// Try a step again that failed, is unknown or was cancelled: the same piece of work
    Retry(Step),
    /// Run from a step that has ended: it and all that comes after it, as new work
    Rerun(Step),
    /// Say whether an effect was made of which nobody knows
    #[command(group = clap::ArgGroup::new("found").required(true))]
    Resolve {
        #[command(flatten)]
        step: Step,
        /// It was made: the step has succeeded
        #[arg(long, group = "found")]
        made: bool,
        /// It was not made: the step has failed
        #[arg(long, group = "found")]
        not_made: bool,
    },
    /// Stop a run: what has not begun is cancelled, what runs is told
    Cancel {
        /// The run's id
        run: String,
        #[command(flatten)]
        said: Said,
        #[command(flatten)]
        server: Server,
    },
    /// Follow a run to its end; exits with the code of its result
    Watch {
        /// The run's id
        run: String,
        #[command(flatten)]
        server: Server,
    },
}

/// A step, and what is said of it.
#[derive(Debug, clap::Args)]
pub(crate) struct Step {
    /// The run's id
    run: String,
    /// The step's name
    step: String,
    #[command(flatten)]
    said: Said,
    #[command(flatten)]
    server: Server,
}

impl Runs {
    pub(crate) async fn run(self, global: &Global) -> Result<Exit> {
        match self {
            Self::List { chain, limit, server } => {
                let api = Api::new(global, &server)?;
                let mut query = vec![("limit", limit.to_string())];
                query.extend(chain.map(|c| ("chain", c)));
                let runs: Page = api.get("api/v1/runs", &query).await?;
                match global.output {
                    Output::Json => super::json(&runs.runs)?,
                    Output::Table if runs.runs.is_empty() => {
                        terminal::err("no run yet: push an image that a chain has in scope");
                    }
                    Output::Table => terminal::out(&list(&runs.runs)),
                }
                Ok(Exit::Ok)
            }
            Self::Show { run, server } => {
                let view: RunView =
                    Api::new(global, &server)?.get(&format!("api/v1/runs/{run}"), &[]).await?;
                match global.output {
                    Output::Json => super::json(&view)?,
                    Output::Table => terminal::out(&render(&view)),
                }
                Ok(Exit::Ok)
            }
            Self::Approve(step) => step.post("decision", json!({"approve": true}), global).await,
            Self::Reject(step) => step.post("decision", json!({"approve": false}), global).await,
            Self::Retry(step) => step.post("retry", json!({}), global).await,
            Self::Rerun(step) => step.post("rerun", json!({}), global).await,
            Self::Resolve { step, made, .. } => step.post("resolution", json!({"made": made}), global).await,
            Self::Cancel { run, said, server } => {
                let api = Api::new(global, &server)?;
                let answer: serde_json::Value =
                    api.post(&["api", "v1", "runs", &run, "cancel"], &said.body(json!({}))).await?;
                match global.output {
                    Output::Json => super::json(&answer)?,
                    Output::Table => terminal::err("it is being stopped"),
                }
                Ok(Exit::Ok)
            }
            Self::Watch { run, server } => {
                let api = Api::new(global, &server)?;
                api.watch(&run, tell).await?;
                let view: RunView = api.get(&format!("api/v1/runs/{run}"), &[]).await?;
                match global.output {
                    Output::Json => super::json(&view)?,
                    Output::Table => terminal::out(&render(&view)),
                }
                super::chain::run::finish(view.result)
            }
        }
    }
}

impl Step {
    /// Says it, and shows the run as it is then.
    async fn post(self, what: &str, more: serde_json::Value, global: &Global) -> Result<Exit> {
        let path = ["api", "v1", "runs", &self.run, "steps", &self.step, what];
        let view: RunView = Api::new(global, &self.server)?.post(&path, &self.said.body(more)).await?;
        match global.output {
            Output::Json => super::json(&view)?,
            Output::Table => terminal::out(&render(&view)),
        }
        Ok(Exit::Ok)
    }
}

#[derive(serde::Deserialize)]
struct Page {
    runs: Vec<RunView>,
}
