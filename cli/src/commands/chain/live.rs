//! `patchline chain list|pause|resume`: a running server's chains, over its API.

use serde::Deserialize;
use serde_json::{Value, json};

use crate::{
    Global, Output,
    client::{Api, Said, Server},
    exit::Exit,
    failure::Result,
    table::Table,
    terminal,
};

/// List a server's chains
#[derive(Debug, clap::Args)]
pub(crate) struct List {
    #[command(flatten)]
    server: Server,
}

/// Pause a server's chain, or let it go on
#[derive(Debug, clap::Args)]
pub(crate) struct Turn {
    /// The chain's name
    chain: String,
    #[command(flatten)]
    said: Said,
    #[command(flatten)]
    server: Server,
}

#[derive(Deserialize)]
struct Chains {
    chains: Vec<Chain>,
    paused_elsewhere: Vec<Pause>,
}

#[derive(Deserialize)]
struct Chain {
    chain: String,
    on_push: bool,
    #[serde(default)]
    starts: Vec<String>,
    paused: Option<Pause>,
    steps: Vec<Value>,
}

#[derive(Deserialize)]
struct Pause {
    chain: String,
    by: String,
    reason: String,
}

impl List {
    pub(crate) async fn run(self, global: &Global) -> Result<Exit> {
        let answer: Value = Api::new(global, &self.server)?.get("api/v1/chains", &[]).await?;
        if global.output == Output::Json {
            super::super::json(&answer)?;
            return Ok(Exit::Ok);
        }
        let read = serde_json::from_value(answer);
        let chains: Chains = read.map_err(|e| crate::failure::Failure::new("server-answer", &e))?;
        let mut table = Table::new(&["chain", "state", ">steps", "starts", "why"]);
        let state = |pause: &Option<Pause>| if pause.is_some() { "paused" } else { "in use" }.to_owned();
        let why = |pause: &Pause| format!("{}: {}", pause.by, pause.reason);
        for chain in &chains.chains {
            let reason = chain.paused.as_ref().map(why).unwrap_or_default();
            let starts = if chain.on_push { "push" } else { "by hand" };
            let starts = if chain.starts.is_empty() { starts.to_owned() } else { chain.starts.join(", ") };
            let row =
                [chain.chain.clone(), state(&chain.paused), chain.steps.len().to_string(), starts, reason];
            table.row(row);
        }
        for pause in &chains.paused_elsewhere {
            table.row([
                pause.chain.clone(),
                "paused, not loaded".to_owned(),
                String::new(),
                String::new(),
                why(pause),
            ]);
        }
        if table.is_empty() {
            terminal::err("the server has no chain: start it with --chain FILE");
        } else {
            terminal::out(&table.render());
        }
        Ok(Exit::Ok)
    }
}

impl Turn {
    pub(crate) async fn run(self, what: &str, global: &Global) -> Result<Exit> {
        let path = ["api", "v1", "chains", &self.chain, what];
        let answer: Value = Api::new(global, &self.server)?.post(&path, &self.said.body(json!({}))).await?;
        match global.output {
            Output::Json => super::super::json(&answer)?,
            Output::Table if what == "pause" => terminal::err("it is paused; what runs may end"),
            Output::Table => terminal::err("it goes on"),
        }
        Ok(Exit::Ok)
    }
}
