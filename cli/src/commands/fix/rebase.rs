//! `patchline fix REF --rebase`: the newer base first, then what is left to mend.

use std::sync::Arc;

use patchline_registry::{Digest, Registries, Repository};
use patchline_remediation::{
    Progress, lineage,
    rebase::{Rebase, RebaseRequest, Rebased, rebase},
};
use patchline_scanner::{LayerFacts, Report, advisories::AdvisorySet};

use crate::{
    commands::base,
    failure::{Failure, Result},
    images::Image,
};

/// Whether and onto what.
#[derive(Debug, clap::Args)]
pub(super) struct RebaseFlags {
    /// Set the image's own layers on the newest of the base that it is built on, and mend what is then left. Refused where
    /// they install packages or cover what the base has changed
    #[arg(long, conflicts_with_all = ["plan", "with", "attest"])]
    rebase: bool,
    /// The image that it is built on [default: what it says itself, where its registry is known]; NAME:TAG@sha256:… says
    /// which one it was
    #[arg(long, value_name = "REF", requires = "rebase")]
    base: Option<String>,
}

/// A rebased image, and where its base lies.
pub(super) struct Moved {
    pub(super) image: Rebased,
    base: Arc<dyn Repository>,
    name: String,
}

impl RebaseFlags {
    /// None: it was not asked for, or the base is the newest.
    pub(super) async fn apply(
        &self,
        registries: &Registries,
        image: &Image,
        (report, advisories): (&Report, &[&AdvisorySet]),
        facts: &Arc<dyn LayerFacts>,
        progress: Progress,
    ) -> Result<Option<Moved>> {
        if !self.rebase {
            return Ok(None);
        }
        if lineage::read(image.repository.as_ref(), &image.manifest, None).await?.is_some() {
            return Err(Failure::usage(
                "rebase-of-fixed",
                "the image is a fixed one: its original is rebased",
            )
            .hint("name the image that it was made from"));
        }
        let Some(named) = base::of(registries, image, self.base.as_deref()).await? else {
            return Err(Failure::usage("base-unknown", "the image does not say what it is built on")
                .hint("name it with --base NAME:TAG@sha256:…"));
        };
        let name = named.claim.name;
        let Some(location) = named.at else {
            let said = format!("the registry of {name} is neither configured nor this image's");
            return Err(Failure::usage("base-unknown", said).hint(format!("`--base {name}` has it asked")));
        };
        let Some(old) = named.claim.digest else {
            let said = format!("the image does not say which {name} it is built on");
            return Err(Failure::usage("base-unknown", said).hint("add its digest: --base NAME:TAG@sha256:…"));
        };
        let repository = registries.open(&location)?;
        let target = base::target(&location);
        let Some(new) = repository.resolve(&target).await? else {
            return Err(Failure::says("base-unfit", format!("{name} is no longer there")));
        };
        let name = name.split_once('@').map_or(name.clone(), |(name, _)| name.to_owned());
        let onto = Onto { base: repository, name, old, new: new.digest };
        onto.set(image, (report, advisories), facts, progress).await
    }
    /// What to say where nothing came of it.
    pub(super) fn asked(&self) -> bool {
        self.rebase
    }
}

/// A base that has become another.
pub(super) struct Onto {
    /// Where both are.
    pub(super) base: Arc<dyn Repository>,
    /// What the image is to call it.
    pub(super) name: String,
    /// What the image was built on.
    pub(super) old: Digest,
    /// What it is now.
    pub(super) new: Digest,
}

impl Onto {
    /// Sets an image on it; none: it is what it was for the image's platform.
    pub(super) async fn set(
        &self,
        image: &Image,
        (report, advisories): (&Report, &[&AdvisorySet]),
        facts: &Arc<dyn LayerFacts>,
        progress: Progress,
    ) -> Result<Option<Moved>> {
        let request = RebaseRequest {
            repository: image.repository.as_ref(),
            manifest: image.manifest.clone(),
            base: self.base.as_ref(),
            name: self.name.clone(),
            old: self.old.clone(),
            new: self.new.clone(),
            report,
            advisories,
            progress,
        };
        Ok(match rebase(&request, facts).await? {
            Rebase::Current => None,
            Rebase::Image(image) => {
                Some(Moved { image: *image, base: self.base.clone(), name: self.name.clone() })
            }
        })
    }
}

impl Moved {
    /// Pushes it by its digest alone: what is left to mend is read from there.
    pub(super) async fn push(&self, repository: &dyn Repository) -> Result<()> {
        Ok(self.image.push(repository, self.base.as_ref()).await?)
    }
    /// What became of the findings, in a line.
    pub(super) fn told(&self, before: &Report) -> String {
        let after = &self.image.report;
        let has = |report: &Report, id: &str, source: &str| {
            report.findings.iter().any(|f| f.id == id && f.source == source)
        };
        let gone = before.findings.iter().filter(|f| !has(after, &f.id, &f.source)).count();
        let new = after.findings.iter().filter(|f| !has(before, &f.id, &f.source)).count();
        format!("set on {}: {gone} findings gone, {new} new, {} left", self.name, after.findings.len())
    }
}
