//! SBOMs as inventories: of others, of ourselves, and attached to images.

mod attached;
mod others;
mod refused;
mod round;

use patchline_scanner::{Inventory, Package, advisories::osv::Record, sbom};
use serde_json::{Value, json};

fn read(document: &Value) -> Inventory {
    sbom::inventory(document.to_string().as_bytes(), "bom.json").expect("an inventory")
}

/// `name version source source-version`, sorted as they stand.
fn told(packages: &[Package]) -> Vec<String> {
    packages.iter().map(|p| format!("{} {} {} {}", p.name, p.version, p.source, p.source_version)).collect()
}

/// All versions before a fix are affected.
fn record(id: &str, ecosystem: &str, package: &str, fixed: &str) -> Record {
    serde_json::from_value(json!({"id": id, "affected": [{
        "package": {"ecosystem": ecosystem, "name": package},
        "ranges": [{"type": "ECOSYSTEM", "events": [{"introduced": "0"}, {"fixed": fixed}]}]}]}))
    .expect("a record")
}
