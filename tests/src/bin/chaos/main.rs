//! Processes killed, cut off, and robbed of disk and database under load; and what was lost by it: nothing.
//!
//! `cargo xtask chaos` starts it. It starts itself again as the processes that are killed.

mod faults;
mod fleet;
mod gate;
mod judge;
mod kills;
mod lines;
mod namespaces;
mod partition;
mod place;
mod program;
mod standin;
mod tally;
mod victim;
mod work;

use serde_json::Value;

/// What the command line says.
pub(crate) struct Arguments(Vec<String>);

impl Arguments {
    pub(crate) fn value(&self, flag: &str) -> Option<&str> {
        let at = self.0.iter().position(|a| a == flag)?;
        self.0.get(at + 1).map(String::as_str)
    }
    pub(crate) fn number(&self, flag: &str, default: u64) -> u64 {
        self.value(flag).map_or(default, |v| v.parse().unwrap_or_else(|_| panic!("{flag} {v}: no number")))
    }
    /// Both stores, unless one is named.
    pub(crate) fn wants(&self, store: &str) -> bool {
        self.value("--store").is_none_or(|only| only == store || only == "both")
    }
}

fn main() {
    let arguments = Arguments(std::env::args().skip(1).collect());
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let ended: (Value, bool) = match arguments.0.first().map(String::as_str) {
        Some("victim") => return runtime.block_on(victim::live(&arguments)),
        Some("partition") => runtime.block_on(partition::run()),
        Some("faults") => runtime.block_on(faults::run(&arguments)),
        Some("engine") => runtime.block_on(kills::run(&arguments)),
        other => panic!("chaos {other:?}: engine, partition or faults"),
    };
    println!("{}", ended.0);
    if !ended.1 {
        std::process::exit(1);
    }
}
