//! What a fixed image must show before it is pushed.

use std::time::Duration;

use patchline_remediation::{
    Smoke, Smoked,
    fix::{Command, LONGEST_SMOKE, SMOKE_TIME},
};
use patchline_scanner::formats::clean;

use crate::failure::{Failure, Result};

/// Characters of a command that are shown.
const SHOWN: usize = 200;

/// As it is typed.
#[derive(Debug, clap::Args)]
pub(super) struct SmokeFlags {
    /// A command of the image that must end well in a sandbox over the fixed image before it is pushed, as the image's user, in its
    /// folder, with its environment and without a network: --smoke "nginx -t". May be given several times; no shell reads it,
    /// unless it is one: --smoke "sh -c 'nginx && curl -f localhost'"
    #[arg(long, value_name = "COMMAND")]
    smoke: Vec<Command>,
    /// How long all of them together may take, as 90s or 5m [default: 60s]
    #[arg(long, value_name = "TIME", requires = "smoke", value_parser = time)]
    smoke_timeout: Option<Duration>,
}

fn time(text: &str) -> Result<Duration, String> {
    let time =
        patchline_chains::duration::parse(text).map_err(|error| format!("it is {error}: write 90s, 5m"))?;
    if time < Duration::from_secs(1) || time > LONGEST_SMOKE {
        return Err(format!("between 1s and {}", patchline_chains::duration::text(LONGEST_SMOKE)));
    }
    Ok(time)
}

impl SmokeFlags {
    /// None: nothing is asked of the fixed image.
    pub(super) fn smoke(&self) -> Result<Option<Smoke>> {
        Smoke::new(self.smoke.clone(), self.smoke_timeout.unwrap_or(SMOKE_TIME))
            .map_err(|error| Failure::usage("smoke-invalid", error.to_string()))
    }
    /// What was asked for, as provenance tells of it.
    pub(super) fn asked(&self) -> serde_json::Value {
        serde_json::json!(self.smoke)
    }
}

/// One line for people.
pub(super) fn told(smoked: &Smoked) -> String {
    let command = clean(&smoked.command.join(" "), SHOWN);
    match &smoked.skipped {
        None => format!("smoke passed: {command}"),
        Some(why) => {
            format!("smoke not run on {}: {command}: {}", clean(&smoked.platform, SHOWN), clean(why, SHOWN))
        }
    }
}
