//! The program on an image of Ubuntu: mirrors by flags and by configuration, a scan and a fix without any, and what dpkg thinks of
//! the fixed image's packages.

#[path = "ubuntus/repositories.rs"]
mod repositories;

use std::{
    fs,
    io::Write as _,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
};

use patchline_registry::Digest;
use patchline_remediation::apt::Mirrors;
use patchline_tests::{image::Layout, machine};
use serde_json::Value;

/// A key's home; its agent ends with it.
struct Home(PathBuf);

impl Home {
    fn gpg(&self) -> Command {
        let mut command = Command::new("gpg");
        command.args(["--batch", "--quiet", "--yes", "--homedir"]).arg(&self.0);
        command
    }
    fn sign(&self, text: &str) -> Vec<u8> {
        let mut command = self.gpg();
        command.arg("--clearsign").stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().unwrap();
        child.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
        let output = child.wait_with_output().unwrap();
        assert!(output.status.success(), "gpg does not sign");
        output.stdout
    }
}

impl Drop for Home {
    fn drop(&mut self) {
        drop(Command::new("gpgconf").arg("--homedir").arg(&self.0).args(["--kill", "all"]).output());
    }
}

/// A key that signs releases, and the file of its public part.
fn key(folder: &Path) -> (Home, PathBuf) {
    let home = Home(folder.join("gnupg"));
    fs::create_dir(&home.0).unwrap();
    fs::set_permissions(&home.0, fs::Permissions::from_mode(0o700)).unwrap();
    let asked = ["--passphrase", "", "--quick-generate-key", "ubuntu", "ed25519", "sign", "0"];
    machine::run(home.gpg().args(asked));
    let keyring = folder.join("key.gpg");
    machine::run(home.gpg().arg("--output").arg(&keyring).arg("--export"));
    (home, keyring)
}

fn deb(folder: &Path, version: &str) -> PathBuf {
    let root = folder.join(format!("tool-{version}"));
    let docs = root.join("usr/share/doc/tool");
    fs::create_dir_all(root.join("DEBIAN")).unwrap();
    fs::create_dir_all(&docs).unwrap();
    let control =
        "Architecture: amd64\nMaintainer: nobody <nobody@example.org>\nDescription: made by a test\n";
    fs::write(root.join("DEBIAN/control"), format!("Package: tool\nVersion: {version}\n{control}")).unwrap();
    fs::write(root.join("usr/share/tool"), version).unwrap();
    let log = format!(
        "tool ({version}) jammy-security; urgency=medium\n\n  * SECURITY UPDATE: too trusting.\n    - CVE-2024-1000\n\n \
         -- nobody <nobody@example.org>  Sat, 01 Jun 2024 12:00:00 +0000\n"
    );
    fs::write(docs.join("changelog.Debian"), log).unwrap();
    machine::run(Command::new("gzip").arg("-n").arg(docs.join("changelog.Debian")));
    let file = folder.join(format!("tool_{version}_amd64.deb"));
    machine::run(Command::new("dpkg-deb").args(["--root-owner-group", "--build"]).arg(&root).arg(&file));
    file
}

/// A package as an index lists it.
fn stanza(deb: &Path, filename: &str) -> String {
    let bytes = fs::read(deb).unwrap();
    let control = machine::run(Command::new("dpkg-deb").arg("--field").arg(deb));
    let control = String::from_utf8(control.stdout).unwrap();
    let (size, sha256) = (bytes.len(), Digest::of(&bytes));
    format!("{}\nFilename: {filename}\nSize: {size}\nSHA256: {}\n", control.trim_end(), sha256.hex())
}

/// Now, as releases write it, with a line's end.
fn date() -> String {
    let mut command = Command::new("date");
    let date = machine::run(command.args(["--utc", "+%a, %d %b %Y %H:%M:%S UTC"]).env("LC_ALL", "C"));
    String::from_utf8(date.stdout).unwrap()
}

/// The security suite of an archive, in component universe.
fn archive(folder: &Path, home: &Home) -> PathBuf {
    let place = folder.join("archive");
    let suite = place.join("dists/jammy-security");
    fs::create_dir_all(place.join("pool")).unwrap();
    let made = deb(folder, "1.0-1ubuntu0.1");
    let name = made.file_name().unwrap().display().to_string();
    fs::rename(&made, place.join("pool").join(&name)).unwrap();
    let stanza = stanza(&place.join("pool").join(&name), &format!("pool/{name}"));
    let mut promised = String::new();
    for (component, index) in [("main", ""), ("universe", &stanza)] {
        let name = format!("{component}/binary-amd64/Packages");
        fs::create_dir_all(suite.join(&name).parent().unwrap()).unwrap();
        fs::write(suite.join(&name), index).unwrap();
        promised += &format!(" {} {} {name}\n", Digest::of(index.as_bytes()).hex(), index.len());
    }
    let date = date();
    let release = format!(
        "Suite: jammy-security\nCodename: jammy\nDate: {date}Architectures: amd64\nComponents: main universe\nSHA256:\n{promised}"
    );
    fs::write(suite.join("InRelease"), home.sign(&release)).unwrap();
    place
}

/// A layer in which dpkg has installed the package.
fn layer(folder: &Path) -> Vec<u8> {
    let root = folder.join("root");
    for path in ["var/lib/dpkg/info", "var/lib/dpkg/updates", "etc"] {
        fs::create_dir_all(root.join(path)).unwrap();
    }
    fs::write(root.join("var/lib/dpkg/status"), "").unwrap();
    let release =
        "PRETTY_NAME=\"Ubuntu 22.04.4 LTS\"\nID=ubuntu\nVERSION_ID=\"22.04\"\nVERSION_CODENAME=jammy\n";
    fs::write(root.join("etc/os-release"), release).unwrap();
    let forced = "--force-architecture,not-root,bad-path";
    machine::run(
        Command::new("dpkg").arg("--root").arg(&root).arg(forced).arg("--install").arg(deb(folder, "1.0-1")),
    );
    machine::run(Command::new("tar").arg("-C").arg(&root).args(["--numeric-owner", "-cf", "-", "."])).stdout
}

fn patchline(folder: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new(machine::patchline());
    command.args(arguments).arg("--data").arg(folder.join("data")).output().unwrap()
}

fn said(output: &Output) -> String {
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    format!("{out}{err}")
}

/// Tag to digest, as the layout's index has it.
fn tagged(layout: &Path, tag: &str) -> Option<String> {
    let index: Value = serde_json::from_slice(&fs::read(layout.join("index.json")).unwrap()).unwrap();
    let all = index["manifests"].as_array().unwrap();
    let found = all.iter().find(|one| one["annotations"]["org.opencontainers.image.ref.name"] == tag);
    found.map(|one| one["digest"].as_str().unwrap().to_owned())
}

#[test]
fn an_image_of_ubuntu_is_mended_from_a_mirror_that_is_named() {
    if !machine::root() || !machine::needs(&["gpg", "dpkg", "dpkg-deb", "tar"]) {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let (home, keyring) = key(folder);
    let mirror = format!("file://{}", archive(folder, &home).display());
    let layer = layer(folder);
    let image = |name: &str| {
        let layout = Layout::create(&folder.join(name));
        layout.image("v1", std::slice::from_ref(&layer));
        (format!("oci:{}:v1", layout.dir.display()), layout.dir)
    };

    if Mirrors::from_machine().ubuntu == Default::default() {
        let (name, layout) = image("without");
        let output = patchline(folder, &["scan", &name]);
        assert_eq!(output.status.code(), Some(0), "a scan goes on without: {}", said(&output));
        let output = patchline(folder, &["fix", &name]);
        // Nothing is known of it, so nothing needs a mirror; a fix that needs one is in the library's suite.
        assert!(tagged(&layout, "v1_fixed").is_none(), "{}", said(&output));
    } else {
        machine::skip("this machine's apt names a mirror of Ubuntu");
    }

    let keyring = keyring.to_str().unwrap();
    let (name, flagged) = image("by-flags");
    let output = patchline(folder, &["fix", &name, "--ubuntu-mirror", &mirror, "--keyring", keyring]);
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
    let by_flags = tagged(&flagged, "v1_fixed").expect("a fixed image");

    let config = folder.join("patchline.yaml");
    fs::write(&config, format!("mirrors: {{ubuntu: '{mirror}'}}\nkeyrings: ['{keyring}']\n")).unwrap();
    let (name, configured) = image("by-configuration");
    let output = patchline(folder, &["fix", &name, "--config", config.to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
    assert_eq!(tagged(&configured, "v1_fixed").as_deref(), Some(by_flags.as_str()), "the same image");

    let fixed = name.replace(":v1", ":v1_fixed");
    let arguments = ["scan", &fixed, "--config", config.to_str().unwrap(), "--output", "json"];
    let output = patchline(folder, &arguments);
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(report["findings"].as_array().map(Vec::len), Some(0), "{}", said(&output));
    let packages = report["inventory"]["packages"].as_array().unwrap();
    assert_eq!(packages[0]["version"], "1.0-1ubuntu0.1");

    // A port's mirror is not the archive's.
    let (name, _) = image("ported");
    let output = patchline(folder, &["fix", &name, "--ubuntu-ports-mirror", &mirror, "--keyring", keyring]);
    if Mirrors::from_machine().ubuntu == Default::default() {
        assert!(!said(&output).contains("v1_fixed"), "{}", said(&output));
    }
}
