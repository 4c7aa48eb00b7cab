//! The system of one image, be it dpkg's, apk's or rpm's: read, planned for, laid. Everything behind it is the same for all.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use patchline_registry::Repository;
use patchline_scanner::{Distro, Finding, Report};

use super::{
    Archive, FixRequest, Progress, Remediator, apk,
    decide::{self, decide},
    family,
    ground::{self, Ground, Suites},
    lay, rpm,
};
use crate::{
    FixPlan, Result,
    apk::{Database as ApkDatabase, Repositories},
    apt::image::Sources,
    executor::{
        Choice, Executor,
        native::{self, Outcome},
    },
    plan::{self, Blocked, Key, Want},
    rpm::Place as RpmPlace,
    tree::{Flavour, Image, Tree, contents, image_blocking as blocking},
};

/// What an image is made of.
#[derive(Clone)]
pub(crate) enum System {
    /// dpkg's packages.
    Dpkg(Arc<Ground>),
    /// apk's packages.
    Apk(Arc<apk::Ground>),
    /// rpm's packages.
    Rpm(Arc<rpm::Ground>),
    /// None that we know: only packages of languages can go up.
    Bare(Arc<Tree>),
}

impl System {
    /// Reads an image; none: it has neither database. `distro` lets expect which.
    pub(crate) async fn read(
        remediator: &Remediator,
        repository: &dyn Repository,
        image: &Image,
        distro: Option<&Distro>,
        progress: &Progress,
    ) -> Result<Option<Self>> {
        let expected = family::expected(distro);
        let mut tree = read(remediator, repository, image, expected, progress).await?;
        // Which databases there are, every tree says; what is in them, one that was read for it.
        let found = present(&tree, expected);
        if found.is_none() && remediator.languages.is_some() {
            return Ok(Some(Self::Bare(Arc::new(tree))));
        }
        let flavour = found.unwrap_or(expected);
        if flavour != expected {
            tree = read(remediator, repository, image, flavour, progress).await?;
        }
        Ok(match flavour {
            Flavour::Dpkg => {
                let mirrors = &remediator.apt.config().mirrors;
                let reader = contents::Files { repository, image, tree: &tree };
                let sources = Sources::of(mirrors, &tree, &reader).await?;
                Ground::of(tree, &image.config, sources)?.map(Self::Dpkg)
            }
            Flavour::Apk => apk::Ground::of(tree, &image.config)?.map(Self::Apk),
            Flavour::Rpm => rpm::Ground::of(tree, &image.config, distro)?.map(Self::Rpm),
        })
    }

    /// Everything that stands in the image.
    pub(crate) fn tree(&self) -> &Tree {
        match self {
            Self::Dpkg(ground) => &ground.tree,
            Self::Apk(ground) => &ground.tree,
            Self::Rpm(ground) => &ground.tree,
            Self::Bare(tree) => tree,
        }
    }
    /// What its tree was read for.
    pub(crate) fn flavour(&self) -> Flavour {
        match self {
            Self::Dpkg(_) | Self::Bare(_) => Flavour::Dpkg,
            Self::Apk(_) => Flavour::Apk,
            Self::Rpm(_) => Flavour::Rpm,
        }
    }
    /// Real paths of everything that a package owns.
    pub(crate) fn owned(&self) -> BTreeSet<String> {
        match self {
            Self::Dpkg(ground) => {
                ground.database.owned_except(&ground.tree, &ground.filters, &BTreeSet::new())
            }
            Self::Apk(ground) => ground.database.owned_except(&ground.tree, &BTreeSet::new()),
            Self::Rpm(ground) => ground.database.owned(&ground.tree),
            Self::Bare(_) => BTreeSet::new(),
        }
    }
    /// The lowest version of each source's installed packages.
    pub(super) fn versions(&self) -> BTreeMap<String, String> {
        match self {
            Self::Dpkg(ground) => ground.versions(),
            Self::Apk(ground) => ground.versions(),
            Self::Rpm(ground) => ground.versions(),
            Self::Bare(_) => BTreeMap::new(),
        }
    }
}

/// Whose database a tree has: what was expected, else another; none: there is none.
fn present(tree: &Tree, expected: Flavour) -> Option<Flavour> {
    let there = |flavour: &Flavour| match flavour {
        Flavour::Dpkg => Ground::is_in(tree),
        Flavour::Apk => ApkDatabase::place(tree).is_some(),
        Flavour::Rpm => RpmPlace::of(tree).is_some(),
    };
    let all = [expected, Flavour::Dpkg, Flavour::Apk, Flavour::Rpm];
    all.into_iter().find(there)
}

async fn read(
    remediator: &Remediator,
    repository: &dyn Repository,
    image: &Image,
    flavour: Flavour,
    progress: &Progress,
) -> Result<Tree> {
    let told = progress.clone();
    let told = move |done, all| told("read layers", done, all);
    image.tree_with(remediator.trees.as_deref(), repository, &remediator.facts, flavour, told).await
}

/// A decision on a system, and what it takes to decide anew.
pub(super) enum Course {
    /// By suites.
    Dpkg { ground: Arc<Ground>, suites: Suites, want: Want, decided: decide::Decided },
    /// By indexes.
    Apk {
        ground: Arc<apk::Ground>,
        repositories: Box<Repositories>,
        want: plan::apk::Want,
        decided: apk::Decided,
    },
    /// By metadata of rpm's repositories.
    Rpm {
        ground: Arc<rpm::Ground>,
        repositories: Box<crate::rpm::Repositories>,
        want: plan::rpm::Want,
        decided: rpm::Decided,
    },
    /// By nothing: no package of the system goes up, and no repository is asked.
    None(FixPlan),
}

impl Course {
    /// Reads the repositories and decides. `floors`: what a former fix had reached, by source.
    pub(super) async fn new<'f>(
        remediator: &Remediator,
        system: &System,
        report: &Report,
        selected: impl Iterator<Item = &'f Finding>,
        floors: BTreeMap<String, String>,
        request: &FixRequest<'_>,
    ) -> Result<Self> {
        let (old, none) = (system.versions(), BTreeMap::new());
        let progress = &request.progress;
        match system {
            System::Dpkg(ground) => {
                let series = ground::series(report.distro.as_ref())?;
                progress("repositories", 0, 1);
                let suites = Suites::security(remediator, series, ground).await?;
                progress("repositories", 1, 1);
                let mut want = Want::from_findings(selected);
                for (source, version) in floors {
                    let newer = old
                        .get(&source)
                        .is_some_and(|old| patchline_scanner::version::compare_debian(old, &version).is_lt());
                    if newer {
                        want.floor(&source, &version);
                    }
                }
                let decided = decide::Decided::nothing();
                let mut course = Self::Dpkg { ground: ground.clone(), suites, want, decided };
                course.decide(remediator, report, request, &none).await?;
                Ok(course)
            }
            System::Apk(ground) => {
                progress("repositories", 0, 1);
                let repositories = Box::new(ground.repositories(remediator, report.distro.as_ref()).await?);
                progress("repositories", 1, 1);
                let mut want = plan::apk::Want::from_findings(selected);
                for (origin, version) in floors {
                    if old.get(&origin).is_some_and(|old| crate::apk::compare(old, &version).is_lt()) {
                        want.floor(&origin, &version);
                    }
                }
                let decided = apk::Decided::nothing();
                let mut course = Self::Apk { ground: ground.clone(), repositories, want, decided };
                course.decide(remediator, report, request, &none).await?;
                Ok(course)
            }
            System::Rpm(ground) => {
                progress("repositories", 0, 1);
                let repositories = Box::new(ground.repositories(remediator, report.distro.as_ref()).await?);
                progress("repositories", 1, 1);
                let mut want = plan::rpm::Want::from_findings(selected);
                for (source, version) in floors {
                    if old.get(&source).is_some_and(|old| crate::rpm::compare(old, &version).is_lt()) {
                        want.raise(&source, &version);
                    }
                }
                let decided = rpm::Decided::nothing();
                let mut course = Self::Rpm { ground: ground.clone(), repositories, want, decided };
                course.decide(remediator, report, request, &none).await?;
                Ok(course)
            }
            System::Bare(_) => Ok(Self::nothing(report)),
        }
    }

    /// Nothing of the system goes up.
    pub(super) fn nothing(report: &Report) -> Self {
        let advisory_revision = report.advisory_revision.clone();
        Self::None(FixPlan { advisory_revision, ..FixPlan::nothing() })
    }

    /// Decides anew, without what turned out not to be layable.
    pub(super) async fn decide(
        &mut self,
        remediator: &Remediator,
        report: &Report,
        request: &FixRequest<'_>,
        blocked: &BTreeMap<Key, Blocked>,
    ) -> Result<()> {
        let (policy, progress) = (request.policy, &request.progress);
        match self {
            Self::Dpkg { ground, suites, want, decided } => {
                let question = decide::Question { ground, report, want, policy, blocked, progress };
                *decided = decide(remediator, suites, &question).await?;
            }
            Self::Apk { ground, repositories, want, decided } => {
                let blocked: &BTreeMap<String, Blocked> =
                    &blocked.iter().map(|((name, _), why)| (name.clone(), why.clone())).collect();
                let question =
                    apk::Question { ground, repositories, report, want, policy, blocked, progress };
                *decided = apk::decide(remediator, &question).await?;
            }
            Self::Rpm { ground, repositories, want, decided } => {
                let blocked: &BTreeMap<String, Blocked> =
                    &blocked.iter().map(|((name, _), why)| (name.clone(), why.clone())).collect();
                let question =
                    rpm::Question { ground, repositories, report, want, policy, blocked, progress };
                *decided = rpm::decide(remediator, &question).await?;
            }
            Self::None(_) => {}
        }
        Ok(())
    }

    /// Whether anything of it can be laid without a sandbox, should that fail.
    pub(super) fn can_be_native(&self) -> bool {
        match self {
            Self::Rpm { ground, .. } => ground.executor(Choice::Auto) == Executor::Native,
            Self::Dpkg { .. } | Self::Apk { .. } | Self::None(_) => true,
        }
    }
    /// What was decided.
    pub(super) fn plan(&self) -> &FixPlan {
        match self {
            Self::Dpkg { decided, .. } => &decided.plan,
            Self::Apk { decided, .. } => &decided.plan,
            Self::Rpm { decided, .. } => &decided.plan,
            Self::None(plan) => plan,
        }
    }

    /// The files of what goes up. All of them were held against what the signed index promises of them; apk's promises
    /// no SHA-256 of a whole file, so that is made here.
    pub(super) async fn archives(&self) -> Result<Vec<Archive>> {
        match self {
            Self::Dpkg { decided, .. } => decided.ready.iter().map(decide::Ready::archive).collect(),
            Self::Apk { decided, .. } => {
                let ready = decided.ready.clone();
                blocking(move || ready.iter().map(apk::Ready::archive).collect()).await
            }
            Self::Rpm { decided, .. } => decided.ready.iter().map(rpm::Ready::archive).collect(),
            Self::None(_) => Ok(Vec::new()),
        }
    }

    /// The layer of what was decided for the image; none: nothing goes up.
    pub(super) async fn lay(
        &self,
        remediator: &Remediator,
        request: &FixRequest<'_>,
        origin: &Image,
    ) -> Result<Option<Outcome>> {
        let (scratch, progress) = (request.scratch.clone(), request.progress.clone());
        let outcome = match self {
            Self::Dpkg { decided, .. } if decided.ready.is_empty() => return Ok(None),
            Self::Apk { decided, .. } if decided.ready.is_empty() => return Ok(None),
            Self::Rpm { decided, .. } if decided.ready.is_empty() => return Ok(None),
            Self::None(_) => return Ok(None),
            Self::Dpkg { ground, decided, .. } => {
                let (ground, ready) = (ground.clone(), decided.ready.clone());
                if let Some(runner) = remediator.runner(decided.executor)? {
                    let built = lay::by_dpkg(runner, request, origin, ground, ready).await?;
                    return Ok(Some(Outcome::Built(Box::new(built))));
                }
                blocking(move || {
                    let changes = lay::changes(&ground, ready);
                    let (tree, filters) = (&ground.tree, &ground.filters);
                    native::build(tree, &ground.database, filters, &changes, &scratch, &*progress)
                })
                .await?
            }
            Self::Apk { ground, decided, .. } => {
                let (ground, ready) = (ground.clone(), decided.ready.clone());
                if let Some(runner) = remediator.runner(decided.executor)? {
                    let built = lay::by_apk(runner, request, origin, ground, ready).await?;
                    return Ok(Some(Outcome::Built(Box::new(built))));
                }
                blocking(move || apk::lay(&ground, ready, &scratch, &*progress)).await?
            }
            Self::Rpm { ground, decided, .. } => {
                let (ground, ready) = (ground.clone(), decided.ready.clone());
                if let Some(runner) = remediator.runner(ground.executor(remediator.choice))? {
                    let built = lay::by_rpm(runner, request, origin, ground, ready).await?;
                    return Ok(Some(Outcome::Built(Box::new(built))));
                }
                blocking(move || rpm::lay(&ground, ready, &scratch, &*progress)).await?
            }
        };
        Ok(Some(outcome))
    }
}
