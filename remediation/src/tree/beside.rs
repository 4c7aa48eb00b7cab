//! Trees of layers out of a scan that reads them for something else: one layer, unpacked once.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, PoisonError,
        mpsc::{Receiver, sync_channel},
    },
    thread::JoinHandle,
};

use async_trait::async_trait;
use patchline_registry::Digest;
use patchline_scanner::{
    Distro, LayerFacts, Result as ScanResult,
    layers::{Beside, Claim},
    packages::os_release,
};

use super::{Flavour, LayerTree, image::blocking, pieces};
use crate::{Error, Result};

/// A tree on its way, and then as it is kept.
struct Reading {
    tree: Receiver<Arc<LayerTree>>,
    packed: JoinHandle<Result<Vec<u8>>>,
}

/// Told of a system that a layer names.
pub(crate) type Seen = Arc<dyn Fn(&Distro) + Send + Sync>;

/// Facts for a scan, which reads trees of the layers that it reads. For dpkg, which nearly all images are of; whose system
/// it is nobody knows yet.
pub struct TreesBeside {
    facts: Arc<dyn LayerFacts>,
    seen: Seen,
    reading: Mutex<HashMap<Digest, Reading>>,
    /// Until somebody takes them.
    read: Mutex<HashMap<Digest, Arc<LayerTree>>>,
}

/// Trees that are on their way to where they are kept.
#[must_use = "what nobody waits for may not be kept"]
pub struct Keeping(tokio::task::JoinHandle<Result<()>>);

impl Keeping {
    /// Waits until they are.
    ///
    /// # Errors
    /// Where they are kept, nothing could be written.
    pub async fn done(self) -> Result<()> {
        let source = match self.0.await {
            Ok(done) => return done,
            Err(error) => error.into(),
        };
        Err(Error::Io { operation: "keep the layers' trees".to_owned(), source })
    }
}

impl TreesBeside {
    /// Over what keeps both. `seen` is told which system a layer names while the rest of it is still being read: nobody
    /// has verified that, and a later layer may name another, so it is good for guesses alone.
    pub(crate) fn new(facts: Arc<dyn LayerFacts>, seen: Seen) -> Self {
        Self { facts, seen, reading: Mutex::default(), read: Mutex::default() }
    }

    /// Has the trees for a plan, and keeps them beside it. To be called once the scan is over and all is well: until then
    /// nobody has held the bytes against the layers' digests. A tree that could not be read is left out, and read again by
    /// who needs it.
    pub async fn keep(&self) -> Result<Keeping> {
        let reading = std::mem::take(&mut *self.reading.lock().unwrap_or_else(PoisonError::into_inner));
        let mut packed = Vec::new();
        for (layer, reading) in reading {
            let tree = blocking(move || Ok(reading.tree.recv().ok())).await?;
            if let Some(tree) = tree {
                self.read.lock().unwrap_or_else(PoisonError::into_inner).insert(layer.clone(), tree);
                packed.push((layer, reading.packed));
            }
        }
        let facts = self.facts.clone();
        Ok(Keeping(tokio::spawn(async move {
            for (layer, packed) in packed {
                let tree = blocking(move || Ok(packed.join().ok().and_then(Result::ok)));
                if let Some(tree) = tree.await? {
                    facts.put(&layer, Flavour::Dpkg.analyser(), &tree).await?;
                }
            }
            Ok(())
        })))
    }

    /// A layer's tree, once: what was read a moment ago needs not be unpacked from where it is kept.
    pub(super) fn take(&self, layer: &Digest) -> Option<Arc<LayerTree>> {
        self.read.lock().unwrap_or_else(PoisonError::into_inner).remove(layer)
    }
}

#[async_trait]
impl LayerFacts for TreesBeside {
    async fn get(&self, layer: &Digest, analysers: &str) -> ScanResult<Option<Vec<u8>>> {
        self.facts.get(layer, analysers).await
    }
    async fn put(&self, layer: &Digest, analysers: &str, facts: &[u8]) -> ScanResult<()> {
        self.facts.put(layer, analysers, facts).await
    }
    async fn claim(&self, layer: &Digest, analysers: &str) -> ScanResult<Claim> {
        self.facts.claim(layer, analysers).await
    }
    fn beside(&self, layer: &Digest) -> Option<Beside> {
        let (writer, reader) = pieces::pair();
        let failed = |source| Error::Io { operation: "read a layer beside a scan".to_owned(), source };
        let seen = self.seen.clone();
        let (give, tree) = sync_channel(1);
        let read = move || {
            let told = |path: &str, content: &[u8]| {
                if matches!(path, "etc/os-release" | "usr/lib/os-release")
                    && let Some(distro) = os_release::parse(&String::from_utf8_lossy(content))
                {
                    seen(&distro);
                }
            };
            let tree = LayerTree::read_telling(Flavour::Dpkg, &told, reader).map_err(failed)?;
            let tree = Arc::new(tree);
            // Who no longer waits for it wants it kept all the same.
            let _ = give.send(tree.clone());
            tree.encode()
        };
        let packed = std::thread::Builder::new().name("layer-tree".to_owned()).spawn(read).ok()?;
        self.reading
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(layer.clone(), Reading { tree, packed });
        Some(Box::new(writer))
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use patchline_scanner::layers::FactsFolder;

    use super::*;

    fn archive() -> Vec<u8> {
        let mut builder = tar::Builder::new(Vec::new());
        for (path, content) in
            [("usr/lib/os-release", "ID=debian\n"), ("var/lib/dpkg/status", "Package: x\n")]
        {
            let mut header = tar::Header::new_gnu();
            header.set_size(content.len() as u64);
            header.set_mode(0o644);
            header.set_uid(0);
            header.set_gid(0);
            header.set_mtime(0);
            builder.append_data(&mut header, path, content.as_bytes()).unwrap();
        }
        builder.into_inner().unwrap()
    }

    #[tokio::test]
    async fn what_a_scan_reads_is_a_plans_too_and_what_was_cut_off_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let facts: Arc<dyn LayerFacts> = Arc::new(FactsFolder::new(folder.path()));
        let (whole, cut) = (Digest::of(b"whole"), Digest::of(b"cut"));
        let heard = Arc::new(Mutex::new(Vec::new()));
        let hears = heard.clone();
        let seen = move |distro: &Distro| hears.lock().unwrap().push(distro.id.clone());
        let beside = TreesBeside::new(facts.clone(), Arc::new(seen));
        for (layer, bytes) in [(&whole, &archive()[..]), (&cut, &archive()[..1600])] {
            beside.beside(layer).unwrap().write_all(bytes).unwrap();
        }
        assert!(
            facts.get(&whole, Flavour::Dpkg.analyser()).await.unwrap().is_none(),
            "nobody has verified it"
        );
        let keeping = beside.keep().await.unwrap();
        let given = beside.take(&whole).unwrap();
        assert!(beside.take(&whole).is_none() && beside.take(&cut).is_none());
        keeping.done().await.unwrap();
        let kept = facts.get(&whole, Flavour::Dpkg.analyser()).await.unwrap().unwrap();
        let read = LayerTree::read(&whole, archive().as_slice()).unwrap();
        assert_eq!(LayerTree::decode(&kept).unwrap(), read);
        assert_eq!(*given, read);
        assert!(facts.get(&cut, Flavour::Dpkg.analyser()).await.unwrap().is_none());
        assert_eq!(*heard.lock().unwrap(), ["debian", "debian"], "the cut one was told of before its end");
        beside.keep().await.unwrap().done().await.unwrap();
    }
}
