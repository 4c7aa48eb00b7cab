//! Package databases as they lie in layers.

pub mod apk;
pub mod dpkg;
pub(crate) mod listed;
pub mod os_release;
pub mod owned;
pub(crate) mod purl;
pub mod rpm;
#[cfg(test)]
pub(crate) mod testdata;

use crate::limits;
