//! `patchline outbox list|resend`: a server's messages that were given up, over its API.

use clap::Subcommand;
use patchline_engine::{Delivery, DeliveryState};
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::{
    Global, Output,
    client::{Api, Server},
    exit::Exit,
    failure::Result,
    table::{Table, fit},
    terminal,
};

/// Messages that a server could not deliver
#[derive(Debug, Subcommand)]
pub(crate) enum Outbox {
    /// Messages that were given up, the last first
    List {
        /// At most so many
        #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=200))]
        limit: u32,
        #[command(flatten)]
        server: Server,
    },
    /// Send them again, under the same ids
    #[command(group = clap::ArgGroup::new("which").required(true))]
    Resend {
        /// Their ids
        #[arg(group = "which")]
        messages: Vec<String>,
        /// Every one of them
        #[arg(long, group = "which")]
        all: bool,
        /// Who says so; kept with the run
        #[arg(long, env = "USER", value_name = "NAME")]
        by: String,
        #[command(flatten)]
        server: Server,
    },
}

#[derive(Deserialize)]
struct Page {
    messages: Vec<Letter>,
    next: Option<String>,
}

/// One message that was given up.
#[derive(Serialize, Deserialize)]
struct Letter {
    run: String,
    attempts: u32,
    #[serde(flatten)]
    delivery: Delivery,
}

impl Outbox {
    pub(crate) async fn run(self, global: &Global) -> Result<Exit> {
        match self {
            Self::List { limit, server } => {
                let query = [("limit", limit.to_string())];
                let page: Page = Api::new(global, &server)?.get("api/v1/outbox", &query).await?;
                match global.output {
                    Output::Json => super::json(&page.messages)?,
                    Output::Table if page.messages.is_empty() => terminal::err("every message was delivered"),
                    Output::Table => terminal::out(&list(&page.messages)),
                }
            }
            Self::Resend { messages, all, by, server } => {
                let api = Api::new(global, &server)?;
                let messages = if all { every(&api).await? } else { messages };
                for id in &messages {
                    let path = ["api", "v1", "outbox", id, "resend"];
                    let _: serde_json::Value = api.post(&path, &json!({"by": by})).await?;
                }
                match global.output {
                    Output::Json => super::json(&messages)?,
                    Output::Table => terminal::err(&format!("{} on their way again", messages.len())),
                }
            }
        }
        Ok(Exit::Ok)
    }
}

/// All of them are read before the first is sent: one that fails again at once is not sent twice.
async fn every(api: &Api) -> Result<Vec<String>> {
    let mut ids = Vec::new();
    let mut query = vec![("limit", "200".to_owned())];
    loop {
        let page: Page = api.get("api/v1/outbox", &query).await?;
        ids.extend(page.messages.into_iter().map(|letter| letter.delivery.message.id));
        let Some(next) = page.next else { return Ok(ids) };
        query = vec![("limit", "200".to_owned()), ("before", next)];
    }
}

fn list(letters: &[Letter]) -> String {
    let mut table = Table::new(&["message", "channel", ">tries", "given up", "why"]);
    // An id that is cut cannot be sent again by it: the reason gives way.
    let longest = letters.iter().map(|letter| letter.delivery.message.id.len()).max().unwrap_or(0);
    let room = 58_usize.saturating_sub(longest).max(12);
    for letter in letters {
        let why = match &letter.delivery.state {
            DeliveryState::Failed { problem } => format!("{}: {}", problem.code, problem.message),
            _ => String::new(),
        };
        table.row([
            letter.delivery.message.id.clone(),
            fit(&letter.delivery.message.channel, 14),
            letter.attempts.to_string(),
            letter.delivery.at.strftime("%m-%d %H:%M:%S").to_string(),
            fit(&why, room),
        ]);
    }
    table.render()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_stand_whole_and_the_table_does_not_wrap() {
        let id = format!("msg_{}", "0".repeat(36));
        let letter: Letter = serde_json::from_value(json!({
            "run": "r", "attempts": 12, "step": "tell", "at": "2026-01-01T00:00:00Z", "state": "failed",
            "message": {"id": id, "channel": "a-channel-with-a-long-name", "payload": {}},
            "problem": {"code": "webhook-gone", "message": "x".repeat(200), "class": "permanent"},
        }))
        .unwrap();
        let text = list(&[letter]);
        assert!(text.contains(&id) && text.contains("webhook-"), "{text}");
        assert!(text.lines().last().unwrap().chars().count() <= 100, "{text}");
    }
}
