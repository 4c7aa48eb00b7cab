//! Uploads of a security suite that an image lacks, with the changelog that says what they fix.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use async_trait::async_trait;
use futures::{StreamExt, TryStreamExt, stream};
use patchline_scanner::{
    Inventory,
    advisories::apt_security::{SecurityUploads, Upload},
    version::compare_debian,
};

use super::{Apt, Distribution, Place, Series, Suite};
use crate::{Error, Result, deb::PackageRecord};

#[async_trait]
impl SecurityUploads for Apt {
    async fn uploads(
        &self,
        inventory: &Inventory,
    ) -> Result<(Vec<Upload>, String), Box<dyn std::error::Error + Send + Sync>> {
        Ok(self.security_uploads(inventory).await?)
    }
}

impl Apt {
    /// Whether the security suite of an inventory's system is an advisory source of its scan: Debian's always, so that a
    /// scan without it says what it lacks; Ubuntu's where a mirror of it is named.
    pub fn reads_uploads(&self, inventory: &Inventory) -> bool {
        let Some(distro) = &inventory.distro else { return false };
        match Distribution::of(&distro.id) {
            Some(Distribution::Debian) => true,
            Some(Distribution::Ubuntu) => Series::of(distro).is_ok_and(|series| {
                let place = Place::of(series.distribution, &series.security(), dpkg_architecture(inventory));
                self.config.mirrors.base(place).is_some()
            }),
            None => false,
        }
    }

    async fn security_uploads(&self, inventory: &Inventory) -> Result<(Vec<Upload>, String)> {
        let series = series(inventory)?;
        let architecture = dpkg_architecture(inventory);
        let suite = self.suite(series.distribution, &series.security(), architecture).await?;
        let wanted = newer(inventory, &suite)?;
        let found: Vec<Option<Upload>> = stream::iter(wanted)
            .map(|(source, binaries)| self.upload(&suite, source, binaries))
            .buffered(4)
            .try_collect()
            .await?;
        Ok((found.into_iter().flatten().collect(), suite.release.clone()))
    }

    /// One download per source, unless a package's documentation is a link to another's.
    async fn upload(
        &self,
        suite: &Suite,
        source: String,
        mut binaries: Vec<Arc<PackageRecord>>,
    ) -> Result<Option<Upload>> {
        binaries.sort_by(|a, b| (a.size, &a.name).cmp(&(b.size, &b.name)));
        for binary in &binaries {
            if let Some(changelog) = self.changelog(binary).await? {
                return Ok(Some(Upload {
                    source,
                    version: binary.source_version.clone(),
                    suite: suite.name.clone(),
                    changelog,
                }));
            }
        }
        tracing::warn!(source, "no package of the upload ships a changelog");
        let version = binaries.first().map(|binary| binary.source_version.clone());
        // Without a changelog the upload still is one: what it fixes stays unknown.
        Ok(version.map(|version| Upload {
            source,
            version,
            suite: suite.name.clone(),
            changelog: String::new(),
        }))
    }
}

/// What the security suite is named after; another system has none.
fn series(inventory: &Inventory) -> Result<Series> {
    let distro = inventory.distro.as_ref().ok_or_else(|| Error::UnsupportedSystem {
        system: "the image".to_owned(),
        reason: "it has no os-release".to_owned(),
    })?;
    Series::of(distro)
}

/// dpkg's word for the platform (GOARCH and dpkg agree but for these).
pub(crate) fn dpkg_architecture(inventory: &Inventory) -> &str {
    let platform = &inventory.platform;
    match (platform.architecture.as_str(), platform.variant.as_deref()) {
        ("386", _) => "i386",
        ("arm", Some("v5" | "v6")) => "armel",
        ("arm", _) => "armhf",
        ("ppc64le", _) => "ppc64el",
        ("mips64le", _) => "mips64el",
        (other, _) => other,
    }
}

/// By source: the suite's newest binaries of it that are installed in an older source version.
fn newer(inventory: &Inventory, suite: &Suite) -> Result<BTreeMap<String, Vec<Arc<PackageRecord>>>> {
    let mut wanted: BTreeMap<String, Vec<Arc<PackageRecord>>> = BTreeMap::new();
    let mut seen = BTreeSet::new();
    for package in inventory.of_system().filter(|package| seen.insert(&package.name)) {
        let newest = suite
            .candidates(&package.name)?
            .into_iter()
            .max_by(|a, b| compare_debian(&a.version, &b.version));
        if let Some(newest) = newest
            && compare_debian(&newest.source_version, &package.source_version).is_gt()
        {
            wanted.entry(newest.source.clone()).or_default().push(newest);
        }
    }
    for binaries in wanted.values_mut() {
        // A source may stand in several versions (a rebuilt binary lags): the newest upload tells all.
        if let Some(top) =
            binaries.iter().map(|b| b.source_version.clone()).max_by(|a, b| compare_debian(a, b))
        {
            binaries.retain(|binary| binary.source_version == top);
        }
    }
    Ok(wanted)
}
