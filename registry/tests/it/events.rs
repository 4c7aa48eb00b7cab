//! Notifications as Distribution really sends them.

use std::{path::PathBuf, process::Command};

use patchline_registry::events::decode_distribution;

fn shared_data() -> Option<PathBuf> {
    let place = std::env::var_os("PATCHLINE_SHARED_DATA").map(PathBuf::from);
    let place = place.unwrap_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../shared/data"));
    if place.join("payloads.tar.zst").exists() {
        return Some(place);
    }
    println!("SKIPPED: the shared data is not here (PATCHLINE_SHARED_DATA)");
    None
}

#[test]
fn captured_envelopes_are_decoded() {
    let Some(data) = shared_data() else { return };
    let dir = tempfile::tempdir().unwrap();
    let unpacked = Command::new("tar")
        .args(["--use-compress-program=zstd", "-xf"])
        .arg(data.join("payloads.tar.zst"))
        .arg("-C")
        .arg(dir.path())
        .status();
    if !unpacked.is_ok_and(|s| s.success()) {
        println!("SKIPPED: tar and zstd cannot unpack the shared data");
        return;
    }
    let read = |name: &str| std::fs::read(dir.path().join("payloads/distribution").join(name)).unwrap();
    let pushed = decode_distribution(&read("keel-test-0.json")).unwrap();
    assert_eq!(pushed.len(), 1);
    assert_eq!(pushed[0].repository, "foo/bar");
    assert_eq!(pushed[0].tag.as_deref(), Some("1.6.1"));
    assert_eq!(pushed[0].host.as_deref(), Some("registry.git.erxes.io"));
    assert_eq!(decode_distribution(&read("doc-example-0.json")).unwrap(), [], "a pull");
    assert!(decode_distribution(&read("doc-example-3.json")).is_err(), "no envelope");
}
