//! Fixing's speed, memory and weight beside buildah's, whole processes each, on images that are built here and kept.
//!
//! `cargo xtask bench fix` starts it. Needs root, mmdebstrap, docker-registry and buildah. Packages are in the cache
//! of each before anything is measured; a release file is asked of the mirror in every fix, as always.

#![expect(clippy::unwrap_used, reason = "a bench that cannot go on fails")]
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "figures are what is asked for")]
#![expect(clippy::disallowed_methods, reason = "time is what is measured")]

mod buildah;
mod changed;
#[path = "../scan/contents.rs"]
mod contents;
mod fixing;
#[expect(dead_code, reason = "bench scan builds other images")]
#[path = "../scan/image.rs"]
mod image;
#[expect(dead_code, reason = "bench scan warms the page cache")]
#[path = "../scan/process.rs"]
mod process;

use std::path::{Path, PathBuf};

use patchline_tests::{
    arguments::Arguments,
    distribution::{DockerRegistry, free_port},
};
use serde_json::{Value, json};

use fixing::{BOOKWORM, BULLSEYE, Done, Executor, Place};

fn main() {
    let arguments = Arguments::known(&["--json", "--no-peers"], &["--images", "--runs"]);
    let folder = match arguments.value("--images") {
        Some(folder) => PathBuf::from(folder),
        None => Path::new(env!("CARGO_TARGET_TMPDIR")).join("fix"),
    };
    let runs = arguments.number("--runs", 3) as usize;
    let figures = figures(&folder, runs, arguments.has("--no-peers"));
    if arguments.has("--json") {
        println!("{figures}");
    }
}

/// One of each; the peer is run as often as we are.
struct Round {
    ours: Done,
    known: Done,
    /// Packages as they were downloaded.
    packed: Done,
    bullseye: Done,
    bullseye_known: Done,
    /// By the image's own dpkg.
    sandbox: Done,
    bullseye_sandbox: Done,
    buildah: Option<buildah::Done>,
}

fn figures(folder: &Path, runs: usize, alone: bool) -> Value {
    std::fs::create_dir_all(folder).unwrap();
    // What is pushed takes room, and goes; a blob that was there already would cost nothing to push.
    let work = tempfile::tempdir_in(folder).unwrap();
    let registry = DockerRegistry::start(work.path(), free_port(), None);
    let bookworm = Place::prepare(folder, work.path(), &registry.address, &BOOKWORM);
    let bullseye = Place::prepare(folder, work.path(), &registry.address, &BULLSEYE);
    let peer = (!alone).then(|| buildah::Peer::prepare(work.path(), &bookworm));
    // In turn, not one after the other: a machine that slows down slows all of them.
    let mut all: Vec<Round> = Vec::new();
    for n in 0..runs {
        all.push(Round {
            ours: bookworm.fix(&format!("unknown-{n}"), fixing::Facts::None, None),
            known: bookworm.fix(&format!("known-{n}"), fixing::Facts::OfTheImage, None),
            packed: bookworm.fix(&format!("packed-{n}"), fixing::Facts::NoneAndPacked, None),
            bullseye: bullseye.fix(&format!("unknown-{n}"), fixing::Facts::None, None),
            bullseye_known: bullseye.fix(&format!("known-{n}"), fixing::Facts::OfTheImage, None),
            sandbox: bookworm.fix_by(
                Executor::Sandbox,
                &format!("sandbox-{n}"),
                fixing::Facts::OfTheImage,
                None,
            ),
            bullseye_sandbox: bullseye.fix_by(
                Executor::Sandbox,
                &format!("sandbox-{n}"),
                fixing::Facts::OfTheImage,
                None,
            ),
            buildah: peer.as_ref().map(|peer| peer.upgrade(&bookworm, n)),
        });
    }
    // The same digest on one core as on all of them, and whatever was known before.
    let single = bookworm.fix("single", fixing::Facts::None, Some(0));
    for done in all.iter().flat_map(|round| [&round.ours, &round.known, &round.packed]) {
        assert_eq!(done.digest, single.digest, "a fix depends on how it is run");
    }
    for done in all.iter().flat_map(|round| [&round.bullseye, &round.bullseye_known]) {
        assert_eq!(done.digest, all[0].bullseye.digest, "a fix depends on how it is run");
    }
    let weight = peer.as_ref().map(|peer| peer.weigh(&bookworm, &single));
    table(&all, &single, weight)
}

/// Medians, for a person on standard error.
fn table(all: &[Round], single: &Done, weight: Option<(u64, u64)>) -> Value {
    let median = |of: &dyn Fn(&Round) -> Option<f64>| {
        let mut values: Vec<f64> = all.iter().filter_map(of).collect();
        values.sort_by(f64::total_cmp);
        values.get(values.len() / 2).map_or(Value::Null, |v| json!((v * 1e3).round() / 1e3))
    };
    let peak = all
        .iter()
        .flat_map(|r| [&r.ours, &r.known, &r.bullseye, &r.bullseye_known])
        .map(|done| done.measured.peak_mb)
        .fold(0.0, f64::max);
    let figures = json!({
        "ours_s": median(&|r| Some(r.ours.measured.seconds)),
        "ours_known_s": median(&|r| Some(r.known.measured.seconds)),
        "ours_packed_s": median(&|r| Some(r.packed.measured.seconds)),
        "ours_cpu_s": median(&|r| Some(r.ours.measured.processor)),
        "ours_known_cpu_s": median(&|r| Some(r.known.measured.processor)),
        "ours_single_s": (single.measured.seconds * 1e3).round() / 1e3,
        "ours_rss_mb": (peak * 10.0).round() / 10.0,
        "bullseye_s": median(&|r| Some(r.bullseye.measured.seconds)),
        "bullseye_known_s": median(&|r| Some(r.bullseye_known.measured.seconds)),
        "sandbox_known_s": median(&|r| Some(r.sandbox.measured.seconds)),
        "bullseye_sandbox_known_s": median(&|r| Some(r.bullseye_sandbox.measured.seconds)),
        "bullseye_sandbox_upgrades": all.first().map(|r| r.bullseye_sandbox.upgrades.len()),
        "bullseye_cpu_s": median(&|r| Some(r.bullseye.measured.processor)),
        "upgrades": all.first().map(|r| r.ours.upgrades.len()),
        "bullseye_upgrades": all.first().map(|r| r.bullseye.upgrades.len()),
        "buildah_s": median(&|r| r.buildah.as_ref().map(buildah::Done::seconds)),
        "buildah_from_s": median(&|r| r.buildah.as_ref().map(|b| b.from)),
        "buildah_run_s": median(&|r| r.buildah.as_ref().map(|b| b.run)),
        "buildah_commit_s": median(&|r| r.buildah.as_ref().map(|b| b.commit)),
        "buildah_push_s": median(&|r| r.buildah.as_ref().map(|b| b.push)),
        "layer_bytes": weight.map(|(layer, _)| layer),
        "changed_bytes": weight.map(|(_, changed)| changed),
    });
    for (name, value) in figures.as_object().unwrap() {
        eprintln!("{name:18} {value}");
    }
    figures
}
