//! A plan as people read it, keep it, edit it and hand it back: what goes up, what cannot, and what stays, with the reasons.

use std::collections::BTreeSet;

use patchline_registry::Digest;
use patchline_scanner::{Finding, Report, Severity};
use serde::{Deserialize, Serialize};

use super::{
    FixRequest, Remediator,
    family::{is_rpms, is_systems},
};
use crate::{
    Error, FixPlan, Result, clock,
    plan::{Chosen, EndOfLife, eol},
};

/// Bytes of a plan that is read.
pub const LONGEST_PLAN: u64 = 8 << 20;
/// Upgrades of a plan that is read.
const MOST_UPGRADES: usize = 10_000;

/// One finding that is there afterwards, too.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stay {
    /// As the report names it.
    pub id: String,
    /// Severity.
    pub severity: Severity,
    /// OSV's ecosystem: `Debian:12`, `PyPI`; empty: Debian's.
    pub ecosystem: String,
    /// Source package, or the package of a language.
    pub source: String,
    /// Binary packages that carry it.
    pub packages: Vec<String>,
    /// Files that tell of a language's package.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub paths: Vec<String>,
    /// Installed version.
    pub installed: String,
    /// The version that mends it, where an advisory names one.
    pub fixed: Option<String>,
    /// Kebab-case: that of the refusal; else `no-fix`, `language-package`, `not-selected`, `not-chosen`.
    pub code: String,
    /// For people.
    pub reason: String,
}

/// A plan and what people want to know beside it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Draft {
    /// Format, 1.
    pub version: u32,
    /// The image manifest that was asked about.
    pub image: Digest,
    /// The unfixed image that is built on: the same, unless the image is itself a fixed one.
    pub origin: Digest,
    /// As os-release names it.
    pub system: Option<String>,
    /// What has ended of its support, as far as is known.
    pub end_of_life: Option<EndOfLife>,
    /// Bytes of all archives.
    pub download: u64,
    /// The plan.
    pub plan: FixPlan,
    /// Findings that are there afterwards, worst first.
    pub stays: Vec<Stay>,
}

/// A plan that a person hands back: what it names goes up, and nothing else.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Edited {
    image: Digest,
    chosen: Vec<Chosen>,
    said: Option<Said>,
}

/// Whose choice it is, where whoever took it in has written that into it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Said {
    /// Who.
    pub by: String,
    /// Why.
    pub reason: String,
}

/// What is read of it; the rest is for people.
#[derive(Serialize, Deserialize)]
struct Handed {
    version: u32,
    image: Digest,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    said: Option<Said>,
    plan: HandedPlan,
}

#[derive(Serialize, Deserialize)]
struct HandedPlan {
    upgrades: Vec<Chosen>,
}

impl Edited {
    /// Reads the JSON of a [`Draft`], or what a person has made of it.
    ///
    /// # Errors
    /// [`Error::PlanUnreadable`]: it is none, or beyond a limit.
    pub fn read(bytes: &[u8]) -> Result<Self> {
        let unreadable = |reason: String| Error::PlanUnreadable { reason };
        if bytes.len() as u64 > LONGEST_PLAN {
            return Err(unreadable(format!("it is longer than {} MiB", LONGEST_PLAN >> 20)));
        }
        let handed: Handed = serde_json::from_slice(bytes).map_err(|error| unreadable(error.to_string()))?;
        if handed.version != 1 {
            return Err(unreadable(format!("its version is {}, and 1 is known", handed.version)));
        }
        let chosen = handed.plan.upgrades;
        if chosen.is_empty() {
            return Err(unreadable("it has no upgrades".to_owned()));
        }
        if chosen.len() > MOST_UPGRADES {
            return Err(unreadable(format!("it has more than {MOST_UPGRADES} upgrades")));
        }
        let mut known = BTreeSet::new();
        for one in &chosen {
            if !known.insert((&one.package, &one.architecture, &one.ecosystem, &one.path)) {
                return Err(unreadable(format!("{:.80} stands in it twice", one.package)));
            }
        }
        Ok(Self { image: handed.image, chosen, said: handed.said })
    }
    /// The image manifest that it is a plan of.
    pub fn image(&self) -> &Digest {
        &self.image
    }
    /// Whose choice it is.
    pub fn said(&self) -> Option<&Said> {
        self.said.as_ref()
    }
    /// What is believed of it and nothing else, with who has chosen: what [`Edited::read`] reads again.
    ///
    /// # Errors
    /// [`Error::PlanUnreadable`]: it cannot be written.
    pub fn kept(&self, said: Said) -> Result<String> {
        let plan = HandedPlan { upgrades: self.chosen.clone() };
        let handed = Handed { version: 1, image: self.image.clone(), said: Some(said), plan };
        serde_json::to_string(&handed).map_err(|error| Error::PlanUnreadable { reason: error.to_string() })
    }
    /// The upgrades, where the plan is of this image manifest.
    ///
    /// # Errors
    /// [`Error::PlanOfAnother`]
    pub fn of(self, image: &Digest) -> Result<Vec<Chosen>> {
        if &self.image != image {
            return Err(Error::PlanOfAnother { planned: self.image, image: image.clone() });
        }
        Ok(self.chosen)
    }
}

impl Draft {
    /// Of an image that cannot be mended at all, and why: everything stays.
    pub fn of_nothing(report: &Report, error: &Error) -> Self {
        let distro = report.distro.as_ref();
        let mut stays = stays(report, &FixPlan::nothing(), false, &|_| true);
        for stay in stays.iter_mut().filter(|stay| stay.code == "not-in-repository") {
            error.code().clone_into(&mut stay.code);
            stay.reason = error.to_string();
        }
        Self {
            version: 1,
            image: report.image.clone(),
            origin: report.image.clone(),
            system: distro.map(|distro| distro.pretty_name.clone().unwrap_or_else(|| distro.id.clone())),
            end_of_life: distro.and_then(|distro| eol::ended(distro, clock::now())),
            download: 0,
            plan: FixPlan::nothing(),
            stays,
        }
    }
}

pub(super) async fn draft(remediator: &Remediator, request: &FixRequest<'_>) -> Result<Draft> {
    let prepared = remediator.prepare(request).await?;
    let plan = prepared.plan();
    let distro = prepared.report.distro.as_ref();
    let system = distro.map(|distro| distro.pretty_name.clone().unwrap_or_else(|| distro.id.clone()));
    let selected = |finding: &Finding| request.select.selects(finding);
    let stays = stays(&prepared.report, &plan, remediator.rules.exactly.is_some(), &selected);
    Ok(Draft {
        version: 1,
        image: request.manifest.clone(),
        origin: prepared.origin_digest.clone(),
        system,
        end_of_life: distro.and_then(|distro| eol::ended(distro, clock::now())),
        download: plan.upgrades.iter().map(|upgrade| upgrade.size).sum(),
        plan,
        stays,
    })
}

/// Every finding that not all of its carriers leave behind, with the reason.
fn stays(report: &Report, plan: &FixPlan, edited: bool, selected: &dyn Fn(&Finding) -> bool) -> Vec<Stay> {
    let of_system = |finding: &Finding| is_systems(finding) || is_rpms(finding);
    // Of a language's package every place that carries it has to go up.
    let goes_everywhere = |finding: &Finding| {
        !finding.paths.is_empty()
            && finding.paths.iter().all(|path| {
                plan.upgrades.iter().any(|up| {
                    up.ecosystem == finding.ecosystem && up.path == *path && up.mends.contains(&finding.id)
                })
            })
    };
    let goes = |finding: &Finding| {
        if !of_system(finding) {
            return goes_everywhere(finding);
        }
        !finding.packages.is_empty()
            && finding.packages.iter().all(|package| {
                let ends = |upgrade: &crate::Upgrade| {
                    upgrade.is_of_system()
                        && &upgrade.package == package
                        && upgrade.mends.contains(&finding.id)
                };
                plan.upgrades.iter().any(ends)
            })
    };
    let reasoned = |finding: &Finding| {
        let refused = plan
            .refused
            .iter()
            .find(|r| r.leaves.contains(&finding.id) && finding.packages.contains(&r.package));
        match refused {
            Some(refusal) => {
                stay(finding, &refusal.code, &format!("{}: {}", refusal.package, refusal.reason))
            }
            None if finding.fixed.is_none() => stay(finding, "no-fix", "no advisory names a fixed version"),
            None if !of_system(finding) => {
                stay(finding, "language-package", "whoever builds the image has to require the fixed version")
            }
            None if edited => stay(finding, "not-chosen", "the plan that was handed in leaves it out"),
            None if !selected(finding) => stay(finding, "not-selected", "it was not asked for"),
            None => stay(finding, "not-in-repository", "no repository that was read has it"),
        }
    };
    let mut stays: Vec<Stay> =
        report.findings.iter().filter(|finding| !goes(finding)).map(reasoned).collect();
    stays.sort_by(|a, b| {
        b.severity.cmp(&a.severity).then_with(|| (&a.id, &a.source).cmp(&(&b.id, &b.source)))
    });
    stays
}

fn stay(finding: &Finding, code: &str, reason: &str) -> Stay {
    Stay {
        id: finding.id.clone(),
        severity: finding.severity,
        ecosystem: finding.ecosystem.clone(),
        source: finding.source.clone(),
        packages: finding.packages.clone(),
        paths: finding.paths.clone(),
        installed: finding.installed.clone(),
        fixed: finding.fixed.clone(),
        code: code.to_owned(),
        reason: reason.to_owned(),
    }
}

#[cfg(test)]
#[path = "draft_tests.rs"]
mod tests;
