//! A real daemon: Podman's Docker-compatible socket.

use std::{
    path::Path,
    process::{Child, Command, Stdio},
    time::Duration,
};

use bytes::Bytes;
use patchline_registry::{
    Digest, Manifest, RawManifest,
    daemon::Daemon,
    layout,
    model::{OCI_CONFIG, OCI_LAYER_TAR, OCI_MANIFEST},
};
use tempfile::TempDir;
use tokio::io::AsyncReadExt as _;

use crate::images::{Image, descriptor, push};

/// `podman system service` over a storage of its own.
struct Podman {
    folder: TempDir,
    child: Child,
}

impl Drop for Podman {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn podman(folder: &Path) -> Command {
    let mut command = Command::new("podman");
    let path = |name: &str| folder.join(name).display().to_string();
    command.args(["--root", &path("storage"), "--runroot", &path("run"), "--storage-driver", "vfs"]);
    command.current_dir(folder).stdout(Stdio::null()).stderr(Stdio::null());
    command
}

impl Podman {
    /// None: it is not on this machine, or this machine does not let it run.
    fn start() -> Option<Self> {
        let folder = tempfile::tempdir().unwrap();
        if !podman(folder.path()).arg("version").status().is_ok_and(|status| status.success()) {
            println!("SKIPPED: no podman runs on this machine");
            return None;
        }
        let address = format!("unix://{}", folder.path().join("socket").display());
        let child =
            podman(folder.path()).args(["system", "service", "--time", "60", &address]).spawn().unwrap();
        let started = Self { folder, child };
        for _ in 0..200 {
            if started.socket().exists() {
                return Some(started);
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        panic!("podman does not listen");
    }

    fn socket(&self) -> std::path::PathBuf {
        self.folder.path().join("socket")
    }

    fn run(&self, arguments: &[&str]) {
        assert!(podman(self.folder.path()).args(arguments).status().unwrap().success(), "{arguments:?}");
    }
}

/// An image of one layer that a daemon can unpack, and its diff_id.
fn image() -> (Image, Digest) {
    let mut builder = tar::Builder::new(Vec::new());
    let mut header = tar::Header::new_gnu();
    header.set_size(5);
    header.set_mode(0o644);
    builder.append_data(&mut header, "hello", &b"hello"[..]).unwrap();
    let layer = Bytes::from(builder.into_inner().unwrap());
    let diff_id = Digest::of(&layer);
    let config = serde_json::json!({"architecture": "amd64", "os": "linux", "config": {},
        "rootfs": {"type": "layers", "diff_ids": [diff_id]}});
    let config = Bytes::from(config.to_string());
    let manifest = Manifest {
        schema_version: 2,
        media_type: Some(OCI_MANIFEST.to_owned()),
        artifact_type: None,
        config: descriptor(OCI_CONFIG, &config),
        layers: vec![descriptor(OCI_LAYER_TAR, &layer)],
        subject: None,
        annotations: Default::default(),
    };
    let blobs = vec![(manifest.layers[0].clone(), layer), (manifest.config.clone(), config)];
    let manifest = RawManifest::new(OCI_MANIFEST, serde_json::to_vec(&manifest).unwrap());
    (Image { blobs, manifest }, diff_id)
}

#[tokio::test(flavor = "multi_thread")]
async fn podmans_image_has_the_layers_that_it_was_loaded_with() {
    let Some(podman) = Podman::start() else { return };
    let (made, diff_id) = image();
    let layout_dir = podman.folder.path().join("layout");
    push(&*layout::open(&layout_dir, true).unwrap(), "v1", &made).await;
    // It makes a name of the path, which must then be written small.
    podman.run(&["pull", "oci:layout:v1"]);
    let images = podman_images(&podman);
    let id = images.first().expect("an image");
    podman.run(&["tag", id, "localhost/shop/web:v1"]);

    let daemon = Daemon::at(&podman.socket()).unwrap();
    for name in ["localhost/shop/web:v1", id.as_str()] {
        let (repository, digest) = daemon.image(name, podman.folder.path(), &|_, _| ()).await.unwrap();
        let manifest = repository.manifest(digest.as_str()).await.unwrap().image().unwrap();
        let original = made.manifest.image().unwrap();
        assert_eq!(manifest.config.digest, original.config.digest, "the configuration is as it was");
        let [layer] = &manifest.layers[..] else { panic!("one layer") };
        let mut bytes = Vec::new();
        repository.blob(layer).await.unwrap().read_to_end(&mut bytes).await.unwrap();
        assert_eq!((bytes.len() as u64, &layer.digest), (layer.size, &diff_id), "as it was, unpacked");
    }
    let gone = daemon.image("localhost/shop/gone:v1", podman.folder.path(), &|_, _| ()).await;
    assert_eq!(gone.err().map(|e| e.code()), Some("image-not-found"));
}

fn podman_images(podman_: &Podman) -> Vec<String> {
    let output = podman(podman_.folder.path())
        .args(["images", "--no-trunc", "--quiet"])
        .stdout(Stdio::piped())
        .output()
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    text.lines().map(|line| line.trim_start_matches("sha256:").to_owned()).collect()
}
