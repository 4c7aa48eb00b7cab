//! What a decision stands on: the image's tree and database, and the verified suites.

use std::{collections::BTreeMap, sync::Arc};

use patchline_scanner::{Distro, version::compare_debian};
use serde_json::Value;

use super::Remediator;
use crate::{
    Error, Result,
    apt::{Series, Suite, image::Sources},
    deb::PackageRecord,
    executor::native::filters::Filters,
    installed::Database,
    tree::Tree,
};

/// Repositories that a reason names one by one.
const NAMED: usize = 4;

/// Read once, shared with the threads that chew bytes.
pub(crate) struct Ground {
    pub(crate) tree: Tree,
    pub(crate) database: Database,
    pub(crate) filters: Filters,
    /// Whether systemd runs in this image: then service scripts matter.
    pub(crate) systemd: bool,
    /// The repositories that the image names for itself, where they are mirrored.
    sources: Sources,
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

/// The release of an image that dpkg's packages can be mended in.
pub(crate) fn series(distro: Option<&Distro>) -> Result<Series> {
    let distro = distro.ok_or_else(|| Error::UnsupportedSystem {
        system: "an image without os-release".into(),
        reason: "nobody says which system it is".into(),
    })?;
    Series::of(distro)
}

impl Ground {
    /// Whether a tree has a dpkg database.
    pub(crate) fn is_in(tree: &Tree) -> bool {
        tree.get(&tree.real("var/lib/dpkg/status")).is_some()
            || tree.under("var/lib/dpkg/status.d").next().is_some()
    }

    /// Of an image's tree; none: it has no dpkg database.
    pub(crate) fn of(tree: Tree, config: &Value, sources: Sources) -> Result<Option<Arc<Self>>> {
        if !Self::is_in(&tree) {
            return Ok(None);
        }
        let architecture = architecture(config).ok_or_else(|| Error::UnsupportedSystem {
            system: "the image's platform".into(),
            reason: "dpkg has no architecture of that name".into(),
        })?;
        let Some(database) = Database::read(&tree, architecture)? else { return Ok(None) };
        let filters = Filters::read(&tree);
        let systemd = tree.get(&tree.real("lib/systemd/systemd")).is_some();
        Ok(Some(Arc::new(Self { tree, database, filters, systemd, sources })))
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

/// The suites of a release: security alone at first, the others when that is not enough. Debian's `-updates` is not asked. Behind
/// them the image's own repositories.
pub(crate) struct Suites {
    series: Series,
    pub(crate) all: Vec<Arc<Suite>>,
    /// Whether the release's other suites are there, too.
    whole: bool,
    /// What the image names and nobody was asked for, with the reason.
    unused: Vec<String>,
}

impl Suites {
    pub(crate) async fn security(remediator: &Remediator, series: Series, ground: &Ground) -> Result<Self> {
        let (apt, architecture) = (&remediator.apt, &ground.database.architecture);
        let mut all = vec![apt.suite(series.distribution, &series.security(), architecture).await?];
        let (own, absent) = apt.of_image(&ground.sources, architecture).await?;
        all.extend(own);
        let unused = ground.sources.unused.iter().cloned().chain(absent).collect();
        Ok(Self { series, all, whole: false, unused })
    }
    /// Whether they were not there yet.
    pub(crate) async fn add_main(&mut self, remediator: &Remediator, architecture: &str) -> Result<bool> {
        if self.whole {
            return Ok(false);
        }
        let (apt, distribution) = (&remediator.apt, self.series.distribution);
        let further = self.series.further();
        let read = further.iter().map(|suite| apt.suite(distribution, suite, architecture));
        let read = futures::future::try_join_all(read).await?;
        self.all.splice(1..1, read);
        self.whole = true;
        Ok(true)
    }
    /// Of what was not found: which repositories were not asked for it.
    pub(crate) fn explained(&self, reason: &mut String) {
        for unused in self.unused.iter().take(NAMED) {
            reason.push_str("; ");
            reason.push_str(unused);
        }
        if self.unused.len() > NAMED {
            reason.push_str(&format!("; and {} more", self.unused.len() - NAMED));
        }
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
