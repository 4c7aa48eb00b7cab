//! Where an image is: `[name|host/]repository[:tag][@digest]`, `oci:DIR[:TAG]`.

use std::{fmt, path::PathBuf, str::FromStr};

use crate::{Digest, Error};

/// An image in a registry.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Reference {
    /// A host with its port, or a registry's name in the configuration.
    pub registry: String,
    /// `shop/web`.
    pub repository: String,
    /// `v1`.
    pub tag: Option<String>,
    /// Wins over the tag where both stand.
    pub digest: Option<Digest>,
}

impl Reference {
    /// What a manifest request names: the digest, else the tag, else `latest`.
    pub fn target(&self) -> String {
        match (&self.digest, &self.tag) {
            (Some(d), _) => d.to_string(),
            (None, Some(t)) => t.clone(),
            (None, None) => "latest".to_owned(),
        }
    }
}

/// Any place an image can be.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Location {
    /// In a registry.
    Registry(Reference),
    /// In an OCI image layout directory, image-spec "image-layout".
    Layout {
        /// The directory with `oci-layout`, `index.json`, `blobs/`.
        dir: PathBuf,
        /// `org.opencontainers.image.ref.name`; none: the only image there.
        tag: Option<String>,
    },
}

impl FromStr for Reference {
    type Err = Error;
    fn from_str(_text: &str) -> Result<Self, Error> {
        todo!()
    }
}
impl FromStr for Location {
    type Err = Error;
    fn from_str(_text: &str) -> Result<Self, Error> {
        todo!()
    }
}
impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.registry, self.repository)?;
        if let Some(tag) = &self.tag {
            write!(f, ":{tag}")?;
        }
        if let Some(digest) = &self.digest {
            write!(f, "@{digest}")?;
        }
        Ok(())
    }
}
