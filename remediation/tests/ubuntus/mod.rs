//! An Ubuntu made by the test alone: packages by dpkg-deb, archives that GnuPG signs, images that dpkg installed.

use std::{
    fs,
    io::Write as _,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
    sync::{Arc, Mutex},
};

use axum::{Router, body::Bytes, extract::State, http::StatusCode, http::Uri};
use patchline_registry::{BlobContent, Descriptor, Digest, RawManifest, Repository, layout, model};
use patchline_remediation::{
    FixRequest, Fixed, FixedImage, Remediator, Result, Selection, UpgradePolicy,
    apt::{Apt, AptConfig, Archives, Mirrors},
};
use patchline_scanner::{
    Inventory, NoFacts, Report,
    advisories::{AdvisorySet, osv},
};
use serde_json::json;

/// What OSV calls the system of the images.
pub(crate) const ECOSYSTEM: &str = "Ubuntu:22.04:LTS";
pub(crate) const OS_RELEASE: &str = "PRETTY_NAME=\"Ubuntu 22.04.4 LTS\"\nNAME=\"Ubuntu\"\nVERSION_ID=\"22.04\"\n\
    VERSION_CODENAME=jammy\nID=ubuntu\nID_LIKE=debian\nUBUNTU_CODENAME=jammy\n";

pub(crate) fn run(command: &mut Command) -> Output {
    let output = command.env("LC_ALL", "C").output().unwrap_or_else(|e| panic!("{command:?}: {e}"));
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{command:?}: {out}{err}");
    output
}

pub(crate) fn said(command: &mut Command) -> String {
    String::from_utf8(run(command).stdout).unwrap()
}

/// Whether this machine makes packages and images; else the test is skipped.
pub(crate) fn able(test: &str) -> bool {
    let root = Command::new("id").arg("-u").output().is_ok_and(|o| o.stdout == b"0\n");
    let works = |program| Command::new(program).arg("--version").output().is_ok_and(|o| o.status.success());
    let able = root && ["gpg", "dpkg", "dpkg-deb", "tar"].into_iter().all(works);
    assert!(able || std::env::var("CI").as_deref() != Ok("true"), "{test}: it needs root, gpg and dpkg");
    if !able {
        println!("skipped: {test}: it needs root, gpg and dpkg");
    }
    able
}

/// A key that signs releases.
pub(crate) struct Key {
    home: PathBuf,
    /// Its public part.
    pub(crate) keyring: PathBuf,
}

impl Key {
    pub(crate) fn make(folder: &Path, name: &str) -> Self {
        let home = folder.join(format!("gnupg-{name}"));
        fs::create_dir(&home).unwrap();
        fs::set_permissions(&home, fs::Permissions::from_mode(0o700)).unwrap();
        let key = Self { home, keyring: folder.join(format!("{name}.gpg")) };
        run(key.gpg().args(["--passphrase", "", "--quick-generate-key", name, "ed25519", "sign", "0"]));
        run(key.gpg().arg("--output").arg(&key.keyring).arg("--export"));
        key
    }
    fn gpg(&self) -> Command {
        let mut command = Command::new("gpg");
        command.args(["--batch", "--quiet", "--yes", "--homedir"]).arg(&self.home);
        command
    }
    fn sign(&self, text: &str) -> Vec<u8> {
        self.signed(text, &["--clearsign"])
    }
    /// A signature beside the text, in armour.
    pub(crate) fn beside(&self, text: &str) -> Vec<u8> {
        self.signed(text, &["--armor", "--detach-sign"])
    }
    /// The same as bare bytes.
    pub(crate) fn beside_bare(&self, text: &str) -> Vec<u8> {
        self.signed(text, &["--detach-sign"])
    }
    fn signed(&self, text: &str, how: &[&str]) -> Vec<u8> {
        let mut command = self.gpg();
        command.args(["--digest-algo", "SHA512"]).args(how);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        child.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
        let output = child.wait_with_output().unwrap();
        assert!(output.status.success(), "gpg does not sign");
        output.stdout
    }
}

impl Drop for Key {
    fn drop(&mut self) {
        // gpg started an agent, which would stay.
        drop(Command::new("gpgconf").arg("--homedir").arg(&self.home).args(["--kill", "all"]).output());
    }
}

/// A package: name, version, architecture, what a newer one fixes.
#[derive(Clone, Copy)]
pub(crate) struct Made {
    pub(crate) name: &'static str,
    pub(crate) version: &'static str,
    pub(crate) architecture: &'static str,
    pub(crate) depends: &'static str,
    pub(crate) fixes: &'static str,
}

/// A package of amd64 that depends on nothing.
pub(crate) const fn made(name: &'static str, version: &'static str) -> Made {
    Made { name, version, architecture: "amd64", depends: "", fixes: "Nothing of note." }
}

impl Made {
    /// Its file, as Ubuntu packs them.
    fn build(self, folder: &Path) -> PathBuf {
        let Self { name, version, architecture, depends, fixes } = self;
        let file = folder.join(format!("{name}_{version}_{architecture}.deb"));
        let root = tempfile::tempdir_in(folder).unwrap();
        let at = |path: &str| root.path().join(path);
        let docs = format!("usr/share/doc/{name}");
        for folder in ["DEBIAN", "usr/bin", &docs] {
            fs::create_dir_all(at(folder)).unwrap();
        }
        fs::set_permissions(root.path(), fs::Permissions::from_mode(0o755)).unwrap();
        let depends = if depends.is_empty() { String::new() } else { format!("Depends: {depends}\n") };
        let control = format!(
            "Package: {name}\nVersion: {version}\nArchitecture: {architecture}\nMaintainer: nobody <nobody@example.org>\n\
             {depends}Description: made by a test\n"
        );
        fs::write(at("DEBIAN/control"), control).unwrap();
        fs::write(at(&format!("usr/bin/{name}")), format!("{name} {version}\n")).unwrap();
        let log = format!(
            "{name} ({version}) jammy-security; urgency=medium\n\n  * SECURITY UPDATE: {fixes}\n\n \
             -- nobody <nobody@example.org>  Sat, 01 Jun 2024 12:00:00 +0000\n"
        );
        fs::write(at(&format!("{docs}/changelog.Debian")), log).unwrap();
        run(Command::new("gzip").args(["-n", "-9"]).arg(at(&format!("{docs}/changelog.Debian"))));
        run(Command::new("dpkg-deb")
            .args(["--root-owner-group", "-Zzstd", "--build"])
            .arg(root.path())
            .arg(&file)
            .env("SOURCE_DATE_EPOCH", "1700000000"));
        file
    }
}

pub(crate) fn hash(bytes: &[u8]) -> String {
    Digest::of(bytes).hex().to_owned()
}

/// Publishes a suite: (component, its packages), each with an index of its own. Main's is found by its hash alone and packed,
/// the others are found by their names. `listed` is what the release says it has. Gives the release's text.
pub(crate) fn publish(
    archive: &Path,
    key: &Key,
    suite: &str,
    architecture: &str,
    listed: &str,
    components: &[(&str, &[Made])],
) -> String {
    let place = archive.join("dists").join(suite);
    let mut promised = String::new();
    for (component, packages) in components {
        let pool = archive.join("pool").join(component);
        let folder = format!("{component}/binary-{architecture}");
        fs::create_dir_all(place.join(&folder)).unwrap();
        fs::create_dir_all(&pool).unwrap();
        let stanza = |package: &Made| {
            let deb = package.build(&pool);
            let control = said(Command::new("dpkg-deb").arg("--field").arg(&deb));
            let (bytes, name) = (fs::read(&deb).unwrap(), deb.file_name().unwrap().display().to_string());
            let (size, sha256) = (bytes.len(), hash(&bytes));
            format!(
                "{}\nFilename: pool/{component}/{name}\nSize: {size}\nSHA256: {sha256}\n\n",
                control.trim_end()
            )
        };
        let text: String = packages.iter().map(stanza).collect();
        let (name, bytes) = if *component == "main" {
            let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
            gzip.write_all(text.as_bytes()).unwrap();
            (format!("{folder}/Packages.gz"), gzip.finish().unwrap())
        } else {
            (format!("{folder}/Packages"), text.into_bytes())
        };
        let stored = match *component {
            "main" => format!("{folder}/by-hash/SHA256/{}", hash(&bytes)),
            _ => name.clone(),
        };
        fs::create_dir_all(place.join(&stored).parent().unwrap()).unwrap();
        fs::write(place.join(&stored), &bytes).unwrap();
        promised += &format!(" {} {} {name}\n", hash(&bytes), bytes.len());
    }
    let date = said(Command::new("date").args(["--utc", "+%a, %d %b %Y %H:%M:%S UTC"]));
    // No `Valid-Until`: Ubuntu writes none.
    let release = format!(
        "Origin: Ubuntu\nLabel: Ubuntu\nSuite: {suite}\nCodename: jammy\nVersion: 22.04\nDate: {date}\
         Architectures: amd64 arm64 i386\nComponents: {listed}\nAcquire-By-Hash: yes\nSHA256:\n{promised}"
    );
    fs::write(place.join("InRelease"), key.sign(&release)).unwrap();
    release
}

/// The folder as an address.
pub(crate) fn address(folder: &Path) -> url::Url {
    url::Url::from_directory_path(folder).unwrap()
}

/// What was asked for, in order.
pub(crate) type Asked = Arc<Mutex<Vec<String>>>;

async fn answer(State((folder, asked)): State<(PathBuf, Asked)>, uri: Uri) -> (StatusCode, Bytes) {
    asked.lock().unwrap().push(uri.path().to_owned());
    match fs::read(folder.join(uri.path().trim_start_matches('/'))) {
        Ok(bytes) => (StatusCode::OK, bytes.into()),
        Err(_) => (StatusCode::NOT_FOUND, Bytes::new()),
    }
}

/// Serves a folder on loopback.
pub(crate) async fn serve(folder: &Path) -> (url::Url, Asked) {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = format!("http://{}/", listener.local_addr().unwrap()).parse().unwrap();
    let asked = Asked::default();
    let app = Router::new().fallback(answer).with_state((folder.to_owned(), asked.clone()));
    tokio::spawn(async move { axum::serve(listener, app).await });
    (base, asked)
}

/// Ubuntu's main archive alone.
pub(crate) fn main(archive: url::Url) -> Mirrors {
    Mirrors { ubuntu: Archives { main: Some(archive), ..Archives::default() }, ..Mirrors::default() }
}

/// Images, and who mends them.
pub(crate) struct Place {
    pub(crate) folder: tempfile::TempDir,
    pub(crate) images: Arc<dyn Repository>,
    pub(crate) remediator: Remediator,
    runs: std::sync::atomic::AtomicUsize,
}

/// An image looked at.
pub(crate) struct Scan {
    pub(crate) image: Digest,
    pub(crate) report: Report,
    pub(crate) advisories: AdvisorySet,
}

impl Place {
    pub(crate) fn new(mirrors: Mirrors, keyrings: Vec<PathBuf>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let cache = folder.path().join("apt");
        let apt = Apt::new(AptConfig { mirrors, cache, keyrings, allow_expired: false }).unwrap();
        let images = layout::open(&folder.path().join("layout"), true).unwrap();
        Self { images, remediator: Remediator::new(apt, Arc::new(NoFacts)), folder, runs: Default::default() }
    }

    /// An image whose packages dpkg has installed.
    pub(crate) async fn image(&self, architecture: &str, packages: &[Made]) -> Digest {
        self.image_with(architecture, packages, &[("etc/os-release", OS_RELEASE.into())]).await
    }

    /// The same with these files, of which os-release is one.
    pub(crate) async fn image_with(
        &self,
        architecture: &str,
        packages: &[Made],
        files: &[(&str, Vec<u8>)],
    ) -> Digest {
        let root = self.folder.path().join("root");
        fs::create_dir_all(root.join("var/lib/dpkg/info")).unwrap();
        fs::create_dir_all(root.join("var/lib/dpkg/updates")).unwrap();
        fs::create_dir_all(root.join("etc")).unwrap();
        fs::write(root.join("var/lib/dpkg/status"), "").unwrap();
        for (path, content) in files {
            fs::create_dir_all(root.join(path).parent().unwrap()).unwrap();
            fs::write(root.join(path), content).unwrap();
        }
        let debs: Vec<PathBuf> = packages.iter().map(|one| one.build(self.folder.path())).collect();
        let forced = "--force-architecture,not-root,bad-path";
        run(Command::new("dpkg").arg("--root").arg(&root).arg(forced).arg("--install").args(&debs));
        let tar = run(Command::new("tar")
            .args(["--sort=name", "--numeric-owner", "--owner=0", "--group=0", "--mtime=@1700000000", "-C"])
            .arg(&root)
            .args(["-cf", "-", "."]))
        .stdout;
        fs::remove_dir_all(root).unwrap();
        let config = json!({
            "architecture": architecture, "os": "linux", "created": "2024-01-01T00:00:00Z",
            "config": {"Cmd": ["tool"]}, "rootfs": {"type": "layers", "diff_ids": [Digest::of(&tar)]},
        });
        let (config, layer) = (self.blob(model::OCI_CONFIG, config.to_string().into()).await, tar);
        let layer = self.blob(model::OCI_LAYER_TAR, layer).await;
        let manifest = json!({
            "schemaVersion": 2, "mediaType": model::OCI_MANIFEST, "config": config, "layers": [layer],
        });
        let manifest = RawManifest::new(model::OCI_MANIFEST, manifest.to_string());
        self.images.push_manifest("old", &manifest).await.unwrap();
        manifest.digest
    }

    async fn blob(&self, media: &str, bytes: Vec<u8>) -> Descriptor {
        let described = json!({"mediaType": media, "digest": Digest::of(&bytes), "size": bytes.len()});
        let described: Descriptor = serde_json::from_value(described).unwrap();
        self.images.push_blob(&described, BlobContent::Bytes(bytes.into())).await.unwrap();
        described
    }

    pub(crate) async fn inventory(&self, image: &Digest) -> Inventory {
        patchline_scanner::inventory(&*self.images, image, Arc::new(NoFacts)).await.unwrap()
    }

    /// `fixed`: (source package, version that fixes it).
    pub(crate) async fn scan(&self, image: &Digest, fixed: &[(&str, &str)]) -> Scan {
        self.scan_of(ECOSYSTEM, image, fixed).await
    }

    /// The same of another system than Ubuntu's, as OSV calls it.
    pub(crate) async fn scan_of(&self, ecosystem: &str, image: &Digest, fixed: &[(&str, &str)]) -> Scan {
        let record = |(n, (name, version)): (usize, &(&str, &str))| -> osv::Record {
            serde_json::from_value(json!({
                "id": format!("UBUNTU-CVE-2024-{}", 1000 + n), "modified": "2024-06-01T00:00:00Z",
                "upstream": [format!("CVE-2024-{}", 1000 + n)],
                "affected": [{
                    "package": {"ecosystem": ecosystem, "name": name},
                    "ranges": [{"type": "ECOSYSTEM", "events": [{"introduced": "0"}, {"fixed": version}]}],
                }],
            }))
            .unwrap()
        };
        let advisories =
            AdvisorySet::from_records(fixed.iter().enumerate().map(record).collect(), "a test's");
        let report = patchline_scanner::report(&self.inventory(image).await, &[&advisories]);
        assert_eq!(report.findings.len(), fixed.len(), "{:#?}", report.findings);
        assert!(report.findings.iter().all(|finding| finding.is_deb()));
        Scan { image: image.clone(), report, advisories }
    }

    pub(crate) async fn fix(&self, scan: &Scan) -> Result<Fixed> {
        let sets = [&scan.advisories];
        let run = self.runs.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let scratch = self.folder.path().join(format!("fix-{run}"));
        fs::create_dir(&scratch).unwrap();
        let request = FixRequest {
            repository: &*self.images,
            manifest: scan.image.clone(),
            recorded: None,
            tag: None,
            report: &scan.report,
            advisories: &sets,
            select: Selection::all(),
            policy: UpgradePolicy::Minimal,
            scratch,
            progress: Arc::new(|_, _, _| {}),
        };
        self.remediator.build(&request).await
    }

    /// A fix that gives an image.
    pub(crate) async fn fixed(&self, scan: &Scan) -> Box<FixedImage> {
        match self.fix(scan).await.unwrap() {
            Fixed::Image(image) => image,
            Fixed::Unchanged(plan) => panic!("nothing went up: {plan:#?}"),
        }
    }

    /// The code of a fix that fails, and what is said of it.
    pub(crate) async fn refused(&self, scan: &Scan) -> (&'static str, String) {
        match self.fix(scan).await {
            Err(error) => (error.code(), error.to_string()),
            Ok(_) => panic!("it was mended"),
        }
    }

    /// Pushes a fixed image and lays its layers one over the other.
    pub(crate) async fn root(&self, fixed: &FixedImage) -> PathBuf {
        use tokio::io::AsyncReadExt as _;
        self.remediator.push(&*self.images, fixed, Some("fixed")).await.unwrap();
        let root = self.folder.path().join("unpacked");
        fs::create_dir(&root).unwrap();
        for layer in self.images.manifest("fixed").await.unwrap().image().unwrap().layers {
            let (mut bytes, file) = (Vec::new(), self.folder.path().join("unpack.tar"));
            self.images.blob(&layer).await.unwrap().read_to_end(&mut bytes).await.unwrap();
            fs::write(&file, bytes).unwrap();
            run(Command::new("tar").arg("-C").arg(&root).args(["--numeric-owner", "-pxf"]).arg(&file));
        }
        root
    }
}

/// What dpkg says of a tree: (package, version, state), and that nothing is wrong with it.
pub(crate) fn installed(root: &Path) -> Vec<String> {
    // This machine's dpkg takes all architectures but its own for foreign ones.
    run(Command::new("dpkg").arg("--root").arg(root).args(["--add-architecture", "arm64"]));
    for judged in ["--audit", "--verify"] {
        assert_eq!(said(Command::new("dpkg").arg("--root").arg(root).arg(judged)), "", "{judged}");
    }
    let format = "--showformat=${Package} ${Version} ${Architecture} ${db:Status-Abbrev}\n";
    let admin = root.join("var/lib/dpkg");
    let all = said(Command::new("dpkg-query").arg("--admindir").arg(admin).args(["--show", format]));
    for line in all.lines() {
        let words: Vec<&str> = line.split(' ').collect();
        let program = fs::read_to_string(root.join("usr/bin").join(words[0])).unwrap();
        assert_eq!(program, format!("{} {}\n", words[0], words[1]), "the file is the version's");
    }
    all.lines().map(|line| line.trim_end().to_owned()).collect()
}
