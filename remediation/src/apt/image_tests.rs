use std::{collections::BTreeMap, fs, io::Write as _, path::Path, sync::Mutex};

use patchline_registry::Digest;
use pgp::{
    composed::{ArmorOptions, SignedPublicKey, SignedSecretKey},
    packet::SignatureType,
    ser::Serialize as _,
    types::KeyDetails as _,
};

use super::*;
use crate::{
    apt::{Apt, AptConfig, Suite, signed::tests::signature, verify::tests::key},
    tree::{Entry, LayerTree},
};

/// An image of files and links, and what was read of it.
#[derive(Default)]
struct Image {
    tree: Tree,
    files: BTreeMap<String, Vec<u8>>,
    read: Mutex<Vec<String>>,
}

impl Image {
    fn new(files: &[(&str, &[u8])], links: &[(&str, &str)]) -> Self {
        let entry = |kind, size: usize, link: Option<&str>| Entry {
            kind,
            mode: 0o644,
            uid: 0,
            gid: 0,
            mtime: 1,
            size: size as u64,
            link: link.map(Into::into),
            hashes: None,
            elf: false,
            xattrs: Vec::new(),
        };
        let of_files =
            files.iter().map(|(path, bytes)| ((*path).into(), entry(Kind::File, bytes.len(), None)));
        let of_links = links.iter().map(|(path, to)| ((*path).into(), entry(Kind::Symlink, 0, Some(to))));
        let mut tree = Tree::default();
        tree.apply(LayerTree { entries: of_files.chain(of_links).collect(), ..LayerTree::default() });
        let files = files.iter().map(|(path, bytes)| ((*path).to_owned(), bytes.to_vec())).collect();
        Self { tree, files, read: Mutex::default() }
    }
    async fn sources(&self, mirrors: &Mirrors) -> Sources {
        Sources::of(mirrors, &self.tree, self).await.unwrap()
    }
}

#[async_trait::async_trait]
impl Reader for Image {
    async fn read(&self, paths: &BTreeSet<String>, bounds: Bounds) -> Result<Read> {
        self.read.lock().unwrap().extend(paths.iter().cloned());
        let of = |path: &String| Some((path.clone(), self.files.get(path)?.clone()));
        let found: Read = paths.iter().filter_map(of).collect();
        assert!(found.values().all(|bytes| bytes.len() as u64 <= bounds.one));
        assert!(found.values().map(Vec::len).sum::<usize>() as u64 <= bounds.all);
        Ok(found)
    }
}

fn mirrors(folder: &Path) -> Mirrors {
    let to = Url::from_directory_path(folder).unwrap();
    let from = "https://packages.example".to_owned();
    Mirrors { others: vec![super::super::Mirror { from, to }], ..Mirrors::default() }
}

fn public(key: &SignedSecretKey) -> Vec<u8> {
    SignedPublicKey::from(key.clone()).to_bytes().unwrap()
}

/// One package in a suite, or with none in the folder itself, signed beside.
fn publish(folder: &Path, suite: Option<&str>, package: &str, key: &SignedSecretKey) {
    publish_packed(folder, suite, package, key, "");
}

/// The same, with its index in this packing alone.
fn publish_packed(folder: &Path, suite: Option<&str>, package: &str, key: &SignedSecretKey, packing: &str) {
    let index = format!("Package: {package}\nVersion: 2\nArchitecture: amd64\nFilename: ./{package}.deb\n");
    let (under, name, head) = match suite {
        Some(suite) => (
            folder.join("dists").join(suite),
            "main/binary-amd64/Packages",
            format!("Suite: {suite}\nComponents: main\n"),
        ),
        None => (folder.to_owned(), "Packages", String::new()),
    };
    fs::create_dir_all(under.join(name).parent().unwrap()).unwrap();
    let (name, index) = (format!("{name}{packing}"), packed(index.as_bytes(), packing));
    fs::write(under.join(&name), &index).unwrap();
    let date = crate::clock::now().strftime("%a, %d %b %Y %H:%M:%S UTC");
    let (hash, size) = (Digest::of(&index), index.len());
    let release = format!("{head}Date: {date}\nSHA256:\n {} {size} {name}\n", hash.hex());
    let signature = signature(key, &release, SignatureType::Binary).to_bytes().unwrap();
    fs::write(under.join("Release"), release).unwrap();
    fs::write(under.join("Release.gpg"), signature).unwrap();
}

fn packed(text: &[u8], packing: &str) -> Vec<u8> {
    match packing {
        "" => text.to_vec(),
        ".xz" => liblzma::encode_all(text, 1).unwrap(),
        ".zst" => zstd::encode_all(text, 1).unwrap(),
        _ => {
            let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
            gzip.write_all(text).unwrap();
            gzip.finish().unwrap()
        }
    }
}

#[tokio::test]
async fn indexes_are_read_in_every_packing() {
    for packing in ["", ".gz", ".xz", ".zst"] {
        let folder = tempfile::tempdir().unwrap();
        let key = key();
        publish_packed(&folder.path().join("x"), Some("stable"), "tool", &key, packing);
        let image = Image::new(
            &[("etc/apt/sources.list", LINE.as_bytes()), ("usr/share/keyrings/x.gpg", &public(&key))],
            &[],
        );
        let (suites, _) = read(&apt(folder.path(), Vec::new()), &image).await.unwrap();
        assert_eq!(suites[0].candidates("tool").unwrap()[0].version, "2", "{packing}");
    }
}

fn apt(folder: &Path, keyrings: Vec<std::path::PathBuf>) -> Apt {
    let cache = folder.join("cache");
    Apt::new(AptConfig { mirrors: mirrors(folder), cache, keyrings, allow_expired: false }).unwrap()
}

async fn read(apt: &Apt, image: &Image) -> Result<(Vec<std::sync::Arc<Suite>>, Vec<String>)> {
    apt.of_image(&image.sources(&apt.config().mirrors).await, "amd64").await
}

const LINE: &str = "deb [signed-by=/usr/share/keyrings/x.gpg] https://packages.example/x stable main\n";

#[tokio::test]
async fn one_images_key_vouches_for_no_other() {
    let folder = tempfile::tempdir().unwrap();
    let (good, foreign) = (key(), key());
    publish(&folder.path().join("x"), Some("stable"), "tool", &good);
    let apt = apt(folder.path(), Vec::new());
    let with = |key: &[u8]| {
        Image::new(&[("etc/apt/sources.list", LINE.as_bytes()), ("usr/share/keyrings/x.gpg", key)], &[])
    };
    let (suites, unused) = read(&apt, &with(&public(&good))).await.unwrap();
    assert_eq!(unused, Vec::<String>::new());
    assert_eq!(suites[0].name, "packages.example/x stable");
    assert_eq!(suites[0].candidates("tool").unwrap()[0].version, "2");
    // The same client, the same repository, a moment later: what was believed for one image is not for another.
    let error = read(&apt, &with(&public(&foreign))).await.unwrap_err();
    assert_eq!(error.code(), "repository-untrusted");
    assert!(error.to_string().contains("packages.example/x stable"), "{error}");
    for image in [
        Image::new(&[("etc/apt/sources.list", LINE.as_bytes())], &[]),
        with(b"no key at all"),
        Image::new(&[("etc/apt/sources.list", b"deb [trusted=yes] https://packages.example/x stable main")], &[]),
        Image::new(
            &[(
                "etc/apt/sources.list.d/x.sources",
                b"Types: deb\nTrusted: yes\nAllow-Insecure: yes\nURIs: https://packages.example/x\nSuites: stable\nComponents: main\n",
            )],
            &[],
        ),
    ] {
        assert_eq!(read(&apt, &image).await.unwrap_err().code(), "repository-untrusted");
    }
    assert!(read(&apt, &with(&public(&good))).await.is_ok());
}

#[tokio::test]
async fn indexes_of_one_image_are_bounded_together() {
    let folder = tempfile::tempdir().unwrap();
    let key = key();
    for suite in ["a", "b", "c"] {
        publish(&folder.path().join("x"), Some(suite), "tool", &key);
    }
    let lines: String = ["a", "b", "c"].map(|suite| LINE.replace("stable", suite)).concat();
    let of = |text: &str| {
        Image::new(
            &[("etc/apt/sources.list", text.as_bytes()), ("usr/share/keyrings/x.gpg", &public(&key))],
            &[],
        )
    };
    let mut apt = apt(folder.path(), Vec::new());
    let (suites, _) = read(&apt, &of(&lines)).await.unwrap();
    apt.most_held = suites[0].bytes() * 2;
    assert_eq!(read(&apt, &of(&lines)).await.unwrap_err().code(), "package-malformed");
    let two = lines.lines().take(2).collect::<Vec<_>>().join("\n");
    assert_eq!(read(&apt, &of(&two)).await.unwrap().0.len(), 2);
}

#[tokio::test]
async fn who_configures_keys_decides() {
    let folder = tempfile::tempdir().unwrap();
    let (named, of_image) = (key(), key());
    publish(&folder.path().join("x"), Some("stable"), "tool", &of_image);
    let file = folder.path().join("named.gpg");
    fs::write(&file, public(&named)).unwrap();
    let files: &[(&str, &[u8])] =
        &[("etc/apt/sources.list", LINE.as_bytes()), ("usr/share/keyrings/x.gpg", &public(&of_image))];
    let apt = apt(folder.path(), vec![file]);
    let error = read(&apt, &Image::new(files, &[])).await.unwrap_err();
    assert_eq!(error.code(), "repository-untrusted", "the image's own key counts no more");
    publish(&folder.path().join("x"), Some("stable"), "tool", &named);
    assert!(read(&apt, &Image::new(files, &[])).await.is_ok());
    // With fingerprints, only those of the keys that count.
    let print = |key: &SignedSecretKey| hex::encode_upper(key.primary_key.fingerprint().as_bytes());
    for (print, good) in
        [(print(&named), true), (format!("{}!", print(&named)), true), (print(&of_image), false)]
    {
        let line = format!("deb [signed-by={print}] https://packages.example/x stable main\n");
        let image = Image::new(&[("etc/apt/sources.list", line.as_bytes())], &[]);
        assert_eq!(read(&apt, &image).await.is_ok(), good, "{print}");
    }
}

#[tokio::test]
async fn blocks_links_and_folders_are_read() {
    let folder = tempfile::tempdir().unwrap();
    let key = key();
    publish(&folder.path().join("flat"), None, "tool", &key);
    publish(&folder.path().join("x"), Some("stable"), "tool", &key);
    let apt = apt(folder.path(), Vec::new());
    let armour = SignedPublicKey::from(key.clone()).to_armored_string(ArmorOptions::default()).unwrap();
    let block: String =
        armour.lines().map(|line| format!(" {}\n", if line.is_empty() { "." } else { line })).collect();
    let text = format!("Types: deb\nURIs: https://packages.example/flat/\nSuites: ./\nSigned-By:\n{block}");
    let (suites, _) =
        read(&apt, &Image::new(&[("etc/apt/sources.list.d/a.sources", text.as_bytes())], &[])).await.unwrap();
    assert_eq!(suites[0].name, "packages.example/flat ./");
    let record = &suites[0].candidates("tool").unwrap()[0];
    assert!(record.home.as_ref().unwrap().is_of_image());
    // What is named leads through the image's own links, and never out of it.
    let line = "deb [signed-by=/keys/../keys/link.gpg] https://packages.example/x stable main\n";
    let image = Image::new(
        &[("srv/list", line.as_bytes()), ("opt/real.gpg", &public(&key))],
        &[
            ("etc/apt/sources.list", "../../../srv/list"),
            ("keys", "/etc/keys"),
            ("etc/keys/link.gpg", "../../opt/real.gpg"),
        ],
    );
    assert_eq!(read(&apt, &image).await.unwrap().0.len(), 1);
    let host = folder.path().join("host.gpg");
    fs::write(&host, public(&key)).unwrap();
    let line = format!("deb [signed-by={}] https://packages.example/x stable main\n", host.display());
    let image = Image::new(&[("etc/apt/sources.list", line.as_bytes())], &[]);
    let error = read(&apt, &image).await.unwrap_err();
    assert_eq!(error.code(), "repository-untrusted", "a file of this machine is none of the image's");
}

#[tokio::test]
async fn what_no_mirror_covers_is_not_read_for() {
    let image = Image::new(&[("etc/apt/sources.list", LINE.as_bytes())], &[]);
    let sources = image.sources(&Mirrors::default()).await;
    assert!(sources.asked.is_empty() && sources.unused.is_empty());
    assert!(image.read.lock().unwrap().is_empty(), "nor is the image read again");
}

#[tokio::test]
async fn strange_sources_are_named_and_not_asked() {
    let text = "deb http://me:hush@other.example/x stable main\n\
        deb https://mirror.example/debian bookworm main\ndeb https://mirror.example/debian bookworm-updates main\n\
        deb https://packages.example/../../etc stable main\ndeb https://packages.example/x ../../etc main\n\
        deb https://packages.example/x stable ..\ndeb https://packages.example/x stable\n\
        deb file:///etc/apt stable main\ndeb cdrom:[x]/ stable main\n\
        deb https://packages.example/x a\u{1b}[31mb main\ndeb https://packages.example/%2e%2e/x stable main\n";
    let many: String = (0..100).map(|n| format!("deb https://packages.example/x s{n} main\n")).collect();
    let large = vec![b'#'; FILE as usize + 1];
    let image = Image::new(
        &[
            ("etc/apt/sources.list", text.as_bytes()),
            ("etc/apt/sources.list.d/many.list", many.as_bytes()),
            ("etc/apt/sources.list.d/large.list", &large),
            ("etc/apt/sources.list.d/sub/x.list", LINE.as_bytes()),
            ("etc/apt/sources.list.d/x.list.save", LINE.as_bytes()),
        ],
        &[("etc/apt/sources.list.d/loop.list", "loop.list")],
    );
    let sources = image.sources(&mirrors(Path::new("/srv"))).await;
    assert_eq!(sources.asked.len(), SOURCES);
    assert!(sources.unused.len() <= SOURCES);
    // What climbs is led back before it is asked for: it stays beneath the mirror.
    for one in &sources.asked {
        let (address, shown) = (one.base.address().as_str(), &one.shown);
        assert!(address.starts_with("file:///srv/") && !address.contains(".."), "{address}");
        assert!(shown.starts_with("packages.example/") && !shown.contains(".."), "{shown}");
    }
    let said = sources.unused.join("\n");
    for expected in
        ["no mirror of other.example/x stable", "large.list is longer", "no http address", "comes after"]
    {
        assert!(said.contains(expected), "{expected}: {said}");
    }
    assert!(!said.contains("hush") && !said.contains('\u{1b}'), "{said}");
    assert!(!said.contains("mirror.example"), "the distribution's own: {said}");
    // A product of addresses and suites with a long word for each: what is shared is held once, and the rest is left out.
    let block = format!(" -----BEGIN PGP PUBLIC KEY BLOCK-----\n {}\n", "A".repeat(FILE as usize / 2));
    let (uris, suites) = ("https://packages.example/x ".repeat(100), "s ".repeat(1000));
    let text = format!("Types: deb\nURIs: {uris}\nSuites: {suites}\nComponents: main\nSigned-By:\n{block}");
    let sources = Image::new(&[("etc/apt/sources.list.d/a.sources", text.as_bytes())], &[])
        .sources(&mirrors(Path::new("/srv")))
        .await;
    assert_eq!(sources.asked.len(), 1, "one repository, however often it is listed");
    // A folder that leads to the root is none.
    let image = Image::new(&[("é", b"x"), ("a.list", LINE.as_bytes())], &[("etc/apt/sources.list.d", "/")]);
    assert!(image.sources(&mirrors(Path::new("/srv"))).await.asked.is_empty());
}

#[tokio::test]
async fn an_index_that_is_not_there_is_said_and_one_that_is_wrong_refused() {
    let folder = tempfile::tempdir().unwrap();
    let key = key();
    let place = folder.path().join("x");
    publish(&place, Some("stable"), "tool", &key);
    let apt = apt(folder.path(), Vec::new());
    let of = |line: &str| {
        Image::new(
            &[("etc/apt/sources.list", line.as_bytes()), ("usr/share/keyrings/x.gpg", &public(&key))],
            &[],
        )
    };
    let (suites, unused) = read(&apt, &of(&LINE.replace("main", "main extra"))).await.unwrap();
    assert_eq!((suites.len(), unused.len()), (1, 1));
    assert!(unused[0].contains("extra/binary-amd64/Packages"), "{unused:?}");
    let (suites, _) = read(&apt, &of(&LINE.replace("[signed-by", "[arch=arm64 signed-by"))).await.unwrap();
    assert!(suites.is_empty(), "not for this architecture");
    let error = read(&apt, &of(&LINE.replace("stable", "absent"))).await.unwrap_err();
    assert_eq!(error.code(), "mirror-status");
    assert!(error.to_string().contains("packages.example/x absent"), "{error}");
    // Another suite in the place of the one that was asked for, signed by the same key.
    fs::create_dir_all(place.join("dists/absent")).unwrap();
    for name in ["Release", "Release.gpg"] {
        fs::copy(place.join("dists/stable").join(name), place.join("dists/absent").join(name)).unwrap();
    }
    let error = read(&apt, &of(&LINE.replace("stable", "absent"))).await.unwrap_err();
    assert!(error.to_string().contains("it is the release of stable"), "{error}");
    let index = place.join("dists/stable/main/binary-amd64/Packages");
    let text = fs::read_to_string(&index).unwrap();
    fs::write(index, text.replace("Version: 2", "Version: 3")).unwrap();
    fs::remove_dir_all(folder.path().join("cache")).unwrap();
    assert_eq!(read(&apt, &of(LINE)).await.unwrap_err().code(), "file-unverified");
}
