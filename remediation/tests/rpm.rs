//! The whole act on images with rpm's text manifests: packages, repositories and signatures made by rpm's own programs,
//! mended through the library, and judged by rpm. Needs rpm, createrepo-c and gpg; else it skips, loudly.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test: it may fail, says what it saw, and skips loudly"
)]

#[path = "support/layers.rs"]
#[allow(dead_code, reason = "each suite uses its part")]
mod layers;
mod rpms;

use std::path::Path;

use patchline_remediation::{Fixed, FixedImage, UpgradePolicy};
use rpms::{
    FULL, Image, Place, SHORT, Signer, Spec, What, program, query, ready, repository, serve, spec, text,
};

fn library(version: &'static str) -> Spec {
    Spec {
        more: "Provides: libtool.so.1()(64bit)\n",
        payload: "w6.xzdio",
        scripts: "%post -p /sbin/ldconfig\n%postun\n/sbin/ldconfig\n",
        ..spec(
            "libtool",
            version,
            vec![
                ("usr/lib/libtool.so.1.0", program(version)),
                ("usr/lib/libtool.so.1", What::Link("libtool.so.1.0")),
            ],
        )
    }
}

fn tool(version: &'static str) -> Spec {
    Spec {
        more: "Requires: libtool.so.1()(64bit)\nRequires: /bin/sh\nEpoch: 1\n",
        marks: vec![
            ("etc/tool.conf", "%config(noreplace)"),
            ("etc/tool.d/other.conf", "%config"),
            ("usr/bin/tool", "%caps(cap_net_raw=ep)"),
            ("usr/share/doc/tool/README", "%doc"),
        ],
        scripts: "%preun\nif [ $1 -eq 0 ]; then\n  rm -rf /var/tool\nfi\n",
        payload: "w6.gzdio",
        ..spec(
            "tool",
            version,
            vec![
                ("etc/tool.conf", text(&format!("default of {version}\n"))),
                ("etc/tool.d/other.conf", text(&format!("other of {version}\n"))),
                ("usr/bin/tool", program(version)),
                ("usr/bin/tool-again", What::Name("usr/bin/tool")),
                ("usr/share/tool/data", text("the same\n")),
            ],
        )
    }
}

fn old() -> Image {
    let mut tool = tool("1.0-1");
    tool.files.push(("usr/share/tool/old/gone", text("goes\n")));
    Image {
        installed: vec![
            library("1.0-1"),
            tool,
            spec("other", "7-1", vec![("usr/share/other/data", text("stays\n"))]),
        ],
        short: Some(SHORT),
        later: Vec::new(),
    }
}

/// What a repository keeps: also the versions that images have.
fn all(new: &[Spec]) -> Vec<Spec> {
    let mut all = old().installed;
    all.extend(new.iter().cloned());
    all
}

fn image(fixed: Fixed) -> Box<FixedImage> {
    match fixed {
        Fixed::Image(image) => image,
        Fixed::Unchanged(plan) => panic!("nothing was fixed: {:?}", plan.refused),
    }
}

fn refused(fixed: Fixed) -> Vec<(String, String, String)> {
    let plan = match fixed {
        Fixed::Image(image) => image.plan,
        Fixed::Unchanged(plan) => plan,
    };
    plan.refused.into_iter().map(|r| (r.package, r.code, r.reason)).collect()
}

fn mirror(folder: &Path) -> String {
    format!("azurelinux={}", folder.display())
}

const FIXED: &[(&str, &str)] = &[("tool", "1:1.0-3"), ("libtool", "1.0-2")];

#[tokio::test(flavor = "multi_thread")]
async fn an_rpm_image_is_mended() {
    if !ready("an_rpm_image_is_mended") {
        return;
    }
    let dotted = "%{NAME}.%{VERSION}-%{RELEASE}.%{ARCH}\\n";
    for (kind, compression, short) in
        [("rsa3072", "gz", Some(SHORT)), ("ed25519", "xz", Some(dotted)), ("rsa3072", "gz", None)]
    {
        let signer = Signer::new(kind);
        let repository = repository(
            &all(&[library("1.0-2"), tool("1.0-2"), tool("1.0-3"), tool("1.1-1")]),
            (Some(&signer), &signer),
            compression,
        );
        let place = Place::new(&[&format!("azurelinux={}", serve(repository.path()).await)], &[&signer]);
        let original = place.image("1", &Image { short, ..old() }).await;
        let before = place.scan(&original, FIXED).await;
        assert_eq!(before.report.findings.len(), 2, "{:?}", before.report.completeness);
        let fixed = image(place.fix(&original, &before).await.unwrap());
        let went: Vec<_> =
            fixed.plan.upgrades.iter().map(|u| (u.package.as_str(), u.to.as_str(), u.mends.len())).collect();
        assert_eq!(went, [("libtool", "1.0-2", 1), ("tool", "1:1.0-3", 1)]);
        assert_eq!(fixed.plan.upgrades[0].because, "the linker's cache stays valid");
        assert!(fixed.plan.refused.is_empty() && fixed.kept.is_empty(), "{:?}", fixed.kept);
        place.remediator.push(&*place.images, &fixed, Some("1_fixed")).await.unwrap();

        let tree = place.unpacked(&fixed.manifest.digest).await;
        // Every file that rpm says the new packages have, as rpm says it.
        let mut lines = (String::new(), String::new());
        for new in [library("1.0-2"), tool("1.0-3"), old().installed.remove(2)] {
            let package = repository.path().join(new.file_name());
            let dump = query(&package, "[%{FILENAMES} %{FILEMODES:octal} %{FILESIZES} %{FILELINKTOS}\\n]");
            for line in dump.lines() {
                let words: Vec<_> = line.split(' ').collect();
                let (mode, text) = tree.get(&words[0][1..]).unwrap_or_else(|| panic!("{line}"));
                let kind = u32::from_str_radix(words[1], 8).unwrap();
                match kind & 0o170_000 {
                    0o120_000 => assert_eq!(*text, format!("-> {}", words[3])),
                    0o040_000 => assert_eq!(text, "/"),
                    _ => assert_eq!(
                        (*mode, text.len().to_string().as_str()),
                        (kind & 0o7777, words[2]),
                        "{line}"
                    ),
                }
            }
            lines.0 += &query(&package, FULL);
            lines.1 += &query(&package, short.unwrap_or(SHORT));
        }
        assert!(tree["usr/bin/tool"].1.contains("1.0-3") && tree.contains_key("usr/bin/tool is capable"));
        assert_eq!(tree["usr/bin/tool"].1, tree["usr/bin/tool-again"].1);
        assert_eq!(tree["etc/tool.conf"].1, "default of 1.0-3\n");
        assert!(!tree.contains_key("usr/share/tool/old/gone") && !tree.contains_key("usr/share/tool/old"));
        // The manifests are what the distribution's own query would write, but for the time of installation.
        let fields = |text: &str| -> Vec<Vec<String>> {
            let line = |line: &str| {
                let mut fields: Vec<String> = line.split('\t').map(str::to_owned).collect();
                fields.remove(2);
                fields
            };
            text.lines().map(line).collect()
        };
        assert_eq!(fields(&tree["var/lib/rpmmanifest/container-manifest-2"].1), fields(&lines.0));
        match short {
            Some(_) => assert_eq!(tree["var/lib/rpmmanifest/container-manifest-1"].1, lines.1),
            None => assert!(!tree.contains_key("var/lib/rpmmanifest/container-manifest-1")),
        }

        // Twice is the same; nothing that can be mended is left; and a fixed image gets no second patch.
        let again = image(place.fix(&original, &before).await.unwrap());
        assert_eq!(again.manifest.digest, fixed.manifest.digest);
        let after = place.scan(&fixed.manifest.digest, FIXED).await;
        assert!(after.report.findings.is_empty());
        assert!(matches!(place.fix(&fixed.manifest.digest, &after).await.unwrap(), Fixed::Unchanged(_)));
        let latest = image(place.fix_with(&original, &before, UpgradePolicy::Latest).await.unwrap());
        assert_eq!(latest.plan.upgrades[1].to, "1:1.1-1");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_verified_is_an_error() {
    if !ready("what_cannot_be_verified_is_an_error") {
        return;
    }
    let (signer, foreign) = (Signer::new("rsa3072"), Signer::new("rsa3072"));
    let code = async |folder: &Path, keys: &[&Signer]| {
        let place = Place::new(&[&mirror(folder)], keys);
        let original = place.image("1", &old()).await;
        let before = place.scan(&original, FIXED).await;
        let error = place.fix(&original, &before).await.err().expect("an error");
        assert!(place.images.resolve("1_fixed").await.unwrap().is_none());
        format!("{}: {error}", error.code())
    };
    let good = repository(&all(&[library("1.0-2"), tool("1.0-3")]), (Some(&signer), &signer), "gz");
    let folder = good.path();
    let said = code(folder, &[&foreign]).await;
    assert!(said.starts_with("repository-untrusted") && said.contains("--rpm-key"), "{said}");
    if !Path::new("/etc/pki/rpm-gpg").exists() {
        assert!(code(folder, &[]).await.starts_with("no-keyring"));
    }

    // Each change is taken back afterwards.
    let changed = async |name: &str, change: &dyn Fn(&mut Vec<u8>)| {
        let path = folder.join(name);
        let whole = std::fs::read(&path).unwrap();
        let mut bytes = whole.clone();
        change(&mut bytes);
        std::fs::write(&path, bytes).unwrap();
        let said = code(folder, &[&signer]).await;
        std::fs::write(&path, whole).unwrap();
        said
    };
    let listed = std::fs::read_dir(folder.join("repodata")).unwrap();
    let primary = listed.map(|e| e.unwrap().file_name().into_string().unwrap());
    let primary = format!("repodata/{}", primary.into_iter().find(|name| name.contains("primary")).unwrap());
    let package = tool("1.0-3").file_name();
    let said = changed("repodata/repomd.xml", &|bytes| bytes.push(b'\n')).await;
    assert!(said.starts_with("repository-untrusted"), "{said}");
    let said = changed(&primary, &|bytes| bytes.truncate(bytes.len() - 20)).await;
    assert!(said.starts_with("file-unverified") && said.contains("primary"), "{said}");
    let said = changed(&package, &|bytes| *bytes.last_mut().unwrap() ^= 1).await;
    assert!(said.starts_with("file-unverified") && said.contains("tool-1.0-3"), "{said}");
    let said = changed(&package, &|bytes| bytes.truncate(200)).await;
    assert!(said.starts_with("file-unverified"), "{said}");
    std::fs::rename(folder.join(&package), folder.join("away")).unwrap();
    assert!(code(folder, &[&signer]).await.starts_with("mirror-status"));
    std::fs::rename(folder.join("away"), folder.join(&package)).unwrap();
    let signature = folder.join("repodata/repomd.xml.asc");
    std::fs::remove_file(&signature).unwrap();
    let said = code(folder, &[&signer]).await;
    assert!(said.starts_with("repository-untrusted") && said.contains("not signed"), "{said}");

    // A package by a stranger in metadata that is well signed.
    let strange = repository(&all(&[library("1.0-2"), tool("1.0-3")]), (Some(&foreign), &signer), "gz");
    let said = code(strange.path(), &[&signer]).await;
    assert!(said.starts_with("file-unverified") && said.contains("no good signature"), "{said}");
    // One without a signature is vouched for by the metadata.
    let bare = repository(&all(&[library("1.0-2"), tool("1.0-3")]), (None, &signer), "gz");
    let place = Place::new(&[&mirror(bare.path())], &[&signer]);
    let original = place.image("1", &old()).await;
    let before = place.scan(&original, FIXED).await;
    image(place.fix(&original, &before).await.unwrap());

    let place = Place::new(&["fedora=/srv/none"], &[&signer]);
    let original = place.image("1", &old()).await;
    let before = place.scan(&original, FIXED).await;
    let error = place.fix(&original, &before).await.err().unwrap();
    assert!(error.code() == "no-mirror" && error.to_string().contains("Azure Linux 3.0"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_changed_stays_and_is_named() {
    if !ready("what_was_changed_stays_and_is_named") {
        return;
    }
    let signer = Signer::new("rsa3072");
    let repository = repository(&all(&[library("1.0-2"), tool("1.0-3")]), (Some(&signer), &signer), "gz");
    let place = Place::new(&[&mirror(repository.path())], &[&signer]);
    let copy = match program("1.0-1") {
        What::File(_, content) => content,
        _ => String::new(),
    };
    let mut changed = old();
    changed.later = vec![vec![
        ("etc/tool.conf".into(), 0o600, Some("mine\n".into())),
        ("etc/tool.d/other.conf".into(), 0o644, Some("mine, too\n".into())),
        ("usr/share/tool/old/gone".into(), 0o644, Some("changed\n".into())),
        ("usr/lib/libtool.so.1.0".into(), 0o700, Some(copy.clone())),
        ("usr/share/tool/data".into(), 0, None),
        ("opt/copy".into(), 0o755, Some(copy)),
    ]];
    let original = place.image("1", &changed).await;
    let before = place.scan(&original, FIXED).await;
    let fixed = image(place.fix(&original, &before).await.unwrap());
    place.remediator.push(&*place.images, &fixed, Some("1_fixed")).await.unwrap();
    let tree = place.unpacked(&fixed.manifest.digest).await;
    assert_eq!(tree["etc/tool.conf"], (0o600, "mine\n".to_owned()));
    assert_eq!(tree["etc/tool.conf.rpmnew"].1, "default of 1.0-3\n");
    assert_eq!(tree["etc/tool.d/other.conf"].1, "mine, too\n");
    assert_eq!(tree["etc/tool.d/other.conf.rpmnew"].1, "other of 1.0-3\n");
    assert_eq!(tree["usr/share/tool/old/gone"].1, "changed\n");
    assert!(!tree.contains_key("usr/share/tool/data"));
    assert!(tree["usr/lib/libtool.so.1.0"].0 == 0o700 && tree["usr/lib/libtool.so.1.0"].1.contains("1.0-2"));
    for name in [
        "/etc/tool.conf",
        "/etc/tool.d/other.conf",
        "/usr/share/tool/old/gone",
        "/usr/lib/libtool.so.1.0 (mode and owner)",
        "/usr/share/tool/data (removed)",
    ] {
        assert!(fixed.kept.iter().any(|kept| kept == name), "{name} is not named in {:?}", fixed.kept);
    }
    let copies: Vec<_> = fixed.plan.refused.iter().map(|r| (r.code.as_str(), r.reason.as_str())).collect();
    assert_eq!(copies.len(), 1, "{copies:?}");
    assert!(copies[0].0 == "unfixed-copy" && copies[0].1.contains("/opt/copy"));

    // A program in the package's place would go on running.
    let mut shadowed = old();
    shadowed.later = vec![vec![("usr/bin/tool".into(), 0o755, Some("#!/bin/sh\n".into()))]];
    let original = place.image("2", &shadowed).await;
    let before = place.scan(&original, &FIXED[..1]).await;
    let said = refused(place.fix(&original, &before).await.unwrap());
    assert!(said.len() == 1 && said[0].0 == "tool" && said[0].1 == "shadowed", "{said:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_known_or_kept_is_refused_by_name() {
    if !ready("what_cannot_be_known_or_kept_is_refused_by_name") {
        return;
    }
    let signer = Signer::new("ed25519");
    let with = |more: &'static str| Spec { more, ..tool("1.0-3") };
    let needs = "Requires: libtool.so.1()(64bit)\nRequires: /bin/sh\nEpoch: 1\n";
    let more = |text: &str| -> &'static str { Box::leak(format!("{needs}{text}\n").into_boxed_str()) };
    let cases: [(Vec<Spec>, &str, &str); 9] = [
        (all(&[tool("1.0-2")]), "not-in-repository", "no verified repository has tool 1:1.0-3"),
        (vec![library("1.0-1"), tool("1.0-3")], "not-in-repository", "has tool 1:1.0-1 any more"),
        (all(&[with(more("Requires: extra"))]), "new-dependency", "needs extra"),
        (all(&[with(more("Conflicts: other < 8"))]), "conflict", "conflicts with other < 8"),
        (all(&[with(more("Obsoletes: other"))]), "conflict", "obsoletes other"),
        (all(&[with(more("Requires: (extra if other)"))]), "conflict", "rich dependencies"),
        (
            all(&[Spec { scripts: "%post\nmigrate\n", ..tool("1.0-3") }]),
            "script-needs-sandbox",
            "%post, line 1: migrate",
        ),
        (
            all(&[Spec { scripts: "%triggerin -- other\nrestart\n", ..tool("1.0-3") }]),
            "script-needs-sandbox",
            "trigger for other",
        ),
        (
            all(&[Spec {
                files: vec![("usr/share/other/data", text("x"))],
                marks: Vec::new(),
                ..tool("1.0-3")
            }]),
            "conflict",
            "/usr/share/other/data is there already",
        ),
    ];
    for (packages, code, reason) in cases {
        let repository = repository(&packages, (Some(&signer), &signer), "gz");
        let place = Place::new(&[&mirror(repository.path())], &[&signer]);
        let original = place.image("1", &old()).await;
        let before = place.scan(&original, &FIXED[..1]).await;
        let said = refused(place.fix(&original, &before).await.unwrap());
        assert_eq!(said.len(), 1, "{code} {reason}: {said:?}");
        assert!(said[0].1 == code && said[0].2.contains(reason), "{code} {reason}: {said:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_holds_together_goes_along() {
    if !ready("what_holds_together_goes_along") {
        return;
    }
    let signer = Signer::new("rsa3072");
    // The new library has another soname, so what links with it goes along.
    let library = Spec { more: "Provides: libtool.so.2()(64bit)\n", ..library("1.0-2") };
    let newer = Spec { more: "Requires: libtool.so.2()(64bit)\nEpoch: 1\n", ..tool("1.0-3") };
    let both = repository(&all(&[library.clone(), newer]), (Some(&signer), &signer), "gz");
    let place = Place::new(&[&mirror(both.path())], &[&signer]);
    let original = place.image("1", &old()).await;
    let before = place.scan(&original, &FIXED[1..]).await;
    let fixed = image(place.fix(&original, &before).await.unwrap());
    let went: Vec<_> = fixed.plan.upgrades.iter().map(|u| (u.package.as_str(), u.mends.len())).collect();
    assert_eq!(went, [("libtool", 1), ("tool", 0)]);
    // Where what links with it has no such version, the library stays, and the reason names it.
    let alone = repository(&all(&[library]), (Some(&signer), &signer), "gz");
    let place = Place::new(&[&mirror(alone.path())], &[&signer]);
    let original = place.image("1", &old()).await;
    let before = place.scan(&original, &FIXED[1..]).await;
    let said = refused(place.fix(&original, &before).await.unwrap());
    assert!(said[0].1 == "conflict" && said[0].2.contains("tool 1:1.0-1 needs libtool.so.1"), "{said:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_database_is_told() {
    if !ready("a_damaged_database_is_told") {
        return;
    }
    let signer = Signer::new("rsa3072");
    let place = Place::new(&["azurelinux=/srv/none"], &[&signer]);
    let mut with = old();
    with.later = vec![vec![("var/lib/rpm/rpmdb.sqlite".into(), 0o644, Some("SQLite format 3".into()))]];
    let plain = place.image("1", &old()).await;
    let original = place.image("2", &with).await;
    let before = place.scan(&plain, FIXED).await;
    let error = place.fix(&original, &before).await.err().unwrap();
    let said = error.to_string();
    assert!(error.code() == "package-malformed" && said.contains("/var/lib/rpm/rpmdb.sqlite"), "{said}");
}
