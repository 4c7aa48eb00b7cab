//! From a kept root file system and edits to an OCI layout whose image is called `v1`.

use std::{
    fs,
    io::Write as _,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use flate2::{Compression, write::GzEncoder};
use patchline_tests::{
    image::{Layout, digest, tar},
    machine::run,
};
use serde_json::{Value, json};

use crate::{
    distroless,
    inside::Root,
    layer,
    rootfs::{Rootfs, hash},
    unpack,
    variant::{PLAIN, Stays, Variant},
};

/// An image in a layout, and the tree that its layers make.
pub(crate) struct Image {
    pub(crate) layout: PathBuf,
    /// Merged, as it was before any fix.
    pub(crate) tree: PathBuf,
    pub(crate) stays: Stays,
}

/// A descriptor and the archive's own digest.
type Packed = (Value, String);

/// Assembles it in a folder of its own.
pub(crate) fn image(
    variant: &Variant,
    architecture: &str,
    rootfs: &Rootfs,
    goes_up: &[String],
    folder: &Path,
) -> Image {
    let layout = Layout::create(&folder.join("layout"));
    let tree = folder.join("tree");
    let mut stays = Stays::default();
    let mut layers: Vec<Packed> = Vec::new();
    if variant.distroless {
        distroless::lay(&rootfs.tree, &tree);
        let archive = layer::between(Path::new("/nonexistent"), &tree);
        layers.push(pack(&layout, variant, &archive));
    } else {
        run(Command::new("cp").args(["--archive", "--reflink=auto"]).arg(&rootfs.tree).arg(&tree));
        layers.push(base(&layout, variant, rootfs));
        for edit in variant.edits {
            edit.apply(&Root { path: &tree, architecture }, goes_up, &mut stays);
        }
        if !variant.edits.is_empty() {
            layers.push(pack(&layout, variant, &layer::between(&rootfs.tree, &tree)));
        }
        more(&layout, variant, &tree, &mut layers);
    }
    write(&layout, architecture, variant.user, &layers);
    Image { layout: layout.dir, tree, stays }
}

/// The root file system's layer, as it is kept or by zstd.
fn base(layout: &Layout, variant: &Variant, rootfs: &Rootfs) -> Packed {
    let blobs = layout.dir.join("blobs/sha256");
    if !variant.zstd {
        let name = &rootfs.descriptor["digest"].as_str().unwrap()[7..];
        if fs::hard_link(&rootfs.blob, blobs.join(name)).is_err() {
            fs::copy(&rootfs.blob, blobs.join(name)).unwrap();
        }
        return (rootfs.descriptor.clone(), rootfs.diff_id.clone());
    }
    let part = layout.dir.join("part");
    let line = "gzip -dc -- \"$1\" | zstd -q -3 -o \"$2\"";
    run(Command::new("sh").args(["-ec", line, "sh"]).arg(&rootfs.blob).arg(&part));
    let digest = hash(&part);
    let size = fs::metadata(&part).unwrap().len();
    fs::rename(part, blobs.join(&digest[7..])).unwrap();
    (json!({"mediaType": media_type(true), "digest": digest, "size": size}), rootfs.diff_id.clone())
}

/// As an application's layers do: each brings a file, and every other one removes what the last one brought.
fn more(layout: &Layout, variant: &Variant, tree: &Path, layers: &mut Vec<Packed>) {
    let folder = tree.join("srv/app");
    for n in layers.len()..variant.layers {
        fs::create_dir_all(&folder).unwrap();
        let (name, content) = (format!("srv/app/file-{n}"), format!("{n}\n"));
        fs::write(tree.join(&name), &content).unwrap();
        let mut entries = vec![("srv/app", None, 0o755), (&*name, Some(content.as_bytes()), 0o644)];
        let (last, whiteout) = (format!("srv/app/file-{}", n - 1), format!("srv/app/.wh.file-{}", n - 1));
        if n % 2 == 0 && tree.join(&last).exists() {
            fs::remove_file(tree.join(&last)).unwrap();
            entries.push((&*whiteout, Some(b""), 0o644));
        }
        layers.push(pack(layout, variant, &tar(&entries)));
    }
}

fn media_type(zstd: bool) -> &'static str {
    if zstd {
        "application/vnd.oci.image.layer.v1.tar+zstd"
    } else {
        "application/vnd.oci.image.layer.v1.tar+gzip"
    }
}

fn pack(layout: &Layout, variant: &Variant, archive: &[u8]) -> Packed {
    let packed = if variant.zstd {
        let mut child = Command::new("zstd")
            .args(["-q", "-c"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut input = child.stdin.take().unwrap();
        let bytes = archive.to_vec();
        let writer = std::thread::spawn(move || input.write_all(&bytes).unwrap());
        let output = child.wait_with_output().unwrap();
        writer.join().unwrap();
        assert!(output.status.success(), "zstd ended with {}", output.status);
        output.stdout
    } else {
        let mut gzip = GzEncoder::new(Vec::new(), Compression::fast());
        gzip.write_all(archive).unwrap();
        gzip.finish().unwrap()
    };
    (layout.add(media_type(variant.zstd), &packed), digest(archive))
}

fn write(layout: &Layout, architecture: &str, user: &str, layers: &[Packed]) {
    let diff_ids: Vec<&String> = layers.iter().map(|(_, id)| id).collect();
    let history: Vec<Value> = layers.iter().map(|_| json!({"created_by": "the matrix"})).collect();
    let config = json!({
        "architecture": architecture, "os": "linux", "created": "2024-01-01T00:00:00Z",
        "config": {
            "User": user, "Cmd": ["sh"], "Entrypoint": ["/entry"], "Labels": {"kept": "yes"},
            "Env": ["PATH=/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "KEPT=yes"], "WorkingDir": "/srv",
        },
        "rootfs": {"type": "layers", "diff_ids": diff_ids}, "history": history,
    });
    let config = layout.add("application/vnd.oci.image.config.v1+json", config.to_string().as_bytes());
    let layers: Vec<&Value> = layers.iter().map(|(descriptor, _)| descriptor).collect();
    let media_type = "application/vnd.oci.image.manifest.v1+json";
    let manifest = json!({"schemaVersion": 2, "mediaType": media_type, "config": config, "layers": layers});
    name(layout, "v1", layout.add(media_type, manifest.to_string().as_bytes()));
}

fn name(layout: &Layout, tag: &str, mut entry: Value) {
    entry["annotations"] = json!({"org.opencontainers.image.ref.name": tag});
    let path = layout.dir.join("index.json");
    let index: Value = fs::read(&path).map_or_else(
        |_| json!({"schemaVersion": 2, "manifests": []}),
        |bytes| serde_json::from_slice(&bytes).unwrap(),
    );
    let mut manifests = index["manifests"].as_array().unwrap().clone();
    manifests.push(entry);
    fs::write(path, json!({"schemaVersion": 2, "manifests": manifests}).to_string()).unwrap();
}

/// An image of a root file system and one layer over it, the tree already edited.
pub(crate) fn edited(rootfs: &Rootfs, tree: PathBuf, folder: &Path) -> Image {
    let layout = Layout::create(&folder.join("layout"));
    let layers = [base(&layout, &PLAIN, rootfs), pack(&layout, &PLAIN, &layer::between(&rootfs.tree, &tree))];
    write(&layout, "amd64", "", &layers);
    Image { layout: layout.dir, tree, stays: Stays::default() }
}

/// The same image, under another tag, with these packages held: what both executors can upgrade is then the same.
pub(crate) fn held(image: &Image, variant: &Variant, packages: &[String], tag: &str) {
    let layout = Layout::open(&image.layout);
    let path = "var/lib/dpkg/status";
    let status = fs::read_to_string(image.tree.join(path)).unwrap();
    let stanzas = status.split("\n\n").map(|stanza| {
        let name = stanza.lines().find_map(|line| line.strip_prefix("Package: ")).unwrap_or_default();
        if packages.iter().any(|package| package == name) {
            stanza.replace("\nStatus: install ok installed", "\nStatus: hold ok installed")
        } else {
            stanza.to_owned()
        }
    });
    let status = stanzas.collect::<Vec<_>>().join("\n\n");
    let (layer, diff_id) = pack(&layout, variant, &tar(&[(path, Some(status.as_bytes()), 0o644)]));
    let mut manifest = unpack::manifest(&layout, "v1");
    let config = manifest["config"]["digest"].as_str().unwrap();
    let mut config: Value = serde_json::from_slice(&layout.blob(config)).unwrap();
    config["rootfs"]["diff_ids"].as_array_mut().unwrap().push(json!(diff_id));
    config["history"].as_array_mut().unwrap().push(json!({"created_by": "the matrix"}));
    manifest["layers"].as_array_mut().unwrap().push(layer);
    let media_type = |of: &Value| of["mediaType"].as_str().unwrap().to_owned();
    manifest["config"] = layout.add(&media_type(&manifest["config"]), config.to_string().as_bytes());
    name(&layout, tag, layout.add(&media_type(&manifest), manifest.to_string().as_bytes()));
}
