//! Mending rpm's packages: the decision, and the layer. Text manifests are written natively; a database of headers by the
//! image's own rpm, in a sandbox.

mod ground;

use std::{
    collections::{BTreeMap, BTreeSet},
    fs::File,
    path::Path,
    sync::Arc,
};

use patchline_scanner::{Finding, Report};

pub(crate) use ground::Ground;

use super::{Archive, Progress, Remediator, UpgradePolicy, family};
use crate::{
    Error, FixPlan, Refusal, Result, Upgrade,
    executor::{
        Executor, Runner,
        native::{
            Built, Outcome,
            rpm::{Change, build},
        },
        sandbox,
    },
    plan::{
        Blocked, Offer, Rules,
        rpm::{Pick, Solver, Want, scripts, shadow::shadowed, wanted},
        shadow::Shadow,
    },
    rpm::{Entry, Installed, Package, Repositories, Scripts, compare},
    tree::image_blocking as blocking,
};

/// One upgrade, fetched and read.
#[derive(Clone)]
pub(crate) struct Ready {
    name: String,
    entry: Arc<Entry>,
    /// The package that is installed, fetched; none: the image's database says of it what it said.
    old: Option<Package>,
    new: Package,
    shadows: BTreeMap<String, Shadow>,
}

/// A plan, and what carries it out.
pub(crate) struct Decided {
    pub(crate) plan: FixPlan,
    pub(crate) ready: Vec<Ready>,
}

/// What is fetched for one upgrade: name, the version that is installed where it takes that, and the version that comes.
type Pair = (String, Option<Arc<Entry>>, Arc<Entry>);

impl Decided {
    /// Before anything is decided.
    pub(super) fn nothing() -> Self {
        Self { plan: FixPlan::nothing(), ready: Vec::new() }
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
    let rules = &without_epochs_of_nothing(&remediator.rules);
    let mut fetched = Fetched::new();
    let mut blocked = unwritable(ground);
    blocked.extend(question.blocked.clone());
    for package in ground.database.packages.values() {
        if let Some(why) = rules.keeps(&package.name, &package.source.0) {
            blocked.insert(package.name.clone(), why);
        }
    }
    let first = wanted(&ground.database, question.repositories, question.want, question.policy, &mut blocked);
    // Before what they need is asked about: of a version that is gone nobody knows what it needed either.
    for (name, pick) in &first {
        let installed = &ground.database.packages[name];
        if let Err(why) = shipped(question.repositories, installed, &pick.entry) {
            blocked.insert(name.clone(), why);
        }
    }
    let solver =
        Solver { tree: &ground.tree, database: &ground.database, repositories: question.repositories };
    let picks = loop {
        let picks = solver.solve(&first, &mut blocked);
        let mut again = false;
        let mut pairs = Vec::new();
        for (name, pick) in &picks {
            if let Some(why) = against(rules, &pick.entry) {
                blocked.insert(name.clone(), why);
                again = true;
                continue;
            }
            let installed = &ground.database.packages[name];
            match shipped(question.repositories, installed, &pick.entry) {
                Ok(old) => pairs.push((name.clone(), old, pick.entry.clone())),
                Err(why) => {
                    blocked.insert(name.clone(), why);
                    again = true;
                }
            }
        }
        if again {
            continue;
        }
        pairs.retain(|(name, _, new)| !fetched.contains_key(&(name.clone(), new.evr.to_string())));
        fetch(remediator, question, pairs, &mut fetched).await?;
        for (name, pick) in &picks {
            if let Some((_, Err(why))) = fetched.get(&(name.clone(), pick.entry.evr.to_string())) {
                blocked.insert(name.clone(), why.clone());
                again = true;
            }
        }
        if !again {
            break picks;
        }
    };
    held_to(rules, &picks, &blocked)?;
    if rules.exactly.is_some() {
        blocked.clear();
    }
    let packages = &ground.database.packages;
    blocked.retain(|name, _| packages.get(name).is_some_and(|package| question.want.names(package)));
    Ok(conclude(question, ground.executor(remediator.choice), &picks, &blocked, &fetched))
}

/// Epochs of nothing are written by some and left out by others: here they are left out.
fn without_epochs_of_nothing(rules: &Rules) -> Rules {
    let mut rules = rules.clone();
    for one in rules.exactly.iter_mut().flatten() {
        if let Some(rest) = one.to.strip_prefix("0:") {
            one.to = rest.to_owned();
        }
    }
    rules
}

/// Why a version is not taken.
fn against(rules: &Rules, entry: &Entry) -> Option<Blocked> {
    let (own, source) = (entry.evr.to_string(), entry.source());
    let versions = [own.as_str(), &source.1.to_string()];
    rules.against(&Offer { name: &entry.name, source: &source.0, versions })
}

/// Whether an edited plan holds as it was written. Upgrades may be taken out of it; another version than the policy's is
/// not taken for rpm.
fn held_to(rules: &Rules, picks: &BTreeMap<String, Pick>, blocked: &BTreeMap<String, Blocked>) -> Result<()> {
    for one in rules.exactly.iter().flatten() {
        if !picks.contains_key(&one.package) {
            let reason = blocked
                .get(&one.package)
                .map_or("it is not installed, or needs no upgrade", |why| why.reason.as_str());
            return Err(Error::PlanRefused { package: one.package.clone(), reason: reason.to_owned() });
        }
    }
    Ok(())
}

/// What the database does not have once and whole, and what follows a stream that no repository was asked about.
fn unwritable(ground: &Ground) -> BTreeMap<String, Blocked> {
    let packages = ground.database.packages.values();
    packages
        .filter_map(|package| {
            if let Some(module) = package.held.as_deref().and_then(|held| held.module.as_ref()) {
                let module: String = module.chars().filter(|c| !c.is_control()).take(120).collect();
                let reason = format!("it is of the module {module}, and streams of modules are not read");
                return Some((package.name.clone(), Blocked { code: "module-stream", reason, to: None }));
            }
            let reason = ground.database.is_writable(package).err()?;
            Some((package.name.clone(), Blocked { code: "conflict", reason, to: None }))
        })
        .collect()
}

/// What has to be fetched to know which files an installed package brought: nothing, where its header is in the database;
/// else the package itself.
fn shipped(
    repositories: &Repositories,
    installed: &Installed,
    to: &Entry,
) -> Result<Option<Arc<Entry>>, Blocked> {
    if installed.held.is_some() {
        return Ok(None);
    }
    repositories.exactly(installed).map(|entry| Some(entry.clone())).ok_or_else(|| Blocked {
        code: "not-in-repository",
        reason: format!(
            "no verified repository has {} {} any more, which alone says what files it brought",
            installed.name, installed.evr
        ),
        to: Some(to.evr.to_string()),
    })
}

/// Fetches and judges what was not yet: the package that comes, and the one that is installed where nothing else tells of it.
async fn fetch(
    remediator: &Remediator,
    question: &Question<'_>,
    pairs: Vec<Pair>,
    fetched: &mut Fetched,
) -> Result<()> {
    let Some(rpm) = remediator.rpm.as_ref().filter(|_| !pairs.is_empty()) else { return Ok(()) };
    let entries: Vec<Arc<Entry>> =
        pairs.iter().flat_map(|(_, old, new)| old.iter().chain([new]).cloned()).collect();
    let mut packages = rpm.download(question.repositories, &entries, question.progress).await?.into_iter();
    let executor = question.ground.executor(remediator.choice);
    for (name, old, entry) in pairs {
        let old = old.and_then(|_| packages.next());
        let Some(new) = packages.next() else { break };
        let ground = question.ground.clone();
        let one = blocking(move || {
            let held = ground.database.packages.get(&name).and_then(|installed| installed.held.as_deref());
            let (files, scripts) = match (&old, held) {
                (Some(old), _) => (&old.files, &old.scripts),
                (None, Some(held)) => (&held.files, &held.scripts),
                (None, None) => return Err(unknown(&name)),
            };
            let shadows = shadowed(&ground.tree, &ground.accounts, files);
            let judged = judge(&ground, executor, &shadows, scripts, &new);
            Ok((Ready { name, entry, old, new, shadows }, judged))
        })
        .await?;
        fetched.insert((one.0.name.clone(), one.0.entry.evr.to_string()), one);
    }
    Ok(())
}

fn unknown(name: &str) -> Error {
    Error::Proof { reason: format!("nothing says which files {name} has brought") }
}

fn judge(
    ground: &Ground,
    executor: Executor,
    shadows: &BTreeMap<String, Shadow>,
    old: &Scripts,
    new: &Package,
) -> Result<String, Blocked> {
    let to = Some(new.info.written());
    // A program or library that somebody put in the package's place would go on running unfixed.
    if let Some((path, _)) = shadows.iter().find(|(_, s)| **s == Shadow::Changed { program: true }) {
        let reason = format!("/{path} is not the package's any more, and would stay unfixed");
        return Err(Blocked { code: "shadowed", reason, to });
    }
    let judged = scripts::judge(old, &new.scripts);
    let Some(path) = ground.database.headers else {
        return judged.map_err(|reason| Blocked { code: "script-needs-sandbox", reason, to });
    };
    let scripts = match judged {
        Ok(by_itself) => format!("by itself: {by_itself}"),
        Err(reason) => format!("and scripts run: {reason}"),
    };
    let place = match executor {
        Executor::EngineApi => "a container of the daemon, as was asked for",
        _ => "the sandbox",
    };
    let whose = match ground.tools() {
        Some(tools) => format!("the rpm of {}, for the image has none", tools.name),
        None => "the image's own rpm alone".to_owned(),
    };
    Ok(format!("run in {place}: /{path} is written by {whose}; {scripts}"))
}

fn conclude(
    question: &Question<'_>,
    executor: Executor,
    picks: &BTreeMap<String, Pick>,
    blocked: &BTreeMap<String, Blocked>,
    fetched: &Fetched,
) -> Decided {
    let packages = &question.ground.database.packages;
    let (mut upgrades, mut ready) = (Vec::new(), Vec::new());
    for (name, pick) in picks {
        let key = (name.clone(), pick.entry.evr.to_string());
        let Some((one, Ok(because))) = fetched.get(&key) else { continue };
        let old = &packages[name];
        let source = pick.entry.source();
        let update = question.repositories.update(&pick.entry);
        upgrades.push(Upgrade {
            package: name.clone(),
            architecture: old.architecture.clone(),
            source: source.0.clone(),
            from: old.written.clone(),
            to: one.new.info.written(),
            mends: ids(question.report, |finding| {
                let reached = if finding.source == source.0 { &source.1 } else { &pick.entry.evr };
                speaks_of(finding, old)
                    && finding
                        .fixed
                        .as_ref()
                        .is_some_and(|fixed| compare(fixed, &reached.to_string()).is_le())
            }),
            because: match update.filter(|update| !update.id.is_empty()) {
                Some(update) => format!("{because}; it came with {}", update.id),
                None => because.clone(),
            },
            executor,
            repository: question.repositories.called(&pick.entry),
            size: pick.entry.size(),
            along: !question.want.names(old),
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
                from: old.written.clone(),
                to: why.to.clone(),
                code: why.code.to_owned(),
                reason: why.reason.clone(),
                leaves: ids(question.report, |finding| speaks_of(finding, old) && finding.fixed.is_some()),
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
    Decided { plan, ready }
}

/// By its source, or by its own name.
fn speaks_of(finding: &Finding, installed: &Installed) -> bool {
    finding.packages.contains(&installed.name)
        && (finding.source == installed.source.0 || finding.source == installed.name)
}

fn ids(report: &Report, which: impl Fn(&Finding) -> bool) -> Vec<String> {
    let found = report.findings.iter().filter(|finding| family::is_rpms(finding) && which(finding));
    let ids: BTreeSet<&str> = found.map(|finding| finding.id.as_str()).collect();
    ids.into_iter().map(str::to_owned).collect()
}

impl Ready {
    /// The package's file.
    pub(super) fn archive(&self) -> Result<Archive> {
        let digest =
            format!("sha256:{}", self.entry.promise.sha256).parse().map_err(|_| Error::Unverified {
                file: self.entry.file_name().to_owned(),
                reason: "the index has no SHA-256 of it".to_owned(),
            })?;
        Ok(Archive {
            package: self.name.clone(),
            version: self.new.info.written(),
            architecture: self.entry.architecture.clone(),
            digest,
        })
    }
}

/// The layer of a decision over manifests.
pub(crate) fn lay(
    ground: &Ground,
    ready: Vec<Ready>,
    scratch: &Path,
    progress: &dyn Fn(&str, u64, u64),
) -> Result<Outcome> {
    let changes = ready.into_iter().map(|one| {
        Ok(Change {
            installed: &ground.database.packages[&one.name],
            old: one.old.ok_or_else(|| unknown(&one.name))?,
            new: one.new,
            shadows: one.shadows,
        })
    });
    let changes: Vec<Change<'_>> = changes.collect::<Result<_>>()?;
    build(&ground.tree, &ground.database, &changes, scratch, progress)
}

/// The same over a database of headers, as rpm makes it. `layers` are the image's, lowest first, and then those of its tools.
pub(crate) fn lay_by_tools(
    runner: &Runner,
    ground: &Ground,
    ready: Vec<Ready>,
    layers: &mut [File],
    scratch: &Path,
    progress: &dyn Fn(&str, u64, u64),
) -> Result<Built> {
    let changes = ready.into_iter().map(|one| sandbox::rpm::Change {
        installed: &ground.database.packages[&one.name],
        new: one.new,
        shadows: one.shadows,
    });
    let changes: Vec<_> = changes.collect();
    let tools = ground.tools().map(|tools| (tools.image.manifest.layers.len(), tools.program));
    let before = sandbox::rpm::Before { tree: &ground.tree, database: &ground.database, tools };
    sandbox::rpm::build(runner, before, &changes, layers, scratch, progress)
}

/// Reached version by package, of its source.
pub(crate) fn reached(decided: &Decided) -> BTreeMap<String, String> {
    decided.ready.iter().map(|one| (one.name.clone(), one.entry.source().1.to_string())).collect()
}
