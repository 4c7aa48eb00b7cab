//! Inventories as they are kept: packages once for all images, and of each image the list of their numbers.
//!
//! A package is what the scanner says of it without the layer, as JSON; its number is the store's, and neither ever
//! changes. An inventory's body:
//!
//! ```text
//! form      1 byte: 1
//! sum       8 bytes: the beginning of the SHA-256 of all that follows
//! head      length, and so many bytes: what is said of the whole image, as JSON, compressed with zstd
//! layers    count, and for each the 32 bytes of its blob's and of its diff_id's SHA-256
//! others    count, and for each 32 bytes: layers that packages name beside those
//! packages  count, and for each the distance of its number from the one before (zigzag)
//! brought   pairs: a layer, counted from 1 through `layers` and then `others`, 0 for none; how many packages in a row
//! ```
//! Numbers are LEB128. Images that share a base share its packages, whose numbers follow each other: a byte for each.
//! Before, a body was the whole inventory as JSON, compressed with zstd; its first byte tells the two apart.

mod codec;
mod reading;

use patchline_scanner::{Inventory, Package, rematch::Matched};
use sha2::{Digest as _, Sha256};

pub(crate) use self::{
    codec::{Packed, encode},
    reading::{Reader, Rows, in_order},
};
use crate::{Error, column::digest, error::Result, pack};

pub(crate) const TABLE: &str = "inventories";
pub(crate) const PACKAGES: &str = "packages";

/// How much is asked for, and remembered; what a body unpacks to is bounded by `pack`.
mod limits {
    /// Packages that a reader remembers.
    pub(super) const REMEMBERED: usize = 100_000;
    /// Heads that a reader remembers.
    pub(super) const HEADS: usize = 1_000;
    /// Packages that are asked for in one statement.
    pub(super) const ASKED: usize = 10_000;
}

/// A package as it is kept.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Kept {
    pub(crate) hash: [u8; 32],
    pub(crate) body: String,
}

/// The packages of an inventory, in its order.
pub(crate) fn kept(inventory: &Inventory) -> Result<Vec<Kept>> {
    let one = |package: &Package| {
        let alone = Package { layer: None, ..package.clone() };
        let body = serde_json::to_string(&alone).map_err(|e| Error::row(PACKAGES, e))?;
        Ok(Kept { hash: Sha256::digest(&body).into(), body })
    };
    inventory.packages.iter().map(one).collect()
}

/// The package of a row, if the row is as it was written.
pub(crate) fn package(hash: &[u8], body: &str) -> Result<Package> {
    if Sha256::digest(body)[..] != *hash {
        return Err(Error::row(PACKAGES, "its body does not have its hash"));
    }
    serde_json::from_str(body).map_err(|e| Error::row(PACKAGES, e))
}

/// A body of either form.
pub(crate) enum Body<'a> {
    Packed(Packed<'a>),
    /// As it was before.
    Whole(Box<Inventory>),
}

/// Reads a body.
pub(crate) fn open(body: &[u8]) -> Result<Body<'_>> {
    if body.first() == Some(&codec::FORM) {
        return Ok(Body::Packed(Packed::read(body)?));
    }
    Ok(Body::Whole(Box::new(pack::unpack(TABLE, body)?)))
}

/// The numbers of the packages that a body names, if all of it can be read.
pub(crate) fn whole(body: &[u8]) -> Result<Vec<i64>> {
    match open(body)? {
        Body::Packed(packed) => {
            codec::Head::read(packed.head)?;
            Ok(packed.numbers)
        }
        Body::Whole(_) => Ok(Vec::new()),
    }
}

/// Image, edition, last report, and what was noted of that report.
pub(crate) type MatchedRow = (String, i64, String, Option<String>);

pub(crate) fn matched((image, edition, report, note): MatchedRow) -> Result<Matched> {
    Ok(Matched { image: digest(TABLE, &image)?, edition, report, note })
}

#[cfg(test)]
#[path = "inventories_tests.rs"]
mod tests;
