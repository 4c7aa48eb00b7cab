//! OpenVEX v0.2.0: what became of each vulnerability, by comparing two scans.
//!
//! Nothing is `fixed` because a plan promised it: the original's report has it, the re-scan has not, and a package that
//! carried it is there in a newer version. What a copy of an old file may still carry is not fixed, either.

use jiff::Timestamp;
use patchline_registry::Digest;
use patchline_scanner::{
    Finding, Inventory,
    formats::{advice, clean},
};
use serde::Serialize;

use super::{Found, Named, VERSION, json, purl};
use crate::{FixPlan, Refusal, Result, Upgrade};

/// Of a vulnerability that the fix has ended.
pub const FIXED: &str = "fixed";
/// Of one that the re-scan still finds.
pub const AFFECTED: &str = "affected";

/// Characters of a sentence.
const MOST_TEXT: usize = 1000;
/// Characters of an id.
const MOST_ID: usize = 200;
/// Other ids of one vulnerability.
const MOST_ALIASES: usize = 64;

#[derive(Serialize)]
pub(super) struct Document {
    #[serde(rename = "@context")]
    context: &'static str,
    #[serde(rename = "@id")]
    id: String,
    author: &'static str,
    role: &'static str,
    timestamp: Timestamp,
    version: u32,
    tooling: String,
    statements: Vec<Statement>,
}

#[derive(Serialize)]
struct Statement {
    vulnerability: Vulnerability,
    products: [Product; 1],
    status: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    action_statement: Option<String>,
}

#[derive(Serialize)]
struct Vulnerability {
    name: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    aliases: Vec<String>,
}

#[derive(Serialize)]
struct Product {
    #[serde(rename = "@id")]
    id: String,
    hashes: Hashes,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    subcomponents: Vec<Component>,
}

#[derive(Serialize)]
struct Hashes {
    #[serde(rename = "sha-256")]
    sha256: String,
}

#[derive(Serialize)]
struct Component {
    #[serde(rename = "@id")]
    id: String,
}

/// One document about one image.
pub(super) fn document(named: &Named<'_>, found: &Found<'_>) -> Result<Document> {
    let image = &found.inventory.image;
    let product = |finding: &Finding| Product {
        id: purl(named, image),
        hashes: Hashes { sha256: image.hex().to_owned() },
        subcomponents: components(found.inventory, finding),
    };
    let still = found.report.findings.iter().map(|finding| {
        let refusal = found.plan.and_then(|plan| refusal(plan, finding));
        statement(finding, product(finding), AFFECTED, Some(action(finding, refusal)))
    });
    let gone = found.before.iter().flat_map(|before| &before.findings);
    let gone = gone.filter(|old| !found.report.findings.iter().any(|new| same(old, new)));
    let gone = gone.filter_map(|finding| {
        let plan = found.plan?;
        if let Some(copy) = refusal(plan, finding).filter(|refusal| refusal.code == "unfixed-copy") {
            let action = action(finding, Some(copy));
            return Some(statement(finding, product(finding), AFFECTED, Some(action)));
        }
        let up = plan.upgrades.iter().any(|upgrade| {
            finding.packages.contains(&upgrade.package)
                && is_there(found.inventory, upgrade)
                && (upgrade.is_of_system() || upgrade.mends.contains(&finding.id))
        });
        up.then(|| statement(finding, product(finding), FIXED, None))
    });
    let mut statements: Vec<Statement> = still.chain(gone).collect();
    statements.sort_by(|a, b| {
        let key = |s: &Statement| {
            (s.vulnerability.name.clone(), s.products[0].subcomponents.first().map(|c| c.id.clone()))
        };
        key(a).cmp(&key(b))
    });
    let said = Digest::of(&json(&statements)?);
    Ok(Document {
        context: "https://openvex.dev/ns/v0.2.0",
        id: format!("https://patchline.dev/vex/{}", said.hex()),
        author: "Patchline",
        role: "Document Creator",
        timestamp: named.at,
        version: 1,
        tooling: format!("patchline {VERSION}"),
        statements,
    })
}

fn statement(finding: &Finding, product: Product, status: &'static str, action: Option<String>) -> Statement {
    let id = |id: &String| clean(id, MOST_ID);
    Statement {
        vulnerability: Vulnerability {
            name: id(&finding.id),
            aliases: finding.aliases.iter().take(MOST_ALIASES).map(id).collect(),
        },
        products: [product],
        status,
        action_statement: action,
    }
}

/// The same vulnerability of the same source, by whichever of its ids.
fn same(old: &Finding, new: &Finding) -> bool {
    let named = |finding: &Finding, id: &String| finding.id == *id || finding.aliases.contains(id);
    old.source == new.source && old.ecosystem == new.ecosystem && (named(new, &old.id) || named(old, &new.id))
}

/// Why the plan left it.
fn refusal<'a>(plan: &'a FixPlan, finding: &Finding) -> Option<&'a Refusal> {
    let about = |refusal: &&Refusal| {
        finding.packages.contains(&refusal.package) && refusal.leaves.contains(&finding.id)
    };
    plan.refused.iter().find(about)
}

/// What an `affected` must say (OpenVEX, "Status Labels"): what to do, and why it was not done here.
fn action(finding: &Finding, refusal: Option<&Refusal>) -> String {
    let advice = advice(finding);
    let text = match refusal {
        Some(refusal) if refusal.code == "unfixed-copy" => {
            format!("Replace what is left of {} {}: {}.", refusal.package, refusal.from, refusal.reason)
        }
        Some(refusal) => {
            format!("{advice} {} was not upgraded ({}): {}.", refusal.package, refusal.code, refusal.reason)
        }
        None => advice,
    };
    clean(&text, MOST_TEXT)
}

/// The packages of the image that a finding is about, as they are now.
fn components(inventory: &Inventory, finding: &Finding) -> Vec<Component> {
    let about = |package: &&patchline_scanner::Package| {
        let place = match &package.path {
            None => finding.paths.is_empty(),
            Some(path) => finding.paths.contains(path),
        };
        place && finding.packages.contains(&package.name) && !package.purl.is_empty()
    };
    let mut ids: Vec<&str> = inventory.packages.iter().filter(about).map(|p| p.purl.as_str()).collect();
    ids.sort_unstable();
    ids.dedup();
    ids.into_iter().map(|id| Component { id: id.to_owned() }).collect()
}

/// Whether what went up is in the image as the re-scan has it.
fn is_there(inventory: &Inventory, upgrade: &Upgrade) -> bool {
    inventory.packages.iter().any(|package| {
        let place = match upgrade.is_of_system() {
            true => package.is_of_system(),
            false => package.path.as_deref().is_some_and(|path| upgrade.lies_at(path)),
        };
        place && package.name == upgrade.package && package.version == upgrade.to
    })
}
