//! Building the fixed image, one platform after the other, in a folder that goes when the step ends.

use std::{
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use patchline_engine::{Context, StepError};
use patchline_registry::{Digest, RawManifest, Repository};
use patchline_remediation::{
    Error as RemediationError, FixPlan, FixRequest, Fixed, FixedImage, Refusal, Remediator, Smoked, Upgrade,
    lineage,
};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use super::params::{Params, Platforms};
use crate::{
    World,
    advisories::{Revision, Sets},
    evidence::Evidence,
    failure,
    image::Image,
    platforms::{ATTESTS, Pinned, is_unknown},
    summary,
};

/// Packages and refusals that an output names.
const MOST_NAMED: usize = 50;

/// A folder for work; gone when it is dropped.
pub(super) struct Scratch {
    dir: PathBuf,
}

impl Scratch {
    /// An empty folder that no other attempt has: a build that was given up may still write into its own.
    pub(super) async fn make(root: &Path, key: &str, attempt: u32) -> Result<Self, StepError> {
        static MADE: AtomicU64 = AtomicU64::new(0);
        let key = hex::encode(Sha256::digest(key.as_bytes()));
        // The root is emptied at the start, so that the number need only be new in this process.
        let n = MADE.fetch_add(1, Ordering::Relaxed);
        let dir = root.join(format!("fix-{}-{attempt}-{n}", &key[..32]));
        let failed = |e| failure::io("the folder for work cannot be made", &e);
        tokio::fs::create_dir_all(root).await.map_err(failed)?;
        tokio::fs::create_dir(&dir).await.map_err(failed)?;
        Ok(Self { dir })
    }
    pub(super) fn path(&self) -> &Path {
        &self.dir
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        if let Err(error) = std::fs::remove_dir_all(&self.dir) {
            tracing::warn!(%error, "a folder for work stays behind");
        }
    }
}

/// What building needs.
pub(super) struct Job<'a> {
    pub(super) world: &'a World,
    pub(super) context: &'a Context,
    pub(super) image: &'a Image,
    pub(super) params: &'a Params,
    pub(super) repository: &'a dyn Repository,
    pub(super) scratch: &'a Path,
}

/// What became of every platform in scope.
#[derive(Default)]
pub(super) struct Product {
    /// (the platform's image manifest, its fixed image).
    pub(super) fixed: Vec<(Digest, Box<FixedImage>)>,
    /// Plans of platforms that stay.
    unchanged: Vec<FixPlan>,
    /// The new index, when the pinned digest is one.
    pub(super) index: Option<RawManifest>,
    /// Figures of the worst platform before.
    before: Value,
}

impl Job<'_> {
    pub(super) async fn build(&self, pinned: &Pinned, evidence: &[Evidence]) -> Result<Product, StepError> {
        let chosen = self.params.plan()?;
        let is_chosen = |digest: &&Digest| chosen.as_ref().is_none_or(|plan| plan.image() == *digest);
        let all = pinned.images.iter().map(|platform| &platform.digest);
        let mended: Vec<Digest> = all.filter(is_chosen).cloned().collect();
        let platforms = if mended.len() == 1 { Platforms::One } else { Platforms::Several };
        let mut remediator = self.params.remediator(self.world, platforms)?;
        if let Some(plan) = &chosen {
            // A plan is of one image: of an index, that platform alone is mended.
            if mended.is_empty() {
                let error = RemediationError::PlanOfAnother {
                    planned: plan.image().clone(),
                    image: self.image.digest.clone(),
                };
                return Err(failure::remediation(error));
            }
            if let Some(said) = plan.said() {
                let said = format!("held to a plan of {}: {}", said.by, said.reason);
                self.context.news.note(summary::cut(&said, summary::LINE)).await;
            }
            let upgrades = plan.clone().of(plan.image()).map_err(failure::remediation)?;
            remediator = remediator.following(upgrades);
        }
        remediator.may_smoke_any(self.repository, &mended).await.map_err(failure::remediation)?;
        let mut product = Product::default();
        let news = self.context.news.clone();
        let progress: patchline_remediation::Progress =
            Arc::new(move |phase: &str, done, total| news.progress(phase, done, total));
        for (position, platform) in pinned.images.iter().enumerate() {
            if !mended.contains(&platform.digest) {
                continue;
            }
            let found = evidence.iter().find(|e| e.line.image == platform.digest).ok_or_else(|| {
                let text = format!("no scan of this run looked at {}", platform.digest);
                StepError::permanent("no-scan", text)
            })?;
            let scratch = self.scratch.join(position.to_string());
            let made = tokio::fs::create_dir(&scratch).await;
            made.map_err(|e| failure::io("the folder for work cannot be made", &e))?;
            let sets = self.sets(&remediator, found).await?;
            let fix = self.world.fixes.fix_of(&platform.digest).await.map_err(failure::store)?;
            let request = FixRequest {
                recorded: fix.map(|(origin, _)| origin),
                repository: self.repository,
                manifest: platform.digest.clone(),
                tag: self.image.origin_tag().map(str::to_owned),
                report: &found.report,
                advisories: &sets.all(),
                select: self.params.selection()?,
                policy: self.params.policy,
                scratch,
                progress: progress.clone(),
            };
            match remediator.build(&request).await.map_err(failure::remediation)? {
                Fixed::Unchanged(plan) => product.unchanged.push(plan),
                Fixed::Image(fixed) => product.fixed.push((platform.digest.clone(), fixed)),
            }
        }
        product.was_smoked()?;
        let worst = evidence.iter().max_by_key(|e| summary::weight(&e.report));
        product.before = worst.map_or(Value::Null, |e| summary::counts(&e.report));
        if pinned.index && !product.fixed.is_empty() {
            product.index = Some(new_index(&pinned.raw, &product.fixed)?);
        }
        Ok(product)
    }

    /// What the report was made from: the proof's re-scan uses the same.
    async fn sets(&self, remediator: &Remediator, found: &Evidence) -> Result<Sets, StepError> {
        let image = &found.line.image;
        let inventory =
            self.world.reports.inventory(image).await.map_err(failure::store)?.ok_or_else(|| {
                StepError::permanent(
                    "inventory-missing",
                    format!("the inventory of {image} is not in the store"),
                )
            })?;
        let revision = Revision::Of(&found.report.advisory_revision);
        Sets::read(self.context, &self.world.advisories, revision, remediator, &inventory).await
    }
}

impl Product {
    /// Itself, when there is something to push.
    pub(super) fn changed(&self) -> Option<&Self> {
        (!self.fixed.is_empty()).then_some(self)
    }
    /// What the tag will point at.
    pub(super) fn root(&self) -> Option<&RawManifest> {
        self.index.as_ref().or_else(|| self.fixed.first().map(|(_, image)| &image.manifest))
    }
    /// Refuses what was to be smoked and was on no platform.
    fn was_smoked(&self) -> Result<(), StepError> {
        match nowhere_run(self.fixed.iter().flat_map(|(_, image)| &image.plan.smoked)) {
            None => Ok(()),
            Some(why) => {
                let text = format!(
                    "the smoke command could be run on no platform that was mended, so nothing is pushed: {why}"
                );
                Err(StepError::permanent("smoke-unavailable", text))
            }
        }
    }
    /// All platforms' plans as one.
    pub(super) fn plan(&self) -> FixPlan {
        let mut all = FixPlan {
            version: 1,
            upgrades: Vec::new(),
            refused: Vec::new(),
            repositories: Vec::new(),
            advisory_revision: String::new(),
            smoked: Vec::new(),
        };
        for plan in self.fixed.iter().map(|(_, image)| &image.plan).chain(&self.unchanged) {
            extend(&mut all.upgrades, &plan.upgrades);
            extend(&mut all.refused, &plan.refused);
            extend(&mut all.repositories, &plan.repositories);
            extend(&mut all.smoked, &plan.smoked);
            if all.advisory_revision.is_empty() {
                all.advisory_revision.clone_from(&plan.advisory_revision);
            }
        }
        all
    }
    /// For the step's output, without the tag.
    pub(super) fn output(&self, report: Option<&str>) -> Value {
        let plan = self.plan();
        let worst = self.fixed.iter().map(|(_, image)| &image.report).max_by_key(|r| summary::weight(r));
        let kept: Vec<&String> =
            self.fixed.iter().flat_map(|(_, image)| &image.kept).take(MOST_NAMED).collect();
        summary::present(json!({
            "upgrades": plan.upgrades.len(),
            "packages": plan.upgrades.iter().take(MOST_NAMED).map(upgrade).collect::<Vec<_>>(),
            "refused": refusals(&plan.refused),
            "refusals": plan.refused.len(),
            "kept": kept,
            "smoked": plan.smoked.iter().take(MOST_NAMED).map(smoked).collect::<Vec<_>>(),
            "plan": self.root().map(|m| &m.digest),
            "before": self.before,
            "after": worst.map(summary::counts),
            "report": report,
            "summary": format!(
                "{} upgraded, {} refused",
                summary::counted(plan.upgrades.len(), "package", "packages"),
                plan.refused.len()
            ),
        }))
    }
    /// A fix that changes nothing ends the cascade: what it could not do is named.
    pub(super) fn unchanged_output(&self) -> Value {
        let plan = self.plan();
        let message = match plan.refused.first() {
            Some(refusal) => format!(
                "nothing can be upgraded; {} refused, first {}: {}",
                plan.refused.len(),
                refusal.package,
                refusal.reason
            ),
            None => "nothing that was selected can be upgraded".to_owned(),
        };
        summary::present(json!({
            "reason": "nothing-to-upgrade",
            "summary": summary::cut(&message, summary::LINE),
            "message": message,
            "upgrades": 0,
            "packages": [],
            "refused": refusals(&plan.refused),
            "refusals": plan.refused.len(),
            "before": self.before,
        }))
    }
}

fn extend<T: Clone + PartialEq>(all: &mut Vec<T>, more: &[T]) {
    for one in more {
        if !all.contains(one) {
            all.push(one.clone());
        }
    }
}

fn upgrade(upgrade: &Upgrade) -> String {
    format!("{} {} → {}", upgrade.package, upgrade.from, upgrade.to)
}

/// Why the first command was not run, where none was: nobody has seen anything of what was mended work. None: one was, or there are none.
fn nowhere_run<'s>(mut all: impl Iterator<Item = &'s Smoked>) -> Option<&'s str> {
    let why = all.next()?.skipped.as_deref()?;
    all.all(|smoked| smoked.skipped.is_some()).then_some(why)
}

fn smoked(smoked: &Smoked) -> String {
    let ended = smoked.skipped.as_ref().map_or_else(|| "passed".to_owned(), |why| format!("not run: {why}"));
    let text = format!("{}: {}: {ended}", smoked.platform, smoked.command.join(" "));
    text.chars().filter(|c| !c.is_control()).take(300).collect()
}

fn refusals(refused: &[Refusal]) -> Vec<String> {
    let text = |r: &Refusal| format!("{} {}: {}", r.package, r.from, r.reason);
    refused.iter().take(MOST_NAMED).map(|r| text(r).chars().take(300).collect()).collect()
}

/// The pinned index with its mended children in place of the old ones. What
/// attested an old child goes with it; everything else stays as it was
/// written, fields that we do not know too.
fn new_index(raw: &RawManifest, fixed: &[(Digest, Box<FixedImage>)]) -> Result<RawManifest, StepError> {
    let children: Vec<(Digest, &RawManifest)> =
        fixed.iter().map(|(old, image)| (old.clone(), &image.manifest)).collect();
    replace_children(raw, &children)
}

fn replace_children(
    raw: &RawManifest,
    children: &[(Digest, &RawManifest)],
) -> Result<RawManifest, StepError> {
    let unreadable = |e: serde_json::Error| {
        StepError::permanent("invalid-document", format!("the index cannot be read: {e}"))
    };
    let mut index: Value = serde_json::from_slice(&raw.bytes).map_err(unreadable)?;
    let is = |value: &Value, digest: &Digest| value.as_str() == Some(digest.as_str());
    if let Some(entries) = index.get_mut("manifests").and_then(Value::as_array_mut) {
        let attests = |e: &Value, old| {
            let word = |name: &str| e["platform"][name].as_str().unwrap_or_default().to_owned();
            is_unknown(&word("os"), &word("architecture")) && is(&e["annotations"][ATTESTS], old)
        };
        entries.retain(|e| !children.iter().any(|(old, _)| attests(e, old)));
        for entry in entries {
            if let Some((_, new)) = children.iter().find(|(old, _)| is(&entry["digest"], old)) {
                entry["digest"] = json!(new.digest);
                entry["size"] = json!(new.bytes.len());
                entry["mediaType"] = json!(new.media_type);
            }
        }
    }
    // A Docker list takes no annotations.
    if raw.media_type == patchline_registry::model::OCI_INDEX {
        let key = format!("{}source", lineage::PREFIX);
        if !index["annotations"].is_object() {
            index["annotations"] = json!({});
        }
        if index["annotations"].get(&key).is_none() {
            index["annotations"][key] = json!(raw.digest);
        }
    }
    let bytes = serde_json::to_vec(&index).map_err(unreadable)?;
    Ok(RawManifest::new(raw.media_type.clone(), bytes))
}

#[cfg(test)]
mod tests {
    use patchline_registry::model::{OCI_INDEX, OCI_MANIFEST};

    use super::*;

    #[test]
    fn an_index_keeps_what_needs_nothing_and_drops_stale_attestations() {
        let digest = |n: u8| Digest::of(&[n]);
        let entry = |n: u8, arch: &str| {
            json!({"mediaType": OCI_MANIFEST, "digest": digest(n), "size": 5,
                "platform": {"os": "linux", "architecture": arch, "os.version": "1"}})
        };
        let attest = |n: u8, of: u8| {
            json!({"mediaType": OCI_MANIFEST, "digest": digest(n), "size": 5,
                "platform": {"os": "unknown", "architecture": "unknown"},
                "annotations": {ATTESTS: digest(of)}})
        };
        let index = json!({"schemaVersion": 2, "mediaType": OCI_INDEX, "x-unknown": true,
            "manifests": [entry(1, "amd64"), entry(2, "arm64"), attest(3, 1), attest(4, 2)]});
        let raw = RawManifest::new(OCI_INDEX, serde_json::to_vec(&index).expect("json"));
        let child = RawManifest::new(OCI_MANIFEST, "fixed");
        let new = replace_children(&raw, &[(digest(1), &child)]).expect("an index");
        let again = replace_children(&raw, &[(digest(1), &child)]).expect("an index");
        assert_eq!(new.digest, again.digest, "equal fixes are equal bytes");
        let read: Value = serde_json::from_slice(&new.bytes).expect("json");
        let digests: Vec<_> =
            read["manifests"].as_array().expect("list").iter().map(|m| &m["digest"]).collect();
        assert_eq!(digests, [&json!(child.digest), &json!(digest(2)), &json!(digest(4))]);
        assert_eq!(read["manifests"][0]["platform"]["os.version"], "1");
        assert_eq!(read["x-unknown"], true);
        assert_eq!(read["annotations"]["dev.patchline.source"], json!(raw.digest));
        // A second round keeps the first source.
        let second = replace_children(&new, &[(child.digest.clone(), &child)]).expect("an index");
        let read: Value = serde_json::from_slice(&second.bytes).expect("json");
        assert_eq!(read["annotations"]["dev.patchline.source"], json!(raw.digest));
    }

    #[test]
    fn what_ran_nowhere_is_told() {
        let one = |platform: &str, skipped: Option<&str>| Smoked {
            platform: platform.to_owned(),
            command: vec!["nginx".to_owned(), "-t\u{1b}".to_owned()],
            skipped: skipped.map(str::to_owned),
        };
        let (ran, far, farther) =
            (one("linux/amd64", None), one("linux/arm64", Some("foreign")), one("linux/s390x", Some("too")));
        assert_eq!(nowhere_run([].iter()), None);
        assert_eq!(nowhere_run([&ran].into_iter()), None);
        assert_eq!(nowhere_run([&far, &ran].into_iter()), None);
        assert_eq!(nowhere_run([&ran, &far].into_iter()), None);
        assert_eq!(nowhere_run([&far, &farther].into_iter()), Some("foreign"));
        assert_eq!(smoked(&ran), "linux/amd64: nginx -t: passed");
        assert_eq!(smoked(&far), "linux/arm64: nginx -t: not run: foreign");
    }

    #[tokio::test]
    async fn each_attempt_has_a_folder_of_its_own_that_goes() {
        let root = tempfile::tempdir().expect("a folder");
        let root = root.path().join("scratch");
        let first = Scratch::make(&root, "run/fix", 1).await.expect("made");
        let second = Scratch::make(&root, "run/fix", 1).await.expect("made");
        std::fs::write(first.path().join("left"), "x").expect("written");
        assert_eq!(std::fs::read_dir(second.path()).expect("there").count(), 0);
        drop(first);
        assert!(second.path().exists());
        drop(second);
        assert_eq!(std::fs::read_dir(&root).expect("there").count(), 0);
    }
}
