//! Images made on the spot: layers from entries, pushed into an OCI layout.

use std::{io::Write, sync::Arc};

use patchline_registry::{BlobContent, Descriptor, Digest, RawManifest, Repository, layout, model};

/// A tar archive in the making.
pub(crate) struct Tar(tar::Builder<Vec<u8>>);

impl Tar {
    pub(crate) fn new() -> Self {
        Self(tar::Builder::new(Vec::new()))
    }
    fn header(kind: tar::EntryType, size: u64) -> tar::Header {
        let mut header = tar::Header::new_gnu();
        header.set_entry_type(kind);
        header.set_mode(0o644);
        header.set_size(size);
        header
    }
    pub(crate) fn file(mut self, path: &str, content: impl AsRef<[u8]>) -> Self {
        let content = content.as_ref();
        let mut header = Self::header(tar::EntryType::Regular, content.len() as u64);
        self.0.append_data(&mut header, path, content).expect("file");
        self
    }
    pub(crate) fn whiteout(self, path: &str) -> Self {
        self.file(path, "")
    }
    pub(crate) fn directory(mut self, path: &str) -> Self {
        let mut header = Self::header(tar::EntryType::Directory, 0);
        self.0.append_data(&mut header, path, std::io::empty()).expect("directory");
        self
    }
    pub(crate) fn link(mut self, kind: tar::EntryType, path: &str, target: &str) -> Self {
        let mut header = Self::header(kind, 0);
        self.0.append_link(&mut header, path, target).expect("link");
        self
    }
    /// A header as given: what no builder would write.
    pub(crate) fn raw(mut self, kind: tar::EntryType, path: &[u8], size: u64, content: &[u8]) -> Self {
        let mut header = Self::header(kind, size);
        header.as_old_mut().name[..path.len()].copy_from_slice(path);
        header.set_cksum();
        let out = self.0.get_mut();
        out.write_all(header.as_bytes()).expect("header");
        out.write_all(content).expect("content");
        out.write_all(&vec![0; content.len().next_multiple_of(512) - content.len()]).expect("padding");
        self
    }
    pub(crate) fn bytes(self) -> Vec<u8> {
        self.0.into_inner().expect("archive")
    }
    pub(crate) fn gzip(self) -> Layer {
        Layer::gzip(&self.bytes())
    }
    pub(crate) fn zstd(self) -> Layer {
        let tar = self.bytes();
        let bytes = zstd::encode_all(tar.as_slice(), 1).expect("zstd");
        Layer { media_type: model::OCI_LAYER_ZSTD, bytes, diff_id: Digest::of(&tar) }
    }
    pub(crate) fn plain(self) -> Layer {
        let bytes = self.bytes();
        Layer { media_type: model::OCI_LAYER_TAR, diff_id: Digest::of(&bytes), bytes }
    }
}

/// A blob and what it should decompress to.
#[derive(Clone)]
pub(crate) struct Layer {
    pub(crate) media_type: &'static str,
    pub(crate) bytes: Vec<u8>,
    pub(crate) diff_id: Digest,
}

impl Layer {
    pub(crate) fn gzip(tar: &[u8]) -> Self {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(tar).expect("gzip");
        let bytes = encoder.finish().expect("gzip");
        Self { media_type: model::OCI_LAYER_GZIP, bytes, diff_id: Digest::of(tar) }
    }
    pub(crate) fn digest(&self) -> Digest {
        Digest::of(&self.bytes)
    }
}

/// An image in a layout of its own.
pub(crate) struct Image {
    pub(crate) folder: tempfile::TempDir,
    pub(crate) repository: Arc<dyn Repository>,
    pub(crate) manifest: Digest,
}

impl Image {
    pub(crate) async fn new(layers: &[Layer]) -> Self {
        let diff_ids: Vec<_> = layers.iter().map(|l| l.diff_id.clone()).collect();
        Self::with_config(
            layers,
            serde_json::json!({"architecture": "amd64", "os": "linux", "rootfs": {"type": "layers", "diff_ids": diff_ids}}),
        )
        .await
    }
    pub(crate) async fn with_config(layers: &[Layer], config: serde_json::Value) -> Self {
        let folder = tempfile::tempdir().expect("folder");
        let repository = layout::open(folder.path(), true).expect("layout");
        let mut descriptors = Vec::new();
        for layer in layers {
            descriptors.push(push(repository.as_ref(), layer.media_type, layer.bytes.clone()).await);
        }
        let config = serde_json::to_vec(&config).expect("json");
        let config = push(repository.as_ref(), model::OCI_CONFIG, config).await;
        let manifest = serde_json::json!({
            "schemaVersion": 2, "mediaType": model::OCI_MANIFEST, "config": config, "layers": descriptors});
        let raw = RawManifest::new(model::OCI_MANIFEST, serde_json::to_vec(&manifest).expect("json"));
        repository.push_manifest("test", &raw).await.expect("manifest");
        Self { folder, repository, manifest: raw.digest }
    }
    pub(crate) async fn inventory(&self) -> patchline_scanner::Result<patchline_scanner::Inventory> {
        self.inventory_with(Arc::new(patchline_scanner::NoFacts)).await
    }
    pub(crate) async fn inventory_with(
        &self,
        facts: Arc<dyn patchline_scanner::LayerFacts>,
    ) -> patchline_scanner::Result<patchline_scanner::Inventory> {
        patchline_scanner::inventory(self.repository.as_ref(), &self.manifest, facts).await
    }
    pub(crate) fn blob_path(&self, digest: &Digest) -> std::path::PathBuf {
        self.folder.path().join("blobs/sha256").join(digest.hex())
    }
}

pub(crate) async fn push(repository: &dyn Repository, media_type: &str, bytes: Vec<u8>) -> Descriptor {
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

pub(crate) const OS_RELEASE: &str = "PRETTY_NAME=\"Debian GNU/Linux 12 (bookworm)\"\nVERSION_ID=\"12\"\nVERSION_CODENAME=bookworm\nID=debian\n";

/// A status database of `name version` pairs.
pub(crate) fn status(packages: &[(&str, &str)]) -> String {
    packages
        .iter()
        .map(|(name, version)| {
            format!(
                "Package: {name}\nStatus: install ok installed\nArchitecture: amd64\nVersion: {version}\n\n"
            )
        })
        .collect()
}

/// A base layer with Debian 12 and these packages.
pub(crate) fn debian(packages: &[(&str, &str)]) -> Tar {
    Tar::new()
        .file("./usr/lib/os-release", OS_RELEASE)
        .link(tar::EntryType::Symlink, "etc/os-release", "../usr/lib/os-release")
        .file("var/lib/dpkg/status", status(packages))
}
