//! Scans beside each other over one folder of facts, each with files of its own open, as processes have them.

use std::{
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use async_trait::async_trait;
use patchline_registry::Digest;
use patchline_scanner::{
    LayerFacts, NoFacts, Result,
    layers::{Claim, FactsFolder, OneReader},
};

use crate::support::{Image, Tar, debian};

/// Counts the layers that were read: each is kept once.
struct Counted<F> {
    facts: F,
    read: Arc<AtomicUsize>,
}

#[async_trait]
impl<F: LayerFacts> LayerFacts for Counted<F> {
    async fn get(&self, layer: &Digest, analysers: &str) -> Result<Option<Vec<u8>>> {
        self.facts.get(layer, analysers).await
    }
    async fn put(&self, layer: &Digest, analysers: &str, facts: &[u8]) -> Result<()> {
        self.read.fetch_add(1, Ordering::SeqCst);
        self.facts.put(layer, analysers, facts).await
    }
    async fn claim(&self, layer: &Digest, analysers: &str) -> Result<Claim> {
        self.facts.claim(layer, analysers).await
    }
}

const SCANS: usize = 10;

/// A base and three layers over it.
async fn image() -> Image {
    let application = |n: usize| {
        let path = format!("srv/node_modules/p{n}/package.json");
        Tar::new().file(&path, format!(r#"{{"name": "p{n}", "version": "1.0.{n}"}}"#)).gzip()
    };
    Image::new(&[debian(&[("a", "1"), ("b", "2")]).gzip(), application(1), application(2), application(3)])
        .await
}

async fn all_at_once(image: &Image, of: impl Fn() -> Arc<dyn LayerFacts>) {
    let scan = |facts| patchline_scanner::inventory(image.repository.as_ref(), &image.manifest, facts);
    let expected = scan(Arc::new(NoFacts)).await.expect("a scan alone");
    let all = futures::future::join_all((0..SCANS).map(|_| scan(of()))).await;
    for inventory in all {
        assert_eq!(inventory.expect("a scan beside others"), expected);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn ten_scans_over_one_folder_read_each_layer_once() {
    let (image, folder, read) =
        (image().await, tempfile::tempdir().expect("folder"), Arc::new(AtomicUsize::new(0)));
    let open = |folder: &Path| Counted { facts: FactsFolder::new(folder), read: read.clone() };
    all_at_once(&image, || Arc::new(open(folder.path()))).await;
    assert_eq!(read.load(Ordering::SeqCst), 4);
}

#[tokio::test(flavor = "multi_thread")]
async fn ten_scans_of_one_server_read_each_layer_once() {
    let (image, folder, read) =
        (image().await, tempfile::tempdir().expect("folder"), Arc::new(AtomicUsize::new(0)));
    let counted = Counted { facts: FactsFolder::new(folder.path()), read: read.clone() };
    let shared: Arc<dyn LayerFacts> = Arc::new(OneReader::new(Arc::new(counted)));
    all_at_once(&image, || shared.clone()).await;
    assert_eq!(read.load(Ordering::SeqCst), 4);
}
