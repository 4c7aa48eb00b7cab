//! Each limit is reached: the same is done twice, in processes of their own, under the usual limits and under one that is
//! lower; only the second may say that something was too much.

mod adapters;
mod advisories;
mod documents;
mod image;
mod languages;
mod layers;
mod packages;
mod peer;
mod sbom;

use std::{collections::BTreeSet, process::Command, sync::Mutex, thread};

use super::{Limits, set};

/// One limit's proof.
pub(super) struct Row {
    /// Its room and its name.
    pub(super) limit: (&'static str, &'static str),
    /// What it is lowered to.
    pub(super) low: u64,
    /// Limits that are lower both times, so that this one is the one that counts.
    pub(super) beside: &'static [(&'static str, &'static str, u64)],
    /// What the outcome says under the lower limit, and under the usual one does not.
    pub(super) says: &'static str,
    /// Does it and gives the outcome.
    pub(super) work: fn() -> String,
}

/// A limit that counts by itself.
pub(super) const fn row(
    limit: (&'static str, &'static str),
    low: u64,
    says: &'static str,
    work: fn() -> String,
) -> Row {
    Row { limit, low, beside: &[], says, work }
}

fn rows() -> Vec<Row> {
    let all = [
        image::rows(),
        layers::rows(),
        packages::rows(),
        languages::rows(),
        sbom::rows(),
        advisories::rows(),
        adapters::rows(),
        documents::rows(),
    ];
    all.into_iter().flatten().collect()
}

/// Something that has a value is said to be unknown when it has none.
pub(super) fn known(text: &str, what: &str) -> String {
    if text.contains(what) { format!("has {what}") } else { format!("unknown in {text}") }
}

/// Runs a future to its end.
pub(super) fn wait<F: Future>(future: F) -> F::Output {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    runtime.expect("runtime").block_on(future)
}

const ROW: &str = "PATCHLINE_TEST_LIMIT";
const OUTCOME: &str = "outcome of the limit: ";

/// Begins a process that does a row's work; `room.name=value` for each limit that is not the usual one.
fn outcome(at: usize, changes: &[(&str, &str, u64)]) -> String {
    let changes: Vec<String> =
        changes.iter().map(|(room, name, value)| format!("{room}.{name}={value}")).collect();
    let mut command = Command::new(std::env::current_exe().expect("this program"));
    command.args(["--exact", "limits::reached::one_limit", "--ignored", "--nocapture"]);
    let output = command.env(ROW, format!("{at};{}", changes.join(","))).output().expect("starts");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    match text.split_once(OUTCOME) {
        Some((_, outcome)) => outcome.lines().next().unwrap_or_default().to_owned(),
        None => panic!("row {at} {changes:?}: {text}{}", String::from_utf8_lossy(&output.stderr)),
    }
}

#[test]
#[ignore = "each_limit_is_reached starts it, in processes of its own"]
fn one_limit() {
    let asked = std::env::var(ROW).expect("what to do");
    let (at, changes) = asked.split_once(';').expect("a row and limits");
    let mut limits = Limits::default();
    for change in changes.split(',').filter(|c| !c.is_empty()) {
        let (limit, value) = change.split_once('=').expect("a value");
        let (room, name) = limit.split_once('.').expect("a room");
        limits.change(room, name, value.parse().expect("a number")).expect("a limit");
    }
    set(limits).expect("nothing was read yet");
    let outcome = (rows()[at.parse::<usize>().expect("a number")].work)();
    println!("\n{OUTCOME}{}", outcome.replace('\n', " "));
}

#[test]
fn each_limit_is_reached() {
    let rows = rows();
    let there: BTreeSet<String> = Limits::default()
        .rooms()
        .into_iter()
        .flat_map(|(room, limits)| limits.into_iter().map(move |l| format!("{room}.{}", l.name)))
        .collect();
    let reached: Vec<String> = rows.iter().map(|r| format!("{}.{}", r.limit.0, r.limit.1)).collect();
    let (wrong, next) = (Mutex::new(Vec::new()), Mutex::new(0..rows.len()));
    let work = || {
        loop {
            let Some(at) = next.lock().expect("lock").next() else { return };
            let Row { limit: (room, name), low, beside, says, .. } = rows[at];
            let usual = outcome(at, beside);
            let lowered = outcome(at, &[beside, &[(room, name, low)]].concat());
            if usual.contains(says) || !lowered.contains(says) {
                let text = format!("{room}.{name}, {says:?}:\n  usual   {usual}\n  lowered {lowered}");
                wrong.lock().expect("lock").push(text);
            }
        }
    };
    thread::scope(|scope| (0..4).for_each(|_| drop(scope.spawn(work))));
    let wrong = wrong.into_inner().expect("lock");
    assert!(wrong.is_empty(), "{} rows are wrong:\n{}", wrong.len(), wrong.join("\n"));
    let reached: BTreeSet<String> = reached.into_iter().collect();
    let without: Vec<_> = there.difference(&reached).collect();
    assert!(without.is_empty(), "no test reaches {without:?}");
}
