//! Inventories of whole images in OCI layouts.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
};

use crate::support::{Image, OS_RELEASE, Tar, debian, status};
use patchline_registry::Digest;
use patchline_scanner::{Completeness, Inventory, LayerFacts, Result, advisories::AdvisorySet};
use tar::EntryType;

fn names(inventory: &Inventory) -> Vec<String> {
    inventory.packages.iter().map(|p| format!("{} {}", p.name, p.version)).collect()
}

#[tokio::test]
async fn every_compression_gives_the_same_packages() {
    let packages = [("openssl", "3.0.11-1~deb12u1"), ("zlib1g", "1:1.2.13")];
    for layer in [debian(&packages).gzip(), debian(&packages).zstd(), debian(&packages).plain()] {
        let diff_id = layer.diff_id.clone();
        let inventory = Image::new(std::slice::from_ref(&layer)).await.inventory().await.expect("inventory");
        assert_eq!(names(&inventory), ["openssl 3.0.11-1~deb12u1", "zlib1g 1:1.2.13"]);
        assert_eq!(inventory.database.as_deref(), Some("dpkg"));
        let distro = inventory.distro.expect("distro");
        assert_eq!((distro.id.as_str(), distro.version_id.as_deref()), ("debian", Some("12")));
        assert_eq!(inventory.layers, [(layer.digest(), diff_id)]);
        assert_eq!(
            inventory.packages[0].purl,
            "pkg:deb/debian/openssl@3.0.11-1~deb12u1?arch=amd64&distro=debian-12"
        );
    }
}

#[tokio::test]
async fn a_scan_may_move_between_threads() {
    let image = Image::new(&[debian(&[("a", "1")]).gzip()]).await;
    let (repository, manifest) = (image.repository.clone(), image.manifest.clone());
    let scan = async move {
        patchline_scanner::inventory(repository.as_ref(), &manifest, Arc::new(patchline_scanner::NoFacts))
            .await
    };
    assert_eq!(names(&tokio::spawn(scan).await.expect("no panic").expect("inventory")), ["a 1"]);
}

#[tokio::test]
async fn each_layer_is_told_of_once() {
    let (one, two) = (debian(&[("a", "1")]).gzip(), Tar::new().file("app", "x").zstd());
    let image = Image::new(&[one.clone(), two.clone(), one.clone()]).await;
    let heard = Arc::new(Mutex::new(Vec::new()));
    let hears = heard.clone();
    let told: patchline_scanner::Progress = Arc::new(move |read: &patchline_scanner::LayerRead<'_>| {
        hears.lock().expect("a lock").push((read.layer.clone(), read.size, read.done, read.layers));
    });
    let facts = Arc::new(patchline_scanner::NoFacts);
    patchline_scanner::inventory_told(image.repository.as_ref(), &image.manifest, facts, &told)
        .await
        .expect("inventory");
    let mut heard = heard.lock().expect("a lock").clone();
    assert_eq!(heard.iter().map(|(.., done, all)| (*done, *all)).collect::<Vec<_>>(), [(1, 2), (2, 2)]);
    heard.sort();
    let mut expected = [&one, &two].map(|l| (l.digest(), l.bytes.len() as u64));
    expected.sort();
    assert_eq!(heard.into_iter().map(|(layer, size, ..)| (layer, size)).collect::<Vec<_>>(), expected);
}

#[tokio::test]
async fn packages_belong_to_the_layer_that_brought_them() {
    let base = debian(&[("a", "1"), ("b", "1"), ("c", "1")]).gzip();
    let upper =
        Tar::new().file("./var/lib/dpkg/status", status(&[("a", "1"), ("b", "2"), ("d", "1")])).gzip();
    let other = Tar::new().file("app", "x").zstd();
    let content = status(&[("a", "1"), ("b", "2"), ("c", "1")]);
    let back = Tar::new()
        .raw(EntryType::Regular, b"/var/./lib//dpkg/status", content.len() as u64, content.as_bytes())
        .gzip();
    let image = Image::new(&[base.clone(), upper.clone(), other, back.clone()]).await;
    let inventory = image.inventory().await.expect("inventory");
    let layers: Vec<_> = inventory.packages.iter().map(|p| (p.name.as_str(), p.layer.clone())).collect();
    // `c` was gone in between: it came back with the last layer.
    assert_eq!(layers, [("a", Some(base.digest())), ("b", Some(upper.digest())), ("c", Some(back.digest()))]);
}

#[tokio::test]
async fn whiteouts_take_databases_away() {
    for hiding in [
        Tar::new().whiteout("var/lib/dpkg/.wh.status"),
        Tar::new().whiteout("var/lib/.wh.dpkg"),
        Tar::new().whiteout("var/lib/dpkg/.wh..wh..opq"),
        Tar::new().whiteout("var/.wh..wh..opq"),
        Tar::new().file("var/lib", "now a file"),
        Tar::new().link(EntryType::Symlink, "var/lib/dpkg", "/elsewhere"),
    ] {
        let image = Image::new(&[debian(&[("a", "1")]).gzip(), hiding.gzip()]).await;
        let inventory = image.inventory().await.expect("inventory");
        assert_eq!((inventory.database.as_deref(), inventory.packages.len()), (None, 0));
        assert!(inventory.distro.is_some());
        let report = patchline_scanner::report(&inventory, &[&AdvisorySet::empty()]);
        assert!(matches!(report.completeness, Completeness::Undetermined { .. }));
    }
}

#[tokio::test]
async fn whiteouts_hide_lower_layers_alone() {
    let upper = Tar::new()
        .file("var/lib/dpkg/status", status(&[("new", "1")]))
        .whiteout("var/lib/dpkg/.wh..wh..opq")
        .whiteout("var/lib/dpkg/.wh.status")
        .directory("var/lib/dpkg");
    let image = Image::new(&[debian(&[("old", "1")]).gzip(), upper.gzip()]).await;
    assert_eq!(names(&image.inventory().await.expect("inventory")), ["new 1"]);
}

#[tokio::test]
async fn distroless_databases_are_merged_file_by_file() {
    let stanza =
        |name: &str, version: &str| format!("Package: {name}\nVersion: {version}\nArchitecture: amd64\n");
    let base = Tar::new()
        .file("etc/os-release", OS_RELEASE)
        .file("var/lib/dpkg/status.d/base-files", stanza("base-files", "12.4"))
        .file("var/lib/dpkg/status.d/base-files.md5sums", "0 etc/x\n")
        .file("var/lib/dpkg/status.d/tzdata", stanza("tzdata", "2024a"));
    let upper = Tar::new()
        .whiteout("var/lib/dpkg/status.d/.wh.tzdata")
        .file("var/lib/dpkg/status.d/libssl3", stanza("libssl3", "3.0.11") + "Source: openssl\n");
    let (base, upper) = (base.gzip(), upper.gzip());
    let inventory = Image::new(&[base.clone(), upper.clone()]).await.inventory().await.expect("inventory");
    assert_eq!(names(&inventory), ["base-files 12.4", "libssl3 3.0.11"]);
    assert_eq!(inventory.database.as_deref(), Some("dpkg-status.d"));
    assert_eq!(inventory.packages[0].layer, Some(base.digest()));
    assert_eq!(
        (&inventory.packages[1].layer, inventory.packages[1].source.as_str()),
        (&Some(upper.digest()), "openssl")
    );
}

#[tokio::test]
async fn hard_links_and_devices_are_no_obstacle() {
    let tar = Tar::new()
        .file("usr/lib/os-release", OS_RELEASE)
        .link(EntryType::Link, "etc/os-release", "usr/lib/os-release")
        .raw(EntryType::Char, b"dev/null", 0, b"")
        .raw(EntryType::Fifo, b"run/fifo", 0, b"")
        .file("var/lib/dpkg/status", status(&[("a", "1")]));
    let inventory = Image::new(&[tar.gzip()]).await.inventory().await.expect("inventory");
    assert_eq!(names(&inventory), ["a 1"]);
    assert_eq!(inventory.distro.expect("distro").codename.as_deref(), Some("bookworm"));
}

#[tokio::test]
async fn long_names_are_read() {
    let long = "d/".repeat(300) + "file";
    let tar = Tar::new().file(&long, "x").file("var/lib/dpkg/status", status(&[("a", "1")]));
    assert_eq!(names(&Image::new(&[tar.gzip()]).await.inventory().await.expect("inventory")), ["a 1"]);
}

#[tokio::test]
async fn what_stands_in_a_databases_place_makes_the_image_undetermined() {
    let rpm = Tar::new().file("etc/os-release", "ID=fedora\nVERSION_ID=40\n").link(
        EntryType::Symlink,
        "var/lib/rpm/rpmdb.sqlite",
        "/nowhere",
    );
    let inventory = Image::new(&[rpm.gzip()]).await.inventory().await.expect("inventory");
    assert_eq!(inventory.unread, ["rpm"]);
    let report = patchline_scanner::report(&inventory, &[&AdvisorySet::empty()]);
    let Completeness::Undetermined { reason } = report.completeness else { panic!("{report:?}") };
    assert!(reason.ends_with("cannot be read yet: rpm"), "{reason}");
}

#[tokio::test]
async fn an_unparsable_database_is_located() {
    let broken =
        Tar::new().file("var/lib/dpkg/status", "Package: a\nStatus: install ok installed\nrubbish\n").gzip();
    let base = debian(&[("a", "1")]).gzip();
    let error = Image::new(&[base.clone(), broken.clone()]).await.inventory().await.expect_err("broken");
    assert_eq!(error.code(), "package-database-unreadable");
    assert_eq!(error.to_string(), "var/lib/dpkg/status cannot be parsed: line 3: has no colon");
    // Replaced by a good one above, it does no harm.
    assert_eq!(names(&Image::new(&[broken, base]).await.inventory().await.expect("inventory")), ["a 1"]);
}

#[tokio::test]
async fn empty_images_and_layers_that_stand_twice() {
    let none = Image::new(&[]).await.inventory().await.expect("inventory");
    assert!(none.packages.is_empty() && none.distro.is_none());
    let (empty, base) = (Tar::new().gzip(), debian(&[("a", "1")]).gzip());
    let image = Image::new(&[empty.clone(), base, empty]).await;
    assert_eq!(names(&image.inventory().await.expect("inventory")), ["a 1"]);
}

/// Keeps facts in memory and counts.
#[derive(Default)]
struct Memory {
    facts: Mutex<HashMap<(Digest, String), Vec<u8>>>,
    puts: Mutex<usize>,
}
#[async_trait::async_trait]
impl LayerFacts for Memory {
    async fn get(&self, layer: &Digest, analysers: &str) -> Result<Option<Vec<u8>>> {
        Ok(self.facts.lock().expect("lock").get(&(layer.clone(), analysers.to_owned())).cloned())
    }
    async fn put(&self, layer: &Digest, analysers: &str, facts: &[u8]) -> Result<()> {
        *self.puts.lock().expect("lock") += 1;
        self.facts.lock().expect("lock").insert((layer.clone(), analysers.to_owned()), facts.to_vec());
        Ok(())
    }
}

#[tokio::test]
async fn a_known_layer_is_never_read_again() {
    let base = debian(&[("a", "1")]).gzip();
    let image = Image::new(std::slice::from_ref(&base)).await;
    let memory = Arc::new(Memory::default());
    let first = image.inventory_with(memory.clone()).await.expect("inventory");
    std::fs::remove_file(image.blob_path(&base.digest())).expect("removed");
    let second = image.inventory_with(memory.clone()).await.expect("from facts alone");
    assert_eq!(first, second);
    assert_eq!(*memory.puts.lock().expect("lock"), 1);
}

#[tokio::test]
async fn rotten_facts_are_read_anew_and_claims_never_select_facts() {
    let base = debian(&[("a", "1")]).gzip();
    let memory = Arc::new(Memory::default());
    let image = Image::new(std::slice::from_ref(&base)).await;
    image.inventory_with(memory.clone()).await.expect("inventory");
    for kept in memory.facts.lock().expect("lock").values_mut() {
        kept.truncate(10);
    }
    assert_eq!(names(&image.inventory_with(memory.clone()).await.expect("inventory")), ["a 1"]);
    // Another image claims another diff_id for the same blob.
    let liar = crate::support::Layer { diff_id: Digest::of(b"lie"), ..base };
    let error = Image::new(&[liar]).await.inventory_with(memory).await.expect_err("a lie");
    assert_eq!(error.code(), "layer-unreadable");
}

#[tokio::test]
async fn alpine_is_read_where_its_database_lies() {
    let record = |name: &str, origin: &str, license: &str| {
        format!("P:{name}\nV:1.2.5-r1\nA:x86_64\no:{origin}\nL:{license}\nF:lib\nR:libc.so\n\n")
    };
    let text = record("musl-utils", "musl", "MIT AND BSD-2-Clause") + &record("libssl3", "openssl", "custom");
    for place in ["lib/apk/db/installed", "usr/lib/apk/db/installed"] {
        let tar = Tar::new().file("etc/os-release", "ID=alpine\nVERSION_ID=3.20.1\n").file(place, &text);
        let inventory = Image::new(&[tar.gzip()]).await.inventory().await.expect("inventory");
        assert_eq!((inventory.database.as_deref(), inventory.unread.len()), (Some("apk"), 0));
        assert_eq!(names(&inventory), ["libssl3 1.2.5-r1", "musl-utils 1.2.5-r1"]);
        let sources: Vec<_> =
            inventory.packages.iter().map(|p| (p.source.as_str(), p.licenses.clone())).collect();
        assert_eq!(
            sources,
            [("openssl", vec!["NOASSERTION".to_owned()]), ("musl", vec!["MIT AND BSD-2-Clause".to_owned()])]
        );
    }
    // What is no database is said with its line.
    let tar = Tar::new().file("lib/apk/db/installed", "P:musl\nrubbish\n");
    let error = Image::new(&[tar.gzip()]).await.inventory().await.expect_err("broken");
    assert!(error.to_string().starts_with("lib/apk/db/installed cannot be parsed: line 2"), "{error}");
}

#[tokio::test]
async fn a_whiteout_of_nothing_hides_nothing() {
    for path in [".wh.", "var/.wh.", "var/lib/dpkg/.wh."] {
        let layers = [debian(&[("a", "1")]).gzip(), Tar::new().whiteout(path).gzip()];
        let inventory = Image::new(&layers).await.inventory().await.expect("inventory");
        assert_eq!(names(&inventory), ["a 1"], "{path}");
    }
}
