use super::*;

fn entry(kind: Kind, link: Option<&str>) -> Entry {
    Entry {
        kind,
        mode: 0o755,
        uid: 0,
        gid: 0,
        mtime: 1,
        size: 0,
        link: link.map(Into::into),
        hashes: (kind == Kind::File).then(|| Hasher::of(b"x")),
        elf: false,
        xattrs: Vec::new(),
    }
}

fn layer(entries: &[(&str, Kind, Option<&str>)], removed: &[&str], opaque: &[&str]) -> LayerTree {
    LayerTree {
        entries: entries.iter().map(|(p, k, l)| ((*p).into(), entry(*k, *l))).collect(),
        removed: removed.iter().map(|p| (*p).into()).collect(),
        opaque: opaque.iter().map(|p| (*p).into()).collect(),
        contents: BTreeMap::new(),
    }
}

#[test]
fn layers_lie_over_one_another() {
    let mut tree = Tree::default();
    tree.apply(layer(
        &[
            ("a", Kind::Dir, None),
            ("a/x", Kind::File, None),
            ("a/y", Kind::File, None),
            ("b", Kind::Dir, None),
            ("b/z", Kind::File, None),
            ("a-b", Kind::File, None),
        ],
        &[],
        &[],
    ));
    tree.apply(layer(&[("a/x", Kind::File, None), ("b", Kind::File, None)], &["a/y"], &[]));
    assert_eq!(tree.get("a/x").unwrap().layer, 1);
    assert_eq!(tree.get("a/x").unwrap().past[0].layer, 0);
    assert!(tree.get("a/y").is_none());
    assert!(tree.get("b/z").is_none(), "a file covers a folder and all that was in it");
    assert!(tree.get("a-b").is_some());
    tree.apply(layer(&[("a/new", Kind::File, None)], &[], &["a"]));
    assert!(tree.get("a/x").is_none());
    assert!(tree.get("a/new").is_some(), "opaque hides the layers under it alone");
}

#[test]
fn paths_lead_through_links() {
    let mut tree = Tree::default();
    tree.apply(layer(
        &[
            ("usr", Kind::Dir, None),
            ("usr/lib", Kind::Dir, None),
            ("lib", Kind::Symlink, Some("usr/lib")),
            ("abs", Kind::Symlink, Some("/usr/lib")),
            ("usr/lib/up", Kind::Symlink, Some("../../etc")),
            ("loop", Kind::Symlink, Some("loop")),
            ("out", Kind::Symlink, Some("../../../../usr")),
        ],
        &[],
        &[],
    ));
    assert_eq!(tree.through("lib/x86/libc.so"), "usr/lib/x86/libc.so");
    assert_eq!(tree.through("abs/q"), "usr/lib/q");
    assert_eq!(tree.through("lib/up/passwd"), "etc/passwd");
    assert_eq!(tree.through("lib"), "lib", "the last part stays as it is");
    assert_eq!(tree.real("lib"), "usr/lib");
    assert_eq!(tree.through("out/share/x"), "usr/share/x");
    assert_eq!(tree.through("loop/x"), "loop/x");
}

#[test]
fn a_layer_is_read_with_its_whiteouts_and_kept() {
    let mut builder = tar::Builder::new(Vec::new());
    let mut add = |path: &str, kind: tar::EntryType, content: &[u8], link: Option<&str>| {
        let mut header = tar::Header::new_gnu();
        header.set_entry_type(kind);
        header.set_size(content.len() as u64);
        header.set_mode(0o4755);
        header.set_uid(3);
        header.set_gid(4);
        header.set_mtime(9);
        match link {
            Some(link) => builder.append_link(&mut header, path, link).unwrap(),
            None => builder.append_data(&mut header, path, content).unwrap(),
        }
    };
    add("./usr/", tar::EntryType::Directory, b"", None);
    add("./usr/one", tar::EntryType::Regular, b"\x7fELF..", None);
    add("./usr/two", tar::EntryType::Link, b"", Some("./usr/one"));
    add("./usr/.wh.gone", tar::EntryType::Regular, b"", None);
    add("./usr/.wh..wh..opq", tar::EntryType::Regular, b"", None);
    add("./var/lib/dpkg/status", tar::EntryType::Regular, b"Package: x\n", None);
    let bytes = builder.into_inner().unwrap();
    let tree = LayerTree::read(&patchline_registry::Digest::of(b""), bytes.as_slice()).unwrap();
    assert_eq!(tree.removed, ["usr/gone".into()]);
    assert_eq!(tree.opaque, ["usr".into()]);
    let two = &tree.entries["usr/two"];
    assert_eq!((two.mode, two.uid, two.elf, two.hashes.is_some()), (0o4755, 3, true, true));
    assert_eq!(tree.contents["var/lib/dpkg/status"], b"Package: x\n");
    assert_eq!(LayerTree::decode(&tree.encode().unwrap()).unwrap(), tree);
    assert!(LayerTree::decode(b"nonsense").is_none());
    let cut = &bytes[..bytes.len() - 2000];
    assert!(
        LayerTree::read(&patchline_registry::Digest::of(b""), cut).is_err(),
        "a truncated layer is an error"
    );
}
