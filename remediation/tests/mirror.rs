//! Against the mirror that this machine's apt uses. Without one these tests skip, and say so; with `CI=true` they fail.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "helpers of tests fail and skip loudly")]

use std::{
    path::{Path, PathBuf},
    process::Command,
    sync::Arc,
    time::Duration,
};

use patchline_registry::{Repository, layout};
use patchline_remediation::{
    apt::{Apt, AptConfig, Distribution, Mirrors, Place},
    bootstrap::{BootstrapOptions, bootstrap},
};

/// The machine's mirror, when it answers.
async fn apt(test: &str, cache: PathBuf) -> Option<Apt> {
    let mirrors = Mirrors::from_machine();
    let known = mirrors.debian.main.is_some() && mirrors.debian.security.is_some();
    // A mirror may be frozen: what is tested here is not its freshness.
    let apt = Apt::new(AptConfig { mirrors, cache, keyrings: Vec::new(), allow_expired: true }).unwrap();
    let answers = known
        && tokio::time::timeout(
            Duration::from_secs(60),
            apt.suite(Distribution::Debian, "bookworm", "amd64"),
        )
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
    let main = apt.suite(Distribution::Debian, "bookworm", "amd64").await.unwrap();
    assert!(main.len() > 50_000, "{} packages", main.len());
    assert!(!main.candidates("libc6").unwrap().is_empty());
    assert!(!main.providers("awk").unwrap().is_empty());
    let security = apt.suite(Distribution::Debian, "bookworm-security", "arm64").await.unwrap();
    let openssl = security.candidates("openssl").unwrap().remove(0);
    assert!(openssl.home == Some(Place::DebianSecurity.into()) && openssl.architecture == "arm64");
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

/// Runs a command in the tree; its output when it succeeds.
fn inside(root: &Path, command: &str) -> String {
    let run = Command::new("chroot")
        .arg(root)
        .args(["/bin/sh", "-ec", command])
        .env_clear()
        .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
        .output()
        .unwrap();
    let text = format!("{}{}", String::from_utf8_lossy(&run.stdout), String::from_utf8_lossy(&run.stderr));
    assert!(run.status.success(), "{command}: {text}");
    text
}

async fn unpacked(repository: &dyn Repository, tag: &str, root: &Path) {
    let manifest = repository.manifest(tag).await.unwrap().image().unwrap();
    for layer in &manifest.layers {
        let mut blob = repository.blob(layer).await.unwrap();
        let packed = tempfile::NamedTempFile::new().unwrap();
        let mut file = tokio::fs::File::from_std(packed.reopen().unwrap());
        tokio::io::copy(&mut blob, &mut file).await.unwrap();
        tokio::io::AsyncWriteExt::flush(&mut file).await.unwrap();
        let done = Command::new("tar")
            .args(["--numeric-owner", "--xattrs", "-xpzf"])
            .arg(packed.path())
            .arg("-C")
            .arg(root)
            .status()
            .unwrap();
        assert!(done.success());
    }
}

#[tokio::test]
async fn a_bootstrapped_image_is_honest_and_the_same_every_time() {
    let cache = tempfile::tempdir().unwrap();
    let Some(apt) = apt("a_bootstrapped_image", cache.path().to_owned()).await else { return };
    let folder = tempfile::tempdir().unwrap();
    let repository = layout::open(&folder.path().join("layout"), true).unwrap();
    let names = ["ca-certificates", "curl", "nginx-light", "openssl", "python3", "tzdata"];
    let options = BootstrapOptions {
        suite: "bookworm".to_owned(),
        architecture: "amd64".to_owned(),
        packages: names.map(str::to_owned).to_vec(),
    };
    let quiet: patchline_remediation::Progress = Arc::new(|_, _, _| {});
    let first = bootstrap(&apt, &options, &*repository, "one", &quiet).await.unwrap();
    let second = bootstrap(&apt, &options, &*repository, "two", &quiet).await.unwrap();
    assert_eq!(first.digest, second.digest);
    assert!(first.packages > 100, "{} packages", first.packages);

    let root =
        std::env::var_os("PATCHLINE_TEST_ROOT").map_or_else(|| folder.path().join("root"), PathBuf::from);
    std::fs::create_dir_all(&root).unwrap();
    let owner = std::os::unix::fs::MetadataExt::uid(&std::fs::metadata("/proc/self").unwrap());
    if owner != 0 || std::env::consts::ARCH != "x86_64" {
        println!("skipped: the inside of a_bootstrapped_image: it needs root on amd64");
        return;
    }
    unpacked(&*repository, "one", &root).await;
    assert_eq!(inside(&root, "dpkg --audit"), "");
    assert_eq!(inside(&root, "dpkg --verify"), "");
    inside(&root, "apt-get check");
    inside(&root, "curl --version && openssl version && python3 -c 'import ssl'");
    inside(&root, ": > /dev/null; nginx -t");
    inside(&root, "echo a b | awk '{print $2}' | grep -q b && which sh && getent passwd _apt && id www-data");
    inside(&root, "openssl verify -CApath /etc/ssl/certs /etc/ssl/certs/ISRG_Root_X1.pem");
    inside(
        &root,
        "openssl verify -CAfile /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/ISRG_Root_X1.pem",
    );
    inside(&root, "update-alternatives --display awk && update-alternatives --get-selections");
    assert_eq!(inside(&root, "date +%Z").trim(), "UTC");
    // No address of any mirror, in any file of apt's.
    assert!(
        !inside(&root, "cat /etc/apt/sources.list /etc/apt/sources.list.d/* 2>&1 || true").contains("http")
    );
}

#[tokio::test]
async fn uploads_that_an_image_lacks_come_with_their_changelog() {
    let cache = tempfile::tempdir().unwrap();
    let Some(apt) = apt("uploads_that_an_image_lacks", cache.path().to_owned()).await else { return };
    let packages = [["libssl3", "3.0.1-1"], ["openssl", "3.0.1-1"], ["hostname", "99"]].map(|[name, version]| {
        serde_json::json!({
            "name": name, "version": version, "architecture": "amd64", "source": "openssl",
            "source_version": version, "held": false, "layer": null, "purl": format!("pkg:deb/debian/{name}@{version}"),
        })
    });
    let inventory = serde_json::json!({
        "image": format!("sha256:{}", "0".repeat(64)),
        "platform": { "architecture": "amd64", "os": "linux" },
        "distro": { "id": "debian", "version_id": "12", "codename": "bookworm", "pretty_name": null },
        "packages": packages,
        "database": "dpkg",
        "layers": [],
    });
    let inventory: patchline_scanner::Inventory = serde_json::from_value(inventory).unwrap();
    let (uploads, revision) =
        patchline_scanner::advisories::apt_security::SecurityUploads::uploads(&apt, &inventory)
            .await
            .unwrap();
    assert_eq!(
        revision,
        apt.suite(Distribution::Debian, "bookworm-security", "amd64").await.unwrap().release
    );
    assert_eq!(uploads.iter().map(|upload| upload.source.as_str()).collect::<Vec<_>>(), ["openssl"]);
    assert!(uploads[0].changelog.starts_with(&format!("openssl ({})", uploads[0].version)));
    assert!(uploads[0].changelog.contains("CVE-"));
}
