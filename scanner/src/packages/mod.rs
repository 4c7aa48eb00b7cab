//! Package databases as they lie in layers.

pub mod dpkg;
pub(crate) mod os_release;
pub(crate) mod purl;
