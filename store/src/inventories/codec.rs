//! The bytes of an inventory's body.

use std::collections::HashMap;

use patchline_scanner::{Digest, Distro, Inventory, Platform};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::TABLE;
use crate::{Error, error::Result, pack};

/// What a body begins with; zstd's begin with 0x28.
pub(super) const FORM: u8 = 1;
/// Bytes of the sum.
const SUM: usize = 8;

/// What is said of the whole image.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Head {
    platform: Platform,
    distro: Option<Distro>,
    database: Option<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    unread: Vec<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    incomplete: Vec<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    unreadable: Vec<String>,
}

impl Head {
    pub(super) fn read(packed: &[u8]) -> Result<Self> {
        pack::unpack(TABLE, packed)
    }

    /// An inventory without its packages and layers.
    pub(super) fn inventory(&self, image: Digest) -> Inventory {
        Inventory {
            image,
            platform: self.platform.clone(),
            distro: self.distro.clone(),
            packages: Vec::new(),
            database: self.database.clone(),
            unread: self.unread.clone(),
            incomplete: self.incomplete.clone(),
            unreadable: self.unreadable.clone(),
            layers: Vec::new(),
        }
    }
}

/// The body of an inventory whose packages have these numbers.
pub(crate) fn encode(inventory: &Inventory, numbers: &[i64]) -> Result<Vec<u8>> {
    let head = Head {
        platform: inventory.platform.clone(),
        distro: inventory.distro.clone(),
        database: inventory.database.clone(),
        unread: inventory.unread.clone(),
        incomplete: inventory.incomplete.clone(),
        unreadable: inventory.unreadable.clone(),
    };
    let head = pack::pack(TABLE, &serde_json::to_vec(&head).map_err(|e| Error::row(TABLE, e))?)?;
    let mut out = vec![FORM];
    out.extend([0; SUM]);
    put(&mut out, head.len() as u64);
    out.extend(head);
    put(&mut out, inventory.layers.len() as u64);
    let mut places: HashMap<&Digest, u64> = HashMap::new();
    for (at, (blob, diff)) in (1_u64..).zip(&inventory.layers) {
        places.entry(blob).or_insert(at);
        out.extend(bytes(blob)?);
        out.extend(bytes(diff)?);
    }
    let mut others: Vec<&Digest> = Vec::new();
    for layer in inventory.packages.iter().filter_map(|package| package.layer.as_ref()) {
        let next = (inventory.layers.len() + others.len() + 1) as u64;
        places.entry(layer).or_insert_with(|| {
            others.push(layer);
            next
        });
    }
    put(&mut out, others.len() as u64);
    for layer in others {
        out.extend(bytes(layer)?);
    }
    put(&mut out, numbers.len() as u64);
    let mut before = 0_i64;
    for number in numbers {
        let distance = number.wrapping_sub(before).wrapping_sub(1);
        put(&mut out, ((distance << 1) ^ (distance >> 63)) as u64);
        before = *number;
    }
    let brought: Vec<u64> = inventory
        .packages
        .iter()
        .map(|package| package.layer.as_ref().and_then(|layer| places.get(layer)).copied().unwrap_or(0))
        .collect();
    for run in brought.chunk_by(|a, b| a == b) {
        put(&mut out, run.first().copied().unwrap_or(0));
        put(&mut out, run.len() as u64);
    }
    let sum = sum(&out[1 + SUM..]);
    out[1..1 + SUM].copy_from_slice(&sum);
    Ok(out)
}

/// A body, cut into its parts.
#[derive(Debug)]
pub(crate) struct Packed<'a> {
    pub(super) head: &'a [u8],
    layers: &'a [[u8; 32]],
    others: &'a [[u8; 32]],
    /// The numbers of its packages, in order.
    pub(crate) numbers: Vec<i64>,
    brought: Vec<(usize, usize)>,
}

impl<'a> Packed<'a> {
    /// # Errors
    /// A body that is not as it was written.
    pub(super) fn read(body: &'a [u8]) -> Result<Self> {
        let rotten = |what: &str| Error::row(TABLE, what.to_owned());
        let Some((said, mut rest)) = body.get(1..).and_then(|body| body.split_first_chunk::<SUM>()) else {
            return Err(rotten("its body ends in its sum"));
        };
        if sum(rest) != *said {
            return Err(rotten("its body does not have its sum"));
        }
        // What follows was written so; that it can be read is checked all the same.
        let read = |rest: &mut &'a [u8]| -> Option<Self> {
            let length = count(rest)?;
            let head = cut(rest, length)?;
            let layers = count(rest)?;
            let layers = digests(rest, layers.checked_mul(2)?)?;
            let others = count(rest)?;
            let others = digests(rest, others)?;
            let packages = count(rest)?;
            // Each takes a byte.
            let mut numbers = Vec::with_capacity(packages.min(rest.len()));
            let mut before = 0_i64;
            for _ in 0..packages {
                let zigzag = number(rest)?;
                let distance = (zigzag >> 1) as i64 ^ -((zigzag & 1) as i64);
                before = before.wrapping_add(distance).wrapping_add(1);
                numbers.push(before);
            }
            let (mut brought, mut left) = (Vec::new(), packages);
            while left > 0 {
                let (layer, run) = (count(rest)?, count(rest)?);
                if run == 0 || layer > layers.len() / 2 + others.len() {
                    return None;
                }
                left = left.checked_sub(run)?;
                brought.push((layer, run));
            }
            rest.is_empty().then_some(Self { head, layers, others, numbers, brought })
        };
        read(&mut rest).ok_or_else(|| rotten("its body cannot be read"))
    }

    /// Blob and diff_id of each layer.
    pub(super) fn layers(&self) -> Vec<(Digest, Digest)> {
        let pair = |pair: &[[u8; 32]]| {
            (Digest::from_sha256(pair[0].as_slice()), Digest::from_sha256(pair[1].as_slice()))
        };
        self.layers.chunks_exact(2).map(pair).collect()
    }

    /// Each package's number, and its layer's place.
    pub(super) fn packages(&self) -> impl Iterator<Item = (i64, usize)> {
        let places = self.brought.iter().flat_map(|(layer, run)| std::iter::repeat_n(*layer, *run));
        self.numbers.iter().copied().zip(places)
    }

    /// The layer at a place.
    pub(super) fn layer(&self, place: usize) -> Option<Digest> {
        let at = place.checked_sub(1)?;
        let inside = self.layers.len() / 2;
        let bytes = if at < inside { self.layers.get(2 * at)? } else { self.others.get(at - inside)? };
        Some(Digest::from_sha256(bytes))
    }
}

fn sum(of: &[u8]) -> [u8; SUM] {
    let digest = Sha256::digest(of);
    std::array::from_fn(|i| digest[i])
}

fn bytes(digest: &Digest) -> Result<[u8; 32]> {
    let mut out = [0; 32];
    hex::decode_to_slice(digest.hex(), &mut out).map_err(|e| Error::row(TABLE, e))?;
    Ok(out)
}

fn put(out: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        out.push(number as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}

fn number(rest: &mut &[u8]) -> Option<u64> {
    let mut number = 0;
    for shift in (0..64).step_by(7) {
        let (byte, left) = rest.split_first()?;
        *rest = left;
        let low = u64::from(byte & 0x7f);
        if shift == 63 && low > 1 {
            return None;
        }
        number |= low << shift;
        if byte & 0x80 == 0 {
            return Some(number);
        }
    }
    None
}

fn count(rest: &mut &[u8]) -> Option<usize> {
    usize::try_from(number(rest)?).ok()
}

fn cut<'a>(rest: &mut &'a [u8], length: usize) -> Option<&'a [u8]> {
    let (cut, left) = rest.split_at_checked(length)?;
    *rest = left;
    Some(cut)
}

fn digests<'a>(rest: &mut &'a [u8], many: usize) -> Option<&'a [[u8; 32]]> {
    let (digests, _) = cut(rest, many.checked_mul(32)?)?.as_chunks();
    Some(digests)
}
