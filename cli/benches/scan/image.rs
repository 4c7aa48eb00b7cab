//! Images as OCI layouts of gzipped layers, built once and kept.

use std::{
    fs::File,
    io::{self, Write},
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use patchline_registry::{Digest, model};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use crate::contents;

/// Lays a layer's files out in a folder, or writes its archive.
pub(crate) enum Made {
    Folder(fn(&Path)),
    Archive(fn(&Path)),
}

/// One layer: bookworm as small as mmdebstrap makes it.
pub(crate) fn small(folder: &Path) -> PathBuf {
    kept(folder, "small", &[("minbase", Made::Archive(contents::minbase))])
}

/// Five layers of together about 1.9 GB: a system, and four that no package manager of it knows.
pub(crate) fn big(folder: &Path) -> PathBuf {
    let layers = [
        ("system", Made::Archive(contents::system)),
        ("wheels", Made::Folder(contents::wheels)),
        ("modules", Made::Folder(contents::modules)),
        ("jars", Made::Folder(contents::jars)),
        ("programs", Made::Folder(contents::programs)),
    ];
    kept(folder, "big", &layers)
}

/// The layout of that name in the folder, which is built when it is not there.
pub(crate) fn kept(folder: &Path, name: &str, layers: &[(&str, Made)]) -> PathBuf {
    let layout = folder.join(name);
    if layout.join("index.json").exists() {
        return layout;
    }
    eprintln!("building {name}; it is kept in {}", folder.display());
    let blobs = layout.join("blobs/sha256");
    std::fs::create_dir_all(&blobs).unwrap();
    let mut described: Vec<Value> = Vec::new();
    let mut diff_ids: Vec<Value> = Vec::new();
    for (layer, made) in layers {
        // What is packed already is not built again when a later layer failed.
        let known = layout.join(format!("{layer}.json"));
        if !known.exists() {
            let archive = folder.join(format!("{layer}.tar"));
            if !archive.exists() {
                build(folder, &archive, made);
            }
            eprintln!("{layer}: {} bytes", archive.metadata().unwrap().len());
            std::fs::write(&known, pack(&archive, &blobs).to_string()).unwrap();
            std::fs::remove_file(archive).unwrap();
        }
        let layer: Value = serde_json::from_slice(&std::fs::read(known).unwrap()).unwrap();
        described.push(layer["descriptor"].clone());
        diff_ids.push(layer["diff_id"].clone());
    }
    let config = json!({
        "architecture": "amd64", "os": "linux", "config": {},
        "rootfs": {"type": "layers", "diff_ids": diff_ids},
    });
    let manifest = json!({
        "schemaVersion": 2, "mediaType": model::OCI_MANIFEST,
        "config": document(&blobs, model::OCI_CONFIG, &config), "layers": described,
    });
    let mut entry = document(&blobs, model::OCI_MANIFEST, &manifest);
    entry["annotations"] = json!({"org.opencontainers.image.ref.name": "latest"});
    entry["platform"] = json!({"architecture": "amd64", "os": "linux"});
    std::fs::write(layout.join("oci-layout"), r#"{"imageLayoutVersion": "1.0.0"}"#).unwrap();
    let index = json!({"schemaVersion": 2, "mediaType": model::OCI_INDEX, "manifests": [entry]});
    // Last: with it, the image is whole.
    std::fs::write(layout.join("index.json"), index.to_string()).unwrap();
    layout
}

fn build(folder: &Path, archive: &Path, made: &Made) {
    let part = archive.with_extension("part.tar");
    match made {
        Made::Archive(make) => make(&part),
        Made::Folder(fill) => {
            let root = tempfile::tempdir_in(folder).unwrap();
            fill(root.path());
            let mut command = Command::new("tar");
            command.args(["--sort=name", "--owner=0", "--group=0", "--numeric-owner", "-C"]).arg(root.path());
            contents::done(command.arg("-cf").arg(&part).arg("."));
        }
    }
    std::fs::rename(part, archive).unwrap();
}

/// As image builders do: gzip(1) at its usual level.
fn pack(archive: &Path, blobs: &Path) -> Value {
    let part = blobs.join("part");
    let status = Command::new("gzip")
        .args(["--no-name", "--stdout"])
        .arg(archive)
        .stdout(Stdio::from(File::create(&part).unwrap()))
        .status();
    assert!(status.unwrap().success());
    let (digest, diff_id) = (digest(&part), digest(archive));
    let size = part.metadata().unwrap().len();
    std::fs::rename(part, blobs.join(digest.hex())).unwrap();
    let descriptor = json!({"mediaType": model::OCI_LAYER_GZIP, "digest": digest, "size": size});
    json!({"descriptor": descriptor, "diff_id": diff_id})
}

fn digest(file: &Path) -> Digest {
    let mut hash = Hash(Sha256::new());
    io::copy(&mut File::open(file).unwrap(), &mut hash).unwrap();
    Digest::from_sha256(&hash.0.finalize())
}

struct Hash(Sha256);
impl Write for Hash {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.update(bytes);
        Ok(bytes.len())
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn document(blobs: &Path, media_type: &str, document: &Value) -> Value {
    let bytes = document.to_string();
    let digest = Digest::of(bytes.as_bytes());
    std::fs::write(blobs.join(digest.hex()), &bytes).unwrap();
    json!({"mediaType": media_type, "digest": digest, "size": bytes.len()})
}
