use super::*;
use crate::{
    deb::{Deb, control},
    plan::shadow::{Shadow, shadowed},
    tree::{Hasher, LayerTree},
};

/// (path, mode, content; none: a folder; `@x`: a link to x; `=x`: a hard link to x).
type Files<'a> = &'a [(&'a str, u32, Option<&'a str>)];

fn tar(files: Files<'_>) -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    for (path, mode, content) in files {
        let mut header = tar::Header::new_gnu();
        header.set_mode(*mode);
        header.set_uid(0);
        header.set_gid(0);
        header.set_mtime(7);
        header.set_size(0);
        match content {
            None => {
                header.set_entry_type(tar::EntryType::Directory);
                builder.append_data(&mut header, path, std::io::empty()).unwrap();
            }
            Some(link) if link.starts_with(['@', '=']) => {
                let symbolic = link.starts_with('@');
                header.set_entry_type(if symbolic { tar::EntryType::Symlink } else { tar::EntryType::Link });
                builder.append_link(&mut header, path, &link[1..]).unwrap();
            }
            Some(text) => {
                header.set_size(text.len() as u64);
                builder.append_data(&mut header, path, text.as_bytes()).unwrap();
            }
        }
    }
    builder.into_inner().unwrap()
}

fn layer(files: Files<'_>) -> LayerTree {
    LayerTree::read(&patchline_registry::Digest::of(b""), tar(files).as_slice()).unwrap()
}

fn deb(folder: &Path, control: Files<'_>, data: Files<'_>) -> PathBuf {
    let mut bytes = b"!<arch>\n".to_vec();
    for (name, content) in
        [("debian-binary", b"2.0\n".to_vec()), ("control.tar", tar(control)), ("data.tar", tar(data))]
    {
        bytes.extend(
            format!("{name:<16}{:<12}{:<6}{:<6}{:<8}{:<10}`\n", 0, 0, 0, 100644, content.len()).bytes(),
        );
        bytes.extend(&content);
        if content.len() % 2 == 1 {
            bytes.push(b'\n');
        }
    }
    let path = folder.join("new.deb");
    std::fs::write(&path, bytes).unwrap();
    path
}

fn md5(text: &str) -> String {
    hex::encode(Hasher::of(text.as_bytes()).md5)
}

const NEW_CONTROL: &str =
    "Package: tiny\nVersion: 2\nArchitecture: amd64\nMulti-Arch: same\nDepends: libc6\nDescription: t\n";

/// An image with one package, changed by a second layer.
fn image(second: Files<'_>) -> (Tree, Database) {
    let status = format!(
        "Package: before\nVersion: 1\nArchitecture: all\nStatus: install ok installed\nX-Odd:   kept \n\n\
         Package: tiny\nStatus: hold ok installed\nVersion: 1\nArchitecture: amd64\nMulti-Arch: same\nConffiles:\n /etc/same {}\n /etc/mine {}\n /etc/gone {}\n /etc/old {}\n\n",
        md5("same1"),
        md5("mine1"),
        md5("gone1"),
        md5("old1"),
    );
    let list = "/.\n/lib\n/lib/tiny.so\n/usr\n/usr/share\n/usr/share/tiny\n/usr/share/tiny/page\n/usr/share/tiny/old\n/usr/share/tiny/sub\n/usr/share/tiny/sub/x\n/usr/bin\n/usr/bin/tiny\n/etc/same\n/etc/mine\n/etc/gone\n/etc/old\n";
    let sums = format!(
        "{}  lib/tiny.so\n{}  usr/share/tiny/page\n{}  usr/share/tiny/old\n{}  usr/share/tiny/sub/x\n{}  usr/bin/tiny\n",
        md5("so1"),
        md5("page1"),
        md5("old"),
        md5("x"),
        md5("bin1"),
    );
    let mut tree = Tree::default();
    tree.apply(layer(&[
        ("usr", 0o755, None),
        ("usr/lib", 0o700, None),
        ("lib", 0o777, Some("@usr/lib")),
        ("usr/lib/tiny.so", 0o644, Some("so1")),
        ("usr/share/tiny/page", 0o644, Some("page1")),
        ("usr/share/tiny/old", 0o644, Some("old")),
        ("usr/share/tiny/sub", 0o755, None),
        ("usr/share/tiny/sub/x", 0o644, Some("x")),
        ("usr/bin/tiny", 0o755, Some("bin1")),
        ("etc/same", 0o600, Some("same1")),
        ("etc/mine", 0o644, Some("changed")),
        ("etc/old", 0o644, Some("old1")),
        ("var/lib/dpkg/status", 0o644, Some(&status)),
        ("var/lib/dpkg/info/format", 0o644, Some("1\n")),
        ("var/lib/dpkg/info/before.list", 0o644, Some("/.\n")),
        ("var/lib/dpkg/info/tiny:amd64.list", 0o644, Some(list)),
        ("var/lib/dpkg/info/tiny:amd64.md5sums", 0o644, Some(&sums)),
        ("var/lib/dpkg/info/tiny:amd64.shlibs", 0o644, Some("stale")),
    ]));
    tree.apply(layer(second));
    let database = Database::read(&tree, "amd64").unwrap().unwrap();
    (tree, database)
}

fn go_up(tree: &Tree, database: &Database, folder: &Path, data: Files<'_>) -> Outcome {
    let conffiles = "/etc/same\n/etc/mine\n/etc/gone\n";
    let path = deb(
        folder,
        &[("./control", 0o644, Some(NEW_CONTROL)), ("./conffiles", 0o644, Some(conffiles))],
        data,
    );
    let filters = Filters::read(tree);
    let installed = database.named("tiny").unwrap();
    let record = PackageRecord::from_stanza("t", &control::single("t", NEW_CONTROL).unwrap(), None).unwrap();
    let change = Change {
        installed,
        record: Arc::new(record),
        control: Deb::read_control(&path).unwrap(),
        deb: path,
        unpacked: Some(folder.join("unpacked")),
        shadows: shadowed(tree, installed, &filters),
    };
    build(tree, database, &filters, &[change], folder, &|_, _, _| {}).unwrap()
}

const NEW: Files<'static> = &[
    ("./", 0o755, None),
    ("./lib/", 0o755, None),
    ("./lib/tiny.so", 0o644, Some("so2")),
    ("./usr/share/tiny/page", 0o644, Some("page2")),
    ("./usr/share/tiny/twin", 0o644, Some("=./usr/share/tiny/page")),
    ("./usr/bin/tiny", 0o755, Some("bin2")),
    ("./etc/same", 0o644, Some("same2")),
    ("./etc/mine", 0o644, Some("mine2")),
    ("./etc/gone", 0o644, Some("gone2")),
];

fn built(outcome: Outcome) -> (Built, LayerTree) {
    let Outcome::Built(built) = outcome else { panic!("blocked") };
    let bytes = std::fs::File::open(&built.layer.path).unwrap();
    let layer = LayerTree::read(&built.layer.digest, bytes).unwrap();
    assert_eq!(built.tree, layer, "what was read on its way is what the blob holds");
    (*built, layer)
}

#[test]
fn a_package_goes_up_as_dpkg_would_do_it() {
    let (mut tree, database) = image(&[]);
    let folder = tempfile::tempdir().unwrap();
    let (first, layer) = built(go_up(&tree, &database, folder.path(), NEW));
    assert!(!layer.entries.contains_key("lib"), "the image's link stands");
    assert_eq!(layer.entries["usr/lib"].mode, 0o700, "the folder's own mode stays");
    let mut gone: Vec<&str> = layer.removed.iter().map(|p| &**p).collect();
    gone.sort();
    assert_eq!(gone, ["usr/share/tiny/old", "usr/share/tiny/sub", "var/lib/dpkg/info/tiny:amd64.shlibs"]);
    assert_eq!(layer.entries["usr/share/tiny/twin"].link.as_deref(), Some("usr/share/tiny/page"));
    let (second, _) = built(go_up(&tree, &database, folder.path(), NEW));
    assert_eq!(first.layer.digest, second.layer.digest);
    assert_eq!(first.kept, ["/etc/gone (removed)", "/etc/mine"]);

    tree.apply(layer);
    let sha = |path: &str| tree.get(path).and_then(|n| n.entry.hashes).map(|h| h.sha256);
    for (path, text) in [
        ("usr/lib/tiny.so", "so2"),
        ("usr/bin/tiny", "bin2"),
        ("etc/same", "same2"),
        ("etc/mine", "changed"),
        ("etc/mine.dpkg-dist", "mine2"),
    ] {
        assert_eq!(sha(path), Some(Hasher::of(text.as_bytes()).sha256), "{path}");
    }
    assert_eq!(tree.get("etc/same").unwrap().entry.mode, 0o600, "a configuration file keeps its mode");
    assert!(tree.get("etc/gone").is_none());
    for (path, sha256) in &first.expected {
        assert_eq!(sha(path), Some(*sha256), "{path}");
    }
    let after = Database::read(&tree, "amd64").unwrap().unwrap();
    let tiny = after.named("tiny").unwrap();
    assert_eq!((tiny.record.version.as_str(), tiny.status.as_str()), ("2", "hold ok installed"));
    assert!(tiny.conffiles.iter().any(|c| c.path == "etc/old" && c.obsolete));
    assert!(tiny.conffiles.iter().any(|c| c.path == "etc/mine" && c.md5 == md5("mine2")));
    assert!(after.status.contains("X-Odd:   kept \n"));
    assert_eq!(tiny.files[1], "lib/tiny.so", "the list keeps the shipped paths");
    assert_eq!(tiny.md5sums["usr/bin/tiny"], md5("bin2"));
}

#[test]
fn what_a_later_layer_did_stays() {
    let (tree, database) = image(&[
        ("usr/share/tiny/page", 0o644, Some("ours")),
        ("usr/share/tiny/twin", 0o644, Some("nobody's")),
        ("usr/bin/tiny", 0o4755, Some("bin1")),
        ("usr/lib/.wh.tiny.so", 0o644, Some("")),
    ]);
    let folder = tempfile::tempdir().unwrap();
    let (built, layer) = built(go_up(&tree, &database, folder.path(), NEW));
    for path in ["usr/share/tiny/page", "usr/share/tiny/twin", "usr/lib/tiny.so"] {
        assert!(!layer.entries.contains_key(path), "{path}");
    }
    let tiny = &layer.entries["usr/bin/tiny"];
    assert_eq!(
        (tiny.mode, tiny.hashes),
        (0o4755, Some(Hasher::of(b"bin2"))),
        "their mode, the fixed content"
    );
    for name in [
        "/usr/share/tiny/page",
        "/usr/share/tiny/twin",
        "/usr/lib/tiny.so (removed)",
        "/usr/bin/tiny (mode and owner)",
    ] {
        assert!(built.kept.iter().any(|kept| kept == name), "{name}: {:?}", built.kept);
    }
    let elf = image(&[("usr/bin/tiny", 0o755, Some("\x7fELF mine"))]);
    let shadows = shadowed(&elf.0, elf.1.named("tiny").unwrap(), &Filters::default());
    assert_eq!(shadows["usr/bin/tiny"], Shadow::Changed { program: true });
}

#[test]
fn a_program_behind_a_wrapper_is_refused_and_its_copy_named() {
    let wrapped =
        image(&[("usr/bin/tiny.real", 0o755, Some("bin1")), ("usr/bin/tiny", 0o755, Some("#!/bin/sh\n"))]);
    let shadows = shadowed(&wrapped.0, wrapped.1.named("tiny").unwrap(), &Filters::default());
    assert_eq!(shadows["usr/bin/tiny"], Shadow::Changed { program: true });
    let page = image(&[("usr/share/tiny/page", 0o644, Some("ours"))]);
    let shadows = shadowed(&page.0, page.1.named("tiny").unwrap(), &Filters::default());
    assert_eq!(shadows["usr/share/tiny/page"], Shadow::Changed { program: false });
    // Moved away, and nothing in its place: it stays removed, and where it lies now is known.
    let (tree, database) =
        image(&[("usr/bin/tiny.real", 0o755, Some("bin1")), ("usr/bin/.wh.tiny", 0o644, Some(""))]);
    let folder = tempfile::tempdir().unwrap();
    let (built, layer) = built(go_up(&tree, &database, folder.path(), NEW));
    assert!(!layer.entries.contains_key("usr/bin/tiny"));
    let of = &built.replaced[&Hasher::of(b"bin1").sha256];
    assert_eq!(of, &("tiny".to_owned(), "usr/bin/tiny".to_owned()));
}

#[test]
fn what_cannot_be_laid_is_blocked_or_refused() {
    let (tree, database) =
        image(&[("usr/share/tiny/dir/x", 0o644, Some("x")), ("usr/share/tiny/dir", 0o755, None)]);
    let folder = tempfile::tempdir().unwrap();
    let Outcome::Blocked(blocked) =
        go_up(&tree, &database, folder.path(), &[("./usr/share/tiny/dir", 0o644, Some("f"))])
    else {
        panic!("a file took a folder's place")
    };
    assert_eq!(blocked[0].1.code, "conflict");
}

#[test]
fn left_out_paths_stay_out() {
    let (tree, database) =
        image(&[("etc/dpkg/dpkg.cfg.d/slim", 0o644, Some("path-exclude=/usr/share/tiny/*\n"))]);
    let folder = tempfile::tempdir().unwrap();
    let (built, layer) = built(go_up(&tree, &database, folder.path(), NEW));
    assert!(!layer.entries.contains_key("usr/share/tiny/twin"));
    assert!(!built.expected.contains_key("usr/share/tiny/twin"));
    assert!(layer.entries.contains_key("usr/bin/tiny"));
}

/// dpkg keeps a link that might lead to something that is included; `dpkg --verify` misses it otherwise.
#[test]
fn a_link_stays_where_something_below_may_be_included() {
    let rules = "path-exclude=/usr/share/tiny/*\npath-include=/usr/share/tiny/*/copyright\n";
    let (tree, database) = image(&[("etc/dpkg/dpkg.cfg.d/slim", 0o644, Some(rules))]);
    let folder = tempfile::tempdir().unwrap();
    let link = ("./usr/share/tiny/link", 0o777, Some("@page"));
    let (_, layer) = built(go_up(&tree, &database, folder.path(), &[NEW, &[link]].concat()));
    assert_eq!(layer.entries["usr/share/tiny/link"].link.as_deref(), Some("page"));
    assert!(!layer.entries.contains_key("usr/share/tiny/twin"));
}
