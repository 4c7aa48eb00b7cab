//! The act of mending one image manifest, from report to a pushed `<tag>_fixed`.

mod ability;
pub(crate) mod apk;
mod build;
mod decide;
mod draft;
pub(crate) mod family;
pub(crate) mod ground;
mod holds;
mod lay;
mod mendable;
mod push;
pub(crate) mod rpm;
mod select;
mod smoke;
pub(crate) mod system;

use std::{path::PathBuf, sync::Arc};

use bytes::Bytes;
use patchline_registry::{Descriptor, Digest, RawManifest, Repository};
use patchline_scanner::{Distro, Inventory, LayerFacts, Report, Severity, advisories::AdvisorySet};

use crate::{
    Refusal, Result,
    apk::Apk,
    apt::{Apt, Series},
    cache,
    executor::{
        Choice, Executor, Runner,
        engine::{Engine, Error as EngineError},
        sandbox::Sandbox,
    },
    languages::Languages,
    plan::{Chosen, Denied, FixPlan, Rules},
    rpm::Rpm,
    tooling::Tooling,
    tree::{TreesBeside, image_blocking as blocking},
};

pub use draft::{Draft, Edited, LONGEST_PLAN, Said, Stay};
pub use smoke::{Command, LONGEST_SMOKE, NoCommand, SMOKE_TIME, Smoke};

/// Tells how far long work has come; called often, must be quick.
pub type Progress = Arc<dyn Fn(&str, u64, u64) + Send + Sync>;

/// Which findings to mend: those that every given line names.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Selection {
    /// At least this severity; `Unknown` findings are selected when this is `Low` or below, or none.
    pub severity: Option<Severity>,
    /// These ids alone; empty: all.
    pub ids: Vec<String>,
    /// Those of these binary or source packages alone; empty: of all.
    pub packages: Vec<String>,
}

/// How far up.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum UpgradePolicy {
    /// The lowest version that fixes.
    #[default]
    Minimal,
    /// The newest that the repositories have.
    Latest,
}

/// What to mend.
pub struct FixRequest<'a> {
    /// Where the image is.
    pub repository: &'a dyn Repository,
    /// An image manifest (not an index).
    pub manifest: Digest,
    /// The tag it was seen under, for lineage.
    pub tag: Option<String>,
    /// The original that our own record of fixes names for this manifest; none: nobody keeps such a record, or
    /// it has none of it.
    pub recorded: Option<Digest>,
    /// The report that denied it.
    pub report: &'a Report,
    /// What the report was made from: the proof's re-scan uses the same.
    pub advisories: &'a [&'a AdvisorySet],
    /// Which findings.
    pub select: Selection,
    /// How far up.
    pub policy: UpgradePolicy,
    /// An empty folder for work; the caller removes it.
    pub scratch: PathBuf,
    /// Progress.
    pub progress: Progress,
}

/// What became of it.
pub enum Fixed {
    /// Nothing could, or need, be upgraded: the plan says why.
    Unchanged(FixPlan),
    /// A fixed image, proven, ready to push.
    Image(Box<FixedImage>),
}

/// A fixed image before its push: the original's layers, untouched, and one patch layer.
pub struct FixedImage {
    /// What was done.
    pub plan: FixPlan,
    /// The new manifest; equal for equal input.
    pub manifest: RawManifest,
    /// The new config's bytes.
    pub config: Bytes,
    /// The patch layer and its file in the scratch folder.
    pub layer: (Descriptor, PathBuf),
    /// The original's image manifest (the unfixed ancestor).
    pub origin: Digest,
    /// The original's report, by the same advisories: what the re-scan is compared with.
    pub before: Report,
    /// The re-scan that proves it.
    pub report: Report,
    /// Its inventory.
    pub inventory: Inventory,
    /// What the patch layer was made from.
    pub archives: Vec<Archive>,
    /// Files that a later layer had changed and that stay as they are.
    pub kept: Vec<String>,
    /// (host, repository) that the original was read from: its layers may be mounted from there.
    pub read_from: Option<(String, String)>,
}

/// A package's file as it was fetched and verified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Archive {
    /// Binary package.
    pub package: String,
    /// Its version.
    pub version: String,
    /// Its architecture, as its database names it; empty: it is a language's.
    pub architecture: String,
    /// Of the file.
    pub digest: Digest,
}

/// Mends; cheap to clone.
#[derive(Clone)]
pub struct Remediator {
    apt: Apt,
    apk: Option<Apk>,
    rpm: Option<Rpm>,
    facts: Arc<dyn LayerFacts>,
    trees: Option<Arc<TreesBeside>>,
    choice: Choice,
    sandbox: Option<Sandbox>,
    /// Images whose tools work on those that bring none; none: nobody named any.
    tooling: Option<Tooling>,
    /// The daemon whose containers may be used; none: nobody named one.
    engine: Option<Engine>,
    /// Where packages of languages come from; none: they stay.
    languages: Option<Languages>,
    /// Where their archives are kept.
    languages_in: Option<PathBuf>,
    rules: Arc<Rules>,
    /// What a fixed image must be able to do; none: nothing is asked of it.
    smoke: Option<Arc<Smoke>>,
    /// What the caches of packages may hold, in bytes.
    most_kept: u64,
}

impl Remediator {
    /// With the repositories to take from.
    pub fn new(apt: Apt, facts: Arc<dyn LayerFacts>) -> Self {
        let (choice, rules, most_kept) = (Choice::Auto, Arc::default(), cache::MOST);
        Self {
            apt,
            apk: None,
            rpm: None,
            facts,
            trees: None,
            choice,
            sandbox: None,
            tooling: None,
            engine: None,
            languages: None,
            languages_in: None,
            rules,
            smoke: None,
            most_kept,
        }
    }
    /// The same with apk repositories besides; without them an apk image has no mirror.
    #[must_use]
    pub fn with_apk(mut self, apk: Apk) -> Self {
        self.apk = Some(apk);
        self
    }
    /// The same with rpm repositories besides; without them an rpm image has no mirror.
    #[must_use]
    pub fn with_rpm(mut self, rpm: Rpm) -> Self {
        self.rpm = Some(rpm);
        self
    }
    /// The same with other apt repositories.
    #[must_use]
    pub fn with_apt(mut self, apt: Apt) -> Self {
        self.apt = apt;
        self
    }
    /// With a way to make sandboxes; without one, scripts that must run are refused.
    #[must_use]
    pub fn with_sandbox(self, sandbox: Sandbox) -> Self {
        Self { sandbox: Some(sandbox), ..self }
    }
    /// With images whose tools work on those that bring none; without one, such images are refused.
    #[must_use]
    pub fn with_tooling(self, tooling: Tooling) -> Self {
        Self { tooling: Some(tooling), ..self }
    }
    /// With a daemon, for those who choose its containers.
    #[must_use]
    pub fn with_engine(self, engine: Engine) -> Self {
        Self { engine: Some(engine), ..self }
    }
    /// The daemon, which somebody chose.
    fn engine(&self) -> Result<&Engine, EngineError> {
        self.engine.as_ref().ok_or_else(|| EngineError::Unavailable {
            reason: "no daemon's socket is named on this machine".to_owned(),
        })
    }
    /// Where the distribution's own tools run; none: they do not.
    fn runner(&self, executor: Executor) -> Result<Option<Runner>> {
        Ok(match executor {
            Executor::Native => None,
            Executor::Sandbox => self.sandbox.clone().map(Runner::from),
            Executor::EngineApi => Some(self.engine()?.clone().into()),
        })
    }
    /// The same with packages of languages upgraded in place where their own rules allow it.
    #[must_use]
    pub fn with_languages(self, languages: Languages) -> Self {
        let languages = match &self.languages_in {
            Some(folder) => languages.kept_in(folder.clone()),
            None => languages,
        };
        Self { languages: Some(languages), ..self }
    }
    /// The same with a folder where archives of languages are kept, should they be asked for later.
    #[must_use]
    pub fn keeping_languages_in(self, folder: PathBuf) -> Self {
        Self { languages_in: Some(folder), ..self }
    }
    /// With another say in who lays upgrades.
    #[must_use]
    pub fn choosing(self, choice: Choice) -> Self {
        Self { choice, ..self }
    }
    /// With packages that stay, besides those that stay already.
    #[must_use]
    pub fn denying(mut self, denied: impl IntoIterator<Item = Denied>) -> Self {
        Arc::make_mut(&mut self.rules).denied.extend(denied);
        self
    }
    /// Held to these upgrades: nothing else goes up, and where one of them cannot be, nothing does.
    #[must_use]
    pub fn following(mut self, chosen: Vec<Chosen>) -> Self {
        // Each side reads those of its own: of languages there is another list of what is there.
        let (chosen, of_languages): (Vec<_>, Vec<_>) =
            chosen.into_iter().partition(|one| one.ecosystem.is_empty());
        Arc::make_mut(&mut self.rules).languages = Some(of_languages);
        Arc::make_mut(&mut self.rules).exactly = Some(chosen);
        self
    }
    /// With commands that a fixed image must be able to run before it is given out.
    #[must_use]
    pub fn smoking(self, smoke: Option<Smoke>) -> Self {
        Self { smoke: smoke.map(Arc::new), ..self }
    }
    /// With another bound on what is kept of repositories, in bytes.
    #[must_use]
    pub fn keeping(self, most_kept: u64) -> Self {
        Self { most_kept, ..self }
    }
    /// With what the scan of the very image that is to be mended has read on its way.
    #[must_use]
    pub fn having_read(self, trees: Arc<TreesBeside>) -> Self {
        Self { trees: Some(trees), ..self }
    }
    /// The client itself.
    pub fn apt(&self) -> &Apt {
        &self.apt
    }
    /// Fills in each finding's `mendable`: a verified repository has the fixed version, the
    /// package is not held, and the plan would not refuse it.
    pub async fn mark_mendable(
        &self,
        repository: &dyn Repository,
        inventory: &Inventory,
        report: &mut Report,
    ) -> Result<()> {
        mendable::mark(self, repository, inventory, report).await
    }
    /// The same for findings of packages of languages, where these are mended: the new version would go up in place
    /// wherever the package lies. All others are left as they are. Gives what cannot go up, and why. It costs what a plan of
    /// them costs: archives are fetched and verified.
    ///
    /// # Errors
    /// Those of a fix that would mend them: a registry that is not configured, does not answer, or lies.
    pub async fn mark_languages(
        &self,
        repository: &dyn Repository,
        report: &mut Report,
        advisories: &[&AdvisorySet],
    ) -> Result<Vec<Refusal>> {
        mendable::mark_languages(self, repository, report, advisories).await
    }
    /// Facts for a scan of an image that is to be mended: what a plan wants to know of its layers is read on the way, and
    /// kept by [`TreesBeside::keep`]. The security suite of a system that a layer names is begun to be read meanwhile:
    /// that is a mirror's answer and a signature less to wait for afterwards.
    ///
    /// `platform`: the image's, likely, as `linux/arm64`; a wrong one costs the head start.
    pub fn beside(&self, platform: &str) -> Arc<TreesBeside> {
        let mut parts = platform.split('/').skip(1);
        let architecture = parts.next().and_then(|name| ground::on_platform(name, parts.next()));
        let apt = self.apt.clone();
        let runtime = tokio::runtime::Handle::try_current().ok();
        let seen = move |distro: &Distro| {
            if let (Some(runtime), Some(architecture), Ok(series)) =
                (&runtime, architecture, Series::of(distro))
            {
                apt.expect(runtime, series.distribution, &series.security(), architecture);
            }
        };
        Arc::new(TreesBeside::new(self.facts.clone(), Arc::new(seen)))
    }
    /// The plan alone: a dry run. It fetches packages, for their scripts decide what is refused.
    pub async fn plan(&self, request: &FixRequest<'_>) -> Result<FixPlan> {
        Ok(self.prepare(request).await?.plan())
    }
    /// The same with what people want to know beside it, in a form that can be kept, edited and handed back.
    pub async fn draft(&self, request: &FixRequest<'_>) -> Result<Draft> {
        let draft = draft::draft(self, request).await;
        // Whoever asks for plans and never mends fills the cache all the same.
        self.sweep().await;
        draft
    }
    /// Plans, builds the patch layer, and proves it. Pushes nothing.
    ///
    /// A fixed image whose lineage is believed is built anew from its original's layers, so that patch layers
    /// never pile up; where that gives the same image again, it is [`Fixed::Unchanged`].
    pub async fn build(&self, request: &FixRequest<'_>) -> Result<Fixed> {
        build::build(self, request).await
    }
    /// Pushes layers, config, manifest by digest, then `tag` when one is given, in this order. Twice is harmless.
    /// The original's layers must be in `repository`, or mountable from where the image was read.
    pub async fn push(
        &self,
        repository: &dyn Repository,
        image: &FixedImage,
        tag: Option<&str>,
    ) -> Result<()> {
        push::push(repository, image, tag).await?;
        self.sweep().await;
        Ok(())
    }
    /// Brings what is kept of repositories down to its bound. What is done is done: a cache that cannot be swept fails
    /// nothing.
    async fn sweep(&self) {
        let apk = self.apk.as_ref().map(|apk| apk.config().cache.clone());
        let rpm = self.rpm.as_ref().map(|rpm| rpm.config().cache.clone());
        let apt = self.apt.config().cache.clone();
        let languages = self.languages.as_ref().and_then(Languages::cache).or(self.languages_in.clone());
        let folders: Vec<PathBuf> = [apt].into_iter().chain(apk).chain(rpm).chain(languages).collect();
        let most = self.most_kept;
        match blocking(move || cache::sweep(&folders, most)).await {
            Ok(swept) if swept.files > 0 => tracing::info!(swept.files, swept.bytes, "the cache was swept"),
            Ok(_) => {}
            Err(error) => tracing::warn!(%error, "the cache could not be swept"),
        }
    }
}

/// Persistence of what was decided and done; `store` implements it.
#[async_trait::async_trait]
pub trait Fixes: Send + Sync {
    /// Keeps the plan of a fix under (fixed image digest); twice is harmless.
    async fn put_fix(&self, origin: &Digest, fixed: &Digest, plan: &FixPlan) -> Result<(), BoxError>;
    /// The fix that made an image.
    async fn fix_of(&self, fixed: &Digest) -> Result<Option<(Digest, FixPlan)>, BoxError>;
    /// Fixed images of an original, newest last.
    async fn fixes_from(&self, origin: &Digest) -> Result<Vec<(Digest, FixPlan)>, BoxError>;
}

/// What a store may say went wrong.
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;
