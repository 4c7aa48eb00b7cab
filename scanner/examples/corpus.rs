//! What others expect of packages and of matching, against what is read here, in figures.
//! `cargo xtask corpus packages|matching` starts it.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "figures are what is asked for")]

use std::{path::PathBuf, process::ExitCode};

use patchline_scanner::corpus::{self, Figures};
use serde_json::json;

/// Misses of one set that are shown.
const SHOWN: usize = 20;

/// What is asked for.
struct Wanted {
    /// `packages` or `matching`.
    what: String,
    /// None: where the shared data folder usually lies.
    data: Option<PathBuf>,
    json: bool,
}

fn main() -> ExitCode {
    match wanted().and_then(|wanted| run(&wanted)) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(message) => {
            eprintln!("error: {message}");
            ExitCode::FAILURE
        }
    }
}

fn wanted() -> Result<Wanted, String> {
    let mut arguments = std::env::args().skip(1);
    let what = arguments.next().ok_or("packages or matching?")?;
    let mut wanted = Wanted { what, data: None, json: false };
    while let Some(name) = arguments.next() {
        match name.as_str() {
            "--data" => wanted.data = Some(arguments.next().ok_or("--data wants a value")?.into()),
            "--json" => wanted.json = true,
            _ => return Err(format!("what is {name}?")),
        }
    }
    Ok(wanted)
}

/// Whether every miss has its reason.
fn run(wanted: &Wanted) -> Result<bool, String> {
    let data =
        corpus::data(wanted.data.as_deref()).ok_or("no shared data: name its folder with --data DIR")?;
    let all = match wanted.what.as_str() {
        "packages" => corpus::packages(&data)?,
        "matching" => corpus::matching(&data)?,
        other => return Err(format!("what is {other}?")),
    };
    eprintln!("{:<36} {:>8} {:>9} {:>8} {:>7} {:>7}", "set", "cases", "packages", "hits", "named", "misses");
    all.iter().for_each(show);
    let sum = |count: fn(&Figures) -> usize| all.iter().map(count).sum::<usize>();
    let unstaged = sum(|f| f.unstaged.len());
    let (cases, packages, hits) = (sum(|f| f.cases), sum(|f| f.packages), sum(|f| f.hits));
    let (named, misses) = (sum(Figures::named), sum(|f| f.misses.len()));
    eprintln!("{:<36} {cases:>8} {packages:>9} {hits:>8} {named:>7} {misses:>7}", "all");
    if unstaged > 0 {
        eprintln!("{unstaged} more expectations are about files that the folder does not have");
    }
    if wanted.json {
        println!(
            "{}",
            json!({"cases": cases, "packages": packages, "hits": hits, "misses": misses,
                "named_misses": named, "unstaged": unstaged})
        );
    }
    Ok(all.iter().all(Figures::holds))
}

fn show(f: &Figures) {
    let (named, misses) = (f.named(), f.misses.len());
    eprintln!("{:<36} {:>8} {:>9} {:>8} {named:>7} {misses:>7}", f.set, f.cases, f.packages, f.hits);
    for (reason, cases) in &f.named {
        eprintln!("    {} × {reason}", cases.len());
        if cases.len() <= 3 {
            cases.iter().for_each(|case| eprintln!("        {case}"));
        }
    }
    f.misses.iter().take(SHOWN).for_each(|miss| eprintln!("    MISSED: {miss}"));
    f.stale.iter().for_each(|reason| eprintln!("    NO LONGER MISSED: {reason}"));
}
