//! Proof that the mended tree is what was planned: files against verified archives, and a re-scan.
//!
//! The native executor writes the database that the re-scan reads, so the re-scan alone would prove nothing.

use std::collections::BTreeSet;

use patchline_scanner::{Inventory, Package, Report};

use crate::{
    Error, FixPlan, Refusal, Result,
    apk::Database,
    executor::native::Built,
    fix::{
        family::{is_rpms, is_systems},
        system::System,
    },
    rpm,
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
            System::Rpm(ref ground) => lines(&ground.database, &tree, &plan)?,
            System::Bare(_) => {}
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
    for upgrade in plan.upgrades.iter().filter(|upgrade| upgrade.is_of_system()) {
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

/// rpm's database in the mended tree: it has every upgraded package once, in its new version, and of all others exactly what it
/// had.
fn lines(before: &rpm::Database, tree: &Tree, plan: &FixPlan) -> Result<()> {
    let failed = |reason: String| Err(Error::Proof { reason });
    let Some(database) = rpm::Database::read(tree)? else {
        return failed("rpm's database is gone".to_owned());
    };
    let of_system: Vec<_> = plan.upgrades.iter().filter(|upgrade| upgrade.is_of_system()).collect();
    if let Some(reason) = headers(before, &database, of_system.len()) {
        return failed(reason);
    }
    for upgrade in of_system {
        let Some(package) = database.packages.get(&upgrade.package).filter(|p| p.written == upgrade.to)
        else {
            return failed(format!("rpm's database has no {} {}", upgrade.package, upgrade.to));
        };
        if let Err(reason) = database.is_writable(package) {
            return failed(reason);
        }
    }
    Ok(())
}

/// Headers that are no longer there, or new, beside those of the upgraded packages. What was upgraded has gone by its old header,
/// so as many may be missing as are new, and no more of either than upgrades.
fn headers(before: &rpm::Database, after: &rpm::Database, upgrades: usize) -> Option<String> {
    if before.headers != after.headers {
        return Some("rpm's database lies elsewhere, or is of another form".to_owned());
    }
    let lost = |from: &rpm::Database, to: &rpm::Database| -> usize {
        let records = from.records.iter();
        records.map(|(sum, count)| count.saturating_sub(to.records.get(sum).copied().unwrap_or(0))).sum()
    };
    let (gone, new) = (lost(before, after), lost(after, before));
    let expected = if before.headers.is_some() { upgrades } else { 0 };
    (gone != expected || new != expected).then(|| {
        format!(
            "{gone} packages of rpm's database are gone and {new} are new, where {expected} were upgraded"
        )
    })
}

/// The re-scan must see the new versions and none of the findings that were to be mended.
pub(crate) fn findings(plan: &FixPlan, inventory: &Inventory, report: &Report) -> Result<()> {
    for upgrade in &plan.upgrades {
        let same = |p: &Package| p.name == upgrade.package && p.version == upgrade.to;
        let there = inventory.packages.iter().any(|p| {
            same(p)
                && match upgrade.is_of_system() {
                    true => p.is_of_system(),
                    false => p.path.as_deref().is_some_and(|path| upgrade.lies_at(path)),
                }
        });
        if !there {
            let reason = format!("the re-scan does not find {} {}", upgrade.package, upgrade.to);
            return Err(Error::Proof { reason });
        }
        let left = report.findings.iter().find(|finding| {
            let about = match upgrade.is_of_system() {
                true => is_systems(finding) || is_rpms(finding),
                false => {
                    finding.ecosystem == upgrade.ecosystem
                        && finding.paths.iter().any(|path| upgrade.lies_at(path))
                }
            };
            about
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
            // Copies among packages of languages are packages: the re-scan itself tells of them.
            let told = ["node_modules/", "-packages/"].iter().any(|folder| copy.path.contains(folder));
            if !upgrade.is_of_system() && told {
                return None;
            }
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
