//! Real images for the suites: a root file system by mmdebstrap, layers over it, a layout to hold them.

pub(crate) mod daemons;
pub(crate) mod meddler;
pub(crate) mod oracle;
pub(crate) mod sandboxes;
pub(crate) mod yard;

use std::{
    io::Write,
    path::{Path, PathBuf},
    process::Command,
    sync::Arc,
};

use patchline_registry::{BlobContent, Descriptor, Digest, RawManifest, Repository, layout, model};
use patchline_remediation::{
    Error, FixPlan, FixRequest, Fixed, Remediator, Selection, UpgradePolicy,
    apt::{Apt, AptConfig, Distribution, Mirrors},
};
use patchline_scanner::{
    Inventory, LayerFacts, NoFacts, Report,
    advisories::{
        AdvisorySet,
        apt_security::{SecurityUploads, derive},
    },
};
use serde_json::json;

use daemons::skipped;

/// What a layer holds.
pub(crate) enum Layer {
    /// mmdebstrap's.
    Rootfs,
    /// (path, mode, content; none: a whiteout).
    Files(Vec<(&'static str, u32, Option<String>)>),
}

/// One test's place.
pub(crate) struct Bench {
    /// What a store of fixes would name as the original.
    pub(crate) recorded: Option<Digest>,
    pub(crate) scratch: tempfile::TempDir,
    pub(crate) repository: Arc<dyn Repository>,
    pub(crate) remediator: Remediator,
    rootfs: PathBuf,
    runs: std::sync::atomic::AtomicUsize,
}

/// An image looked at.
pub(crate) struct Scan {
    pub(crate) inventory: Inventory,
    pub(crate) report: Report,
    pub(crate) advisories: AdvisorySet,
}

fn works(program: &str) -> bool {
    Command::new(program).arg("--version").output().is_ok_and(|o| o.status.success())
}

impl Bench {
    pub(crate) async fn new(test: &str, suite: &str) -> Option<Self> {
        let root = Command::new("id").arg("-u").output().is_ok_and(|o| o.stdout == b"0\n");
        if !root || !works("mmdebstrap") {
            skipped(test, "it needs root and mmdebstrap");
            return None;
        }
        let mirrors = Mirrors::from_machine();
        let Some(main) = mirrors.debian.main.clone().filter(|_| mirrors.debian.security.is_some()) else {
            skipped(test, "this machine's apt names no Debian mirror");
            return None;
        };
        let kept = PathBuf::from(env!("CARGO_TARGET_TMPDIR"));
        let config =
            AptConfig { mirrors, cache: kept.join("apt-cache"), keyrings: Vec::new(), allow_expired: true };
        let apt = Apt::new(config).unwrap();
        if let Err(error) = apt.suite(Distribution::Debian, &format!("{suite}-security"), "amd64").await {
            skipped(test, &format!("no Debian mirror can be reached: {error}"));
            return None;
        }
        let rootfs = kept.join(format!("{suite}.tar"));
        bootstrap(suite, main.as_str(), &rootfs);
        let scratch = tempfile::tempdir().unwrap();
        let repository = layout::open(&scratch.path().join("layout"), true).unwrap();
        let facts: Arc<dyn LayerFacts> = Arc::new(NoFacts);
        Some(Self {
            recorded: None,
            scratch,
            repository,
            remediator: Remediator::new(apt, facts),
            rootfs,
            runs: std::sync::atomic::AtomicUsize::new(0),
        })
    }

    /// A text file of the root file system.
    pub(crate) fn rootfs_file(&self, path: &str) -> String {
        let output =
            Command::new("tar").arg("-xOf").arg(&self.rootfs).arg(format!("./{path}")).output().unwrap();
        assert!(output.status.success());
        String::from_utf8(output.stdout).unwrap()
    }

    pub(crate) async fn image(&self, tag: &str, layers: &[Layer]) -> Digest {
        self.image_of(tag, layers, "amd64", json!({"Cmd": ["nginx"], "Labels": {"kept": "yes"}})).await
    }

    /// For an architecture, with the part of the configuration that runtimes read.
    pub(crate) async fn image_of(
        &self,
        tag: &str,
        layers: &[Layer],
        architecture: &str,
        config: serde_json::Value,
    ) -> Digest {
        let mut descriptors = Vec::new();
        let mut diff_ids = Vec::new();
        for (n, layer) in layers.iter().enumerate() {
            let tar = match layer {
                Layer::Rootfs => std::fs::read(&self.rootfs).unwrap(),
                Layer::Files(files) => files_tar(files),
            };
            diff_ids.push(Digest::of(&tar));
            let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
            gzip.write_all(&tar).unwrap();
            let blob = gzip.finish().unwrap();
            let descriptor = descriptor(model::OCI_LAYER_GZIP, &blob);
            let path = self.scratch.path().join(format!("layer-{tag}-{n}"));
            std::fs::write(&path, &blob).unwrap();
            self.repository.push_blob(&descriptor, BlobContent::File(path)).await.unwrap();
            descriptors.push(descriptor);
        }
        let history: Vec<_> = layers.iter().map(|_| json!({"created_by": "a test"})).collect();
        let config = json!({
            "architecture": architecture, "os": "linux", "created": "2024-01-01T00:00:00Z",
            "config": config,
            "rootfs": {"type": "layers", "diff_ids": diff_ids}, "history": history,
        });
        let config = serde_json::to_vec(&config).unwrap();
        let manifest = json!({
            "schemaVersion": 2, "mediaType": model::OCI_MANIFEST,
            "config": descriptor(model::OCI_CONFIG, &config), "layers": descriptors,
        });
        self.put(tag, &config, &manifest).await
    }

    async fn put(&self, tag: &str, config: &[u8], manifest: &serde_json::Value) -> Digest {
        let described = descriptor(model::OCI_CONFIG, config);
        self.repository.push_blob(&described, BlobContent::Bytes(config.to_vec().into())).await.unwrap();
        let manifest = RawManifest::new(model::OCI_MANIFEST, serde_json::to_vec(manifest).unwrap());
        self.repository.push_manifest(tag, &manifest).await.unwrap();
        manifest.digest
    }

    /// An image made from another by one layer more, its annotations copied as builders do.
    pub(crate) async fn inherit(&self, from: &Digest, tag: &str) -> Digest {
        let raw = self.repository.manifest(from.as_str()).await.unwrap();
        let mut manifest: serde_json::Value = serde_json::from_slice(&raw.bytes).unwrap();
        let config = self.bytes(&raw.image().unwrap().config).await;
        let mut config: serde_json::Value = serde_json::from_slice(&config).unwrap();
        let tar = files_tar(&[("app", 0o755, Some("x".into()))]);
        let layer = descriptor(model::OCI_LAYER_TAR, &tar);
        self.repository.push_blob(&layer, BlobContent::Bytes(tar.into())).await.unwrap();
        config["rootfs"]["diff_ids"].as_array_mut().unwrap().push(json!(layer.digest));
        config["history"].as_array_mut().unwrap().push(json!({"created_by": "a test"}));
        manifest["layers"].as_array_mut().unwrap().push(json!(layer));
        let config = serde_json::to_vec(&config).unwrap();
        manifest["config"] = json!(descriptor(model::OCI_CONFIG, &config));
        self.put(tag, &config, &manifest).await
    }

    async fn bytes(&self, blob: &Descriptor) -> Vec<u8> {
        use tokio::io::AsyncReadExt;
        let mut bytes = Vec::new();
        self.repository.blob(blob).await.unwrap().read_to_end(&mut bytes).await.unwrap();
        bytes
    }

    pub(crate) async fn scan(&self, image: &Digest) -> Scan {
        let inventory =
            patchline_scanner::inventory(&*self.repository, image, Arc::new(NoFacts)).await.unwrap();
        let (uploads, revision) = self.remediator.apt().uploads(&inventory).await.unwrap();
        let advisories = derive(&inventory, &uploads, &revision);
        let mut report = patchline_scanner::report(&inventory, &[&advisories]);
        self.remediator.mark_mendable(&*self.repository, &inventory, &mut report).await.unwrap();
        Scan { inventory, report, advisories }
    }

    pub(crate) async fn fix(&self, image: &Digest, scan: &Scan, tag: Option<&str>) -> Fixed {
        self.fix_with(image, scan, tag, UpgradePolicy::Minimal).await
    }

    /// The plan alone.
    pub(crate) async fn plan(&self, image: &Digest, scan: &Scan) -> FixPlan {
        let sets = [&scan.advisories];
        let request = self.request(image, scan, &sets, None, UpgradePolicy::Minimal);
        self.remediator.plan(&request).await.unwrap()
    }

    pub(crate) fn rootfs(&self) -> &Path {
        &self.rootfs
    }

    pub(crate) async fn fix_with(
        &self,
        image: &Digest,
        scan: &Scan,
        tag: Option<&str>,
        policy: UpgradePolicy,
    ) -> Fixed {
        let sets = [&scan.advisories];
        self.remediator.build(&self.request(image, scan, &sets, tag, policy)).await.unwrap()
    }

    /// Whatever becomes of it.
    pub(crate) async fn try_fix(&self, image: &Digest, scan: &Scan) -> Result<Fixed, Error> {
        let sets = [&scan.advisories];
        self.remediator.build(&self.request(image, scan, &sets, None, UpgradePolicy::Minimal)).await
    }

    fn request<'a>(
        &'a self,
        image: &Digest,
        scan: &'a Scan,
        sets: &'a [&'a AdvisorySet],
        tag: Option<&str>,
        policy: UpgradePolicy,
    ) -> FixRequest<'a> {
        assert_eq!(&scan.inventory.image, image);
        let run = self.runs.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let scratch = self.scratch.path().join(format!("fix-{run}"));
        std::fs::create_dir(&scratch).unwrap();
        FixRequest {
            repository: &*self.repository,
            manifest: image.clone(),
            recorded: self.recorded.clone(),
            tag: tag.map(str::to_owned),
            report: &scan.report,
            advisories: sets,
            select: Selection::all(),
            policy,
            scratch,
            progress: Arc::new(|_, _, _| {}),
        }
    }
}

fn descriptor(media_type: &str, bytes: &[u8]) -> Descriptor {
    let value = json!({"mediaType": media_type, "digest": Digest::of(bytes), "size": bytes.len()});
    serde_json::from_value(value).unwrap()
}

fn files_tar(files: &[(&'static str, u32, Option<String>)]) -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    for (path, mode, content) in files {
        let mut header = tar::Header::new_gnu();
        header.set_mode(*mode);
        header.set_uid(0);
        header.set_gid(0);
        header.set_mtime(1);
        let bytes = content.clone().unwrap_or_default();
        header.set_size(bytes.len() as u64);
        let path = match content {
            Some(_) => (*path).to_owned(),
            None => {
                let (folder, name) = path.rsplit_once('/').unwrap();
                format!("{folder}/.wh.{name}")
            }
        };
        builder.append_data(&mut header, path, bytes.as_bytes()).unwrap();
    }
    builder.into_inner().unwrap()
}

/// Once per machine: the main suite of a released Debian stands still.
fn bootstrap(suite: &str, mirror: &str, to: &Path) {
    let lock = std::fs::File::create(to.with_extension("lock")).unwrap();
    lock.lock().unwrap();
    if to.exists() {
        return;
    }
    let made = to.with_extension("part.tar");
    let status = Command::new("mmdebstrap")
        .args(["--quiet", "--variant=minbase", "--components=main"])
        .arg("--include=openssl,curl,nginx-light,python3,ca-certificates")
        .args([suite, made.to_str().unwrap(), mirror])
        .status()
        .unwrap();
    assert!(status.success(), "mmdebstrap failed");
    std::fs::rename(made, to).unwrap();
}

/// All layers, one over the other, as a container runtime lays them.
pub(crate) async fn unpack(bench: &Bench, image: &Digest, root: &Path) {
    std::fs::create_dir_all(root).unwrap();
    let manifest = bench.repository.manifest(image.as_str()).await.unwrap().image().unwrap();
    for (n, layer) in manifest.layers.iter().enumerate() {
        let file = bench.scratch.path().join(format!("unpack-{n}"));
        std::fs::write(&file, bench.bytes(layer).await).unwrap();
        let listed = Command::new("tar").arg("-tf").arg(&file).output().unwrap();
        assert!(listed.status.success());
        for path in String::from_utf8(listed.stdout).unwrap().lines() {
            let Some((folder, name)) = path.rsplit_once("/.wh.") else { continue };
            let gone = root.join(folder).join(name);
            assert!(gone.symlink_metadata().is_ok(), "a whiteout of nothing: {path}");
            if gone.is_dir() && !gone.is_symlink() {
                std::fs::remove_dir_all(&gone).unwrap();
            } else {
                std::fs::remove_file(&gone).unwrap();
            }
        }
        let status = Command::new("tar")
            .args(["--numeric-owner", "-p", "--xattrs", "--exclude=.wh.*", "-xf"])
            .arg(&file)
            .arg("-C")
            .arg(root)
            .status()
            .unwrap();
        assert!(status.success());
    }
}

/// What a command says on stdout; it must succeed.
pub(crate) fn chroot(root: &Path, command: &[&str]) -> String {
    let output = Command::new("chroot").arg(root).args(command).env("LC_ALL", "C.UTF-8").output().unwrap();
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{command:?}: {out}{err}");
    out.into_owned()
}
