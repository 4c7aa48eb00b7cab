//! Images as a whole, and folders in their place.

use std::{
    fs,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use patchline_registry::{BlobContent, Descriptor, Digest, RawManifest, Repository, layout, model};
use serde_json::json;

use super::{
    Row,
    layers::{Item::File, tar},
    row, wait,
};
use crate::{LayerFacts, NoFacts, Result, inventory, rootfs};

async fn push(repository: &dyn Repository, media_type: &str, bytes: Vec<u8>) -> Descriptor {
    let descriptor = Descriptor {
        media_type: media_type.to_owned(),
        digest: Digest::of(&bytes),
        size: bytes.len() as u64,
        platform: None,
        artifact_type: None,
        annotations: Default::default(),
    };
    repository.push_blob(&descriptor, BlobContent::Bytes(bytes.into())).await.expect("blob");
    descriptor
}

/// What a scan says of an image of these blobs, each with its diff_id.
pub(super) fn scanned(layers: &[(Vec<u8>, Digest)]) -> String {
    scanned_with(layers, Arc::new(NoFacts))
}

fn scanned_with(layers: &[(Vec<u8>, Digest)], facts: Arc<dyn LayerFacts>) -> String {
    wait(async {
        let folder = tempfile::tempdir().expect("folder");
        let repository = layout::open(folder.path(), true).expect("layout");
        let mut blobs = Vec::new();
        for (bytes, _) in layers {
            blobs.push(push(repository.as_ref(), model::OCI_LAYER_GZIP, bytes.clone()).await);
        }
        let diff_ids: Vec<_> = layers.iter().map(|(_, diff_id)| diff_id).collect();
        let config = json!({"architecture": "amd64", "os": "linux", "rootfs": {"diff_ids": diff_ids}});
        let config = push(repository.as_ref(), model::OCI_CONFIG, config.to_string().into_bytes()).await;
        let manifest =
            json!({"schemaVersion": 2, "mediaType": model::OCI_MANIFEST, "config": config, "layers": blobs});
        let raw = RawManifest::new(model::OCI_MANIFEST, manifest.to_string().into_bytes());
        repository.push_manifest("test", &raw).await.expect("manifest");
        let inventory = inventory(repository.as_ref(), &raw.digest, facts).await;
        inventory.map_or_else(|error| error.to_string(), |found| format!("{found:?}"))
    })
}

/// Plain archives: what is packed is told by the first bytes.
fn layers(count: usize) -> Vec<(Vec<u8>, Digest)> {
    let layer = |n: usize| {
        let bytes = tar(&[File(&format!("file-{n}"), b"content")]);
        (bytes.clone(), Digest::of(&bytes))
    };
    (0..count).map(layer).collect()
}

/// Remembers nothing but how many layers were asked for at once.
#[derive(Default)]
struct Crowd {
    now: AtomicUsize,
    most: AtomicUsize,
}

#[async_trait::async_trait]
impl LayerFacts for Crowd {
    async fn get(&self, _: &Digest, _: &str) -> Result<Option<Vec<u8>>> {
        let now = self.now.fetch_add(1, Ordering::SeqCst) + 1;
        self.most.fetch_max(now, Ordering::SeqCst);
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        self.now.fetch_sub(1, Ordering::SeqCst);
        Ok(None)
    }
    async fn put(&self, _: &Digest, _: &str, _: &[u8]) -> Result<()> {
        Ok(())
    }
}

fn crowd() -> String {
    let crowd = Arc::new(Crowd::default());
    scanned_with(&layers(4), crowd.clone());
    format!("at-once={};", crowd.most.load(Ordering::SeqCst))
}

/// What is said of a folder with a file and a folder in a folder.
fn folder() -> String {
    let root = tempfile::tempdir().expect("folder");
    for path in ["app/node_modules/first", "app/node_modules/second"] {
        fs::create_dir_all(root.path().join(path)).expect("folder");
        let content =
            format!("{{\"name\": \"{}\", \"version\": \"1.0.0\"}}", path.rsplit('/').next().expect("a name"));
        fs::write(root.path().join(path).join("package.json"), content).expect("file");
    }
    let inventory = wait(rootfs(root.path())).expect("an inventory");
    format!("notes={}; {:?} {:?}", inventory.incomplete.len(), inventory.incomplete, inventory.packages)
}

pub(super) fn rows() -> Vec<Row> {
    vec![
        row(("image", "at-once"), 1, "at-once=1;", crowd),
        row(("image", "layers"), 2, "the number of layers", || scanned(&layers(3))),
        row(("image", "config"), 10, "the size of an image configuration", || scanned(&layers(1))),
        row(("rootfs", "entries"), 3, "there are more than 3 files", folder),
        row(("rootfs", "depth"), 2, "folders deeper than 2", folder),
        row(("rootfs", "path"), 10, "its path is too long", folder),
        row(("rootfs", "read"), 20, "too much was read", folder),
        Row { beside: &[("rootfs", "path", 18)], ..row(("rootfs", "notes"), 1, "more", folder) },
    ]
}
