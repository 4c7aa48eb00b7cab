//! Licences of packages, through layers and links.

use crate::support::{Image, Tar, debian, status};
use patchline_scanner::{Inventory, Package};
use tar::EntryType;

fn copyright(license: &str) -> String {
    format!(
        "Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/\n\nFiles: *\nLicense: {license}\n"
    )
}

fn licenses(inventory: &Inventory) -> Vec<(&str, Vec<&str>)> {
    fn one(package: &Package) -> (&str, Vec<&str>) {
        (package.name.as_str(), package.licenses.iter().map(String::as_str).collect())
    }
    inventory.packages.iter().map(one).collect()
}

#[tokio::test]
async fn copyright_files_are_read_through_links_and_layers() {
    let names =
        [("a", "1"), ("b", "1"), ("c", "1"), ("d", "1"), ("e", "1"), ("f", "1"), ("g", "1"), ("h", "1")];
    let base = debian(&names)
        .file("usr/share/doc/a/copyright", copyright("GPL-2+ or Artistic, and Expat"))
        // The folder of another package, and a file of it.
        .link(EntryType::Symlink, "usr/share/doc/b", "a")
        .link(EntryType::Symlink, "usr/share/doc/c/copyright", "/usr/share/doc/b/copyright")
        .file("usr/share/doc/d/copyright", copyright("AGPL-3"))
        .file("usr/share/doc/e/copyright", copyright("ISC"))
        .link(EntryType::Link, "usr/share/doc/f/copyright", "usr/share/doc/e/copyright")
        // Links that lead out, nowhere, and round.
        .link(EntryType::Symlink, "usr/share/doc/g", "../../../../../etc")
        .link(EntryType::Symlink, "usr/share/doc/h", "h")
        .gzip();
    let upper = Tar::new()
        .file("usr/share/doc/d/copyright", copyright("MPL-2.0"))
        .whiteout("usr/share/doc/.wh.e")
        .gzip();
    let of_a = vec!["GPL-2.0-or-later OR Artistic-1.0-Perl", "MIT"];
    let image = Image::new(std::slice::from_ref(&base)).await;
    let inventory = image.inventory().await.expect("inventory");
    let found = licenses(&inventory);
    assert_eq!(
        found,
        [
            ("a", of_a.clone()),
            ("b", of_a.clone()),
            ("c", of_a.clone()),
            ("d", vec!["AGPL-3.0-only"]),
            ("e", vec!["ISC"]),
            ("f", vec!["ISC"]),
            ("g", vec![]),
            ("h", vec![]),
        ]
    );
    let inventory = Image::new(&[base.clone(), upper]).await.inventory().await.expect("inventory");
    let found = licenses(&inventory);
    assert_eq!((&found[3], &found[4]), (&("d", vec!["MPL-2.0"]), &("e", vec![])));
    // A folder becomes a link: what was in it is gone.
    let linked = Tar::new().link(EntryType::Symlink, "usr/share/doc/a", "e").gzip();
    let inventory = Image::new(&[base.clone(), linked]).await.inventory().await.expect("inventory");
    assert_eq!(licenses(&inventory)[0], ("a", vec!["ISC"]));
    // All documentation goes.
    let without = Tar::new().whiteout("usr/share/.wh.doc").gzip();
    let inventory = Image::new(&[base, without]).await.inventory().await.expect("inventory");
    assert!(inventory.packages.iter().all(|p| p.licenses.is_empty()));
}

#[tokio::test]
async fn what_is_too_large_or_no_file_is_unknown_and_no_failure() {
    let mut large = copyright("ISC");
    large.push_str(&" x\n".repeat(2 << 20));
    let image = Image::new(&[debian(&[("a", "1"), ("b", "1"), ("c", "1")])
        .file("usr/share/doc/a/copyright", large)
        .file("usr/share/doc/b", "no folder")
        .directory("usr/share/doc/c/copyright")
        .gzip()])
    .await;
    let inventory = image.inventory().await.expect("inventory");
    assert!(inventory.packages.iter().all(|p| p.licenses.is_empty()));
}

#[tokio::test]
async fn an_inventory_without_licences_is_still_read() {
    let image = Image::new(&[debian(&[("a", "1")]).gzip()]).await;
    let inventory = image.inventory().await.expect("inventory");
    let json = serde_json::to_value(&inventory).expect("json");
    assert_eq!(json["packages"][0].get("licenses"), None);
    assert_eq!(serde_json::from_value::<Inventory>(json).expect("an inventory"), inventory);
}

/// A layer may hide and hold as much as it likes: the merge stays linear.
#[tokio::test]
async fn many_files_and_many_whiteouts() {
    let mut base = Tar::new().file("var/lib/dpkg/status", status(&[("a", "1")]));
    let mut upper = Tar::new();
    for n in 0..40_000 {
        base = base.link(EntryType::Symlink, &format!("usr/share/doc/p{n}"), "a");
        upper = upper.whiteout(&format!("usr/share/doc/.wh.q{n}"));
    }
    let image = Image::new(&[base.gzip(), upper.gzip()]).await;
    assert_eq!(image.inventory().await.expect("inventory").packages.len(), 1);
}
