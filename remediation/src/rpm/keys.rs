//! Keys that may vouch for rpm repositories and packages.

use std::path::{Path, PathBuf};

use jiff::Timestamp;

use super::limits;
use crate::{
    Error, Result,
    apt::{keyring::Keyring, verify},
};

/// Where a host of an rpm distribution has its distribution's keys.
const HOST_KEYS: &str = "/etc/pki/rpm-gpg";
/// Keys of one folder.
const KEY_FILES: usize = 256;

/// Some keys.
#[derive(Debug, Default)]
pub struct Keys {
    keyring: Keyring,
}

impl Keys {
    /// From files, and folders of them.
    ///
    /// # Errors
    /// A file that cannot be read, or holds no OpenPGP key.
    pub fn load(places: &[PathBuf]) -> Result<Self> {
        let mut files = Vec::new();
        for place in places {
            match place.is_dir() {
                true => files.extend(folder(place)),
                false => files.push(place.clone()),
            }
        }
        if files.is_empty() {
            return Err(Error::NoRpmKey);
        }
        Ok(Self { keyring: Keyring::load(&files)? })
    }

    /// This machine's own. What of them cannot be read does not count.
    pub fn of_host() -> Self {
        let mut keyring = Keyring::default();
        for file in folder(Path::new(HOST_KEYS)) {
            if let Ok(more) = Keyring::load(&[file]) {
                keyring.keys.extend(more.keys);
            }
        }
        Self { keyring }
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.keyring.keys.is_empty()
    }

    /// Whether a good signature of these stands over the bytes; else why not.
    pub(super) fn verify(&self, signatures: &[u8], content: &[u8], now: Timestamp) -> Result<(), String> {
        if signatures.len() as u64 > limits::SIGNATURE {
            return Err("its signature is too large".to_owned());
        }
        verify::detached(signatures, content, &self.keyring, "--rpm-key", now)
    }
}

fn folder(place: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(place).into_iter().flatten().flatten();
    let mut files: Vec<_> = entries.map(|entry| entry.path()).filter(|path| path.is_file()).collect();
    files.sort();
    files.truncate(KEY_FILES);
    files
}
