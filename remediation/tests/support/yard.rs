//! Packages that were made for a test, laid over a real root file system.

use std::{
    fs::{self, File},
    path::{Path, PathBuf},
    process::Command,
    sync::Arc,
};

use patchline_registry::Digest;
use patchline_remediation::{
    Error, Runner,
    deb::{Deb, PackageRecord, control},
    executor::{
        native::{Built, Change, filters::Filters},
        sandbox::dpkg,
    },
    installed::Database,
    tree::{LayerTree, Tree},
};

/// The package that the made ones upgrade.
const PACKAGE: &str = "openssl";

/// What no script of these tests needs, and every daemon would have to take in and give out again.
const BALLAST: [&str; 5] = [
    "./usr/lib/python3",
    "./usr/lib/x86_64-linux-gnu/gconv/",
    "./usr/lib/x86_64-linux-gnu/perl/",
    "./usr/share/locale/",
    "./usr/share/perl/",
];

fn lighter(rootfs: &Path, to: &Path) {
    let mut archive = tar::Archive::new(File::open(rootfs).unwrap());
    let mut builder = tar::Builder::new(File::create(to).unwrap());
    for entry in archive.entries().unwrap() {
        let entry = entry.unwrap();
        let (mut header, path) = (entry.header().clone(), entry.path().unwrap().into_owned());
        if BALLAST.iter().any(|ballast| path.to_string_lossy().starts_with(ballast)) {
            continue;
        }
        match entry.link_name().unwrap() {
            Some(target) => {
                let target = target.into_owned();
                builder.append_link(&mut header, path, target).unwrap();
            }
            None => builder.append_data(&mut header, path, entry).unwrap(),
        }
    }
    builder.finish().unwrap();
}

/// An image's root, read once, and the folder that packages are made in.
pub(crate) struct Yard {
    rootfs: PathBuf,
    pub(crate) tree: Tree,
    database: Database,
    pub(crate) folder: tempfile::TempDir,
}

impl Yard {
    pub(crate) fn new(rootfs: &Path) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let small = folder.path().join("root.tar");
        lighter(rootfs, &small);
        let layer = LayerTree::read(&Digest::of(b""), File::open(&small).unwrap()).unwrap();
        let mut tree = Tree::default();
        tree.apply(layer);
        let database = Database::read(&tree, "amd64").unwrap().unwrap();
        Self { rootfs: small, tree, database, folder }
    }

    /// A newer version of the package, with this postinst.
    pub(crate) fn deb(&self, postinst: &str) -> PathBuf {
        let root = self.folder.path().join("deb");
        fs::remove_dir_all(&root).ok();
        fs::create_dir_all(root.join("DEBIAN")).unwrap();
        fs::create_dir_all(root.join("usr/share/made")).unwrap();
        fs::write(root.join("usr/share/made/file"), "made by a test\n").unwrap();
        let control = format!(
            "Package: {PACKAGE}\nVersion: 99:1\nArchitecture: amd64\nMaintainer: nobody\nDescription: made by a test\n"
        );
        fs::write(root.join("DEBIAN/control"), control).unwrap();
        let script = root.join("DEBIAN/postinst");
        fs::write(&script, format!("#!/bin/sh\n{postinst}\n")).unwrap();
        let made = Command::new("chmod").arg("755").arg(&script).status().unwrap();
        assert!(made.success());
        let deb = self.folder.path().join("made.deb");
        let output = Command::new("dpkg-deb")
            .args(["--root-owner-group", "-Znone", "--build"])
            .arg(&root)
            .arg(&deb)
            .env("SOURCE_DATE_EPOCH", "1700000000")
            .output()
            .unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        deb
    }

    /// Upgrades to it, wherever the tools run.
    pub(crate) fn run(&self, deb: &Path, runner: impl Into<Runner>) -> Result<Built, Error> {
        let scratch = self.folder.path().join("scratch");
        fs::remove_dir_all(&scratch).ok();
        fs::create_dir(&scratch).unwrap();
        let control_files = Deb::read_control(deb).unwrap();
        let text = String::from_utf8(control_files["control"].clone()).unwrap();
        let record = PackageRecord::from_stanza("t", &control::single("t", &text).unwrap(), None).unwrap();
        let change = Change {
            installed: self.database.named(PACKAGE).unwrap(),
            record: Arc::new(record),
            deb: deb.to_owned(),
            unpacked: None,
            control: control_files,
            shadows: Default::default(),
        };
        let filters = Filters::read(&self.tree);
        let mut layers = [File::open(&self.rootfs).unwrap()];
        dpkg::build(
            &runner.into(),
            dpkg::Before { tree: &self.tree, database: &self.database, filters: &filters },
            &[change],
            &mut layers,
            &scratch,
            &|_, _, _| {},
        )
    }
}
