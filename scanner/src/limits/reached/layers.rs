//! Layers, what is kept of them, and copyright files.

use std::io::Write as _;

use patchline_registry::{Digest, Platform};

use super::{Row, known, row, wait};
use crate::{
    LayerFacts as _, Package, image,
    layers::{FactsFolder, facts},
    limits,
};

/// An entry of a layer: a file with its content, or a link.
pub(super) enum Item<'a> {
    File(&'a str, &'a [u8]),
    Link(&'a str, &'a str),
}
use Item::{File, Link};

pub(super) fn tar(items: &[Item<'_>]) -> Vec<u8> {
    let mut archive = tar::Builder::new(Vec::new());
    for item in items {
        let mut header = tar::Header::new_gnu();
        header.set_mode(0o755);
        match item {
            File(path, content) => {
                header.set_size(content.len() as u64);
                archive.append_data(&mut header, path, *content).expect("file");
            }
            Link(path, target) => {
                header.set_entry_type(tar::EntryType::Symlink);
                header.set_size(0);
                archive.append_link(&mut header, path, target).expect("link");
            }
        }
    }
    archive.into_inner().expect("archive")
}

/// What one layer says.
pub(super) fn layer(items: &[Item<'_>]) -> String {
    format!("{:?}", facts::of_tar(&tar(items), *limits::layer()))
}

/// What is in an image of one layer.
fn packages(items: &[Item<'_>]) -> Vec<Package> {
    let facts = facts::of_tar(&tar(items), *limits::layer()).expect("reads");
    let platform = Platform { architecture: "amd64".into(), os: "linux".into(), variant: None };
    let blobs = [Digest::of(b"layer")];
    image::assemble(Digest::of(b"image"), platform, &blobs, &[facts.into()]).expect("an inventory").packages
}

pub(super) const STATUS: &[u8] =
    b"Package: a\nStatus: install ok installed\nArchitecture: amd64\nVersion: 1.0\n\n";
const LOCK: &[u8] = br#"{"lockfileVersion": 3, "packages": {"node_modules/a": {"version": "1.0.0"},
    "node_modules/b": {"version": "2.0.0"}}}"#;
const MIT: &[u8] =
    b"Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/\n\nFiles: *\nLicense: MIT\n";

/// An image whose only layer becomes a hundred thousand bytes of a few hundred.
fn zeros() -> String {
    let tar = tar(&[File("a", &[0; 100_000])]);
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    gzip.write_all(&tar).expect("memory");
    super::image::scanned(&[(gzip.finish().expect("memory"), Digest::of(&tar))])
}

/// What is understood of a package with this copyright file.
fn copyright(content: &[u8]) -> String {
    let items = [File("var/lib/dpkg/status", STATUS), File("usr/share/doc/a/copyright", content)];
    format!("{:?}", packages(&items)[0].licenses)
}

fn two_copyrights() -> String {
    let files = [File("usr/share/doc/a/copyright", MIT), File("usr/share/doc/b/copyright", MIT)];
    format!("understood={};", layer(&files).matches("MIT").count())
}

fn free_text() -> String {
    let far = " of a program".repeat(20);
    let text = format!(
        "GNU General Public License, version 2 or (at your option) any later version{far}\n\
        see /usr/share/common-licenses/GPL-2\n"
    );
    copyright(text.as_bytes())
}

fn folder() -> String {
    wait(async {
        let folder = tempfile::tempdir().expect("folder");
        let kept = FactsFolder::new(folder.path());
        let layers = [Digest::of(b"1"), Digest::of(b"2")];
        for layer in &layers {
            kept.put(layer, "analysers", &[7; 1000]).await.expect("keeps");
        }
        let mut found = 0;
        for layer in &layers {
            found += usize::from(kept.get(layer, "analysers").await.expect("reads").is_some());
        }
        format!("kept={found};")
    })
}

pub(super) fn rows() -> Vec<Row> {
    vec![
        row(("layer", "entries"), 1, "entries in a layer", || layer(&[File("a", b""), File("b", b"")])),
        row(("layer", "path"), 3, "the length of a path", || layer(&[File("a/long/path", b"")])),
        row(("layer", "headers"), 600, "the size of names and headers", || {
            layer(&[File(&"long/".repeat(400), b"")])
        }),
        row(("layer", "uncompressed"), 1000, "the uncompressed size of a layer", zeros),
        Row {
            beside: &[("layer", "ratio", 1)],
            ..row(("layer", "free"), 1000, "the uncompressed size", zeros)
        },
        Row { beside: &[("layer", "free", 1)], ..row(("layer", "ratio"), 2, "the uncompressed size", zeros) },
        row(("facts", "file"), 10, "the size of a package database", || {
            layer(&[File("var/lib/dpkg/status", STATUS)])
        }),
        row(("facts", "small-file"), 10, "the size of a package database or os-release", || {
            layer(&[File("etc/os-release", b"ID=debian\nVERSION_ID=12\n")])
        }),
        row(("facts", "list"), 10, "the size of a list of files", || {
            layer(&[File("var/lib/dpkg/info/a.list", b"/usr/bin/long-name\n")])
        }),
        row(("facts", "components"), 1, "a layer with more than 1 packages", || {
            layer(&[File("app/package-lock.json", LOCK)])
        }),
        row(("facts", "remembered"), 1, "unreadable=1;", || {
            let facts = layer(&[File("a/package.json", b"{"), File("b/package.json", b"{")]);
            format!("unreadable={};", facts.matches("Unreadable").count())
        }),
        row(("facts", "files"), 100, "the size of all package databases", || {
            layer(&[File("var/lib/dpkg/status", STATUS), File("var/lib/dpkg/status.d/b", STATUS)])
        }),
        row(("facts", "links"), 1, "unknown", || {
            let items = [
                File("var/lib/dpkg/status", STATUS),
                Link("usr/share/doc/a", "b"),
                Link("usr/share/doc/b", "c"),
                File("usr/share/doc/c/copyright", MIT),
            ];
            known(&format!("{:?}", packages(&items)), "MIT")
        }),
        row(("facts", "unpacked"), 10, "None", || {
            let facts = facts::of_tar(&tar(&[File("etc/os-release", b"ID=debian\n")]), *limits::layer());
            let kept = facts.expect("reads").encode().expect("encodes");
            format!("{:?}", facts::Facts::decode(&kept))
        }),
        row(("facts", "folder"), 1500, "kept=1;", folder),
        row(("licenses", "file"), 10, "[]", || copyright(MIT)),
        row(("licenses", "files"), 150, "understood=1;", two_copyrights),
        row(("licenses", "count"), 1, "understood=1;", two_copyrights),
        row(("licenses", "kept"), 30, "understood=1;", two_copyrights),
        row(("licenses", "names"), 1, "NOASSERTION", || {
            copyright(&[MIT, b"\nFiles: x\nLicense: ISC\n"].concat())
        }),
        row(("licenses", "expression"), 2, "NOASSERTION", || copyright(MIT)),
        row(("licenses", "conditions"), 20, "GPL-2.0-only", free_text),
        row(("licenses", "depth"), 1, "NOASSERTION", || {
            copyright(&[MIT.trim_ascii_end(), b" and ((ISC) or Zlib)\n"].concat())
        }),
        row(("licenses", "tokens"), 2, "NOASSERTION", || {
            copyright(&[MIT.trim_ascii_end(), b" and ISC\n"].concat())
        }),
    ]
}
