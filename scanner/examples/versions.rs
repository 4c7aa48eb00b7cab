//! Version orders against the tables of other scanners and the programs at hand, in figures.
//! `cargo xtask corpus versions` starts it.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "figures are what is asked for")]

use std::{path::PathBuf, process::ExitCode};

use patchline_scanner::version::Order;
use serde_json::{Value, json};

#[path = "../src/version/tests/oracles.rs"]
mod oracles;
#[path = "../src/version/tests/pairs.rs"]
mod pairs;
#[path = "../src/version/tests/vectors.rs"]
mod vectors;

/// What is asked for.
struct Wanted {
    /// None: where the shared data folder usually lies.
    data: Option<PathBuf>,
    /// How many pairs each program is asked about.
    pairs: usize,
    seed: u64,
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
    let mut wanted = Wanted { data: None, pairs: 10_000, seed: 1, json: false };
    let mut arguments = std::env::args().skip(1);
    while let Some(name) = arguments.next() {
        let mut value = || arguments.next().ok_or_else(|| format!("{name} wants a value"));
        let number = |text: String| text.parse().map_err(|_| format!("{text} is no number"));
        match name.as_str() {
            "--data" => wanted.data = Some(value()?.into()),
            "--pairs" => wanted.pairs = usize::try_from(number(value()?)?).unwrap_or(usize::MAX),
            "--seed" => wanted.seed = number(value()?)?,
            "--json" => wanted.json = true,
            _ => return Err(format!("what is {name}?")),
        }
    }
    Ok(wanted)
}

/// Whether all is as it should be.
fn run(wanted: &Wanted) -> Result<bool, String> {
    let tables = match &wanted.data {
        Some(folder) => vectors::read(folder),
        None => vectors::at_hand(),
    };
    let tables = tables.ok_or("no version tables: name the data folder with --data DIR")?;
    let vectors = vectors::all(&tables);
    let (orders, missed) = against_tables(&vectors);
    let (programs, differed) = against_programs(wanted);
    if wanted.json {
        println!("{}", json!({"orders": orders, "programs": programs}));
    }
    Ok(!missed && !differed)
}

/// Figures of each order, and whether a miss has no reason.
fn against_tables(vectors: &[vectors::Vector]) -> (Vec<Value>, bool) {
    let (mut figures, mut missed) = (Vec::new(), false);
    eprintln!("{:<10} {:>8} {:>8} {:>10} {:>12}", "order", "vectors", "hits", "explained", "unexplained");
    for order in Order::ALL {
        let of = vectors.iter().filter(|v| v.order == order);
        let misses: Vec<_> = of.clone().filter(|v| !v.holds()).collect();
        let (all, explained) = (of.count(), misses.iter().filter(|v| v.reason().is_some()).count());
        let unexplained = misses.len() - explained;
        eprintln!(
            "{:<10} {all:>8} {:>8} {explained:>10} {unexplained:>12}",
            order.name(),
            all - misses.len()
        );
        for miss in &misses {
            eprintln!("    {}: {}", miss.name(), miss.reason().unwrap_or("UNEXPLAINED"));
        }
        missed |= unexplained > 0;
        let misses: Vec<_> =
            misses.iter().map(|m| json!({"claim": m.name(), "reason": m.reason()})).collect();
        figures.push(
            json!({"order": order.name(), "vectors": all, "hits": all - misses.len(), "misses": misses}),
        );
    }
    (figures, missed)
}

/// Figures of each program, and whether one says otherwise.
fn against_programs(wanted: &Wanted) -> (Vec<Value>, bool) {
    let (mut figures, mut differed) = (Vec::new(), false);
    for oracle in oracles::ALL {
        let mut random = pairs::Random::new(wanted.seed);
        let pairs: Vec<_> = (0..oracle.of(wanted.pairs)).map(|_| random.pair(oracle.order)).collect();
        let Some(answers) = oracle.ask(&pairs).filter(|answers| answers.len() == pairs.len()) else {
            eprintln!("skipped: this machine has no {}", oracle.name);
            figures.push(json!({"program": oracle.name, "order": oracle.order.name(), "skipped": true}));
            continue;
        };
        let judged = answers.iter().flatten().count();
        let otherwise: Vec<_> = pairs
            .iter()
            .zip(&answers)
            .filter(|((a, b), said)| said.is_some_and(|said| oracle.order.compare(a, b) != said))
            .collect();
        eprintln!(
            "{} asked about {} pairs: judged {judged}, {} otherwise",
            oracle.name,
            pairs.len(),
            otherwise.len()
        );
        for ((a, b), said) in otherwise.iter().take(20) {
            eprintln!("    {a} and {b}: {said:?}");
        }
        differed |= !otherwise.is_empty();
        figures.push(json!({"program": oracle.name, "order": oracle.order.name(), "pairs": pairs.len(),
            "judged": judged, "otherwise": otherwise.len()}));
    }
    (figures, differed)
}
