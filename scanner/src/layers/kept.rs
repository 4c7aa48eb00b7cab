//! Facts as files of a folder, for processes that share it and no database: one reads a layer, all know it.

use std::{
    fs::{self, File, TryLockError},
    io::{self, Read as _, Write as _},
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
    time::{Duration, SystemTime},
};

use async_trait::async_trait;
use patchline_registry::Digest;

use super::claims::Claim;
use crate::{Error, LayerFacts, Result, limits};

/// How long a process waits until it asks again whether another has read the layer.
const ASKED_AGAIN: Duration = Duration::from_millis(20);
/// What is left when it had more, in hundredths.
const LEFT: u64 = 75;
/// Written by a process that died: nobody writes for so long.
const ABANDONED: Duration = Duration::from_secs(3600);

/// `<folder>/<first two digits>/<layer>-<analysers>`; beside it, while it is read, a file that is locked (flock(2)).
pub struct FactsFolder {
    folder: PathBuf,
}

impl FactsFolder {
    /// Facts in a folder, which is made when the first are kept.
    pub fn new(folder: impl Into<PathBuf>) -> Self {
        Self { folder: folder.into() }
    }

    fn path(&self, layer: &Digest, analysers: &str) -> PathBuf {
        let of = Digest::of(analysers.as_bytes());
        self.folder.join(&layer.hex()[..2]).join(format!("{}-{}", layer.hex(), &of.hex()[..16]))
    }
}

#[async_trait]
impl LayerFacts for FactsFolder {
    async fn get(&self, layer: &Digest, analysers: &str) -> Result<Option<Vec<u8>>> {
        let path = self.path(layer, analysers);
        blocking("read the facts of a layer", move || read(&path)).await
    }

    async fn put(&self, layer: &Digest, analysers: &str, facts: &[u8]) -> Result<()> {
        let (path, folder, facts) = (self.path(layer, analysers), self.folder.clone(), facts.to_vec());
        blocking("keep the facts of a layer", move || {
            write(&path, &facts)?;
            sweep(&folder, limits::facts().folder)
        })
        .await
    }

    async fn claim(&self, layer: &Digest, analysers: &str) -> Result<Claim> {
        let path = self.path(layer, analysers).with_extension("reading");
        loop {
            let wanted = path.clone();
            if let Some(held) = blocking("claim a layer", move || hold(&wanted)).await? {
                return Ok(Claim::held(held));
            }
            tokio::time::sleep(ASKED_AGAIN).await;
        }
    }
}

async fn blocking<T: Send + 'static>(
    operation: &str,
    work: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> Result<T> {
    let done = tokio::task::spawn_blocking(work).await.unwrap_or_else(|lost| Err(io::Error::other(lost)));
    done.map_err(|source| Error::Io { operation: operation.to_owned(), source })
}

/// The bytes, and that they are those which were written, before them.
#[expect(
    clippy::disallowed_methods,
    reason = "a file's own time, by which files are put in order and nothing is decided"
)]
fn read(path: &Path) -> io::Result<Option<Vec<u8>>> {
    let mut file = match File::open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        other => other?,
    };
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes)?;
    // Whose time is the oldest goes first. A folder that may only be read is of use all the same.
    drop(file.set_modified(SystemTime::now()));
    let Some((sum, facts)) = bytes.split_at_checked(SUM) else { return Ok(None) };
    Ok((sum == check(facts)).then(|| facts.to_vec()))
}

/// Bytes of the check.
const SUM: usize = 8;

fn check(facts: &[u8]) -> [u8; SUM] {
    let mut sum = [0; SUM];
    let digest = Digest::of(facts);
    sum.copy_from_slice(&digest.hex().as_bytes()[..SUM]);
    sum
}

/// Whole or not at all; what a power cut takes is read again.
fn write(path: &Path, facts: &[u8]) -> io::Result<()> {
    let folder = path.parent().unwrap_or(Path::new("."));
    fs::create_dir_all(folder)?;
    let mut file = tempfile::Builder::new().prefix(".part-").tempfile_in(folder)?;
    file.write_all(&check(facts))?;
    file.write_all(facts)?;
    file.persist(path)?;
    Ok(())
}

/// A locked file, removed when it is let go.
struct Held {
    path: PathBuf,
    _file: File,
}

impl Drop for Held {
    fn drop(&mut self) {
        // Before it is unlocked; if it stays, it is a name and nothing more.
        drop(fs::remove_file(&self.path));
    }
}

/// None: somebody else has it.
fn hold(path: &Path) -> io::Result<Option<Held>> {
    fs::create_dir_all(path.parent().unwrap_or(Path::new(".")))?;
    let file = File::options().create(true).truncate(false).write(true).open(path)?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => return Ok(None),
        Err(TryLockError::Error(error)) => return Err(error),
    }
    // Who had it before may have removed what we opened: then somebody else may have made it anew.
    let same = fs::metadata(path).is_ok_and(|now| file.metadata().is_ok_and(|ours| ours.ino() == now.ino()));
    Ok(same.then(|| Held { path: path.to_owned(), _file: file }))
}

/// Removes the facts that were asked for the longest ago, once there are too many.
fn sweep(folder: &Path, most: u64) -> io::Result<()> {
    let mut all = Vec::new();
    for part in fs::read_dir(folder)? {
        let part = part?.path();
        // Another process sweeps, too: what is gone is gone.
        for file in fs::read_dir(part).into_iter().flatten().flatten() {
            let Ok(metadata) = file.metadata() else { continue };
            let used = metadata.modified()?;
            let part = file.file_name().as_encoded_bytes().starts_with(b".part-");
            if part && used.elapsed().is_ok_and(|age| age > ABANDONED) {
                drop(fs::remove_file(file.path()));
            } else {
                all.push((used, metadata.len(), file.path()));
            }
        }
    }
    let mut sum: u64 = all.iter().map(|(_, size, _)| size).sum();
    if sum <= most {
        return Ok(());
    }
    all.sort();
    for (_, size, path) in all {
        if sum <= most / 100 * LEFT {
            break;
        }
        if path.extension().is_none() && fs::remove_file(path).is_ok() {
            sum -= size;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn layer(n: u8) -> Digest {
        Digest::of(&[n])
    }

    #[tokio::test]
    async fn what_is_kept_is_found_by_layer_and_analysers() {
        let folder = tempfile::tempdir().unwrap();
        let facts = FactsFolder::new(folder.path().join("facts"));
        assert_eq!(facts.get(&layer(1), "a/1").await.unwrap(), None);
        facts.put(&layer(1), "a/1", b"facts").await.unwrap();
        assert_eq!(facts.get(&layer(1), "a/1").await.unwrap().as_deref(), Some(b"facts".as_slice()));
        assert_eq!(facts.get(&layer(1), "a/2").await.unwrap(), None);
        assert_eq!(facts.get(&layer(2), "a/1").await.unwrap(), None);
    }

    #[tokio::test]
    async fn what_has_rotted_is_not_known() {
        let folder = tempfile::tempdir().unwrap();
        let facts = FactsFolder::new(folder.path());
        facts.put(&layer(1), "a/1", b"facts").await.unwrap();
        let path = facts.path(&layer(1), "a/1");
        let whole = fs::read(&path).unwrap();
        for broken in [&whole[..3], &whole[..whole.len() - 1], b"01234567facts"] {
            fs::write(&path, broken).unwrap();
            assert_eq!(facts.get(&layer(1), "a/1").await.unwrap(), None);
        }
    }

    #[tokio::test]
    async fn one_process_reads_and_the_others_wait() {
        let folder = tempfile::tempdir().unwrap();
        // Each opens files of its own, as processes do.
        let open = || FactsFolder::new(folder.path());
        let reads = std::sync::atomic::AtomicUsize::new(0);
        let scan = || async {
            let facts = open();
            let _claim = facts.claim(&layer(1), "a/1").await.unwrap();
            if facts.get(&layer(1), "a/1").await.unwrap().is_none() {
                reads.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
                tokio::time::sleep(Duration::from_millis(50)).await;
                facts.put(&layer(1), "a/1", b"facts").await.unwrap();
            }
        };
        futures::future::join_all((0..10).map(|_| scan())).await;
        assert_eq!(reads.into_inner(), 1);
        let left: Vec<_> = fs::read_dir(folder.path().join(&layer(1).hex()[..2])).unwrap().collect();
        assert_eq!(left.len(), 1, "{left:?}");
    }

    #[test]
    fn the_longest_unused_goes_first() {
        let folder = tempfile::tempdir().unwrap();
        let facts = FactsFolder::new(folder.path());
        for n in 0..8 {
            let path = facts.path(&layer(n), "a/1");
            write(&path, &[n; 92]).unwrap();
            let at = SystemTime::UNIX_EPOCH + Duration::from_secs(1000 + u64::from(n));
            File::options().write(true).open(path).unwrap().set_modified(at).unwrap();
        }
        sweep(folder.path(), 800).unwrap();
        assert!((0..8).all(|n| facts.path(&layer(n), "a/1").exists()), "800 bytes are not too many");
        sweep(folder.path(), 700).unwrap();
        let left: Vec<u8> = (0..8).filter(|n| facts.path(&layer(*n), "a/1").exists()).collect();
        assert_eq!(left, [3, 4, 5, 6, 7]);
    }
}
