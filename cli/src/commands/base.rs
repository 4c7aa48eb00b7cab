//! The image that another is built on, for the commands that ask for it.

use patchline_registry::{Location, Registries};
use patchline_remediation::{advise::Claim, tree};

use crate::{
    failure::Result,
    images::{self, Image},
};

/// A base, and where it may be asked for.
pub(crate) struct Named {
    /// What is said of it.
    pub(crate) claim: Claim,
    /// None: nobody here has named its registry, and it is not asked on an image's word.
    pub(crate) at: Option<Location>,
}

/// What the image is built on, by its own word or `named`; none: nobody says. A digest in the name says what it was.
pub(crate) async fn of(registries: &Registries, image: &Image, named: Option<&str>) -> Result<Option<Named>> {
    let opened = tree::open(image.repository.as_ref(), image.manifest.as_str()).await?;
    let claim = Claim::of(&opened.manifest.annotations, &opened.config);
    let mut claim = match (named, claim) {
        (Some(name), claim) => Claim { name: name.to_owned(), digest: claim.and_then(|claim| claim.digest) },
        (None, Some(claim)) => claim,
        (None, None) => return Ok(None),
    };
    let location = match images::location(registries, &claim.name) {
        Ok(location @ Location::Registry(_)) => location,
        Ok(location) if named.is_some() => location,
        Err(failure) if named.is_some() => return Err(failure),
        Ok(_) | Err(_) => return Ok(Some(Named { claim, at: None })),
    };
    let own = image.repository.origin().map(|(host, _)| host);
    let known = match &location {
        Location::Registry(reference) => {
            if named.is_some() && reference.digest.is_some() {
                claim.digest = reference.digest.clone();
            }
            registries.is_configured(&registries.name_of(&reference.registry))
                || own.is_some_and(|host| host == reference.registry)
        }
        Location::Layout { .. } => true,
    };
    Ok(Some(Named { claim, at: (named.is_some() || known).then_some(location) }))
}

/// What to ask the base's repository for: the tag, which says what it is now.
pub(crate) fn target(location: &Location) -> String {
    match location {
        Location::Registry(reference) => reference.tag.clone().unwrap_or_else(|| "latest".to_owned()),
        Location::Layout { .. } => location.target(),
    }
}
