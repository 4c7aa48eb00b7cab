//! The scanner's speed and memory beside its peers', whole processes each, on images that are built here and kept.
//!
//! `cargo xtask bench scan` starts it. It starts itself again as the floor that all are held against: a bare walk.
//! Needs root and mmdebstrap for the images, pip and npm for what fills them and for the peers.

#![expect(clippy::unwrap_used, reason = "a bench that cannot go on fails")]
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "figures are what is asked for")]
#![expect(clippy::disallowed_methods, reason = "time is what is measured")]

mod agree;
mod contents;
mod floor;
mod image;
mod peers;
mod process;

use std::{
    path::{Path, PathBuf},
    process::Command,
};

use patchline_tests::arguments::Arguments;
use serde_json::{Value, json};

use process::Measured;

fn main() {
    let words = Arguments::of_process();
    if words.word(0) == Some("floor") {
        println!("{}", floor::walk(Path::new(words.word(1).unwrap())));
        return;
    }
    let arguments = Arguments::known(&["--json", "--no-peers"], &["--images", "--runs"]);
    let folder = match arguments.value("--images") {
        Some(folder) => PathBuf::from(folder),
        None => Path::new(env!("CARGO_TARGET_TMPDIR")).join("scan"),
    };
    let runs = arguments.number("--runs", 3) as usize;
    let figures = figures(&folder, runs, arguments.has("--no-peers"));
    if arguments.has("--json") {
        println!("{figures}");
    }
}

fn figures(folder: &Path, runs: usize, alone: bool) -> Value {
    std::fs::create_dir_all(folder).unwrap();
    let (small, big) = (image::small(folder), image::big(folder));
    let syft = (!alone).then(|| peers::syft(folder));
    let trivy = (!alone).then(|| peers::trivy(folder));
    for image in [&small, &big] {
        process::warm_page_cache(image);
    }
    let out = folder.join("reports");
    std::fs::create_dir_all(&out).unwrap();
    // In turn, not one after the other: a machine that slows down slows all of them.
    let mut all: Vec<Round> = Vec::new();
    for _ in 0..runs {
        let data = tempfile::tempdir().unwrap();
        all.push(Round {
            floor: process::run(&mut floor::command(&big), None),
            cold: process::run(&mut ours(&big, data.path()), Some(&out.join("patchline.json"))),
            warm: process::run(&mut ours(&big, data.path()), None),
            small: process::run(&mut ours(&small, tempfile::tempdir().unwrap().path()), None),
            syft: syft.as_ref().map(|p| process::run(&mut p.command(&big), Some(&out.join("syft.json")))),
            trivy: trivy.as_ref().map(|p| process::run(&mut p.command(&big), Some(&out.join("trivy.json")))),
        });
    }
    let mut figures = table(&all);
    if !alone {
        let (both, syft, trivy) = agree::compare(&out);
        figures["missed_of_both"] = both.into();
        figures["syft_alone"] = syft.into();
        figures["trivy_alone"] = trivy.into();
    }
    figures
}

/// One of each.
struct Round {
    floor: Measured,
    cold: Measured,
    warm: Measured,
    small: Measured,
    syft: Option<Measured>,
    trivy: Option<Measured>,
}

/// Cataloguing and matching, without a word over the network.
fn ours(image: &Path, data: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_patchline"));
    command.arg("--data").arg(data).arg("scan").arg(format!("oci:{}", image.display()));
    command.args(["--offline", "--output", "cyclonedx"]);
    command
}

/// Medians, for a person on standard error.
fn table(all: &[Round]) -> Value {
    let median = |of: &dyn Fn(&Round) -> Option<f64>| {
        let mut values: Vec<f64> = all.iter().filter_map(of).collect();
        values.sort_by(f64::total_cmp);
        values.get(values.len() / 2).map_or(Value::Null, |v| json!((v * 1e3).round() / 1e3))
    };
    let figures = json!({
        "floor_s": median(&|r| Some(r.floor.seconds)),
        "ours_cold_s": median(&|r| Some(r.cold.seconds)),
        "ours_warm_s": median(&|r| Some(r.warm.seconds)),
        "ours_rss_mb": median(&|r| Some(r.cold.peak_mb)),
        "ours_cpu_s": median(&|r| Some(r.cold.processor)),
        "floor_cpu_s": median(&|r| Some(r.floor.processor)),
        "trivy_cold_s": median(&|r| r.trivy.as_ref().map(|m| m.seconds)),
        "trivy_rss_mb": median(&|r| r.trivy.as_ref().map(|m| m.peak_mb)),
        "syft_cold_s": median(&|r| r.syft.as_ref().map(|m| m.seconds)),
        "syft_rss_mb": median(&|r| r.syft.as_ref().map(|m| m.peak_mb)),
        "small_cold_s": median(&|r| Some(r.small.seconds)),
    });
    for (name, value) in figures.as_object().unwrap() {
        eprintln!("{name:14} {value}");
    }
    figures
}
