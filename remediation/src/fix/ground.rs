//! What a decision stands on: the image's tree and database, and the verified suites.

use std::sync::Arc;

use patchline_registry::Repository;
use patchline_scanner::Distro;
use serde_json::Value;

use super::{Progress, Remediator};
use crate::{
    Error, Result,
    apt::Suite,
    executor::native::filters::Filters,
    installed::Database,
    tree::{Image, Tree},
};

/// Read once, shared with the threads that chew bytes.
pub(crate) struct Ground {
    pub(crate) tree: Tree,
    pub(crate) database: Database,
    pub(crate) filters: Filters,
    /// Whether systemd runs in this image: then service scripts matter.
    pub(crate) systemd: bool,
}

/// dpkg's name of an image's platform.
pub(crate) fn architecture(config: &Value) -> Option<&'static str> {
    let said = |key: &str| config.get(key).and_then(Value::as_str);
    Some(match (said("architecture")?, said("variant")) {
        ("amd64", _) => "amd64",
        ("arm64", _) => "arm64",
        ("386", _) => "i386",
        ("arm", Some("v5")) => "armel",
        ("arm", _) => "armhf",
        ("ppc64le", _) => "ppc64el",
        ("s390x", _) => "s390x",
        ("riscv64", _) => "riscv64",
        ("mips64le", _) => "mips64el",
        _ => return None,
    })
}

/// The codename of a Debian that we can mend.
pub(crate) fn codename(distro: Option<&Distro>) -> Result<String> {
    let unsupported =
        |system: String, reason: &str| Error::UnsupportedSystem { system, reason: reason.to_owned() };
    let Some(distro) = distro else {
        return Err(unsupported("an image without os-release".into(), "nobody says which system it is"));
    };
    let system = distro.pretty_name.clone().unwrap_or_else(|| distro.id.clone());
    if distro.id != "debian" {
        return Err(unsupported(system, "only Debian's packages can be upgraded natively yet"));
    }
    match &distro.codename {
        Some(name) if !name.is_empty() && name.bytes().all(|b| b.is_ascii_lowercase()) => Ok(name.clone()),
        _ => Err(unsupported(system, "os-release names no release")),
    }
}

impl Ground {
    /// Reads an image; none: it has no dpkg database.
    pub(crate) async fn read(
        remediator: &Remediator,
        repository: &dyn Repository,
        image: &Image,
        progress: &Progress,
    ) -> Result<Option<Arc<Self>>> {
        let told = progress.clone();
        let tree = image
            .tree(repository, &remediator.facts, move |done, all| told("read layers", done, all))
            .await?;
        let architecture = architecture(&image.config).ok_or_else(|| Error::UnsupportedSystem {
            system: "the image's platform".into(),
            reason: "Debian has no architecture of that name".into(),
        })?;
        let Some(database) = Database::read(&tree, architecture)? else { return Ok(None) };
        let filters = Filters::read(&tree);
        let systemd = tree.get(&tree.real("lib/systemd/systemd")).is_some();
        Ok(Some(Arc::new(Self { tree, database, filters, systemd })))
    }
}

/// The suites of a release: security alone at first, the main one when that is not enough. `-updates` is not asked.
pub(crate) struct Suites {
    codename: String,
    pub(crate) all: Vec<Arc<Suite>>,
}

impl Suites {
    pub(crate) async fn security(
        remediator: &Remediator,
        codename: &str,
        architecture: &str,
    ) -> Result<Self> {
        let suite = remediator.apt.suite(&format!("{codename}-security"), architecture).await?;
        Ok(Self { codename: codename.to_owned(), all: vec![suite] })
    }
    /// Whether it was not there yet.
    pub(crate) async fn add_main(&mut self, remediator: &Remediator, architecture: &str) -> Result<bool> {
        if self.all.len() > 1 {
            return Ok(false);
        }
        self.all.push(remediator.apt.suite(&self.codename, architecture).await?);
        Ok(true)
    }
    /// For the plan: suite and InRelease.
    pub(crate) fn named(&self) -> Vec<(String, String)> {
        self.all.iter().map(|suite| (suite.name.clone(), suite.release.clone())).collect()
    }
}
