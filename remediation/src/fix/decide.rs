//! From findings to a plan that holds: versions, dependencies, holds, shadows, scripts; again and again until
//! nothing more is refused.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::PathBuf,
    sync::Arc,
};

use patchline_scanner::{Finding, Report, version::compare_debian};

use super::{
    Progress, Remediator, UpgradePolicy,
    ground::{Ground, Suites},
};
use crate::{
    FixPlan, Refusal, Result, Upgrade,
    deb::{Deb, PackageRecord},
    plan::{
        Blocked, Key, Pick, Solver, Want, pinned,
        scripts::{self, Case},
        shadow::{Shadow, shadowed},
        wanted,
    },
    tree::image_blocking as blocking,
};

/// One upgrade, fetched and read.
#[derive(Clone)]
pub(crate) struct Ready {
    pub(crate) key: Key,
    pub(crate) record: Arc<PackageRecord>,
    pub(crate) deb: PathBuf,
    pub(crate) control: BTreeMap<String, Vec<u8>>,
    pub(crate) shadows: BTreeMap<String, Shadow>,
}

/// A plan, and what carries it out.
pub(crate) struct Decided {
    pub(crate) plan: FixPlan,
    pub(crate) ready: Vec<Ready>,
}

impl Decided {
    /// Before anything is decided.
    pub(super) fn nothing() -> Self {
        Self { plan: FixPlan::nothing(), ready: Vec::new() }
    }
}

/// What to decide on.
pub(crate) struct Question<'a> {
    pub(crate) ground: &'a Arc<Ground>,
    pub(crate) report: &'a Report,
    pub(crate) want: &'a Want,
    pub(crate) policy: UpgradePolicy,
    /// Found out while laying.
    pub(crate) blocked: &'a BTreeMap<Key, Blocked>,
    pub(crate) progress: &'a Progress,
}

type Judged = Result<String, Blocked>;

/// Decides.
pub(crate) async fn decide(
    remediator: &Remediator,
    suites: &mut Suites,
    question: &Question<'_>,
) -> Result<Decided> {
    let ground = question.ground;
    let architecture = ground.database.architecture.clone();
    let mut fetched: BTreeMap<(Key, String), (Ready, Judged)> = BTreeMap::new();
    loop {
        let mut blocked = holds(ground);
        blocked.extend(question.blocked.clone());
        let first = wanted(&ground.database, &suites.all, question.want, question.policy, &mut blocked)?;
        let mut shadows: BTreeMap<Key, BTreeMap<String, Shadow>> = BTreeMap::new();
        let picks = loop {
            let solver = Solver::new(&ground.database, &suites.all)?;
            let picks = solver.solve(&first, &mut blocked)?;
            drop(solver);
            let mut again = false;
            for (key, pick) in &picks {
                let found = shadows.entry(key.clone()).or_insert_with(|| {
                    shadowed(&ground.tree, &ground.database.packages[key], &ground.filters)
                });
                if let Some(why) = shadow_blocks(found, &pick.record) {
                    blocked.insert(key.clone(), why);
                    again = true;
                }
            }
            if again {
                continue;
            }
            fetch(remediator, question, &picks, &shadows, &mut fetched).await?;
            for (key, pick) in &picks {
                if let Some((_, Err(why))) = fetched.get(&(key.clone(), pick.record.version.clone())) {
                    blocked.insert(key.clone(), why.clone());
                    again = true;
                }
            }
            if !again {
                break picks;
            }
        };
        let of_want = |key: &Key| {
            let source = &ground.database.packages[key].record.source;
            question.want.fixed.contains_key(source) || question.want.floors.contains_key(source)
        };
        blocked.retain(|key, _| ground.database.packages.contains_key(key) && of_want(key));
        let more_may_help = blocked
            .values()
            .any(|why| matches!(why.code, "not-in-repository" | "new-dependency" | "conflict"));
        if more_may_help && suites.add_main(remediator, &architecture).await? {
            continue;
        }
        return Ok(conclude(question, suites, &picks, &first, &blocked, &fetched));
    }
}

/// What may not go up whatever is wanted.
fn holds(ground: &Ground) -> BTreeMap<Key, Blocked> {
    let because = |code, reason| Blocked { code, reason, to: None };
    let mut blocked = BTreeMap::new();
    for (key, package) in &ground.database.packages {
        let why = if package.is_held() {
            Some(because("held", "dpkg's selection is `hold`".to_owned()))
        } else if !package.is_whole() {
            Some(because("conflict", format!("dpkg says `{}` of it", package.status)))
        } else {
            let pin = pinned(&ground.tree, &package.record.name, &package.record.source);
            pin.map(|why| because("held", why))
        };
        if let Some(why) = why {
            blocked.insert(key.clone(), why);
        }
    }
    blocked
}

/// A program or library that somebody put in the package's place would go on running unfixed.
fn shadow_blocks(shadows: &BTreeMap<String, Shadow>, record: &PackageRecord) -> Option<Blocked> {
    let (path, _) = shadows.iter().find(|(_, shadow)| **shadow == Shadow::Changed { program: true })?;
    Some(Blocked {
        code: "shadowed",
        reason: format!("/{path} is not the package's any more, and would stay unfixed"),
        to: Some(record.version.clone()),
    })
}

/// Fetches and judges what was not yet.
async fn fetch(
    remediator: &Remediator,
    question: &Question<'_>,
    picks: &BTreeMap<Key, Pick>,
    shadows: &BTreeMap<Key, BTreeMap<String, Shadow>>,
    fetched: &mut BTreeMap<(Key, String), (Ready, Judged)>,
) -> Result<()> {
    let missing: Vec<(Key, Arc<PackageRecord>)> = picks
        .iter()
        .filter(|(key, pick)| !fetched.contains_key(&((*key).clone(), pick.record.version.clone())))
        .map(|(key, pick)| (key.clone(), pick.record.clone()))
        .collect();
    if missing.is_empty() {
        return Ok(());
    }
    let records: Vec<Arc<PackageRecord>> = missing.iter().map(|(_, record)| record.clone()).collect();
    let paths = remediator.apt.download_with(&records, question.progress).await?;
    for ((key, record), deb) in missing.into_iter().zip(paths) {
        let ground = question.ground.clone();
        let shadows = shadows.get(&key).cloned().unwrap_or_default();
        let entry = blocking(move || {
            let control = Deb::read_control(&deb)?;
            let judged = judge(&ground, &key, &record, &control);
            Ok((Ready { key, record, deb, control, shadows }, judged))
        })
        .await?;
        fetched.insert((entry.0.key.clone(), entry.0.record.version.clone()), entry);
    }
    Ok(())
}

fn judge(ground: &Ground, key: &Key, record: &PackageRecord, control: &BTreeMap<String, Vec<u8>>) -> Judged {
    let installed = &ground.database.packages[key];
    if record.name == "ca-certificates"
        && let Some((hook, _)) = ground.tree.under("etc/ca-certificates/update.d").next()
    {
        return Err(Blocked {
            code: "script-needs-sandbox",
            reason: format!("/{hook} must run when certificates change"),
            to: Some(record.version.clone()),
        });
    }
    let members = ["preinst", "postinst", "prerm", "postrm", "triggers"];
    let old =
        members.iter().filter_map(|name| Some((*name, installed.member(&ground.tree, name)?))).collect();
    let sums = control.get("md5sums").map(|b| String::from_utf8_lossy(b)).unwrap_or_default();
    let new: BTreeMap<&str, &str> = sums
        .lines()
        .filter_map(|line| line.split_once(char::is_whitespace))
        .map(|(md5, path)| (path.trim_start(), md5))
        .collect();
    let changed = |prefix: &str| {
        let of_new = new.iter().filter(|(path, _)| path.starts_with(prefix));
        let of_old = installed.md5sums.iter().filter(|(path, _)| path.starts_with(prefix));
        let (of_new, of_old): (BTreeMap<&str, &str>, BTreeMap<&str, &str>) = (
            of_new.map(|(p, m)| (*p, *m)).collect(),
            of_old.map(|(p, m)| (p.as_str(), m.as_str())).collect(),
        );
        of_new != of_old
    };
    let case = Case {
        package: &record.name,
        from: &installed.record.version,
        to: &record.version,
        old,
        new: control,
        changed: &changed,
        has_command: &|name| {
            ["usr/sbin", "usr/bin", "sbin", "bin"]
                .iter()
                .any(|folder| ground.tree.get(&ground.tree.real(&format!("{folder}/{name}"))).is_some())
        },
        systemd: ground.systemd,
    };
    scripts::judge(&case).map_err(|reason| Blocked {
        code: "script-needs-sandbox",
        reason,
        to: Some(record.version.clone()),
    })
}

fn conclude(
    question: &Question<'_>,
    suites: &Suites,
    picks: &BTreeMap<Key, Pick>,
    first: &BTreeMap<Key, Pick>,
    blocked: &BTreeMap<Key, Blocked>,
    fetched: &BTreeMap<(Key, String), (Ready, Judged)>,
) -> Decided {
    let packages = &question.ground.database.packages;
    let mut upgrades = Vec::new();
    let mut ready = Vec::new();
    for (key, pick) in picks {
        let Some((one, Ok(because))) = fetched.get(&(key.clone(), pick.record.version.clone())) else {
            continue;
        };
        let old = &packages[key].record;
        upgrades.push(Upgrade {
            package: key.0.clone(),
            architecture: pick.record.architecture.clone(),
            source: pick.record.source.clone(),
            from: old.version.clone(),
            to: pick.record.version.clone(),
            mends: ids(question.report, |f| {
                f.packages.contains(&key.0)
                    && f.source == old.source
                    && f.fixed
                        .as_ref()
                        .is_some_and(|fixed| compare_debian(fixed, &pick.record.source_version).is_le())
            }),
            because: because.clone(),
        });
        ready.push(one.clone());
    }
    let refused = blocked
        .iter()
        .map(|(key, why)| {
            let old = &packages[key].record;
            Refusal {
                package: key.0.clone(),
                from: old.version.clone(),
                to: why.to.clone().or_else(|| first.get(key).map(|pick| pick.record.version.clone())),
                code: why.code.to_owned(),
                reason: why.reason.clone(),
                leaves: ids(question.report, |f| {
                    f.packages.contains(&key.0) && f.source == old.source && f.fixed.is_some()
                }),
            }
        })
        .collect();
    let plan = FixPlan {
        version: 1,
        upgrades,
        refused,
        repositories: suites.named(),
        advisory_revision: question.report.advisory_revision.clone(),
    };
    Decided { plan, ready }
}

fn ids(report: &Report, which: impl Fn(&Finding) -> bool) -> Vec<String> {
    let ids: BTreeSet<&str> =
        report.findings.iter().filter(|f| f.is_deb() && which(f)).map(|f| f.id.as_str()).collect();
    ids.into_iter().map(str::to_owned).collect()
}
