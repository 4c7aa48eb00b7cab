//! A real Alpine whose packages have scripts that must run: mended by its own apk in the sandbox, and judged by it. Needs root,
//! qemu-img, debugfs, and a pip that finds the disk of an Alpine; else it skips, loudly.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test: it may fail, says what it saw, and skips loudly"
)]

#[allow(dead_code, reason = "each suite uses its part")]
mod alpine;
#[path = "support/alpinelinux.rs"]
mod alpinelinux;
#[path = "support/daemons.rs"]
#[allow(dead_code, reason = "each suite uses its part")]
mod daemons;
#[path = "support/layers.rs"]
#[allow(dead_code, reason = "each suite uses its part")]
mod layers;
#[path = "support/mkpkg.rs"]
mod mkpkg;
#[path = "support/sandboxes.rs"]
#[allow(dead_code, reason = "each suite uses its part")]
mod sandboxes;

use std::{collections::BTreeMap, path::Path, process::Command};

use alpine::{Entries, Place, Scan, Signer, Spec, What, program, repository, serve, spec, text};
use alpinelinux::{chroot, root};
use daemons::{Daemon, Make};
use layers::{run, tar, unpack, untar};
use patchline_registry::Digest;
use patchline_remediation::{Choice, Executor, Fixed, FixedImage, executor::sandbox::Limits};
use sandboxes::{ALONE, everybody_is_gone, mounts, sandbox};

const LIMITS: Limits = Limits { seconds: 60, memory: 512 << 20, processes: 64, disk: 1 << 30 };
const ADDRESS: &str = "https://packages.example.test/alpine/v3.20/main\n";
const FIXED: &[(&str, &str)] = &[("tool", "1.0-r2"), ("libtool1", "1.0-r1")];

fn library(version: &'static str) -> Spec {
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

fn tool(version: &'static str, script: &'static str) -> Spec {
    Spec {
        depends: "so:libtool.so.1",
        provides: "cmd:tool=1",
        scripts: vec![("post-upgrade", script), ("post-install", "#!/bin/sh\nexit 0\n")],
        ..spec(
            "tool",
            version,
            vec![
                ("etc/tool.conf", text(&format!("default of {version}\n"))),
                ("etc/tool.d/as-shipped.conf", text(&format!("shipped with {version}\n"))),
                ("usr/bin/tool", program(version)),
                ("usr/share/tool/data", text("the same\n")),
                ("usr/share/tool/theirs", text(&format!("of {version}\n"))),
                ("usr/share/tool/removed", text(&format!("removed of {version}\n"))),
                ("usr/share/schemas/tool", text(&format!("schema of {version}\n"))),
            ],
        )
    }
}

const QUIET: &str = "#!/bin/sh\nexit 0\n";
const BUSY: &str = "#!/bin/sh\nset -e\ntest \"$1 $2\" = \"1.0-r2 1.0-r0\"\ntest \"$(id -u)\" = 0\necho upgraded > /etc/tool.stamp\n\
    addgroup -S toolers\nmkdir -p /var/lib/tool\nchown root:toolers /var/lib/tool\necho x > /var/log/tool.log\necho x > /tmp/tool\n";

/// Whose trigger puts schemas together.
fn schemas() -> Spec {
    Spec {
        triggers: "/usr/share/schemas",
        scripts: vec![("trigger", "#!/bin/sh\ncat \"$1\"/[a-z]* > \"$1\"/.compiled\n")],
        ..spec("schemas", "1-r0", vec![("usr/share/schemas/base", text("base\n"))])
    }
}

fn old() -> Vec<Spec> {
    let mut tool = tool("1.0-r0", QUIET);
    tool.files.push(("usr/share/tool/old/gone", text("goes\n")));
    vec![
        library("1.0-r0"),
        tool,
        schemas(),
        spec("other", "7-r0", vec![("usr/share/other", text("stays\n"))]),
    ]
}

/// The first layer: the real root with these packages, which its own apk installed.
fn base(archive: &Path, installed: &[Spec]) -> Vec<u8> {
    let work = tempfile::tempdir().unwrap();
    let root = work.path().join("root");
    std::fs::create_dir(&root).unwrap();
    untar(archive, &root);
    std::fs::write(root.join("etc/apk/repositories"), ADDRESS).unwrap();
    let (signer, mut files) = (Signer::new("nobody.rsa.pub"), Vec::new());
    for spec in installed {
        std::fs::write(root.join(spec.file_name()), spec.build(&signer, false).0).unwrap();
        files.push(format!("/{}", spec.file_name()));
    }
    let names: Vec<&str> = files.iter().map(String::as_str).collect();
    let add = [
        "/sbin/apk",
        "add",
        "--quiet",
        "--no-network",
        "--allow-untrusted",
        "--repositories-file",
        "/dev/null",
    ];
    chroot(&root, &[add.as_slice(), names.as_slice()].concat());
    for file in files {
        std::fs::remove_file(root.join(file.trim_start_matches('/'))).unwrap();
    }
    // As if they had come from a repository.
    let world = std::fs::read_to_string(root.join("etc/apk/world")).unwrap();
    let plain: String = world.lines().map(|line| format!("{}\n", line.split("><").next().unwrap())).collect();
    std::fs::write(root.join("etc/apk/world"), plain).unwrap();
    let _ = std::fs::remove_dir_all(root.join("var/log"));
    std::fs::create_dir(root.join("var/log")).unwrap();
    tar(&root, &work.path().join("root.tar"))
}

fn put(path: &str, content: &str) -> Entries {
    vec![(path.to_owned(), 0o644, Some(content.to_owned()))]
}

fn gone(path: &str) -> Entries {
    vec![(path.to_owned(), 0, None)]
}

fn place(mirror: &str, signer: &Signer) -> Place {
    let mut place = Place::new(mirror, &[signer]);
    place.remediator = place.remediator.clone().with_sandbox(sandbox(LIMITS));
    place
}

async fn scan(place: &Place, image: &Digest) -> Scan {
    place.scan_as(image, "Alpine:v3.23", FIXED).await
}

fn image(fixed: Fixed) -> Box<FixedImage> {
    match fixed {
        Fixed::Image(image) => image,
        Fixed::Unchanged(plan) => panic!("nothing was fixed: {:?}", plan.refused),
    }
}

fn read(root: &Path, path: &str) -> String {
    std::fs::read_to_string(root.join(path)).unwrap_or_else(|e| panic!("{path}: {e}"))
}

#[tokio::test(flavor = "multi_thread")]
async fn an_image_is_mended_by_its_own_apk() {
    let test = "an_image_is_mended_by_its_own_apk";
    let Some(archive) = root(test) else { return };
    let _alone = ALONE.lock().await;
    let signer = Signer::new("dist@example.test-1.rsa.pub");
    let served = serve(repository(&signer, &[library("1.0-r1"), tool("1.0-r2", BUSY)], false)).await;
    let base = base(&archive, &old());
    let later = [
        put("etc/tool.conf", "mine\n"),
        put("usr/share/tool/theirs", "somebody's\n"),
        gone("usr/share/tool/removed"),
        gone("usr/bin/wget"),
    ];
    let mut digests = Vec::new();
    let daemon = Daemon::start(test, Make::Docker);
    for round in 0..if daemon.is_some() { 3 } else { 2 } {
        let mut place = place(&served, &signer);
        if let Some(daemon) = daemon.as_ref().filter(|_| round == 2) {
            let remediator = place.remediator.clone().with_engine(daemon.engine(LIMITS));
            place.remediator = remediator.choosing(Choice::EngineApi);
        }
        let original = place.image_over("1", base.clone(), &later).await;
        let before = scan(&place, &original).await;
        assert_eq!(before.report.findings.len(), 2, "{:?}", before.report.completeness);
        let fixed = image(place.fix(&original, &before).await.unwrap());
        digests.push(fixed.layer.0.digest.clone());
        for upgrade in &fixed.plan.upgrades {
            println!("{} {}: {:?}: {}", upgrade.package, upgrade.to, upgrade.executor, upgrade.because);
            assert_eq!(upgrade.executor, if round == 2 { Executor::EngineApi } else { Executor::Sandbox });
        }
        if round > 0 {
            continue;
        }
        let of_tool = &fixed.plan.upgrades[1].because;
        assert!(
            of_tool.contains("run in the sandbox") && of_tool.contains("post-upgrade, line 2"),
            "{of_tool}"
        );
        assert!(fixed.plan.upgrades[0].because.contains("goes along"), "{:?}", fixed.plan.upgrades[0]);
        assert_eq!(fixed.report.findings, []);
        let kept = ["/etc/tool.conf", "/usr/share/tool/removed (removed)", "/usr/share/tool/theirs"];
        assert_eq!(fixed.kept, kept);
        place.remediator.push(&*place.images, &fixed, Some("1_fixed")).await.unwrap();
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().join("root");
        let layer = unpack(&*place.images, &fixed.manifest.digest, &root, place.folder.path()).await;
        println!("the layer has {layer:?}");
        for word in [
            "etc/apk/world",
            "db/lock",
            "var/cache",
            "apk.log",
            "tool.log",
            "tmp/tool",
            "lib/apk/exec",
            "wget",
            "tool/data",
        ] {
            let found: Vec<_> = layer.iter().filter(|path| path.contains(word)).collect();
            assert!(found.is_empty(), "{found:?}");
        }
        // apk's own word: what was changed by hand, and nothing else.
        let said = chroot(&root, &["/sbin/apk", "audit", "--full", "--recursive"]);
        let touched: Vec<&str> = said.lines().filter(|line| !line.starts_with(['A', 'd'])).collect();
        assert_eq!(touched, ["U usr/share/tool/theirs", "X usr/share/tool/removed"]);
        for name in ["tool=1.0-r2", "libtool1=1.0-r1", "other=7-r0"] {
            chroot(&root, &["/sbin/apk", "info", "--installed", name]);
        }
        assert_eq!(read(&root, "etc/tool.conf"), "mine\n");
        assert_eq!(read(&root, "etc/tool.conf.apk-new"), "default of 1.0-r2\n");
        assert_eq!(read(&root, "etc/tool.d/as-shipped.conf"), "shipped with 1.0-r2\n");
        assert_eq!(read(&root, "usr/share/tool/theirs"), "somebody's\n");
        assert!(!root.join("usr/share/tool/removed").exists() && !root.join("usr/share/tool/old").exists());
        assert!(
            root.join("usr/bin/wget").symlink_metadata().is_err(),
            "a link that was taken away is not made again"
        );
        assert_eq!(read(&root, "etc/tool.stamp"), "upgraded\n", "the script ran");
        assert_eq!(read(&root, "usr/share/schemas/.compiled"), "base\nschema of 1.0-r2\n", "the trigger ran");
        assert!(read(&root, "etc/group").contains("toolers:"));
        assert!(
            read(&root, "etc/apk/world").lines().any(|line| line == "tool"),
            "by its name, as it was asked for"
        );
        let after = scan(&place, &fixed.manifest.digest).await;
        assert_eq!(after.report.findings, []);
        assert!(matches!(place.fix(&fixed.manifest.digest, &after).await.unwrap(), Fixed::Unchanged(_)));
    }
    assert!(digests.iter().all(|digest| *digest == digests[0]), "equal fixes are equal bytes: {digests:?}");
    everybody_is_gone();
}

/// What stands in a tree: path to mode, owner, and content or target.
fn look(root: &Path) -> BTreeMap<String, String> {
    let line = "find . -mindepth 1 ! -path './dev/*' ! -path './proc/*' -printf '%P\\t%y %m %U %G %l\\t' \\( -type f -exec sha256sum {} \\; -o -printf '-\\n' \\)";
    let said = run(Command::new("sh").args(["-c", line]).current_dir(root));
    said.lines()
        .map(|line| line.split_once('\t').unwrap())
        .map(|(path, rest)| (path.to_owned(), rest.to_owned()))
        .collect()
}

/// Each package's record of a database, by its name.
fn records(text: &str) -> BTreeMap<String, Vec<String>> {
    let all = text.split("\n\n").filter(|record| !record.is_empty());
    all.map(|record| record.lines().map(str::to_owned).collect::<Vec<_>>())
        .map(|lines| (lines.iter().find(|line| line.starts_with("P:")).unwrap().clone(), lines))
        .collect()
}

/// What needs no script is the same, whoever lays it.
#[tokio::test(flavor = "multi_thread")]
async fn native_and_sandbox_lay_the_same_files() {
    let test = "native_and_sandbox_lay_the_same_files";
    let Some(archive) = root(test) else { return };
    let _alone = ALONE.lock().await;
    let signer = Signer::new("dist.rsa.pub");
    let mut quiet = tool("1.0-r2", QUIET);
    quiet.files.retain(|(path, _)| !path.contains("schemas"));
    let mut installed = old();
    installed[1].files.retain(|(path, _)| !path.contains("schemas"));
    let served = serve(repository(&signer, &[library("1.0-r1"), quiet], false)).await;
    let base = base(&archive, &installed);
    let later = [
        put("etc/tool.conf", "mine\n"),
        put("usr/share/tool/theirs", "somebody's\n"),
        gone("usr/share/tool/removed"),
    ];
    let (mut trees, mut kept) = (Vec::new(), Vec::new());
    for (choice, executor) in [(Choice::Auto, Executor::Native), (Choice::Sandbox, Executor::Sandbox)] {
        let mut place = place(&served, &signer);
        place.remediator = place.remediator.clone().choosing(choice);
        let original = place.image_over("1", base.clone(), &later).await;
        let before = scan(&place, &original).await;
        let fixed = image(place.fix(&original, &before).await.unwrap());
        assert!(
            fixed.plan.upgrades.iter().all(|upgrade| upgrade.executor == executor),
            "{:?}",
            fixed.plan.upgrades
        );
        place.remediator.push(&*place.images, &fixed, Some("1_fixed")).await.unwrap();
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().join("root");
        unpack(&*place.images, &fixed.manifest.digest, &root, place.folder.path()).await;
        trees.push((look(&root), read(&root, "lib/apk/db/installed")));
        kept.push(fixed.kept.clone());
    }
    assert_eq!(kept[0], kept[1]);
    let [(native, installed), (sandbox, by_apk)] = trees.try_into().unwrap();
    let different: Vec<_> = native
        .iter()
        .filter(|(path, what)| sandbox.get(*path) != Some(what))
        .map(|(path, _)| path)
        .chain(sandbox.keys().filter(|path| !native.contains_key(*path)))
        .collect();
    println!("{different:?}");
    // apk packs its archive of scripts anew, with times and names of its own.
    let named = ["lib/apk/db/scripts.tar.gz", "lib/apk/db/installed"];
    assert!(different.iter().all(|path| named.contains(&path.as_str())), "{different:?}");
    assert_eq!(records(&installed), records(&by_apk), "each package's record, line by line");
}

/// Packages and an index of format 3, made by a real apk: what we lay is what it lays itself from the same repository, to the
/// line of its database; so does the sandbox, but for what apk takes for a package's digest when it is given a file.
#[tokio::test(flavor = "multi_thread")]
async fn packages_of_format_three_are_laid_as_apk_lays_them() {
    use p256::pkcs8::{EncodePrivateKey as _, EncodePublicKey as _, LineEnding};
    let test = "packages_of_format_three_are_laid_as_apk_lays_them";
    let Some(archive) = root(test) else { return };
    let _alone = ALONE.lock().await;
    let mut installed = old();
    installed[1].files.retain(|(path, _)| !path.contains("schemas"));
    installed[1].files.push(("usr/share/tool/old", text("goes\n")));
    installed[1].files.retain(|(path, _)| *path != "usr/share/tool/old/gone");
    let base = base(&archive, &installed);
    let newer = |version: &'static str| {
        let mut tool = tool(version, QUIET);
        tool.files.retain(|(path, _)| !path.contains("schemas"));
        tool.files.push(("usr/share/tool/capable", text("may do more\n")));
        tool.files.push(("usr/share/tool/empty", text("")));
        tool.files.push(("usr/share/tool/linked", text("the same\n")));
        Spec { depends: "so:libtool.so.1 libtool1>=1.0 !nothing busybox~1", ..tool }
    };
    let rsa = Signer::new("dist.rsa.pub");
    let curve = p256::SecretKey::random(&mut rand_for_pgp::thread_rng());
    let public = curve.public_key().to_public_key_pem(LineEnding::LF).unwrap();
    let private = curve.to_pkcs8_pem(LineEnding::LF).unwrap().to_string();
    let kinds =
        [("deflate", "sha256", rsa.private_pem(), rsa.pem()), ("none", "sha256-160", private, public)];
    for (number, (compression, hash, key, public)) in kinds.into_iter().enumerate() {
        println!("{compression}, {hash}");
        let work = tempfile::tempdir().unwrap();
        let mine = work.path().join("root");
        std::fs::create_dir(&mine).unwrap();
        let layer = work.path().join("root.tar");
        std::fs::write(&layer, &base).unwrap();
        untar(&layer, &mine);
        let kind = mkpkg::Kind { compression, hash, key };
        let served = mkpkg::repository(&mine, &[library("1.0-r1"), newer("1.0-r2")], &kind);

        // apk itself, from the same repository.
        std::fs::write(mine.join("etc/apk/keys/dist.pub"), &public).unwrap();
        std::fs::write(mine.join("repositories"), "v3 /repository\n").unwrap();
        let alone = ["--no-network", "--quiet", "--repositories-file", "/repositories"];
        chroot(&mine, &[&["/sbin/apk", "upgrade"], alone.as_slice(), &["tool", "libtool1"]].concat());
        let by_apk = read(&mine, "lib/apk/db/installed");
        let scripts = |root: &Path| {
            let said = run(Command::new("tar").arg("-tf").arg(root.join("lib/apk/db/scripts.tar.gz")));
            let mut all: Vec<String> =
                said.lines().filter(|l| l.contains("tool")).map(str::to_owned).collect();
            all.sort();
            all
        };
        let wanted = scripts(&mine);
        assert!(wanted.iter().any(|name| name.starts_with("tool-1.0-r2.X1")), "{wanted:?}");
        let theirs = look(&mine);

        let mirror = serve(served).await;
        let told = [put("etc/apk/repositories", "v3 https://packages.example.test/alpine/v3.20/main\n")];
        let choices = [(Choice::Auto, Executor::Native), (Choice::Sandbox, Executor::Sandbox)];
        for (choice, executor) in choices.into_iter().take(if number == 0 { 2 } else { 1 }) {
            let mut place = Place::new(&mirror, &[]);
            let file = place.folder.path().join("dist.pub");
            std::fs::write(&file, &public).unwrap();
            place.trust(&mirror, file);
            place.remediator = place.remediator.clone().with_sandbox(sandbox(LIMITS)).choosing(choice);
            let original = place.image_over("1", base.clone(), &told).await;
            let before = scan(&place, &original).await;
            let fixed = image(place.fix(&original, &before).await.unwrap());
            assert!(fixed.plan.upgrades.iter().all(|one| one.executor == executor), "{:?}", fixed.plan);
            place.remediator.push(&*place.images, &fixed, Some("1_fixed")).await.unwrap();
            let folder = tempfile::tempdir().unwrap();
            let root = folder.path().join("root");
            unpack(&*place.images, &fixed.manifest.digest, &root, place.folder.path()).await;
            let said = chroot(&root, &["/sbin/apk", "audit", "--full", "--recursive"]);
            let touched: Vec<&str> = said.lines().filter(|line| !line.starts_with(['A', 'd'])).collect();
            assert_eq!(touched, Vec::<&str>::new(), "apk's own word");
            let mut ours = records(&read(&root, "lib/apk/db/installed"));
            let mut expected = records(&by_apk);
            if executor == Executor::Sandbox {
                for record in ours.values_mut().chain(expected.values_mut()) {
                    record.retain(|line| !line.starts_with("C:"));
                }
            } else {
                assert_eq!(scripts(&root), wanted);
            }
            assert_eq!(ours, expected, "each package's record, line by line");
            let here = look(&root);
            for path in ["capable", "empty", "linked", "theirs", "data", "removed"]
                .map(|n| format!("usr/share/tool/{n}"))
            {
                assert_eq!(here.get(&path), theirs.get(&path), "{path}");
            }
            for path in ["usr/bin/tool", "usr/lib/libtool.so.1", "usr/lib/libtool.so.1.0", "etc/tool.conf"] {
                assert_eq!(here.get(path), theirs.get(path), "{path}");
            }
            assert!(!here.contains_key("usr/share/tool/old"));
            let line = "import os, sys; print(os.getxattr(sys.argv[1], 'security.capability').hex())";
            let capable =
                run(Command::new("python3").args(["-c", line]).arg(root.join("usr/share/tool/capable")));
            assert!(capable.starts_with("01000002"), "{capable}");
            let after = scan(&place, &fixed.manifest.digest).await;
            assert_eq!(after.report.findings, []);
        }
    }
    everybody_is_gone();
}

/// Who has no tools, or wants none run, is told so by name.
#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_run_is_refused_by_name() {
    let test = "what_cannot_run_is_refused_by_name";
    let Some(archive) = root(test) else { return };
    let _alone = ALONE.lock().await;
    let signer = Signer::new("dist.rsa.pub");
    let served = serve(repository(&signer, &[library("1.0-r1"), tool("1.0-r2", BUSY)], false)).await;
    let base = base(&archive, &old());
    for (choice, later, word) in [
        (Choice::Native, vec![], "line 2"),
        (Choice::Auto, vec![gone("sbin/apk")], "no apk of its own"),
        (Choice::Auto, vec![gone("bin/sh")], "no /bin/sh"),
    ] {
        let mut place = place(&served, &signer);
        place.remediator = place.remediator.clone().choosing(choice);
        let original = place.image_over("1", base.clone(), &later).await;
        let before = scan(&place, &original).await;
        let fixed = image(place.fix(&original, &before).await.unwrap());
        let went: Vec<_> = fixed.plan.upgrades.iter().map(|upgrade| upgrade.package.as_str()).collect();
        assert_eq!(went, ["libtool1"], "{choice:?}");
        let stays = &fixed.plan.refused[0];
        assert_eq!((stays.package.as_str(), stays.code.as_str()), ("tool", "script-needs-sandbox"));
        assert!(stays.reason.contains(word), "{word}: {}", stays.reason);
    }
    let mut place = place(&served, &signer);
    place.remediator = place.remediator.clone().choosing(Choice::Sandbox);
    let original = place.image_over("1", base, &[gone("sbin/apk")]).await;
    let before = scan(&place, &original).await;
    let error = place.fix(&original, &before).await.err().unwrap();
    assert_eq!(error.code(), "sandbox-unavailable", "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn harm_ends_with_its_sandbox() {
    let test = "harm_ends_with_its_sandbox";
    let Some(archive) = root(test) else { return };
    let _alone = ALONE.lock().await;
    let before = mounts();
    let signer = Signer::new("dist.rsa.pub");
    let base = base(&archive, &old());
    let cases = [
        ("forks for ever", "#!/bin/sh\nwhile :; do sleep 50 & done\n", "sandbox-processes"),
        ("fills the disk", "#!/bin/sh\ncat /dev/zero > /var/lib/fill\n", "sandbox-disk"),
        ("fails", "#!/bin/sh\necho what went wrong >&2\nexit 7\n", "sandbox-tool-failed"),
        ("mounts", "#!/bin/sh\nmount -t tmpfs x /mnt && exit 0; exit 3\n", "sandbox-tool-failed"),
        ("stays", "#!/bin/sh\nsetsid sleep 300 </dev/null >/dev/null 2>&1 &\n", "sandbox-left-running"),
        ("leaves a pipe", "#!/bin/sh\nmkfifo /etc/pipe\n", "sandbox-outcome"),
        ("hides files", "#!/bin/sh\ntouch /etc/.wh.passwd\n", "sandbox-outcome"),
        ("spoils a file", "#!/bin/sh\necho x > /usr/bin/tool\n", "proof-failed"),
        ("takes the database", "#!/bin/sh\nrm -rf /lib/apk/db\n", "any"),
    ];
    for (what, script, code) in cases {
        let served = serve(repository(&signer, &[library("1.0-r1"), tool("1.0-r2", script)], false)).await;
        let mut place = place(&served, &signer);
        // Asked for: by itself it would go on without the package that has such a script.
        place.remediator = place.remediator.clone().choosing(Choice::Sandbox);
        let original = place.image_over("1", base.clone(), &[]).await;
        let scanned = scan(&place, &original).await;
        let error = match place.fix(&original, &scanned).await {
            Ok(fixed) => panic!("{what}: it was mended: {:?}", image(fixed).plan),
            Err(error) => error,
        };
        let said = error.to_string();
        println!("{what}: {}: {said}", error.code());
        assert!(code == "any" || error.code() == code, "{what}: {}: {said}", error.code());
        assert!(what != "fails" || said.contains("what went wrong"), "{said}");
        everybody_is_gone();
        assert_eq!(mounts(), before, "{what}");
    }
}
