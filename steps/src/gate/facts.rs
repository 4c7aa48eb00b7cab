//! What rules ask beyond findings: installed packages, and the user that the image runs as.

use patchline_engine::StepError;
use patchline_registry::{Descriptor, Repository};
use patchline_scanner::Package;
use serde::Deserialize;
use tokio::io::AsyncReadExt as _;

use super::rule::Rule;
use crate::{World, evidence::Evidence, failure, image::Image};

/// An image configuration beyond it is none.
const MOST_CONFIG: u64 = 4 << 20;

/// Only what some rule asks for is filled in.
#[derive(Debug, Default)]
pub(super) struct Facts {
    pub(super) packages: Vec<Package>,
    pub(super) run_as_root: bool,
}

/// Fetches what the rules ask for.
pub(super) async fn gather<'a>(
    world: &World,
    image: &Image,
    evidence: &Evidence,
    rules: impl Iterator<Item = &'a Rule> + Clone,
) -> Result<Facts, StepError> {
    let mut facts = Facts::default();
    if rules.clone().any(|r| r.packages.is_some()) {
        let found = world.reports.inventory(&evidence.line.image).await.map_err(failure::store)?;
        let missing = || {
            let text = format!("the inventory of {} is not in the store", evidence.line.image);
            StepError::permanent("inventory-missing", text)
        };
        facts.packages = found.ok_or_else(missing)?.packages;
    }
    if rules.clone().any(|r| r.run_as_root.is_some()) {
        let repository = image.open(&world.registries)?;
        let raw = repository.manifest(evidence.line.image.as_str()).await.map_err(failure::registry)?;
        let manifest = raw.image().map_err(failure::registry)?;
        facts.run_as_root = runs_as_root(&user(&*repository, &manifest.config).await?);
    }
    Ok(facts)
}

#[derive(Deserialize)]
struct Config {
    #[serde(default)]
    config: Option<Execution>,
}

#[derive(Deserialize)]
struct Execution {
    #[serde(default, rename = "User")]
    user: Option<String>,
}

async fn user(repository: &dyn Repository, config: &Descriptor) -> Result<String, StepError> {
    if config.size > MOST_CONFIG {
        return Err(StepError::permanent("limit-exceeded", "the image configuration is larger than 4 MiB"));
    }
    let unreadable = |reason: String| {
        StepError::permanent("invalid-document", format!("the image configuration cannot be read: {reason}"))
    };
    let mut bytes = Vec::new();
    let blob = repository.blob(config).await.map_err(failure::registry)?;
    blob.take(MOST_CONFIG + 1).read_to_end(&mut bytes).await.map_err(|e| unreadable(e.to_string()))?;
    let parsed: Config = serde_json::from_slice(&bytes).map_err(|e| unreadable(e.to_string()))?;
    Ok(parsed.config.and_then(|c| c.user).unwrap_or_default())
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
