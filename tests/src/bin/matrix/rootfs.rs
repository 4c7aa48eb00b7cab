//! Root file systems out of a release's main suite alone, so that its security suite has left them behind. Each is made
//! once and kept: the main suite of a released Debian stands still.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use patchline_tests::{
    image::Layout,
    machine::{self, patchline, run},
};
use serde_json::{Value, json};

/// Which packages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Set {
    /// What mmdebstrap calls so, and nothing else.
    Minbase,
    /// A small web server's.
    Web,
    /// nginx, Python, Java and a client of PostgreSQL.
    Server,
}

impl Set {
    fn name(self) -> &'static str {
        match self {
            Self::Minbase => "minbase",
            Self::Web => "web",
            Self::Server => "server",
        }
    }
    fn include(self) -> &'static str {
        match self {
            Self::Minbase => "",
            Self::Web => "openssl,curl,nginx-light,python3,ca-certificates",
            Self::Server => "openssl,nginx,python3,default-jre-headless,postgresql-client,ca-certificates",
        }
    }
    /// Commands that must go well in it; a star stands for the one name that fits.
    pub(crate) fn programs(self) -> &'static [&'static [&'static str]] {
        const MINBASE: &[&[&str]] = &[
            &["/usr/bin/perl", "-e", "print 1"],
            &["/bin/bash", "--version"],
            &["/bin/tar", "--version"],
            &["/usr/bin/dpkg", "--version"],
        ];
        const WEB: &[&[&str]] = &[
            &["/usr/bin/openssl", "version"],
            &["/usr/bin/curl", "--version"],
            &["/usr/sbin/nginx", "-t"],
            &["/usr/bin/python3", "-c", "import ssl; ssl.create_default_context()"],
            &["/usr/bin/perl", "-e", "print 1"],
        ];
        const SERVER: &[&[&str]] = &[
            &["/usr/bin/openssl", "version"],
            &["/usr/sbin/nginx", "-t"],
            &["/usr/bin/python3", "-c", "import ssl, sqlite3; ssl.create_default_context()"],
            &["/usr/lib/jvm/*/bin/java", "-version"],
            &["/usr/lib/postgresql/*/bin/psql", "--version"],
        ];
        match self {
            Self::Minbase => MINBASE,
            Self::Web => WEB,
            Self::Server => SERVER,
        }
    }
}

/// One that is kept.
pub(crate) struct Rootfs {
    /// Unpacked.
    pub(crate) tree: PathBuf,
    /// Its one layer, gzipped.
    pub(crate) blob: PathBuf,
    /// Of that layer.
    pub(crate) descriptor: Value,
    /// Of its archive.
    pub(crate) diff_id: String,
}

impl Rootfs {
    /// Makes it where it is not there yet.
    pub(crate) fn kept(folder: &Path, suite: &str, architecture: &str, set: Set, mirror: &str) -> Self {
        let name = format!("{suite}-{architecture}-{}", set.name());
        let (known, blob) = (folder.join(format!("{name}.json")), folder.join(format!("{name}.tar.gz")));
        let tree = folder.join(&name);
        let lock = fs::File::create(folder.join(format!("{name}.lock"))).unwrap();
        // Others on this machine may want the same one: the first makes it.
        lock.lock().unwrap();
        if !known.is_file() {
            eprintln!("making {name}; it is kept in {}", folder.display());
            fs::remove_dir_all(&tree).ok();
            let about = if architecture == "amd64" {
                debootstrapped(folder, &name, suite, set, mirror, &blob)
            } else {
                assembled(folder, &name, suite, architecture, set, &blob)
            };
            fs::create_dir_all(&tree).unwrap();
            run(Command::new("tar").args(["--numeric-owner", "-xpf"]).arg(&blob).arg("-C").arg(&tree));
            fs::write(&known, about.to_string()).unwrap();
        }
        let about: Value = serde_json::from_slice(&fs::read(known).unwrap()).unwrap();
        let diff_id = about["diff_id"].as_str().unwrap().to_owned();
        Self { tree, blob, descriptor: about["descriptor"].clone(), diff_id }
    }
}

/// By mmdebstrap, as dpkg itself installs it.
fn debootstrapped(folder: &Path, name: &str, suite: &str, set: Set, mirror: &str, blob: &Path) -> Value {
    let archive = folder.join(format!("{name}.tar"));
    let mut command = Command::new("mmdebstrap");
    command.args(["--quiet", "--variant=minbase", "--components=main", "--mode=root"]);
    if !set.include().is_empty() {
        command.arg(format!("--include={}", set.include()));
    }
    run(command.arg(suite).arg(&archive).arg(mirror));
    let diff_id = hash(&archive);
    run(Command::new("gzip").args(["-n", "-f", "-4"]).arg(&archive));
    let descriptor = json!({
        "mediaType": "application/vnd.oci.image.layer.v1.tar+gzip", "digest": hash(blob),
        "size": fs::metadata(blob).unwrap().len(),
    });
    json!({"descriptor": descriptor, "diff_id": diff_id})
}

/// By ourselves where the packages' scripts cannot run here: nothing is run, whatever it was made for.
fn assembled(folder: &Path, name: &str, suite: &str, architecture: &str, set: Set, blob: &Path) -> Value {
    let layout = folder.join(format!("{name}.layout"));
    let mut command = Command::new(patchline());
    command.arg("--data").arg(folder.join("data")).args(["image", "bootstrap", "--allow-expired"]);
    // Perl's base is in every set: no package at all cannot be asked for.
    let include = if set.include().is_empty() { "perl-base" } else { set.include() };
    command.args(["--suite", suite, "--architecture", architecture, "--include", include]);
    run(command.arg(format!("oci:{}:v1", layout.display())));
    let made = Layout::open(&layout);
    let manifest = made.manifest();
    let config: Value =
        serde_json::from_slice(&made.blob(manifest["config"]["digest"].as_str().unwrap())).unwrap();
    let layer = &manifest["layers"][0];
    let digest = layer["digest"].as_str().unwrap();
    fs::copy(layout.join("blobs/sha256").join(&digest[7..]), blob).unwrap();
    fs::remove_dir_all(layout).unwrap();
    json!({"descriptor": layer, "diff_id": config["rootfs"]["diff_ids"][0]})
}

/// `sha256:…` of a file that may be large.
pub(crate) fn hash(file: &Path) -> String {
    let said = machine::text(&run(Command::new("sha256sum").arg("--").arg(file)));
    let word = said.split_whitespace().next().unwrap().trim_start_matches('\\');
    format!("sha256:{word}")
}
