//! One image, from its scan to the tag of its fix.

use clap::ValueEnum as _;
use patchline_registry::{Digest, ManifestKind, Repository};
use patchline_remediation::{
    FixPlan, FixRequest, Fixed, Progress, UpgradePolicy, is_systems, lineage, rebase::source as rebased_from,
};
use patchline_scanner::{Finding, Report, advisories::AdvisorySet};

use super::{
    Fix, Ground, Mended, Outcome,
    rebase::{Moved, Onto},
    smoke,
};
use crate::{
    failure::{Failure, Result, io},
    images,
    progress::Bars,
    terminal,
};

impl Fix {
    /// Mends, or plans to; `onto`: the image's base has just become another, and it is set on that where it can be.
    pub(super) async fn mend(
        &self,
        ground: &Ground,
        name: &str,
        image: &images::Image,
        onto: Option<&Onto>,
    ) -> Result<Outcome> {
        let Ground { config, data, apt, facts, .. } = ground;
        let tooling = self.mirrors.tooling(config, &ground.registries)?;
        let mut remediator = crate::wiring::remediator(config, data, apt.clone(), facts.clone(), tooling)
            .with_apk(ground.apk.clone())
            .with_rpm(ground.rpm.clone())
            .choosing(self.executor.into())
            .denying(self.choice.denied())
            .smoking(self.smoke.smoke()?);
        if let Some(languages) = self.languages.languages() {
            remediator = remediator.with_languages(languages);
        }
        if let Some(chosen) = self.choice.chosen(&image.manifest)? {
            remediator = remediator.following(chosen);
        }
        let platform = self.platform.clone().unwrap_or_else(images::this_platform);
        let beside = remediator.beside(&platform);
        let scanned = images::scan_beside(data, Some(apt), image, beside.clone()).await?;
        let keeping = beside.keep().await?;
        let remediator = remediator.having_read(beside);
        self.choice.tell_unknown(&scanned.report);
        let scratch = tempfile::tempdir().map_err(io("make a folder for work"))?;
        let bars = Bars::new();
        let sets: Vec<&AdvisorySet> = scanned.advisories.iter().collect();
        let reported = (&scanned.report, sets.as_slice());
        let moved = self.set(ground, image, onto, reported, bars.progress()).await?;
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
            return Ok(Outcome::Planned(Box::new(draft)));
        }
        // A newer base may have ended all that our own upgrades could.
        let ours = |f: &Finding| is_systems(f) || self.languages.asked() && !f.paths.is_empty();
        let mendable = |f: &Finding| f.fixed.is_some() && ours(f) && request.select.selects(f);
        let fixed = match &moved {
            Some(moved) if !moved.image.report.findings.iter().any(mendable) => {
                Fixed::Unchanged(FixPlan::nothing())
            }
            _ => remediator.build(&request).await?,
        };
        keeping.done().await?;
        let mended = match fixed {
            Fixed::Unchanged(mut plan) if moved.is_some() => {
                plan.smoked = remediator.smoke_as_it_is(&request).await?;
                let tag = self.fixed_tag(image)?;
                let repository = image.repository.as_ref();
                free(repository, &tag, manifest, &image.manifest).await?;
                stands(name, image).await?;
                let rebased = repository.manifest(manifest.as_str()).await?;
                repository.push_manifest(&tag, &rebased).await?;
                bars.clear();
                let reference = format!("{}:{tag}@{manifest}", repository.name());
                Mended { plan, fixed: Some((reference, manifest.clone())), attached: None }
            }
            Fixed::Unchanged(plan) => {
                bars.clear();
                terminal::err("nothing to upgrade: nothing was pushed");
                Mended { plan, fixed: None, attached: None }
            }
            Fixed::Image(fixed) => {
                let mut asked = serde_json::json!({
                    "image": image.manifest, "select": self.choice.asked(),
                    "policy": if self.latest { "latest" } else { "minimal" },
                    "executor": self.executor.to_possible_value().map(|v| v.get_name().to_owned()),
                    "smoke": self.smoke.asked(),
                });
                if self.languages.asked() {
                    asked["languages"] = true.into();
                }
                let tag = self.fixed_tag(image)?;
                let repository = image.repository.as_ref();
                let origin = if moved.is_some() { &image.manifest } else { &fixed.origin };
                free(repository, &tag, &fixed.manifest.digest, origin).await?;
                stands(name, image).await?;
                let mut attached = None;
                if let Some(attest) = &ground.attest {
                    // Before the tag: who sees the fixed image sees what is said of it.
                    remediator.push(repository, &fixed, None).await?;
                    attached = Some(attest.attach(repository, &fixed, &tag, asked).await?);
                    stands(name, image).await?;
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
                let digest = fixed.manifest.digest.clone();
                Mended { plan: fixed.plan, fixed: Some((reference, digest)), attached }
            }
        };
        Ok(Outcome::Mended(Box::new(mended)))
    }

    /// Sets an image on what its base has become, as far as that was asked for. One of several that cannot be is mended
    /// as it stands.
    async fn set(
        &self,
        ground: &Ground,
        image: &images::Image,
        onto: Option<&Onto>,
        reported: (&Report, &[&AdvisorySet]),
        progress: Progress,
    ) -> Result<Option<Moved>> {
        let Some(onto) = onto else {
            return self.rebase.apply(&ground.registries, image, reported, &ground.facts, progress).await;
        };
        // A fixed one stands on its original, and is made anew from that.
        if lineage::read(image.repository.as_ref(), &image.manifest, None).await?.is_some() {
            return Ok(None);
        }
        match onto.set(image, reported, &ground.facts, progress).await {
            Err(failure) if ["rebase-refused", "base-unfit"].contains(&failure.code.as_str()) => {
                let why = failure.causes.join(": ");
                terminal::err(&format!("not set on {}, mended as it stands: {why}", onto.name));
                Ok(None)
            }
            other => other,
        }
    }

    fn fixed_tag(&self, image: &images::Image) -> Result<String> {
        match (&self.tag, &image.tag) {
            (Some(tag), _) => Ok(tag.clone()),
            (None, Some(tag)) => Ok(format!("{}_fixed", tag.trim_end_matches("_fixed"))),
            (None, None) => Err(Failure::usage("tag-needed", "the image has no tag to derive one from")
                .hint("name the fixed image's tag with --tag")),
        }
    }
}

/// The tag that was asked for still names what was mended: else the fixed image would stand beside another one, and
/// be taken for its fix. Asked last; registries offer no way to tag only if another tag stands.
async fn stands(name: &str, image: &images::Image) -> Result<()> {
    // Who names a digest means that one, wherever the tag points.
    let Some(tag) = image.tag.as_ref().filter(|_| !name.contains("@sha256:")) else {
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
