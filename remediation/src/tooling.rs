//! Images whose own programs work on images that bring none: micro and distroless ones have rpm's database and no rpm.
//!
//! Such an image is somebody's choice, and no more trusted for it than any other: its programs run in the sandbox alone, beside the
//! image that is mended, and the proof holds what they did against packages that were verified outside.

use std::sync::Arc;

use patchline_registry::{Digest, Location, ManifestKind, Registries, Repository};
use patchline_scanner::{Distro, LayerFacts, packages::os_release};
use serde_json::Value;

use crate::{
    Error, Result,
    executor::sandbox::rpm::program,
    rpm::Place,
    tree::{self, Flavour, Image, Tree},
};

/// The images that may lend their programs, in the order in which they are asked; cheap to clone.
#[derive(Clone)]
pub struct Tooling {
    registries: Registries,
    images: Arc<[(String, Location)]>,
}

/// What an image must be like for another's programs to work on it.
pub(crate) struct Wanted<'a> {
    /// As its configuration names it: `amd64`.
    pub(crate) architecture: &'a str,
    pub(crate) distro: Option<&'a Distro>,
    /// Its database.
    pub(crate) database: &'a str,
}

/// Programs that were found, in their image.
pub(crate) struct Tools {
    /// The image as it was named, and its digest.
    pub(crate) name: String,
    pub(crate) repository: Arc<dyn Repository>,
    pub(crate) image: Image,
    pub(crate) tree: Tree,
    pub(crate) program: &'static str,
}

impl Tooling {
    /// Of images by what people call them, and where they are. Nothing is asked yet.
    pub fn new(registries: Registries, images: Vec<(String, Location)>) -> Self {
        Self { registries, images: images.into() }
    }

    /// The first that fits; none: nobody named any. `facts` keep what was read of their layers.
    ///
    /// # Errors
    /// A registry that does not answer, or lies; [`Error::ToolingUnfit`] with why each does not fit.
    pub(crate) async fn find(
        &self,
        wanted: &Wanted<'_>,
        facts: &Arc<dyn LayerFacts>,
    ) -> Result<Option<Tools>> {
        let mut unfit = Vec::new();
        for (name, location) in self.images.iter() {
            match self.look(name, location, wanted, facts).await? {
                Ok(tools) => return Ok(Some(tools)),
                Err(why) => unfit.push(format!("{name}: {why}")),
            }
        }
        match unfit.is_empty() {
            true => Ok(None),
            false => Err(Error::ToolingUnfit { reason: unfit.join("; ") }),
        }
    }

    async fn look(
        &self,
        name: &str,
        location: &Location,
        wanted: &Wanted<'_>,
        facts: &Arc<dyn LayerFacts>,
    ) -> Result<Result<Tools, String>> {
        let repository = self.registries.open(location)?;
        let named = repository.manifest(&location.target()).await?;
        let digest = match named.decode()? {
            ManifestKind::Image(_) => named.digest,
            ManifestKind::Index(index) => {
                let runs = |architecture: &str| architecture == wanted.architecture;
                let mut children = index.manifests.into_iter();
                let found = children.find(|child| {
                    child.platform.as_ref().is_some_and(|p| p.os == "linux" && runs(&p.architecture))
                });
                match found {
                    Some(child) => child.digest,
                    None => return Ok(Err(format!("it has no linux/{}", wanted.architecture))),
                }
            }
        };
        let image = tree::open(&*repository, digest.as_str()).await?;
        let tree = image.tree(&*repository, facts, Flavour::Rpm, |_, _| {}).await?;
        Ok(fits(&image, &tree, wanted).map(|program| {
            let name = full(name, &digest);
            Tools { name, repository, image, tree, program }
        }))
    }
}

/// With its digest, once.
fn full(name: &str, digest: &Digest) -> String {
    let plain = name.split_once('@').map_or(name, |(name, _)| name);
    format!("{plain}@{digest}")
}

/// Where the program lies that works on such an image; why none does, for people.
fn fits(image: &Image, tree: &Tree, wanted: &Wanted<'_>) -> Result<&'static str, String> {
    let architecture = image.config.get("architecture").and_then(Value::as_str).unwrap_or_default();
    if architecture != wanted.architecture {
        return Err(format!("its programs are {architecture}'s, not {}'s", wanted.architecture));
    }
    let text = ["etc/os-release", "usr/lib/os-release"].iter().find_map(|path| tree.text(&tree.real(path)));
    let own = text.and_then(|text| os_release::parse(&text));
    if release(own.as_ref()) != release(wanted.distro) {
        return Err(format!("it is {}, not {}", called(own.as_ref()), called(wanted.distro)));
    }
    // Another kind is one that it might not write, or would turn into its own.
    let kind = |path: &str| path.rsplit('/').next().unwrap_or_default().to_owned();
    match Place::of(tree) {
        Some(Place::Headers(path)) if kind(path) == kind(wanted.database) => {}
        Some(Place::Headers(path)) => {
            return Err(format!("its rpm keeps {}, not {}", kind(path), kind(wanted.database)));
        }
        _ => return Err("it has no database of rpm's headers".to_owned()),
    }
    program(tree).ok_or_else(|| "it has no rpm program either".to_owned())
}

/// A distribution, and which release of it: numbers after the first are updates of one.
fn release(distro: Option<&Distro>) -> Option<(&str, &str)> {
    let distro = distro?;
    let version = distro.version_id.as_deref().unwrap_or_default();
    Some((&distro.id, version.split('.').next().unwrap_or_default()))
}

fn called(distro: Option<&Distro>) -> String {
    let Some(distro) = distro else { return "of no distribution that it names".to_owned() };
    format!("{} {}", distro.id, distro.version_id.as_deref().unwrap_or_default()).trim_end().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn releases_are_told_by_their_first_number() {
        let distro = |id: &str, version: &str| Distro {
            id: id.to_owned(),
            version_id: Some(version.to_owned()),
            codename: None,
            pretty_name: None,
        };
        let same = |a: &Distro, b: &Distro| release(Some(a)) == release(Some(b));
        assert!(same(&distro("rhel", "9.4"), &distro("rhel", "9.2")));
        assert!(!same(&distro("rhel", "9.4"), &distro("rhel", "8.10")));
        assert!(!same(&distro("rhel", "9"), &distro("rocky", "9")));
        assert_ne!(release(Some(&distro("rhel", "9"))), release(None));
    }
}
