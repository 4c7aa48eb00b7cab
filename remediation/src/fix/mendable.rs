//! Which findings a fix would really mend.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use patchline_registry::Repository;
use patchline_scanner::{
    Finding, Inventory, Report,
    advisories::AdvisorySet,
    version::{Order, compare_debian},
};

use super::{
    Progress, Remediator, UpgradePolicy, apk,
    decide::{Question, decide},
    family,
    ground::{Suites, series},
    rpm,
    system::System,
};
use crate::{
    Refusal, Result,
    languages::{self, is_languages},
    plan::{self, Want},
    tree::{Flavour, open},
};

pub(super) async fn mark(
    remediator: &Remediator,
    repository: &dyn Repository,
    inventory: &Inventory,
    report: &mut Report,
) -> Result<()> {
    if !report.findings.iter().any(|f| f.fixable()) {
        report.findings.iter_mut().for_each(|f| f.mendable = Some(false));
        return Ok(());
    }
    let (reached, refused) = match reached(remediator, repository, inventory, report).await {
        Ok(Some(found)) => found,
        // A system that we cannot mend has nothing mendable; that is an answer.
        Ok(None) => {
            report.findings.iter_mut().for_each(|f| f.mendable = Some(false));
            return Ok(());
        }
        Err(error) if error.is_of_system() => {
            report.findings.iter_mut().for_each(|f| f.mendable = Some(false));
            return Ok(());
        }
        Err(other) => return Err(other),
    };
    for finding in &mut report.findings {
        let Some(fixed) = finding.fixed.as_ref().filter(|_| family::is_systems(finding)) else {
            finding.mendable = Some(false);
            continue;
        };
        let compare = |a: &str, b: &str| match Order::of_ecosystem(&finding.ecosystem) {
            Some(order) => order.compare(a, b),
            None => compare_debian(a, b),
        };
        let mut carriers = finding.packages.iter().peekable();
        let all = carriers.peek().is_some()
            && carriers.all(|package| {
                !refused.contains(package)
                    && reached.get(package).is_some_and(|version| compare(version, fixed).is_ge())
            });
        finding.mendable = Some(all);
    }
    Ok(())
}

pub(super) async fn mark_languages(
    remediator: &Remediator,
    repository: &dyn Repository,
    report: &mut Report,
    advisories: &[&AdvisorySet],
) -> Result<Vec<Refusal>> {
    let Some(languages) = &remediator.languages else { return Ok(Vec::new()) };
    let wanted: Vec<&Finding> = report.findings.iter().filter(|finding| is_languages(finding)).collect();
    if wanted.is_empty() {
        return Ok(Vec::new());
    }
    let image = open(repository, report.image.as_str()).await?;
    let progress: Progress = Arc::new(|_, _, _| {});
    let distro = report.distro.as_ref();
    let Some(system) = System::read(remediator, repository, &image, distro, &progress).await? else {
        return Ok(Vec::new());
    };
    let question = languages::Question {
        repository,
        image: &image,
        tree: system.tree(),
        facts: remediator.facts.clone(),
        owned: system.owned(),
        wanted,
        advisories,
        latest: false,
        rules: &remediator.rules,
        progress: &progress,
    };
    let decided = languages.decide(&question).await?;
    for finding in report.findings.iter_mut().filter(|finding| is_languages(finding)) {
        finding.mendable = Some(decided.ends(finding));
    }
    Ok(decided.refused)
}

type Reached = (BTreeMap<String, String>, BTreeSet<String>);

/// What version each package would reach, and which would be refused; none: there is no database of ours.
async fn reached(
    remediator: &Remediator,
    repository: &dyn Repository,
    inventory: &Inventory,
    report: &Report,
) -> Result<Option<Reached>> {
    let distro = inventory.distro.as_ref();
    let others = ["apk", "rpm"];
    let other = inventory.database.as_deref().is_some_and(|name| others.contains(&name));
    if family::expected(distro) == Flavour::Dpkg && !other {
        series(distro)?;
    }
    let image = open(repository, inventory.image.as_str()).await?;
    let silent: Progress = Arc::new(|_, _, _| {});
    let policy = UpgradePolicy::Minimal;
    let (reached, plan) = match System::read(remediator, repository, &image, distro, &silent).await? {
        None | Some(System::Bare(_)) => return Ok(None),
        Some(System::Dpkg(ground)) => {
            let series = series(distro)?;
            let mut suites = Suites::security(remediator, series, &ground).await?;
            let want = &Want::from_findings(report.findings.iter());
            let (ground, blocked, progress) = (&ground, &BTreeMap::new(), &silent);
            let question = Question { ground, report, want, policy, blocked, progress };
            let decided = decide(remediator, &mut suites, &question).await?;
            let ready = decided.ready.iter();
            let reached = ready.map(|one| (one.key.0.clone(), one.record.source_version.clone())).collect();
            (reached, decided.plan)
        }
        Some(System::Apk(ground)) => {
            let repositories = &ground.repositories(remediator, distro).await?;
            let want = &plan::apk::Want::from_findings(report.findings.iter());
            let (ground, blocked, progress) = (&ground, &BTreeMap::new(), &silent);
            let question = apk::Question { ground, repositories, report, want, policy, blocked, progress };
            let decided = apk::decide(remediator, &question).await?;
            (apk::reached(&decided), decided.plan)
        }
        Some(System::Rpm(ground)) => {
            let repositories = &ground.repositories(remediator, distro).await?;
            let want = &plan::rpm::Want::from_findings(report.findings.iter());
            let (ground, blocked, progress) = (&ground, &BTreeMap::new(), &silent);
            let question = rpm::Question { ground, repositories, report, want, policy, blocked, progress };
            let decided = rpm::decide(remediator, &question).await?;
            (rpm::reached(&decided), decided.plan)
        }
    };
    Ok(Some((reached, plan.refused.into_iter().map(|refusal| refusal.package).collect())))
}
