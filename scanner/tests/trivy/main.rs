//! The real Trivy, alone and with its server, where it is at hand: named by `PATCHLINE_TRIVY`, or in the `PATH`. Its
//! vulnerability database is made on the spot.

mod bolt;
#[path = "../scan/support.rs"]
#[expect(dead_code, reason = "made for more tests than stand here")]
mod support;

use std::{
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::Duration,
};

use patchline_registry::Secret;
use patchline_scanner::{
    Completeness, Severity,
    adapters::{
        Adapter as _, Program, Subject,
        trivy::{Settings, Trivy},
    },
    advisories::{AdvisorySet, osv},
    compare::compare,
};
use serde_json::json;
use sha2::{Digest as _, Sha256};

/// The program; none: it is not here, which CI must not say.
#[expect(clippy::print_stdout, reason = "a test that skips says so")]
fn program() -> Option<Program> {
    let in_path = || {
        let path = std::env::var_os("PATH")?;
        std::env::split_paths(&path).map(|folder| folder.join("trivy")).find(|file| file.is_file())
    };
    let path = std::env::var_os("PATCHLINE_TRIVY").map(PathBuf::from).or_else(in_path);
    let Some(path) = path else {
        println!("skipped: no trivy is here (PATCHLINE_TRIVY names one)");
        return None;
    };
    let sha256 = hex::encode(Sha256::digest(std::fs::read(&path).expect("the program")));
    Some(Program { path, sha256: Some(sha256), time: Duration::from_secs(400) })
}

/// Databases as Trivy keeps them: two vulnerabilities of openssl in Debian 12.
fn cache(folder: &Path) -> PathBuf {
    let text = |value: serde_json::Value| bolt::Node::Value(value.to_string().into_bytes());
    let root = bolt::Node::bucket([
        (
            "data-source",
            bolt::Node::bucket([("debian 12", text(json!({"ID": "debian", "Name": "Debian", "URL": ""})))]),
        ),
        (
            "debian 12",
            bolt::Node::bucket([(
                "openssl",
                bolt::Node::bucket([
                    ("CVE-2024-1111", text(json!({"FixedVersion": "3.0.14-1"}))),
                    ("CVE-2024-2222", text(json!({}))),
                ]),
            )]),
        ),
        (
            "vulnerability",
            bolt::Node::bucket([(
                "CVE-2024-1111",
                text(json!({"Title": "a title", "Severity": "HIGH", "VendorSeverity": {"nvd": 3}})),
            )]),
        ),
    ]);
    std::fs::create_dir_all(folder.join("db")).expect("a folder");
    std::fs::write(folder.join("db/trivy.db"), bolt::file(&root)).expect("a database");
    let metadata = json!({"Version": 2, "NextUpdate": "2099-01-01T00:00:00Z", "UpdatedAt": "2026-05-01T00:00:00Z",
        "DownloadedAt": "2026-05-01T00:00:00Z"});
    std::fs::write(folder.join("db/metadata.json"), metadata.to_string()).expect("its description");
    folder.to_owned()
}

async fn image() -> support::Image {
    let status = "Package: libssl3\nStatus: install ok installed\nArchitecture: amd64\nSource: openssl\nVersion: 3.0.11-1\n\n\
                  Package: openssl\nStatus: install ok installed\nArchitecture: amd64\nVersion: 3.0.11-1\n\n";
    let layer = support::Tar::new()
        .file("etc/os-release", support::OS_RELEASE)
        .file("etc/debian_version", "12.5\n")
        .file("var/lib/dpkg/status", status);
    support::Image::new(&[layer.gzip()]).await
}

#[tokio::test(flavor = "multi_thread")]
async fn the_real_trivy_reads_what_it_is_handed_and_is_held_against_us() {
    let Some(program) = program() else { return };
    let folder = tempfile::tempdir().expect("a folder");
    let settings =
        Settings { program, cache: Some(cache(&folder.path().join("cache"))), server: None, token: None };
    let trivy = Trivy::new("trivy", settings, folder.path().join("scratch"));
    let image = image().await;
    let inventory = image.inventory().await.expect("an inventory");
    let subject = Subject { repository: image.repository.as_ref(), inventory: &inventory };
    let theirs = trivy.scan(&subject).await.expect("a report");
    let found: Vec<_> = theirs
        .findings
        .iter()
        .map(|f| (f.id.as_str(), f.source.as_str(), f.packages.join(" "), f.severity, f.fixed.as_deref()))
        .collect();
    let both = || "libssl3 openssl".to_owned();
    assert_eq!(
        found,
        [
            ("CVE-2024-1111", "openssl", both(), Severity::High, Some("3.0.14-1")),
            ("CVE-2024-2222", "openssl", both(), Severity::Unknown, None),
        ]
    );
    assert_eq!(theirs.completeness, Completeness::Complete);
    assert_eq!(theirs.findings[0].layer.as_ref(), inventory.layers.first().map(|(blob, _)| blob));
    assert!(theirs.advisory_revision.ends_with("with its database of 2026-05-01T00:00:00Z"));
    let record: osv::Record = serde_json::from_value(json!({
        "id": "DEBIAN-CVE-2024-1111", "modified": "2024-01-01T00:00:00Z", "upstream": ["CVE-2024-1111"],
        "affected": [{"package": {"ecosystem": "Debian:12", "name": "openssl"},
            "ranges": [{"type": "ECOSYSTEM", "events": [{"introduced": "0"}, {"fixed": "3.0.13-1"}]}]}]
    }))
    .expect("a record");
    let ours = patchline_scanner::report(&inventory, &[&AdvisorySet::from_records(vec![record], "r")]);
    let told = compare(&ours, &theirs);
    assert_eq!((told.both, told.only_ours.len(), told.only_theirs.len()), (1, 0, 1), "{told:#?}");
    assert_eq!((told.severity.len(), told.fixed.len()), (1, 1));
    println!("{}: {} findings, {told:?}", theirs.advisory_revision, theirs.findings.len());
}

/// A server that is gone with the test.
struct Server(Child);

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_real_trivy_server_has_the_databases_that_its_client_needs_not() {
    let Some(program) = program() else { return };
    let folder = tempfile::tempdir().expect("a folder");
    let port = {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
        listener.local_addr().expect("an address").port()
    };
    let mut command = Command::new(&program.path);
    command
        .args([
            "server",
            "--skip-db-update",
            "--quiet",
            "--listen",
            &format!("127.0.0.1:{port}"),
            "--cache-dir",
        ])
        .arg(cache(&folder.path().join("cache")))
        .env_clear()
        .env("HOME", folder.path())
        .env("TRIVY_TOKEN", "hunter2")
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    let _server = Server(command.spawn().expect("a server"));
    let url = format!("http://127.0.0.1:{port}");
    drop(rustls::crypto::ring::default_provider().install_default());
    let client = reqwest::Client::builder().no_proxy().build().expect("a client");
    let mut up = false;
    for _ in 0..600 {
        up = client
            .get(format!("{url}/healthz"))
            .send()
            .await
            .is_ok_and(|answer| answer.status().is_success());
        if up {
            break;
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    assert!(up, "the server does not answer");
    let image = image().await;
    let inventory = image.inventory().await.expect("an inventory");
    let subject = Subject { repository: image.repository.as_ref(), inventory: &inventory };
    let settings = Settings {
        program,
        cache: None,
        server: Some(url.parse().expect("an address")),
        token: Some(Secret::new("hunter2")),
    };
    let trivy = Trivy::new("trivy", settings, folder.path().join("scratch"));
    let report = trivy.scan(&subject).await.expect("a report");
    let ids: Vec<&str> = report.findings.iter().map(|f| f.id.as_str()).collect();
    assert_eq!(ids, ["CVE-2024-1111", "CVE-2024-2222"]);
}
