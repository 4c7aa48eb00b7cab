//! The committed corpora, replayed: as they are, cut, and with single bytes changed.

use std::{fs, io::Write as _, path::PathBuf};

use super::*;
use crate::packages::rpm::tests::writers;

/// Changed copies of one input.
const CHANGES: usize = 48;
/// Inputs that a target has, at least.
const INPUTS: usize = 8;

fn corpus(target: &str) -> PathBuf {
    [env!("CARGO_MANIFEST_DIR"), "fuzz/corpus", target].iter().collect()
}

/// The inputs of a target by name.
fn inputs(target: &str) -> Vec<(String, Vec<u8>)> {
    let folder = corpus(target);
    let entries = fs::read_dir(&folder).unwrap_or_else(|e| panic!("{}: {e}", folder.display()));
    let mut found = Vec::new();
    for entry in entries.flatten().filter(|entry| entry.path().is_file()) {
        let (name, bytes) = (entry.file_name().to_string_lossy().into_owned(), fs::read(entry.path()));
        let bytes = bytes.expect("readable");
        let recipe = name.ends_with(".hex");
        let bytes = if recipe { from_recipe(&String::from_utf8(bytes).expect("text")) } else { bytes };
        found.push((name, bytes));
    }
    found.sort();
    found
}

/// Binary inputs are committed as text: hexadecimal digits, `00*40` for what repeats, `#` before a remark.
fn from_recipe(text: &str) -> Vec<u8> {
    let words = text.lines().filter(|line| !line.starts_with('#')).flat_map(str::split_whitespace);
    words
        .flat_map(|word| {
            let (digits, times) = word.split_once('*').unwrap_or((word, "1"));
            hex::decode(digits).expect("digits").repeat(times.parse().expect("a number"))
        })
        .collect()
}

fn to_recipe(remark: &str, bytes: &[u8]) -> String {
    let mut words: Vec<String> = Vec::new();
    let (mut at, mut plain) = (0, Vec::new());
    while at < bytes.len() {
        let run = [1, 16].into_iter().find_map(|size| {
            let unit = bytes.get(at..at + size)?;
            let times = bytes[at..].chunks(size).take_while(|chunk| *chunk == unit).count();
            (times * size >= 6 && times > 2).then_some((unit, times))
        });
        let Some((unit, times)) = run else {
            plain.push(bytes[at]);
            at += 1;
            continue;
        };
        words.extend(plain.chunks(40).map(hex::encode));
        plain.clear();
        words.push(format!("{}*{times}", hex::encode(unit)));
        at += unit.len() * times;
    }
    words.extend(plain.chunks(40).map(hex::encode));
    format!("# {remark}\n{}\n", words.join("\n"))
}

#[test]
fn what_holds_of_any_bytes_holds_of_the_corpora() {
    for (name, check) in TARGETS {
        let inputs = inputs(name);
        assert!(inputs.len() >= INPUTS, "{name} has {} inputs", inputs.len());
        let found: usize = inputs.iter().map(|(_, bytes)| check(bytes)).sum();
        assert!(found > 0, "nothing is found in the inputs of {name}");
        println!("{name}: {} inputs, {found} found", inputs.len());
        // The same numbers each time: a test says the same twice.
        let mut state = 0x9e37_79b9_7f4a_7c15_u64;
        let mut random = |below: usize| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            usize::try_from(state >> 33).unwrap_or(0) % below.max(1)
        };
        for (_, bytes) in &inputs {
            for change in 0..CHANGES {
                let mut changed = bytes.clone();
                if change % 3 == 0 {
                    changed.truncate(random(bytes.len()));
                } else if !changed.is_empty() {
                    let at = random(changed.len());
                    changed[at] = [0, 0xff, changed[at] ^ 1, b'\n'][random(4)];
                }
                check(&changed);
            }
        }
    }
}

#[test]
fn recipes_come_back() {
    let bytes = [&[0; 100][..], b"abc", &b"Slot............".repeat(9), &[1, 2, 3]].concat();
    let recipe = to_recipe("a remark", &bytes);
    assert_eq!(from_recipe(&recipe), bytes);
    assert!(recipe.len() < 100, "{recipe}");
}

fn zip(entries: &[(&str, &[u8])], deflated: bool) -> Vec<u8> {
    let method = if deflated { zip::CompressionMethod::Deflated } else { zip::CompressionMethod::Stored };
    let options = zip::write::SimpleFileOptions::default().compression_method(method);
    let mut writer = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    for (name, content) in entries {
        writer.start_file(*name, options).expect("entry");
        writer.write_all(content).expect("content");
    }
    writer.finish().expect("zip").into_inner()
}

fn jars() -> Vec<(&'static str, Vec<u8>)> {
    let pom = b"groupId=org.example\nartifactId=a\nversion=1.2\n";
    let properties = "META-INF/maven/org.example/a/pom.properties";
    let manifest = b"Manifest-Version: 1.0\r\nImplementation-Title: b\r\nImplementation-Version: 3\r\nImplementation-Vendor-Id: org.b\r\n\r\n";
    let inner = zip(&[(properties, pom)], true);
    let twice = zip(&[("lib/inner.jar", &inner), ("lib/again-2.0.jar", &inner)], false);
    let xml = b"<project><licenses><license><name>MIT</name></license></licenses></project>";
    vec![
        ("empty", zip(&[], false)),
        ("properties", zip(&[(properties, pom)], false)),
        ("deflated", inner.clone()),
        ("manifest", zip(&[("META-INF/MANIFEST.MF", manifest)], true)),
        ("nested", twice.clone()),
        ("deeper", zip(&[("BOOT-INF/lib/x.jar", &twice)], true)),
        ("pom", zip(&[(properties, pom), ("META-INF/maven/org.example/a/pom.xml", xml)], true)),
        ("script-in-front", [b"#!/bin/sh\nexec java -jar $0\n".as_slice(), &inner].concat()),
        ("name-only", zip(&[("lib/guava-31.1-jre.jar", b"no archive")], false)),
        ("cut", inner[..inner.len() - 30].to_vec()),
    ]
}

fn tars() -> Vec<(&'static str, Vec<u8>)> {
    let archive = |entries: &[(&str, tar::EntryType, &str, &str)]| {
        let mut builder = tar::Builder::new(Vec::new());
        for (path, kind, target, content) in entries {
            let mut header = tar::Header::new_gnu();
            header.set_entry_type(*kind);
            header.set_size(content.len() as u64);
            header.set_mode(0o755);
            let put = if target.is_empty() {
                builder.append_data(&mut header, path, content.as_bytes())
            } else {
                builder.append_link(&mut header, path, target)
            };
            put.expect("entry");
        }
        let mut bytes = builder.into_inner().expect("tar");
        bytes.truncate(bytes.len().saturating_sub(512));
        bytes
    };
    use tar::EntryType as T;
    let status = "Package: a\nStatus: install ok installed\nArchitecture: all\nVersion: 1\n";
    let long = format!("app/{}/package-lock.json", "long".repeat(40));
    let lock = r#"{"lockfileVersion":3,"packages":{"node_modules/a":{"version":"1.0.0"}}}"#;
    let mut sparse = archive(&[("app/holes", T::Regular, "", "data")]);
    sparse[156] = b'S';
    vec![
        (
            "dpkg",
            archive(&[
                ("var/lib/dpkg/status", T::Regular, "", status),
                ("etc/os-release", T::Regular, "", "ID=debian\nVERSION_ID=12\n"),
            ]),
        ),
        (
            "status-d",
            archive(&[
                ("./var/lib/dpkg/status.d/a", T::Regular, "", status),
                ("./var/lib/dpkg/status.d/a.md5sums", T::Regular, "", "x"),
            ]),
        ),
        (
            "apk",
            archive(&[("lib/apk/db/installed", T::Regular, "", "P:a\nV:1-r0\nA:x86_64\nF:usr\nR:b.jar\n\n")]),
        ),
        (
            "whiteouts",
            archive(&[
                ("var/.wh..wh..opq", T::Regular, "", ""),
                ("etc/.wh.os-release", T::Regular, "", ""),
                (".wh.x", T::Regular, "", ""),
            ]),
        ),
        (
            "links",
            archive(&[
                ("etc/os-release", T::Symlink, "../usr/lib/os-release", ""),
                ("usr/lib/os-release", T::Regular, "", "ID=alpine\n"),
                ("b", T::Link, "usr/lib/os-release", ""),
            ]),
        ),
        ("long-name", archive(&[(&long, T::Regular, "", lock)])),
        ("lock", archive(&[("app/package-lock.json", T::Regular, "", lock), ("app", T::Directory, "", "")])),
        (
            "copyright",
            archive(&[
                (
                    "usr/share/doc/a/copyright",
                    T::Regular,
                    "",
                    "Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/\n\nFiles: *\nLicense: MIT\n",
                ),
                ("usr/share/doc/b", T::Symlink, "a", ""),
            ]),
        ),
        ("sparse", sparse),
        (
            "list",
            archive(&[
                ("var/lib/dpkg/info/a.list", T::Regular, "", "/.\n/usr/share/a/a.jar\n"),
                ("dev/x", T::Fifo, "", ""),
            ]),
        ),
    ]
}

fn programs() -> Vec<(&'static str, Vec<u8>)> {
    const START: &[u8] = b"\x30\x77\xaf\x0c\x92\x74\x08\x02\x41\xe1\xc1\x07\xe6\xd6\x18\xe6";
    const END: &[u8] = b"\xf9\x32\x43\x31\x86\x18\x20\x72\x00\x82\x42\x10\x41\x16\xd8\xf2";
    let head = |magic: &[u8]| {
        let mut head = magic.to_vec();
        head.resize(128, 0);
        head
    };
    let text = |text: &[u8]| [&[u8::try_from(text.len()).expect("short")], text].concat();
    let list = [START, b"path\tx.org/a\nmod\tx.org/a\tv1.0.0\t\ndep\tx.org/b\tv2.0.0\th1:x\n", END].concat();
    let info = |flags: u8, version: &[u8], list: &[u8]| {
        [b"\xff Go buildinf:".as_slice(), &[8, flags], &[0; 16], &text(version), &text(list)].concat()
    };
    let elf = head(b"\x7fELF\x02\x01");
    let crates = {
        let json = br#"{"packages":[{"name":"a","version":"1.0.0","source":"registry","kind":"build"},{"name":"b","version":"0.2.0","source":"local","root":true}]}"#;
        let mut packer = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::default());
        packer.write_all(json).expect("packs");
        packer.finish().expect("packs")
    };
    vec![
        ("go", [elf.clone(), info(2, b"go1.22.1", &list)].concat()),
        ("go-pe", [head(b"MZ"), info(2, b"go1.20", &list)].concat()),
        ("go-pointers", [elf.clone(), info(0, b"", b"")].concat()),
        ("go-without-modules", [elf.clone(), info(2, b"go1.18rc1", b"")].concat()),
        ("go-cut", [elf.clone(), info(2, b"go1.22.1", &list[..40])].concat()),
        ("modules-alone", [elf.clone(), list.clone(), b"go1.15.2\0".to_vec()].concat()),
        ("crates", [elf.clone(), crates].concat()),
        ("known", [elf.clone(), b"nginx/1.25.3\0PHP/8.2.1\0Python 3.11.4\0".to_vec()].concat()),
        ("nothing", elf),
        ("mach-o", [head(b"\xcf\xfa\xed\xfe"), info(2, b"go1.21", &list)].concat()),
    ]
}

/// Databases of a few packages; `write` makes one with pages of a size.
fn databases(write: impl Fn(&[Vec<u8>], usize) -> Vec<u8>) -> Vec<(&'static str, Vec<u8>)> {
    let packages = |count: usize, files: usize, padding: usize| -> Vec<Vec<u8>> {
        (0..count).map(|n| writers::package(&format!("package{n}"), files, padding)).collect()
    };
    let one = write(&packages(1, 3, 0), 512);
    let turned = |at: usize| {
        let mut bytes = one.clone();
        let at = at.min(bytes.len() - 1);
        bytes[at] ^= 0x55;
        bytes
    };
    vec![
        ("none", write(&[], 512)),
        ("three", write(&packages(3, 2, 0), 512)),
        ("many", write(&packages(9, 0, 0), 1024)),
        ("long", write(&packages(1, 1, 3000), 512)),
        ("files", write(&packages(1, 30, 10), 1024)),
        ("turned-early", turned(60)),
        ("turned-late", turned(one.len() - 200)),
        ("cut", one[..one.len() - 100].to_vec()),
        ("one", one),
    ]
}

/// Writes the binary inputs anew: `PATCHLINE_WRITE_CORPORA=1 cargo test … writes_the_corpora -- --ignored`.
#[test]
#[ignore = "writes into the repository, where PATCHLINE_WRITE_CORPORA is set"]
fn writes_the_corpora() {
    if std::env::var_os("PATCHLINE_WRITE_CORPORA").is_none() {
        println!("skipped: PATCHLINE_WRITE_CORPORA is not set");
        return;
    }
    let made = [
        ("tar", tars()),
        ("jar", jars()),
        ("go", programs()),
        ("rpm_sqlite", databases(|blobs, size| writers::Sqlite::of(blobs, size).bytes())),
        ("rpm_ndb", databases(|blobs, _| writers::ndb(blobs))),
        ("rpm_bdb", databases(writers::bdb_of_little)),
    ];
    for (target, inputs) in made {
        fs::create_dir_all(corpus(target)).expect("a folder");
        for (name, bytes) in inputs {
            let recipe = to_recipe(&format!("{name}; written by fuzzing_tests.rs"), &bytes);
            assert_eq!(from_recipe(&recipe), bytes);
            fs::write(corpus(target).join(format!("{name}.hex")), recipe).expect("written");
        }
    }
}
