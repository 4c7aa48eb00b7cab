//! What a stranger's SBOM says, by itself and beside an image.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use patchline_registry::{BlobContent, Descriptor, Digest, RawManifest, Repository, model};
use serde_json::{Value, json};

use super::{Row, row, wait};
use crate::{
    Inventory,
    adapters::testdata::{self, Lab},
    sbom,
};

pub(super) fn rows() -> Vec<Row> {
    vec![
        row(("sbom", "size"), 50, "the size of an SBOM exceeds the limit of 50", two),
        row(("sbom", "size"), 1000, "the size of an SBOM exceeds the limit of 1000", packed),
        row(("sbom", "size"), 50, "the size of an SBOM exceeds the limit of 50", packed),
        row(("sbom", "values"), 5, "too many values", two),
        row(("sbom", "components"), 1, "it lists more than 1 components", two),
        row(("sbom", "components"), 1, "more than 1 packages are claimed", attached),
        row(("sbom", "envelopes"), 1, "it stands in too many envelopes", envelopes),
        row(("sbom", "purl"), 20, "it is too long", || of(&[component("pkg:npm/a-long-name@1.0.0")])),
        row(("sbom", "qualifiers"), 1, "it has too many qualifiers", || {
            of(&[component("pkg:deb/debian/a@1?arch=amd64&distro=debian-12")])
        }),
        row(("sbom", "name"), 5, "a part of it is empty, too long", || of(&[component("pkg:npm/abcdef@1")])),
        row(("sbom", "name"), 8, "its source package has no usable name", || {
            of(&[component("pkg:deb/debian/abc@1?upstream=abcdefghij")])
        }),
        row(("sbom", "version"), 4, "a part of it is empty, too long", || {
            of(&[component("pkg:npm/abc@1.0.0")])
        }),
        row(("sbom", "version"), 4, "its version or its architecture is none", || {
            of(&[component("pkg:deb/debian/abc@1?arch=amd64")])
        }),
        row(("sbom", "text"), 5, "path=usr/…;", places),
        row(("sbom", "text"), 5, "incomplete=cut … | cut …;", reasons),
        row(("sbom", "licenses"), 1, "licenses=1;", licenses),
        row(("sbom", "unreadable"), 1, "unreadable=1;", || of(&[component("none"), component("none")])),
        row(("sbom", "reasons"), 1, "reasons=1;", reasons),
        row(("sbom", "reasons"), 1, "reasons=1;", || {
            of(&[component("pkg:strange/a@1"), component("pkg:stranger/b@1")])
        }),
        row(("sbom", "attached"), 1, "more than 1 SBOMs are attached", attached),
        row(("sbom", "manifests"), 1, "more than 1 artifacts are attached", attached),
        row(("sbom", "attached-size"), 50, "the size of an attached SBOM exceeds the limit of 50", attached),
    ]
}

fn component(purl: &str) -> Value {
    json!({"type": "library", "name": "x", "purl": purl})
}

fn document(components: &[Value]) -> Value {
    json!({"bomFormat": "CycloneDX", "specVersion": "1.6", "components": components})
}

/// What was understood of a document.
fn told(inventory: &Inventory) -> String {
    let packages = inventory.packages.iter().map(|p| {
        let path = p.path.as_deref().unwrap_or_default();
        format!("{} {} path={path}; licenses={};", p.name, p.version, p.licenses.len())
    });
    let (reasons, unreadable) = (&inventory.incomplete, &inventory.unreadable);
    format!(
        "{} incomplete={}; reasons={}; {} unreadable={};",
        packages.collect::<Vec<_>>().join(" "),
        reasons.join(" | "),
        reasons.len(),
        unreadable.join(" | "),
        unreadable.len()
    )
}

fn file(bytes: &[u8]) -> String {
    let folder = tempfile::tempdir().expect("folder");
    let path = folder.path().join("sbom.json");
    std::fs::write(&path, bytes).expect("document");
    wait(sbom::file(&path)).map_or_else(|error| error.to_string(), |inventory| told(&inventory))
}

fn of(components: &[Value]) -> String {
    file(document(components).to_string().as_bytes())
}

fn two() -> String {
    of(&[component("pkg:npm/a@1.0.0"), component("pkg:npm/b@1.0.0")])
}

/// Few bytes that become many.
fn packed() -> String {
    use std::io::Write as _;
    let mut text = document(&[component("pkg:npm/a@1.0.0")]).to_string();
    text.push_str(&" ".repeat(100_000));
    let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    packed.write_all(text.as_bytes()).expect("packed");
    file(&packed.finish().expect("packed"))
}

/// A statement in a signature's envelope in another.
fn envelopes() -> String {
    let mut inner = document(&[component("pkg:npm/a@1.0.0")]).to_string();
    for _ in 0..2 {
        inner = json!({"payload": STANDARD.encode(&inner), "payloadType": "application/json"}).to_string();
    }
    file(inner.as_bytes())
}

fn places() -> String {
    let mut one = component("pkg:npm/a@1.0.0");
    one["properties"] = json!([{"name": "patchline:path", "value": "usr/lib/package.json"}]);
    of(&[one])
}

/// A document that gives two reasons why it is not whole.
fn reasons() -> String {
    let mut all = document(&[component("pkg:npm/a@1.0.0")]);
    let reason = |text: &str| json!({"name": "patchline:incomplete", "value": text});
    all["metadata"] = json!({"properties": [reason("cut at one place"), reason("cut at another")]});
    file(all.to_string().as_bytes())
}

fn licenses() -> String {
    let mut one = component("pkg:npm/a@1.0.0");
    one["licenses"] = json!([{"license": {"id": "MIT"}}, {"license": {"id": "Apache-2.0"}}]);
    of(&[one])
}

/// An image with two artifacts beside it, under cosign's tags; each has a document that names two packages more.
fn attached() -> String {
    wait(async {
        let lab = Lab::start().await;
        let mut inventory = testdata::inventory(&lab.image);
        for end in ["sbom", "att"] {
            let all =
                [component(&format!("pkg:npm/{end}@1.0.0")), component(&format!("pkg:npm/{end}-b@1.0.0"))];
            artifact(lab.repository.as_ref(), &lab.image, end, &document(&all)).await;
        }
        let added = sbom::attach(lab.repository.as_ref(), &mut inventory, None).await;
        let added = added.map_or_else(|error| error.to_string(), |added| format!("added={};", added.added));
        format!("{added} {}", told(&inventory))
    })
}

async fn artifact(repository: &dyn Repository, image: &Digest, end: &str, document: &Value) {
    let blob = async |media: &str, bytes: Vec<u8>| {
        let descriptor: Descriptor = serde_json::from_value(
            json!({"mediaType": media, "digest": Digest::of(&bytes), "size": bytes.len()}),
        )
        .expect("descriptor");
        repository.push_blob(&descriptor, BlobContent::Bytes(bytes.into())).await.expect("pushed");
        descriptor
    };
    let config = blob("application/vnd.oci.empty.v1+json", b"{}".to_vec()).await;
    let layer = blob("application/vnd.cyclonedx+json", document.to_string().into_bytes()).await;
    let manifest =
        json!({"schemaVersion": 2, "mediaType": model::OCI_MANIFEST, "config": config, "layers": [layer]});
    let raw = RawManifest::new(model::OCI_MANIFEST, manifest.to_string());
    let tag = format!("sha256-{}.{end}", image.hex());
    repository.push_manifest(&tag, &raw).await.expect("pushed");
}
