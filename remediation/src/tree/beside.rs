//! Trees of layers out of a scan that reads them for something else: one layer, unpacked once.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    thread::JoinHandle,
};

use async_trait::async_trait;
use patchline_registry::Digest;
use patchline_scanner::{
    LayerFacts, Result as ScanResult,
    layers::{Beside, Claim},
};

use super::{Flavour, LayerTree, image::blocking, pieces};
use crate::{Error, Result};

/// Of a tree as it is kept.
type Reading = JoinHandle<Result<Vec<u8>>>;

/// Facts for a scan, which reads trees of the layers that it reads. For dpkg, which nearly all images are of; whose system
/// it is nobody knows yet.
pub struct TreesBeside {
    facts: Arc<dyn LayerFacts>,
    reading: Mutex<HashMap<Digest, Reading>>,
}

impl TreesBeside {
    /// Over what keeps both.
    pub fn new(facts: Arc<dyn LayerFacts>) -> Self {
        Self { facts, reading: Mutex::default() }
    }

    /// Keeps the trees that were read. To be called once the scan is over and all is well: until then nobody has held the
    /// bytes against the layers' digests. A tree that could not be read is left out, and read again by who needs it.
    pub async fn keep(&self) -> Result<()> {
        let reading = std::mem::take(&mut *self.reading.lock().unwrap_or_else(PoisonError::into_inner));
        for (layer, reading) in reading {
            let tree = blocking(move || Ok(reading.join().ok().and_then(Result::ok)));
            if let Some(tree) = tree.await? {
                self.facts.put(&layer, Flavour::Dpkg.analyser(), &tree).await?;
            }
        }
        Ok(())
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
        let read = move || LayerTree::read_written(Flavour::Dpkg, None, reader).map_err(failed)?.encode();
        let thread = std::thread::Builder::new().name("layer-tree".to_owned()).spawn(read).ok()?;
        self.reading.lock().unwrap_or_else(PoisonError::into_inner).insert(layer.clone(), thread);
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
        let mut header = tar::Header::new_gnu();
        header.set_size(11);
        header.set_mode(0o644);
        header.set_uid(0);
        header.set_gid(0);
        header.set_mtime(0);
        builder.append_data(&mut header, "var/lib/dpkg/status", b"Package: x\n".as_slice()).unwrap();
        builder.into_inner().unwrap()
    }

    #[tokio::test]
    async fn what_a_scan_reads_is_a_plans_too_and_what_was_cut_off_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let facts: Arc<dyn LayerFacts> = Arc::new(FactsFolder::new(folder.path()));
        let (whole, cut) = (Digest::of(b"whole"), Digest::of(b"cut"));
        let beside = TreesBeside::new(facts.clone());
        for (layer, bytes) in [(&whole, &archive()[..]), (&cut, &archive()[..600])] {
            beside.beside(layer).unwrap().write_all(bytes).unwrap();
        }
        assert!(
            facts.get(&whole, Flavour::Dpkg.analyser()).await.unwrap().is_none(),
            "nobody has verified it"
        );
        beside.keep().await.unwrap();
        let kept = facts.get(&whole, Flavour::Dpkg.analyser()).await.unwrap().unwrap();
        let read = LayerTree::read(&whole, archive().as_slice()).unwrap();
        assert_eq!(LayerTree::decode(&kept).unwrap(), read);
        assert!(facts.get(&cut, Flavour::Dpkg.analyser()).await.unwrap().is_none());
        beside.keep().await.unwrap();
    }
}
