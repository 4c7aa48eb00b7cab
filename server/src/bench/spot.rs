//! Where an image stands that somebody names: a configured registry, one image manifest.

use std::sync::Arc;

use patchline_registry::{
    Digest, Error as RegistryError, Location, ManifestKind, Platform, Reference, Repository,
};

use crate::{Error, Result, ServerContext, triggers::subject};

/// Platforms that an error names.
const MOST_NAMED: usize = 20;

/// One image manifest and where it is.
#[derive(Clone)]
pub struct Spot {
    /// Its repository.
    pub repository: Arc<dyn Repository>,
    /// The image manifest, never an index.
    pub manifest: Digest,
    /// The tag that it was named by.
    pub tag: Option<String>,
}

/// Finds what `registry/repository:tag[@digest]` names; of an index the platform, else this machine's. Folders of this
/// machine are none, and neither are registries that nobody has configured.
pub(crate) async fn locate(context: &ServerContext, text: &str, platform: Option<&str>) -> Result<Spot> {
    let reference: Reference = text.parse()?;
    let reference = subject::named(&context.registries, &reference);
    if !context.registries.is_configured(&reference.registry) {
        return Err(RegistryError::UnknownRegistry(reference.registry).into());
    }
    let repository = context.registries.open(&Location::Registry(reference.clone()))?;
    let raw = repository.manifest(&reference.target()).await?;
    let kind = raw.decode()?;
    if !subject::is_image(&kind) {
        return Err(Error::NotAnImage(reference.to_string()));
    }
    let manifest = match kind {
        ManifestKind::Image(_) => raw.digest,
        ManifestKind::Index(index) => {
            let known: Vec<(String, Digest)> = index
                .manifests
                .into_iter()
                .filter_map(|entry| {
                    let named = entry.platform.as_ref().filter(|p| p.os != "unknown").map(platform_of)?;
                    Some((named, entry.digest))
                })
                .collect();
            let wanted = platform.map_or_else(this_platform, str::to_owned);
            match known.iter().rfind(|(named, _)| *named == wanted) {
                Some((_, digest)) => digest.clone(),
                None => {
                    return Err(Error::NoSuchPlatform {
                        image: reference.to_string(),
                        wanted: wanted.chars().take(100).collect(),
                        held: known.into_iter().map(|(named, _)| named).take(MOST_NAMED).collect(),
                    });
                }
            }
        }
    };
    Ok(Spot { repository, manifest, tag: reference.tag })
}

/// `linux/arm64/v8`
fn platform_of(platform: &Platform) -> String {
    let Platform { os, architecture, .. } = platform;
    match &platform.variant {
        Some(variant) => format!("{os}/{architecture}/{variant}"),
        None => format!("{os}/{architecture}"),
    }
}

fn this_platform() -> String {
    let architecture = match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    };
    format!("linux/{architecture}")
}
