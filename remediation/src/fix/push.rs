//! A fixed image on its way out: blobs, configuration, manifest, and the tag last.

use patchline_registry::{BlobContent, Repository};

use super::FixedImage;
use crate::Result;

pub(super) async fn push(repository: &dyn Repository, image: &FixedImage, tag: Option<&str>) -> Result<()> {
    let manifest = image.manifest.image()?;
    let (patch, file) = &image.layer;
    for layer in manifest.layers.iter().filter(|layer| layer.digest != patch.digest) {
        if repository.has_blob(&layer.digest).await? {
            continue;
        }
        let same_host =
            |(host, _): &&(String, String)| repository.origin().is_some_and(|(ours, _)| &ours == host);
        let mounted = match image.read_from.as_ref().filter(same_host) {
            Some((_, from)) => repository.mount_blob(&layer.digest, from).await?,
            None => false,
        };
        if !mounted {
            return Err(patchline_registry::Error::NotFound {
                what: format!("layer {} of the original", layer.digest),
                repository: repository.name(),
            }
            .into());
        }
    }
    repository.push_blob(patch, BlobContent::File(file.clone())).await?;
    repository.push_blob(&manifest.config, BlobContent::Bytes(image.config.clone())).await?;
    repository.push_manifest(image.manifest.digest.as_str(), &image.manifest).await?;
    if let Some(tag) = tag {
        repository.push_manifest(tag, &image.manifest).await?;
    }
    Ok(())
}
