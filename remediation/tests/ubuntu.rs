//! The whole act on images of Ubuntu: archives, keys and images made by the test itself, mended through the library, and judged
//! by what stands in the tree and by dpkg.

#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a test: it may fail, and says what it saw")]

#[path = "ubuntus/credentials.rs"]
mod credentials;
#[path = "ubuntus/detached.rs"]
mod detached;
#[path = "ubuntus/private.rs"]
mod private;
mod ubuntus;

use std::{fs, path::Path, time::Duration};

use patchline_remediation::{
    Fixed,
    apt::{Archives, Mirrors},
};
use patchline_scanner::advisories::apt_security::{SecurityUploads as _, derive};
use ubuntus::{Key, Made, Place, able, address, installed, made, main, publish, serve};

const OLD: &[Made] = &[
    Made { depends: "libtool1 (>= 1.0)", ..made("tool", "1.0-1") },
    made("libtool1", "1.0-1"),
    made("wide", "2.0-1"),
];

/// What the security suite has of it.
const TOOL: Made = Made {
    depends: "libtool1 (>= 1.0)",
    fixes: "CVE-2024-1000: a tool too trusting.",
    ..made("tool", "1.0-1ubuntu0.1")
};

/// The release as it came out, its security suite with more in it, and `-updates` with what is newer still.
fn archive(folder: &Path, key: &Key) {
    let listed = "main restricted universe";
    let restricted: (&str, &[Made]) = ("restricted", &[]);
    let (main, wide) = (&OLD[..2], &OLD[2..]);
    publish(folder, key, "jammy", "amd64", listed, &[("main", main), restricted, ("universe", wide)]);
    security(folder, key);
    let newer = [TOOL, made("libtool1", "1.1-1ubuntu0.22.04.2")];
    publish(
        folder,
        key,
        "jammy-updates",
        "amd64",
        listed,
        &[("main", &newer), restricted, ("universe", &[made("wide", "2.0-1ubuntu0.3")])],
    );
}

fn security(folder: &Path, key: &Key) {
    publish(
        folder,
        key,
        "jammy-security",
        "amd64",
        "main restricted universe",
        &[("main", &[TOOL]), ("restricted", &[]), ("universe", &[made("wide", "2.0-1ubuntu0.2")])],
    );
}

fn suites(fixed: &patchline_remediation::FixedImage) -> Vec<&str> {
    fixed.plan.repositories.iter().map(|(suite, _)| suite.as_str()).collect()
}

/// A folder for a test's archive, and the key that signs it; none: the test skips, and says so.
fn ground(test: &str) -> Option<(tempfile::TempDir, Key)> {
    if !able(test) {
        return None;
    }
    let folder = tempfile::tempdir().unwrap();
    let key = Key::make(folder.path(), "ubuntu");
    Some((folder, key))
}

#[tokio::test(flavor = "multi_thread")]
async fn the_security_suite_is_enough() {
    let Some((ground, key)) = ground("the_security_suite_is_enough") else { return };
    let place = ground.path().join("archive");
    // There is nothing else, so nothing else can have been asked for.
    security(&place, &key);
    let (served, asked) = serve(&place).await;
    let wanted = [("tool", "1.0-1ubuntu0.1"), ("wide", "2.0-1ubuntu0.1")];
    let mut digests = Vec::new();
    for mirror in [address(&place), served] {
        let ubuntu = Place::new(main(mirror), vec![key.keyring.clone()]);
        let image = ubuntu.image("amd64", OLD).await;
        let mut scan = ubuntu.scan(&image, &wanted).await;
        let inventory = ubuntu.inventory(&image).await;
        ubuntu.remediator.mark_mendable(&*ubuntu.images, &inventory, &mut scan.report).await.unwrap();
        assert!(scan.report.findings.iter().all(|finding| finding.mendable == Some(true)));
        let fixed = ubuntu.fixed(&scan).await;
        assert!(fixed.report.findings.is_empty(), "{:?}", fixed.report.findings);
        assert_eq!(suites(&fixed), ["jammy-security"]);
        assert!(fixed.plan.upgrades.iter().all(|upgrade| upgrade.repository == "jammy-security"));
        let root = ubuntu.root(&fixed).await;
        let all = ["libtool1 1.0-1 amd64 ii", "tool 1.0-1ubuntu0.1 amd64 ii", "wide 2.0-1ubuntu0.2 amd64 ii"];
        assert_eq!(installed(&root), all);
        digests.push(fixed.manifest.digest.clone());
        let again = ubuntu.fixed(&scan).await;
        assert_eq!(again.manifest.digest, fixed.manifest.digest);
    }
    assert_eq!(digests[0], digests[1], "by folder and by network, the same image");
    let asked = asked.lock().unwrap();
    assert!(asked.iter().any(|path| path == "/dists/jammy-security/universe/binary-amd64/Packages"));
    assert!(asked.iter().all(|path| !path.contains("multiverse")), "{asked:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_security_lacks_comes_from_updates() {
    let Some((ground, key)) = ground("what_security_lacks_comes_from_updates") else { return };
    archive(ground.path(), &key);
    let ubuntu = Place::new(main(address(ground.path())), vec![key.keyring.clone()]);
    let image = ubuntu.image("amd64", OLD).await;
    let scan = ubuntu.scan(&image, &[("tool", "1.0-1ubuntu0.1"), ("libtool1", "1.1-1")]).await;
    let fixed = ubuntu.fixed(&scan).await;
    assert_eq!(suites(&fixed), ["jammy-security", "jammy-updates", "jammy"]);
    let from: Vec<_> =
        fixed.plan.upgrades.iter().map(|u| (u.package.as_str(), u.repository.as_str())).collect();
    assert_eq!(from, [("libtool1", "jammy-updates"), ("tool", "jammy-security")]);
    assert!(fixed.report.findings.is_empty());
    let root = ubuntu.root(&fixed).await;
    let all =
        ["libtool1 1.1-1ubuntu0.22.04.2 amd64 ii", "tool 1.0-1ubuntu0.1 amd64 ii", "wide 2.0-1 amd64 ii"];
    assert_eq!(installed(&root), all);
}

#[tokio::test(flavor = "multi_thread")]
async fn other_architectures_lie_in_the_ports() {
    let Some((ground, key)) = ground("other_architectures_lie_in_the_ports") else { return };
    let (archived, ported) = (ground.path().join("archive"), ground.path().join("ports"));
    archive(&archived, &key);
    let of_arm = |version| Made { architecture: "arm64", ..made("tool", version) };
    let newer = [of_arm("1.0-1ubuntu0.1")];
    publish(&ported, &key, "jammy-security", "arm64", "main", &[("main", &newer)]);
    let ports = Archives { ports: Some(address(&ported)), ..Archives::default() };
    let ubuntu = Place::new(Mirrors { ubuntu: ports, ..Mirrors::default() }, vec![key.keyring.clone()]);
    let image = ubuntu.image("arm64", &[of_arm("1.0-1")]).await;
    let scan = ubuntu.scan(&image, &[("tool", "1.0-1ubuntu0.1")]).await;
    let fixed = ubuntu.fixed(&scan).await;
    assert!(fixed.report.findings.is_empty());
    assert_eq!(installed(&ubuntu.root(&fixed).await), ["tool 1.0-1ubuntu0.1 arm64 ii"]);

    // The archive of amd64 is not asked for them.
    let other = Place::new(main(address(&archived)), vec![key.keyring.clone()]);
    let image = other.image("arm64", &[of_arm("1.0-1")]).await;
    let (code, text) = other.refused(&other.scan(&image, &[("tool", "1.0-1ubuntu0.1")]).await).await;
    assert_eq!(code, "no-mirror");
    assert!(text.contains("--ubuntu-ports-mirror") && text.contains("mirrors.ubuntu-ports"), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn security_is_asked_where_it_is_named_and_first() {
    let Some((ground, key)) = ground("security_is_asked_where_it_is_named_and_first") else { return };
    let (late, early) = (ground.path().join("mirror"), ground.path().join("security"));
    let listed = "main";
    publish(&late, &key, "jammy-security", "amd64", listed, &[("main", &[])]);
    publish(&early, &key, "jammy-security", "amd64", listed, &[("main", &[made("tool", "1.0-1ubuntu0.1")])]);
    let archives =
        Archives { main: Some(address(&late)), security: Some(address(&early)), ..Archives::default() };
    let ubuntu = Place::new(Mirrors { ubuntu: archives, ..Mirrors::default() }, vec![key.keyring.clone()]);
    let image = ubuntu.image("amd64", &[made("tool", "1.0-1")]).await;
    let scan = ubuntu.scan(&image, &[("tool", "1.0-1ubuntu0.1")]).await;
    let fixed = ubuntu.fixed(&scan).await;
    assert_eq!(installed(&ubuntu.root(&fixed).await), ["tool 1.0-1ubuntu0.1 amd64 ii"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_mirror_or_a_key_nothing_is_done() {
    if !able("without_a_mirror_or_a_key_nothing_is_done") {
        return;
    }
    let ground = tempfile::tempdir().unwrap();
    let (key, other) = (Key::make(ground.path(), "ubuntu"), Key::make(ground.path(), "other"));
    security(ground.path(), &key);
    // Debian's mirror is not asked, whatever it has.
    let debian = Archives {
        main: Some(address(ground.path())),
        security: Some(address(ground.path())),
        ..Archives::default()
    };
    let debian = Mirrors { debian, ..Mirrors::default() };
    let none = Place::new(debian, vec![key.keyring.clone()]);
    let image = none.image("amd64", OLD).await;
    let scan = none.scan(&image, &[("tool", "1.0-1ubuntu0.1")]).await;
    let (code, text) = none.refused(&scan).await;
    assert_eq!(code, "no-mirror");
    assert!(text.contains("no Ubuntu mirror") && text.contains("--ubuntu-mirror"), "{text}");
    // A scan goes on without.
    assert!(!none.remediator.apt().reads_uploads(&none.inventory(&image).await));

    let mirror = || main(address(ground.path()));
    let stranger = Place::new(mirror(), vec![other.keyring.clone()]);
    let image = stranger.image("amd64", OLD).await;
    let scan = stranger.scan(&image, &[("tool", "1.0-1ubuntu0.1")]).await;
    assert_eq!(stranger.refused(&scan).await.0, "repository-untrusted");

    // This machine's own keyrings: Debian's do not count, and Ubuntu's know nothing of the test's key.
    let own = Place::new(mirror(), Vec::new());
    let image = own.image("amd64", OLD).await;
    let scan = own.scan(&image, &[("tool", "1.0-1ubuntu0.1")]).await;
    let (code, text) = own.refused(&scan).await;
    if Path::new("/usr/share/keyrings/ubuntu-archive-keyring.gpg").exists() {
        assert_eq!(code, "repository-untrusted", "{text}");
    } else {
        assert_eq!(code, "no-keyring", "{text}");
        assert!(text.contains("ubuntu-keyring"), "{text}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_only_subscribers_get_is_refused_by_name() {
    let Some((ground, key)) = ground("what_only_subscribers_get_is_refused_by_name") else { return };
    archive(ground.path(), &key);
    let ubuntu = Place::new(main(address(ground.path())), vec![key.keyring.clone()]);
    let image = ubuntu.image("amd64", OLD).await;
    let mut scan = ubuntu.scan(&image, &[("tool", "1.0-1ubuntu0.1"), ("wide", "2.0-1ubuntu0.3+esm1")]).await;
    for finding in scan.report.findings.iter_mut().filter(|finding| finding.source == "wide") {
        finding.ecosystem = "Ubuntu:Pro:22.04:LTS".into();
        assert!(finding.is_deb());
    }
    let fixed = ubuntu.fixed(&scan).await;
    let refused: Vec<_> = fixed.plan.refused.iter().map(|r| (r.package.as_str(), r.code.as_str())).collect();
    assert_eq!(refused, [("wide", "not-in-repository")], "{:?}", fixed.plan.refused);
    let all = ["libtool1 1.0-1 amd64 ii", "tool 1.0-1ubuntu0.1 amd64 ii", "wide 2.0-1 amd64 ii"];
    assert_eq!(installed(&ubuntu.root(&fixed).await), all);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_component_that_is_listed_must_be_there() {
    let Some((ground, key)) = ground("a_component_that_is_listed_must_be_there") else { return };
    let index = "dists/jammy-security/universe/binary-amd64/Packages";
    let newer: &[Made] = &[made("tool", "1.0-1ubuntu0.1")];
    for (case, expected) in [
        ("missing", Some("mirror-status")),
        ("another", Some("file-unverified")),
        ("unpromised", Some("package-malformed")),
        ("unlisted", None),
    ] {
        let place = ground.path().join(case);
        let (listed, components): (_, &[(&str, &[Made])]) = match case {
            "unpromised" => ("main universe", &[("main", newer)]),
            "unlisted" => ("main", &[("main", newer)]),
            _ => ("main universe", &[("main", newer), ("universe", &[OLD[2]])]),
        };
        publish(&place, &key, "jammy-security", "amd64", listed, components);
        match case {
            "missing" => fs::remove_file(place.join(index)).unwrap(),
            "another" => {
                let text = fs::read_to_string(place.join(index)).unwrap();
                fs::write(place.join(index), text.replace("made by a test", "made by a liar")).unwrap();
            }
            _ => {}
        }
        let ubuntu = Place::new(main(address(&place)), vec![key.keyring.clone()]);
        let image = ubuntu.image("amd64", OLD).await;
        let scan = ubuntu.scan(&image, &[("tool", "1.0-1ubuntu0.1")]).await;
        match expected {
            Some(code) => assert_eq!(ubuntu.refused(&scan).await.0, code, "{case}"),
            None => assert_eq!(ubuntu.fixed(&scan).await.plan.upgrades.len(), 1, "{case}"),
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_security_suite_tells_what_it_fixes() {
    let Some((ground, key)) = ground("the_security_suite_tells_what_it_fixes") else { return };
    security(ground.path(), &key);
    let (mirror, asked) = serve(ground.path()).await;
    let ubuntu = Place::new(main(mirror), vec![key.keyring.clone()]);
    let image = ubuntu.image("amd64", OLD).await;
    // The suite is begun to be read while the image is: by whoever scans it to mend it.
    let beside = ubuntu.remediator.beside("linux/amd64");
    let inventory = patchline_scanner::inventory(&*ubuntu.images, &image, beside).await.unwrap();
    let first = "/dists/jammy-security/InRelease";
    let begun = || asked.lock().unwrap().iter().filter(|path| *path == first).count();
    for _ in 0..200 {
        if begun() > 0 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(25)).await;
    }
    assert_eq!(begun(), 1);

    let apt = ubuntu.remediator.apt();
    assert!(apt.reads_uploads(&inventory));
    let (uploads, revision) = apt.uploads(&inventory).await.unwrap();
    assert_eq!(begun(), 1, "what was begun is what is given");
    let advisories = derive(&inventory, &uploads, &revision);
    let report = patchline_scanner::report(&inventory, &[&advisories]);
    let found: Vec<_> =
        report.findings.iter().map(|f| (f.source.as_str(), f.fixed.as_deref().unwrap_or_default())).collect();
    assert_eq!(found, [("tool", "1.0-1ubuntu0.1"), ("wide", "2.0-1ubuntu0.2")], "{:#?}", report.findings);
    assert!(report.findings.iter().any(|f| f.id == "CVE-2024-1000" && f.ecosystem == ubuntus::ECOSYSTEM));
    let scan = ubuntus::Scan { image, report, advisories };
    match ubuntu.fix(&scan).await.unwrap() {
        Fixed::Image(fixed) => assert!(fixed.report.findings.is_empty()),
        Fixed::Unchanged(plan) => panic!("{plan:#?}"),
    }
}
