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
