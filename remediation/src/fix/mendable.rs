//! Which findings a fix would really mend.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use patchline_registry::Repository;
use patchline_scanner::{Inventory, Report, version::compare_debian};

use super::{
    Progress, Remediator, UpgradePolicy,
    decide::{Question, decide},
    ground::{Ground, Suites, codename},
};
use crate::{Error, Result, plan::Want, tree::open};

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
    let codename = match codename(inventory.distro.as_ref()) {
        Ok(codename) => codename,
        // A system that we cannot mend has nothing mendable; that is an answer.
        Err(Error::UnsupportedSystem { .. }) => {
            report.findings.iter_mut().for_each(|f| f.mendable = Some(false));
            return Ok(());
        }
        Err(other) => return Err(other),
    };
    let image = open(repository, inventory.image.as_str()).await?;
    let silent: Progress = Arc::new(|_, _, _| {});
    let Some(ground) = Ground::read(remediator, repository, &image, &silent).await? else {
        report.findings.iter_mut().for_each(|f| f.mendable = Some(false));
        return Ok(());
    };
    let mut suites = Suites::security(remediator, &codename, &ground.database.architecture).await?;
    let want = Want::from_findings(report.findings.iter());
    let question = Question {
        ground: &ground,
        report,
        want: &want,
        policy: UpgradePolicy::Minimal,
        blocked: &BTreeMap::new(),
        progress: &silent,
    };
    let decided = decide(remediator, &mut suites, &question).await?;
    let reached: BTreeMap<String, String> =
        decided.ready.iter().map(|one| (one.key.0.clone(), one.record.source_version.clone())).collect();
    let refused: BTreeSet<String> = decided.plan.refused.into_iter().map(|refusal| refusal.package).collect();
    for finding in &mut report.findings {
        let Some(fixed) = finding.fixed.as_ref().filter(|_| finding.is_deb()) else {
            finding.mendable = Some(false);
            continue;
        };
        let mut carriers = finding.packages.iter().peekable();
        let all = carriers.peek().is_some()
            && carriers.all(|package| {
                !refused.contains(package)
                    && reached.get(package).is_some_and(|version| compare_debian(version, fixed).is_ge())
            });
        finding.mendable = Some(all);
    }
    Ok(())
}
