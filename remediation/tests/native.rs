//! The whole act on real images: made by mmdebstrap from the main suite alone, fixed from the security suite,
//! unpacked again, and asked in a chroot. Needs root, mmdebstrap and a mirror; else it skips, loudly.

#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a test: it may fail, and says what it saw")]

#[allow(dead_code, reason = "each suite uses its part")]
mod support;

use std::{collections::BTreeSet, path::Path};

use patchline_remediation::{Fixed, UpgradePolicy, lineage};
use support::{Bench, Layer, chroot, oracle::ahead, unpack};

/// Everything that the issue asks of a fixed image of one release. What is to go up is told by apt: a release that lives has
/// other upgrades each week, and on the day of a point release none.
async fn a_release_is_mended(suite: &str) {
    let Some(bench) = Bench::new("a_release_is_mended", suite).await else { return };
    let original = bench.image("1", &[Layer::Rootfs]).await;
    let before = bench.scan(&original).await;
    let unmended = bench.scratch.path().join("unmended");
    unpack(&bench, &original, &unmended).await;
    let due = ahead(&unmended, suite);
    let fixable = before.report.findings.iter().any(|f| f.fixable());
    assert_eq!(fixable, !due.is_empty(), "apt would upgrade {due:?}");
    if due.is_empty() {
        assert!(matches!(bench.fix(&original, &before, Some("1")).await, Fixed::Unchanged(_)));
        println!("{suite}: the security suite is not ahead of the release in anything: nothing to mend");
        return;
    }
    let Fixed::Image(fixed) = bench.fix(&original, &before, Some("1")).await else {
        panic!("nothing was fixed")
    };
    for upgrade in &fixed.plan.upgrades {
        println!("{suite}: {} {} -> {} ({})", upgrade.package, upgrade.from, upgrade.to, upgrade.because);
    }
    for refusal in &fixed.plan.refused {
        println!("{suite}: refused {} {}: {}", refusal.package, refusal.code, refusal.reason);
    }
    println!("{suite}: kept {:?}", fixed.kept);
    let named = |(package, version): (&str, &str)| (package.to_owned(), version.to_owned());
    let up: BTreeSet<_> = fixed.plan.upgrades.iter().map(|u| named((&u.package, &u.to))).collect();
    let refused: BTreeSet<_> = fixed.plan.refused.iter().map(|r| r.package.clone()).collect();
    let (stays, goes): (BTreeSet<_>, BTreeSet<_>) =
        due.into_iter().partition(|(package, _)| refused.contains(package));
    assert_eq!(up, goes, "what apt would upgrade, but for what is refused by name");
    assert_eq!(fixed.kept, Vec::<String>::new(), "nobody changed anything in this image");
    bench.remediator.push(&*bench.repository, &fixed, Some("1_fixed")).await.unwrap();

    // The original's layers stand, and one more.
    let old = bench.repository.manifest(original.as_str()).await.unwrap().image().unwrap();
    let new = fixed.manifest.image().unwrap();
    assert_eq!(new.layers[..old.layers.len()], old.layers[..]);
    assert_eq!(new.layers.len(), old.layers.len() + 1);

    // No mendable finding is left.
    let after = bench.scan(&fixed.manifest.digest).await;
    let left: Vec<_> =
        after.report.findings.iter().filter(|f| f.mendable == Some(true)).map(|f| &f.id).collect();
    assert!(left.is_empty(), "{left:?}");

    // Twice is the same, and the fixed image gets no second patch.
    let Fixed::Image(again) = bench.fix(&original, &before, Some("1")).await else {
        panic!("nothing was fixed")
    };
    assert_eq!(again.manifest.digest, fixed.manifest.digest, "equal fixes are equal bytes");
    let said =
        lineage::read(&*bench.repository, &fixed.manifest.digest, Some(&original)).await.unwrap().unwrap();
    assert_eq!(said.source, original);
    assert!(matches!(bench.fix(&fixed.manifest.digest, &after, Some("1_fixed")).await, Fixed::Unchanged(_)));

    // It lives.
    let root = bench.scratch.path().join("root");
    unpack(&bench, &fixed.manifest.digest, &root).await;
    for command in [&["dpkg", "--audit"][..], &["dpkg", "--verify"]] {
        assert_eq!(chroot(&root, command), "", "{command:?}");
    }
    chroot(&root, &["apt-get", "check"]);
    assert_eq!(ahead(&root, suite), stays, "what apt finds to do in the fixed image");
    chroot(&root, &["nginx", "-t"]);
    chroot(&root, &["curl", "--version"]);
    chroot(&root, &["openssl", "version"]);
    chroot(&root, &["python3", "-c", "import ssl; ssl.create_default_context()"]);
    certificates_are_as_the_real_tool_leaves_them(&root);
}

/// The bundle and its links, against `update-ca-certificates --fresh` run in a copy of their folder.
fn certificates_are_as_the_real_tool_leaves_them(root: &Path) {
    let links = |folder: &Path| -> BTreeSet<(String, String)> {
        std::fs::read_dir(folder)
            .unwrap()
            .map(Result::unwrap)
            .filter_map(|e| {
                let target = std::fs::read_link(e.path()).ok()?;
                Some((e.file_name().to_string_lossy().into_owned(), target.to_string_lossy().into_owned()))
            })
            .collect()
    };
    let folder = root.join("etc/ssl/certs");
    let (ours, our_bundle) = (links(&folder), std::fs::read(folder.join("ca-certificates.crt")).unwrap());
    chroot(root, &["update-ca-certificates", "--fresh"]);
    let (theirs, their_bundle) = (links(&folder), std::fs::read(folder.join("ca-certificates.crt")).unwrap());
    assert_eq!(ours.difference(&theirs).collect::<Vec<_>>(), Vec::<&(String, String)>::new());
    assert_eq!(theirs.difference(&ours).collect::<Vec<_>>(), Vec::<&(String, String)>::new());
    assert!(our_bundle == their_bundle, "the bundles differ");
}

#[tokio::test(flavor = "multi_thread")]
async fn bookworm_is_mended() {
    a_release_is_mended("bookworm").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn bullseye_is_mended() {
    a_release_is_mended("bullseye").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn trixie_is_mended() {
    a_release_is_mended("trixie").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_later_layer_changed_stays() {
    let Some(bench) = Bench::new("what_a_later_layer_changed_stays", "bookworm").await else { return };
    let bundle = "etc/ssl/certs/ca-certificates.crt";
    let mine = "-----BEGIN CERTIFICATE-----\nTWluZQ==\n-----END CERTIFICATE-----\n";
    let with_mine = bench.rootfs_file(bundle) + mine;
    let later = Layer::Files(vec![
        ("usr/share/nginx/html/index.html", 0o644, Some("ours\n".into())),
        ("var/www/html/index.nginx-debian.html", 0o644, Some("ours, too\n".into())),
        ("usr/bin/c_rehash", 0, None),
        (bundle, 0o644, Some(with_mine)),
        ("etc/nginx/nginx.conf", 0o600, Some("events {}\nhttp {}\n".into())),
    ]);
    let original = bench.image("two", &[Layer::Rootfs, later]).await;
    let before = bench.scan(&original).await;
    let Fixed::Image(fixed) = bench.fix(&original, &before, Some("two")).await else {
        panic!("nothing was fixed")
    };
    bench.remediator.push(&*bench.repository, &fixed, Some("two_fixed")).await.unwrap();
    let root = bench.scratch.path().join("root");
    unpack(&bench, &fixed.manifest.digest, &root).await;
    let read = |path: &str| std::fs::read_to_string(root.join(path)).unwrap();
    assert_eq!(read("usr/share/nginx/html/index.html"), "ours\n");
    assert_eq!(read("var/www/html/index.nginx-debian.html"), "ours, too\n");
    assert!(!root.join("usr/bin/c_rehash").exists(), "a removed program stays removed");
    assert!(read(bundle).ends_with(mine), "an added authority stays trusted");
    assert_eq!(read("etc/nginx/nginx.conf"), "events {}\nhttp {}\n");
    assert!(read(bundle).len() > 100_000);
    for name in ["usr/share/nginx/html/index.html", "usr/bin/c_rehash", "ca-certificates.crt"] {
        assert!(fixed.kept.iter().any(|kept| kept.contains(name)), "{name} is not named in {:?}", fixed.kept);
    }
    assert!(fixed.plan.upgrades.iter().any(|u| u.package == "nginx-common"));

    // Re-moded: the new content, the mode that somebody gave it.
    let policy = bench.fix_with(&original, &before, None, UpgradePolicy::Latest).await;
    assert!(matches!(policy, Fixed::Image(_)));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fixed_image_is_mended_again_when_its_original_is_gone() {
    let Some(mut bench) = Bench::new("a_fixed_image_is_mended_again", "trixie").await else { return };
    let original = bench.image("1", &[Layer::Rootfs]).await;
    let before = bench.scan(&original).await;
    let Fixed::Image(fixed) = bench.fix(&original, &before, Some("1")).await else {
        panic!("nothing was fixed")
    };
    bench.remediator.push(&*bench.repository, &fixed, Some("1_fixed")).await.unwrap();
    bench.repository.delete_manifest(&original).await.unwrap();
    bench.recorded = Some(original.clone());
    let after = bench.scan(&fixed.manifest.digest).await;
    let said =
        lineage::read(&*bench.repository, &fixed.manifest.digest, Some(&original)).await.unwrap().unwrap();
    assert_eq!(said.source, original);
    assert!(matches!(bench.fix(&fixed.manifest.digest, &after, None).await, Fixed::Unchanged(_)));

    // `FROM x_fixed`: one layer more, and the annotations copied: nobody believes them.
    let inherited = bench.inherit(&fixed.manifest.digest, "child").await;
    assert_eq!(lineage::read(&*bench.repository, &inherited, None).await.unwrap(), None);
}
