//! Folders that hold the root of a system.

use std::{
    fs,
    os::unix::{
        fs::{PermissionsExt as _, symlink},
        net::UnixListener,
    },
    path::{Path, PathBuf},
};

use patchline_scanner::{Completeness, Inventory, advisories::AdvisorySet};

use crate::support::{OS_RELEASE, status};

fn put(root: &Path, path: &str, content: impl AsRef<[u8]>) -> PathBuf {
    let path = root.join(path);
    fs::create_dir_all(path.parent().expect("a parent")).expect("folders");
    fs::write(&path, content).expect("written");
    path
}

fn debian() -> tempfile::TempDir {
    let root = tempfile::tempdir().expect("folder");
    put(root.path(), "usr/lib/os-release", OS_RELEASE);
    fs::create_dir(root.path().join("etc")).expect("folder");
    symlink("../usr/lib/os-release", root.path().join("etc/os-release")).expect("link");
    put(root.path(), "var/lib/dpkg/status", status(&[("openssl", "3.0.11-1"), ("bash", "5.2.15-2")]));
    put(root.path(), "app/node_modules/left/package.json", r#"{"name": "left", "version": "1.0.0"}"#);
    root
}

async fn inventory(root: &Path) -> Inventory {
    patchline_scanner::rootfs(root).await.expect("an inventory")
}

fn told(inventory: &Inventory) -> Vec<String> {
    inventory.packages.iter().map(|p| format!("{} {}", p.purl, p.path.as_deref().unwrap_or("-"))).collect()
}

#[tokio::test]
async fn a_folder_is_read_like_a_layer_and_has_a_digest_of_its_own() {
    let (one, two) = (debian(), debian());
    let found = inventory(one.path()).await;
    assert_eq!(
        told(&found),
        [
            "pkg:deb/debian/bash@5.2.15-2?arch=amd64&distro=debian-12 -",
            "pkg:deb/debian/openssl@3.0.11-1?arch=amd64&distro=debian-12 -",
            "pkg:npm/left@1.0.0 app/node_modules/left/package.json",
        ]
    );
    assert_eq!((found.platform.os.as_str(), found.platform.architecture.as_str()), ("linux", "amd64"));
    assert!(
        found.incomplete.is_empty() && found.unreadable.is_empty() && found.layers.is_empty(),
        "{found:?}"
    );
    assert_eq!(found, inventory(two.path()).await, "wherever it lies");
    put(two.path(), "app/node_modules/left/package.json", r#"{"name": "left", "version": "1.0.1"}"#);
    assert_ne!(found.image, inventory(two.path()).await.image, "another package is another digest");
}

#[tokio::test]
async fn no_link_leads_out_and_nothing_but_files_is_opened() {
    let (root, outside) = (debian(), tempfile::tempdir().expect("folder"));
    put(outside.path(), "node_modules/secret/package.json", r#"{"name": "secret", "version": "1.0.0"}"#);
    put(outside.path(), "package.json", r#"{"name": "secret", "version": "1.0.0"}"#);
    symlink(outside.path(), root.path().join("out")).expect("link");
    fs::create_dir_all(root.path().join("app/node_modules/linked")).expect("folder");
    symlink(outside.path().join("package.json"), root.path().join("app/node_modules/linked/package.json"))
        .expect("link");
    symlink("loop", root.path().join("loop")).expect("link");
    // Opening it would wait for a writer for ever, and a socket cannot be opened at all.
    let pipe = root.path().join("app/node_modules/pipe/package.json");
    fs::create_dir_all(pipe.parent().expect("a parent")).expect("folder");
    assert!(std::process::Command::new("mkfifo").arg(&pipe).status().expect("mkfifo").success());
    let _socket = UnixListener::bind(root.path().join("app/requirements.txt")).expect("socket");
    let found = inventory(root.path()).await;
    assert!(!told(&found).iter().any(|line| line.contains("secret")), "{found:?}");
    assert_eq!((found.packages.len(), found.incomplete.len()), (3, 0), "{found:?}");
}

#[tokio::test]
async fn what_cannot_be_read_is_said_and_is_never_clean() {
    let root = debian();
    let deep = "d/".repeat(200);
    put(root.path(), &format!("{deep}package.json"), "{}");
    let found = inventory(root.path()).await;
    assert_eq!(found.incomplete.len(), 1, "{found:?}");
    assert!(found.incomplete[0].ends_with("folders deeper than 128 are not looked into"), "{found:?}");
    let report = patchline_scanner::report(&found, &[&AdvisorySet::empty()]);
    assert_ne!(report.completeness, Completeness::Complete);
    // To root nothing is forbidden, so another cannot be made unreadable for it.
    if fs::metadata("/proc/self").is_ok_and(|m| std::os::unix::fs::MetadataExt::uid(&m) != 0) {
        let root = debian();
        let status = root.path().join("var/lib/dpkg/status");
        fs::set_permissions(&status, fs::Permissions::from_mode(0o000)).expect("changed");
        let found = inventory(root.path()).await;
        assert!(found.incomplete[0].starts_with("var/lib/dpkg/status: "), "{found:?}");
        assert_eq!((found.database, found.unread), (None, vec!["dpkg".to_owned()]));
    }
}

#[tokio::test]
async fn other_file_systems_are_not_entered_and_devices_are_let_be() {
    let device = |path: &str| fs::metadata(path).map(|m| std::os::unix::fs::MetadataExt::dev(&m)).ok();
    let (here, there) = (device("/dev"), device("/dev/pts"));
    if here.is_none() || there.is_none() || here == there {
        println!("skipped: nothing is mounted at /dev/pts on this machine");
        return;
    }
    let found = inventory(Path::new("/dev")).await;
    let said = "pts: another file system is mounted there, which is not looked into";
    assert!(found.incomplete.iter().any(|line| line == said), "{found:?}");
    assert!(found.packages.is_empty());
}

#[tokio::test]
async fn a_folder_that_is_none_is_an_error_and_an_empty_one_is_undetermined() {
    let root = tempfile::tempdir().expect("folder");
    let file = put(root.path(), "file", "");
    for none in [root.path().join("none"), file.clone()] {
        assert_eq!(patchline_scanner::rootfs(&none).await.expect_err("none").code(), "scanner-io");
    }
    fs::remove_file(file).expect("removed");
    let found = inventory(root.path()).await;
    let report = patchline_scanner::report(&found, &[&AdvisorySet::empty()]);
    assert!(matches!(report.completeness, Completeness::Undetermined { .. }), "{report:?}");
}
