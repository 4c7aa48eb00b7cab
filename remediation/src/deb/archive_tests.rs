use std::io::Write;

use super::*;

fn tar_of(entries: &[(&str, tar::EntryType, &str, &[u8])]) -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    for (path, kind, link, content) in entries {
        let mut header = tar::Header::new_gnu();
        header.set_entry_type(*kind);
        header.set_mode(0o755);
        header.set_uid(0);
        header.set_gid(0);
        header.set_mtime(1);
        header.set_size(content.len() as u64);
        // Past the builder's own checks: a hostile archive has none.
        let old = header.as_old_mut();
        old.name[..path.len()].copy_from_slice(path.as_bytes());
        old.linkname[..link.len()].copy_from_slice(link.as_bytes());
        header.set_cksum();
        builder.append(&header, *content).unwrap();
    }
    builder.into_inner().unwrap()
}

fn ar(members: &[(&str, &[u8])]) -> Vec<u8> {
    let mut out = b"!<arch>\n".to_vec();
    for (name, bytes) in members {
        writeln!(out, "{name:<16}{:<12}{:<6}{:<6}{:<8}{:<10}`", 0, 0, 0, "100644", bytes.len()).unwrap();
        out.extend_from_slice(bytes);
        if bytes.len() % 2 == 1 {
            out.push(b'\n');
        }
    }
    out
}

fn gz(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn xz(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = liblzma::write::XzEncoder::new(Vec::new(), 0);
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn on_disk(bytes: &[u8]) -> tempfile::NamedTempFile {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(bytes).unwrap();
    file
}

fn control() -> Vec<u8> {
    tar_of(&[
        ("./", tar::EntryType::Directory, "", b""),
        ("./control", tar::EntryType::Regular, "", b"Package: abc\nVersion: 1\n"),
        ("./postinst", tar::EntryType::Regular, "", b"#!/bin/sh\n"),
    ])
}

fn deb_with(data: &[u8]) -> tempfile::NamedTempFile {
    on_disk(&ar(&[
        ("debian-binary", b"2.0\n"),
        ("control.tar.gz", &gz(&control())),
        ("data.tar.xz", &xz(data)),
    ]))
}

fn collect(file: &tempfile::NamedTempFile) -> Result<Vec<(Entry, Vec<u8>)>> {
    let mut all = Vec::new();
    Deb::open(file.path())?.data(|entry, content| {
        let mut bytes = Vec::new();
        content.read_to_end(&mut bytes).unwrap();
        all.push((entry.clone(), bytes));
        Ok(())
    })?;
    Ok(all)
}

#[test]
fn reads_control_and_data_in_every_compression() {
    let data = tar_of(&[
        ("./", tar::EntryType::Directory, "", b""),
        ("./usr/bin/", tar::EntryType::Directory, "", b""),
        ("./usr/bin/abc", tar::EntryType::Regular, "", b"hello"),
        ("./usr/bin/abd", tar::EntryType::Link, "./usr/bin/abc", b""),
        ("./bin", tar::EntryType::Symlink, "usr/bin", b""),
    ]);
    let control = control();
    for (suffix, pack) in [
        ("", (|b: &[u8]| b.to_vec()) as fn(&[u8]) -> Vec<u8>),
        (".gz", gz),
        (".xz", xz),
        (".zst", |b| zstd::encode_all(b, 1).unwrap()),
    ] {
        let file = on_disk(&ar(&[
            ("debian-binary", b"2.0\n"),
            ("_ignored", b"x"),
            (&format!("control.tar{suffix}"), &pack(&control)),
            (&format!("data.tar{suffix}"), &pack(&data)),
        ]));
        let files = Deb::read_control(file.path()).unwrap();
        assert_eq!(files.keys().collect::<Vec<_>>(), ["control", "postinst"]);
        let all = collect(&file).unwrap();
        assert_eq!(
            all.iter().map(|(e, _)| e.path.as_str()).collect::<Vec<_>>(),
            ["", "usr/bin", "usr/bin/abc", "usr/bin/abd", "bin"]
        );
        assert_eq!(all[2].1, b"hello");
        assert_eq!(all[3].0.kind, EntryKind::HardLink("usr/bin/abc".into()));
        assert_eq!(all[4].0.kind, EntryKind::Symlink("usr/bin".into()));
    }
}

#[test]
fn escapes_are_refused() {
    for (path, kind, link) in [
        ("./../etc/passwd", tar::EntryType::Regular, ""),
        ("/etc/passwd", tar::EntryType::Regular, ""),
        ("./a", tar::EntryType::Link, "../../etc/passwd"),
        ("./a", tar::EntryType::Link, "/etc/passwd"),
        ("./a", tar::EntryType::Link, ""),
    ] {
        let file = deb_with(&tar_of(&[(path, kind, link, b"")]));
        assert!(matches!(collect(&file), Err(Error::Malformed { .. })), "{path} {link}");
    }
}

#[test]
fn broken_envelopes_are_refused() {
    let control = gz(&control());
    let good = ar(&[("debian-binary", b"2.0\n"), ("control.tar.gz", &control), ("data.tar", &tar_of(&[]))]);
    for bytes in [
        Vec::new(),
        b"not an archive at all".to_vec(),
        good[..good.len() - 20].to_vec(),
        ar(&[("control.tar.gz", &control), ("debian-binary", b"2.0\n"), ("data.tar", b"")]),
        ar(&[("debian-binary", b"3.0\n"), ("control.tar.gz", &control), ("data.tar", b"")]),
        ar(&[("debian-binary", b"2.0\n"), ("data.tar", b"")]),
        ar(&[("debian-binary", b"2.0\n"), ("other", b"")]),
    ] {
        assert!(Deb::open(on_disk(&bytes).path()).is_err());
    }
    let unknown = ar(&[("debian-binary", b"2.0\n"), ("control.tar.gz", &control), ("data.tar.bz2", b"BZ")]);
    assert!(collect(&on_disk(&unknown)).is_err());
    let torn = ar(&[
        ("debian-binary", b"2.0\n"),
        ("control.tar.gz", &control[..control.len() / 2]),
        ("data.tar", b""),
    ]);
    assert!(Deb::read_control(on_disk(&torn).path()).is_err());
}

#[test]
fn what_unpacks_to_too_much_is_refused() {
    let mut bounded = Bounded { inner: io::repeat(0).take(100), left: 99 };
    assert!(io::copy(&mut bounded, &mut io::sink()).is_err());
    let mut exact = Bounded { inner: io::repeat(0).take(100), left: 100 };
    assert_eq!(io::copy(&mut exact, &mut io::sink()).unwrap(), 100);
}
