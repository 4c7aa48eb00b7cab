//! What rules ask beyond findings: installed packages, the user that the image runs as, what it is built on.

use patchline_engine::{ErrorClass, StepError};
use patchline_registry::{Descriptor, Digest, Repository};
use patchline_scanner::Package;
use serde::Deserialize;
use tokio::io::AsyncReadExt as _;

use super::{
    base::{BaseRule, Bases, Search, Subject},
    rule::Rule,
};
use crate::{World, evidence::Evidence, failure, image::Image};

/// An image configuration beyond it is none.
const MOST_CONFIG: u64 = 4 << 20;

/// Only what some rule asks for is filled in.
#[derive(Debug, Default)]
pub(super) struct Facts {
    pub(super) packages: Vec<Package>,
    pub(super) run_as_root: bool,
    pub(super) bases: Bases,
}

/// Fetches what the rules ask for.
pub(super) async fn gather<'a>(
    world: &World,
    image: &Image,
    evidence: &Evidence,
    search: &mut Search<'_>,
    rules: impl Iterator<Item = &'a Rule> + Clone,
) -> Result<Facts, StepError> {
    let mut facts = Facts::default();
    let patterns: Vec<&[String]> =
        rules.clone().filter_map(|r| r.base.as_ref()).flat_map(BaseRule::patterns).collect();
    let mut layers = Vec::new();
    if rules.clone().any(|r| r.packages.is_some() || r.license.is_some()) || !patterns.is_empty() {
        let found = world.reports.inventory(&evidence.line.image).await.map_err(failure::store)?;
        let missing = || {
            let text = format!("the inventory of {} is not in the store", evidence.line.image);
            StepError::permanent("inventory-missing", text)
        };
        let found = found.ok_or_else(missing)?;
        facts.packages = found.packages;
        layers = found.layers;
    }
    if rules.clone().any(|r| r.run_as_root.is_some()) || !patterns.is_empty() {
        let repository = image.open(&world.registries)?;
        let raw = repository.manifest(evidence.line.image.as_str()).await.map_err(failure::registry)?;
        let manifest = raw.image().map_err(failure::registry)?;
        let config = config(&*repository, &manifest.config).await?;
        facts.run_as_root = runs_as_root(config.user());
        if !patterns.is_empty() {
            let platform = config.platform();
            let subject = Subject::new(&layers, &platform, &manifest.annotations);
            facts.bases = search.bases(&subject, &patterns).await?;
        }
    }
    Ok(facts)
}

/// OCI image-spec "config", as far as rules ask.
#[derive(Deserialize)]
pub(super) struct Config {
    #[serde(default)]
    os: String,
    #[serde(default)]
    architecture: String,
    #[serde(default)]
    config: Option<Execution>,
    #[serde(default)]
    pub(super) rootfs: RootFs,
}

#[derive(Deserialize)]
struct Execution {
    #[serde(default, rename = "User")]
    user: Option<String>,
}

#[derive(Default, Deserialize)]
pub(super) struct RootFs {
    #[serde(default)]
    pub(super) diff_ids: Vec<Digest>,
}

impl Config {
    fn user(&self) -> &str {
        self.config.as_ref().and_then(|c| c.user.as_deref()).unwrap_or_default()
    }
    /// Operating system and architecture.
    fn platform(&self) -> (String, String) {
        (self.os.clone(), self.architecture.clone())
    }
}

/// Fetches an image configuration.
pub(super) async fn config(repository: &dyn Repository, config: &Descriptor) -> Result<Config, StepError> {
    if config.size > MOST_CONFIG {
        return Err(StepError::permanent("limit-exceeded", "the image configuration is larger than 4 MiB"));
    }
    let unreadable = |reason: String| {
        StepError::permanent("invalid-document", format!("the image configuration cannot be read: {reason}"))
    };
    let mut bytes = Vec::new();
    let blob = repository.blob(config).await.map_err(failure::registry)?;
    let read = blob.take(MOST_CONFIG + 1).read_to_end(&mut bytes).await;
    read.map_err(|e| match e.downcast::<patchline_registry::Error>() {
        Ok(inner) => failure::registry(inner),
        Err(e) => StepError::new(ErrorClass::Transient, "registry-io", &e),
    })?;
    serde_json::from_slice(&bytes).map_err(|e| unreadable(e.to_string()))
}

/// OCI image-spec, "config.User": none means root; `user`, `uid`, `user:group`, `uid:gid`.
fn runs_as_root(user: &str) -> bool {
    let user = user.split(':').next().unwrap_or("").trim();
    user.is_empty() || user == "root" || (user.bytes().all(|b| b == b'0'))
}

#[cfg(test)]
mod tests {
    use super::runs_as_root;

    #[test]
    fn who_is_root() {
        for root in ["", "root", "0", "0:0", "root:adm", "00", ":1000"] {
            assert!(runs_as_root(root), "{root}");
        }
        for other in ["1000", "app", "10:0", "nobody:root"] {
            assert!(!runs_as_root(other), "{other}");
        }
    }
}
