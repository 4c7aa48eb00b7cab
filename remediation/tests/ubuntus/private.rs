//! Repositories that an image names for itself: mirrored by a person, or not asked.

use std::{fs, path::Path};

use patchline_remediation::apt::{Mirror, Mirrors};

use super::{
    ground,
    ubuntus::{Asked, Key, Made, OS_RELEASE, Place, address, installed, made, main, publish, serve},
};

/// As the image writes it, with a password that nobody else is to see.
const SOURCES: &str = "Types: deb\nURIs: http://me:of-the-image@packages.example/tools\nSuites: stable\nComponents: main\n\
    Signed-By: /usr/share/keyrings/tools.gpg\n";

fn with(mut mirrors: Mirrors, to: url::Url) -> Mirrors {
    mirrors.others.push(Mirror { from: "http://packages.example/tools".to_owned(), to });
    mirrors
}

fn files(key: &Key) -> Vec<(&'static str, Vec<u8>)> {
    vec![
        ("etc/os-release", OS_RELEASE.into()),
        ("etc/apt/sources.list.d/tools.sources", SOURCES.into()),
        ("usr/share/keyrings/tools.gpg", fs::read(&key.keyring).unwrap()),
    ]
}

/// A distribution that has nothing newer, and a repository that does.
async fn archives(folder: &Path, key: &Key, private: &Key) -> (url::Url, (url::Url, Asked)) {
    let (own, tools) = (folder.join("archive"), folder.join("tools"));
    for suite in ["jammy-security", "jammy-updates", "jammy"] {
        publish(&own, key, suite, "amd64", "main", &[("main", &[])]);
    }
    let newer: &[Made] = &[Made { depends: "helper", ..made("tool", "1.0-2") }, made("helper", "2")];
    publish(&tools, private, "stable", "amd64", "main", &[("main", newer)]);
    (address(&own), serve(&tools).await)
}

const OLD: &[Made] = &[made("tool", "1.0-1"), made("helper", "1")];

#[tokio::test(flavor = "multi_thread")]
async fn what_the_distribution_lacks_comes_from_the_images_own_repository() {
    let Some((ground, key)) = ground("what_the_distribution_lacks_comes_from_the_images_own") else { return };
    let private = Key::make(ground.path(), "private");
    let (own, (tools, asked)) = archives(ground.path(), &key, &private).await;
    let keyrings = vec![key.keyring.clone(), private.keyring.clone()];
    let ubuntu = Place::new(with(main(own.clone()), tools.clone()), keyrings);
    let image = ubuntu.image_with("amd64", OLD, &files(&private)).await;
    let mut scan = ubuntu.scan(&image, &[("tool", "1.0-1ubuntu0.1")]).await;
    let inventory = ubuntu.inventory(&image).await;
    ubuntu.remediator.mark_mendable(&*ubuntu.images, &inventory, &mut scan.report).await.unwrap();
    assert!(scan.report.findings.iter().all(|finding| finding.mendable == Some(true)));
    let fixed = ubuntu.fixed(&scan).await;
    assert!(fixed.report.findings.is_empty(), "{:?}", fixed.report.findings);
    let from: Vec<_> =
        fixed.plan.upgrades.iter().map(|up| (up.package.as_str(), up.repository.as_str())).collect();
    assert_eq!(from, [("tool", "packages.example/tools stable")]);
    let named: Vec<_> = fixed.plan.repositories.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(named, ["jammy-security", "packages.example/tools stable"]);
    let all = ["helper 1 amd64 ii", "tool 1.0-2 amd64 ii"];
    assert_eq!(installed(&ubuntu.root(&fixed).await), all);
    // Neither what the image wrote nor where it was asked stands anywhere.
    let shown = serde_json::to_string(&fixed.plan).unwrap();
    assert!(!shown.contains("of-the-image") && !shown.contains("127.0.0.1"), "{shown}");
    assert!(asked.lock().unwrap().iter().any(|path| path.starts_with("/pool/main/tool_1.0-2")));

    // The image's key alone: for the distribution's suites it counts for nothing.
    let lone = Place::new(with(main(own.clone()), tools.clone()), vec![key.keyring.clone()]);
    let image = lone.image_with("amd64", OLD, &files(&private)).await;
    let scan = lone.scan(&image, &[("tool", "1.0-1ubuntu0.1")]).await;
    let (code, text) = lone.refused(&scan).await;
    assert_eq!(code, "repository-untrusted", "keys that a person configures are the only ones");
    assert!(text.contains("packages.example/tools stable") && !text.contains("of-the-image"), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_no_mirror_covers_is_not_asked() {
    let Some((ground, key)) = ground("what_no_mirror_covers_is_not_asked") else { return };
    let private = Key::make(ground.path(), "private");
    let (own, (tools, asked)) = archives(ground.path(), &key, &private).await;
    let keyrings = vec![key.keyring.clone(), private.keyring.clone()];
    let mut other = main(own.clone());
    other.others.push(Mirror { from: "http://other.example".to_owned(), to: tools });
    for (mirrors, named) in [(main(own), false), (other, true)] {
        let ubuntu = Place::new(mirrors, keyrings.clone());
        let image = ubuntu.image_with("amd64", OLD, &files(&private)).await;
        let scan = ubuntu.scan(&image, &[("tool", "1.0-1ubuntu0.1")]).await;
        let patchline_remediation::Fixed::Unchanged(plan) = ubuntu.fix(&scan).await.unwrap() else {
            panic!("it was mended")
        };
        let refused = &plan.refused[0];
        assert_eq!((refused.package.as_str(), refused.code.as_str()), ("tool", "not-in-repository"));
        let said = refused.reason.contains("no mirror of packages.example/tools stable is configured");
        assert_eq!(said, named, "{}", refused.reason);
        assert!(!refused.reason.contains("of-the-image"));
    }
    assert!(asked.lock().unwrap().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_distributions_version_is_taken_where_both_have_it() {
    let Some((ground, key)) = ground("the_distributions_version_is_taken_where_both_have_it") else { return };
    let (own, tools) = (ground.path().join("archive"), ground.path().join("tools"));
    let newer = made("tool", "1.0-1ubuntu0.1");
    publish(&own, &key, "jammy-security", "amd64", "main", &[("main", &[newer])]);
    // The same name and version, and other bytes in it.
    publish(&tools, &key, "stable", "amd64", "main", &[("main", &[Made { fixes: "Another.", ..newer }])]);
    let ubuntu = Place::new(with(main(address(&own)), address(&tools)), vec![key.keyring.clone()]);
    let image = ubuntu.image_with("amd64", OLD, &files(&key)).await;
    let fixed = ubuntu.fixed(&ubuntu.scan(&image, &[("tool", "1.0-1ubuntu0.1")]).await).await;
    assert_eq!(fixed.plan.upgrades[0].repository, "jammy-security");
}

/// Debian's own archive, verified by this machine's keyring, and a repository that only the image has a key of.
#[tokio::test(flavor = "multi_thread")]
async fn beside_debians_archive_the_images_own_key_counts_for_its_own_repository() {
    let test = "beside_debians_archive_the_images_own_key_counts";
    let Some((ground, private)) = ground(test) else { return };
    let foreign = Key::make(ground.path(), "foreign");
    let tools = ground.path().join("tools");
    let newer: &[Made] = &[made("tool", "1.0-2")];
    publish(&tools, &private, "stable", "amd64", "main", &[("main", newer)]);
    let mirrors = with(Mirrors::from_machine(), address(&tools));
    let debian = Place::new(mirrors, Vec::new());
    let apt = debian.remediator.apt();
    let known = patchline_remediation::apt::Distribution::Debian;
    if let Err(error) = apt.suite(known, "bookworm-security", "amd64").await {
        assert!(std::env::var("CI").as_deref() != Ok("true"), "{test}: {error}");
        println!("skipped: {test}: no Debian mirror can be reached: {error}");
        return;
    }
    let os_release = "PRETTY_NAME=\"Debian GNU/Linux 12 (bookworm)\"\nID=debian\nVERSION_ID=\"12\"\nVERSION_CODENAME=bookworm\n";
    let of = |key: &Key| {
        let mut files = files(key);
        files[0].1 = os_release.into();
        files
    };
    let image = debian.image_with("amd64", OLD, &of(&foreign)).await;
    let scan = debian.scan_of("Debian:12", &image, &[("tool", "1.0-2")]).await;
    let (code, text) = debian.refused(&scan).await;
    assert_eq!(code, "repository-untrusted");
    assert!(text.contains("packages.example/tools stable"), "{text}");

    let image = debian.image_with("amd64", OLD, &of(&private)).await;
    let scan = debian.scan_of("Debian:12", &image, &[("tool", "1.0-2")]).await;
    let fixed = debian.fixed(&scan).await;
    assert_eq!(fixed.plan.upgrades[0].repository, "packages.example/tools stable");
    assert!(fixed.report.findings.is_empty());
    assert_eq!(installed(&debian.root(&fixed).await), ["helper 1 amd64 ii", "tool 1.0-2 amd64 ii"]);

    // What was believed for that image is not for the next, though the same client asks the same repository.
    let image = debian.image_with("amd64", OLD, &of(&foreign)).await;
    let scan = debian.scan_of("Debian:12", &image, &[("tool", "1.0-2")]).await;
    assert_eq!(debian.refused(&scan).await.0, "repository-untrusted");
}
