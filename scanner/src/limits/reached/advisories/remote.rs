//! The bucket's layout over HTTP.

use super::{NOW, Row, folders, load, record, wait, zip};
use crate::{
    advisories::update::{Origin, update},
    limits::reached::{
        peer::{Pace, Peer},
        row,
    },
};

pub(super) fn rows() -> Vec<Row> {
    vec![
        row(
            ("advisories", "download"),
            100,
            "the size of an advisory download exceeds the limit of 100",
            || listed("npm\n"),
        ),
        row(("advisories", "ecosystem-list"), 3, "it sends more than 3 bytes", || listed("npm\n")),
        row(("advisories", "ecosystems"), 1, "names 2 ecosystems that we match", || listed("npm\nPyPI\n")),
        // In place of the changes the whole archive is read.
        row(("advisories", "change-list"), 60, ASKED, changed),
        row(("advisories", "changes"), 1, ASKED, changed),
        row(("advisories", "record"), 230, ASKED, changed),
        row(("advisories", "connect-seconds"), 1, "it takes too long", || paced(Pace::Connect)),
        row(("advisories", "idle-seconds"), 1, "it takes too long", || paced(Pace::Idle)),
        row(("advisories", "seconds"), 1, "it takes too long", || paced(Pace::Trickle)),
    ]
}

const ASKED: &str = "and npm/all.zip;";

fn bucket(peer: &Peer, ecosystems: &[&str]) -> Origin {
    let ecosystems = ecosystems.iter().map(|e| (*e).to_owned()).collect();
    Origin::Bucket { base: peer.base.clone(), ecosystems }
}

/// Loads all ecosystems that a bucket names.
fn listed(names: &str) -> String {
    let (_, folder) = folders();
    let runtime = tokio::runtime::Runtime::new().expect("runtime");
    let archive = zip(&[record("GHSA-1", "a")]);
    let files = [
        ("ecosystems.txt", names.as_bytes().to_vec()),
        ("npm/all.zip", archive.clone()),
        ("PyPI/all.zip", zip(&[record("GHSA-2", "b").replace("npm", "PyPI")])),
    ];
    let peer = runtime.block_on(Peer::start(Pace::Quick, &files));
    load(folder.path(), &bucket(&peer, &[]))
}

/// Loads an archive, and a day later what has changed: two records, the second of them longer than any in the archive.
fn changed() -> String {
    let (_, folder) = folders();
    wait(async {
        let peer = Peer::start(Pace::Quick, &[("npm/all.zip", zip(&[record("GHSA-1", "a")]))]).await;
        let origin = bucket(&peer, &["npm"]);
        let first = update(folder.path(), &origin, "2026-01-03T00:00:00Z").await;
        peer.asked();
        let list = "2026-01-02T00:00:00Z,GHSA-2\n2026-01-02T00:00:00Z,GHSA-3\n2024-01-01T00:00:00Z,GHSA-1\n";
        peer.put("npm/modified_id.csv", list.into());
        peer.put("npm/GHSA-2.json", record("GHSA-2", "b").into());
        peer.put("npm/GHSA-3.json", record("GHSA-3", &"c".repeat(100)).into());
        let second = update(folder.path(), &origin, "2026-01-04T00:00:00Z").await;
        let asked = peer.asked();
        format!(
            "{:?} {:?} asked for{};",
            first.is_ok(),
            second.is_ok(),
            asked.iter().map(|path| format!(" and {path};")).collect::<String>()
        )
    })
}

/// Loads one ecosystem from a peer that takes its time.
fn paced(pace: Pace) -> String {
    let (_, folder) = folders();
    wait(async {
        let peer = Peer::start(pace, &[("npm/all.zip", zip(&[record("GHSA-1", "a")]))]).await;
        match update(folder.path(), &bucket(&peer, &["npm"]), NOW).await {
            Ok(sources) => format!("advisories={};", sources[0].advisories),
            Err(error) => error.to_string(),
        }
    })
}
