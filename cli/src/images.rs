//! Images as the commands take them: opened, resolved to one platform, inventoried, reported.

mod daemon;

pub(crate) use daemon::socket_here;

use std::{str::FromStr as _, sync::Arc};

use patchline_registry::{Digest, Location, ManifestKind, Platform, Registries, Repository};
use patchline_remediation::apt::Apt;
use patchline_scanner::{
    Inventory, LayerFacts, LayerRead, Progress, Report,
    advisories::{
        AdvisorySet,
        apt_security::{self, SecurityUploads as _},
    },
    layers::FactsFolder,
};

use crate::{
    config::Config,
    data::Data,
    failure::{Failure, Result},
};

/// An image that a person named.
pub(crate) struct Image {
    /// Where it is.
    pub(crate) repository: Arc<dyn Repository>,
    /// Its tag, if it was named by one.
    pub(crate) tag: Option<String>,
    /// The image manifest of one platform.
    pub(crate) manifest: Digest,
    /// The index that it was chosen from.
    pub(crate) index: Option<Digest>,
}

/// Parses a location. A name without a host that is no configured registry is Docker Hub's, as people type it;
/// chains never guess that.
pub(crate) fn location(registries: &Registries, text: &str) -> Result<Location> {
    let expanded = expand(text, |name| registries.is_configured(name));
    Location::from_str(&expanded).map_err(|error| {
        let mut failure = Failure::new(error.code(), &error);
        failure.exit = crate::exit::USAGE;
        failure.hint("write host/repository:tag, a configured registry's name/repository:tag, oci:DIR:tag, docker-archive:FILE, or docker:NAME")
    })
}

/// `nginx` is `library/nginx` on Docker Hub.
fn expand(text: &str, configured: impl Fn(&str) -> bool) -> String {
    const HUB: &str = "registry-1.docker.io";
    if text.starts_with("oci:") {
        return text.to_owned();
    }
    match text.split_once('/') {
        None => format!("{HUB}/library/{text}"),
        Some(("docker.io", rest)) if rest.contains('/') => format!("{HUB}/{rest}"),
        Some(("docker.io", rest)) => format!("{HUB}/library/{rest}"),
        Some((first, _)) if first.contains(['.', ':']) || first == "localhost" || configured(first) => {
            text.to_owned()
        }
        Some(_) => format!("{HUB}/{text}"),
    }
}

/// The tag that a location names.
pub(crate) fn tag(location: &Location) -> Option<String> {
    match location {
        Location::Registry(reference) => reference.tag.clone(),
        Location::Layout { tag, .. } => tag.clone(),
    }
}

/// What stands before a file that `docker save` wrote, as skopeo writes it.
const ARCHIVE: &str = "docker-archive:";

/// `FILE`, or `FILE:name:tag` where it holds several images.
async fn archived(named: &str) -> Result<Image> {
    let (file, reference) = match named.split_once(':') {
        // A file may have a colon in its name.
        Some((file, reference)) if !std::path::Path::new(named).exists() => (file, reference),
        _ => (named, ""),
    };
    let (repository, manifest) = patchline_registry::archive::open(file.as_ref(), reference).await?;
    Ok(Image { repository, tag: None, manifest, index: None })
}

/// Opens an image and picks one platform of an index: the given one, else this machine's.
pub(crate) async fn open(registries: &Registries, text: &str, platform: Option<&str>) -> Result<Image> {
    if let Some(named) = text.strip_prefix(ARCHIVE) {
        return archived(named).await;
    }
    if let Some(name) = daemon::named(text) {
        return daemon::exported(name).await;
    }
    let location = location(registries, text)?;
    let repository = registries.open(&location)?;
    let tag = tag(&location);
    let manifest = repository.manifest(&location.target()).await?;
    let mut from = None;
    let manifest = match manifest.decode()? {
        ManifestKind::Image(_) => manifest.digest,
        ManifestKind::Index(index) => {
            from = Some(manifest.digest);
            let wanted = platform.map_or_else(this_platform, str::to_owned);
            let named = |p: &Platform| match &p.variant {
                Some(variant) => format!("{}/{}/{variant}", p.os, p.architecture),
                None => format!("{}/{}", p.os, p.architecture),
            };
            let mut held = Vec::new();
            let mut found = None;
            for child in index.manifests {
                let Some(p) = child.platform.as_ref().filter(|p| p.os != "unknown") else { continue };
                held.push(named(p));
                if named(p) == wanted {
                    found = Some(child.digest);
                }
            }
            found.ok_or_else(|| {
                Failure::usage("no-such-platform", format!("{text} has no {wanted}"))
                    .hint(format!("it has {}: name one with --platform", held.join(", ")))
            })?
        }
    };
    Ok(Image { repository, tag, manifest, index: from })
}

/// This machine's, as `--platform` takes it.
pub(crate) fn this_platform() -> String {
    let architecture = match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    };
    format!("linux/{architecture}")
}

/// What a scan is made from.
pub(crate) struct Scanned {
    /// What is in the image.
    pub(crate) inventory: Inventory,
    /// What is known today.
    pub(crate) advisories: Vec<AdvisorySet>,
    /// What is wrong.
    pub(crate) report: Report,
}

/// Scans with the loaded advisories and, unless `offline`, what the security suite itself says.
pub(crate) async fn scan(data: &Data, apt: Option<&Apt>, image: &Image) -> Result<Scanned> {
    let silent: Progress = Arc::new(|_: &LayerRead<'_>| {});
    judge(data, apt, inventory(data, image, &silent).await?).await
}

/// The same with other facts than the data folder's.
pub(crate) async fn scan_beside(
    data: &Data,
    apt: Option<&Apt>,
    image: &Image,
    facts: Arc<dyn LayerFacts>,
) -> Result<Scanned> {
    let inventory = patchline_scanner::inventory(image.repository.as_ref(), &image.manifest, facts).await?;
    judge(data, apt, inventory).await
}

/// What is in an image, telling of each layer that is read.
pub(crate) async fn inventory(data: &Data, image: &Image, told: &Progress) -> Result<Inventory> {
    let facts = Arc::new(FactsFolder::new(data.facts()));
    Ok(patchline_scanner::inventory_told(image.repository.as_ref(), &image.manifest, facts, told).await?)
}

/// Matches what was found, wherever it was, with the loaded advisories and what the security suite itself says.
pub(crate) async fn judge(data: &Data, apt: Option<&Apt>, inventory: Inventory) -> Result<Scanned> {
    let mut advisories = Vec::new();
    advisories.extend(AdvisorySet::open(&data.advisories())?);
    if let Some(apt) = apt.filter(|apt| apt.reads_uploads(&inventory)) {
        let (uploads, revision) = apt.uploads(&inventory).await.map_err(|error| {
            match error.downcast::<patchline_remediation::Error>() {
                Ok(error) => Failure::from(*error),
                Err(error) => Failure::new("uploads-unreadable", error.as_ref()),
            }
        })?;
        advisories.push(apt_security::derive(&inventory, &uploads, &revision));
    }
    let sets: Vec<&AdvisorySet> = advisories.iter().collect();
    let report = patchline_scanner::report(&inventory, &sets);
    Ok(Scanned { inventory, advisories, report })
}

/// Registries of the configuration, for commands without a server of their own.
pub(crate) fn registries(config: &Config) -> Result<Registries> {
    Ok(Registries::new(config.registries()?)?)
}

/// The tag of a target; an image is never pushed without one.
pub(crate) fn tag_of(location: &Location) -> Result<String> {
    tag(location).ok_or_else(|| Failure::usage("tag-needed", "the target needs a tag"))
}

/// Opens a target; a layout directory is made when it is not there.
pub(crate) fn open_or_create(registries: &Registries, location: &Location) -> Result<Arc<dyn Repository>> {
    match location {
        Location::Layout { dir, .. } => Ok(patchline_registry::layout::open(dir, true)?),
        Location::Registry(_) => Ok(registries.open(location)?),
    }
}

#[cfg(test)]
mod tests {
    use super::expand;

    #[test]
    fn short_names_are_docker_hubs_and_nothing_else_is() {
        let expand = |text| expand(text, |name| name == "main");
        assert_eq!(expand("nginx:1.25"), "registry-1.docker.io/library/nginx:1.25");
        assert_eq!(expand("grafana/grafana"), "registry-1.docker.io/grafana/grafana");
        assert_eq!(expand("docker.io/nginx"), "registry-1.docker.io/library/nginx");
        for as_is in
            ["oci:dir:v1", "main/shop/web:v1", "localhost/web", "127.0.0.1:5000/web", "registry.example/web"]
        {
            assert_eq!(expand(as_is), as_is);
        }
    }
}
