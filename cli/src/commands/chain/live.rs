//! `patchline chain list|pause|resume`: a running server's chains, over its API.

use patchline_engine::schedule::ScheduleView;
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
    paused: Option<Pause>,
    steps: Vec<Value>,
}

#[derive(Deserialize)]
struct Schedules {
    schedules: Vec<ScheduleView>,
}

#[derive(Deserialize)]
struct Pause {
    chain: String,
    by: String,
    reason: String,
}

impl List {
    pub(crate) async fn run(self, global: &Global) -> Result<Exit> {
        let api = Api::new(global, &self.server)?;
        let mut answer: Value = api.get("api/v1/chains", &[]).await?;
        let scheduled: Schedules = api.get("api/v1/schedules", &[]).await?;
        if global.output == Output::Json {
            answer["schedules"] = serde_json::json!(scheduled.schedules);
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
            let starts = starts(chain, &scheduled.schedules);
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
        if !scheduled.schedules.is_empty() {
            terminal::out(&format!("\n{}", schedules(&scheduled.schedules)));
        }
        Ok(Exit::Ok)
    }
}

fn starts(chain: &Chain, schedules: &[ScheduleView]) -> String {
    let own = schedules.iter().filter(|s| s.chain == chain.chain).map(|s| s.cause.word());
    let all: Vec<&str> = chain.on_push.then_some("push").into_iter().chain(own).chain(["by hand"]).collect();
    all.join(", ")
}

fn schedules(all: &[ScheduleView]) -> String {
    let mut table = Table::new(&["chain", "by", "when", "next", "last", "how"]);
    let moment = |at: jiff::Timestamp| at.strftime("%m-%d %H:%M UTC").to_string();
    for one in all {
        let when =
            [one.cron.as_deref(), one.zone.as_deref()].into_iter().flatten().collect::<Vec<_>>().join(" ");
        let last = one.last.as_ref();
        let how = last.map(|last| {
            let why =
                last.problem.as_ref().map(|p| format!(": {}: {}", p.code, p.message)).unwrap_or_default();
            format!("{}, {} started{why}", last.state.word(), last.counts.started)
        });
        table.row([
            one.chain.clone(),
            one.cause.word().to_owned(),
            when,
            one.next.map(moment).unwrap_or_default(),
            last.map(|last| moment(last.due)).unwrap_or_default(),
            how.unwrap_or_default(),
        ]);
    }
    table.render()
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
