//! `patchline fix REF…`: mend images without a chain.

mod choice;
mod languages;
mod mend;
mod rebase;
mod several;
mod show;
mod smoke;

use patchline_registry::{Digest, Registries};
use patchline_remediation::{Choice, Draft, FixPlan, apk::Apk, apt::Apt, attest::Attached, rpm::Rpm};
use patchline_scanner::{LayerFacts, layers::FactsFolder};
use std::sync::Arc;

use crate::{
    Global, Output, config::Config, data::Data, exit::Exit, failure::Result, images, table::Table, terminal,
};

/// Who may lay the new files.
#[derive(Debug, Clone, Copy, Default, clap::ValueEnum)]
enum Executor {
    /// The sandbox where a script must run and one can be had; else native
    #[default]
    Auto,
    /// Nothing is run: what needs a sandbox is refused
    Native,
    /// Always a sandbox
    Sandbox,
    /// Always a container of the daemon on this machine
    EngineApi,
}

impl From<Executor> for Choice {
    fn from(executor: Executor) -> Self {
        match executor {
            Executor::Auto => Self::Auto,
            Executor::Native => Self::Native,
            Executor::Sandbox => Self::Sandbox,
            Executor::EngineApi => Self::EngineApi,
        }
    }
}

/// Mend images and push them beside the originals
///
/// Of several, one that others are built on is mended first, and these are set on it where they can be: what it shares
/// with them goes up once.
#[derive(Debug, clap::Args)]
pub(crate) struct Fix {
    /// host/repository:tag, or oci:DIR:tag
    #[arg(value_name = "IMAGE", required = true)]
    images: Vec<String>,
    /// Tag of the fixed image [default: <tag>_fixed]
    #[arg(long)]
    tag: Option<String>,
    /// Which platform of an index, as linux/arm64 [default: this machine's]
    #[arg(long)]
    platform: Option<String>,
    #[command(flatten)]
    choice: choice::Flags,
    /// The newest versions instead of the lowest that fix
    #[arg(long)]
    latest: bool,
    /// Who lays the new files: a sandbox runs the image's own tools and the packages' scripts; so does a container of the
    /// daemon that DOCKER_HOST names, or that listens where Docker and Podman do
    #[arg(long, value_enum, default_value_t, value_name = "WHO")]
    executor: Executor,
    /// Say what would be done, and do nothing: per package from and to, where it comes from, what it ends, who lays it
    /// and why; what cannot go up and what stays
    #[arg(long, visible_alias = "dry-run")]
    plan: bool,
    #[command(flatten)]
    languages: languages::LanguageFlags,
    #[command(flatten)]
    rebase: rebase::RebaseFlags,
    #[command(flatten)]
    smoke: smoke::SmokeFlags,
    #[command(flatten)]
    attest: super::attest::AttestFlags,
    #[command(flatten)]
    mirrors: super::MirrorFlags,
}

/// What all images of one command are mended with.
struct Ground {
    config: Config,
    data: Data,
    registries: Registries,
    apt: Apt,
    apk: Apk,
    rpm: Rpm,
    facts: Arc<dyn LayerFacts>,
    attest: Option<super::attest::Asked>,
}

/// What became of an image.
struct Mended {
    plan: FixPlan,
    /// What was pushed: its name with tag and digest, and the digest; none: nothing.
    fixed: Option<(String, Digest)>,
    attached: Option<Vec<Attached>>,
}

/// What a run of the command gives.
enum Outcome {
    /// What would be done.
    Planned(Box<Draft>),
    Mended(Box<Mended>),
}

impl Fix {
    pub(crate) async fn run(self, global: &Global) -> Result<Exit> {
        // A key that is none is told before any work.
        let attest = self.attest.read()?;
        let config = Config::load(global.config.as_deref())?;
        let data = Data::shared(Data::path(global.data.as_deref()))?;
        let ground = Ground {
            registries: images::registries(&config)?,
            apt: self.mirrors.apt(&config, &data)?,
            apk: self.mirrors.apk(&config, &data)?,
            rpm: self.mirrors.rpm(&config, &data)?,
            facts: Arc::new(FactsFolder::new(data.facts())),
            attest,
            config,
            data,
        };
        let [name] = self.images.as_slice() else { return self.several(&ground, global).await };
        let image = images::open(&ground.registries, name, self.platform.as_deref()).await?;
        match self.mend(&ground, name, &image, None).await? {
            Outcome::Planned(draft) if global.output == Output::Json => super::json(&draft)?,
            Outcome::Planned(draft) => terminal::out(&show::draft(name, &draft, terminal::columns())),
            Outcome::Mended(mended) if global.output == Output::Json => super::json(&mended.json())?,
            Outcome::Mended(mended) => mended.show(),
        }
        Ok(Exit::Ok)
    }
}

impl Mended {
    fn json(&self) -> serde_json::Value {
        let reference = self.fixed.as_ref().map(|(reference, _)| reference);
        let mut told = serde_json::json!({"fixed": reference, "plan": self.plan});
        if let Some(attached) = &self.attached {
            told["attached"] = serde_json::json!(attached);
        }
        told
    }
    fn show(&self) {
        for one in self.attached.iter().flatten() {
            let signed = if one.signed { ", signed" } else { "" };
            terminal::err(&format!("attached {}{signed}: {}", one.kind, one.digest));
        }
        if let Some((fixed, _)) = &self.fixed {
            terminal::out(&terminal::paint(fixed, terminal::Colour::Gold));
        }
        if !self.plan.upgrades.is_empty() {
            terminal::out(&upgrades(&self.plan));
        }
        if !self.plan.refused.is_empty() {
            terminal::out("\nrefused:");
            terminal::out(&show::refusals(&self.plan.refused, terminal::columns()).render());
        }
    }
}

/// What goes up from what to what.
pub(crate) fn upgrades(plan: &FixPlan) -> String {
    // Native is the rule; a column is for what is not.
    let by_tools = plan.upgrades.iter().any(|u| u.executor != patchline_remediation::Executor::Native);
    let mut heads = vec!["package", "from", "to", ">mends"];
    heads.extend(by_tools.then_some("executor"));
    let mut table = Table::new(&heads);
    for u in &plan.upgrades {
        let mut row = vec![u.package.clone(), u.from.clone(), u.to.clone(), u.mends.len().to_string()];
        row.extend(by_tools.then(|| u.because.clone()));
        table.row(row);
    }
    table.render()
}
