//! Small images to push about.

use std::io::Write;

use bytes::Bytes;
use patchline_registry::{
    BlobContent, Descriptor, Digest, Index, Manifest, Platform, RawManifest, Repository,
    model::{OCI_CONFIG, OCI_INDEX, OCI_LAYER_GZIP, OCI_MANIFEST},
};
use tokio::io::AsyncReadExt;

pub(crate) struct Image {
    pub(crate) blobs: Vec<(Descriptor, Bytes)>,
    pub(crate) manifest: RawManifest,
}

pub(crate) fn descriptor(media_type: &str, bytes: &[u8]) -> Descriptor {
    Descriptor {
        media_type: media_type.to_owned(),
        digest: Digest::of(bytes),
        size: bytes.len() as u64,
        platform: None,
        artifact_type: None,
        annotations: Default::default(),
    }
}

/// An image of two layers that no other seed gives.
pub(crate) fn image(seed: &str) -> Image {
    referring(seed, None)
}

/// The same, referring to a subject.
pub(crate) fn referring(seed: &str, subject: Option<Descriptor>) -> Image {
    let mut blobs = Vec::new();
    let mut diff_ids = Vec::new();
    for layer in ["lower", "upper"] {
        // Two empty blocks end an archive: an empty tar, made unique by what follows.
        let mut tar = vec![0; 1024];
        tar.extend(format!("{seed} {layer} ").repeat(3000).into_bytes());
        diff_ids.push(Digest::of(&tar));
        let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        gzip.write_all(&tar).unwrap();
        let bytes = Bytes::from(gzip.finish().unwrap());
        blobs.push((descriptor(OCI_LAYER_GZIP, &bytes), bytes));
    }
    let config = serde_json::json!({
        "architecture": "amd64", "os": "linux", "author": seed,
        "config": {}, "rootfs": { "type": "layers", "diff_ids": diff_ids },
    });
    let config = Bytes::from(config.to_string());
    let layers = blobs.iter().map(|(d, _)| d.clone()).collect();
    let manifest = Manifest {
        schema_version: 2,
        media_type: Some(OCI_MANIFEST.to_owned()),
        artifact_type: subject.as_ref().map(|_| "application/x-test".to_owned()),
        config: descriptor(OCI_CONFIG, &config),
        layers,
        subject,
        annotations: Default::default(),
    };
    blobs.push((manifest.config.clone(), config));
    let manifest = RawManifest::new(OCI_MANIFEST, serde_json::to_vec(&manifest).unwrap());
    Image { blobs, manifest }
}

pub(crate) fn index_of(images: &[&Image]) -> RawManifest {
    let manifests = ["amd64", "arm64"].iter().zip(images).map(|(architecture, image)| {
        let platform =
            Platform { architecture: (*architecture).to_owned(), os: "linux".to_owned(), variant: None };
        Descriptor { platform: Some(platform), ..image.manifest.descriptor() }
    });
    let index = Index {
        schema_version: 2,
        media_type: Some(OCI_INDEX.to_owned()),
        artifact_type: None,
        manifests: manifests.collect(),
        subject: None,
        annotations: Default::default(),
    };
    RawManifest::new(OCI_INDEX, serde_json::to_vec(&index).unwrap())
}

pub(crate) async fn push(repository: &dyn Repository, reference: &str, image: &Image) {
    for (descriptor, bytes) in &image.blobs {
        repository.push_blob(descriptor, BlobContent::Bytes(bytes.clone())).await.unwrap();
    }
    repository.push_manifest(reference, &image.manifest).await.unwrap();
}

pub(crate) async fn read(repository: &dyn Repository, blob: &Descriptor) -> Vec<u8> {
    let mut bytes = Vec::new();
    repository.blob(blob).await.unwrap().read_to_end(&mut bytes).await.unwrap();
    bytes
}
