use super::*;

/// An archive as a daemon exports it: (path, kind, content or target).
fn archive(entries: &[(&str, tar::EntryType, &str)]) -> File {
    let mut builder = tar::Builder::new(tempfile::tempfile().unwrap());
    for (path, kind, content) in entries {
        let mut header = tar::Header::new_gnu();
        header.set_entry_type(*kind);
        header.set_mode(if *kind == tar::EntryType::Directory { 0o755 } else { 0o644 });
        header.set_uid(0);
        header.set_gid(0);
        header.set_mtime(7);
        if matches!(kind, tar::EntryType::Symlink | tar::EntryType::Link) {
            header.set_size(0);
            builder.append_link(&mut header, path, content).unwrap();
        } else {
            header.set_size(content.len() as u64);
            builder.append_data(&mut header, path, content.as_bytes()).unwrap();
        }
    }
    let mut file = builder.into_inner().unwrap();
    file.rewind().unwrap();
    file
}

const D: tar::EntryType = tar::EntryType::Directory;
const F: tar::EntryType = tar::EntryType::Regular;
const L: tar::EntryType = tar::EntryType::Link;
const S: tar::EntryType = tar::EntryType::Symlink;

fn tree(entries: &[(&str, tar::EntryType, &str)]) -> Tree {
    let mut tree = Tree::default();
    tree.apply(LayerTree::read_written(Flavour::Dpkg, None, archive(entries)).unwrap());
    tree
}

/// What was told, a line each.
#[derive(Default)]
struct Heard(Vec<String>);

impl Listener for Heard {
    fn entry(&mut self, entry: Changed, content: &mut dyn io::Read) -> Result<()> {
        let mut text = String::new();
        content.read_to_string(&mut text).unwrap();
        self.0.push(format!("{} {:?} {text}", entry.path, entry.kind));
        Ok(())
    }
    fn removed(&mut self, path: String) -> Result<()> {
        self.0.push(format!("{path} gone"));
        Ok(())
    }
}

fn told(before: &Tree, export: &[(&str, tar::EntryType, &str)], added: &[&str]) -> Result<Vec<String>> {
    let added = added.iter().map(|path| (*path).to_owned()).collect();
    let mut heard = Heard::default();
    tell(archive(export), before, &added, &mut heard)?;
    Ok(heard.0)
}

#[test]
fn what_is_another_is_told_and_nothing_else() {
    let before = tree(&[
        ("etc", D, ""),
        ("etc/same", F, "x"),
        ("etc/other", F, "x"),
        ("etc/hosts", F, "the image's"),
        ("etc/link", S, "same"),
        ("gone", D, ""),
        ("gone/file", F, "x"),
        ("bare/file", F, "x"),
        ("tmp", D, ""),
        ("tmp/file", F, "x"),
        ("dev", D, ""),
        ("dev/null", tar::EntryType::Char, ""),
    ]);
    let export = [
        (".dockerenv", F, ""),
        (".patchline", D, ""),
        (".patchline/words", F, "said"),
        ("bare", D, ""),
        ("bare/file", F, "x"),
        ("dev", D, ""),
        ("etc", D, ""),
        ("etc/hosts", F, ""),
        ("etc/hostname", F, ""),
        ("etc/link", S, "other"),
        ("etc/new", F, "new"),
        ("etc/other", F, "y"),
        ("etc/same", F, "x"),
        ("run", D, ""),
        ("run/x", F, "x"),
        ("tmp", D, ""),
        ("usr", D, ""),
        ("usr/policy", F, "ours"),
        ("usr/twin", L, "etc/new"),
        ("usr/old", L, "etc/same"),
    ];
    let heard = told(&before, &export, &["usr/policy"]).unwrap();
    assert_eq!(
        heard,
        [
            "etc/link Symlink(\"other\") ",
            "run Dir ",
            "usr Dir ",
            "etc/new File new",
            "etc/other File y",
            "etc/same File x",
            "usr/old HardLink(\"etc/same\") ",
            "usr/twin HardLink(\"etc/new\") ",
            "gone gone",
        ],
        "what goes with its folder needs no word, and a link's first name is told with it"
    );
}

#[test]
fn links_to_what_is_left_out_have_their_content() {
    let before = tree(&[("etc", D, ""), ("var", D, "")]);
    let export = [
        ("etc", D, ""),
        ("run", D, ""),
        ("run/x", F, "x"),
        ("var", D, ""),
        ("var/a", L, "run/x"),
        ("var/b", L, "run/x"),
    ];
    let heard = told(&before, &export, &[]).unwrap();
    assert_eq!(heard, ["run Dir ", "var/a File x", "var/b HardLink(\"var/a\") "]);
}

#[test]
fn a_strangers_archive_is_judged() {
    let before = tree(&[("etc", D, "")]);
    let of = |path, kind, content| told(&before, &[("etc", D, ""), (path, kind, content)], &[]);
    for (path, kind, content) in [
        ("etc/pipe", tar::EntryType::Fifo, ""),
        ("etc/disk", tar::EntryType::Block, ""),
        ("etc/.wh.passwd", F, ""),
        ("etc/.wh..wh..opq", F, ""),
        ("etc/link", L, "nowhere"),
        ("etc/\u{fffd}", F, ""),
    ] {
        let error = of(path, kind, content).map(|_| ()).unwrap_err();
        assert_eq!(error.code(), "sandbox-outcome", "{path}");
    }
    let text = tempfile::tempfile().unwrap();
    std::os::unix::fs::FileExt::write_all_at(&text, &[7; 4096], 0).unwrap();
    assert!(tell(text, &before, &BTreeSet::new(), &mut Heard::default()).is_err());
}

#[test]
fn attributes_that_no_export_tells_of_stay() {
    let mut before = tree(&[("etc/a", F, "x"), ("etc/b", F, "x")]);
    let xattr = ("user.x".to_owned(), vec![1]);
    let mut layer = LayerTree::read_written(Flavour::Dpkg, None, archive(&[("etc/a", F, "x")])).unwrap();
    layer.entries.get_mut("etc/a").unwrap().xattrs.push(xattr.clone());
    before.apply(layer);
    let entry = &before.get("etc/b").unwrap().entry;
    assert!(is_as_it_was(&before, "etc/a", entry));
    assert_eq!(changed(&before, "etc/a", entry, What::File).xattrs, [xattr]);
    assert_eq!(changed(&before, "etc/b", entry, What::File).xattrs, []);
}
