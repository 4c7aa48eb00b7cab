//! Against the mirror that this machine's apt uses. Without one these tests skip, and say so; with `CI=true` they fail.

use std::{path::PathBuf, time::Duration};

use patchline_remediation::apt::{Apt, AptConfig, Mirrors};

/// The machine's mirror, when it answers.
async fn apt(test: &str, cache: PathBuf) -> Option<Apt> {
    let mirrors = Mirrors::from_machine();
    let known = mirrors.debian.is_some() && mirrors.debian_security.is_some();
    // A mirror may be frozen: what is tested here is not its freshness.
    let apt = Apt::new(AptConfig { mirrors, cache, keyrings: Vec::new(), allow_expired: true }).unwrap();
    let answers = known
        && tokio::time::timeout(Duration::from_secs(60), apt.suite("bookworm", "amd64"))
            .await
            .is_ok_and(|r| r.inspect_err(|error| println!("{test}: {error}")).is_ok());
    if answers {
        return Some(apt);
    }
    assert!(std::env::var("CI").as_deref() != Ok("true"), "{test}: no Debian mirror can be reached");
    println!("skipped: {test}: no Debian mirror can be reached");
    None
}

#[tokio::test]
async fn suites_are_verified_and_packages_downloaded() {
    let cache = tempfile::tempdir().unwrap();
    let Some(apt) = apt("suites_are_verified", cache.path().to_owned()).await else { return };
    let main = apt.suite("bookworm", "amd64").await.unwrap();
    assert!(main.len() > 50_000, "{} packages", main.len());
    assert!(!main.candidates("libc6").unwrap().is_empty());
    assert!(!main.providers("awk").unwrap().is_empty());
    let security = apt.suite("bookworm-security", "arm64").await.unwrap();
    let openssl = security.candidates("openssl").unwrap().remove(0);
    assert!(openssl.security && openssl.architecture == "arm64");
    let packages = [main.candidates("hostname").unwrap().remove(0), openssl];
    let paths = apt.download(&packages).await.unwrap();
    for (path, package) in paths.iter().zip(&packages) {
        let control = patchline_remediation::deb::Deb::read_control(path).unwrap();
        let text = String::from_utf8(control["control"].clone()).unwrap();
        assert!(text.contains(&format!("Package: {}\n", package.name)));
    }
    // What changed in the cache is fetched again.
    std::fs::write(&paths[0], "tampered").unwrap();
    let again = apt.download(&packages[..1]).await.unwrap();
    assert_eq!(std::fs::metadata(&again[0]).unwrap().len(), packages[0].size);
}
