//! Images laid on disk, as a container runtime lays them, and trees made layers.

use std::{
    path::Path,
    process::Command,
    sync::atomic::{AtomicUsize, Ordering},
};

use patchline_registry::{Digest, Repository};
use tokio::io::AsyncReadExt as _;

/// A command that must go well, and what it says.
pub(crate) fn run(command: &mut Command) -> String {
    let output = command.output().unwrap_or_else(|e| panic!("{command:?}: {e}"));
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {text}\n{said}");
    text
}

/// Lays an archive over a tree; whiteouts are nobody's files.
pub(crate) fn untar(archive: &Path, root: &Path) {
    let flags = ["--numeric-owner", "-p", "--xattrs", "--xattrs-include=*"];
    run(Command::new("tar")
        .args(flags)
        .args(["--exclude=.wh.*", "--exclude=./dev/*"])
        .arg("-xf")
        .arg(archive)
        .arg("-C")
        .arg(root));
}

/// A tree as one layer.
pub(crate) fn tar(root: &Path, to: &Path) -> Vec<u8> {
    run(Command::new("tar")
        .args(["--numeric-owner", "--xattrs", "--xattrs-include=*", "--format=pax", "--sort=name"])
        .args(["--exclude=./dev/*", "--exclude=./proc/*", "--exclude=./sys/*"])
        .arg("-C")
        .arg(root)
        .arg("-cf")
        .arg(to)
        .arg("."));
    std::fs::read(to).unwrap()
}

/// All layers, one over the other; and the paths of the last one. `scratch`: a folder for work.
pub(crate) async fn unpack(
    images: &dyn Repository,
    image: &Digest,
    root: &Path,
    scratch: &Path,
) -> Vec<String> {
    static RUN: AtomicUsize = AtomicUsize::new(0);
    std::fs::create_dir_all(root).unwrap();
    let manifest = images.manifest(image.as_str()).await.unwrap().image().unwrap();
    let mut last = Vec::new();
    for layer in &manifest.layers {
        let file = scratch.join(format!("unpack-{}", RUN.fetch_add(1, Ordering::Relaxed)));
        let mut bytes = Vec::new();
        images.blob(layer).await.unwrap().read_to_end(&mut bytes).await.unwrap();
        std::fs::write(&file, bytes).unwrap();
        last = run(Command::new("tar").arg("-tf").arg(&file)).lines().map(str::to_owned).collect();
        for path in &last {
            let Some((folder, name)) = path.rsplit_once("/.wh.") else { continue };
            let gone = root.join(folder).join(name);
            assert!(gone.symlink_metadata().is_ok(), "a whiteout of nothing: {path}");
            if gone.is_dir() && !gone.is_symlink() {
                std::fs::remove_dir_all(&gone).unwrap();
            } else {
                std::fs::remove_file(&gone).unwrap();
            }
        }
        untar(&file, root);
        std::fs::remove_file(&file).unwrap();
    }
    last
}
