//! Images of one base, mended together: the base once, and the others set on it where they can be.

use std::{collections::BTreeSet, fs, io::Read as _, path::Path, process::Command};

use patchline_tests::{
    image::{Layout, tar},
    machine,
};
use serde_json::Value;

/// A layout with a Debian that its suite alone made, an image on it, and one that has a package database of its own.
fn yard(folder: &Path) -> Option<Layout> {
    machine::mirrors()?;
    let made = folder.join("made");
    let target = format!("oci:{}:base", made.display());
    let mut bootstrap = Command::new(machine::patchline());
    bootstrap.env_remove("PATCHLINE_CONFIG").arg("--data").arg(folder.join("data"));
    machine::run(bootstrap.args(["image", "bootstrap", &target, "--include", "openssl"]));
    let made = Layout::open(&made);
    let [layer] = made.layers().try_into().expect("it has one layer");
    let mut base = Vec::new();
    flate2::read::GzDecoder::new(made.blob(&layer).as_slice()).read_to_end(&mut base).unwrap();
    let tree = folder.join("tree");
    made.unpack(&tree);
    let mut status = fs::read(tree.join("var/lib/dpkg/status")).unwrap();
    status.extend(b"\n");

    let layout = Layout::create(&folder.join("shop"));
    layout.image("base", &[base.clone()]);
    layout.image("web", &[base.clone(), tar(&[("app/run", Some(b"program"), 0o755)])]);
    layout.image("own", &[base, tar(&[("var/lib/dpkg/status", Some(&status), 0o644)])]);
    Some(layout)
}

fn run(folder: &Path, arguments: &[&str]) -> (Value, String) {
    let mut command = Command::new(machine::patchline());
    command.env_remove("PATCHLINE_CONFIG").arg("--data").arg(folder.join("data"));
    let output = command.args(["--output", "json"]).args(arguments).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{said}");
    (serde_json::from_slice(&output.stdout).unwrap(), said)
}

fn layers(layout: &Layout, reference: &str) -> Vec<String> {
    let (_, digest) = reference.rsplit_once('@').unwrap();
    let manifest: Value = serde_json::from_slice(&layout.blob(digest)).unwrap();
    let layers = manifest["layers"].as_array().unwrap();
    layers.iter().map(|layer| layer["digest"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn a_shared_base_is_mended_first_and_once() {
    if !machine::root() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let Some(layout) = yard(folder.path()) else { return };
    let name = |tag: &str| format!("oci:{}:{tag}", layout.dir.display());
    let images = [name("web"), name("own"), name("base")];
    let named: Vec<&str> = images.iter().map(String::as_str).collect();

    let (grouped, _) = run(folder.path(), &[&["image", "bases"][..], &named].concat());
    let of = |at: usize, key: &str| grouped[at][key].clone();
    assert_eq!((of(0, "built_on"), of(2, "built_on")), (Value::from(images[2].as_str()), Value::Null));
    assert!(of(0, "of_base")["fixable"].as_u64().unwrap() > 0, "{grouped:#}");
    assert_eq!(of(0, "own")["findings"], 0);

    let (told, said) = run(folder.path(), &[&["fix"][..], &named].concat());
    let told = told["images"].as_array().unwrap();
    let order: Vec<&str> = told.iter().map(|one| one["image"].as_str().unwrap()).collect();
    assert_eq!(order, [&images[2], &images[0], &images[1]], "the base is first");
    let upgrades = |at: usize| told[at]["plan"]["upgrades"].as_array().unwrap().len();
    assert!(upgrades(0) > 0);
    assert_eq!((upgrades(1), upgrades(2)), (0, upgrades(0)), "what is the base's went up with it");
    assert!(said.contains("not set on") && said.contains("var/lib/dpkg/status"), "{said}");
    let fixed = |at: usize| layers(&layout, told[at]["fixed"].as_str().unwrap());
    let (base, web, own) = (fixed(0), fixed(1), fixed(2));
    assert_eq!((base.len(), &web[..2]), (2, base.as_slice()), "it stands on the mended base, patch and all");
    assert_eq!((web.len(), own.len()), (3, 3));

    // Nothing that has a fix is left in any.
    for tag in ["base_fixed", "web_fixed", "own_fixed"] {
        let (report, _) = run(folder.path(), &["scan", &name(tag)]);
        let left: BTreeSet<&str> = report["findings"]
            .as_array()
            .unwrap()
            .iter()
            .filter(|finding| !finding["fixed"].is_null())
            .map(|finding| finding["id"].as_str().unwrap())
            .collect();
        assert!(left.is_empty(), "{tag}: {left:?}");
    }
    // Again it is the same.
    let (again, _) = run(folder.path(), &[&["fix"][..], &named].concat());
    assert_eq!(again["images"][1]["fixed"], told[1]["fixed"]);
}

#[test]
fn what_is_of_one_image_is_refused_for_several() {
    let mut command = Command::new(machine::patchline());
    command.env_remove("PATCHLINE_CONFIG").args(["fix", "oci:a:1", "oci:b:1", "--tag", "x"]);
    let output = command.output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert!(said.contains("error[one-image-alone]: --tag is for one image, 2 are named"), "{said}");
}
