//! Other scanners, as programs and over the network.

use std::{os::unix::fs::PermissionsExt as _, time::Duration};

use serde_json::{Value, json};

use super::{
    Row,
    peer::{Pace, Peer},
    row, wait,
};
use crate::{
    Report,
    adapters::{
        Adapter, Program, Result, Subject,
        grype::{Grype, Settings},
        harbor,
        testdata::{self, Lab},
    },
};

pub(super) fn rows() -> Vec<Row> {
    vec![
        row(("adapters", "report"), 30, "the size of its report exceeds the limit of 30", || grype(one())),
        row(("adapters", "report"), 20, "the size of its answer exceeds the limit of 20", || {
            harbor(Pace::Quick)
        }),
        row(("adapters", "answer"), 20, "the size of its answer exceeds the limit of 20", || {
            harbor(Pace::Quick)
        }),
        row(("adapters", "findings"), 1, "the number of its findings exceeds the limit of 1", || {
            let mut other = one();
            other["vulnerability"]["id"] = json!("CVE-2024-2");
            of(&[one(), other])
        }),
        row(("adapters", "aliases"), 1, "CVE-2024-1 aliases=1;", || {
            let mut one = one();
            one["vulnerability"]["id"] = json!("GHSA-1");
            one["relatedVulnerabilities"] = json!([{"id": "GHSA-2"}, {"id": "CVE-2024-1"}]);
            grype(one)
        }),
        row(("adapters", "places"), 1, "packages=1;", || {
            let mut other = one();
            other["artifact"]["name"] = json!("openssl");
            of(&[one(), other])
        }),
        row(("adapters", "places"), 1, "paths=1;", || grype(of_language())),
        row(("adapters", "name"), 5, "source=left…;", || grype(of_language())),
        row(("adapters", "version"), 4, "installed=1.0…;", || grype(of_language())),
        row(("adapters", "summary"), 5, "summary=word…;", || grype(of_language())),
        row(("adapters", "shown"), 3, "exit code 7): hij", || with("echo abcdefghij >&2; exit 7", None)),
        row(("adapters", "shown"), 3, "401 to metadata: ab…", refused),
        row(("adapters", "image"), 5, "the size of the image exceeds the limit of 5", || grype(one())),
        row(("adapters", "program"), 5, "the size of its program exceeds the limit of 5", pinned),
        row(("adapters", "connect-seconds"), 1, "it takes too long", || harbor(Pace::Connect)),
        row(("adapters", "idle-seconds"), 1, "it takes too long", || harbor(Pace::Idle)),
    ]
}

/// What a scanner says, by its findings, or what went wrong.
fn told(report: Result<Report>) -> String {
    let report = match report {
        Ok(report) => report,
        Err(error) => return error.to_string(),
    };
    let lines = report.findings.iter().map(|f| {
        format!(
            "{} aliases={}; packages={}; paths={}; source={}; installed={}; summary={};",
            f.id,
            f.aliases.len(),
            f.packages.len(),
            f.paths.len(),
            f.source,
            f.installed,
            f.summary.as_deref().unwrap_or_default()
        )
    });
    lines.collect::<Vec<_>>().join(" ")
}

/// A vulnerability of a package of Debian's, as Grype has it.
fn one() -> Value {
    json!({"vulnerability": {"id": "CVE-2024-1", "severity": "High"},
        "artifact": {"name": "libssl3", "version": "3.0.11-1", "type": "deb",
            "purl": "pkg:deb/debian/libssl3@3.0.11-1"}})
}

/// One of a package that lies at two places.
fn of_language() -> Value {
    json!({"vulnerability": {"id": "CVE-2024-1", "severity": "High", "description": "words about it"},
        "artifact": {"name": "left-pad", "version": "1.0.0", "type": "npm", "purl": "pkg:npm/left-pad@1.0.0",
            "locations": [{"path": "/a/package.json"}, {"path": "/b/package.json"}]}})
}

fn grype(one: Value) -> String {
    of(&[one])
}

fn of(matches: &[Value]) -> String {
    let report = json!({"matches": matches, "descriptor": {"name": "grype", "version": "0.90.0"}});
    with(&format!("echo '{report}'"), None)
}

/// Starts a script in a scanner's place, over an image of two layers of three bytes.
fn with(script: &str, sha256: Option<String>) -> String {
    let folder = tempfile::tempdir().expect("folder");
    let path = folder.path().join("scanner");
    std::fs::write(&path, format!("#!/bin/sh\n{script}\n")).expect("script");
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).expect("permissions");
    let program = Program { path, sha256, time: Duration::from_secs(60) };
    let settings = Settings { program, cache: folder.path().join("cache") };
    let grype = Grype::new("peer", settings, folder.path().join("scratch"));
    told(wait(async {
        let lab = Lab::start().await;
        let inventory = testdata::inventory(&lab.image);
        grype.scan(&Subject { repository: lab.repository.as_ref(), inventory: &inventory }).await
    }))
}

/// A program that is the one that was pinned, and says that it was started.
fn pinned() -> String {
    use sha2::{Digest as _, Sha256};
    let script = "exit 7";
    with(script, Some(hex::encode(Sha256::digest(format!("#!/bin/sh\n{script}\n")))))
}

/// Asks a scanner of Harbor's that takes its time.
fn harbor(pace: Pace) -> String {
    wait(async {
        let lab = Lab::start().await;
        let inventory = testdata::inventory(&lab.image);
        let metadata = json!({"capabilities": [{"type": "vulnerability",
            "consumes_mime_types": ["application/vnd.oci.image.manifest.v1+json"],
            "produces_mime_types": [harbor::media::REPORT]}]});
        let report = json!({"vulnerabilities": [{"id": "CVE-2024-1", "package": "libssl3",
            "version": "3.0.11-1", "severity": "High"}]});
        let files = [
            ("api/v1/metadata", metadata),
            ("api/v1/scan", json!({"id": "1"})),
            ("api/v1/scan/1/report", report),
        ];
        let files = files.map(|(path, body)| (path, body.to_string().into_bytes()));
        let peer = Peer::start(pace, &files).await;
        let settings =
            harbor::Settings { url: peer.base.clone(), authorization: None, time: Duration::from_secs(120) };
        let scanner = harbor::Harbor::new("peer", settings).expect("a client");
        told(scanner.scan(&Subject { repository: lab.repository.as_ref(), inventory: &inventory }).await)
    })
}

/// One that says at length why it does not answer.
fn refused() -> String {
    wait(async {
        let lab = Lab::start().await;
        let inventory = testdata::inventory(&lab.image);
        let no = || async {
            let body = json!({"error": {"message": "abcdefghij"}}).to_string();
            (axum::http::StatusCode::UNAUTHORIZED, body)
        };
        let router = axum::Router::new().route("/api/v1/metadata", axum::routing::get(no));
        let url = format!("http://{}/", testdata::serve(router).await).parse().expect("address");
        let settings = harbor::Settings { url, authorization: None, time: Duration::from_secs(120) };
        let scanner = harbor::Harbor::new("peer", settings).expect("a client");
        told(scanner.scan(&Subject { repository: lab.repository.as_ref(), inventory: &inventory }).await)
    })
}
