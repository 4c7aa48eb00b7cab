//! `cargo xtask chaos`

use std::process::{Command, Stdio};

use serde_json::Value;

use crate::bench;

/// Kill, cut off and starve what runs, and count what was lost by it
#[derive(Debug, clap::Args)]
pub(crate) struct Chaos {
    /// What is done to it
    #[arg(value_enum)]
    what: What,
    /// engine: so many `kill -9` on each store
    #[arg(long, default_value_t = 20)]
    kills: u32,
    /// sqlite, postgres or both
    #[arg(long, default_value = "both")]
    store: String,
    /// engine: of the random moments
    #[arg(long)]
    seed: Option<u64>,
    /// engine: a file that counts what is done already, so that a long run can be taken up again
    #[arg(long, value_name = "FILE")]
    resume: Option<String>,
    /// faults: one of them
    #[arg(long)]
    only: Option<String>,
    /// backlog: so many queued steps
    #[arg(long, default_value_t = 1_000_000)]
    steps: u64,
    /// End with one line of JSON on standard output
    #[arg(long)]
    json: bool,
}

/// What is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum What {
    /// `kill -9` of server and workers, and of PostgreSQL, under load
    Engine,
    /// A worker cut off from PostgreSQL in the middle of a delete
    Partition,
    /// A full disk, a read-only file, a database that is away, a clock that jumps
    Faults,
    /// A person's run behind a million queued steps
    Backlog,
}

impl Chaos {
    pub(crate) fn run(self) -> Result<(), String> {
        let found = match self.what {
            What::Backlog => {
                let steps = self.steps.to_string();
                let arguments = ["backlog", "--steps", &steps, "--store", &self.store].map(str::to_owned);
                Ok(bench::engine(&arguments)?)
            }
            _ => self.processes(),
        };
        let (figures, ended) = match found {
            Ok(figures) => (figures, Ok(())),
            Err((figures, why)) => (figures, Err(why)),
        };
        if self.json {
            bench::tell(&figures);
        } else {
            crate::say(&serde_json::to_string_pretty(&figures).unwrap_or_default());
        }
        ended
    }

    /// By the harness of the end-to-end tests; what it found, also where it found something wrong.
    fn processes(&self) -> Result<Value, (Value, String)> {
        let fail = |why: String| (Value::Null, why);
        let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        // Built with the whole workspace: alone it would ask for other features, and everything would be built twice.
        let built = Command::new(&cargo).args(["build", "--locked", "--workspace", "--bins"]).status();
        if !built.is_ok_and(|status| status.success()) {
            return Err(fail("it does not build".into()));
        }
        let metadata = cargo_metadata::MetadataCommand::new().no_deps().exec();
        let metadata = metadata.map_err(|e| fail(e.to_string()))?;
        let program = metadata.target_directory.join("debug/patchline-chaos");
        let mut chaos = Command::new(program.as_std_path());
        let what = match self.what {
            What::Engine => "engine",
            What::Partition => "partition",
            What::Faults => "faults",
            What::Backlog => "backlog",
        };
        chaos.args([what, "--kills", &self.kills.to_string(), "--store", &self.store]);
        let seed = self.seed.map(|seed| seed.to_string());
        for (flag, value) in [("--seed", &seed), ("--resume", &self.resume), ("--only", &self.only)] {
            if let Some(value) = value {
                chaos.args([flag, value]);
            }
        }
        let ended = chaos.stdout(Stdio::piped()).spawn().and_then(std::process::Child::wait_with_output);
        let ended = ended.map_err(|e| fail(format!("{program}: {e}")))?;
        let figures = bench::last(&String::from_utf8_lossy(&ended.stdout)).map_err(fail)?;
        if ended.status.success() {
            return Ok(figures);
        }
        Err((figures, format!("chaos {what} has found something")))
    }
}
