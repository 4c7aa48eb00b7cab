//! `patchline fix REF`: mend one image without a chain.

mod choice;
mod rebase;
mod show;
mod smoke;

use clap::ValueEnum as _;
use patchline_registry::{Digest, ManifestKind, Repository};
use patchline_remediation::{
    Choice, FixPlan, FixRequest, Fixed, UpgradePolicy, attest::Attached, is_systems, lineage,
    rebase::source as rebased_from,
};
use patchline_scanner::{Finding, LayerFacts, advisories::AdvisorySet, layers::FactsFolder};
use std::sync::Arc;

use crate::{
    Global, Output,
    config::Config,
    data::Data,
    exit::Exit,
    failure::{Failure, Result, io},
    images,
    progress::Bars,
    table::Table,
    terminal,
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
}

impl From<Executor> for Choice {
    fn from(executor: Executor) -> Self {
        match executor {
            Executor::Auto => Self::Auto,
            Executor::Native => Self::Native,
            Executor::Sandbox => Self::Sandbox,
        }
    }
}

/// Mend an image and push it beside the original
#[derive(Debug, clap::Args)]
pub(crate) struct Fix {
    /// host/repository:tag, or oci:DIR:tag
    image: String,
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
    /// Who lays the new files: a sandbox runs the image's own tools and the packages' scripts
    #[arg(long, value_enum, default_value_t, value_name = "WHO")]
    executor: Executor,
    /// Say what would be done, and do nothing: per package from and to, where it comes from, what it ends, who lays it
    /// and why; what cannot go up and what stays
    #[arg(long, visible_alias = "dry-run")]
    plan: bool,
    #[command(flatten)]
    rebase: rebase::RebaseFlags,
    #[command(flatten)]
    smoke: smoke::SmokeFlags,
    #[command(flatten)]
    attest: super::attest::AttestFlags,
    #[command(flatten)]
    mirrors: super::MirrorFlags,
}

impl Fix {
    pub(crate) async fn run(self, global: &Global) -> Result<Exit> {
        // A key that is none is told before any work.
        let attest = self.attest.read()?;
        let config = Config::load(global.config.as_deref())?;
        let data = Data::shared(Data::path(global.data.as_deref()))?;
        let registries = images::registries(&config)?;
        let image = images::open(&registries, &self.image, self.platform.as_deref()).await?;
        let apt = self.mirrors.apt(&config, &data)?;
        let apk = self.mirrors.apk(&config, &data)?;
        let rpm = self.mirrors.rpm(&config, &data)?;
        let facts: Arc<dyn LayerFacts> = Arc::new(FactsFolder::new(data.facts()));
        let mut remediator = crate::wiring::remediator(&config, apt.clone(), facts.clone())
            .with_apk(apk)
            .with_rpm(rpm)
            .choosing(self.executor.into())
            .denying(self.choice.denied())
            .smoking(self.smoke.smoke()?);
        if let Some(chosen) = self.choice.chosen(&image.manifest)? {
            remediator = remediator.following(chosen);
        }
        let platform = self.platform.clone().unwrap_or_else(images::this_platform);
        let beside = remediator.beside(&platform);
        let scanned = images::scan_beside(&data, Some(&apt), &image, beside.clone()).await?;
        let keeping = beside.keep().await?;
        let remediator = remediator.having_read(beside);
        self.choice.tell_unknown(&scanned.report);
        let scratch = tempfile::tempdir().map_err(io("make a folder for work"))?;
        let bars = Bars::new();
        let sets: Vec<&AdvisorySet> = scanned.advisories.iter().collect();
        let reported = (&scanned.report, sets.as_slice());
        let moved = self.rebase.apply(&registries, &image, reported, &facts, bars.progress()).await?;
        if let Some(moved) = &moved {
            moved.push(image.repository.as_ref()).await?;
            terminal::err(&moved.told(&scanned.report));
        } else if self.rebase.asked() {
            terminal::err("the image is built on the newest of its base");
        }
        let (manifest, report) = match &moved {
            Some(moved) => (&moved.image.manifest.digest, &moved.image.report),
            None => (&image.manifest, &scanned.report),
        };
        let request = FixRequest {
            // No record of fixes is kept here: what an image says of an original that is gone is not believed.
            recorded: None,
            repository: image.repository.as_ref(),
            manifest: manifest.clone(),
            tag: image.tag.clone(),
            report,
            advisories: &sets,
            select: self.choice.selection(),
            policy: if self.latest { UpgradePolicy::Latest } else { UpgradePolicy::Minimal },
            scratch: scratch.path().to_owned(),
            progress: bars.progress(),
        };
        if self.plan {
            let draft = remediator.draft(&request).await?;
            keeping.done().await?;
            bars.clear();
            if global.output == Output::Json {
                super::json(&draft)?;
            } else {
                terminal::out(&show::draft(&self.image, &draft, terminal::columns()));
            }
            return Ok(Exit::Ok);
        }
        // A newer base may have ended all that our own upgrades could.
        let mendable = |f: &Finding| f.fixed.is_some() && is_systems(f) && request.select.selects(f);
        let fixed = match &moved {
            Some(moved) if !moved.image.report.findings.iter().any(mendable) => {
                Fixed::Unchanged(FixPlan::nothing())
            }
            _ => remediator.build(&request).await?,
        };
        keeping.done().await?;
        match fixed {
            Fixed::Unchanged(mut plan) if moved.is_some() => {
                plan.smoked = remediator.smoke_as_it_is(&request).await?;
                let tag = self.fixed_tag(&image)?;
                let repository = image.repository.as_ref();
                free(repository, &tag, manifest, &image.manifest).await?;
                self.stands(&image).await?;
                let rebased = repository.manifest(manifest.as_str()).await?;
                repository.push_manifest(&tag, &rebased).await?;
                bars.clear();
                let reference = format!("{}:{tag}@{manifest}", repository.name());
                show(global.output, &plan, Some(&reference), None)
            }
            Fixed::Unchanged(plan) => {
                bars.clear();
                terminal::err("nothing to upgrade: nothing was pushed");
                show(global.output, &plan, None, None)
            }
            Fixed::Image(fixed) => {
                let asked = serde_json::json!({
                    "image": image.manifest, "select": self.choice.asked(),
                    "policy": if self.latest { "latest" } else { "minimal" },
                    "executor": self.executor.to_possible_value().map(|v| v.get_name().to_owned()),
                    "smoke": self.smoke.asked(),
                });
                let tag = self.fixed_tag(&image)?;
                let repository = image.repository.as_ref();
                let origin = if moved.is_some() { &image.manifest } else { &fixed.origin };
                free(repository, &tag, &fixed.manifest.digest, origin).await?;
                self.stands(&image).await?;
                let mut attached = None;
                if let Some(attest) = attest {
                    // Before the tag: who sees the fixed image sees what is said of it.
                    remediator.push(repository, &fixed, None).await?;
                    attached = Some(attest.attach(repository, &fixed, &tag, asked).await?);
                    self.stands(&image).await?;
                }
                remediator.push(repository, &fixed, Some(&tag)).await?;
                bars.clear();
                let reference = format!("{}:{tag}@{}", image.repository.name(), fixed.manifest.digest);
                for kept in &fixed.kept {
                    terminal::err(&format!("kept as a later layer left it: {kept}"));
                }
                for smoked in &fixed.plan.smoked {
                    terminal::err(&smoke::told(smoked));
                }
                show(global.output, &fixed.plan, Some(&reference), attached.as_deref())
            }
        }
    }
}

impl Fix {
    fn fixed_tag(&self, image: &images::Image) -> Result<String> {
        match (&self.tag, &image.tag) {
            (Some(tag), _) => Ok(tag.clone()),
            (None, Some(tag)) => Ok(format!("{}_fixed", tag.trim_end_matches("_fixed"))),
            (None, None) => Err(Failure::usage("tag-needed", "the image has no tag to derive one from")
                .hint("name the fixed image's tag with --tag")),
        }
    }

    /// The tag that was asked for still names what was mended: else the fixed image would stand beside another one, and
    /// be taken for its fix. Asked last; registries offer no way to tag only if another tag stands.
    async fn stands(&self, image: &images::Image) -> Result<()> {
        // Who names a digest means that one, wherever the tag points.
        let Some(tag) = image.tag.as_ref().filter(|_| !self.image.contains("@sha256:")) else {
            return Ok(());
        };
        let mended = image.index.as_ref().unwrap_or(&image.manifest);
        let present = image.repository.resolve(tag).await?.map(|present| present.digest);
        if present.as_ref() == Some(mended) {
            return Ok(());
        }
        let now = present.map_or_else(|| "is gone".to_owned(), |digest| format!("points at {digest} now"));
        let said = format!("the tag {tag} {now}; what was mended is {mended}");
        Err(Failure::says("tag-moved", said).hint("look who pushed it, then start again; no tag was written"))
    }
}

/// A tag is taken over only from the same fix, or from an earlier one of the same original: never from the original
/// itself, nor from an image that somebody else pushed.
async fn free(repository: &dyn Repository, tag: &str, fixed: &Digest, origin: &Digest) -> Result<()> {
    let Some(present) = repository.resolve(tag).await? else { return Ok(()) };
    if present.digest == *fixed {
        return Ok(());
    }
    let index =
        matches!(repository.manifest(present.digest.as_str()).await?.decode()?, ManifestKind::Index(_));
    if !index {
        let lineage = lineage::read(repository, &present.digest, None).await?;
        let mended = lineage.map_or_else(|| present.digest.clone(), |lineage| lineage.source);
        if mended == *origin && mended != present.digest {
            return Ok(());
        }
        // A rebased image, or one that was mended after it was rebased.
        if repository.resolve(mended.as_str()).await?.is_some()
            && rebased_from(repository, &mended).await?.as_ref() == Some(origin)
        {
            return Ok(());
        }
    }
    Err(Failure::says("fixed-tag-taken", format!("the tag {tag} holds another image, {}", present.digest))
        .hint("name another tag with --tag; nothing was pushed"))
}

fn show(output: Output, plan: &FixPlan, fixed: Option<&str>, attached: Option<&[Attached]>) -> Result<Exit> {
    if output == Output::Json {
        let mut told = serde_json::json!({"fixed": fixed, "plan": plan});
        if let Some(attached) = attached {
            told["attached"] = serde_json::json!(attached);
        }
        super::json(&told)?;
        return Ok(Exit::Ok);
    }
    for one in attached.unwrap_or_default() {
        let signed = if one.signed { ", signed" } else { "" };
        terminal::err(&format!("attached {}{signed}: {}", one.kind, one.digest));
    }
    if let Some(fixed) = fixed {
        terminal::out(&terminal::paint(fixed, terminal::Colour::Gold));
    }
    if !plan.upgrades.is_empty() {
        terminal::out(&upgrades(plan));
    }
    if !plan.refused.is_empty() {
        terminal::out("\nrefused:");
        terminal::out(&show::refusals(&plan.refused, terminal::columns()).render());
    }
    Ok(Exit::Ok)
}

/// What goes up from what to what.
pub(crate) fn upgrades(plan: &FixPlan) -> String {
    // Native is the rule; a column is for what is not.
    let sandboxed = plan.upgrades.iter().any(|u| u.executor == patchline_remediation::Executor::Sandbox);
    let mut heads = vec!["package", "from", "to", ">mends"];
    heads.extend(sandboxed.then_some("executor"));
    let mut table = Table::new(&heads);
    for u in &plan.upgrades {
        let mut row = vec![u.package.clone(), u.from.clone(), u.to.clone(), u.mends.len().to_string()];
        row.extend(sandboxed.then(|| u.because.clone()));
        table.row(row);
    }
    table.render()
}
