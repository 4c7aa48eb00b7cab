//! Images of Windows, and layers that only their vendor has.

use patchline_registry::{BlobContent, Descriptor, Digest, RawManifest, model};
use patchline_scanner::{Completeness, Inventory, NoFacts, advisories::AdvisorySet};
use serde_json::json;

use crate::support::{Image, Layer, Tar};

const FOREIGN: &str = "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip";

/// Packs a layer as Windows has them: the volume's files below `Files`, its registry below `Hives`.
fn layer() -> Layer {
    Tar::new()
        .directory("Files")
        .file("Files/app/node_modules/left/package.json", r#"{"name": "left", "version": "1.0.0"}"#)
        .file("Files/app/bad/package.json", "{")
        .file("Hives/Software_Delta", "regf")
        .directory("UtilityVM")
        .gzip()
}

/// The layers, of which the first is a foreign one that the registry may not have.
async fn windows(base: bool) -> (Image, Inventory) {
    let (foreign, own) = (Tar::new().file("Files/License.txt", "words").gzip(), layer());
    let config = json!({"architecture": "amd64", "os": "windows", "os.version": "10.0.20348.2402",
        "rootfs": {"type": "layers", "diff_ids": [foreign.diff_id, own.diff_id]}});
    let image = Image::with_config(std::slice::from_ref(&own), config).await;
    let raw = image.repository.manifest(image.manifest.as_str()).await.expect("a manifest");
    let mut manifest: serde_json::Value = serde_json::from_slice(&raw.bytes).expect("JSON");
    let base_layer = json!({"mediaType": FOREIGN, "digest": foreign.digest(), "size": foreign.bytes.len(),
        "urls": ["http://169.254.169.254/latest/meta-data"]});
    manifest["layers"] = json!([base_layer, manifest["layers"][0]]);
    let raw = RawManifest::new(model::OCI_MANIFEST, manifest.to_string().into_bytes());
    if base {
        let descriptor: Descriptor = serde_json::from_value(base_layer).expect("a descriptor");
        let content = BlobContent::Bytes(foreign.bytes.clone().into());
        image.repository.push_blob(&descriptor, content).await.expect("pushed");
    }
    image.repository.push_manifest("windows", &raw).await.expect("pushed");
    let facts = std::sync::Arc::new(NoFacts);
    let inventory =
        patchline_scanner::inventory(image.repository.as_ref(), &raw.digest, facts).await.expect("read");
    (image, inventory)
}

#[tokio::test]
async fn packages_of_languages_are_found_and_what_is_not_covered_is_said() {
    let (_image, inventory) = windows(true).await;
    let told: Vec<_> = inventory.packages.iter().map(|p| (p.purl.as_str(), p.path.as_deref())).collect();
    assert_eq!(told, [("pkg:npm/left@1.0.0", Some("app/node_modules/left/package.json"))]);
    assert!(inventory.unreadable[0].starts_with("app/bad/package.json: "), "{inventory:?}");
    let report = patchline_scanner::report(&inventory, &[&AdvisorySet::empty()]);
    let said = "Windows 10.0.20348.2402: its own packages and updates are not covered, only packages of languages are";
    assert_eq!(report.completeness, Completeness::Incomplete { reasons: vec![said.to_owned()] });
}

#[tokio::test]
async fn a_layer_that_only_its_vendor_has_is_said_to_be_missing() {
    let (image, inventory) = windows(false).await;
    assert_eq!((inventory.packages.len(), inventory.layers.len()), (1, 2));
    let foreign = &inventory.layers[0].0;
    let said = format!(
        "layer {foreign}: only its vendor has it, and an address that an image names is not followed"
    );
    assert!(inventory.incomplete.contains(&said), "{:?}", inventory.incomplete);
    assert!(!image.repository.has_blob(foreign).await.expect("asked"), "nothing was fetched from anywhere");
}

/// To call a layer foreign does not hide it: what the registry has is read, and what it has not is not clean.
#[tokio::test]
async fn a_foreign_layer_of_linux_is_read_where_it_is_and_never_clean_where_it_is_not() {
    let base = crate::support::debian(&[("bash", "5.2-1")]).gzip();
    let image = Image::new(std::slice::from_ref(&base)).await;
    let raw = image.repository.manifest(image.manifest.as_str()).await.expect("a manifest");
    let text = String::from_utf8(raw.bytes.to_vec()).expect("text").replace(model::OCI_LAYER_GZIP, FOREIGN);
    let raw = RawManifest::new(model::OCI_MANIFEST, text.into_bytes());
    image.repository.push_manifest("foreign", &raw).await.expect("pushed");
    let read = async || {
        let facts = std::sync::Arc::new(NoFacts);
        patchline_scanner::inventory(image.repository.as_ref(), &raw.digest, facts).await.expect("read")
    };
    assert_eq!(read().await.packages.len(), 1);
    std::fs::remove_file(image.blob_path(&Digest::of(&base.bytes))).expect("removed");
    let inventory = read().await;
    let report = patchline_scanner::report(&inventory, &[&AdvisorySet::empty()]);
    assert!(inventory.packages.is_empty());
    assert!(matches!(report.completeness, Completeness::Undetermined { .. }), "{report:?}");
}
