//! An Azure-like world made by the test: keys by gpg, packages by rpmbuild, repositories by createrepo_c, images with text
//! manifests as `rpm -q` writes their lines. Nothing here knows the code that is tested.

use std::{
    collections::BTreeMap,
    io::{Read, Write},
    path::{Path, PathBuf},
    process::Command,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use patchline_registry::{BlobContent, Descriptor, Digest, RawManifest, Repository, layout, model};
use patchline_remediation::{
    FixRequest, Fixed, Remediator, Result, Selection, UpgradePolicy,
    apt::{Apt, AptConfig},
    rpm::{Mirrors, Rpm, RpmConfig},
};
use patchline_scanner::{
    NoFacts, Report,
    advisories::{AdvisorySet, osv},
};
use serde_json::json;

use crate::layers::run;

/// Whether rpm's programs are here; else the test skips, and says so.
pub(crate) fn ready(test: &str) -> bool {
    let there = |program: &str| Command::new(program).arg("--version").output().is_ok();
    let missing: Vec<_> =
        ["rpmbuild", "rpmsign", "createrepo_c", "gpg"].into_iter().filter(|p| !there(p)).collect();
    if missing.is_empty() {
        return true;
    }
    assert!(std::env::var("CI").as_deref() != Ok("true"), "{test} needs {missing:?}");
    println!("skipped: {test}: this machine has no {}", missing.join(", "));
    false
}

/// Somebody who signs.
pub(crate) struct Signer {
    home: tempfile::TempDir,
}

impl Signer {
    /// `kind`: `rsa3072`, `ed25519`.
    pub(crate) fn new(kind: &str) -> Self {
        let home = tempfile::tempdir().unwrap();
        let this = Self { home };
        run(this.gpg().args([
            "--passphrase",
            "",
            "--quick-generate-key",
            "Maker <maker@example.test>",
            kind,
            "sign",
            "never",
        ]));
        this
    }
    fn gpg(&self) -> Command {
        let mut command = Command::new("gpg");
        command.args(["--batch", "--quiet", "--no-tty", "--homedir"]).arg(self.home.path());
        command
    }
    pub(crate) fn public(&self) -> Vec<u8> {
        run(self.gpg().args(["--armor", "--export"])).into_bytes()
    }
    fn sign_package(&self, package: &Path) {
        // rpm's own idea of where gpg lies is not everywhere right.
        let gpg = run(Command::new("sh").args(["-c", "command -v gpg"]));
        run(Command::new("rpmsign")
            .args(["--define", "_gpg_name maker@example.test", "--define", "_gpg_digest_algo sha256"])
            .args(["--define", &format!("__gpg {}", gpg.trim())])
            .args(["--define", &format!("_gpg_path {}", self.home.path().display())])
            .arg("--resign")
            .arg(package));
    }
    /// Over `repodata/repomd.xml` of a repository.
    pub(crate) fn sign_repository(&self, folder: &Path) {
        let file = folder.join("repodata/repomd.xml");
        let _ = std::fs::remove_file(file.with_extension("xml.asc"));
        run(self.gpg().args(["--armor", "--detach-sign"]).arg(&file));
    }
}

impl Drop for Signer {
    fn drop(&mut self) {
        // Its agent would outlive the folder.
        let _ =
            Command::new("gpgconf").arg("--homedir").arg(self.home.path()).args(["--kill", "all"]).output();
    }
}

/// What a package has at a path.
#[derive(Clone)]
pub(crate) enum What {
    File(u32, String),
    Link(&'static str),
    /// Another name of a file.
    Name(&'static str),
}

/// One package.
#[derive(Clone)]
pub(crate) struct Spec {
    pub(crate) name: &'static str,
    /// `1.0-1`
    pub(crate) version: &'static str,
    /// Lines of the preamble: `Requires: x`, `Epoch: 1`.
    pub(crate) more: &'static str,
    pub(crate) files: Vec<(&'static str, What)>,
    /// Path to directive: `%config(noreplace)`, `%caps(cap_net_raw=ep)`.
    pub(crate) marks: Vec<(&'static str, &'static str)>,
    /// Sections: `%post\n…`.
    pub(crate) scripts: &'static str,
    /// `w6.gzdio`, `w6.xzdio`, `w3.zstdio`
    pub(crate) payload: &'static str,
}

pub(crate) fn spec(name: &'static str, version: &'static str, files: Vec<(&'static str, What)>) -> Spec {
    Spec { name, version, more: "", files, marks: Vec::new(), scripts: "", payload: "w3.zstdio" }
}

pub(crate) fn program(text: &str) -> What {
    // Large enough to be looked for when it is copied.
    What::File(0o755, format!("\u{7f}ELF {text}\n").repeat(200))
}

pub(crate) fn text(text: &str) -> What {
    What::File(0o644, text.to_owned())
}

impl Spec {
    pub(crate) fn file_name(&self) -> String {
        format!("{}-{}.x86_64.rpm", self.name, self.version)
    }

    /// Builds it into a folder.
    pub(crate) fn build(&self, folder: &Path, signer: Option<&Signer>) -> PathBuf {
        let work = tempfile::tempdir().unwrap();
        let source = work.path().join("source");
        for (path, what) in &self.files {
            let path = source.join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            match what {
                What::File(mode, content) => {
                    use std::os::unix::fs::PermissionsExt as _;
                    std::fs::write(&path, content).unwrap();
                    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(*mode)).unwrap();
                }
                What::Link(target) => std::os::unix::fs::symlink(target, &path).unwrap(),
                What::Name(first) => std::fs::hard_link(source.join(first), &path).unwrap(),
            }
        }
        std::fs::create_dir_all(&source).unwrap();
        let (version, release) = self.version.split_once('-').unwrap();
        let mut list = String::new();
        for (path, _) in &self.files {
            let mark = self.marks.iter().find(|(marked, _)| marked == path).map_or("", |(_, mark)| *mark);
            list += &format!("{mark} \"/{path}\"\n");
            if let Some((folder, _)) = path.rsplit_once('/')
                && folder.matches('/').count() > 1
                && !list.contains(&format!("%dir \"/{folder}\"\n"))
            {
                list += &format!("%dir \"/{folder}\"\n");
            }
        }
        let scripts = self.scripts;
        let text = format!(
            "Name: {}\nVersion: {version}\nRelease: {release}\nSummary: of a test\nLicense: MIT\nVendor: A Maker\n\
             AutoReqProv: no\n{}\n%description\nOf a test.\n%install\nmkdir -p %{{buildroot}}\ncp -a {}/. %{{buildroot}}/\n\
             {scripts}\n%files\n%defattr(-,root,root)\n{list}",
            self.name,
            self.more,
            source.display(),
        );
        let file = work.path().join("package.spec");
        std::fs::write(&file, text).unwrap();
        let mut command = Command::new("rpmbuild");
        for define in [
            format!("_topdir {}", work.path().display()),
            format!("_rpmdir {}", folder.display()),
            format!("_tmppath {}", work.path().display()),
            "_rpmfilename %{NAME}-%{VERSION}-%{RELEASE}.%{ARCH}.rpm".to_owned(),
            "debug_package %{nil}".to_owned(),
            "__os_install_post %{nil}".to_owned(),
            "_build_id_links none".to_owned(),
            format!("_binary_payload {}", self.payload),
            "_binary_filedigest_algorithm 8".to_owned(),
            // What is built twice is the same: an image's copy, and the repository's.
            "use_source_date_epoch_as_buildtime 1".to_owned(),
        ] {
            command.arg("--define").arg(define);
        }
        command.env("SOURCE_DATE_EPOCH", "1700000000");
        run(command.args(["-bb", "--quiet", "--target", "x86_64"]).arg(&file));
        let path = folder.join(self.file_name());
        if let Some(signer) = signer {
            signer.sign_package(&path);
        }
        path
    }
}

/// A repository in a folder; `by`: who signs packages, and who the metadata.
pub(crate) fn repository(
    specs: &[Spec],
    by: (Option<&Signer>, &Signer),
    compression: &str,
) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for spec in specs {
        spec.build(folder.path(), by.0);
    }
    run(Command::new("createrepo_c")
        .args(["--quiet", "--general-compress-type", compression, "--no-database"])
        .arg(folder.path()));
    by.1.sign_repository(folder.path());
    folder
}

/// What `rpm -qp` says of a package.
pub(crate) fn query(package: &Path, format: &str) -> String {
    run(Command::new("rpm").args(["-qp", "--nosignature", "--qf", format]).arg(package))
}

/// As the distribution writes its manifests.
pub(crate) const SHORT: &str = "%{NAME}-%{VERSION}-%{RELEASE}.%{ARCH}\\n";
pub(crate) const FULL: &str = "%{NAME}\\t%{VERSION}-%{RELEASE}\\t%{INSTALLTIME}\\t%{BUILDTIME}\\t%{VENDOR}\\t%{EPOCH}\\t%{SIZE}\\t%{ARCH}\\t\
    %{EPOCHNUM}\\t%{SOURCERPM}\\n";

/// Serves a folder over loopback; the base address.
pub(crate) async fn serve(folder: &Path) -> String {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = format!("http://{}/azl", listener.local_addr().unwrap());
    let folder = folder.to_owned();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let folder = folder.clone();
            tokio::spawn(async move {
                let mut request = Vec::new();
                while !request.ends_with(b"\r\n\r\n") {
                    let Ok(byte) = stream.read_u8().await else { return };
                    request.push(byte);
                }
                let text = String::from_utf8_lossy(&request).into_owned();
                let path = text.split(' ').nth(1).unwrap_or_default().trim_start_matches("/azl/").to_owned();
                let (status, body) = match std::fs::read(folder.join(path)) {
                    Ok(body) => (200, body),
                    Err(_) => (404, Vec::new()),
                };
                let head = format!(
                    "HTTP/1.1 {status} x\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
                    body.len()
                );
                let _ = stream.write_all(&[head.as_bytes(), &body].concat()).await;
            });
        }
    });
    base
}

/// Path, mode and content of a layer; none: a whiteout.
pub(crate) type Entries = Vec<(String, u32, Option<String>)>;

/// What an image is made of.
pub(crate) struct Image {
    /// Built by the test, and laid as rpm would have.
    pub(crate) installed: Vec<Spec>,
    /// How its short manifest names a package; none: it has no short one.
    pub(crate) short: Option<&'static str>,
    /// Layers over the first.
    pub(crate) later: Vec<Entries>,
}

/// One test's place.
pub(crate) struct Place {
    pub(crate) folder: tempfile::TempDir,
    pub(crate) images: Arc<dyn Repository>,
    pub(crate) remediator: Remediator,
    runs: AtomicUsize,
}

/// An image looked at.
pub(crate) struct Scan {
    pub(crate) report: Report,
    pub(crate) advisories: AdvisorySet,
}

impl Place {
    /// With mirrors as on a command line, and the keys that are configured.
    pub(crate) fn new(mirrors: &[&str], keys: &[&Signer]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let apt = Apt::new(AptConfig {
            mirrors: Default::default(),
            cache: folder.path().join("apt"),
            keyrings: Vec::new(),
            allow_expired: false,
        })
        .unwrap();
        let keys = keys.iter().enumerate().map(|(n, signer)| {
            let path = folder.path().join(format!("{n}.asc"));
            std::fs::write(&path, signer.public()).unwrap();
            path
        });
        let keys: Vec<PathBuf> = keys.collect();
        let mirrors =
            Mirrors { all: mirrors.iter().map(|text| text.parse().unwrap()).collect(), ..Mirrors::default() };
        let rpm = Rpm::new(RpmConfig { mirrors, cache: folder.path().join("rpm"), keys }).unwrap();
        let images = layout::open(&folder.path().join("layout"), true).unwrap();
        let remediator = Remediator::new(apt, Arc::new(NoFacts)).with_rpm(rpm);
        Self { images, remediator, folder, runs: AtomicUsize::default() }
    }

    pub(crate) async fn image(&self, tag: &str, image: &Image) -> Digest {
        self.image_over(tag, base(image), &image.later).await
    }

    /// An image of a first layer, and of what was done over it.
    pub(crate) async fn image_over(&self, tag: &str, base: Vec<u8>, later: &[Entries]) -> Digest {
        let mut layers = vec![base];
        layers.extend(later.iter().map(layer));
        let (mut descriptors, mut ids) = (Vec::new(), Vec::new());
        for tar in layers {
            ids.push(Digest::of(&tar));
            let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
            encoder.write_all(&tar).unwrap();
            let blob = encoder.finish().unwrap();
            let described = descriptor(model::OCI_LAYER_GZIP, &blob);
            self.images.push_blob(&described, BlobContent::Bytes(blob.into())).await.unwrap();
            descriptors.push(described);
        }
        let history: Vec<_> = ids.iter().map(|_| json!({"created_by": "a test"})).collect();
        let config = json!({
            "architecture": "amd64", "os": "linux", "created": "2024-01-01T00:00:00Z",
            "config": {"Cmd": ["/usr/bin/tool"]},
            "rootfs": {"type": "layers", "diff_ids": ids}, "history": history,
        });
        let config = serde_json::to_vec(&config).unwrap();
        let described = descriptor(model::OCI_CONFIG, &config);
        self.images.push_blob(&described, BlobContent::Bytes(config.into())).await.unwrap();
        let manifest = json!({
            "schemaVersion": 2, "mediaType": model::OCI_MANIFEST, "config": described, "layers": descriptors,
        });
        let manifest = RawManifest::new(model::OCI_MANIFEST, serde_json::to_vec(&manifest).unwrap());
        self.images.push_manifest(tag, &manifest).await.unwrap();
        manifest.digest
    }

    /// `fixed`: (source, version that fixes it).
    pub(crate) async fn scan(&self, image: &Digest, fixed: &[(&str, &str)]) -> Scan {
        self.scan_as(image, "Azure Linux:3", fixed).await
    }

    /// The same for another distribution, by OSV's name of it.
    pub(crate) async fn scan_as(&self, image: &Digest, ecosystem: &str, fixed: &[(&str, &str)]) -> Scan {
        let inventory = patchline_scanner::inventory(&*self.images, image, Arc::new(NoFacts)).await.unwrap();
        let records: Vec<osv::Record> = fixed
            .iter()
            .enumerate()
            .map(|(n, (source, version))| {
                serde_json::from_value(json!({
                    "id": format!("CVE-2024-{}", 1000 + n), "modified": "2024-06-01T00:00:00Z",
                    "affected": [{
                        "package": {"ecosystem": ecosystem, "name": source},
                        "ranges": [{"type": "ECOSYSTEM", "events": [{"introduced": "0"}, {"fixed": version}]}],
                    }],
                }))
                .unwrap()
            })
            .collect();
        let advisories = AdvisorySet::from_records(records, "a test's");
        let report = patchline_scanner::report(&inventory, &[&advisories]);
        Scan { report, advisories }
    }

    pub(crate) async fn fix(&self, image: &Digest, scan: &Scan) -> Result<Fixed> {
        self.fix_with(image, scan, UpgradePolicy::Minimal).await
    }

    pub(crate) async fn fix_with(&self, image: &Digest, scan: &Scan, policy: UpgradePolicy) -> Result<Fixed> {
        let run = self.runs.fetch_add(1, Ordering::Relaxed);
        let scratch = self.folder.path().join(format!("fix-{run}"));
        std::fs::create_dir(&scratch).unwrap();
        let request = FixRequest {
            repository: &*self.images,
            manifest: image.clone(),
            recorded: None,
            tag: None,
            report: &scan.report,
            advisories: &[&scan.advisories],
            select: Selection::all(),
            policy,
            scratch,
            progress: Arc::new(|_, _, _| {}),
        };
        self.remediator.build(&request).await
    }

    /// Everything in an image, as a runtime lays its layers: path to (mode, content or `-> target`).
    pub(crate) async fn unpacked(&self, image: &Digest) -> BTreeMap<String, (u32, String)> {
        use tokio::io::AsyncReadExt;
        let manifest = self.images.manifest(image.as_str()).await.unwrap().image().unwrap();
        let mut all: BTreeMap<String, (u32, String)> = BTreeMap::new();
        for described in &manifest.layers {
            let mut bytes = Vec::new();
            self.images.blob(described).await.unwrap().read_to_end(&mut bytes).await.unwrap();
            let mut plain = Vec::new();
            flate2::read::MultiGzDecoder::new(bytes.as_slice()).read_to_end(&mut plain).unwrap();
            let mut archive = tar::Archive::new(plain.as_slice());
            for entry in archive.entries().unwrap() {
                let mut entry = entry.unwrap();
                let path = entry.path().unwrap().to_string_lossy().trim_end_matches('/').to_owned();
                let (folder, name) = path.rsplit_once('/').unwrap_or(("", &path));
                if let Some(gone) = name.strip_prefix(".wh.") {
                    let gone = format!("{folder}/{gone}").trim_start_matches('/').to_owned();
                    let under = format!("{gone}/");
                    let before = all.len();
                    all.retain(|path, _| *path != gone && !path.starts_with(&under));
                    assert!(all.len() < before, "a whiteout of nothing: {gone}");
                    continue;
                }
                let mode = entry.header().mode().unwrap();
                let attributes = entry.pax_extensions().unwrap().into_iter().flatten().flatten();
                let capable =
                    attributes.filter(|a| a.key() == Ok("SCHILY.xattr.security.capability")).count() > 0;
                let text = match entry.header().entry_type() {
                    tar::EntryType::Symlink => {
                        format!("-> {}", entry.link_name().unwrap().unwrap().to_string_lossy())
                    }
                    tar::EntryType::Directory => "/".to_owned(),
                    tar::EntryType::Link => {
                        let first = entry.link_name().unwrap().unwrap().to_string_lossy().into_owned();
                        all[&first].1.clone()
                    }
                    _ => {
                        let mut content = Vec::new();
                        entry.read_to_end(&mut content).unwrap();
                        String::from_utf8_lossy(&content).into_owned()
                    }
                };
                if capable {
                    all.insert(format!("{path} is capable"), (0, String::new()));
                }
                all.insert(path, (mode, text));
            }
        }
        all
    }
}

fn descriptor(media_type: &str, bytes: &[u8]) -> Descriptor {
    let value = json!({"mediaType": media_type, "digest": Digest::of(bytes), "size": bytes.len()});
    serde_json::from_value(value).unwrap()
}

fn header(mode: u32, size: usize) -> tar::Header {
    let mut header = tar::Header::new_gnu();
    header.set_mode(mode);
    header.set_uid(0);
    header.set_gid(0);
    header.set_mtime(1_700_000_000);
    header.set_size(size as u64);
    header
}

fn layer(entries: &Entries) -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    for (path, mode, content) in entries {
        let path = match content {
            Some(_) => path.clone(),
            None => {
                let (folder, name) = path.rsplit_once('/').unwrap();
                format!("{folder}/.wh.{name}")
            }
        };
        let bytes = content.clone().unwrap_or_default();
        builder.append_data(&mut header(*mode, bytes.len()), path, bytes.as_bytes()).unwrap();
    }
    builder.into_inner().unwrap()
}

/// The first layer: what rpm and the maker of the image would have left.
fn base(image: &Image) -> Vec<u8> {
    let folder = tempfile::tempdir().unwrap();
    let (mut full, mut short) = (String::new(), String::new());
    for spec in &image.installed {
        let package = spec.build(folder.path(), None);
        full += &query(&package, FULL).replacen("\t(none)\t", "\t1700000000\t", 1);
        short += &image.short.map(|format| query(&package, format)).unwrap_or_default();
    }
    let mut builder = tar::Builder::new(Vec::new());
    let mut put = |path: &str, content: &str| {
        builder.append_data(&mut header(0o644, content.len()), path, content.as_bytes()).unwrap();
    };
    put("etc/os-release", "ID=azurelinux\nVERSION_ID=3.0\nPRETTY_NAME=\"Microsoft Azure Linux 3.0\"\n");
    put("etc/passwd", "root:x:0:0:root:/root:/bin/sh\n");
    put("etc/group", "root:x:0:\n");
    put("var/lib/rpmmanifest/container-manifest-2", &full);
    if image.short.is_some() {
        put("var/lib/rpmmanifest/container-manifest-1", &short);
    }
    let mut folders = std::collections::BTreeSet::new();
    for (path, _) in image.installed.iter().flat_map(|spec| &spec.files) {
        let mut at = *path;
        while let Some((folder, _)) = at.rsplit_once('/') {
            folders.insert(folder.to_owned());
            at = folder;
        }
    }
    for folder in folders {
        let mut header = header(0o755, 0);
        header.set_entry_type(tar::EntryType::Directory);
        builder.append_data(&mut header, format!("{folder}/"), std::io::empty()).unwrap();
    }
    for (path, what) in image.installed.iter().flat_map(|spec| &spec.files) {
        match what {
            What::File(mode, content) => {
                builder.append_data(&mut header(*mode, content.len()), path, content.as_bytes()).unwrap();
            }
            What::Link(target) | What::Name(target) => {
                let mut header = header(0o777, 0);
                let hard = matches!(what, What::Name(_));
                header.set_entry_type(if hard { tar::EntryType::Link } else { tar::EntryType::Symlink });
                builder.append_link(&mut header, path, target).unwrap();
            }
        }
    }
    builder.into_inner().unwrap()
}
