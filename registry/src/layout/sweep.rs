//! Finding and removing what no image needs any more.

use std::{collections::HashSet, fs, io, path::Path, time::SystemTime};

use super::{LayoutDir, durable};
use crate::{Digest, Error, ManifestKind, Result};

/// What a sweep removed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Swept {
    /// Files.
    pub files: usize,
    /// Their bytes.
    pub bytes: u64,
}

impl Swept {
    pub(crate) fn add(&mut self, other: Self) {
        self.files += other.files;
        self.bytes += other.bytes;
    }
}

impl LayoutDir {
    /// See [`super::sweep`]. The lock is held throughout: a push that counts
    /// on an old blob finds it gone, and says so, rather than losing it later.
    pub(crate) fn sweep(&self, older_than: SystemTime) -> Result<Swept> {
        let _lock = self.lock()?;
        let needed = self.needed()?;
        let mut swept = remove_if(&self.blobs_dir(), older_than, |name| {
            let digest = format!("sha256:{name}").parse::<Digest>();
            digest.is_ok_and(|d| !needed.contains(&d)) || name.starts_with(durable::TEMP_PREFIX)
        })?;
        for dir in [self.root().to_owned(), self.root().join("blobs")] {
            swept.add(remove_if(&dir, older_than, |name| name.starts_with(durable::TEMP_PREFIX))?);
        }
        Ok(swept)
    }

    fn needed(&self) -> Result<HashSet<Digest>> {
        let mut needed = HashSet::new();
        let mut open = self.index()?.manifests;
        while let Some(descriptor) = open.pop() {
            if !needed.insert(descriptor.digest.clone()) {
                continue;
            }
            let raw = match self.read_manifest(&descriptor) {
                Ok(raw) => raw,
                // A child that was left out on purpose.
                Err(Error::NotFound { .. }) => continue,
                Err(other) => return Err(other),
            };
            match raw.decode()? {
                ManifestKind::Index(index) => open.extend(index.manifests),
                ManifestKind::Image(image) => {
                    needed.insert(image.config.digest);
                    needed.extend(image.layers.into_iter().map(|l| l.digest));
                }
            }
        }
        Ok(needed)
    }
}

/// Removes the files of a folder that the closure names and that are old.
pub(crate) fn remove_if(
    dir: &Path,
    older_than: SystemTime,
    unwanted: impl Fn(&str) -> bool,
) -> Result<Swept> {
    let failed = || Error::io(format!("sweep {}", dir.display()));
    let mut swept = Swept::default();
    let entries = match fs::read_dir(dir) {
        Ok(entries) => entries,
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(swept),
        Err(e) => return Err(failed()(e)),
    };
    for entry in entries {
        let entry = entry.map_err(failed())?;
        let meta = match entry.metadata() {
            Ok(meta) => meta,
            // An unfinished file that was finished meanwhile.
            Err(e) if e.kind() == io::ErrorKind::NotFound => continue,
            Err(e) => return Err(failed()(e)),
        };
        let old = meta.modified().map_err(failed())? < older_than;
        if meta.is_file() && old && entry.file_name().to_str().is_some_and(&unwanted) {
            fs::remove_file(entry.path()).map_err(failed())?;
            swept.add(Swept { files: 1, bytes: meta.len() });
        }
    }
    Ok(swept)
}
