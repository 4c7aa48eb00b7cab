//! The folder in which a program gets an image: an OCI layout that holds nothing else, gone when the scan is over.

use std::path::{Path, PathBuf};

use patchline_registry::{CopyOptions, copy, layout};

use super::{Error, Result, Subject, limits};

/// A folder of one scan. Its name is nobody's to guess, and only our user opens it.
pub(super) struct Place {
    folder: tempfile::TempDir,
}

impl Place {
    /// Copies the image manifest, its configuration and its layers.
    pub(super) async fn filled(scanner: &str, subject: &Subject<'_>, scratch: &Path) -> Result<Self> {
        let image = &subject.inventory.image;
        let manifest = subject.repository.manifest(image.as_str()).await?.image()?;
        let size = manifest.layers.iter().map(|l| l.size).fold(0, u64::saturating_add);
        if size > limits::adapters().image {
            let what = "the size of the image";
            return Err(Error::TooMuch {
                scanner: scanner.to_owned(),
                what,
                limit: limits::adapters().image,
            });
        }
        let io = |e| Error::io(format!("make a folder in {}", scratch.display()))(e);
        tokio::fs::create_dir_all(scratch).await.map_err(io)?;
        let folder = tempfile::Builder::new().prefix("scan-").tempdir_in(scratch).map_err(io)?;
        let place = Self { folder };
        tokio::fs::create_dir(place.home()).await.map_err(io)?;
        let target = layout::open(&place.image(), true)?;
        copy(subject.repository, image.as_str(), target.as_ref(), "image", &CopyOptions::default()).await?;
        Ok(place)
    }
    /// The OCI layout.
    pub(super) fn image(&self) -> PathBuf {
        self.folder.path().join("image")
    }
    /// Empty: what a program takes for its home and its temporary files, and where it runs, so that it finds no
    /// configuration there.
    pub(super) fn home(&self) -> PathBuf {
        self.folder.path().join("home")
    }
}
