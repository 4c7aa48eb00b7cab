//! Contents of chosen files of an image: read again from the layers that have them, when a plan needs more than a tree keeps.

use std::{
    collections::{BTreeMap, BTreeSet},
    io::Read,
};

use patchline_registry::Repository;

use super::{Image, Kind, Tree, image_blocking as blocking, layer::read_files};
use crate::{Error, Result, apt::image::Reader};

/// What may be read.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Bounds {
    /// Bytes of one file; a longer one is left out.
    pub(crate) one: u64,
    /// Bytes of all together.
    pub(crate) all: u64,
}

/// The contents of these files of the merged tree, by path. What is no file, or too long, is left out.
///
/// # Errors
/// More than all may have together; a layer that cannot be read, or is not what its digest says.
pub(crate) async fn contents(
    repository: &dyn Repository,
    image: &Image,
    tree: &Tree,
    paths: &BTreeSet<String>,
    bounds: Bounds,
) -> Result<BTreeMap<String, Vec<u8>>> {
    // By layer: the name in its archive, and the path that is asked for.
    let mut wanted: BTreeMap<usize, BTreeMap<String, String>> = BTreeMap::new();
    let mut all = 0;
    for path in paths {
        let Some(node) = tree.get(path).filter(|node| node.entry.kind == Kind::File) else { continue };
        if node.entry.size > bounds.one {
            continue;
        }
        all += node.entry.size;
        if all > bounds.all {
            return Err(Error::Malformed {
                file: "the image".to_owned(),
                reason: format!(
                    "descriptions of its packages have more than {} MiB together",
                    bounds.all >> 20
                ),
            });
        }
        let name = node.entry.link.as_deref().unwrap_or(path);
        wanted.entry(node.layer).or_default().insert(name.to_owned(), path.clone());
    }
    let mut found = BTreeMap::new();
    for (index, names) in wanted {
        let Some(layer) = image.manifest.layers.get(index) else { continue };
        let blob = tokio_util::io::SyncIoBridge::new(repository.blob(layer).await?);
        let digest = layer.digest.clone();
        let read = move || {
            let files: BTreeSet<String> = names.keys().cloned().collect();
            let mut read = read_files(&digest, blob, &files, bounds.one)?;
            let take = |(name, path)| Some((path, read.remove(&name)?));
            Ok(names.into_iter().filter_map(take).collect::<Vec<_>>())
        };
        found.extend(blocking(read).await?);
    }
    Ok(found)
}

/// Files of one image.
pub(crate) struct Files<'a> {
    /// Where it is.
    pub(crate) repository: &'a dyn Repository,
    /// Which.
    pub(crate) image: &'a Image,
    /// Its merged tree.
    pub(crate) tree: &'a Tree,
}

#[async_trait::async_trait]
impl Reader for Files<'_> {
    async fn read(&self, paths: &BTreeSet<String>, bounds: Bounds) -> Result<BTreeMap<String, Vec<u8>>> {
        contents(self.repository, self.image, self.tree, paths, bounds).await
    }
}

/// At most `most` bytes; none: there are more.
pub(crate) fn bounded(from: &mut dyn Read, most: u64) -> std::io::Result<Option<Vec<u8>>> {
    let mut bytes = Vec::new();
    from.take(most + 1).read_to_end(&mut bytes)?;
    Ok((bytes.len() as u64 <= most).then_some(bytes))
}
