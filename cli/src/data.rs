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
    /// Of a worker: what is its alone lies there.
    place: Option<PathBuf>,
    _lock: Option<File>,
}

/// Workers on one data folder, at most.
const WORKERS: usize = 1_000;

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
        Ok(Self { root, place: None, _lock: None })
    }
    /// Opens it and owns it: whoever owns it reclaims dead leases at once.
    pub(crate) fn owned(root: PathBuf) -> Result<Self> {
        let mut data = Self::shared(root)?;
        data._lock = lock(&data.root.join("lock"))?;
        if data._lock.is_none() {
            return Err(Failure::says(
                "data-in-use",
                format!("another patchline owns {}", data.root.display()),
            )
            .hint("stop it, or name another folder with --data"));
        }
        Ok(data)
    }
    /// Opens it for a worker, which shares its caches with a server and other workers, and owns the first place that
    /// none of them has: what a worker that died left there goes.
    pub(crate) fn worker(root: PathBuf) -> Result<Self> {
        let mut data = Self::shared(root)?;
        for number in 1..=WORKERS {
            let place = PathBuf::from("workers").join(number.to_string());
            let folder = data.root.join(&place);
            std::fs::create_dir_all(&folder).map_err(io(format!("make {}", folder.display())))?;
            if let Some(file) = lock(&folder.join("lock"))? {
                data._lock = Some(file);
                data.place = Some(place);
                return Ok(data);
            }
        }
        Err(Failure::says("data-in-use", format!("{WORKERS} workers use {}", data.root.display()))
            .hint("name another folder with --data"))
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
        self.own().join("advisories")
    }
    /// Verified indices and packages.
    pub(crate) fn apt_cache(&self) -> PathBuf {
        self.root.join("cache/apt")
    }
    /// Verified apk packages.
    pub(crate) fn apk_cache(&self) -> PathBuf {
        self.root.join("cache/apk")
    }
    /// Verified metadata of rpm repositories and packages.
    pub(crate) fn rpm_cache(&self) -> PathBuf {
        self.root.join("cache/rpm")
    }
    /// Verified archives of languages.
    pub(crate) fn language_cache(&self) -> PathBuf {
        self.root.join("cache/languages")
    }
    /// What is known of layers that a command has read.
    pub(crate) fn facts(&self) -> PathBuf {
        self.root.join("cache/facts")
    }
    /// Where a running server tells its address.
    pub(crate) fn address(&self) -> PathBuf {
        self.root.join("server.address")
    }
    /// Work in progress. Only the owner may empty it.
    pub(crate) fn scratch(&self) -> PathBuf {
        self.own().join("scratch")
    }
    /// Where images lie that a command hands to other scanners; what is in it goes with the command.
    pub(crate) fn handed_over(&self) -> PathBuf {
        self.root.join("cache/scans")
    }
    fn own(&self) -> PathBuf {
        self.place.as_ref().map_or_else(|| self.root.clone(), |place| self.root.join(place))
    }
}

/// None: somebody else has it.
fn lock(path: &Path) -> Result<Option<File>> {
    let file = File::options()
        .create(true)
        .truncate(false)
        .write(true)
        .open(path)
        .map_err(io(format!("open {}", path.display())))?;
    match file.try_lock() {
        Ok(()) => Ok(Some(file)),
        Err(TryLockError::WouldBlock) => Ok(None),
        Err(TryLockError::Error(error)) => Err(io(format!("lock {}", path.display()))(error)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn workers_share_a_folder_and_each_has_a_place_that_is_free_again_after_it() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().to_owned();
        let server = Data::owned(root.clone()).unwrap();
        assert_eq!(Data::owned(root.clone()).unwrap_err().code, "data-in-use");
        let first = Data::worker(root.clone()).unwrap();
        let second = Data::worker(root.clone()).unwrap();
        let scratches = [server.scratch(), first.scratch(), second.scratch()];
        assert_eq!(scratches[1], root.join("workers/1/scratch"));
        assert!(scratches[0] != scratches[1] && scratches[1] != scratches[2], "{scratches:?}");
        assert_eq!(first.apt_cache(), server.apt_cache());
        drop(first);
        assert_eq!(Data::worker(root).unwrap().scratch(), scratches[1]);
    }
}
