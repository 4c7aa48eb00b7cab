//! The whole act on apk images: packages, a signed repository and images made by the test itself, mended through the
//! library, and judged by reading the formats by hand.

#![allow(clippy::unwrap_used, reason = "a test: it may fail, and says what it saw")]

mod alpine;
mod attested;

use alpine::{
    Image, Place, Signer, Spec, What,
    adb::{self, Packing},
    audit, branch, gunzip, program, repository, serve, spec, text, write,
};
use patchline_remediation::{Fixed, FixedImage, UpgradePolicy};

const ADDRESS: &str = "https://packages.example.test/alpine/v3.20/main\n";

fn libtool(version: &'static str) -> Spec {
    Spec {
        provides: "so:libtool.so.1=1.0",
        ..spec(
            "libtool1",
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
        depends: "so:libtool.so.1",
        provides: "cmd:tool=1",
        scripts: vec![
            ("post-upgrade", "#!/bin/sh\necho upgraded\n"),
            ("post-install", "#!/bin/sh\nexit 0\n"),
        ],
        ..spec(
            "tool",
            version,
            vec![
                ("etc/tool.conf", text(&format!("default of {version}\n"))),
                ("usr/bin/tool", program(version)),
                ("usr/share/tool/data", text("the same\n")),
            ],
        )
    }
}

fn old() -> Image {
    let mut tool = tool("1.0-r0");
    tool.files.push(("usr/share/tool/old/gone", text("goes\n")));
    Image {
        installed: vec![
            libtool("1.0-r0"),
            tool,
            spec("other", "7-r0", vec![("usr/share/other", text("stays\n"))]),
        ],
        world: "tool\nother\n",
        repositories: ADDRESS,
        key: None,
        later: Vec::new(),
    }
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

const FIXED: &[(&str, &str)] = &[("tool", "1.0-r2"), ("libtool1", "1.0-r1")];

#[tokio::test(flavor = "multi_thread")]
async fn an_apk_image_is_mended() {
    let signer = Signer::new("dist@example.test-1.rsa.pub");
    for strong in [false, true] {
        let served = repository(&signer, &[libtool("1.0-r1"), tool("1.0-r2"), tool("1.1-r0")], strong);
        let place = Place::new(&serve(served).await, &[&signer]);
        let original = place.image("1", &old()).await;
        let before = place.scan(&original, FIXED).await;
        assert_eq!(before.report.findings.len(), 2);
        let fixed = image(place.fix(&original, &before).await.unwrap());
        let went: Vec<_> =
            fixed.plan.upgrades.iter().map(|u| (u.package.as_str(), u.to.as_str(), u.mends.len())).collect();
        assert_eq!(went, [("libtool1", "1.0-r1", 1), ("tool", "1.0-r2", 1)]);
        assert_eq!(fixed.plan.upgrades[1].because, "byte-identical scripts");
        assert!(fixed.plan.refused.is_empty() && fixed.kept.is_empty(), "{:?}", fixed.kept);
        assert_eq!(fixed.plan.repositories[0].0, "packages.example.test/alpine/v3.20/main");
        place.remediator.push(&*place.images, &fixed, Some("1_fixed")).await.unwrap();

        let tree = place.unpacked(&fixed.manifest.digest).await;
        assert_eq!(audit(&tree), Vec::<String>::new());
        assert!(tree["usr/bin/tool"].1.contains("1.0-r2"));
        assert_eq!(tree["usr/lib/libtool.so.1"].1, "-> libtool.so.1.0");
        assert_eq!(tree["etc/tool.conf"].1, "default of 1.0-r2\n");
        assert!(!tree.contains_key("usr/share/tool/old/gone") && !tree.contains_key("usr/share/tool/old"));
        assert_eq!(tree["etc/apk/world"].1, "tool\nother\n");
        let installed = &tree["lib/apk/db/installed"].1;
        let records: Vec<_> = installed.split("\n\n").filter(|r| !r.is_empty()).collect();
        assert_eq!(records.len(), 3);
        let of_tool = records.iter().find(|r| r.contains("P:tool\n")).unwrap();
        assert!(
            of_tool.starts_with(if strong { "C:Q2" } else { "C:Q1" })
                && of_tool.contains("\nV:1.0-r2\nA:x86_64\n")
        );
        let sum = of_tool.lines().next().unwrap().strip_prefix("C:").unwrap();
        let scripts = &tree["lib/apk/db/scripts.tar"].1;
        assert!(scripts.contains(&format!("tool-1.0-r2.{sum}.post-upgrade")), "{sum}");
        assert!(!scripts.contains("tool-1.0-r0."));

        // Twice is the same; nothing that can be mended is left; and a fixed image gets no second patch.
        let again = image(place.fix(&original, &before).await.unwrap());
        assert_eq!(again.manifest.digest, fixed.manifest.digest);
        let after = place.scan(&fixed.manifest.digest, FIXED).await;
        assert!(after.report.findings.is_empty());
        assert!(matches!(place.fix(&fixed.manifest.digest, &after).await.unwrap(), Fixed::Unchanged(_)));

        let latest = image(place.fix_with(&original, &before, UpgradePolicy::Latest).await.unwrap());
        assert_eq!(latest.plan.upgrades[1].to, "1.1-r0");
    }
}

/// A layer that a vendor gives out itself is read where the repository has it; where it has not, no address of the image's is asked.
#[tokio::test(flavor = "multi_thread")]
async fn a_vendors_layer_is_read_or_the_image_refused() {
    let signer = Signer::new("dist.rsa.pub");
    let served = repository(&signer, &[libtool("1.0-r1"), tool("1.0-r2")], false);
    let place = Place::new(&serve(served).await, &[&signer]);
    let original = place.image("1", &old()).await;
    for held in [true, false] {
        // Another layer each time: what the repository has once it has for good.
        let changed = vec![("usr/share/tool/data".to_owned(), 0o644, Some(format!("mine: {held}\n")))];
        let image_of = place.under_a_vendors("2", &original, &changed, held).await;
        let before = place.scan(&image_of, FIXED).await;
        assert_eq!(before.report.findings.len(), 2);
        match place.fix(&image_of, &before).await {
            Ok(fixed) if held => assert_eq!(image(fixed).kept, ["/usr/share/tool/data"]),
            Err(error) if !held => {
                assert_eq!(error.code(), "system-unsupported");
                assert!(error.to_string().contains("its vendor alone"), "{error}");
            }
            _ => panic!("{held}"),
        }
    }
}

/// An image whose repository is of apk 3's kind.
fn of_three(repositories: &'static str) -> Image {
    Image { repositories, ..old() }
}

const THREE: &str = "set -default at=https://packages.example.test/alpine\nv3 ${at}/v3.20 main\n";

#[tokio::test(flavor = "multi_thread")]
async fn packages_of_format_three_are_laid() {
    let signer = Signer::new("dist@example.test-1.rsa.pub");
    let mut digests = Vec::new();
    for (naming, packing, repositories) in [
        ("", Packing::None, THREE),
        ("x86_64/${name}_${version}.apk", Packing::None, THREE),
        ("", Packing::Zstd, "v2 https://packages.example.test/alpine/v3.20/main\n"),
    ] {
        let mut served = adb::repository(&signer, &[libtool("1.0-r1"), tool("1.0-r2")], naming, packing);
        if repositories != THREE {
            // What it is stands in the file.
            let index = served.remove("v3.20/main/x86_64/Packages.adb").unwrap();
            served.insert("v3.20/main/x86_64/APKINDEX.tar.gz".to_owned(), index);
        }
        let place = Place::new(&serve(served).await, &[&signer]);
        let original = place.image("1", &of_three(repositories)).await;
        let before = place.scan(&original, FIXED).await;
        let fixed = image(place.fix(&original, &before).await.unwrap());
        assert_eq!(fixed.plan.repositories[0].0, "packages.example.test/alpine/v3.20/main");
        assert!(fixed.plan.refused.is_empty() && fixed.kept.is_empty(), "{:?}", fixed.kept);
        place.remediator.push(&*place.images, &fixed, Some("1_fixed")).await.unwrap();
        let tree = place.unpacked(&fixed.manifest.digest).await;
        assert_eq!(audit(&tree), Vec::<String>::new());
        assert!(tree["usr/bin/tool"].1.contains("1.0-r2") && tree["usr/bin/tool"].0 == 0o755);
        assert!(!tree.contains_key("usr/share/tool/old"));
        let installed = &tree["lib/apk/db/installed"].1;
        let of_tool = installed.split("\n\n").find(|record| record.contains("P:tool\n")).unwrap();
        for line in
            ["V:1.0-r2", "f:S", "D:so:libtool.so.1", "p:cmd:tool=1", "T:a test's tool", "t:1700000000"]
        {
            assert!(of_tool.lines().any(|known| known == line), "{line}: {of_tool}");
        }
        assert_eq!(installed.matches("f:S").count(), 2, "other is as it was");
        digests.push(fixed.layer.0.digest.clone());
        let after = place.scan(&fixed.manifest.digest, FIXED).await;
        assert!(after.report.findings.is_empty());

        // And over a version that was of format 3 itself: what was changed is known by cut sums.
        let served = adb::repository(&signer, &[tool("1.0-r3")], "", packing);
        let next = Place::new(&serve(served).await, &[&signer]);
        let root = place.whole(&fixed.manifest.digest).await;
        let changed = vec![("usr/share/tool/data".to_owned(), 0o644, Some("mine\n".to_owned()))];
        let told = vec![("etc/apk/repositories".to_owned(), 0o644, Some(THREE.to_owned()))];
        let original = next.image_over("2", root, &[changed, told]).await;
        let scan = next.scan(&original, &[("tool", "1.0-r3")]).await;
        let fixed = image(next.fix(&original, &scan).await.unwrap());
        assert_eq!(fixed.kept, ["/usr/share/tool/data"]);
        next.remediator.push(&*next.images, &fixed, Some("2_fixed")).await.unwrap();
        let tree = next.unpacked(&fixed.manifest.digest).await;
        assert_eq!(tree["etc/tool.conf"].1, "default of 1.0-r3\n", "nobody had changed it");
        assert_eq!(audit(&tree), ["usr/share/tool/data differs"]);
    }
    // Packed otherwise their sizes differ, which the database has.
    assert!(digests[0] == digests[1] && digests[0] != digests[2], "{digests:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_of_format_three_cannot_be_verified_is_an_error() {
    let (signer, foreign) = (Signer::new("dist.rsa.pub"), Signer::new("foreign.rsa.pub"));
    let (index, path) = ("v3.20/main/x86_64/Packages.adb", "v3.20/main/x86_64/tool-1.0-r2.apk");
    let specs = [libtool("1.0-r1"), tool("1.0-r2")];
    let good = adb::repository(&signer, &specs, "", Packing::None);
    let code = async |served: alpine::Served, keys: &[&Signer]| {
        let place = Place::new(&serve(served).await, keys);
        let original = place.image("1", &of_three(THREE)).await;
        let before = place.scan(&original, FIXED).await;
        let error = place.fix(&original, &before).await.err().expect("an error");
        assert!(place.images.resolve("1_fixed").await.unwrap().is_none());
        format!("{}: {error}", error.code())
    };
    let with = |path: &str, change: &dyn Fn(&mut Vec<u8>)| {
        let mut served = good.clone();
        change(served.get_mut(path).unwrap());
        served
    };
    /// With an index that names this package by what it is.
    fn naming(served: &alpine::Served, signer: &Signer, (bytes, id): (Vec<u8>, Vec<u8>)) -> alpine::Served {
        let (library, tool) = (libtool("1.0-r1"), tool("1.0-r2"));
        let first = adb::package(&library, signer, None);
        let known = [(&library, first.0.len(), first.1.as_slice()), (&tool, bytes.len(), id.as_slice())];
        let mut served = served.clone();
        served.insert("v3.20/main/x86_64/Packages.adb".to_owned(), adb::index(signer, &known, ""));
        served.insert("v3.20/main/x86_64/tool-1.0-r2.apk".to_owned(), bytes);
        served
    }
    let said = code(good.clone(), &[&foreign]).await;
    assert!(said.starts_with("repository-untrusted") && said.contains("is not trusted"), "{said}");
    for (what, served, expected) in [
        ("an index with another byte", with(index, &|bytes| bytes[60] ^= 1), "repository-untrusted"),
        (
            "an index without a signature",
            with(index, &|bytes| bytes.truncate(bytes.len() - 280)),
            "repository-untrusted",
        ),
        ("an index cut short", with(index, &|bytes| bytes.truncate(bytes.len() - 20)), "package-malformed"),
        (
            "a package as an index",
            with(index, &|bytes| bytes[4..8].copy_from_slice(b"pckg")),
            "package-malformed",
        ),
        ("a longer package", with(path, &|bytes| bytes.push(0)), "file-unverified"),
        ("another package", with(path, &|bytes| bytes[100] ^= 1), "file-unverified"),
        (
            "another content",
            with(path, &|bytes| *bytes.iter_mut().rev().nth(8).unwrap() ^= 1),
            "file-unverified",
        ),
        (
            "content that was never hashed",
            naming(&good, &signer, adb::package(&specs[1], &signer, Some("evil"))),
            "file-unverified",
        ),
        (
            "a package under another's name",
            naming(&good, &signer, adb::package(&specs[0], &signer, None)),
            "file-unverified",
        ),
        (
            "packages elsewhere",
            adb::repository(&signer, &specs, "https://evil.example/${name}", Packing::None),
            "file-unverified",
        ),
    ] {
        let said = code(served, &[&signer]).await;
        println!("{what}: {said}");
        assert!(said.starts_with(expected), "{what}: {said}");
    }
    // A known key's signature over other values, where the index says that all is well.
    let (mut bytes, id) = adb::package(&specs[1], &signer, None);
    let at = bytes.windows(2).position(|two| two == [0, 4]).unwrap_or(0);
    let end = bytes.windows(8).position(|eight| eight == [1, 0, 0, 0, 1, 0, 0, 0]).unwrap();
    assert!(at < end);
    bytes[end - 20] ^= 1;
    let said = code(naming(&good, &signer, (bytes, id)), &[&signer]).await;
    assert!(said.starts_with("file-unverified") && said.contains("signature is not by"), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_verified_is_an_error() {
    let (signer, foreign) = (Signer::new("dist.rsa.pub"), Signer::new("foreign.rsa.pub"));
    let good = repository(&signer, &[libtool("1.0-r1"), tool("1.0-r2")], false);
    let index = "v3.20/main/x86_64/APKINDEX.tar.gz";
    let package = "v3.20/main/x86_64/tool-1.0-r2.apk";
    let code = async |served: alpine::Served, keys: &[&Signer]| {
        let place = Place::new(&serve(served).await, keys);
        let original = place.image("1", &old()).await;
        let before = place.scan(&original, FIXED).await;
        let error = place.fix(&original, &before).await.err().expect("an error");
        assert!(place.images.resolve("1_fixed").await.unwrap().is_none());
        format!("{}: {error}", error.code())
    };
    let said = code(good.clone(), &[&foreign]).await;
    assert!(said.starts_with("repository-untrusted") && said.contains("dist.rsa.pub"), "{said}");
    // A key of the right name that is another's.
    let mut same_name = Signer::new("x");
    same_name.name.clone_from(&signer.name);
    assert!(code(good.clone(), &[&same_name]).await.starts_with("repository-untrusted"));
    assert!(code(good.clone(), &[]).await.starts_with("no-keyring"));

    let mut served = good.clone();
    let whole = served.get_mut(index).unwrap();
    whole.truncate(whole.len() - 20);
    assert!(code(served, &[&signer]).await.starts_with("repository-untrusted"));
    let mut served = good.clone();
    served.insert(index.to_owned(), b"ADBd....".to_vec());
    assert!(code(served, &[&signer]).await.starts_with("package-malformed"));
    let mut served = good.clone();
    served.remove(package);
    assert!(code(served, &[&signer]).await.starts_with("mirror-status"));

    // A package with a byte more, and one of the same size whose data is another's: control and index still agree.
    let mut served = good.clone();
    served.get_mut(package).unwrap().push(0);
    assert!(code(served, &[&signer]).await.starts_with("file-unverified"));
    let mut served = good.clone();
    let bytes = served.get_mut(package).unwrap();
    let last = bytes.len() - 5;
    bytes[last] ^= 1;
    let said = code(served, &[&signer]).await;
    assert!(said.starts_with("file-unverified") || said.starts_with("package-malformed"), "{said}");
    // Another control member, well signed by the same key, and not the one that the index names.
    let mut other = tool("1.0-r2");
    other.scripts.clear();
    let mut served = good;
    let (bytes, _) = other.build(&signer, false);
    let size = served[package].len();
    let mut padded = bytes;
    padded.resize(size, 0);
    served.insert(package.to_owned(), padded);
    assert!(code(served, &[&signer]).await.starts_with("file-unverified"));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_images_own_keys_count_when_a_package_brought_them() {
    let signer = Signer::new("dist.rsa.pub");
    let served = repository(&signer, &[libtool("1.0-r1"), tool("1.0-r2")], false);
    // In a folder of this machine: no network.
    let folder = tempfile::tempdir().unwrap();
    write(&served, folder.path());
    let place = Place::new(folder.path().to_str().unwrap(), &[]);
    let mut owned = old();
    let pem: &'static str = Box::leak(signer.pem().into_boxed_str());
    owned.installed.push(spec("keys", "1-r0", vec![("etc/apk/keys/dist.rsa.pub", text(pem))]));
    let original = place.image("owned", &owned).await;
    let before = place.scan(&original, FIXED).await;
    image(place.fix(&original, &before).await.unwrap());
    // A key that somebody put there must be configured.
    let mut strange = old();
    strange.key = Some(("dist.rsa.pub".to_owned(), signer.pem()));
    let original = place.image("strange", &strange).await;
    let before = place.scan(&original, FIXED).await;
    assert_eq!(place.fix(&original, &before).await.err().map(|e| e.code()), Some("no-keyring"));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_changed_stays_and_is_named() {
    let signer = Signer::new("dist.rsa.pub");
    let served = repository(&signer, &[libtool("1.0-r1"), tool("1.0-r2")], false);
    let place = Place::new(&serve(served).await, &[&signer]);
    let mut changed = old();
    let copy = match program("1.0-r0") {
        What::File(_, content) => content,
        What::Link(_) => String::new(),
    };
    changed.later = vec![vec![
        ("etc/tool.conf".into(), 0o600, Some("mine\n".into())),
        ("usr/share/tool/old/gone".into(), 0o644, Some("changed\n".into())),
        ("usr/lib/libtool.so.1.0".into(), 0o700, Some(copy.clone())),
        ("opt/copy".into(), 0o755, Some(copy)),
    ]];
    let original = place.image("1", &changed).await;
    let before = place.scan(&original, FIXED).await;
    let fixed = image(place.fix(&original, &before).await.unwrap());
    place.remediator.push(&*place.images, &fixed, Some("1_fixed")).await.unwrap();
    let tree = place.unpacked(&fixed.manifest.digest).await;
    assert_eq!(tree["etc/tool.conf"], (0o600, "mine\n".to_owned()));
    assert_eq!(tree["etc/tool.conf.apk-new"].1, "default of 1.0-r2\n");
    assert_eq!(tree["usr/share/tool/old/gone"].1, "changed\n");
    assert!(tree["usr/lib/libtool.so.1.0"].0 == 0o700 && tree["usr/lib/libtool.so.1.0"].1.contains("1.0-r1"));
    for name in ["/etc/tool.conf", "/usr/share/tool/old/gone", "/usr/lib/libtool.so.1.0 (mode and owner)"] {
        assert!(fixed.kept.iter().any(|kept| kept == name), "{name} is not named in {:?}", fixed.kept);
    }
    let copies: Vec<_> = fixed.plan.refused.iter().map(|r| (r.code.as_str(), r.reason.as_str())).collect();
    assert_eq!(copies.len(), 1, "{copies:?}");
    assert!(copies[0].0 == "unfixed-copy" && copies[0].1.contains("/opt/copy"));

    // A program in the package's place would go on running.
    let mut shadowed = old();
    shadowed.later = vec![vec![("usr/bin/tool".into(), 0o755, Some("#!/bin/sh\n".into()))]];
    let original = place.image("2", &shadowed).await;
    let before = place.scan(&original, FIXED).await;
    let said = refused(place.fix(&original, &before).await.unwrap());
    assert_eq!(
        said.iter().map(|(p, c, _)| (p.as_str(), c.as_str())).collect::<Vec<_>>(),
        [("tool", "shadowed")]
    );
    // A removed one stays removed.
    let mut removed = old();
    removed.later = vec![vec![("usr/share/tool/data".into(), 0, None)]];
    let original = place.image("3", &removed).await;
    let before = place.scan(&original, FIXED).await;
    let fixed = image(place.fix(&original, &before).await.unwrap());
    assert_eq!(fixed.kept, ["/usr/share/tool/data (removed)"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn pins_conflicts_and_what_is_new_are_refused_by_name() {
    let signer = Signer::new("dist.rsa.pub");
    let needs = |depends: &'static str| Spec { depends, ..tool("1.0-r2") };
    let cases: [(&str, Vec<Spec>, &str, &str); 7] = [
        ("tool<1.0-r1\n", vec![tool("1.0-r2")], "held", "tool<1.0-r1"),
        ("tool\n", vec![tool("1.0-r1")], "end-of-life", "Alpine 3.20"),
        ("tool\n", vec![needs("so:libtool.so.1 !other")], "conflict", "other"),
        ("tool\n", vec![needs("extra"), spec("extra", "1-r0", vec![])], "new-dependency", "extra"),
        ("tool\n", vec![needs("so:nowhere.so.1")], "conflict", "nowhere"),
        (
            "tool\n",
            vec![Spec { scripts: vec![("post-upgrade", "#!/bin/sh\nmigrate\n")], ..tool("1.0-r2") }],
            "script-needs-sandbox",
            "migrate",
        ),
        (
            "tool\n",
            vec![Spec { files: vec![("usr/share/other", text("x"))], ..tool("1.0-r2") }],
            "conflict",
            "other",
        ),
    ];
    for (world, packages, code, reason) in cases {
        let place = Place::new(&serve(repository(&signer, &packages, false)).await, &[&signer]);
        let original = place.image("1", &Image { world, ..old() }).await;
        let before = place.scan(&original, &FIXED[..1]).await;
        let said = refused(place.fix(&original, &before).await.unwrap());
        assert_eq!(said.len(), 1, "{said:?}");
        assert!(said[0].1 == code && said[0].2.contains(reason), "{code}: {said:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_holds_together_goes_along() {
    let signer = Signer::new("dist.rsa.pub");
    // The new library has another soname, so what links with it goes along; and the new tool needs it.
    let library = Spec { provides: "so:libtool.so.2=2.0", ..libtool("1.0-r1") };
    let newer = Spec { depends: "so:libtool.so.2 libtool1>=1.0-r1", ..tool("1.0-r2") };
    let place = Place::new(&serve(repository(&signer, &[library.clone(), newer], false)).await, &[&signer]);
    let original = place.image("1", &old()).await;
    let before = place.scan(&original, &FIXED[1..]).await;
    let fixed = image(place.fix(&original, &before).await.unwrap());
    let went: Vec<_> = fixed.plan.upgrades.iter().map(|u| (u.package.as_str(), u.mends.len())).collect();
    assert_eq!(went, [("libtool1", 1), ("tool", 0)]);
    // Where what links with it has no such version, the library stays, and the reason names it.
    let place = Place::new(&serve(repository(&signer, &[library], false)).await, &[&signer]);
    let original = place.image("1", &old()).await;
    let before = place.scan(&original, &FIXED[1..]).await;
    let said = refused(place.fix(&original, &before).await.unwrap());
    assert!(said[0].1 == "conflict" && said[0].2.contains("tool 1.0-r0 needs so:libtool.so.1"), "{said:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tag_is_asked_only_for_what_names_it() {
    let signer = Signer::new("dist.rsa.pub");
    let mut served = repository(&signer, &[libtool("1.0-r1")], false);
    served.extend(branch("edge/testing", &signer, &[tool("1.0-r2")], false));
    let base = serve(served).await;
    let repositories = "https://packages.example.test/alpine/v3.20/main\n@edge https://packages.example.test/alpine/edge/testing\n";
    let place = Place::new(&base, &[&signer]);
    let original = place.image("1", &Image { repositories, ..old() }).await;
    let before = place.scan(&original, &FIXED[..1]).await;
    assert_eq!(refused(place.fix(&original, &before).await.unwrap()).len(), 1);
    let original = place.image("2", &Image { repositories, world: "tool@edge\nother\n", ..old() }).await;
    let before = place.scan(&original, &FIXED[..1]).await;
    let fixed = image(place.fix(&original, &before).await.unwrap());
    assert!(fixed.plan.upgrades[0].because.starts_with("from @edge"), "{:?}", fixed.plan.upgrades);
}

#[tokio::test(flavor = "multi_thread")]
async fn triggers_are_made_natively_or_refused() {
    let signer = Signer::new("dist.rsa.pub");
    let busybox = |version: &'static str, applets: &'static str| Spec {
        triggers: "/bin /usr/bin /sbin /usr/sbin",
        scripts: vec![("trigger", "#!/bin/busybox sh\n/bin/busybox --install -s\n")],
        ..spec(
            "busybox",
            version,
            vec![("bin/busybox", program(version)), ("etc/busybox-paths.d/busybox", text(applets))],
        )
    };
    let schemas = Spec {
        triggers: "/usr/share/schemas",
        scripts: vec![("trigger", "#!/bin/sh\ncompile-schemas\n")],
        ..spec("schemas", "1-r0", vec![("usr/bin/compile-schemas", text("x"))])
    };
    let mut app = tool("1.0-r2");
    app.files.push(("usr/share/schemas/a.xml", text("new")));
    let packages = [busybox("1.36.1-r2", "bin/ash\nusr/bin/new\n"), app];
    let place = Place::new(&serve(repository(&signer, &packages, false)).await, &[&signer]);
    let mut with = old();
    with.installed.extend([busybox("1.35.0-r1", "bin/ash\n"), schemas]);
    let original = place.image("1", &with).await;
    let before = place.scan(&original, &[("busybox", "1.36.1-r2"), ("tool", "1.0-r2")]).await;
    let fixed = image(place.fix(&original, &before).await.unwrap());
    place.remediator.push(&*place.images, &fixed, Some("1_fixed")).await.unwrap();
    let went: Vec<_> = fixed.plan.upgrades.iter().map(|u| u.package.as_str()).collect();
    assert_eq!(went, ["busybox"]);
    let why = &fixed.plan.refused[0];
    assert!(
        why.package == "tool" && why.code == "script-needs-sandbox" && why.reason.contains("schemas"),
        "{why:?}"
    );
    let tree = place.unpacked(&fixed.manifest.digest).await;
    assert_eq!(tree["usr/bin/new"].1, "-> /bin/busybox");
    assert!(!tree.contains_key("bin/ash"), "a link that was taken away is not made again");
    assert_eq!(audit(&tree), Vec::<String>::new());
    let triggers = &tree["lib/apk/db/triggers"].1;
    assert_eq!(triggers.lines().count(), 2, "{triggers}");
    let record =
        tree["lib/apk/db/installed"].1.split("\n\n").find(|r| r.contains("P:busybox\n")).unwrap().to_owned();
    let sum = record.lines().next().unwrap().trim_start_matches("C:");
    assert!(triggers.contains(&format!("{sum} /bin /usr/bin /sbin /usr/sbin")), "{triggers}");
}

#[test]
fn the_tests_own_packages_are_three_members() {
    let (bytes, _) = tool("1.0-r2").build(&Signer::new("k.rsa.pub"), false);
    let plain = gunzip(&bytes);
    let names: Vec<String> = tar::Archive::new(plain.as_slice())
        .entries()
        .unwrap()
        .map(|entry| entry.unwrap().path().unwrap().to_string_lossy().into_owned())
        .collect();
    assert_eq!(names[..2], [".SIGN.RSA.k.rsa.pub", ".PKGINFO"]);
    assert!(names.contains(&"usr/bin/tool".to_owned()));
}
