//! Registries of languages on loopback, images that hold their packages, and advisories about them.

use std::{
    collections::BTreeMap,
    io::{Read as _, Write as _},
    sync::{Arc, Mutex},
};

use axum::{
    Router,
    extract::State,
    http::{HeaderMap, StatusCode, Uri, header},
    response::{IntoResponse, Response},
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use patchline_registry::{BlobContent, Descriptor, Digest, RawManifest, Repository, layout, model};
use patchline_remediation::{
    FixRequest, Fixed, FixedImage, Remediator, Result, Selection, UpgradePolicy,
    apt::{Apt, AptConfig},
    languages::{Languages, Sources},
};
use patchline_scanner::{
    Inventory, NoFacts, Report,
    advisories::{AdvisorySet, osv},
};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha512};

/// What a server answers.
#[derive(Clone)]
pub(crate) enum Answer {
    Bytes(Vec<u8>),
    Redirect(String),
}

/// Answers by path, and the token that a request must have.
#[derive(Clone, Default)]
struct Served {
    answers: Arc<Mutex<BTreeMap<String, Answer>>>,
    token: Arc<Mutex<Option<String>>>,
}

/// A server on loopback.
pub(crate) struct Server {
    pub(crate) base: String,
    served: Served,
}

async fn answer(State(served): State<Served>, headers: HeaderMap, uri: Uri) -> Response {
    let given = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    let wanted = served.token.lock().unwrap().as_ref().map(|token| format!("Bearer {token}"));
    if given != wanted.as_deref() {
        return StatusCode::UNAUTHORIZED.into_response();
    }
    match served.answers.lock().unwrap().get(uri.path()).cloned() {
        Some(Answer::Bytes(bytes)) => bytes.into_response(),
        Some(Answer::Redirect(to)) => (StatusCode::FOUND, [(header::LOCATION, to)]).into_response(),
        None => StatusCode::NOT_FOUND.into_response(),
    }
}

impl Server {
    pub(crate) async fn start() -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base = format!("http://{}", listener.local_addr().unwrap());
        let served = Served::default();
        let app = Router::new().fallback(answer).with_state(served.clone());
        tokio::spawn(async move { axum::serve(listener, app).await });
        Self { base, served }
    }
    pub(crate) fn put(&self, path: &str, answer: Answer) {
        self.served.answers.lock().unwrap().insert(path.to_owned(), answer);
    }
    pub(crate) fn remove(&self, path: &str) {
        self.served.answers.lock().unwrap().remove(path);
    }
    /// From now on requests need a token.
    pub(crate) fn guard(&self, token: &str) {
        *self.served.token.lock().unwrap() = Some(token.to_owned());
    }
    /// Publishes wheels of a project: (file name, bytes).
    pub(crate) fn pypi(&self, name: &str, wheels: &[(String, Vec<u8>)]) {
        let file = |(name, bytes): &(String, Vec<u8>)| {
            self.put(&format!("/files/{name}"), Answer::Bytes(bytes.clone()));
            let sha256 = Digest::of(bytes).hex().to_owned();
            json!({"filename": name, "url": format!("../../files/{name}"), "hashes": {"sha256": sha256}})
        };
        let files: Vec<Value> = wheels.iter().map(file).collect();
        let page = json!({"meta": {"api-version": "1.1"}, "name": name, "files": files});
        self.put(&format!("/simple/{name}/"), Answer::Bytes(page.to_string().into()));
    }
    /// Publishes versions of `group:artifact` in a repository of Maven's: (version, jar, pom.xml), with SHA-1 alone.
    pub(crate) fn maven(&self, name: &str, versions: &[(&str, Vec<u8>, String)]) {
        use sha1::Sha1;
        let (group, artifact) = name.split_once(':').unwrap();
        let folder = format!("/maven/{}/{artifact}", group.replace('.', "/"));
        let listed: String = versions.iter().map(|(v, ..)| format!("<version>{v}</version>")).collect();
        let metadata = format!("<metadata><versioning><versions>{listed}</versions></versioning></metadata>");
        self.put(&format!("{folder}/maven-metadata.xml"), Answer::Bytes(metadata.into()));
        for (version, jar, pom) in versions {
            let file = format!("{folder}/{version}/{artifact}-{version}");
            let sha1 = format!("{}  {artifact}-{version}.jar\n", hex::encode(Sha1::digest(jar)));
            self.put(&format!("{file}.jar.sha1"), Answer::Bytes(sha1.into()));
            self.put(&format!("{file}.jar"), Answer::Bytes(jar.clone()));
            self.put(&format!("{file}.pom"), Answer::Bytes(pom.clone().into()));
        }
    }
    /// Publishes versions of a package of npm: (version, tarball).
    pub(crate) fn npm(&self, name: &str, versions: &[(&str, Vec<u8>)]) {
        let mut document = json!({"name": name, "versions": {}});
        for (version, tarball) in versions {
            let file = format!("/{name}/-/{}-{version}.tgz", name.rsplit('/').next().unwrap());
            let integrity = format!("sha512-{}", STANDARD.encode(Sha512::digest(tarball)));
            document["versions"][*version] = json!({
                "name": name, "version": version,
                // As a mirror that copies documents has it.
                "dist": {"tarball": format!("https://public.example{file}"), "integrity": integrity},
            });
            self.put(&file, Answer::Bytes(tarball.clone()));
        }
        self.put(&format!("/{name}"), Answer::Bytes(serde_json::to_vec(&document).unwrap()));
    }
}

/// A wheel or a jar of these files.
pub(crate) fn wheel<C: AsRef<[u8]>>(files: &[(String, C)]) -> Vec<u8> {
    let mut archive = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    for (path, content) in files {
        archive.start_file(path.as_str(), zip::write::SimpleFileOptions::default()).unwrap();
        archive.write_all(content.as_ref()).unwrap();
    }
    archive.finish().unwrap().into_inner()
}

/// An npm tarball of these files.
pub(crate) fn tgz(files: &[(&str, &str)]) -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    for (path, content) in files {
        let mut header = tar::Header::new_ustar();
        header.set_mode(0o644);
        header.set_mtime(499_162_500);
        header.set_size(content.len() as u64);
        // Paths that a careful writer would refuse are what some tests are about.
        let name = format!("package/{path}");
        header.as_ustar_mut().unwrap().name[..name.len()].copy_from_slice(name.as_bytes());
        header.set_cksum();
        builder.append(&header, content.as_bytes()).unwrap();
    }
    gzip(&builder.into_inner().unwrap())
}

pub(crate) fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gzip.write_all(bytes).unwrap();
    gzip.finish().unwrap()
}

/// One layer: (path, content; none: a folder). All files are of user 1000.
pub(crate) fn layer<C: AsRef<[u8]> + ?Sized>(files: &[(&str, Option<&C>)]) -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    for (path, content) in files {
        let mut header = tar::Header::new_gnu();
        header.set_mode(if content.is_some() { 0o640 } else { 0o755 });
        header.set_uid(1000);
        header.set_gid(1000);
        header.set_mtime(1_700_000_000);
        let bytes = content.map(AsRef::as_ref).unwrap_or_default();
        header.set_size(bytes.len() as u64);
        if content.is_none() {
            header.set_entry_type(tar::EntryType::Directory);
        }
        builder.append_data(&mut header, path, bytes).unwrap();
    }
    builder.into_inner().unwrap()
}

fn descriptor(media_type: &str, bytes: &[u8]) -> Descriptor {
    let value = json!({"mediaType": media_type, "digest": Digest::of(bytes), "size": bytes.len()});
    serde_json::from_value(value).unwrap()
}

/// One test's images, and who mends them.
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
    pub(crate) image: Digest,
}

impl Place {
    pub(crate) fn new(sources: Sources) -> Self {
        let place = Self::without();
        let cache = place.folder.path().join("languages");
        let remediator = place.remediator.clone().keeping_languages_in(cache);
        Self { remediator: remediator.with_languages(Languages::new(sources)), ..place }
    }
    pub(crate) fn without() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let apt = Apt::new(AptConfig {
            mirrors: Default::default(),
            cache: folder.path().join("apt"),
            keyrings: Vec::new(),
            allow_expired: false,
        })
        .unwrap();
        let images = layout::open(&folder.path().join("layout"), true).unwrap();
        let remediator = Remediator::new(apt, Arc::new(NoFacts));
        Self { folder, images, remediator, runs: Default::default() }
    }

    pub(crate) async fn image(&self, tag: &str, layers: &[Vec<u8>]) -> Digest {
        let (mut descriptors, mut ids) = (Vec::new(), Vec::new());
        for tar in layers {
            ids.push(Digest::of(tar));
            let blob = gzip(tar);
            let described = descriptor(model::OCI_LAYER_GZIP, &blob);
            self.images.push_blob(&described, BlobContent::Bytes(blob.into())).await.unwrap();
            descriptors.push(described);
        }
        let config = json!({
            "architecture": "amd64", "os": "linux", "created": "2024-01-01T00:00:00Z", "config": {},
            "rootfs": {"type": "layers", "diff_ids": ids},
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

    /// `fixed`: (ecosystem, package, version that fixes it).
    pub(crate) async fn scan(&self, image: &Digest, fixed: &[(&str, &str, &str)]) -> Scan {
        let inventory = self.inventory(image).await;
        let record = |(n, (ecosystem, name, version)): (usize, &(&str, &str, &str))| -> osv::Record {
            serde_json::from_value(json!({
                "id": format!("CVE-2024-{}", 1000 + n), "modified": "2024-06-01T00:00:00Z",
                "affected": [{
                    "package": {"ecosystem": ecosystem, "name": name},
                    "ranges": [{"type": "ECOSYSTEM", "events": [{"introduced": "0"}, {"fixed": version}]}],
                }],
            }))
            .unwrap()
        };
        let records = fixed.iter().enumerate().map(record).collect();
        let advisories = AdvisorySet::from_records(records, "a test's");
        let report = patchline_scanner::report(&inventory, &[&advisories]);
        Scan { report, advisories, image: image.clone() }
    }

    pub(crate) async fn inventory(&self, image: &Digest) -> Inventory {
        patchline_scanner::inventory(&*self.images, image, Arc::new(NoFacts)).await.unwrap()
    }

    pub(crate) async fn fix(&self, scan: &Scan) -> Result<Fixed> {
        let sets = [&scan.advisories];
        self.remediator.build(&self.request(scan, &sets)).await
    }

    /// A fix that gives an image.
    pub(crate) async fn fixed(&self, scan: &Scan) -> Box<FixedImage> {
        match self.fix(scan).await.unwrap() {
            Fixed::Image(image) => image,
            Fixed::Unchanged(plan) => panic!("nothing went up: {plan:#?}"),
        }
    }

    pub(crate) fn request<'a>(&'a self, scan: &'a Scan, advisories: &'a [&'a AdvisorySet]) -> FixRequest<'a> {
        let run = self.runs.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let scratch = self.folder.path().join(format!("fix-{run}"));
        std::fs::create_dir(&scratch).unwrap();
        FixRequest {
            repository: &*self.images,
            manifest: scan.image.clone(),
            recorded: None,
            tag: None,
            report: &scan.report,
            advisories,
            select: Selection::all(),
            policy: UpgradePolicy::Minimal,
            scratch,
            progress: Arc::new(|_, _, _| {}),
        }
    }
}

/// What a patch layer holds: path to (mode, user, content); content of a folder is none.
pub(crate) fn patch(fixed: &FixedImage) -> BTreeMap<String, (u32, u64, Option<String>)> {
    let plain = flate2::read::GzDecoder::new(std::fs::File::open(&fixed.layer.1).unwrap());
    let mut all = BTreeMap::new();
    for entry in tar::Archive::new(plain).entries().unwrap() {
        let mut entry = entry.unwrap();
        let path = entry.path().unwrap().to_string_lossy().trim_end_matches('/').to_owned();
        let (mode, uid) = (entry.header().mode().unwrap(), entry.header().uid().unwrap());
        let mut text = Vec::new();
        entry.read_to_end(&mut text).unwrap();
        let content = entry.header().entry_type().is_file();
        all.insert(path, (mode, uid, content.then(|| String::from_utf8_lossy(&text).into_owned())));
    }
    all
}

/// `name` and `code` of every refusal.
pub(crate) fn refusals(fixed: &Fixed) -> Vec<(String, String)> {
    let plan = match fixed {
        Fixed::Image(image) => &image.plan,
        Fixed::Unchanged(plan) => plan,
    };
    plan.refused.iter().map(|refusal| (refusal.package.clone(), refusal.code.clone())).collect()
}

/// A `package.json`.
pub(crate) fn manifest(name: &str, version: &str, more: Value) -> String {
    let mut document = json!({"name": name, "version": version});
    for (key, value) in more.as_object().into_iter().flatten() {
        document[key] = value.clone();
    }
    document.to_string()
}
