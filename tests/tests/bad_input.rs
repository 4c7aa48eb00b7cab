//! Bad input: one clear error with its code, nothing half done.

use std::{
    fs,
    path::Path,
    process::{Command, Output},
    time::Duration,
};

use patchline_tests::{
    image::{self, Layout},
    machine,
    server::{Options, Server},
};
use serde_json::Value;

fn patchline(data: &Path, arguments: &[&str]) -> Output {
    Command::new(machine::patchline()).args(arguments).arg("--data").arg(data).output().unwrap()
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn a_chain_with_errors_shows_all_of_them_and_starts_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let chain = folder.path().join("chain.yaml");
    fs::write(
        &chain,
        "version: 1\nchain: broken\nscop: {}\nsteps:\n  a: {uses: scna}\n  b: {uses: gate, needs: [c]}\n  \
         d: {uses: scan, timeout: soon}\n",
    )
    .unwrap();
    let path = chain.to_str().unwrap();
    for arguments in
        [&["chain", "validate", path][..], &["serve", "--chain", path, "--listen", "127.0.0.1:0"]]
    {
        let data = folder.path().join("data");
        let output = patchline(&data, arguments);
        let said = said(&output);
        assert_eq!(output.status.code(), Some(2), "{said}");
        for part in ["scop", "scna", "did you mean", "timeout", "chain.yaml:"] {
            assert!(said.contains(part), "no `{part}` in\n{said}");
        }
        assert!(said.contains("error[chain-invalid]") && said.contains("nothing was started"), "{said}");
        assert!(!data.join("patchline.db").exists(), "nothing was started");
    }
}

#[test]
fn an_image_that_does_not_exist_and_a_registry_that_does_not_answer() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(&Options::new(
        folder.path(),
        "version: 1\nchain: x\nsteps: {scan: {uses: scan}}\n",
        "",
    ));
    let image = format!("{}/no/such:v1", server.registry);
    let output = patchline(folder.path(), &["scan", "--offline", &image]);
    assert_eq!(output.status.code(), Some(1));
    assert!(said(&output).contains("error[image-not-found]"), "{}", said(&output));
    let output = patchline(folder.path(), &["scan", "--offline", "127.0.0.1:9/no/such:v1"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(said(&output).contains("error[registry-unreachable]"), "{}", said(&output));
}

/// A layout with one small Debian-like image.
fn debian(folder: &Path, status: &[u8]) -> Layout {
    let layout = Layout::create(folder);
    let release: &[u8] = b"ID=debian\nVERSION_ID=\"12\"\nVERSION_CODENAME=bookworm\n";
    let tar =
        image::tar(&[("etc/os-release", Some(release), 0o644), ("var/lib/dpkg/status", Some(status), 0o644)]);
    layout.image("v1", &[tar]);
    layout
}

/// With a data folder of its own: a layer that another scan has read is not read again.
fn scan(folder: &Path, layout: &Layout) -> Output {
    let of = layout.dir.file_name().unwrap();
    patchline(
        &folder.join("data").join(of),
        &["scan", "--offline", &format!("oci:{}:v1", layout.dir.display())],
    )
}

#[test]
fn a_blob_whose_digest_is_wrong_a_truncated_layer_and_a_broken_database() {
    let folder = tempfile::tempdir().unwrap();
    let good = b"Package: a\nStatus: install ok installed\nArchitecture: amd64\nVersion: 1\n";

    let layout = debian(&folder.path().join("good"), good);
    let output = scan(folder.path(), &layout);
    assert!(output.status.success(), "{}", said(&output));

    let layout = debian(&folder.path().join("wrong"), good);
    let blob = layout.dir.join("blobs/sha256").join(&layout.layers()[0][7..]);
    let mut bytes = fs::read(&blob).unwrap();
    let last = bytes.len() - 9;
    bytes[last] ^= 1;
    fs::write(&blob, &bytes).unwrap();
    let output = scan(folder.path(), &layout);
    assert_eq!(output.status.code(), Some(1));
    let said_wrong = said(&output);
    assert!(
        said_wrong.contains("error[digest-mismatch]") || said_wrong.contains("error[layer-unreadable]"),
        "{said_wrong}"
    );

    let layout = debian(&folder.path().join("short"), good);
    let blob = layout.dir.join("blobs/sha256").join(&layout.layers()[0][7..]);
    let bytes = fs::read(&blob).unwrap();
    fs::write(&blob, &bytes[..bytes.len() / 2]).unwrap();
    let output = scan(folder.path(), &layout);
    assert_eq!(output.status.code(), Some(1));
    let said_short = said(&output);
    assert!(
        said_short.contains("error[size-mismatch]") || said_short.contains("error[layer-unreadable]"),
        "{said_short}"
    );

    let layout = debian(&folder.path().join("broken"), b"Package: a\nthis is no field\n");
    let output = scan(folder.path(), &layout);
    assert_eq!(output.status.code(), Some(1));
    assert!(said(&output).contains("error[package-database-unreadable]"), "{}", said(&output));
    assert!(said(&output).contains("line 2"), "{}", said(&output));
}

#[test]
fn a_run_over_a_broken_image_fails_with_the_reason_and_pushes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let chain = "version: 1\nchain: web\nscope: {repositories: ['shop/**']}\non: {push: {}}\nsteps:\n  scan: {uses: scan}\n  \
                 gate: {uses: gate, needs: [scan], with: {deny: [{fixable: true, count: 1}]}}\n  \
                 fix: {uses: fix, needs: [gate], when: steps.gate.denied}\n";
    let server = Server::start(&Options::new(folder.path(), chain, ""));
    let layout = debian(&folder.path().join("broken"), b"Package: a\nthis is no field\n");
    let target = format!("{}/shop/web:v1", server.registry);
    let output =
        patchline(folder.path(), &["image", "copy", &format!("oci:{}:v1", layout.dir.display()), &target]);
    assert!(output.status.success(), "{}", said(&output));
    let runs = server.finished(1, Duration::from_secs(60));
    assert_eq!(runs[0]["result"], "failed");
    let scan = runs[0]["steps"].as_array().unwrap().iter().find(|s| s["name"] == "scan").unwrap();
    assert_eq!(scan["problem"]["code"], "package-database-unreadable", "{scan:#}");
    let output = patchline(
        folder.path(),
        &["image", "list", "--output", "json", &format!("{}/shop/web", server.registry)],
    );
    let tags: Vec<Value> = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(tags.len(), 1, "nothing else was pushed: {tags:?}");
}

#[test]
fn a_tag_is_removed_only_with_the_digest_that_it_has() {
    let folder = tempfile::tempdir().unwrap();
    let layout = debian(&folder.path().join("image"), b"");
    let image = format!("oci:{}:v1", layout.dir.display());
    let output = patchline(folder.path(), &["image", "delete", &image]);
    assert_eq!(output.status.code(), Some(2));
    assert!(
        said(&output).contains("error[digest-needed]") && said(&output).contains("sha256:"),
        "{}",
        said(&output)
    );
    let other = format!("sha256:{}", "0".repeat(64));
    let output = patchline(folder.path(), &["image", "delete", &image, "--expect", &other]);
    assert_eq!(output.status.code(), Some(1));
    assert!(said(&output).contains("error[tag-moved]"), "{}", said(&output));
}

#[test]
fn a_manifest_with_tags_is_not_deleted() {
    let folder = tempfile::tempdir().unwrap();
    let chain = "version: 1\nchain: x\nscope: {repositories: [other/*]}\nsteps: {scan: {uses: scan}}\n";
    let server = Server::start(&Options::new(folder.path(), chain, ""));
    let layout = debian(&folder.path().join("image"), b"");
    let repository = format!("{}/shop/web", server.registry);
    for tag in ["v1", "stable"] {
        let target = format!("{repository}:{tag}");
        let source = format!("oci:{}:v1", layout.dir.display());
        let output = patchline(folder.path(), &["image", "copy", &source, &target]);
        assert!(output.status.success(), "{}", said(&output));
    }
    let list = || -> Vec<Value> {
        let arguments = ["image", "list", "--output", "json", &repository];
        serde_json::from_slice(&patchline(folder.path(), &arguments).stdout).unwrap()
    };
    let digest = list()[0]["digest"].as_str().unwrap().to_owned();
    let manifest = format!("{repository}@{digest}");
    let output = patchline(folder.path(), &["image", "delete", &manifest]);
    assert_eq!(output.status.code(), Some(1));
    for part in ["error[digest-still-tagged]", "stable, v1", "--expect"] {
        assert!(said(&output).contains(part), "no `{part}` in\n{}", said(&output));
    }
    assert_eq!(list().len(), 2, "nothing was deleted");
    for tag in ["v1", "stable"] {
        let image = format!("{repository}:{tag}");
        let output = patchline(folder.path(), &["image", "delete", &image, "--expect", &digest]);
        assert!(output.status.success(), "{}", said(&output));
    }
    let output = patchline(folder.path(), &["image", "delete", &manifest]);
    assert!(output.status.success(), "{}", said(&output));
}

/// A mirror that answers every request with the same bytes.
fn mirror_of(bytes: &'static [u8]) -> String {
    use std::io::{Read as _, Write as _};
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/debian", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut asked = [0; 4096];
            let _ = stream.read(&mut asked);
            let head =
                format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", bytes.len());
            let _ = stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(bytes));
        }
    });
    url
}

#[test]
fn a_repository_whose_signature_fails_mends_nothing() {
    if !Path::new("/usr/share/keyrings/debian-archive-keyring.gpg").exists() {
        return machine::skip("no Debian keyring on this machine");
    }
    let folder = tempfile::tempdir().unwrap();
    let status = b"Package: openssl\nStatus: install ok installed\nArchitecture: amd64\nVersion: 3.0.1-1\n";
    let layout = debian(&folder.path().join("image"), status);
    let image = format!("oci:{}:v1", layout.dir.display());
    let mirror = mirror_of(
        b"-----BEGIN PGP SIGNED MESSAGE-----\nHash: SHA256\n\nSuite: stable-security\nCodename: bookworm-security\n\
          -----BEGIN PGP SIGNATURE-----\n\niQFFBAABCAAvFiEEAAAA\n=AAAA\n-----END PGP SIGNATURE-----\n",
    );
    let output = patchline(
        &folder.path().join("data"),
        &["fix", &image, "--mirror", &mirror, "--security-mirror", &mirror],
    );
    assert_eq!(output.status.code(), Some(1));
    assert!(said(&output).contains("error[repository-untrusted]"), "{}", said(&output));
    let output = patchline(
        &folder.path().join("data"),
        &["image", "list", "--output", "json", &image[..image.len() - 3]],
    );
    let tags: Vec<Value> = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(tags.len(), 1, "no fixed tag: {tags:?}");
}

/// A small file system of its own, unmounted at the end.
struct Tmpfs(std::path::PathBuf);

impl Tmpfs {
    fn mount(folder: &Path, size: &str) -> Option<Self> {
        fs::create_dir_all(folder).unwrap();
        let done = Command::new("mount")
            .args(["-t", "tmpfs", "-o", &format!("size={size}"), "tmpfs"])
            .arg(folder)
            .status();
        if done.is_ok_and(|s| s.success()) {
            return Some(Self(folder.to_owned()));
        }
        machine::skip("no tmpfs can be mounted here");
        None
    }
}

impl Drop for Tmpfs {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("--lazy").arg(&self.0).status();
    }
}

#[test]
fn without_space_left_a_push_fails_whole_and_the_server_goes_on() {
    if !machine::root() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let mut options = Options::new(
        folder.path(),
        "version: 1\nchain: web\nscope: {repositories: ['shop/**']}\non: {push: {}}\nsteps: {scan: {uses: scan}}\n",
        "",
    );
    options.data = folder.path().join("small");
    let Some(_mounted) = Tmpfs::mount(&options.data, "24m") else { return };
    let server = Server::start(&options);
    // Noise does not compress: 40 MB stay 40 MB.
    let mut noise = vec![0u8; 40 << 20];
    rand::RngCore::fill_bytes(&mut rand::rng(), &mut noise);
    let layout = Layout::create(&folder.path().join("large"));
    layout.image("v1", &[image::tar(&[("noise", Some(&noise), 0o644)])]);
    let target = format!("{}/shop/web:v1", server.registry);
    let large = format!("oci:{}:v1", layout.dir.display());
    let output = patchline(&folder.path().join("cli"), &["image", "copy", &large, &target]);
    assert_eq!(output.status.code(), Some(1), "{}", said(&output));
    assert!(said(&output).contains("error["), "{}", said(&output));
    assert!(server.first_rounds().is_empty(), "nothing was half pushed, so nothing started");
    // What failed left no bytes behind: a small image still fits, and its run ends.
    let small = debian(&folder.path().join("image"), b"");
    let small = format!("oci:{}:v1", small.dir.display());
    let output = patchline(&folder.path().join("cli"), &["image", "copy", &small, &target]);
    assert!(output.status.success(), "{}", said(&output));
    let runs = server.finished(1, Duration::from_secs(60));
    assert_eq!(runs.len(), 1);
}
