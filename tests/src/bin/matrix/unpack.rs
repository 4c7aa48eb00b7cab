//! An image of a layout by its tag, laid out as a container runtime does.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use patchline_tests::{image::Layout, machine::run};
use serde_json::Value;

/// The image manifest under a tag.
pub(crate) fn manifest(layout: &Layout, tag: &str) -> Value {
    let index: Value = serde_json::from_slice(&fs::read(layout.dir.join("index.json")).unwrap()).unwrap();
    let named = |entry: &&Value| entry["annotations"]["org.opencontainers.image.ref.name"] == tag;
    let entry = index["manifests"].as_array().unwrap().iter().find(named);
    let entry = entry.unwrap_or_else(|| panic!("{tag} is not in the layout"));
    serde_json::from_slice(&layout.blob(entry["digest"].as_str().unwrap())).unwrap()
}

/// The file of an image's last layer.
fn last(layout: &Layout, tag: &str) -> PathBuf {
    let manifest = manifest(layout, tag);
    let layer = manifest["layers"].as_array().unwrap().last().unwrap();
    layout.dir.join("blobs/sha256").join(&layer["digest"].as_str().unwrap()[7..])
}

/// What the last layer of an image brings, alone.
pub(crate) fn top(layout: &Layout, tag: &str, to: &Path) {
    fs::create_dir_all(to).unwrap();
    run(Command::new("tar").args(["--numeric-owner", "-xpf"]).arg(last(layout, tag)).arg("-C").arg(to));
}

/// Lays the last layer of an image over a copy of the tree that the lower ones make.
pub(crate) fn over(layout: &Layout, tag: &str, tree: &Path, to: &Path) {
    run(Command::new("cp").args(["--archive", "--reflink=auto"]).arg(tree).arg(to));
    let blob = last(layout, tag);
    let names = run(Command::new("tar").arg("-tf").arg(&blob).stderr(Stdio::null()));
    for name in String::from_utf8_lossy(&names.stdout).lines() {
        let path = Path::new(name);
        let hidden = path.file_name().and_then(|n| n.to_str()).and_then(|n| n.strip_prefix(".wh."));
        let Some(hidden) = hidden else { continue };
        let gone = to.join(path.parent().unwrap()).join(hidden);
        let there = gone.symlink_metadata();
        let there = there.unwrap_or_else(|_| panic!("a whiteout of nothing: {name}"));
        if there.is_dir() { fs::remove_dir_all(&gone).unwrap() } else { fs::remove_file(&gone).unwrap() }
    }
    let mut command = Command::new("tar");
    command.args(["--numeric-owner", "--same-owner", "--xattrs", "--xattrs-include=*", "--exclude=.wh.*"]);
    run(command.arg("-xpf").arg(&blob).arg("-C").arg(to));
}
