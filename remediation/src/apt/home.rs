//! Where the packages of a suite lie.

use std::{fmt, sync::Arc};

use url::Url;

use super::distribution::Place;
use crate::mirrored;

/// Where the packages of a suite lie.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Home {
    /// In an archive of a distribution, wherever that is mirrored.
    Archive(Place),
    /// In a repository that an image names for itself, at the mirror that a person has configured for it.
    Mirror(Base),
}

impl Home {
    /// Whether it is a repository that an image names for itself.
    pub fn is_of_image(&self) -> bool {
        matches!(self, Self::Mirror(_))
    }
}

impl From<Place> for Home {
    fn from(place: Place) -> Self {
        Self::Archive(place)
    }
}

/// The address of a mirror. It may hold a password, so it shows itself without.
#[derive(Clone, PartialEq, Eq)]
pub struct Base(Arc<Url>);

impl Base {
    /// The folder that `pool` lies in.
    pub(super) fn new(address: Url) -> Self {
        Self(Arc::new(address))
    }
    /// With all that it holds.
    pub(super) fn address(&self) -> &Url {
        &self.0
    }
}

impl fmt::Debug for Base {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&mirrored::shown(self.0.as_str()))
    }
}
