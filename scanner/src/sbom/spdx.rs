//! SPDX 2.2 and 2.3 JSON (ISO/IEC 5962), as syft, Trivy and we write it.

use std::collections::HashSet;

use super::{
    claim::Claim,
    limits,
    reader::{Reader, evidence},
    system,
};
use crate::{formats::clean, languages::tree::Node};

/// How our comment on a whole document begins, and the one on each reason.
const NOT_WHOLE: &str = "not whole: ";
/// Texts that say nothing: SPDX 2.3, clause 7.15.
const NOTHING: [&str; 3] = ["NOASSERTION", "NONE", ""];

/// Reads all packages of a document.
pub(super) fn read(document: &Node<'_>, reader: &mut Reader) {
    let described = described(document);
    for package in document.get("packages").items() {
        if !reader.count() {
            break;
        }
        one(package, &described, reader);
    }
    if let Some(reasons) = document.get("comment").text().strip_prefix(NOT_WHOLE) {
        reader.incomplete.push(clean(reasons, limits::sbom().text));
    }
}

/// What the document is about: clause 11, "DESCRIBES", and the older way to say it.
fn described<'n>(document: &'n Node<'_>) -> HashSet<&'n str> {
    let listed = document.get("documentDescribes").items().iter().map(Node::text);
    let related = document.get("relationships").items().iter();
    let related = related.filter(|r| r.get("relationshipType").text() == "DESCRIBES");
    listed.chain(related.map(|r| r.get("relatedSpdxElement").text())).collect()
}

fn one(package: &Node<'_>, described: &HashSet<&str>, reader: &mut Reader) {
    let id = package.get("SPDXID").text();
    let (name, version) = (package.get("name").text(), package.get("versionInfo").text());
    let purl = package.get("externalRefs").items().iter().find(|r| r.get("referenceType").text() == "purl");
    let purl = purl.map_or("", |reference| reference.get("referenceLocator").text());
    let purpose = package.get("primaryPackagePurpose").text();
    if purl.is_empty() {
        // Trivy's documents before SPDX 2.3 tell by the identifier alone.
        if purpose == "OPERATING-SYSTEM" || id.starts_with("SPDXRef-OperatingSystem") {
            return reader.systems.name(system::distro(name, version, "", ""));
        }
        let file = id.starts_with("SPDXRef-Application") && version.is_empty();
        let image = matches!(purpose, "CONTAINER" | "FILE" | "SOURCE") || described.contains(id);
        if !file && !image {
            reader.nameless();
        }
        return;
    }
    let info = package.get("sourceInfo").text();
    let note = |key: &str| {
        let mut notes = package.get("annotations").items().iter().map(|a| a.get("comment").text());
        notes.find_map(|comment| comment.strip_prefix(key)).unwrap_or_default()
    };
    let trivy = |key: &str| {
        let mut texts = package.get("attributionTexts").items().iter().map(Node::text);
        texts.find_map(|text| text.strip_prefix(key)).unwrap_or_default()
    };
    reader.claim(Claim {
        purl,
        group: "",
        name,
        version,
        source: source(info),
        path: [note("patchline:path="), trivy("FilePath: ")]
            .into_iter()
            .find(|p| !p.is_empty())
            .unwrap_or(""),
        owner: note("patchline:owner="),
        evidence: evidence(note("patchline:evidence=")),
        // Our own words end with the layer.
        layer: [info.rsplit(", ").next().unwrap_or(""), trivy("LayerDigest: ")]
            .iter()
            .find_map(|digest| digest.parse().ok()),
        licenses: ["licenseDeclared", "licenseConcluded"]
            .map(|key| package.get(key).text())
            .into_iter()
            .find(|text| !NOTHING.contains(text))
            .map(str::to_owned)
            .into_iter()
            .collect(),
    });
}

/// `built from openssl 3.0.11-1; layer 1 of 2, sha256:…` of ours, `built package from: openssl 3.0.11-1` of Trivy.
fn source(info: &str) -> Option<(String, String)> {
    let info = info.strip_prefix("built from ").or_else(|| info.strip_prefix("built package from: "))?;
    let said = info.split("; ").next().unwrap_or(info);
    let (name, version) = said.split_once(' ').unwrap_or((said, ""));
    Some((name.to_owned(), version.to_owned()))
}
