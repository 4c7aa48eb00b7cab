//! `cargo xtask test|check|bench|chaos|corpus|matrix|fuzz`: the developer's commands.

mod bench;
mod chaos;
mod check;
mod corpus;
mod fuzz;
mod matrix;
mod programs;
mod suites;
mod test;

use std::process::ExitCode;

use clap::Parser;

/// The developer's commands.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask")]
enum Command {
    /// Install what the suites need, where that can be done, and run every test
    Test(test::Test),
    /// Check licences, bans and sources of the dependency tree against deny.toml
    Check,
    /// Measure what docs/performance.md records, one room at a time
    Bench(bench::Bench),
    /// Kill, cut off and starve what runs, and count what was lost by it
    Chaos(chaos::Chaos),
    /// Hold what reads strangers' data against what others say of the same data
    Corpus(corpus::Corpus),
    /// Mend images in every shape, and look at them from the inside
    Matrix(matrix::Matrix),
    /// Feed the scanner's readers with bytes that nobody would write, and count what breaks
    Fuzz(fuzz::Fuzz),
}

fn main() -> ExitCode {
    let ended = match Command::parse() {
        Command::Test(test) => test.run(),
        Command::Check => check::run(),
        Command::Bench(bench) => bench.run(),
        Command::Chaos(chaos) => chaos.run(),
        Command::Corpus(corpus) => corpus.run(),
        Command::Matrix(matrix) => matrix.run(),
        Command::Fuzz(fuzz) => fuzz.run(),
    };
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            say(&format!("error: {message}"));
            ExitCode::FAILURE
        }
    }
}

/// The one place that prints.
#[expect(clippy::print_stderr, reason = "a developer's command talks to its developer")]
fn say(text: &str) {
    eprintln!("{text}");
}
