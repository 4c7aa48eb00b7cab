//! Proof that the mended tree is what was planned: files against verified archives, and a re-scan.
//!
//! The native executor writes the database that the re-scan reads, so the re-scan alone would prove nothing.

use std::collections::BTreeSet;

use patchline_scanner::{Inventory, Report};

use crate::{
    Error, FixPlan, Refusal, Result,
    apk::Database,
    executor::native::Built,
    fix::{
        family::{is_rpms, is_systems},
        system::System,
    },
    tree::{Kind, Tree, image_blocking as blocking},
};

/// A file that is byte for byte what an upgrade replaced, somewhere else.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Copy {
    package: String,
    path: String,
    of: String,
}

/// Below this, equal content says nothing.
const MIN_COPY: u64 = 1024;

/// Lays the patch, as it was read while it was written, over the image's tree and compares every promised file; the
/// copies of what was replaced. That the blob holds the same tar is for the re-scan to say, which computes its diff_id.
pub(crate) async fn files(system: System, plan: &FixPlan, built: &Built) -> Result<Vec<Copy>> {
    let layer = built.tree.clone();
    let (expected, replaced) = (built.expected.clone(), built.replaced.clone());
    let (plan, kept) = (plan.clone(), built.kept.clone());
    blocking(move || {
        let mut tree = system.tree().clone();
        tree.apply(layer);
        for (path, sha256) in &expected {
            let there = tree.get(path).filter(|node| node.entry.kind == Kind::File);
            let found = there.and_then(|node| node.entry.hashes).map(|hashes| hashes.sha256);
            if found.as_ref() != Some(sha256) {
                let reason = format!("/{path} is not what the verified package holds");
                return Err(Error::Proof { reason });
            }
        }
        match system {
            System::Dpkg(_) => {}
            System::Apk(_) => records(&tree, &plan, &kept)?,
            System::Rpm(_) => lines(&tree, &plan)?,
        }
        let owned = system.owned();
        let copies = tree
            .under("")
            .filter(|(path, node)| {
                node.entry.size >= MIN_COPY
                    && !expected.contains_key(*path)
                    && !owned.contains(*path)
                    && !["usr/share/doc/", "usr/share/man/"].iter().any(|folder| path.starts_with(folder))
            })
            .filter_map(|(path, node)| {
                let (package, of) = replaced.get(&node.entry.hashes?.sha256)?;
                Some(Copy { package: package.clone(), path: path.to_owned(), of: of.clone() })
            })
            .collect();
        Ok(copies)
    })
    .await
}

/// apk's database in the mended tree: every upgraded package has its record, and the record tells of what is there.
fn records(tree: &Tree, plan: &FixPlan, kept: &[String]) -> Result<()> {
    let failed = |reason: String| Err(Error::Proof { reason });
    // Only its own word on the architecture can be missing here, and nothing below looks at it.
    let Some(database) = Database::read(tree, Some("any"))? else {
        return failed("apk's database is gone".to_owned());
    };
    for upgrade in &plan.upgrades {
        let Some(package) = database.packages.get(&upgrade.package).filter(|p| p.version == upgrade.to)
        else {
            return failed(format!("apk's database has no {} {}", upgrade.package, upgrade.to));
        };
        for file in &package.files {
            let real = tree.through(&file.path);
            let named = |kept: &String| {
                let rest = kept.strip_prefix('/').and_then(|kept| kept.strip_prefix(real.as_ref()));
                rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(" ("))
            };
            let there = tree.get(&real).map(|node| package.has_shipped(file, &node.entry));
            if there != Some(Some(true)) && !kept.iter().any(named) {
                return failed(format!("/{real} is not what apk's database says of it"));
            }
        }
    }
    Ok(())
}

/// rpm's text manifests in the mended tree: both have one line of every upgraded package, in its new version.
fn lines(tree: &Tree, plan: &FixPlan) -> Result<()> {
    let failed = |reason: String| Err(Error::Proof { reason });
    let Some(database) = crate::rpm::Database::read(tree)? else {
        return failed("rpm's manifest is gone".to_owned());
    };
    for upgrade in &plan.upgrades {
        let Some(package) = database.packages.get(&upgrade.package).filter(|p| p.written == upgrade.to)
        else {
            return failed(format!("rpm's manifest has no {} {}", upgrade.package, upgrade.to));
        };
        if let Err(reason) = database.is_writable(package) {
            return failed(reason);
        }
    }
    Ok(())
}

/// The re-scan must see the new versions and none of the findings that were to be mended.
pub(crate) fn findings(plan: &FixPlan, inventory: &Inventory, report: &Report) -> Result<()> {
    for upgrade in &plan.upgrades {
        let there = inventory.of_system().any(|p| p.name == upgrade.package && p.version == upgrade.to);
        if !there {
            let reason = format!("the re-scan does not find {} {}", upgrade.package, upgrade.to);
            return Err(Error::Proof { reason });
        }
        let left = report.findings.iter().find(|finding| {
            (is_systems(finding) || is_rpms(finding))
                && finding.source == upgrade.source
                && finding.packages.contains(&upgrade.package)
                && upgrade.mends.contains(&finding.id)
        });
        if let Some(finding) = left {
            let reason = format!("{} is still found in {} {}", finding.id, upgrade.package, upgrade.to);
            return Err(Error::Proof { reason });
        }
    }
    Ok(())
}

/// What the present fixed image does not have, and its successor would: the repositories, or what may be
/// upgraded, are no longer what they were when it was made.
pub(crate) fn returning(present: &Report, successor: &Report) -> Vec<Refusal> {
    let known: BTreeSet<(&str, &str)> =
        present.findings.iter().map(|f| (f.source.as_str(), f.id.as_str())).collect();
    let new = successor.findings.iter().filter(|f| !known.contains(&(f.source.as_str(), f.id.as_str())));
    new.map(|finding| Refusal {
        package: finding.packages.first().unwrap_or(&finding.source).clone(),
        from: finding.installed.clone(),
        to: None,
        code: "finding-returns".to_owned(),
        reason: format!("{} is not in the present fixed image, and would be in its successor", finding.id),
        leaves: vec![finding.id.clone()],
    })
    .collect()
}

/// Copies as what the plan could not mend.
pub(crate) fn refusals(plan: &FixPlan, copies: Vec<Copy>) -> Vec<Refusal> {
    copies
        .into_iter()
        .filter_map(|copy| {
            let upgrade = plan.upgrades.iter().find(|upgrade| upgrade.package == copy.package)?;
            Some(Refusal {
                package: copy.package.clone(),
                from: upgrade.from.clone(),
                to: Some(upgrade.to.clone()),
                code: "unfixed-copy".to_owned(),
                reason: format!("/{} is a copy of the old /{}, and no package owns it", copy.path, copy.of),
                leaves: upgrade.mends.clone(),
            })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use patchline_scanner::{Completeness, Finding, Severity};

    use super::*;

    fn report(findings: &[(&str, &str)]) -> Report {
        let finding = |(source, id): &(&str, &str)| Finding {
            id: (*id).into(),
            aliases: Vec::new(),
            ecosystem: "Debian:12".into(),
            paths: Vec::new(),
            packages: vec![format!("lib{source}")],
            source: (*source).into(),
            installed: "1".into(),
            fixed: Some("2".into()),
            severity: Severity::High,
            severity_source: "none".into(),
            mendable: None,
            known_exploited: false,
            epss: None,
            layer: None,
            summary: None,
            published: None,
            because: String::new(),
        };
        Report {
            version: 1,
            image: patchline_registry::Digest::of(b""),
            distro: None,
            packages: 1,
            advisory_revision: String::new(),
            completeness: Completeness::Complete,
            findings: findings.iter().map(finding).collect(),
        }
    }

    #[test]
    fn a_successor_with_findings_of_its_own_is_named() {
        let present = report(&[("abc", "CVE-1"), ("xyz", "CVE-2")]);
        assert_eq!(returning(&present, &report(&[("xyz", "CVE-2")])), []);
        let back = returning(&present, &report(&[("abc", "CVE-1"), ("abc", "CVE-2")]));
        assert_eq!(back.len(), 1);
        assert_eq!((back[0].package.as_str(), back[0].code.as_str()), ("libabc", "finding-returns"));
        assert_eq!(back[0].leaves, ["CVE-2"]);
    }
}
