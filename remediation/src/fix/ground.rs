//! What a decision stands on: the image's tree and database, and the verified suites.

use std::{collections::BTreeMap, sync::Arc};

use patchline_scanner::{Distro, version::compare_debian};
use serde_json::Value;

use super::Remediator;
use crate::{
    Error, Result,
    apt::Suite,
    clock,
    deb::PackageRecord,
    executor::native::filters::Filters,
    installed::Database,
    plan::{EndOfLife, eol},
    tree::Tree,
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
    on_platform(said("architecture")?, said("variant"))
}

/// dpkg's name of a platform as OCI writes it: GOARCH, and `v7` of `linux/arm/v7`.
pub(crate) fn on_platform(architecture: &str, variant: Option<&str>) -> Option<&'static str> {
    Some(match (architecture, variant) {
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
        let mut reason = "only Debian's packages can be upgraded natively yet".to_owned();
        if let Some(end) = eol::ended(distro, clock::now()).filter(EndOfLife::is_over) {
            reason = format!("{reason}; besides, {end}");
        }
        return Err(unsupported(system, &reason));
    }
    match &distro.codename {
        Some(name) if !name.is_empty() && name.bytes().all(|b| b.is_ascii_lowercase()) => Ok(name.clone()),
        _ => Err(unsupported(system, "os-release names no release")),
    }
}

impl Ground {
    /// Whether a tree has a dpkg database.
    pub(crate) fn is_in(tree: &Tree) -> bool {
        tree.get(&tree.real("var/lib/dpkg/status")).is_some()
            || tree.under("var/lib/dpkg/status.d").next().is_some()
    }

    /// Of an image's tree; none: it has no dpkg database.
    pub(crate) fn of(tree: Tree, config: &Value) -> Result<Option<Arc<Self>>> {
        if !Self::is_in(&tree) {
            return Ok(None);
        }
        let architecture = architecture(config).ok_or_else(|| Error::UnsupportedSystem {
            system: "the image's platform".into(),
            reason: "Debian has no architecture of that name".into(),
        })?;
        let Some(database) = Database::read(&tree, architecture)? else { return Ok(None) };
        let filters = Filters::read(&tree);
        let systemd = tree.get(&tree.real("lib/systemd/systemd")).is_some();
        Ok(Some(Arc::new(Self { tree, database, filters, systemd })))
    }

    /// The lowest source version of each source's installed packages.
    pub(crate) fn versions(&self) -> BTreeMap<String, String> {
        let mut lowest: BTreeMap<String, String> = BTreeMap::new();
        for package in self.database.packages.values() {
            let version = lowest
                .entry(package.record.source.clone())
                .or_insert_with(|| package.record.source_version.clone());
            if compare_debian(&package.record.source_version, version).is_lt() {
                version.clone_from(&package.record.source_version);
            }
        }
        lowest
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
    /// The suite that a record is of.
    pub(crate) fn origin(&self, record: &PackageRecord) -> String {
        let has = |suite: &&Arc<Suite>| {
            let same = |r: &Arc<PackageRecord>| r.version == record.version && r.sha256 == record.sha256;
            suite.candidates(&record.name).is_ok_and(|all| all.iter().any(same))
        };
        self.all.iter().find(has).map(|suite| suite.name.clone()).unwrap_or_default()
    }
    /// For the plan: suite and InRelease.
    pub(crate) fn named(&self) -> Vec<(String, String)> {
        self.all.iter().map(|suite| (suite.name.clone(), suite.release.clone())).collect()
    }
}
