//! The bound on what is kept of repositories: what nobody has used for longest goes first.
//!
//! A file's time of change says when it was used last: whoever takes a file sets it. Several processes may use one cache
//! and sweep it at the same time.

use std::{
    fs::{self, File},
    io,
    path::{Path, PathBuf},
    time::{Duration, SystemTime},
};

use crate::{Error, Result, clock};

/// What a cache may hold where nothing else is said, in bytes.
pub const MOST: u64 = 10 << 30;
/// What was used within this time may be in use by somebody.
const IN_USE: Duration = Duration::from_secs(3600);
/// Folders in folders: ours are two deep.
const MAX_DEPTH: usize = 4;

/// What went.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Swept {
    /// Files.
    pub files: u64,
    /// Bytes that they had.
    pub bytes: u64,
}

/// Says that a file of the cache is used now. It may go at any time: that it is not there is for its reader to find.
pub(crate) fn used(file: &File) {
    if let Err(error) = file.set_modified(clock::now().into()) {
        tracing::debug!(%error, "a file of the cache cannot say when it was used");
    }
}

/// Removes files until at most `most` bytes are left, but none that was used within the last hour. Links are neither
/// followed nor removed.
pub fn sweep(folders: &[PathBuf], most: u64) -> Result<Swept> {
    let before = SystemTime::from(clock::now()).checked_sub(IN_USE).unwrap_or(SystemTime::UNIX_EPOCH);
    let mut found = Vec::new();
    for folder in folders {
        walk(folder, 0, &mut found).map_err(|e| failed(folder, e))?;
    }
    let mut left: u64 = found.iter().map(|(_, size, _)| size).sum();
    found.sort_by(|a, b| (a.0, &a.2).cmp(&(b.0, &b.2)));
    let mut swept = Swept::default();
    for (used, size, path) in found {
        if left <= most || used > before {
            break;
        }
        match fs::remove_file(&path) {
            Ok(()) => (swept.files, swept.bytes) = (swept.files + 1, swept.bytes + size),
            // Somebody else sweeps, too.
            Err(e) if e.kind() == io::ErrorKind::NotFound => {}
            Err(e) => return Err(failed(&path, e)),
        }
        left -= size;
    }
    Ok(swept)
}

fn walk(folder: &Path, depth: usize, found: &mut Vec<(SystemTime, u64, PathBuf)>) -> io::Result<()> {
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(e) => return Err(e),
    };
    for entry in entries {
        let entry = entry?;
        let about = match entry.metadata() {
            Ok(about) => about,
            Err(e) if e.kind() == io::ErrorKind::NotFound => continue,
            Err(e) => return Err(e),
        };
        if about.is_file() {
            found.push((about.modified()?, about.len(), entry.path()));
        } else if about.is_dir() && depth < MAX_DEPTH {
            walk(&entry.path(), depth + 1, found)?;
        }
    }
    Ok(())
}

fn failed(path: &Path, source: io::Error) -> Error {
    Error::Io { operation: format!("sweep the cache at {}", path.display()), source }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_unused_goes_first_and_what_may_be_in_use_stays() {
        let folder = tempfile::tempdir().unwrap();
        let place = |name: &str, hours: u64| {
            let path = folder.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(&path, [0; 100]).unwrap();
            let used = SystemTime::from(clock::now()) - Duration::from_secs(hours * 3600);
            File::open(&path).unwrap().set_modified(used).unwrap();
            path
        };
        let (old, older, new) = (place("packages/a", 2), place("unpacked/b", 30), place("packages/c", 0));
        std::os::unix::fs::symlink("/etc/hostname", folder.path().join("packages/link")).unwrap();
        let folders = [folder.path().to_owned(), folder.path().join("absent")];
        assert_eq!(sweep(&folders, 300).unwrap(), Swept::default());
        assert_eq!(sweep(&folders, 299).unwrap(), Swept { files: 1, bytes: 100 });
        assert!(old.exists() && !older.exists());
        // Used again: it is young.
        used(&File::open(&old).unwrap());
        assert_eq!(sweep(&folders, 0).unwrap(), Swept::default());
        File::open(&old).unwrap().set_modified(SystemTime::UNIX_EPOCH).unwrap();
        assert_eq!(sweep(&folders, 0).unwrap(), Swept { files: 1, bytes: 100 });
        assert!(new.exists() && folder.path().join("packages/link").is_symlink());
    }
}
