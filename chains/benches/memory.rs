//! How much memory compiling takes at its peak: each input in a process of its own, by the high-water mark that
//! Linux keeps (`VmHWM`, proc(5)). Prints one line of JSON for each, the largest last.

#[path = "inputs/mod.rs"]
mod inputs;
#[path = "../src/tests/catalogue.rs"]
mod small;

use std::process::Command;

use patchline_chains::{Catalogue, Field, Param, ParamType, Source, StepKind, ValueType, catalogue, compile};

fn main() {
    let mut args = std::env::args().skip_while(|a| a != "--rss").skip(1);
    if let Some(name) = args.next() {
        measure(&name);
        return;
    }
    let own = std::env::current_exe().expect("this program has a path");
    let mut worst = (String::new(), 0.0_f64);
    for input in inputs::HOSTILE {
        let run = Command::new(&own).args(["--rss", input.name]).output().expect("this program runs again");
        let said = String::from_utf8_lossy(&run.stdout);
        let mb: f64 = said.trim().parse().unwrap_or_else(|_| panic!("{}: {said}", input.name));
        tell(&serde_json::json!({"input": input.name, "mb": mb}));
        if mb > worst.1 {
            worst = (input.name.to_owned(), mb);
        }
    }
    tell(&serde_json::json!({"hostile_worst_mb": worst.1, "input": worst.0}));
}

/// Compiles one input, and says how many megabytes (10⁶ bytes) this process has had at most.
fn measure(name: &str) {
    let input = inputs::HOSTILE.into_iter().find(|i| i.name == name).expect("an input of that name");
    let bytes = (input.make)();
    let compiled = compile(Source { name: "chain.yaml", bytes: &bytes }, &small::small());
    let status = std::fs::read_to_string("/proc/self/status").expect("Linux keeps the high-water mark");
    let line = status.lines().find_map(|l| l.strip_prefix("VmHWM:")).expect("a line of that name");
    let kib: f64 = line.trim().trim_end_matches(" kB").parse().expect("a number");
    drop(compiled);
    tell(&serde_json::json!((kib * 1.024).round() / 1000.0));
}

#[expect(clippy::print_stdout, reason = "what this program is for")]
fn tell(value: &serde_json::Value) {
    println!("{value}");
}
