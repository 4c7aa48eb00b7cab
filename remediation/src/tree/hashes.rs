//! Hashes of files: what package databases and our proof compare with.

use std::{
    collections::HashMap,
    io::{self, Read},
};

use md5::{Digest as _, Md5};
use serde::{Deserialize, Serialize};
use sha1::Sha1;
use sha2::Sha256;

use super::Flavour;

/// Both hashes that we compare with: dpkg's own and the proof's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Hashes {
    /// As in `md5sums` and `Conffiles`.
    pub md5: [u8; 16],
    /// As in our proof.
    pub sha256: [u8; 32],
    /// As in apk's database; none: the tree was not read for apk.
    pub sha1: Option<[u8; 20]>,
}

impl Serialize for Hashes {
    fn serialize<S: serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        let sha1 = self.sha1.map(hex::encode).unwrap_or_default();
        s.serialize_str(&format!("{}{}{sha1}", hex::encode(self.md5), hex::encode(self.sha256)))
    }
}
impl<'de> Deserialize<'de> for Hashes {
    fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        let text = String::deserialize(d)?;
        let (mut bytes, mut sha1) = ([0; 48], None);
        let (first, more) = text.split_at_checked(96).unwrap_or((text.as_str(), ""));
        hex::decode_to_slice(first, &mut bytes).map_err(serde::de::Error::custom)?;
        if !more.is_empty() {
            let mut digest = [0; 20];
            hex::decode_to_slice(more, &mut digest).map_err(serde::de::Error::custom)?;
            sha1 = Some(digest);
        }
        let (mut md5, mut sha256) = ([0; 16], [0; 32]);
        md5.copy_from_slice(&bytes[..16]);
        sha256.copy_from_slice(&bytes[16..]);
        Ok(Self { md5, sha256, sha1 })
    }
}

/// Hashes what is read through it.
pub struct Hasher {
    md5: Md5,
    sha256: Sha256,
    sha1: Option<Sha1>,
}

impl Hasher {
    /// Nothing yet.
    pub fn new() -> Self {
        Self { md5: Md5::new(), sha256: Sha256::new(), sha1: None }
    }
    /// Nothing yet, and what this flavour compares with besides.
    pub fn for_flavour(flavour: Flavour) -> Self {
        Self { sha1: (flavour == Flavour::Apk).then(Sha1::new), ..Self::new() }
    }
    /// More content.
    pub fn update(&mut self, bytes: &[u8]) {
        self.md5.update(bytes);
        self.sha256.update(bytes);
        if let Some(sha1) = &mut self.sha1 {
            sha1.update(bytes);
        }
    }
    /// Of all of it.
    pub fn finish(self) -> Hashes {
        Hashes {
            md5: self.md5.finalize().into(),
            sha256: self.sha256.finalize().into(),
            sha1: self.sha1.map(|sha1| sha1.finalize().into()),
        }
    }
    /// Of all that a reader gives, to its end.
    pub fn drain(mut self, from: &mut dyn Read) -> io::Result<Hashes> {
        let mut buffer = [0; 64 << 10];
        loop {
            match from.read(&mut buffer)? {
                0 => return Ok(self.finish()),
                read => self.update(&buffer[..read]),
            }
        }
    }
    /// Of bytes in memory.
    pub fn of(bytes: &[u8]) -> Hashes {
        let mut hasher = Self::new();
        hasher.update(bytes);
        hasher.finish()
    }
}

impl Default for Hasher {
    fn default() -> Self {
        Self::new()
    }
}

/// Contents that were hashed already, by SHA-256: who meets one of them again need not make the other hashes.
#[derive(Debug, Default)]
pub struct Known(HashMap<[u8; 32], Hashes>);

impl Known {
    /// One more.
    pub fn add(&mut self, hashes: Hashes) {
        self.0.insert(hashes.sha256, hashes);
    }
    /// All hashes of the content that has this one; none: nobody named it.
    pub fn find(&self, sha256: &[u8; 32]) -> Option<Hashes> {
        self.0.get(sha256).copied()
    }
}
