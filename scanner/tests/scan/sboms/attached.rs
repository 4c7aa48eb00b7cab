//! SBOMs that are attached to an image: by reference, in its index, and under cosign's tags.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use patchline_registry::{Descriptor, Digest, RawManifest, Repository, model};
use patchline_scanner::{Completeness, Inventory, advisories::AdvisorySet, sbom};
use serde_json::{Value, json};

use super::record;
use crate::support::{Image, debian, push};

fn bom(purls: &[&str]) -> Value {
    let component = |purl: &&str| json!({"type": "library", "name": "x", "purl": purl});
    let components: Vec<Value> = purls.iter().map(component).collect();
    json!({"bomFormat": "CycloneDX", "specVersion": "1.6", "components": components})
}

fn statement(about: &Digest, predicate: &Value) -> Value {
    json!({"_type": "https://in-toto.io/Statement/v0.1", "predicateType": "https://cyclonedx.org/bom",
        "subject": [{"name": "app", "digest": {"sha256": about.hex()}}], "predicate": predicate})
}

/// Puts an artifact with one blob under a tag, or under its own digest where none is given.
async fn artifact(
    repository: &dyn Repository,
    tag: Option<&str>,
    subject: Option<&Digest>,
    layer: (&'static str, &Value),
    annotations: Value,
) -> Descriptor {
    let config = push(repository, "application/vnd.oci.empty.v1+json", b"{}".to_vec()).await;
    let blob = push(repository, layer.0, layer.1.to_string().into_bytes()).await;
    let mut blob = serde_json::to_value(blob).expect("JSON");
    blob["annotations"] = annotations;
    let mut manifest = json!({"schemaVersion": 2, "mediaType": model::OCI_MANIFEST, "artifactType": layer.0,
        "config": config, "layers": [blob]});
    if let Some(subject) = subject {
        let raw = repository.manifest(subject.as_str()).await.expect("the subject");
        manifest["subject"] = serde_json::to_value(raw.descriptor()).expect("JSON");
    }
    let raw = RawManifest::new(model::OCI_MANIFEST, serde_json::to_vec(&manifest).expect("JSON"));
    repository.push_manifest(tag.unwrap_or(raw.digest.as_str()), &raw).await.expect("pushed");
    raw.descriptor()
}

async fn image() -> Image {
    let tar = debian(&[("bash", "5.2-1")])
        .file("app/node_modules/left/package.json", r#"{"name": "left", "version": "1.0.0"}"#);
    Image::new(&[tar.gzip()]).await
}

/// The inventory with claims, how many documents were read, and how many packages they added.
async fn attach(image: &Image, index: Option<&Digest>) -> (Inventory, (usize, usize)) {
    let mut inventory = image.inventory().await.expect("an inventory");
    let attached = sbom::attach(image.repository.as_ref(), &mut inventory, index).await.expect("attached");
    (inventory, (attached.documents, attached.added))
}

const CYCLONEDX: &str = "application/vnd.cyclonedx+json";

#[tokio::test]
async fn a_referrer_adds_what_was_not_found_and_changes_nothing_that_was() {
    let image = image().await;
    let found = image.inventory().await.expect("an inventory");
    // It knows less than is there, contradicts it, and names one thing more.
    let document = bom(&[
        "pkg:npm/Left@1.0.0",
        "pkg:npm/right@0.1.0",
        "pkg:deb/debian/curl@7.88.1-10?arch=amd64&distro=debian-12",
    ]);
    artifact(image.repository.as_ref(), None, Some(&image.manifest), (CYCLONEDX, &document), json!({})).await;
    let (inventory, attached) = attach(&image, None).await;
    assert_eq!(attached, (1, 2));
    assert_eq!(inventory.packages[..found.packages.len()], found.packages[..]);
    assert!(inventory.packages[found.packages.len()..].iter().all(|p| p.is_claimed() && !p.is_of_system()));
    assert_eq!((&inventory.distro, &inventory.database), (&found.distro, &found.database));

    let set = AdvisorySet::from_records(
        vec![
            record("CVE-2026-1", "npm", "left", "2.0.0"),
            record("CVE-2026-2", "npm", "right", "2.0.0"),
            record("CVE-2026-3", "Debian:12", "curl", "7.88.1-11"),
        ],
        "r",
    );
    let report = patchline_scanner::report(&inventory, &[&set]);
    let mut told: Vec<(&str, bool, bool)> = report
        .findings
        .iter()
        .map(|f| (f.id.as_str(), f.paths[0].starts_with("sbom:sha256:"), f.is_deb()))
        .collect();
    told.sort_unstable();
    // What is claimed is no package of dpkg's that an upgrade could mend.
    assert_eq!(
        told,
        [("CVE-2026-1", false, false), ("CVE-2026-2", true, false), ("CVE-2026-3", true, false)]
    );
}

#[tokio::test]
async fn buildkits_index_and_cosigns_tags_are_known() {
    let image = image().await;
    let repository = image.repository.as_ref();
    let spdx = json!({"spdxVersion": "SPDX-2.3", "packages": [{"SPDXID": "SPDXRef-1", "name": "one",
        "externalRefs": [{"referenceType": "purl", "referenceLocator": "pkg:npm/one@1.0.0"}]}]});
    let mut intoto = statement(&image.manifest, &spdx);
    intoto["predicateType"] = json!("https://spdx.dev/Document");
    let predicate = json!({"in-toto.io/predicate-type": "https://spdx.dev/Document"});
    let attestation =
        artifact(repository, None, None, ("application/vnd.in-toto+json", &intoto), predicate).await;
    let index = json!({"schemaVersion": 2, "mediaType": model::OCI_INDEX, "manifests": [
        {"mediaType": model::OCI_MANIFEST, "digest": attestation.digest, "size": attestation.size,
            "platform": {"os": "unknown", "architecture": "unknown"},
            "annotations": {"vnd.docker.reference.digest": image.manifest,
                "vnd.docker.reference.type": "attestation-manifest"}}]});
    let index = RawManifest::new(model::OCI_INDEX, index.to_string().into_bytes());
    repository.push_manifest("index", &index).await.expect("pushed");
    let tag = |end: &str| format!("sha256-{}.{end}", image.manifest.hex());
    artifact(repository, Some(&tag("sbom")), None, (CYCLONEDX, &bom(&["pkg:npm/two@2.0.0"])), json!({}))
        .await;
    let payload = statement(&image.manifest, &bom(&["pkg:npm/three@3.0.0"]));
    let envelope = json!({"payloadType": "application/vnd.in-toto+json",
        "payload": STANDARD.encode(payload.to_string()), "signatures": [{"sig": "none that is looked at"}]});
    let dsse = ("application/vnd.dsse.envelope.v1+json", &envelope);
    artifact(
        repository,
        Some(&tag("att")),
        None,
        dsse,
        json!({"predicateType": "https://cyclonedx.org/bom"}),
    )
    .await;

    let (inventory, attached) = attach(&image, Some(&index.digest)).await;
    assert_eq!((attached, &inventory.incomplete), ((3, 3), &Vec::new()));
    let mut claimed: Vec<&str> =
        inventory.packages.iter().filter(|p| p.is_claimed()).map(|p| &*p.name).collect();
    claimed.sort_unstable();
    assert_eq!(claimed, ["one", "three", "two"]);
    assert_eq!(attach(&image, None).await.1.1, 2, "an index that nobody names is not looked at");
}

#[tokio::test]
async fn what_cannot_be_believed_or_read_is_said_and_other_artifacts_are_let_be() {
    let image = image().await;
    let repository = image.repository.as_ref();
    let other = statement(&Digest::of(b"another"), &bom(&["pkg:npm/other@1.0.0"]));
    let predicate = json!({"predicateType": "https://cyclonedx.org/bom"});
    artifact(repository, None, Some(&image.manifest), ("application/vnd.in-toto+json", &other), predicate)
        .await;
    artifact(repository, None, Some(&image.manifest), (CYCLONEDX, &json!("no document")), json!({})).await;
    artifact(repository, None, Some(&image.manifest), ("application/x-signature", &json!({})), json!({}))
        .await;
    let provenance = json!({"predicateType": "https://slsa.dev/provenance/v1"});
    let slsa = ("application/vnd.in-toto+json", &json!({"predicateType": "https://slsa.dev/provenance/v1"}));
    artifact(repository, None, Some(&image.manifest), slsa, provenance).await;
    let (inventory, attached) = attach(&image, None).await;
    assert_eq!(attached, (0, 0));
    assert_eq!(inventory.incomplete.len(), 2, "{:?}", inventory.incomplete);
    assert!(inventory.incomplete.iter().any(|line| line.ends_with("it is a statement about another image")));
    let report = patchline_scanner::report(&inventory, &[&AdvisorySet::empty()]);
    assert_ne!(report.completeness, Completeness::Complete);
}

/// An image of nothing stays one of which nothing can be said, whatever came with it.
#[tokio::test]
async fn no_document_makes_an_image_clean() {
    let image = Image::new(&[crate::support::Tar::new().file("bin/app", "x").gzip()]).await;
    let document = bom(&["pkg:npm/right@0.1.0", "pkg:deb/debian/curl@7.88.1-10?distro=debian-12"]);
    artifact(image.repository.as_ref(), None, Some(&image.manifest), (CYCLONEDX, &document), json!({})).await;
    let before =
        patchline_scanner::report(&image.inventory().await.expect("an inventory"), &[&AdvisorySet::empty()]);
    let (inventory, attached) = attach(&image, None).await;
    assert_eq!(attached.1, 2);
    let after = patchline_scanner::report(&inventory, &[&AdvisorySet::empty()]);
    assert!(matches!(after.completeness, Completeness::Undetermined { .. }));
    assert_eq!(before.completeness, after.completeness);
}
