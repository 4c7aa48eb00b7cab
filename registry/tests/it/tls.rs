//! HTTPS: a registry whose certificate the machine trusts, and the same one when it does not.

use std::{net::ToSocketAddrs, path::Path, process::Command};

use crate::{
    images::{image, push},
    servers::{anonymous, distribution},
};

/// Names the registry to the half of the test that runs in its own process.
const HOST: &str = "PATCHLINE_TEST_TLS_HOST";

fn run(dir: &Path, program: &str, arguments: &[&str]) -> bool {
    Command::new(program).args(arguments).current_dir(dir).output().is_ok_and(|o| o.status.success())
}

/// A certificate authority and a certificate of the host from it.
fn certificates(dir: &Path, host: &str) -> bool {
    std::fs::write(dir.join("ext"), format!("subjectAltName=DNS:{host}\nbasicConstraints=CA:FALSE\n"))
        .unwrap();
    let key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"];
    let authority = [
        &["req", "-x509", "-days", "2", "-subj", "/CN=test", "-keyout", "ca.key", "-out", "ca.crt"],
        &key[..],
    ];
    let request =
        [&["req", "-new", "-subj", "/CN=host", "-keyout", "host.key", "-out", "host.csr"], &key[..]];
    let sign =
        "x509 -req -days 2 -in host.csr -CA ca.crt -CAkey ca.key -CAcreateserial -extfile ext -out host.crt";
    run(dir, "openssl", &authority.concat())
        && run(dir, "openssl", &request.concat())
        && run(dir, "openssl", &sign.split(' ').collect::<Vec<_>>())
}

#[tokio::test]
async fn only_a_trusted_certificate_will_do() {
    // Loopback by its own names speaks plain HTTP, so the machine's name serves.
    let name = std::fs::read_to_string("/etc/hostname").unwrap_or_default().trim().to_owned();
    let leads_here = (name.as_str(), 1).to_socket_addrs().is_ok_and(|mut a| a.any(|a| a.ip().is_loopback()));
    if !leads_here || name == "localhost" {
        println!("SKIPPED: the machine's name does not lead to itself");
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    if !certificates(dir.path(), &name) {
        println!("SKIPPED: openssl makes no certificates here");
        return;
    }
    let at = |file: &str| dir.path().join(file).display().to_string();
    let tls = format!(", tls: {{certificate: {}, key: {}}}", at("host.crt"), at("host.key"));
    let Some((host, _child, _data)) = distribution(&name, &tls).await else { return };

    let refused = anonymous(&host, "a").resolve("v1").await.unwrap_err();
    assert_eq!(refused.code(), "registry-unreachable");
    let trusting = tokio::process::Command::new(std::env::current_exe().unwrap())
        .args(["tls::with_the_authority_trusted", "--exact", "--nocapture"])
        .env("SSL_CERT_FILE", dir.path().join("ca.crt"))
        .env(HOST, &host)
        .output()
        .await
        .unwrap();
    let told = String::from_utf8_lossy(&trusting.stdout);
    assert!(trusting.status.success() && told.contains("1 passed"), "{told}");
}

#[tokio::test]
async fn with_the_authority_trusted() {
    let Ok(host) = std::env::var(HOST) else { return };
    let (repository, image) = (anonymous(&host, "a"), image("tls"));
    push(&*repository, "v1", &image).await;
    assert_eq!(repository.manifest("v1").await.unwrap(), image.manifest);
}
