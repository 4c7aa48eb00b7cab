//! Matching: what another scanner's reports say that it found, with the fix that they name.

use serde_json::{Value, json};

use super::{Fault, Figures, data::Data};
use crate::{
    advisories::{AdvisorySet, osv},
    version::Order,
};

/// Types of results, and an ecosystem with the order of their versions.
const ECOSYSTEMS: &[(&[&str], &str)] = &[
    (&["alpine"], "Alpine:v3.20"),
    (&["debian"], "Debian:12"),
    (&["ubuntu"], "Ubuntu:22.04:LTS"),
    (&["alma"], "AlmaLinux:9"),
    (&["rocky"], "Rocky Linux:9"),
    (&["redhat", "centos", "oracle", "amazon"], "Red Hat:enterprise_linux:9"),
    (&["cbl-mariner", "azurelinux"], "Azure Linux:3"),
    (&["photon"], "Photon OS:5.0"),
    (&["opensuse.leap", "opensuse.tumbleweed", "opensuse-tumbleweed", "opensuse-leap"], "openSUSE:Leap 15.6"),
    (&["suse linux enterprise server", "sles"], "SUSE:Linux Enterprise Server 15 SP5"),
    (&["npm", "yarn", "pnpm", "bun", "node-pkg"], "npm"),
    (&["pip", "pipenv", "poetry", "uv", "pylock", "python-pkg", "conda-environment"], "PyPI"),
    (&["bundler", "gemspec"], "RubyGems"),
    (&["cargo", "rustbinary"], "crates.io"),
    (&["composer", "composer-vendor"], "Packagist"),
    (&["jar", "pom", "gradle", "sbt"], "Maven"),
    (&["gomod", "gobinary"], "Go"),
    (&["nuget", "dotnet-core", "packages-props"], "NuGet"),
    (&["conan"], "ConanCenter"),
    (&["pub"], "Pub"),
    (&["hex", "mix"], "Hex"),
    (&["swift"], "SwiftURL"),
    (&["julia"], "Julia"),
    (&["kubernetes"], "Kubernetes"),
];

/// All of them: each vulnerability affects what is installed, and what mends it is not affected.
pub(super) fn judge(data: &Data) -> Result<Figures, Fault> {
    let files = data.members("payloads", |p| p.contains("/trivy-e2e/") && p.ends_with(".golden"))?;
    let mut figures = Figures::new("Trivy's reports");
    for (path, bytes) in &files {
        // Some of them are in other forms.
        let Ok(report) = serde_json::from_slice::<Value>(bytes) else { continue };
        let report_name = path.rsplit('/').next().unwrap_or(path);
        for result in report["Results"].as_array().into_iter().flatten() {
            for found in result["Vulnerabilities"].as_array().into_iter().flatten() {
                one(&mut figures, report_name, result["Type"].as_str().unwrap_or(""), found)?;
            }
        }
    }
    Ok(figures)
}

fn one(figures: &mut Figures, report: &str, kind: &str, found: &Value) -> Result<(), Fault> {
    let word = |key: &str| found[key].as_str().unwrap_or_default();
    let (id, name, installed) = (word("VulnerabilityID"), word("PkgName"), word("InstalledVersion"));
    let case = format!("{report}: {id} {name} {installed}");
    let Some((_, ecosystem)) = ECOSYSTEMS.iter().find(|(kinds, _)| kinds.contains(&kind)) else {
        figures.judge(case, 1, Some(format!("{kind} has no ecosystem")), || {
            (kind == "cocoapods").then_some("nobody defines an order of its versions")
        });
        return Ok(());
    };
    let order = Order::of_ecosystem(ecosystem).ok_or(format!("{ecosystem} has no order"))?;
    // One fix for each branch: the last is the one for the newest.
    let fixes = word("FixedVersion").split(',').map(|fix| fix.trim().trim_start_matches(">= "));
    let fixes = fixes.filter(|fix| !fix.is_empty());
    let fixed = fixes.max_by(|a, b| order.compare(a, b));
    let events: Vec<Value> =
        std::iter::once(json!({"introduced": "0"})).chain(fixed.map(|f| json!({"fixed": f}))).collect();
    let record: osv::Record = serde_json::from_value(json!({"id": id, "affected": [{
        "package": {"ecosystem": ecosystem, "name": name},
        "ranges": [{"type": "ECOSYSTEM", "events": events}]}]}))
    .map_err(|e| e.to_string())?;
    let set = AdvisorySet::from_records(vec![record], "of a report");
    let about: Vec<_> = set.about(ecosystem, name).collect();
    let verdict = about.iter().find_map(|a| a.affects(installed));
    let missed = if verdict.as_ref().map(|v| v.fixed.as_deref()) != Some(fixed) {
        Some(format!("{verdict:?} and not fixed by {fixed:?}"))
    } else if fixed.is_some_and(|f| about.iter().any(|a| a.affects(f).is_some())) {
        Some("what mends it is affected".to_owned())
    } else {
        None
    };
    figures.judge(case, 1, missed, || None);
    Ok(())
}
