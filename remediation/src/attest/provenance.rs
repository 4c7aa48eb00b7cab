//! SLSA provenance v1: what was asked for, what went in, who made it and when.

use jiff::Timestamp;
use patchline_registry::Digest;
use patchline_scanner::Inventory;
use serde::Serialize;
use serde_json::{Value, json};

use super::{Named, Sha256, VERSION, purl};
use crate::{Archive, FixedImage, lineage};

/// Names what the parameters mean (SLSA provenance v1, "buildType"); described in docs/attestations.md.
pub const BUILD_TYPE: &str = "https://patchline.dev/fix/v1";

/// What a fixed image itself does not know of its making.
#[derive(Debug, Clone)]
pub struct Build<'a> {
    /// Who vouches for it: `https://patchline.dev/builder/chain`.
    pub builder: &'a str,
    /// What was asked for, as it was asked.
    pub asked: Value,
    /// The run; none: there is none.
    pub invocation: Option<String>,
    /// When it began.
    pub started: Timestamp,
    /// When the proof was done.
    pub finished: Timestamp,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Predicate<'a> {
    build_definition: Definition<'a>,
    run_details: Details<'a>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Definition<'a> {
    build_type: &'static str,
    external_parameters: &'a Value,
    internal_parameters: Value,
    resolved_dependencies: Vec<Resource<'a>>,
}

/// "ResourceDescriptor" of the in-toto attestation framework. No address of a mirror stands in one: where a file was
/// fetched says nothing, its digest all.
#[derive(Serialize)]
struct Resource<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    uri: Option<String>,
    digest: Sha256<'a>,
    name: String,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Details<'a> {
    builder: Value,
    metadata: Metadata<'a>,
    byproducts: Vec<Value>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Metadata<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    invocation_id: Option<&'a str>,
    started_on: String,
    finished_on: String,
}

pub(super) fn predicate<'a>(named: &Named<'_>, fixed: &'a FixedImage, build: &'a Build<'_>) -> Predicate<'a> {
    let source = Resource {
        uri: Some(purl(named, &fixed.origin)),
        digest: Sha256 { sha256: fixed.origin.hex() },
        name: "source".to_owned(),
    };
    let archives = fixed.archives.iter().map(|archive| Resource {
        uri: purl_of(&fixed.inventory, archive),
        digest: Sha256 { sha256: archive.digest.hex() },
        name: match archive.architecture.as_str() {
            "" => format!("{}_{}", archive.package, archive.version),
            architecture => format!("{}_{}_{architecture}", archive.package, archive.version),
        },
    });
    let suites = fixed.plan.repositories.iter().filter(|(_, hash)| is_sha256(hash)).map(|(name, hash)| {
        Resource { uri: None, digest: Sha256 { sha256: hash }, name: format!("index of {name}") }
    });
    let seconds = |at: Timestamp| at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
    let report = Digest::of(&fixed.report.canonical_json());
    Predicate {
        build_definition: Definition {
            build_type: BUILD_TYPE,
            external_parameters: &build.asked,
            internal_parameters: json!({
                "engine": lineage::ENGINE,
                "advisoryRevision": fixed.plan.advisory_revision,
                "upgrades": fixed.plan.upgrades.iter().map(|u| {
                    json!({"package": u.package, "from": u.from, "to": u.to, "executor": u.executor})
                }).collect::<Vec<_>>(),
            }),
            resolved_dependencies: std::iter::once(source).chain(archives).chain(suites).collect(),
        },
        run_details: Details {
            builder: json!({"id": build.builder, "version": {"patchline": VERSION}}),
            metadata: Metadata {
                invocation_id: build.invocation.as_deref(),
                started_on: seconds(build.started),
                finished_on: seconds(build.finished),
            },
            byproducts: vec![json!({"name": "report of the re-scan", "digest": {"sha256": report.hex()}})],
        },
    }
}

/// The package as the re-scan has it: a file's own name says less.
fn purl_of(inventory: &Inventory, archive: &Archive) -> Option<String> {
    let mut same = inventory
        .packages
        .iter()
        .filter(|p| p.is_of_system() || archive.architecture.is_empty())
        .filter(|p| p.name == archive.package && p.version == archive.version)
        .peekable();
    let any = same.peek().map(|p| p.purl.clone());
    let exact = same.find(|p| p.architecture == archive.architecture).map(|p| p.purl.clone());
    exact.or(any).filter(|purl| !purl.is_empty())
}

fn is_sha256(text: &str) -> bool {
    text.len() == 64 && text.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
}
