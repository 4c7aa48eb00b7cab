//! Images for tests: OCI layouts made from trees and tars, and looked into.

use std::{
    fs,
    io::Write as _,
    path::{Path, PathBuf},
    process::Command,
};

use flate2::{Compression, write::GzEncoder};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use crate::machine::run;

/// `sha256:…` of bytes.
pub fn digest(bytes: &[u8]) -> String {
    format!("sha256:{}", hex::encode(Sha256::digest(bytes)))
}

/// OCI image-layout, "index.json file": where a name stands.
const REF_NAME: &str = "org.opencontainers.image.ref.name";

/// An OCI layout directory in the making.
pub struct Layout {
    /// The folder.
    pub dir: PathBuf,
}

impl Layout {
    /// Makes an empty one.
    pub fn create(dir: &Path) -> Self {
        fs::create_dir_all(dir.join("blobs/sha256")).unwrap();
        fs::write(dir.join("oci-layout"), r#"{"imageLayoutVersion":"1.0.0"}"#).unwrap();
        Self { dir: dir.to_owned() }
    }
    /// Opens one that `skopeo copy` wrote.
    pub fn open(dir: &Path) -> Self {
        assert!(dir.join("index.json").is_file(), "{} is no OCI layout", dir.display());
        Self { dir: dir.to_owned() }
    }
    /// Adds a blob and gives its descriptor.
    pub fn add(&self, media_type: &str, bytes: &[u8]) -> Value {
        let digest = digest(bytes);
        fs::write(self.dir.join("blobs/sha256").join(&digest[7..]), bytes).unwrap();
        json!({"mediaType": media_type, "digest": digest, "size": bytes.len()})
    }
    /// A blob's bytes.
    pub fn blob(&self, digest: &str) -> Vec<u8> {
        fs::read(self.dir.join("blobs/sha256").join(&digest[7..])).unwrap()
    }
    /// Writes an image of these uncompressed layer tars under a tag; gives the manifest's digest.
    pub fn image(&self, tag: &str, tars: &[Vec<u8>]) -> String {
        self.image_of(tag, tars, "")
    }
    /// The same with a user.
    pub fn image_of(&self, tag: &str, tars: &[Vec<u8>], user: &str) -> String {
        let mut layers = Vec::new();
        let mut diff_ids = Vec::new();
        for tar in tars {
            let mut gzip = GzEncoder::new(Vec::new(), Compression::fast());
            gzip.write_all(tar).unwrap();
            layers.push(self.add("application/vnd.oci.image.layer.v1.tar+gzip", &gzip.finish().unwrap()));
            diff_ids.push(digest(tar));
        }
        let mut config = json!({
            "architecture": "amd64", "os": "linux", "created": "2024-01-01T00:00:00Z",
            "config": {"Env": ["PATH=/usr/sbin:/usr/bin:/sbin:/bin"], "Cmd": ["bash"], "Labels": {"team": "web"}},
            "rootfs": {"type": "layers", "diff_ids": diff_ids},
            "history": diff_ids.iter().map(|_| json!({"created_by": "test"})).collect::<Vec<_>>(),
        });
        if !user.is_empty() {
            config["config"]["User"] = json!(user);
        }
        let config =
            self.add("application/vnd.oci.image.config.v1+json", &serde_json::to_vec(&config).unwrap());
        let manifest = json!({
            "schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json",
            "config": config, "layers": layers,
        });
        let entry =
            self.add("application/vnd.oci.image.manifest.v1+json", &serde_json::to_vec(&manifest).unwrap());
        self.name(tag, entry)
    }
    /// Writes an index over the images of these tags under a tag of its own; gives its digest.
    pub fn index(&self, tag: &str, platforms: &[(&str, &str)]) -> String {
        let named = self.entries();
        let entry = |(tag, architecture): &(&str, &str)| {
            let found = named.iter().find(|e| e["annotations"][REF_NAME] == *tag).unwrap();
            json!({
                "mediaType": found["mediaType"], "digest": found["digest"], "size": found["size"],
                "platform": {"os": "linux", "architecture": architecture},
            })
        };
        let media_type = "application/vnd.oci.image.index.v1+json";
        let manifests: Vec<Value> = platforms.iter().map(entry).collect();
        let index = json!({"schemaVersion": 2, "mediaType": media_type, "manifests": manifests});
        let entry = self.add(media_type, &serde_json::to_vec(&index).unwrap());
        self.name(tag, entry)
    }
    /// Puts a name on what is there.
    fn name(&self, tag: &str, mut entry: Value) -> String {
        entry["annotations"] = json!({REF_NAME: tag});
        let mut manifests = self.entries();
        manifests.push(entry.clone());
        let index = json!({"schemaVersion": 2, "manifests": manifests});
        fs::write(self.dir.join("index.json"), serde_json::to_vec(&index).unwrap()).unwrap();
        entry["digest"].as_str().unwrap().to_owned()
    }
    fn entries(&self) -> Vec<Value> {
        let Ok(bytes) = fs::read(self.dir.join("index.json")) else { return Vec::new() };
        let index: Value = serde_json::from_slice(&bytes).unwrap();
        index["manifests"].as_array().unwrap().clone()
    }
    /// The manifest of the only image.
    pub fn manifest(&self) -> Value {
        let index: Value = serde_json::from_slice(&fs::read(self.dir.join("index.json")).unwrap()).unwrap();
        let images = index["manifests"].as_array().unwrap();
        assert_eq!(images.len(), 1, "one image is expected");
        serde_json::from_slice(&self.blob(images[0]["digest"].as_str().unwrap())).unwrap()
    }
    /// Digests of the layers, lowest first.
    pub fn layers(&self) -> Vec<String> {
        let manifest = self.manifest();
        manifest["layers"]
            .as_array()
            .unwrap()
            .iter()
            .map(|l| l["digest"].as_str().unwrap().to_owned())
            .collect()
    }
    /// Unpacks every layer into a folder as a container runtime would, whiteouts applied. Needs root.
    pub fn unpack(&self, to: &Path) {
        fs::create_dir_all(to).unwrap();
        for layer in self.layers() {
            let blob = self.dir.join("blobs/sha256").join(&layer[7..]);
            let names = run(Command::new("tar").arg("-tf").arg(&blob));
            for name in String::from_utf8_lossy(&names.stdout).lines() {
                let path = Path::new(name);
                let Some(hidden) =
                    path.file_name().and_then(|n| n.to_str()).and_then(|n| n.strip_prefix(".wh."))
                else {
                    continue;
                };
                let parent = to.join(path.parent().unwrap());
                if hidden == ".wh..opq" {
                    for entry in fs::read_dir(&parent).into_iter().flatten() {
                        remove(&entry.unwrap().path());
                    }
                } else {
                    remove(&parent.join(hidden));
                }
            }
            run(Command::new("tar")
                .args([
                    "--numeric-owner",
                    "--same-owner",
                    "--keep-directory-symlink",
                    "--exclude=.wh.*",
                    "-xpf",
                ])
                .arg(&blob)
                .arg("-C")
                .arg(to));
        }
    }
}

fn remove(path: &Path) {
    let Ok(meta) = path.symlink_metadata() else { return };
    if meta.is_dir() { fs::remove_dir_all(path).unwrap() } else { fs::remove_file(path).unwrap() }
}

/// A tar of (path, content, mode); a content of `None` is a directory.
pub fn tar(entries: &[(&str, Option<&[u8]>, u32)]) -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    for (path, content, mode) in entries {
        let mut header = tar::Header::new_gnu();
        header.set_mode(*mode);
        header.set_uid(0);
        header.set_gid(0);
        header.set_mtime(1_700_000_000);
        header.set_entry_type(if content.is_some() {
            tar::EntryType::Regular
        } else {
            tar::EntryType::Directory
        });
        let content = content.unwrap_or_default();
        header.set_size(content.len() as u64);
        builder.append_data(&mut header, path, content).unwrap();
    }
    builder.into_inner().unwrap()
}

/// A bookworm tree that dpkg itself installed from the main suite alone, as a tar; made once.
pub fn mmdebstrap(mirror: &str) -> PathBuf {
    let folder = crate::server::cache();
    let path = folder.join("bookworm.tar");
    let lock = fs::File::create(folder.join("bookworm.lock")).unwrap();
    // Suites run side by side: one makes it, the others wait.
    lock.lock().unwrap();
    if !path.is_file() {
        let aside = folder.join("bookworm.new.tar");
        run(Command::new("mmdebstrap")
            .args(["--quiet", "--variant=minbase", "--components=main", "--mode=root"])
            .arg("--include=openssl,curl,nginx-light,python3,ca-certificates")
            .args(["bookworm"])
            .arg(&aside)
            .arg(mirror));
        fs::rename(&aside, &path).unwrap();
    }
    path
}
