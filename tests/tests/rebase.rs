//! An image on a base that has been built again, in Debian's docker-registry: `patchline fix --rebase` sets it on the newer
//! one, or says why not.

use std::{fs, path::Path, process::Command};

use patchline_tests::{
    distribution::{DockerRegistry, free_port},
    image::{Layout, tar},
    machine,
};
use serde_json::Value;

const OS: &[u8] = b"ID=alpine\nVERSION_ID=3.20.3\n";

/// A registry with a base, what it has become, and images on the first.
struct Yard {
    folder: tempfile::TempDir,
    registry: DockerRegistry,
    /// What the tag of the base named at first.
    old: String,
}

fn base(library: &[u8]) -> Vec<u8> {
    tar(&[
        ("etc", None, 0o755),
        ("etc/os-release", Some(OS), 0o644),
        ("usr/lib/libc.so", Some(library), 0o755),
        ("lib/apk/db/installed", Some(b"P:musl\nV:1.2.5-r0\nA:x86_64\n\n"), 0o644),
    ])
}

impl Yard {
    fn new() -> Option<Self> {
        if !machine::needs(&["docker-registry", "skopeo"]) {
            return None;
        }
        let folder = tempfile::tempdir().unwrap();
        let registry = DockerRegistry::start(folder.path(), free_port(), None);
        let layout = Layout::create(&folder.path().join("layout"));
        let old = layout.image("base", &[base(b"old")]);
        let yard = Self { folder, registry, old };
        yard.push("base", "base:1");
        layout.image("web", &[base(b"old"), tar(&[("app/run", Some(b"program"), 0o755)])]);
        yard.push("web", "shop/web:1.0");
        layout.image("patched", &[base(b"old"), tar(&[("usr/lib/libc.so", Some(b"by hand"), 0o755)])]);
        yard.push("patched", "shop/patched:1.0");
        layout.image("newer", &[base(b"newer")]);
        yard.push("newer", "base:1");
        Some(yard)
    }

    fn push(&self, tag: &str, to: &str) {
        let from = format!("oci:{}:{tag}", self.folder.path().join("layout").display());
        let to = format!("docker://{}/{to}", self.registry.address);
        machine::run(Command::new("skopeo").args(["copy", "--dest-tls-verify=false", &from, &to]));
    }

    fn fix(&self, image: &str, base: &str) -> Result<Value, String> {
        let mut command = Command::new(machine::patchline());
        command.env_remove("PATCHLINE_CONFIG").arg("--data").arg(self.folder.path().join("data"));
        command.args(["fix", "--output", "json", "--rebase", "--base", &self.name(base)]);
        let output = command.arg(self.name(image)).output().unwrap();
        match output.status.success() {
            true => Ok(serde_json::from_slice(&output.stdout).unwrap()),
            false => Err(String::from_utf8_lossy(&output.stderr).into_owned()),
        }
    }

    fn name(&self, image: &str) -> String {
        format!("{}/{image}", self.registry.address)
    }

    /// The merged files of an image, as skopeo and tar see them; none: there is no such tag.
    fn file(&self, image: &str, path: &str) -> Option<Vec<u8>> {
        let to = self.folder.path().join("seen");
        let _ = fs::remove_dir_all(&to);
        let mut copy = Command::new("skopeo");
        copy.args(["copy", "--src-tls-verify=false", &format!("docker://{}", self.name(image))]);
        copy.arg(format!("oci:{}:seen", to.display()));
        if !copy.output().unwrap().status.success() {
            return None;
        }
        let tree = to.join("tree");
        Layout::open(&to).unpack(&tree);
        fs::read(Path::new(&tree).join(path)).ok()
    }
}

#[test]
fn an_image_moves_to_the_newer_base_of_its_own() {
    let Some(yard) = Yard::new() else { return };
    let on = format!("base:1@{}", yard.old);
    let said = yard.fix("shop/web:1.0", &on).unwrap();
    let fixed = said["fixed"].as_str().unwrap().to_owned();
    assert!(fixed.contains("/shop/web:1.0_fixed@sha256:"), "{fixed}");
    assert_eq!(yard.file("shop/web:1.0_fixed", "usr/lib/libc.so").unwrap(), b"newer");
    assert_eq!(yard.file("shop/web:1.0_fixed", "app/run").unwrap(), b"program");
    assert_eq!(yard.file("shop/web:1.0", "usr/lib/libc.so").unwrap(), b"old", "the original stays");
    // Again it is the same image under the same tag; and a base of its own that is newest is said to be.
    assert_eq!(yard.fix("shop/web:1.0", &on).unwrap()["fixed"].as_str().unwrap(), fixed);

    let newer = Layout::open(&yard.folder.path().join("layout"));
    newer.image("third", &[base(b"third")]);
    yard.push("third", "base:1");
    let third = yard.fix("shop/web:1.0", &on).unwrap();
    assert_ne!(third["fixed"].as_str().unwrap(), fixed, "its own tag is taken over");
    assert_eq!(yard.file("shop/web:1.0_fixed", "usr/lib/libc.so").unwrap(), b"third");
}

#[test]
fn what_covers_its_base_is_refused_and_nothing_is_tagged() {
    let Some(yard) = Yard::new() else { return };
    let error = yard.fix("shop/patched:1.0", &format!("base:1@{}", yard.old)).unwrap_err();
    assert!(error.contains("rebase-refused") && error.contains("/usr/lib/libc.so"), "{error}");
    let error = yard.fix("shop/web:1.0", "base:1").unwrap_err();
    assert!(error.contains("base-unknown") && error.contains("@sha256:"), "{error}");
    let other = format!("base:1@sha256:{}", "0".repeat(64));
    let error = yard.fix("shop/web:1.0", &other).unwrap_err();
    assert!(error.contains("base-unfit"), "{error}");
    for image in ["shop/patched:1.0_fixed", "shop/web:1.0_fixed"] {
        assert_eq!(yard.file(image, "usr/lib/libc.so"), None, "{image}");
    }
}
