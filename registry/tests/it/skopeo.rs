//! The field's own client against the embedded registry.

use std::{path::Path, process::Command};

use patchline_registry::layout;

use crate::{
    images::{image, index_of, push},
    servers::{anonymous, embedded},
};

fn skopeo(arguments: &[&str]) -> String {
    let output = Command::new("skopeo").arg("--insecure-policy").args(arguments).output().unwrap();
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "skopeo {arguments:?}: {error}");
    String::from_utf8(output.stdout).unwrap()
}

fn installed() -> bool {
    let here = Path::new("/usr/bin/skopeo").exists();
    if !here {
        println!("SKIPPED: skopeo is not installed");
    }
    here
}

#[tokio::test(flavor = "multi_thread")]
async fn pushes_pulls_and_reads_the_storage() {
    if !installed() {
        return;
    }
    let mut running = embedded().await;
    let dir = tempfile::tempdir().unwrap();
    let (from, to) = (dir.path().join("from"), dir.path().join("to"));
    let source = layout::open(&from, true).unwrap();
    let image = image("skopeo");
    push(&*source, "v1", &image).await;

    let place = format!("docker://{}/shop/web:v1", running.host);
    skopeo(&["copy", "--dest-tls-verify=false", &format!("oci:{}:v1", from.display()), &place]);
    let event = running.events.recv().await.unwrap();
    assert_eq!((event.repository.as_str(), event.tag.as_deref()), ("shop/web", Some("v1")));
    assert_eq!(event.digest.as_ref(), Some(&image.manifest.digest), "no conversion, the same bytes");
    let ours = anonymous(&running.host, "shop/web");
    assert_eq!(ours.manifest("v1").await.unwrap(), image.manifest);

    skopeo(&["copy", "--src-tls-verify=false", &place, &format!("oci:{}:back", to.display())]);
    let back = layout::open(&to, false).unwrap();
    assert_eq!(back.manifest("back").await.unwrap(), image.manifest);
    assert_eq!(back.manifest("").await.unwrap(), image.manifest, "the only image");

    let stored = running.dir.path().join("repositories/shop+web");
    let inspected = skopeo(&["inspect", "--raw", &format!("oci:{}:v1", stored.display())]);
    assert_eq!(inspected.as_bytes(), image.manifest.bytes, "each repository is a layout of its own");
    let tags = skopeo(&["list-tags", "--tls-verify=false", &format!("docker://{}/shop/web", running.host)]);
    assert!(tags.contains("\"v1\""), "{tags}");

    let digest = format!("docker://{}/shop/web@{}", running.host, image.manifest.digest);
    skopeo(&["delete", "--tls-verify=false", &digest]);
    assert_eq!(ours.resolve("v1").await.unwrap(), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn takes_a_whole_index_along() {
    if !installed() {
        return;
    }
    let running = embedded().await;
    let dir = tempfile::tempdir().unwrap();
    let (amd64, arm64) = (image("skopeo amd64"), image("skopeo arm64"));
    let index = index_of(&[&amd64, &arm64]);
    let source = anonymous(&running.host, "from");
    for child in [&amd64, &arm64] {
        push(&*source, child.manifest.digest.as_str(), child).await;
    }
    source.push_manifest("v1", &index).await.unwrap();
    let at = |name: &str| format!("docker://{}/{name}:v1", running.host);
    let tls = ["--src-tls-verify=false", "--dest-tls-verify=false"];
    skopeo(&["copy", "--all", tls[0], tls[1], &at("from"), &at("to")]);
    assert_eq!(anonymous(&running.host, "to").manifest("v1").await.unwrap(), index);
    // A layout that another tool wrote lists the index alone.
    let layout_dir = dir.path().join("layout");
    skopeo(&["copy", "--all", tls[0], &at("to"), &format!("oci:{}:v1", layout_dir.display())]);
    let back = layout::open(&layout_dir, false).unwrap();
    assert_eq!(back.manifest("").await.unwrap(), index);
    let child = back.manifest(arm64.manifest.digest.as_str()).await.unwrap();
    assert_eq!(child, arm64.manifest);
}
