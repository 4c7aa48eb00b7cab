//! Mending apk's packages: what is decided on, the decision, and the layer.

mod ground;

use std::{
    collections::{BTreeMap, BTreeSet},
    fs::File,
    io::Read as _,
    path::Path,
    sync::Arc,
};

use patchline_registry::Digest;
use patchline_scanner::{Finding, Report};
use sha2::{Digest as _, Sha256};

use super::{
    Archive, Progress, Remediator, UpgradePolicy,
    ability::{self, Ability},
    family,
};
use crate::{
    Error, FixPlan, Refusal, Result, Upgrade,
    apk::{IndexEntry, Package, Repositories, compare},
    clock,
    executor::{
        Executor, Runner,
        native::{
            Built, Outcome,
            apk::{Change, build},
        },
        sandbox,
    },
    plan::{
        Blocked, Rules,
        apk::{Pick, Solver, Want, eol, exactly, scripts, shadow::shadowed, wanted, world_tag},
        shadow::Shadow,
    },
    tree::image_blocking as blocking,
};

pub(crate) use ground::Ground;

/// One upgrade, fetched and read.
#[derive(Clone)]
pub(crate) struct Ready {
    name: String,
    entry: Arc<IndexEntry>,
    package: Package,
    shadows: BTreeMap<String, Shadow>,
}

impl Ready {
    /// Its file, hashed whole: what was verified is its parts, by the index and by its own signature.
    pub(super) fn archive(&self) -> Result<Archive> {
        let io = |source| Error::Io { operation: format!("hash {}", self.name), source };
        let mut hash = Sha256::new();
        let mut file = File::open(&self.package.path).map_err(io)?;
        let mut buffer = vec![0; 64 << 10];
        loop {
            let read = file.read(&mut buffer).map_err(io)?;
            if read == 0 {
                break;
            }
            hash.update(&buffer[..read]);
        }
        Ok(Archive {
            package: self.name.clone(),
            version: self.entry.version.clone(),
            architecture: self.entry.field('A').unwrap_or_default().to_owned(),
            digest: Digest::from_sha256(&hash.finalize()),
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
    pub(crate) repositories: &'a Repositories,
    pub(crate) report: &'a Report,
    pub(crate) want: &'a Want,
    pub(crate) policy: UpgradePolicy,
    /// Found out while laying.
    pub(crate) blocked: &'a BTreeMap<String, Blocked>,
    pub(crate) progress: &'a Progress,
}

type Fetched = BTreeMap<(String, String), (Ready, Result<String, Blocked>)>;

/// Decides.
pub(crate) async fn decide(remediator: &Remediator, question: &Question<'_>) -> Result<Decided> {
    let ground = question.ground;
    let rules = &*remediator.rules;
    let mut fetched = Fetched::new();
    let end = question.report.distro.as_ref().and_then(|distro| eol::ended(distro, clock::now()));
    let mut ability = Ability::first(remediator, ground).await?;
    let mut blocked = broken(ground);
    for package in ground.database.packages.values() {
        let kept = rules.keeps(&package.name, &package.origin);
        blocked.extend(kept.map(|why| (package.name.clone(), why)));
    }
    for (name, why) in question.blocked {
        if !ability.takes(remediator, ground, why).await? {
            blocked.insert(name.clone(), ability.explained(why));
        }
    }
    let (database, repositories) = (&ground.database, question.repositories);
    let (want, policy) = (question.want, question.policy);
    let first = match &rules.exactly {
        Some(chosen) => exactly(database, repositories, chosen, rules, &mut blocked),
        None => wanted(database, repositories, want, policy, rules, end.as_ref(), &mut blocked),
    };
    let solver = Solver { database, repositories, rules };
    let mut shadows: BTreeMap<String, BTreeMap<String, Shadow>> = BTreeMap::new();
    let picks = loop {
        let picks = solver.solve(&first, &mut blocked);
        let mut again = false;
        for (name, pick) in &picks {
            let found = shadows
                .entry(name.clone())
                .or_insert_with(|| shadowed(&ground.tree, &ground.database, &ground.database.packages[name]));
            if let Some(why) = shadow_blocks(found, &pick.entry) {
                blocked.insert(name.clone(), why);
                again = true;
            }
        }
        if again {
            continue;
        }
        fetch(remediator, question, &picks, &shadows, &mut fetched).await?;
        for (name, pick) in &picks {
            if let Some((_, Err(why))) = fetched.get(&(name.clone(), pick.entry.version.clone()))
                && !ability.takes(remediator, ground, why).await?
            {
                blocked.insert(name.clone(), ability.explained(why));
                again = true;
            }
        }
        if !again {
            break picks;
        }
    };
    let packages = &ground.database.packages;
    held_to(question, rules, &picks, &blocked)?;
    if rules.exactly.is_some() {
        blocked.clear();
    }
    blocked.retain(|name, _| {
        packages.get(name).is_some_and(|package| question.want.lowest.contains_key(&package.origin))
    });
    Ok(conclude(question, remediator.choice.always(), &picks, &blocked, &fetched))
}

/// Whether an edited plan holds as it was written, as dpkg's has to.
fn held_to(
    question: &Question<'_>,
    rules: &Rules,
    picks: &BTreeMap<String, Pick>,
    blocked: &BTreeMap<String, Blocked>,
) -> Result<()> {
    let Some(chosen) = &rules.exactly else { return Ok(()) };
    let refuse =
        |package: &str, reason: String| Err(Error::PlanRefused { package: package.to_owned(), reason });
    let is_chosen = |name: &String| chosen.iter().any(|one| one.package == *name);
    if let Some((name, why)) = blocked.iter().find(|(name, _)| is_chosen(name)) {
        return refuse(name, why.reason.clone());
    }
    if let Some((name, pick)) = picks.iter().find(|(name, _)| !is_chosen(name)) {
        return refuse(
            name,
            format!("it has to go to {} as well, and is not in the plan", pick.entry.version),
        );
    }
    for package in question.ground.database.packages.values() {
        let Some(floor) = question.want.floors.get(&package.origin) else { continue };
        let reaches = picks.get(&package.name).map_or(&package.version, |pick| &pick.entry.version);
        if compare(reaches, floor).is_lt() {
            return refuse(&package.name, format!("the image has {floor} already, and would go back"));
        }
    }
    Ok(())
}

/// What apk itself says is not whole.
fn broken(ground: &Ground) -> BTreeMap<String, Blocked> {
    let packages = ground.database.packages.values();
    packages
        .filter(|package| package.flags.contains(['f', 's']))
        .map(|package| {
            let reason = format!("apk recorded `f:{}` when it was installed", package.flags);
            (package.name.clone(), Blocked { code: "conflict", reason, to: None })
        })
        .collect()
}

/// A program or library that somebody put in the package's place would go on running unfixed.
fn shadow_blocks(shadows: &BTreeMap<String, Shadow>, entry: &IndexEntry) -> Option<Blocked> {
    let (path, _) = shadows.iter().find(|(_, shadow)| **shadow == Shadow::Changed { program: true })?;
    Some(Blocked {
        code: "shadowed",
        reason: format!("/{path} is not the package's any more, and would stay unfixed"),
        to: Some(entry.version.clone()),
    })
}

/// Fetches and judges what was not yet.
async fn fetch(
    remediator: &Remediator,
    question: &Question<'_>,
    picks: &BTreeMap<String, Pick>,
    shadows: &BTreeMap<String, BTreeMap<String, Shadow>>,
    fetched: &mut Fetched,
) -> Result<()> {
    let missing: Vec<Arc<IndexEntry>> = picks
        .iter()
        .filter(|(name, pick)| !fetched.contains_key(&((*name).clone(), pick.entry.version.clone())))
        .map(|(_, pick)| pick.entry.clone())
        .collect();
    if missing.is_empty() {
        return Ok(());
    }
    let Some(apk) = &remediator.apk else { return Ok(()) };
    let packages = apk.download(question.repositories, &missing, question.progress).await?;
    for (entry, package) in missing.into_iter().zip(packages) {
        let ground = question.ground.clone();
        let name = entry.name.clone();
        let shadows = shadows.get(&name).cloned().unwrap_or_default();
        let one = blocking(move || {
            let judged = judge(&ground, &entry, &package);
            Ok((Ready { name, entry, package, shadows }, judged))
        })
        .await?;
        fetched.insert((one.0.name.clone(), one.0.entry.version.clone()), one);
    }
    Ok(())
}

fn judge(ground: &Ground, entry: &IndexEntry, package: &Package) -> Result<String, Blocked> {
    let installed = &ground.database.packages[&entry.name];
    let case = scripts::Case {
        tree: &ground.tree,
        database: &ground.database,
        installed,
        to: &entry.version,
        package,
        old: ground.scripts.of(installed),
    };
    scripts::judge(&case).map_err(|reason| Blocked {
        code: "script-needs-sandbox",
        reason,
        to: Some(entry.version.clone()),
    })
}

fn conclude(
    question: &Question<'_>,
    always: Option<Executor>,
    picks: &BTreeMap<String, Pick>,
    blocked: &BTreeMap<String, Blocked>,
    fetched: &Fetched,
) -> Decided {
    let packages = &question.ground.database.packages;
    let repositories = &question.repositories.all;
    let (mut upgrades, mut ready) = (Vec::new(), Vec::new());
    let judged = |name: &String, pick: &Pick| {
        let (one, judged) = fetched.get(&(name.clone(), pick.entry.version.clone()))?;
        Some((one, judged.as_ref().err().map(|why| &why.reason), judged.as_ref().ok()))
    };
    let needed =
        picks.iter().any(|(name, pick)| judged(name, pick).is_some_and(|(_, needs, _)| needs.is_some()));
    let executor = ability::executor(always, needed);
    for (name, pick) in picks {
        let Some((one, needs, by_itself)) = judged(name, pick) else { continue };
        let because = ability::because(executor, needed, needs, by_itself);
        let old = &packages[name];
        let tagged = world_tag(&question.ground.database, old).map(|tag| format!("from @{tag}; {because}"));
        upgrades.push(Upgrade {
            package: name.clone(),
            architecture: old.architecture.clone(),
            source: pick.entry.origin.clone(),
            from: old.version.clone(),
            to: pick.entry.version.clone(),
            mends: ids(question.report, |finding| {
                finding.packages.contains(name)
                    && finding.source == old.origin
                    && finding.fixed.as_ref().is_some_and(|fixed| compare(fixed, &pick.entry.version).is_le())
            }),
            because: tagged.unwrap_or(because),
            executor,
            repository: repositories
                .get(pick.entry.repository)
                .map(|one| one.address.clone())
                .unwrap_or_default(),
            size: pick.entry.size,
            along: !question.want.lowest.contains_key(&old.origin),
            ..Upgrade::default()
        });
        ready.push(one.clone());
    }
    let refused = blocked
        .iter()
        .map(|(name, why)| {
            let old = &packages[name];
            Refusal {
                package: name.clone(),
                from: old.version.clone(),
                to: why.to.clone(),
                code: why.code.to_owned(),
                reason: why.reason.clone(),
                leaves: ids(question.report, |finding| {
                    finding.packages.contains(name) && finding.source == old.origin && finding.fixed.is_some()
                }),
            }
        })
        .collect();
    let plan = FixPlan {
        version: 1,
        upgrades,
        refused,
        repositories: question.repositories.named(),
        advisory_revision: question.report.advisory_revision.clone(),
        smoked: Vec::new(),
    };
    Decided { plan, ready, executor }
}

fn ids(report: &Report, which: impl Fn(&Finding) -> bool) -> Vec<String> {
    let found = report.findings.iter().filter(|finding| family::is_apks(finding) && which(finding));
    let ids: BTreeSet<&str> = found.map(|finding| finding.id.as_str()).collect();
    ids.into_iter().map(str::to_owned).collect()
}

fn changes(ground: &Ground, ready: Vec<Ready>) -> Vec<Change<'_>> {
    let change = |one: Ready| Change {
        installed: &ground.database.packages[&one.name],
        entry: one.entry,
        package: one.package,
        shadows: one.shadows,
    };
    ready.into_iter().map(change).collect()
}

/// The layer of a decision.
pub(crate) fn lay(
    ground: &Ground,
    ready: Vec<Ready>,
    scratch: &Path,
    progress: &dyn Fn(&str, u64, u64),
) -> Result<Outcome> {
    let changes = changes(ground, ready);
    build(&ground.tree, &ground.database, &ground.scripts, &changes, scratch, progress)
}

/// The same as the image's own apk makes it. `layers` are the image's, lowest first.
pub(crate) fn lay_by_tools(
    runner: &Runner,
    ground: &Ground,
    ready: Vec<Ready>,
    layers: &mut [File],
    scratch: &Path,
    progress: &dyn Fn(&str, u64, u64),
) -> Result<Built> {
    let changes = changes(ground, ready);
    sandbox::apk::build(runner, (&ground.tree, &ground.database), &changes, layers, scratch, progress)
}

/// Reached version by package.
pub(crate) fn reached(decided: &Decided) -> BTreeMap<String, String> {
    decided.ready.iter().map(|one| (one.name.clone(), one.entry.version.clone())).collect()
}
