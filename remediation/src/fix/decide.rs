//! From findings to a plan that holds: versions, dependencies, holds, shadows, scripts; again and again until
//! nothing more is refused.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::PathBuf,
    sync::Arc,
};

use futures::{StreamExt, TryStreamExt, stream};
use patchline_scanner::{Finding, Report, version::compare_debian};

use super::{
    Archive, Progress, Remediator, UpgradePolicy,
    ability::{self, Ability, Workable},
    ground::{Ground, Suites},
    holds::{held_to, holds},
};
use crate::{
    Error, FixPlan, Refusal, Result, Upgrade, clock,
    deb::{Deb, PackageRecord},
    executor::{Executor, sandbox::dpkg},
    plan::{
        Blocked, Key, Pick, Solver, Want, eol, exactly,
        scripts::{self, Case},
        shadow::{Shadow, shadowed},
        wanted,
    },
    tree::{Tree, image_blocking as blocking},
};

/// Packages that are read and judged at once: each may want tens of megabytes to unpack.
const MOST_AT_ONCE: usize = 4;

/// One upgrade, fetched and read.
#[derive(Clone)]
pub(crate) struct Ready {
    pub(crate) key: Key,
    pub(crate) record: Arc<PackageRecord>,
    pub(crate) deb: PathBuf,
    /// Its place in the cache as it unpacks.
    pub(crate) unpacked: PathBuf,
    pub(crate) control: BTreeMap<String, Vec<u8>>,
    pub(crate) shadows: BTreeMap<String, Shadow>,
}

impl Ready {
    /// Its file, by the hash that it was verified with.
    pub(super) fn archive(&self) -> Result<Archive> {
        let record = &self.record;
        let digest = format!("sha256:{}", record.sha256).parse().map_err(|_| Error::Unverified {
            file: record.filename.clone(),
            reason: "the index has no SHA-256 of it".to_owned(),
        })?;
        Ok(Archive {
            package: record.name.clone(),
            version: record.version.clone(),
            architecture: record.architecture.clone(),
            digest,
        })
    }
}

/// A plan, and what carries it out.
pub(crate) struct Decided {
    pub(crate) plan: FixPlan,
    pub(crate) ready: Vec<Ready>,
    /// Of all of them.
    pub(crate) executor: Executor,
}

impl Decided {
    /// Before anything is decided.
    pub(super) fn nothing() -> Self {
        Self { plan: FixPlan::nothing(), ready: Vec::new(), executor: Executor::Native }
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

impl Workable for Ground {
    fn tree(&self) -> &Tree {
        &self.tree
    }
    fn architecture(&self) -> &str {
        &self.database.architecture
    }
    fn has_tools(&self) -> Result<(), String> {
        dpkg::has_tools(&self.tree, &self.database)
    }
}

/// Decides.
pub(crate) async fn decide(
    remediator: &Remediator,
    suites: &mut Suites,
    question: &Question<'_>,
) -> Result<Decided> {
    let ground = question.ground;
    let rules = &*remediator.rules;
    let architecture = ground.database.architecture.clone();
    let mut fetched: BTreeMap<(Key, String), (Ready, Judged)> = BTreeMap::new();
    let mut ability = Ability::first(remediator, ground).await?;
    loop {
        let mut blocked = holds(ground, rules);
        for (key, why) in question.blocked {
            if !ability.takes(remediator, ground, why).await? {
                blocked.insert(key.clone(), ability.explained(why));
            }
        }
        let (database, all) = (&ground.database, &suites.all);
        let first = match &rules.exactly {
            Some(chosen) => exactly(database, all, chosen, rules, &mut blocked)?,
            None => wanted(database, all, question.want, question.policy, rules, &mut blocked)?,
        };
        let mut shadows: BTreeMap<Key, BTreeMap<String, Shadow>> = BTreeMap::new();
        let picks = loop {
            let solver = Solver::new(&ground.database, &suites.all, rules)?;
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
                if let Some((_, Err(why))) = fetched.get(&(key.clone(), pick.record.version.clone()))
                    && !ability.takes(remediator, ground, why).await?
                {
                    blocked.insert(key.clone(), ability.explained(why));
                    again = true;
                }
            }
            if !again {
                break picks;
            }
        };
        let more_may_help = |blocked: &BTreeMap<Key, Blocked>| {
            let codes = ["not-in-repository", "new-dependency", "conflict"];
            blocked.values().any(|why| codes.contains(&why.code))
        };
        if rules.exactly.is_some() {
            if more_may_help(&blocked) && suites.add_main(remediator, &architecture).await? {
                continue;
            }
            held_to(ground, question.want, rules, &picks, &blocked)?;
        }
        let of_want = |key: &Key| {
            let source = &ground.database.packages[key].record.source;
            question.want.fixed.contains_key(source) || question.want.floors.contains_key(source)
        };
        blocked.retain(|key, _| {
            rules.exactly.is_none() && ground.database.packages.contains_key(key) && of_want(key)
        });
        if more_may_help(&blocked) && suites.add_main(remediator, &architecture).await? {
            continue;
        }
        if let Some(end) = question.report.distro.as_ref().and_then(|distro| eol::ended(distro, clock::now()))
            && end.is_over()
        {
            for why in blocked.values_mut().filter(|why| why.code == "not-in-repository") {
                why.code = "end-of-life";
                why.reason = format!("{}: {end}", why.reason);
            }
        }
        for why in blocked.values_mut().filter(|why| matches!(why.code, "not-in-repository" | "end-of-life"))
        {
            suites.explained(&mut why.reason);
        }
        let always = remediator.choice.always();
        return Ok(conclude(question, suites, always, &picks, &first, &blocked, &fetched));
    }
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
    let one = |((key, record), deb): ((Key, Arc<PackageRecord>), PathBuf)| {
        let ground = question.ground.clone();
        let unpacked = remediator.apt.unpacked(&record);
        let shadows = shadows.get(&key).cloned().unwrap_or_default();
        async move {
            let unpacked = unpacked?;
            blocking(move || {
                let control = Deb::read_control(&deb)?;
                let judged = judge(&ground, &key, &record, &control);
                Ok((Ready { key, record, deb, unpacked, control, shadows }, judged))
            })
            .await
        }
    };
    let mut entries = stream::iter(missing.into_iter().zip(paths)).map(one).buffered(MOST_AT_ONCE);
    while let Some(entry) = entries.try_next().await? {
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
    always: Option<Executor>,
    picks: &BTreeMap<Key, Pick>,
    first: &BTreeMap<Key, Pick>,
    blocked: &BTreeMap<Key, Blocked>,
    fetched: &BTreeMap<(Key, String), (Ready, Judged)>,
) -> Decided {
    let packages = &question.ground.database.packages;
    let mut upgrades = Vec::new();
    let mut ready = Vec::new();
    let judged = |key: &Key, pick: &Pick| {
        let (one, judged) = fetched.get(&(key.clone(), pick.record.version.clone()))?;
        let needs = judged.as_ref().err().or_else(|| question.blocked.get(key)).map(|why| &why.reason);
        Some((one, needs, judged.as_ref().ok()))
    };
    let needed =
        picks.iter().any(|(key, pick)| judged(key, pick).is_some_and(|(_, needs, _)| needs.is_some()));
    let executor = ability::executor(always, needed);
    for (key, pick) in picks {
        let Some((one, needs, by_itself)) = judged(key, pick) else { continue };
        let because = ability::because(executor, needed, needs, by_itself);
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
            because,
            executor,
            repository: suites.origin(&pick.record),
            size: pick.record.size,
            along: pick.along,
            ..Upgrade::default()
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
        smoked: Vec::new(),
    };
    Decided { plan, ready, executor }
}

fn ids(report: &Report, which: impl Fn(&Finding) -> bool) -> Vec<String> {
    let ids: BTreeSet<&str> =
        report.findings.iter().filter(|f| f.is_deb() && which(f)).map(|f| f.id.as_str()).collect();
    ids.into_iter().map(str::to_owned).collect()
}
