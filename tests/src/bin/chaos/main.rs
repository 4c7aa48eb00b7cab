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

use patchline_tests::arguments::Arguments;
use serde_json::Value;

/// Whether a store is meant: both are, unless one is named.
pub(crate) fn wants(arguments: &Arguments, store: &str) -> bool {
    arguments.value("--store").is_none_or(|only| only == store || only == "both")
}

fn main() {
    let arguments = Arguments::of_process();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let ended: (Value, bool) = match arguments.word(0) {
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
