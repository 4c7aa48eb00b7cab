//! The folder of verified files, each under its own SHA-256.

use std::{
    io::Read,
    path::{Path, PathBuf},
};

use sha2::{Digest, Sha256};

use super::release::Promise;
use crate::{Error, Result};

/// Makes the folder and names the file.
pub(crate) fn place(cache: &Path, kind: &str, promise: &Promise) -> Result<PathBuf> {
    let folder = cache.join(kind);
    std::fs::create_dir_all(&folder).map_err(|source| Error::Io {
        operation: format!("make the cache folder {}", folder.display()),
        source,
    })?;
    Ok(folder.join(&promise.sha256))
}

/// Whether the file is there and still what was promised; one that is not is removed.
pub(crate) async fn holds(path: &Path, promise: &Promise) -> bool {
    let (path, promise) = (path.to_owned(), promise.clone());
    tokio::task::spawn_blocking(move || {
        let good = matches(&path, &promise);
        if !good {
            std::fs::remove_file(&path).ok();
        }
        good
    })
    .await
    .unwrap_or(false)
}

fn matches(path: &Path, promise: &Promise) -> bool {
    let Ok(mut file) = std::fs::File::open(path) else { return false };
    if !file.metadata().is_ok_and(|m| m.is_file() && m.len() == promise.size) {
        return false;
    }
    let mut hash = Sha256::new();
    let mut buffer = vec![0; 128 << 10];
    loop {
        match file.read(&mut buffer) {
            Ok(0) => {
                let good = hex::encode(hash.finalize()) == promise.sha256;
                if good {
                    crate::cache::used(&file);
                }
                return good;
            }
            Ok(n) => hash.update(&buffer[..n]),
            Err(_) => return false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_file_that_changed_is_dropped() {
        let folder = tempfile::tempdir().unwrap();
        let promise = Promise { sha256: hex::encode(Sha256::digest(b"abc")), size: 3 };
        let path = place(folder.path(), "packages", &promise).unwrap();
        assert!(!holds(&path, &promise).await);
        std::fs::write(&path, b"abc").unwrap();
        assert!(holds(&path, &promise).await);
        std::fs::write(&path, b"abd").unwrap();
        assert!(!holds(&path, &promise).await);
        assert!(!path.exists());
    }
}
