//! Repositories that an image names for itself, and mirrors and proxies with a password, by flags, configuration and environment.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Output},
};

use patchline_registry::Digest;
use patchline_tests::{
    guarded::{Guarded, Role},
    image::Layout,
    machine,
};
use serde_json::Value;

use super::{Home, archive, date, deb, key, layer, said, stanza, tagged};

/// `me:hush`, as HTTP sends it.
const GIVEN: &str = "bWU6aHVzaA==";

/// A repository of one folder: its release lies beside its packages, signed beside itself.
fn tools(folder: &Path, home: &Home, version: &str) -> PathBuf {
    let place = folder.join("tools");
    fs::create_dir_all(&place).unwrap();
    let made = deb(folder, version);
    let name = made.file_name().unwrap().display().to_string();
    fs::rename(&made, place.join(&name)).unwrap();
    let index = stanza(&place.join(&name), &format!("./{name}"));
    fs::write(place.join("Packages"), &index).unwrap();
    let hash = Digest::of(index.as_bytes());
    let release = format!("Date: {}SHA256:\n {} {} ./Packages\n", date(), hash.hex(), index.len());
    fs::write(place.join("Release"), &release).unwrap();
    let mut command = home.gpg();
    command.args(["--armor", "--detach-sign", "--output"]).arg(place.join("Release.gpg"));
    machine::run(command.arg(place.join("Release")));
    place
}

/// A layer with the image's own sources.
fn sources(folder: &Path) -> Vec<u8> {
    let root = folder.join("sources");
    fs::create_dir_all(root.join("etc/apt/sources.list.d")).unwrap();
    let line = "deb [trusted=yes] https://me:of-the-image@packages.example/tools ./\n";
    fs::write(root.join("etc/apt/sources.list.d/tools.list"), line).unwrap();
    machine::run(Command::new("tar").arg("-C").arg(&root).args(["--numeric-owner", "-cf", "-", "etc"])).stdout
}

/// What a test has.
struct Ground {
    folder: tempfile::TempDir,
    home: Home,
    keyring: String,
    layers: Vec<Vec<u8>>,
}

impl Ground {
    fn new() -> Option<Self> {
        if !machine::root() || !machine::needs(&["gpg", "dpkg", "dpkg-deb", "tar"]) {
            return None;
        }
        let folder = tempfile::tempdir().unwrap();
        let (home, keyring) = key(folder.path());
        let layers = vec![layer(folder.path()), sources(folder.path())];
        let keyring = keyring.to_str().unwrap().to_owned();
        Some(Self { folder, home, keyring, layers })
    }
    fn image(&self, name: &str) -> (String, PathBuf) {
        let layout = Layout::create(&self.folder.path().join(name));
        layout.image("v1", &self.layers);
        (format!("oci:{}:v1", layout.dir.display()), layout.dir)
    }
    fn config(&self, text: &str) -> String {
        let file = self.folder.path().join("patchline.yaml");
        fs::write(&file, format!("keyrings: ['{}']\n{text}\n", self.keyring)).unwrap();
        file.to_str().unwrap().to_owned()
    }
    /// The program with an environment of its own; it says all that it can.
    fn patchline(&self, data: &str, environment: &[(&str, &str)], arguments: &[&str]) -> Output {
        let mut command = Command::new(machine::patchline());
        for name in
            ["http_proxy", "HTTP_PROXY", "https_proxy", "HTTPS_PROXY", "all_proxy", "no_proxy", "NO_PROXY"]
        {
            command.env_remove(name);
        }
        command.env("PATCHLINE_LOG", "trace").envs(environment.iter().copied()).args(arguments);
        command.arg("--data").arg(self.folder.path().join(data)).output().unwrap()
    }
    fn version(&self, image: &str) -> String {
        let fixed = image.replace(":v1", ":v1_fixed");
        let output = self.patchline("data", &[], &["scan", "--offline", &fixed, "--output", "json"]);
        let report: Value =
            serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{}", said(&output)));
        report["inventory"]["packages"][0]["version"].as_str().unwrap().to_owned()
    }
}

/// Every file below a folder that holds this text.
fn holding(folder: &Path, text: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(holding(&path, text));
        } else if fs::read(&path).unwrap().windows(text.len()).any(|part| part == text.as_bytes()) {
            found.push(path);
        }
    }
    found
}

#[test]
fn the_images_own_repository_is_read_where_it_is_mirrored() {
    let Some(ground) = Ground::new() else { return };
    let folder = ground.folder.path();
    let ubuntu = format!("file://{}", archive(folder, &ground.home).display());
    let place = tools(folder, &ground.home, "1.0-9");
    let mirror = format!("https://packages.example/tools={}", place.display());
    let flags = ["--latest", "--ubuntu-mirror", &ubuntu, "--keyring", &ground.keyring];
    let fix = |name: &str, more: &[&str]| {
        let output = ground.patchline("data", &[], &[&["fix", name], more].concat());
        assert!(!said(&output).contains("of-the-image"), "{}", said(&output));
        output
    };
    let (name, layout) = ground.image("by-flags");
    let output = fix(&name, &[&flags[..], &["--apt-mirror", &mirror, "--plan"]].concat());
    assert!(said(&output).contains("packages.example/tools ./"), "{}", said(&output));
    assert!(tagged(&layout, "v1_fixed").is_none(), "a plan does nothing");
    let output = fix(&name, &[&flags[..], &["--apt-mirror", &mirror]].concat());
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
    let by_flags = tagged(&layout, "v1_fixed").expect("a fixed image");
    assert_eq!(ground.version(&name), "1.0-9");

    let config = ground.config(&format!(
        "mirrors: {{ubuntu: '{ubuntu}', apt: {{'https://packages.example': 'file://{}'}}}}",
        folder.display()
    ));
    let (name, layout) = ground.image("by-configuration");
    let output = fix(&name, &["--latest", "--config", &config]);
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
    assert_eq!(tagged(&layout, "v1_fixed").as_deref(), Some(by_flags.as_str()), "the same image");

    // No mirror of it: the distribution's own version.
    let (name, _) = ground.image("without");
    assert_eq!(fix(&name, &flags).status.code(), Some(0));
    assert_eq!(ground.version(&name), "1.0-1ubuntu0.1");

    // What the image trusts without a signature, nobody else does.
    fs::remove_file(place.join("Release.gpg")).unwrap();
    let (name, layout) = ground.image("unsigned");
    let output = fix(&name, &[&flags[..], &["--apt-mirror", &mirror]].concat());
    assert_ne!(output.status.code(), Some(0));
    assert!(said(&output).contains("repository-untrusted"), "{}", said(&output));
    assert!(tagged(&layout, "v1_fixed").is_none());
}

#[test]
fn passwords_of_mirrors_and_proxies_are_sent_and_never_shown() {
    let Some(ground) = Ground::new() else { return };
    let place = archive(ground.folder.path(), &ground.home);
    let mirror = Guarded::start(Role::Mirror, &place, GIVEN);
    let proxy = Guarded::start(Role::Proxy, &place, GIVEN);
    let at_mirror = format!("http://me:hush@{}", mirror.host);
    let at_proxy = format!("http://me:hush@{}", proxy.host);
    let named = "mirrors: {ubuntu: {env: MIRROR}}";
    let through = "mirrors: {ubuntu: 'http://ubuntu.example', proxies: {ubuntu: {env: PROXY}}}";
    let plain = "mirrors: {ubuntu: 'http://ubuntu.example'}";
    let (nobodys, wrong) = (format!("http://{}", mirror.host), at_mirror.replace("hush", "hush-hush"));
    for (case, config, environment, code) in [
        ("mirror", named, [("MIRROR", at_mirror.as_str()), ("no_proxy", "*")], None),
        ("wrong", named, [("MIRROR", &wrong), ("no_proxy", "*")], Some("mirror-status")),
        ("nobody", named, [("MIRROR", &nobodys), ("no_proxy", "*")], Some("mirror-status")),
        ("configured", through, [("PROXY", &at_proxy), ("no_proxy", "*")], None),
        ("environment", plain, [("http_proxy", &at_proxy), ("no_proxy", "other.example")], None),
        (
            "excepted",
            plain,
            [("http_proxy", &at_proxy), ("no_proxy", "ubuntu.example")],
            Some("mirror-unreachable"),
        ),
    ] {
        let asked = || (mirror.asked().len(), proxy.asked().len());
        let (config, before) = (ground.config(config), asked());
        let (name, layout) = ground.image(case);
        let arguments = ["fix", &name, "--config", &config, "--attest", "provenance,sbom,vex"];
        let output = ground.patchline(case, &environment, &arguments);
        let text = said(&output);
        assert!(text.contains("TRACE") && text.contains("DEBUG"), "{case}: it says all that it can: {text}");
        assert!(!text.contains("hush") && !text.contains(GIVEN), "{case}: {text}");
        match code {
            None => {
                assert_eq!(output.status.code(), Some(0), "{case}: {text}");
                assert_eq!(ground.version(&name), "1.0-1ubuntu0.1", "{case}");
            }
            Some(code) => {
                assert_ne!(output.status.code(), Some(0), "{case}: {text}");
                assert!(text.contains(code), "{case}: {text}");
                assert!(tagged(&layout, "v1_fixed").is_none(), "{case}");
            }
        }
        let after = asked();
        let grown = (after.0 > before.0, after.1 > before.1);
        let expected = match case {
            "mirror" => (true, false),
            "configured" | "environment" => (false, true),
            _ => (false, false),
        };
        assert_eq!(grown, expected, "{case}: who was asked");
        for folder in [layout, ground.folder.path().join(case)] {
            for secret in ["hush", GIVEN] {
                assert_eq!(holding(&folder, secret), Vec::<PathBuf>::new(), "{case}");
            }
        }
    }
    assert!(proxy.asked().iter().all(|path| path.starts_with("ubuntu.example/")), "{:?}", proxy.asked());
}
