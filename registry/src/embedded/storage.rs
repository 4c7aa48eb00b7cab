//! Where the embedded registry keeps what it is given: one layout a repository, one pool of blobs.

use std::{
    collections::HashMap,
    fs, io,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::SystemTime,
};

use tempfile::NamedTempFile;

use crate::{
    Digest, Error, RawManifest, Result,
    layout::{LayoutDir, Swept, durable, remove_if},
    reference::is_repository,
};

/// Its methods block.
pub(super) struct Storage {
    repositories: PathBuf,
    pool: PathBuf,
    open: Mutex<HashMap<String, Arc<LayoutDir>>>,
    /// Held while names of blobs come and go, so that a blob which is just
    /// being linked is not taken for one that nobody wants.
    linking: Mutex<()>,
}

impl Storage {
    pub(super) fn open(dir: &Path) -> Result<Self> {
        let (repositories, pool) = (dir.join("repositories"), dir.join("blobs/sha256"));
        for folder in [&repositories, &pool] {
            durable::create_dir(folder).map_err(Error::io(format!("create {}", folder.display())))?;
        }
        Ok(Self { repositories, pool, open: Mutex::default(), linking: Mutex::default() })
    }

    /// `+` is in no repository's name, `/` cannot be in a folder's: this way
    /// no repository lies inside another's layout.
    fn folder(&self, name: &str) -> PathBuf {
        self.repositories.join(name.replace('/', "+"))
    }

    /// The repositories that exist, sorted.
    pub(super) fn names(&self) -> Result<Vec<String>> {
        let failed = || Error::io("list the repositories");
        let mut names = Vec::new();
        for entry in fs::read_dir(&self.repositories).map_err(failed())? {
            let entry = entry.map_err(failed())?;
            let Some(name) = entry.file_name().to_str().map(|n| n.replace('+', "/")) else { continue };
            if is_repository(&name) && entry.path().join("oci-layout").exists() {
                names.push(name);
            }
        }
        names.sort();
        Ok(names)
    }

    pub(super) fn repository(&self, name: &str) -> Result<Option<Arc<LayoutDir>>> {
        match self.get(name, false) {
            Err(Error::NotFound { .. }) => Ok(None),
            other => other.map(Some),
        }
    }

    fn get(&self, name: &str, create: bool) -> Result<Arc<LayoutDir>> {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = open.get(name) {
            return Ok(known.clone());
        }
        let layout = Arc::new(LayoutDir::open(&self.folder(name), create)?);
        open.insert(name.to_owned(), layout.clone());
        Ok(layout)
    }

    fn linking(&self) -> MutexGuard<'_, ()> {
        self.linking.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes a written and verified blob into the pool and a repository.
    pub(super) fn adopt(&self, name: &str, temp: NamedTempFile, digest: &Digest) -> Result<()> {
        let failed = || Error::io(format!("keep blob {digest}"));
        let repository = self.get(name, true)?;
        let size = temp.as_file().metadata().map_err(failed())?.len();
        // Before the lock: this is what takes long.
        temp.as_file().sync_all().map_err(failed())?;
        let _linking = self.linking();
        let pooled = self.pool.join(digest.hex());
        if !fs::metadata(&pooled).is_ok_and(|there| there.len() == size) {
            durable::persist(temp, &pooled).map_err(failed())?;
        }
        link(&pooled, &repository.blob_path(digest)).map_err(failed())
    }

    /// Stores a manifest whose parts are all in the repository.
    pub(super) fn put_manifest(&self, name: &str, tag: Option<&str>, manifest: &RawManifest) -> Result<()> {
        // One without parts (an empty index) may be the first of all.
        self.get(name, true)?.put_manifest(tag, manifest)
    }

    /// Lets a repository have another's blob; false when that has none.
    pub(super) fn mount(&self, name: &str, from: &str, digest: &Digest) -> Result<bool> {
        let Some(source) = self.repository(from)? else { return Ok(false) };
        let _linking = self.linking();
        if source.blob_size(digest)?.is_none() {
            return Ok(false);
        }
        let target = self.get(name, true)?;
        let failed = Error::io(format!("mount blob {digest}"));
        link(&source.blob_path(digest), &target.blob_path(digest)).map_err(failed)?;
        Ok(true)
    }

    /// Takes a blob that no manifest needs from a repository, and from the
    /// disk when no other has it.
    pub(super) fn delete_blob(&self, name: &str, digest: &Digest) -> Result<Deleted> {
        let Some(repository) = self.repository(name)? else { return Ok(Deleted::Absent) };
        let failed = || Error::io(format!("delete blob {digest}"));
        let _linking = self.linking();
        let _lock = repository.lock()?;
        if repository.blob_size(digest)?.is_none() {
            return Ok(Deleted::Absent);
        }
        if repository.needs(digest)? {
            return Ok(Deleted::Needed);
        }
        let path = repository.blob_path(digest);
        fs::remove_file(&path).and_then(|()| durable::sync_parent(&path)).map_err(failed())?;
        let pooled = self.pool.join(digest.hex());
        if fs::metadata(&pooled).is_ok_and(|m| m.nlink() == 1) {
            fs::remove_file(&pooled).map_err(failed())?;
        }
        Ok(Deleted::Gone)
    }

    /// Sweeps every repository, then the pool of what none of them holds.
    pub(super) fn sweep(&self, older_than: SystemTime) -> Result<Swept> {
        let mut swept = Swept::default();
        for name in self.names()? {
            let Some(repository) = self.repository(&name)? else { continue };
            swept.add(repository.sweep(older_than)?);
        }
        let _linking = self.linking();
        let alone = |name: &str| fs::metadata(self.pool.join(name)).is_ok_and(|m| m.nlink() == 1);
        swept.add(remove_if(&self.pool, older_than, alone)?);
        Ok(swept)
    }
}

/// What became of a blob that was to be deleted.
pub(super) enum Deleted {
    Gone,
    Absent,
    Needed,
}

/// A second name for a file, durable; a copy where the file system allows none.
fn link(from: &Path, to: &Path) -> io::Result<()> {
    let size = fs::metadata(from)?.len();
    match fs::metadata(to) {
        Ok(there) if there.len() == size => return Ok(()),
        Ok(_) => fs::remove_file(to)?,
        Err(e) if e.kind() == io::ErrorKind::NotFound => {}
        Err(e) => return Err(e),
    }
    match fs::hard_link(from, to) {
        Ok(()) => durable::sync_parent(to),
        Err(e) if matches!(e.kind(), io::ErrorKind::StorageFull | io::ErrorKind::NotFound) => Err(e),
        // No links on this file system, or too many of this file.
        Err(_) => {
            let mut temp = durable::temp_in(to.parent().unwrap_or(Path::new(".")))?;
            io::copy(&mut durable::open_regular(from)?, &mut temp)?;
            durable::persist(temp, to)
        }
    }
}
