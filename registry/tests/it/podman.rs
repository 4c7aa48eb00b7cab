//! A real daemon: Podman's Docker-compatible socket.

use std::{
    path::Path,
    process::{Child, Command, Stdio},
    time::Duration,
};

use patchline_registry::{daemon::Daemon, layout};
use tempfile::TempDir;
use tokio::io::AsyncReadExt as _;

use crate::images::{image, push};

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
    command.stdout(Stdio::null()).stderr(Stdio::null());
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

#[tokio::test(flavor = "multi_thread")]
async fn podmans_image_has_the_layers_that_it_was_loaded_with() {
    let Some(podman) = Podman::start() else { return };
    let made = image("podman");
    let layout_dir = podman.folder.path().join("layout");
    push(&*layout::open(&layout_dir, true).unwrap(), "v1", &made).await;
    podman.run(&["pull", &format!("oci:{}:v1", layout_dir.display())]);
    let images = podman_images(&podman);
    let id = images.first().expect("an image");
    podman.run(&["tag", id, "localhost/shop/web:v1"]);

    let daemon = Daemon::at(&podman.socket()).unwrap();
    for name in ["localhost/shop/web:v1", id.as_str()] {
        let (repository, digest) = daemon.image(name, podman.folder.path(), &|_, _| ()).await.unwrap();
        let manifest = repository.manifest(digest.as_str()).await.unwrap().image().unwrap();
        let original = made.manifest.image().unwrap();
        assert_eq!(manifest.config.digest, original.config.digest, "the configuration is as it was");
        assert_eq!(manifest.layers.len(), original.layers.len());
        for layer in &manifest.layers {
            let mut bytes = Vec::new();
            repository.blob(layer).await.unwrap().read_to_end(&mut bytes).await.unwrap();
            assert_eq!(bytes.len() as u64, layer.size);
        }
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
