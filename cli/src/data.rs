//! The data folder: where it is, what lies in it, who owns it.

use std::{
    fs::{File, TryLockError},
    path::{Path, PathBuf},
};

use crate::failure::{Failure, Result, io};

/// An opened data folder.
#[derive(Debug)]
pub(crate) struct Data {
    root: PathBuf,
    _lock: Option<File>,
}

impl Data {
    /// `--data`, `PATCHLINE_DATA` (clap reads it), `/var/lib/patchline` as root, else the XDG folder.
    pub(crate) fn path(given: Option<&Path>) -> PathBuf {
        if let Some(path) = given {
            return path.to_owned();
        }
        let home = std::env::var_os("HOME").map(PathBuf::from);
        // Only root can write to /var/lib; asking for its owner needs no unsafe call.
        let root =
            std::fs::metadata("/proc/self").is_ok_and(|m| std::os::unix::fs::MetadataExt::uid(&m) == 0);
        match (root, std::env::var_os("XDG_DATA_HOME"), home) {
            (true, _, _) => PathBuf::from("/var/lib/patchline"),
            (false, Some(xdg), _) => PathBuf::from(xdg).join("patchline"),
            (false, None, Some(home)) => home.join(".local/share/patchline"),
            (false, None, None) => PathBuf::from(".patchline"),
        }
    }
    /// Opens it for caches alone: several processes may.
    pub(crate) fn shared(root: PathBuf) -> Result<Self> {
        std::fs::create_dir_all(&root).map_err(io(format!("make the data folder {}", root.display())))?;
        Ok(Self { root, _lock: None })
    }
    /// Opens it and owns it: whoever owns it reclaims dead leases at once.
    pub(crate) fn owned(root: PathBuf) -> Result<Self> {
        let mut data = Self::shared(root)?;
        let path = data.root.join("lock");
        let file = File::options()
            .create(true)
            .truncate(false)
            .write(true)
            .open(&path)
            .map_err(io(format!("open {}", path.display())))?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Err(Failure::says(
                    "data-in-use",
                    format!("another patchline owns {}", data.root.display()),
                )
                .hint("stop it, or name another folder with --data"));
            }
            Err(TryLockError::Error(error)) => return Err(io(format!("lock {}", path.display()))(error)),
        }
        data._lock = Some(file);
        Ok(data)
    }
    /// The database.
    pub(crate) fn database(&self) -> PathBuf {
        self.root.join("patchline.db")
    }
    /// The embedded registry's storage.
    pub(crate) fn registry(&self) -> PathBuf {
        self.root.join("registry")
    }
    /// Compiled advisories.
    pub(crate) fn advisories(&self) -> PathBuf {
        self.root.join("advisories")
    }
    /// Verified indices and packages.
    pub(crate) fn apt_cache(&self) -> PathBuf {
        self.root.join("cache/apt")
    }
    /// Where a running server tells its address.
    pub(crate) fn address(&self) -> PathBuf {
        self.root.join("server.address")
    }
    /// Work in progress. Only the owner may empty it.
    pub(crate) fn scratch(&self) -> PathBuf {
        self.root.join("scratch")
    }
}
