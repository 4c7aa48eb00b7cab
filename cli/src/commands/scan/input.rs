//! What `patchline scan` takes: images wherever they are, a folder, and an SBOM.

use std::path::{Path, PathBuf};

use patchline_remediation::apt::Apt;
use patchline_scanner::sbom;

use crate::{
    data::Data,
    failure::{Failure, Result},
    images::{self, Image, Scanned},
    progress::Bars,
};

/// What stands before a folder that holds the root of a system.
const ROOTFS: &str = "rootfs:";
/// What stands before an SBOM's file.
const SBOM: &str = "sbom:";

/// What is done with SBOMs that are attached to the image.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
pub(super) enum Sboms {
    /// They may add packages; what they say takes none away
    Attached,
    /// They are not looked at
    #[default]
    Ignore,
}

/// What is scanned.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Input {
    /// In a registry, a layout, an archive or a daemon.
    Image,
    Rootfs(PathBuf),
    Sbom(PathBuf),
}

impl Input {
    /// By what stands before it.
    pub(super) fn of(text: &str) -> Self {
        if let Some(folder) = text.strip_prefix(ROOTFS) {
            Self::Rootfs(folder.into())
        } else if let Some(file) = text.strip_prefix(SBOM) {
            Self::Sbom(file.into())
        } else {
            Self::Image
        }
    }
}

impl super::Scan {
    /// Opens, reads and matches what was named; gives it with the image that it is, if it is one.
    pub(super) async fn scanned(
        &self,
        config: &crate::config::Config,
        data: &Data,
        apt: Option<&Apt>,
    ) -> Result<(Scanned, Option<Image>)> {
        let bars = Bars::new();
        let mut opened = None;
        let scanned = match Input::of(&self.image) {
            Input::Rootfs(folder) => {
                self.of_an_image(&folder)?;
                bars.set("folder", "looking into the folder", 0, 0);
                let inventory = patchline_scanner::rootfs(&folder).await;
                bars.clear();
                images::judge(data, apt, inventory?).await
            }
            Input::Sbom(file) => {
                self.of_an_image(&file)?;
                images::judge(data, apt, sbom::file(&file).await?).await
            }
            Input::Image => {
                let registries = images::registries(config)?;
                let image = images::open(&registries, &self.image, self.platform.as_deref()).await?;
                let mut inventory = images::inventory(data, &image, &bars.layers()).await?;
                if self.sbom == Sboms::Attached {
                    let index = image.index.as_ref();
                    let found = sbom::attach(image.repository.as_ref(), &mut inventory, index).await?;
                    let s = if found.documents == 1 { "" } else { "s" };
                    bars.say(&format!(
                        "{} attached SBOM{s} read, {} packages added by what they claim",
                        found.documents, found.added
                    ));
                }
                opened = Some(image);
                images::judge(data, apt, inventory).await
            }
        };
        bars.clear();
        let scanned = scanned.map_err(|failure| match failure.hint {
            None if apt.is_some() => failure.hint("--offline scans with the loaded advisories alone"),
            _ => failure,
        })?;
        Ok((scanned, opened))
    }

    /// Flags that choose among what an image has.
    fn of_an_image(&self, path: &Path) -> Result<()> {
        let wrong = |flag: &str| {
            let message = format!("{flag} is about images, {} is none", path.display());
            Err(Failure::usage("flag-without-image", message).hint(format!("leave {flag} away")))
        };
        match (&self.platform, self.sbom) {
            (Some(_), _) => wrong("--platform"),
            (None, Sboms::Attached) => wrong("--sbom"),
            (None, Sboms::Ignore) if path.as_os_str().is_empty() => {
                Err(Failure::usage("path-missing", "name the folder or the file behind the colon"))
            }
            (None, Sboms::Ignore) => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_stands_before_the_colon_tells() {
        assert_eq!(Input::of("rootfs:/mnt/root"), Input::Rootfs("/mnt/root".into()));
        assert_eq!(Input::of("sbom:a:b.json"), Input::Sbom("a:b.json".into()));
        for image in ["nginx", "oci:rootfs:v1", "docker:app:1", "localhost:5000/sbom:v1"] {
            assert_eq!(Input::of(image), Input::Image, "{image}");
        }
    }
}
