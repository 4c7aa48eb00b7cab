//! What new advisories cost: stored inventories matched again, those that an update touches and all of them; and what an
//! inventory takes on disk.
//!
//! `cargo xtask bench rematch` starts it. The images are made up of the names and versions that real advisories have,
//! read from a folder in the OSV bucket's layout.

#![expect(clippy::unwrap_used, reason = "a bench that cannot go on fails")]
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "figures are what is asked for")]
#![expect(clippy::disallowed_methods, reason = "time is what is measured")]

mod corpus;
mod images;
mod judge;
mod place;
#[path = "../../../tests/src/postgres.rs"]
#[expect(dead_code, unreachable_pub, reason = "the testkit's, whole")]
mod postgres;
#[path = "../../../tests/src/process.rs"]
#[expect(unreachable_pub, reason = "the testkit's, whole")]
mod process;

use std::{
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Instant,
};

use futures::{StreamExt as _, stream};
use patchline_registry::Digest;
use patchline_scanner::{
    advisories::{
        AdvisorySet, Touched,
        update::{Origin, update},
    },
    rematch::Matcher,
};
use serde_json::{Value, json};

use self::{corpus::Corpus, images::Images, place::Place};

/// Inventories that are read at once.
const BATCH: usize = 500;
/// Inventories that are written at once.
const AT_ONCE: usize = 8;
/// Packages that the update touches.
const TOUCHED: usize = 200;

/// What the command line says. Cargo adds `--bench`, which says nothing.
struct Arguments(Vec<String>);

impl Arguments {
    fn has(&self, flag: &str) -> bool {
        self.0.iter().any(|a| a == flag)
    }
    fn value(&self, flag: &str) -> Option<&str> {
        let at = self.0.iter().position(|a| a == flag)?;
        self.0.get(at + 1).map(String::as_str)
    }
}

fn main() {
    let arguments = Arguments(std::env::args().skip(1).collect());
    let roots =
        ["../shared/data/osv", "../../shared/data/osv", "../../../shared/data/osv"].map(PathBuf::from);
    let named = arguments.value("--data").map(PathBuf::from);
    let Some(data) = named.or_else(|| roots.into_iter().find(|root| root.is_dir())) else {
        println!("{}", json!({"skipped": "say where the records are by --data DIR"}));
        return;
    };
    let count = arguments.value("--inventories").map_or(100_000, |n| n.parse().unwrap());
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let figures = runtime.block_on(figures(&data, count, arguments.value("--store").unwrap_or("sqlite")));
    if arguments.has("--json") {
        println!("{figures}");
    } else {
        for (name, value) in figures.as_object().into_iter().flatten() {
            println!("{name:24} {value}");
        }
    }
}

async fn figures(data: &Path, count: usize, store: &str) -> Value {
    let folder = tempfile::tempdir().unwrap();
    let advisories = folder.path().join("advisories");
    std::fs::create_dir_all(&advisories).unwrap();
    eprintln!("compiling the advisories");
    let before = load(&advisories, data, "2026-01-01T00:00:00Z").await;
    let corpus = Corpus::read(data);
    let images = Arc::new(Images::new(&corpus));
    let place = Place::open(store, folder.path()).await;
    let (empty, started) = (place.bytes().await, Instant::now());
    let made: Vec<Digest> = stream::iter(0..count)
        .map(|n| {
            let (images, place) = (images.clone(), &place);
            async move {
                if n % 5_000 == 0 {
                    eprintln!("{n} inventories of {count} are kept");
                }
                let inventory = images.make(n);
                place.store.put_inventory(&inventory).await.unwrap();
                inventory.image
            }
        })
        .buffered(AT_ONCE)
        .collect()
        .await;
    let fill_s = started.elapsed().as_secs_f64();
    let bytes = (place.bytes().await - empty) / count.max(1) as f64;

    let (changed, expected) = corpus.update(data, TOUCHED);
    let after = load(&advisories, changed.path(), "2026-01-02T00:00:00Z").await;
    let made: Arc<[Digest]> = made.into();

    // From the moment at which the new set is there.
    let started = Instant::now();
    let open = |revision: &str| AdvisorySet::open_revision(&advisories, revision).unwrap();
    let (old, new) = (open(&before), open(&after));
    let touched = tokio::task::block_in_place(|| new.touched_since(&old).unwrap());
    let compare_s = started.elapsed().as_secs_f64();
    let hit = rematch(&place, &made, Some(&touched), &open(&after)).await;
    let touched_s = started.elapsed().as_secs_f64();
    assert_eq!(touched, expected, "what is touched is what was changed");

    let started = Instant::now();
    let all = rematch(&place, &made, None, &open(&after)).await;
    let full_s = started.elapsed().as_secs_f64();
    assert_eq!(all.inventories, count);

    let sampled = judge::hold(&place, &images, &made, &touched, (&old, &new)).await;
    json!({
        "rematch_touched_s": rounded(touched_s),
        "rematch_full_s": rounded(full_s),
        "bytes_per_image": rounded(bytes),
        "inventories": count,
        "touched_packages": touched.len(),
        "touched_inventories": hit.inventories,
        "touched_findings": hit.findings,
        "findings": all.findings,
        "compare_s": rounded(compare_s),
        "fill_s": rounded(fill_s),
        "packages_per_image": rounded(all.packages as f64 / count.max(1) as f64),
        "sampled": sampled,
        "store": store,
        "resident_mb": rounded(resident_mb()),
    })
}

/// Loads a folder in the bucket's layout; the revision.
async fn load(advisories: &Path, data: &Path, now: &str) -> String {
    update(advisories, &Origin::Folder(data.to_owned()), now).await.unwrap();
    AdvisorySet::newest(advisories).unwrap().unwrap()
}

/// What was matched.
#[derive(Debug, Default, Clone, Copy)]
struct Done {
    inventories: usize,
    packages: usize,
    findings: usize,
}

/// On every core: a batch is read, then matched.
async fn rematch(place: &Place, made: &Arc<[Digest]>, only: Option<&Touched>, set: &AdvisorySet) -> Done {
    let matcher = Arc::new(Matcher::new(vec![set.clone()]));
    let next = Arc::new(AtomicUsize::new(0));
    let lanes = std::thread::available_parallelism().map_or(1, usize::from);
    let work = (0..lanes).map(|_| {
        let (matcher, next, made) = (matcher.clone(), next.clone(), made.clone());
        let mut reading = place.store.reading(only.cloned());
        tokio::spawn(async move {
            let mut done = Done::default();
            loop {
                let from = next.fetch_add(BATCH, Ordering::Relaxed).min(made.len());
                let batch = &made[from..(from + BATCH).min(made.len())];
                if batch.is_empty() {
                    return done;
                }
                for inventory in reading.some(batch).await.unwrap() {
                    let findings = matcher.findings(&inventory);
                    done.inventories += 1;
                    done.packages += inventory.packages.len();
                    done.findings += findings.iter().map(|(known, _)| known.len()).sum::<usize>();
                }
            }
        })
    });
    let mut all = Done::default();
    for lane in work.collect::<Vec<_>>() {
        let done = lane.await.unwrap();
        all.inventories += done.inventories;
        all.packages += done.packages;
        all.findings += done.findings;
    }
    assert_eq!(set.fault(), None);
    all
}

/// `VmHWM` of proc_pid_status(5); 0 where the system has no such file.
fn resident_mb() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|l| l.strip_prefix("VmHWM:"));
    let kilobytes = line.and_then(|l| l.trim().strip_suffix(" kB")?.parse::<f64>().ok());
    kilobytes.unwrap_or(0.0) / 1024.0
}

fn rounded(figure: f64) -> Value {
    ((figure * 100.0).round() / 100.0).into()
}
