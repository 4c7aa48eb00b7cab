//! Mending rpm's packages in images with text manifests: what is decided on, the decision, and the layer.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
    sync::Arc,
};

use patchline_scanner::{Distro, Finding, Report};
use serde_json::Value;

use super::{Archive, Progress, Remediator, UpgradePolicy, family};
use crate::{
    Error, FixPlan, Refusal, Result, Upgrade,
    executor::Executor,
    executor::native::{
        Outcome,
        rpm::{Change, build},
    },
    plan::{
        Blocked, Offer, Rules,
        rpm::{
            Pick, Solver, Want, scripts,
            shadow::{Accounts, shadowed},
            wanted,
        },
        shadow::Shadow,
    },
    rpm::{Database, Entry, Installed, Package, Place, Repositories, Variables, compare},
    tree::{Tree, image_blocking as blocking},
};

/// What a decision stands on, read once.
pub(crate) struct Ground {
    pub(crate) tree: Tree,
    pub(crate) database: Database,
    accounts: Accounts,
    architecture: String,
    /// Of the image's own repositories.
    texts: Vec<String>,
}

/// One upgrade, fetched and read.
#[derive(Clone)]
pub(crate) struct Ready {
    name: String,
    entry: Arc<Entry>,
    old: Package,
    new: Package,
    shadows: BTreeMap<String, Shadow>,
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
    pub(crate) repositories: &'a Repositories,
    pub(crate) report: &'a Report,
    pub(crate) want: &'a Want,
    pub(crate) policy: UpgradePolicy,
    /// Found out while laying.
    pub(crate) blocked: &'a BTreeMap<String, Blocked>,
    pub(crate) progress: &'a Progress,
}

/// rpm's name of an image's platform.
fn architecture(config: &Value) -> Option<&'static str> {
    Some(match config.get("architecture").and_then(Value::as_str)? {
        "amd64" => "x86_64",
        "arm64" => "aarch64",
        "386" => "i686",
        "arm" => "armv7hl",
        "ppc64le" => "ppc64le",
        "s390x" => "s390x",
        "riscv64" => "riscv64",
        "loong64" => "loongarch64",
        _ => return None,
    })
}

/// How people call a system.
fn called(distro: Option<&Distro>) -> String {
    distro.map_or("the image".to_owned(), |distro| {
        distro.pretty_name.clone().unwrap_or_else(|| distro.id.clone())
    })
}

impl Ground {
    /// Of a tree that was read for rpm; none: it has no database of rpm.
    ///
    /// # Errors
    /// It has one that only rpm itself can write, or a damaged one.
    pub(crate) fn of(tree: Tree, config: &Value, distro: Option<&Distro>) -> Result<Option<Arc<Self>>> {
        if let Some(Place::Headers(path)) = Place::of(&tree) {
            let reason = format!(
                "its packages stand in /{path}, which rpm itself must write: that needs the sandbox, which does not know \
                 rpm yet"
            );
            return Err(Error::UnsupportedSystem { system: called(distro), reason });
        }
        let Some(database) = Database::read(&tree)? else { return Ok(None) };
        let architecture = database.architecture().or_else(|| architecture(config));
        let architecture = architecture.unwrap_or("noarch").to_owned();
        let files = tree.under("etc/yum.repos.d").map(|(path, _)| path);
        let mut left = crate::rpm::limits::SOURCE_TEXT;
        let texts = files
            .filter(|path| path.ends_with(".repo"))
            .filter_map(|path| tree.text(path).map(|text| text.into_owned()))
            .take_while(|text| {
                let fits = text.len() <= left;
                left = left.saturating_sub(text.len());
                fits
            })
            .collect();
        let accounts = Accounts::of(&tree);
        Ok(Some(Arc::new(Self { tree, database, accounts, architecture, texts })))
    }

    /// The lowest version of each source's installed packages.
    pub(crate) fn versions(&self) -> BTreeMap<String, String> {
        self.database.lowest()
    }

    /// Reads the image's repositories where they are mirrored.
    pub(crate) async fn repositories(
        &self,
        remediator: &Remediator,
        distro: Option<&Distro>,
    ) -> Result<Repositories> {
        let system = called(distro);
        let Some(rpm) = &remediator.rpm else { return Err(Error::NoRpmMirror { system }) };
        let variables = Variables {
            distribution: distro.map(|distro| distro.id.clone()).unwrap_or_default(),
            release: distro.and_then(|distro| distro.version_id.clone()).unwrap_or_default(),
            architecture: self.architecture.clone(),
        };
        let names: BTreeSet<String> = self.database.packages.keys().cloned().collect();
        rpm.repositories(&system, &self.texts, &variables, names).await
    }
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
        if question.repositories.exactly(installed).is_none() {
            blocked.insert(name.clone(), forgotten(installed, &pick.entry));
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
            match question.repositories.exactly(installed) {
                Some(old) => pairs.push((name.clone(), old.clone(), pick.entry.clone())),
                None => {
                    blocked.insert(name.clone(), forgotten(installed, &pick.entry));
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
    Ok(conclude(question, &picks, &blocked, &fetched))
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

/// What the manifests do not have one line of.
fn unwritable(ground: &Ground) -> BTreeMap<String, Blocked> {
    let packages = ground.database.packages.values();
    packages
        .filter_map(|package| {
            let reason = ground.database.is_writable(package).err()?;
            Some((package.name.clone(), Blocked { code: "conflict", reason, to: None }))
        })
        .collect()
}

/// Only the installed package says which files it brought.
fn forgotten(installed: &Installed, to: &Entry) -> Blocked {
    Blocked {
        code: "not-in-repository",
        reason: format!(
            "no verified repository has {} {} any more, which alone says what files it brought",
            installed.name, installed.evr
        ),
        to: Some(to.evr.to_string()),
    }
}

/// Fetches and judges what was not yet: the package that comes, and the one that is installed.
async fn fetch(
    remediator: &Remediator,
    question: &Question<'_>,
    pairs: Vec<(String, Arc<Entry>, Arc<Entry>)>,
    fetched: &mut Fetched,
) -> Result<()> {
    let Some(rpm) = remediator.rpm.as_ref().filter(|_| !pairs.is_empty()) else { return Ok(()) };
    let entries: Vec<Arc<Entry>> =
        pairs.iter().flat_map(|(_, old, new)| [old.clone(), new.clone()]).collect();
    let mut packages = rpm.download(question.repositories, &entries, question.progress).await?.into_iter();
    for (name, _, entry) in pairs {
        let (Some(old), Some(new)) = (packages.next(), packages.next()) else { break };
        let ground = question.ground.clone();
        let one = blocking(move || {
            let shadows = shadowed(&ground.tree, &ground.accounts, &old);
            let judged = judge(&shadows, &old, &new);
            Ok((Ready { name, entry, old, new, shadows }, judged))
        })
        .await?;
        fetched.insert((one.0.name.clone(), one.0.entry.evr.to_string()), one);
    }
    Ok(())
}

fn judge(shadows: &BTreeMap<String, Shadow>, old: &Package, new: &Package) -> Result<String, Blocked> {
    let to = Some(new.info.written());
    // A program or library that somebody put in the package's place would go on running unfixed.
    if let Some((path, _)) = shadows.iter().find(|(_, s)| **s == Shadow::Changed { program: true }) {
        let reason = format!("/{path} is not the package's any more, and would stay unfixed");
        return Err(Blocked { code: "shadowed", reason, to });
    }
    scripts::judge(old, new).map_err(|reason| Blocked { code: "script-needs-sandbox", reason, to })
}

fn conclude(
    question: &Question<'_>,
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
            executor: Executor::Native,
            repository: question.repositories.called(&pick.entry),
            size: pick.entry.size(),
            along: !question.want.names(old),
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

/// The layer of a decision.
pub(crate) fn lay(
    ground: &Ground,
    ready: Vec<Ready>,
    scratch: &Path,
    progress: &dyn Fn(&str, u64, u64),
) -> Result<Outcome> {
    let changes: Vec<Change<'_>> = ready
        .into_iter()
        .map(|one| Change {
            installed: &ground.database.packages[&one.name],
            old: one.old,
            new: one.new,
            shadows: one.shadows,
        })
        .collect();
    build(&ground.tree, &ground.database, &changes, scratch, progress)
}

/// Reached version by package, of its source.
pub(crate) fn reached(decided: &Decided) -> BTreeMap<String, String> {
    decided.ready.iter().map(|one| (one.name.clone(), one.entry.source().1.to_string())).collect()
}
