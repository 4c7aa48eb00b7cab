//! An Alpine-like world made by the test alone: keys, packages, a signed repository, images.
//!
//! Formats are written and read here by hand, apart from the code that is tested.

pub(crate) mod adb;

use std::{
    collections::BTreeMap,
    io::{Read, Write},
    path::PathBuf,
    sync::Arc,
};

use base64::{Engine as _, prelude::BASE64_STANDARD as BASE64};
use patchline_registry::{BlobContent, Descriptor, Digest, RawManifest, Repository, layout, model};
use patchline_remediation::{
    FixRequest, Fixed, Remediator, Result, Selection, UpgradePolicy,
    apk::{Apk, ApkConfig, Mirrors},
    apt::{Apt, AptConfig},
};
use patchline_scanner::{
    NoFacts, Report,
    advisories::{AdvisorySet, osv},
};
use rsa::{
    RsaPrivateKey,
    pkcs8::{EncodePrivateKey, EncodePublicKey},
};
use serde_json::json;
use sha1::{Digest as _, Sha1};
use sha2::Sha256;

/// A repository's key.
pub(crate) struct Signer {
    pub(crate) name: String,
    key: RsaPrivateKey,
}

/// `DigestInfo` in front of a digest (RFC 8017, 9.2, note 1).
const SHA1_PREFIX: &[u8] = &[0x30, 0x21, 0x30, 9, 6, 5, 0x2b, 0x0e, 3, 2, 0x1a, 5, 0, 4, 0x14];
const SHA256_PREFIX: &[u8] =
    &[0x30, 0x31, 0x30, 0x0d, 6, 9, 0x60, 0x86, 0x48, 1, 0x65, 3, 4, 2, 1, 5, 0, 4, 0x20];

#[allow(dead_code, reason = "each suite uses its part")]
impl Signer {
    pub(crate) fn new(name: &str) -> Self {
        let key = RsaPrivateKey::new(&mut rand_for_pgp::thread_rng(), 2048).unwrap();
        Self { name: name.to_owned(), key }
    }
    pub(crate) fn pem(&self) -> String {
        pem("PUBLIC KEY", self.key.to_public_key().to_public_key_der().unwrap().as_bytes())
    }
    pub(crate) fn private_pem(&self) -> String {
        pem("PRIVATE KEY", self.key.to_pkcs8_der().unwrap().as_bytes())
    }
    /// The first member over what follows it.
    fn member(&self, message: &[u8], strong: bool) -> Vec<u8> {
        let (prefix, digest) = match strong {
            true => (SHA256_PREFIX, Sha256::digest(message).to_vec()),
            false => (SHA1_PREFIX, Sha1::digest(message).to_vec()),
        };
        let scheme = rsa::Pkcs1v15Sign { hash_len: Some(digest.len()), prefix: prefix.into() };
        let signature = self.key.sign(scheme, &digest).unwrap();
        let algorithm = if strong { "RSA256" } else { "RSA" };
        gzip(&open_tar(&[(format!(".SIGN.{algorithm}.{}", self.name), 0o644, signature)]))
    }
}

fn pem(what: &str, der: &[u8]) -> String {
    let text = BASE64.encode(der);
    let lines: Vec<_> = text.as_bytes().chunks(64).map(|l| String::from_utf8_lossy(l).into_owned()).collect();
    format!("-----BEGIN {what}-----\n{}\n-----END {what}-----\n", lines.join("\n"))
}

pub(crate) fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gzip.write_all(bytes).unwrap();
    gzip.finish().unwrap()
}

pub(crate) fn gunzip(bytes: &[u8]) -> Vec<u8> {
    let mut plain = Vec::new();
    flate2::read::MultiGzDecoder::new(bytes).read_to_end(&mut plain).unwrap();
    plain
}

fn header(mode: u32, size: usize) -> tar::Header {
    let mut header = tar::Header::new_ustar();
    // apk takes no file of the kind that was a file before there was ustar.
    header.set_entry_type(tar::EntryType::Regular);
    header.set_mode(mode);
    header.set_uid(0);
    header.set_gid(0);
    header.set_mtime(1_700_000_000);
    header.set_size(size as u64);
    header
}

/// Files without the blocks that end an archive: the next member goes on.
fn open_tar(files: &[(String, u32, Vec<u8>)]) -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    for (path, mode, content) in files {
        builder.append_data(&mut header(*mode, content.len()), path, content.as_slice()).unwrap();
    }
    let mut bytes = builder.into_inner().unwrap();
    bytes.truncate(bytes.len() - 1024);
    bytes
}

/// What a path of a package is.
#[derive(Clone)]
pub(crate) enum What {
    File(u32, String),
    Link(&'static str),
}

/// One package.
#[derive(Clone)]
pub(crate) struct Spec {
    pub(crate) name: &'static str,
    pub(crate) version: &'static str,
    pub(crate) origin: &'static str,
    pub(crate) depends: &'static str,
    pub(crate) provides: &'static str,
    pub(crate) files: Vec<(&'static str, What)>,
    pub(crate) scripts: Vec<(&'static str, &'static str)>,
    pub(crate) triggers: &'static str,
}

pub(crate) fn spec(name: &'static str, version: &'static str, files: Vec<(&'static str, What)>) -> Spec {
    Spec { name, version, origin: name, depends: "", provides: "", files, scripts: Vec::new(), triggers: "" }
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
        format!("{}-{}.apk", self.name, self.version)
    }
    fn folders(&self) -> Vec<String> {
        let mut folders = std::collections::BTreeSet::new();
        for (path, _) in &self.files {
            let mut at = *path;
            while let Some((folder, _)) = at.rsplit_once('/') {
                folders.insert(folder.to_owned());
                at = folder;
            }
        }
        folders.into_iter().collect()
    }
    fn data(&self) -> Vec<u8> {
        let mut builder = tar::Builder::new(Vec::new());
        for folder in self.folders() {
            let mut header = header(0o755, 0);
            header.set_entry_type(tar::EntryType::Directory);
            builder.append_data(&mut header, format!("{folder}/"), std::io::empty()).unwrap();
        }
        for (path, what) in &self.files {
            let sum = hex::encode(sum(what));
            // By hand, for apk takes no header without a name: its length (pax(1), "pax Extended Header") is that of a SHA-1.
            let record = format!("68 APK-TOOLS.checksum.SHA1={sum}\n");
            let mut extended = header(0o644, record.len());
            extended.set_entry_type(tar::EntryType::XHeader);
            builder.append_data(&mut extended, "PaxHeaders/checksum", record.as_bytes()).unwrap();
            match what {
                What::File(mode, content) => {
                    builder.append_data(&mut header(*mode, content.len()), path, content.as_bytes()).unwrap()
                }
                What::Link(target) => {
                    let mut header = header(0o777, 0);
                    header.set_entry_type(tar::EntryType::Symlink);
                    builder.append_link(&mut header, path, target).unwrap();
                }
            }
        }
        gzip(&builder.into_inner().unwrap())
    }
    fn control(&self, data: &[u8]) -> Vec<u8> {
        let mut info = format!(
            "# made by a test\npkgname = {}\npkgver = {}\npkgdesc = a test's {0}\nurl = https://example.test\nlicense = MIT\narch = x86_64\n\
             size = 4096\norigin = {}\nbuilddate = 1700000000\n",
            self.name, self.version, self.origin
        );
        for need in self.depends.split_whitespace() {
            info += &format!("depend = {need}\n");
        }
        if !self.provides.is_empty() {
            info += &format!("provides = {}\n", self.provides);
        }
        if !self.triggers.is_empty() {
            info += &format!("triggers = {}\n", self.triggers);
        }
        info += &format!("datahash = {}\n", hex::encode(Sha256::digest(data)));
        let mut files = vec![(".PKGINFO".to_owned(), 0o644, info.into_bytes())];
        let scripts = self.scripts.iter();
        files.extend(scripts.map(|(name, text)| (format!(".{name}"), 0o755, text.as_bytes().to_vec())));
        gzip(&open_tar(&files))
    }
    /// The whole package, and its checksum.
    pub(crate) fn build(&self, signer: &Signer, strong: bool) -> (Vec<u8>, String) {
        let data = self.data();
        let control = self.control(&data);
        let sum = match strong {
            true => format!("Q2{}", BASE64.encode(Sha256::digest(&control))),
            false => format!("Q1{}", BASE64.encode(Sha1::digest(&control))),
        };
        ([signer.member(&control, strong), control, data].concat(), sum)
    }
    fn fields(&self, sum: &str, size: usize) -> String {
        let mut text = format!(
            "C:{sum}\nP:{}\nV:{}\nA:x86_64\nS:{size}\nI:4096\nT:a test's {0}\nU:https://example.test\nL:MIT\no:{}\nt:1700000000\n",
            self.name, self.version, self.origin
        );
        for (letter, value) in [("D", self.depends), ("p", self.provides)] {
            if !value.is_empty() {
                text += &format!("{letter}:{value}\n");
            }
        }
        text
    }
    /// Its record in `installed`, and its checksum.
    fn record(&self) -> (String, String) {
        let data = self.data();
        let sum = format!("Q1{}", BASE64.encode(Sha1::digest(self.control(&data))));
        let mut text = self.fields(&sum, 1);
        for folder in self.folders() {
            text += &format!("F:{folder}\n");
            for (path, what) in &self.files {
                let (parent, name) = path.rsplit_once('/').unwrap();
                if parent != folder {
                    continue;
                }
                text += &format!("R:{name}\n");
                match what {
                    What::File(0o644, _) => {}
                    What::File(mode, _) => text += &format!("a:0:0:{mode:o}\n"),
                    What::Link(_) => text += "a:0:0:777\n",
                }
                text += &format!("Z:Q1{}\n", BASE64.encode(self::sum(what)));
            }
        }
        (text + "\n", sum)
    }
}

fn sum(what: &What) -> Vec<u8> {
    match what {
        What::File(_, content) => Sha1::digest(content.as_bytes()).to_vec(),
        What::Link(target) => Sha1::digest(target.as_bytes()).to_vec(),
    }
}

/// What a repository serves, by path under its base.
pub(crate) type Served = BTreeMap<String, Vec<u8>>;

/// `v3.20/main` with these packages, signed.
pub(crate) fn repository(signer: &Signer, packages: &[Spec], strong: bool) -> Served {
    branch("v3.20/main", signer, packages, strong)
}

pub(crate) fn branch(branch: &str, signer: &Signer, packages: &[Spec], strong: bool) -> Served {
    let mut served = Served::new();
    let mut index = String::new();
    for package in packages {
        let (bytes, sum) = package.build(signer, strong);
        index += &package.fields(&sum, bytes.len());
        index += "\n";
        served.insert(format!("{branch}/x86_64/{}", package.file_name()), bytes);
    }
    let files = [("DESCRIPTION", "a test\n".to_owned()), ("APKINDEX", index)]
        .map(|(n, t)| (n.to_owned(), 0o644, t.into_bytes()));
    let mut tar = open_tar(&files);
    tar.extend([0; 1024]);
    let signed = gzip(&tar);
    let whole = [signer.member(&signed, strong), signed].concat();
    served.insert(format!("{branch}/x86_64/APKINDEX.tar.gz"), whole);
    served
}

/// Serves over loopback; the base address.
pub(crate) async fn serve(served: Served) -> String {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = format!("http://{}/alpine", listener.local_addr().unwrap());
    let served = Arc::new(served);
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let served = served.clone();
            tokio::spawn(async move {
                let mut request = Vec::new();
                while !request.ends_with(b"\r\n\r\n") {
                    let Ok(byte) = stream.read_u8().await else { return };
                    request.push(byte);
                }
                let text = String::from_utf8_lossy(&request).into_owned();
                let path =
                    text.split(' ').nth(1).unwrap_or_default().trim_start_matches("/alpine/").to_owned();
                let (status, body) = match served.get(&path) {
                    Some(body) => (200, body.clone()),
                    None => (404, Vec::new()),
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

/// Writes a repository into a folder, for machines without a network.
pub(crate) fn write(served: &Served, folder: &std::path::Path) {
    for (path, bytes) in served {
        let path = folder.join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, bytes).unwrap();
    }
}

/// Path, mode and content of a layer; none: a whiteout.
pub(crate) type Entries = Vec<(String, u32, Option<String>)>;

/// What an image is made of.
pub(crate) struct Image {
    pub(crate) installed: Vec<Spec>,
    pub(crate) world: &'static str,
    pub(crate) repositories: &'static str,
    pub(crate) key: Option<(String, String)>,
    /// Layers over the first.
    pub(crate) later: Vec<Entries>,
}

/// One test's place.
pub(crate) struct Place {
    pub(crate) folder: tempfile::TempDir,
    pub(crate) images: Arc<dyn Repository>,
    pub(crate) remediator: Remediator,
    runs: std::sync::atomic::AtomicUsize,
}

/// An image looked at.
pub(crate) struct Scan {
    pub(crate) report: Report,
    pub(crate) advisories: AdvisorySet,
}

impl Place {
    /// With a mirror, and the keys that are configured.
    pub(crate) fn new(mirror: &str, keys: &[&Signer]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let apt = Apt::new(AptConfig {
            mirrors: Default::default(),
            cache: folder.path().join("apt"),
            keyrings: Vec::new(),
            allow_expired: false,
        })
        .unwrap();
        let keys: Vec<PathBuf> = keys
            .iter()
            .map(|signer| {
                let path = folder.path().join(&signer.name);
                std::fs::write(&path, signer.pem()).unwrap();
                path
            })
            .collect();
        let mirrors = Mirrors { all: vec![mirror.parse().unwrap()], ..Mirrors::default() };
        let apk = Apk::new(ApkConfig { mirrors, cache: folder.path().join("apk"), keys }).unwrap();
        let images = layout::open(&folder.path().join("layout"), true).unwrap();
        Self {
            images,
            remediator: Remediator::new(apt, Arc::new(NoFacts)).with_apk(apk),
            folder,
            runs: Default::default(),
        }
    }

    #[allow(dead_code, reason = "each suite uses its part")]
    /// Trusts this key file alone, of whatever kind it is.
    pub(crate) fn trust(&mut self, mirror: &str, key: PathBuf) {
        let mirrors = Mirrors { all: vec![mirror.parse().unwrap()], ..Mirrors::default() };
        let apk = ApkConfig { mirrors, cache: self.folder.path().join("apk"), keys: vec![key] };
        self.remediator = self.remediator.clone().with_apk(Apk::new(apk).unwrap());
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
            let blob = gzip(&tar);
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

    #[allow(dead_code, reason = "each suite uses its part")]
    /// The same image under one more layer, which a vendor gives out itself; `held`: the repository has it all the same.
    pub(crate) async fn under_a_vendors(
        &self,
        tag: &str,
        image: &Digest,
        entries: &Entries,
        held: bool,
    ) -> Digest {
        let tar = layer(entries);
        let blob = gzip(&tar);
        let described = descriptor("application/vnd.docker.image.rootfs.foreign.diff.tar.gzip", &blob);
        let mut listed = json!(described);
        listed["urls"] = json!(["https://vendor.example/layer"]);
        if held {
            self.images.push_blob(&described, BlobContent::Bytes(blob.into())).await.unwrap();
        }
        let manifest = self.images.manifest(image.as_str()).await.unwrap();
        let mut text = Vec::new();
        let of = manifest.image().unwrap().config;
        tokio::io::AsyncReadExt::read_to_end(&mut self.images.blob(&of).await.unwrap(), &mut text)
            .await
            .unwrap();
        let mut config: serde_json::Value = serde_json::from_slice(&text).unwrap();
        config["rootfs"]["diff_ids"].as_array_mut().unwrap().push(json!(Digest::of(&tar)));
        config["history"].as_array_mut().unwrap().push(json!({"created_by": "a vendor"}));
        let config = serde_json::to_vec(&config).unwrap();
        let of = descriptor(model::OCI_CONFIG, &config);
        self.images.push_blob(&of, BlobContent::Bytes(config.into())).await.unwrap();
        let mut manifest: serde_json::Value = serde_json::from_slice(&manifest.bytes).unwrap();
        manifest["config"] = json!(of);
        manifest["layers"].as_array_mut().unwrap().push(listed);
        let manifest = RawManifest::new(model::OCI_MANIFEST, serde_json::to_vec(&manifest).unwrap());
        self.images.push_manifest(tag, &manifest).await.unwrap();
        manifest.digest
    }

    /// `fixed`: (origin, version that fixes it).
    pub(crate) async fn scan(&self, image: &Digest, fixed: &[(&str, &str)]) -> Scan {
        self.scan_as(image, "Alpine:v3.20", fixed).await
    }

    /// The same for another release, by OSV's name of it.
    pub(crate) async fn scan_as(&self, image: &Digest, ecosystem: &str, fixed: &[(&str, &str)]) -> Scan {
        let inventory = patchline_scanner::inventory(&*self.images, image, Arc::new(NoFacts)).await.unwrap();
        let records: Vec<osv::Record> = fixed
            .iter()
            .enumerate()
            .map(|(n, (origin, version))| {
                serde_json::from_value(json!({
                    "id": format!("CVE-2024-{}", 1000 + n), "modified": "2024-06-01T00:00:00Z",
                    "affected": [{
                        "package": {"ecosystem": ecosystem, "name": origin},
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
        self.remediator.build(&self.request(image, scan, &[&scan.advisories], policy)).await
    }

    pub(crate) fn request<'a>(
        &'a self,
        image: &Digest,
        scan: &'a Scan,
        advisories: &'a [&'a AdvisorySet],
        policy: UpgradePolicy,
    ) -> FixRequest<'a> {
        let run = self.runs.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let scratch = self.folder.path().join(format!("fix-{run}"));
        std::fs::create_dir(&scratch).unwrap();
        FixRequest {
            repository: &*self.images,
            manifest: image.clone(),
            recorded: None,
            tag: None,
            report: &scan.report,
            advisories,
            select: Selection::all(),
            policy,
            scratch,
            progress: Arc::new(|_, _, _| {}),
        }
    }

    /// One layer with all that an image holds.
    pub(crate) async fn whole(&self, image: &Digest) -> Vec<u8> {
        let mut builder = tar::Builder::new(Vec::new());
        for (path, (mode, content)) in self.unpacked(image).await {
            let mut header = header(mode, 0);
            if content == "/" {
                header.set_entry_type(tar::EntryType::Directory);
                builder.append_data(&mut header, format!("{path}/"), std::io::empty()).unwrap();
            } else if let Some(target) = content.strip_prefix("-> ") {
                header.set_entry_type(tar::EntryType::Symlink);
                builder.append_link(&mut header, path, target).unwrap();
            } else {
                header.set_size(content.len() as u64);
                builder.append_data(&mut header, path, content.as_bytes()).unwrap();
            }
        }
        builder.into_inner().unwrap()
    }

    /// Everything in an image, as a runtime lays its layers: path to (mode, content or `-> target`).
    pub(crate) async fn unpacked(&self, image: &Digest) -> BTreeMap<String, (u32, String)> {
        use tokio::io::AsyncReadExt;
        let manifest = self.images.manifest(image.as_str()).await.unwrap().image().unwrap();
        let mut all = BTreeMap::new();
        for described in &manifest.layers {
            let mut bytes = Vec::new();
            self.images.blob(described).await.unwrap().read_to_end(&mut bytes).await.unwrap();
            let plain = gunzip(&bytes);
            let mut archive = tar::Archive::new(plain.as_slice());
            for entry in archive.entries().unwrap() {
                let mut entry = entry.unwrap();
                let path = entry.path().unwrap().to_string_lossy().trim_end_matches('/').to_owned();
                let (folder, name) = path.rsplit_once('/').unwrap_or(("", &path));
                if let Some(gone) = name.strip_prefix(".wh.") {
                    let gone = format!("{folder}/{gone}").trim_start_matches('/').to_owned();
                    let under = format!("{gone}/");
                    let before = all.len();
                    all.retain(|path: &String, _| *path != gone && !path.starts_with(&under));
                    assert!(all.len() < before, "a whiteout of nothing: {gone}");
                    continue;
                }
                let mode = entry.header().mode().unwrap();
                let text = match entry.header().entry_type() {
                    tar::EntryType::Symlink => {
                        format!("-> {}", entry.link_name().unwrap().unwrap().to_string_lossy())
                    }
                    tar::EntryType::Directory => "/".to_owned(),
                    _ => {
                        let mut content = Vec::new();
                        entry.read_to_end(&mut content).unwrap();
                        String::from_utf8_lossy(&content).into_owned()
                    }
                };
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

/// The first layer: what apk would have left.
fn base(image: &Image) -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    let mut put = |path: &str, mode: u32, content: &[u8]| {
        builder.append_data(&mut header(mode, content.len()), path, content).unwrap();
    };
    let (mut installed, mut triggers) = (String::new(), String::new());
    let mut scripts = tar::Builder::new(Vec::new());
    for package in &image.installed {
        let (record, sum) = package.record();
        installed += &record;
        if !package.triggers.is_empty() {
            triggers += &format!("{sum} {}\n", package.triggers);
        }
        for (name, script) in &package.scripts {
            let name = format!("{}-{}.{sum}.{name}", package.name, package.version);
            let mut header = header(0o755, script.len());
            header.as_old_mut().name[..name.len()].copy_from_slice(name.as_bytes());
            header.set_cksum();
            scripts.append(&header, script.as_bytes()).unwrap();
        }
    }
    put("etc/os-release", 0o644, b"ID=alpine\nVERSION_ID=3.20.1\nPRETTY_NAME=\"Alpine Linux v3.20\"\n");
    put("etc/apk/world", 0o644, image.world.as_bytes());
    put("etc/apk/repositories", 0o644, image.repositories.as_bytes());
    put("etc/apk/arch", 0o644, b"x86_64\n");
    put("etc/passwd", 0o644, b"root:x:0:0:root:/root:/bin/sh\n");
    put("etc/group", 0o644, b"root:x:0:root\n");
    put("lib/apk/db/installed", 0o644, installed.as_bytes());
    put("lib/apk/db/triggers", 0o644, triggers.as_bytes());
    put("lib/apk/db/scripts.tar", 0o644, &scripts.into_inner().unwrap());
    if let Some((name, pem)) = &image.key {
        put(&format!("etc/apk/keys/{name}"), 0o644, pem.as_bytes());
    }
    let folders: std::collections::BTreeSet<String> =
        image.installed.iter().flat_map(Spec::folders).collect();
    for folder in folders {
        let mut header = header(0o755, 0);
        header.set_entry_type(tar::EntryType::Directory);
        builder.append_data(&mut header, format!("{folder}/"), std::io::empty()).unwrap();
    }
    for (path, what) in image.installed.iter().flat_map(|package| &package.files) {
        match what {
            What::File(mode, content) => {
                builder.append_data(&mut header(*mode, content.len()), path, content.as_bytes()).unwrap();
            }
            What::Link(target) => {
                let mut header = header(0o777, 0);
                header.set_entry_type(tar::EntryType::Symlink);
                builder.append_link(&mut header, path, target).unwrap();
            }
        }
    }
    builder.into_inner().unwrap()
}

/// What `apk audit` would say of a tree: every file of every record that is not what the record says.
pub(crate) fn audit(tree: &BTreeMap<String, (u32, String)>) -> Vec<String> {
    let (mut wrong, mut folder, mut file) = (Vec::new(), String::new(), String::new());
    let mut cut = false;
    let mut mode = 0o644;
    for line in tree["lib/apk/db/installed"].1.lines().chain([""]) {
        match line.split_at_checked(2) {
            None => cut = false,
            Some(("f:", value)) => cut = value.contains('S'),
            Some(("F:", value)) => {
                folder = value.to_owned();
                if !folder.is_empty() && !tree.keys().any(|path| path.starts_with(&format!("{folder}/"))) {
                    wrong.push(format!("{folder} is no folder"));
                }
            }
            Some(("R:", value)) => {
                file = format!("{folder}/{value}");
                mode = 0o644;
            }
            Some(("a:", value)) => mode = u32::from_str_radix(value.split(':').nth(2).unwrap(), 8).unwrap(),
            Some(("Z:", value)) => {
                let Some((there, content)) = tree.get(&file) else {
                    wrong.push(format!("{file} is missing"));
                    continue;
                };
                let bytes = content.strip_prefix("-> ").unwrap_or(content);
                let sum =
                    if cut { Sha256::digest(bytes)[..20].to_vec() } else { Sha1::digest(bytes).to_vec() };
                if format!("Q1{}", BASE64.encode(sum)) != value {
                    wrong.push(format!("{file} differs"));
                }
                if *there != mode {
                    wrong.push(format!("{file} has mode {there:o}"));
                }
            }
            _ => {}
        }
    }
    wrong
}
