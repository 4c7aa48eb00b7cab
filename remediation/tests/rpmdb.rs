//! Images with rpm's own database of headers: mended by their own rpm in the sandbox, and judged by rpm. Needs root, mmdebstrap,
//! a Debian mirror, rpm, createrepo-c and gpg; else it skips, loudly.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test: it may fail, says what it saw, and skips loudly"
)]

#[path = "support/daemons.rs"]
#[allow(dead_code, reason = "each suite uses its part")]
mod daemons;
mod headers;
#[path = "support/layers.rs"]
#[allow(dead_code, reason = "each suite uses its part")]
mod layers;
#[allow(dead_code, reason = "each suite uses its part")]
mod rpms;
#[path = "support/sandboxes.rs"]
#[allow(dead_code, reason = "each suite uses its part")]
mod sandboxes;

use std::path::Path;

use daemons::{Daemon, Make};
use headers::{DATABASE, OS_RELEASE, base, put, root, rpm};
use layers::{run, unpack};
use patchline_registry::{Digest, Registries};
use patchline_remediation::{Choice, Executor, Fixed, FixedImage, Tooling, executor::sandbox::Limits};
use rpms::{Place, Scan, Signer, Spec, What, program, ready, repository, serve, spec, text};
use sandboxes::{ALONE, everybody_is_gone, mounts, sandbox};

const LIMITS: Limits = Limits { seconds: 60, memory: 512 << 20, processes: 64, disk: 2 << 30 };
const ROCKY: &str = "Rocky Linux:9";
const FIXED: &[(&str, &str)] = &[("tool", "1:1.0-3"), ("libtool", "1.0-2")];

/// Debian's own programs are in no database of rpm's: this package says what they are.
fn shell() -> Spec {
    Spec {
        more: "Provides: /bin/sh\nProvides: /sbin/ldconfig\n",
        ..spec("shell", "5-1", vec![("usr/share/shell/data", text("x\n"))])
    }
}

fn library(version: &'static str) -> Spec {
    Spec {
        more: "Provides: libtool.so.1()(64bit)\n",
        scripts: "%post -p /sbin/ldconfig\n%postun -p /sbin/ldconfig\n",
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
        more: "Requires: libtool.so.1()(64bit)\nRequires: (shell if shell)\nEpoch: 1\n",
        marks: vec![
            ("etc/tool.conf", "%config(noreplace)"),
            ("etc/tool.d/other.conf", "%config"),
            ("etc/tool.d/as-shipped.conf", "%config(noreplace)"),
            ("etc/tool.d/deleted.conf", "%config"),
            ("usr/bin/tool-raw", "%caps(cap_net_raw=ep)"),
            ("usr/share/doc/tool/README", "%doc"),
        ],
        scripts: "%post\nset -e\ntest \"$1\" = 2 || exit 0\ntest \"$(id -u)\" = 0\necho upgraded > /etc/tool.d/stamp\nmkdir -p /var/lib/tool\n\
                  chown 33:33 /var/lib/tool\necho x > /var/log/tool.log\necho x > /tmp/tool\n",
        ..spec(
            "tool",
            version,
            vec![
                ("etc/tool.conf", text(&format!("default of {version}\n"))),
                ("etc/tool.d/other.conf", text(&format!("other of {version}\n"))),
                ("etc/tool.d/as-shipped.conf", text(&format!("shipped with {version}\n"))),
                ("etc/tool.d/deleted.conf", text(&format!("deleted of {version}\n"))),
                ("usr/bin/tool", program(version)),
                ("usr/bin/tool-raw", program(&format!("raw {version}"))),
                ("usr/bin/tool-again", What::Name("usr/bin/tool")),
                ("usr/share/tool/data", text("the same\n")),
                ("usr/share/tool/theirs", text(&format!("of {version}\n"))),
                ("usr/share/doc/tool/README", text(&format!("read {version}\n"))),
            ],
        )
    }
}

fn old() -> Vec<Spec> {
    let mut tool = tool("1.0-1");
    tool.files.push(("usr/share/tool/old/gone", text("goes\n")));
    vec![
        shell(),
        library("1.0-1"),
        tool,
        spec("other", "7-1", vec![("usr/share/other/data", text("stays\n"))]),
    ]
}

fn place(folder: &str, signer: &Signer) -> Place {
    let mut place = Place::new(&[&format!("rocky={folder}")], &[signer]);
    place.remediator = place.remediator.clone().with_sandbox(sandbox(LIMITS));
    place
}

fn image(fixed: Fixed) -> Box<FixedImage> {
    match fixed {
        Fixed::Image(image) => image,
        Fixed::Unchanged(plan) => panic!("nothing was fixed: {:?}", plan.refused),
    }
}

async fn scan(place: &Place, image: &Digest) -> Scan {
    place.scan_as(image, ROCKY, FIXED).await
}

fn read(root: &Path, path: &str) -> String {
    std::fs::read_to_string(root.join(path)).unwrap_or_else(|e| panic!("{path}: {e}"))
}

#[tokio::test(flavor = "multi_thread")]
async fn an_image_is_mended_by_its_own_rpm() {
    let test = "an_image_is_mended_by_its_own_rpm";
    let Some(archive) = root(test).filter(|_| ready(test)) else { return };
    let _alone = ALONE.lock().await;
    let signer = Signer::new("rsa3072");
    let new = [library("1.0-2"), tool("1.0-2"), tool("1.0-3"), tool("1.1-1")];
    let repository = repository(&new, (Some(&signer), &signer), "gz");
    let served = serve(repository.path()).await;
    let base = base(&archive, &old(), &[]);
    let later = [
        put("etc/tool.conf", "mine\n"),
        put("etc/tool.d/other.conf", "mine, too\n"),
        put("usr/share/tool/theirs", "somebody's\n"),
        vec![("etc/tool.d/deleted.conf".to_owned(), 0, None)],
    ];
    let mut digests = Vec::new();
    // In the sandbox twice, then in a container.
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
        if round > 0 {
            continue;
        }
        let went: Vec<_> = fixed
            .plan
            .upgrades
            .iter()
            .map(|u| (u.package.as_str(), u.from.as_str(), u.to.as_str(), u.executor, u.mends.len()))
            .collect();
        let sandbox = Executor::Sandbox;
        let wanted = [("libtool", "1.0-1", "1.0-2", sandbox, 1), ("tool", "1:1.0-1", "1:1.0-3", sandbox, 1)];
        assert_eq!(went, wanted, "{:?}", fixed.plan.refused);
        for upgrade in &fixed.plan.upgrades {
            let because = &upgrade.because;
            assert!(because.contains("rpmdb.sqlite") && because.contains("own rpm"), "{because}");
        }
        assert_eq!(fixed.report.findings, []);
        println!("kept: {:?}", fixed.kept);
        place.remediator.push(&*place.images, &fixed, Some("1_fixed")).await.unwrap();
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().join("root");
        let layer = unpack(&*place.images, &fixed.manifest.digest, &root, place.folder.path()).await;
        let is_in = |path: &str| layer.iter().any(|entry| entry.trim_end_matches('/') == path);
        assert!(is_in(DATABASE));
        let left = ["rpm.lock", "-wal", ".rpmsave", "tool.log", "tmp/tool", "aux-cache", "usr/share/shell"];
        for word in left {
            let found: Vec<_> =
                layer.iter().filter(|path| path.contains(word) && !path.contains(".wh.")).collect();
            assert!(found.is_empty(), "{found:?}");
        }
        // rpm's own word.
        let mut all: Vec<_> = run(rpm(&root).arg("-qa")).lines().map(str::to_owned).collect();
        all.sort();
        assert_eq!(
            all,
            ["libtool-1.0-2.x86_64", "other-7-1.x86_64", "shell-5-1.x86_64", "tool-1.0-3.x86_64"]
        );
        run(rpm(&root).args(["--verify", "libtool", "other", "shell"]));
        let said = rpm(&root).args(["--verify", "tool"]).output().unwrap();
        let said = String::from_utf8(said.stdout).unwrap();
        let changed: Vec<_> = said.lines().filter_map(|line| line.split_whitespace().last()).collect();
        let expected = [
            "/etc/tool.conf",
            "/etc/tool.d/deleted.conf",
            "/etc/tool.d/other.conf",
            "/usr/share/tool/theirs",
        ];
        assert_eq!(changed, expected, "{said}");
        assert_eq!(read(&root, "etc/tool.conf"), "mine\n");
        assert_eq!(read(&root, "etc/tool.conf.rpmnew"), "default of 1.0-3\n");
        assert_eq!(read(&root, "etc/tool.d/other.conf"), "mine, too\n", "it stays in service");
        assert_eq!(read(&root, "etc/tool.d/other.conf.rpmnew"), "other of 1.0-3\n");
        assert_eq!(read(&root, "etc/tool.d/as-shipped.conf"), "shipped with 1.0-3\n");
        assert!(!root.join("etc/tool.d/deleted.conf").exists() && !root.join("usr/share/tool/old").exists());
        assert_eq!(read(&root, "usr/share/tool/theirs"), "somebody's\n");
        assert_eq!(read(&root, "etc/tool.d/stamp"), "upgraded\n", "the script ran");
        use std::os::unix::fs::MetadataExt as _;
        let made = std::fs::metadata(root.join("var/lib/tool")).unwrap();
        assert_eq!((made.uid(), made.gid()), (33, 33), "ids are the image's");
        let (one, other) =
            ["usr/bin/tool", "usr/bin/tool-again"].map(|p| std::fs::metadata(root.join(p)).unwrap()).into();
        assert_eq!(one.ino(), other.ino(), "one file with two names");
        // Mended once more, it is what it is.
        let after = scan(&place, &fixed.manifest.digest).await;
        assert_eq!(after.report.findings, []);
    }
    assert!(digests.iter().all(|digest| *digest == digests[0]), "equal fixes are equal bytes: {digests:?}");
    everybody_is_gone();
}

/// The tools in an image of the test's, by the tag that they are pushed under.
fn tooling(place: &Place, tags: &[&str]) -> Tooling {
    let layout = place.folder.path().join("layout");
    let named = tags.iter().map(|tag| {
        let name = format!("oci:{}:{tag}", layout.display());
        let location = name.parse().unwrap();
        (name, location)
    });
    Tooling::new(Registries::new(Default::default()).unwrap(), named.collect())
}

/// A micro image has rpm's database, a shell, and no rpm: another image of its distribution lends its own, and what comes of
/// it is what its own would have made.
#[tokio::test(flavor = "multi_thread")]
async fn an_image_without_rpm_is_mended_by_anothers() {
    let test = "an_image_without_rpm_is_mended_by_anothers";
    let Some(archive) = root(test).filter(|_| ready(test)) else { return };
    let _alone = ALONE.lock().await;
    let before = mounts();
    let signer = Signer::new("rsa3072");
    let repository = repository(&[library("1.0-2"), tool("1.0-3")], (Some(&signer), &signer), "gz");
    let mut place = place(&repository.path().display().to_string(), &signer);
    let alone = place.remediator.clone();
    let base = base(&archive, &old(), &[]);
    let gone = |path: &str| vec![(path.to_owned(), 0, None)];
    // Whatever is in the tools' database is nobody's business: the image's own is written.
    let own = place.image_over("own", base.clone(), &[]).await;
    let micro = place.image_over("micro", base.clone(), &[gone("usr/bin/rpm")]).await;
    let tools = place
        .image_over("tools", base.clone(), &[gone("usr/bin/tool"), put("etc/tool.conf", "of tools\n")])
        .await;
    let mut layers = Vec::new();
    for (image, lent) in [(&own, false), (&micro, true)] {
        if lent {
            place.remediator = alone.clone().with_tooling(tooling(&place, &["tools"]));
        }
        let scanned = scan(&place, image).await;
        assert_eq!(scanned.report.findings.len(), 2);
        let fixed = self::image(place.fix(image, &scanned).await.unwrap());
        assert_eq!(fixed.report.findings, []);
        for upgrade in &fixed.plan.upgrades {
            println!("{}: {}", upgrade.package, upgrade.because);
            assert_eq!(upgrade.because.contains(tools.as_str()), lent, "{}", upgrade.because);
        }
        layers.push(fixed.layer.0.digest.clone());
    }
    assert_eq!(layers[0], layers[1], "equal tools are equal bytes, wherever they lie");
    // Tools that do not fit are named, each with why.
    let other = OS_RELEASE.replace("ID=\"rocky\"", "ID=\"alma\"");
    let older = OS_RELEASE.replace("9.3", "8.10");
    for (tag, later) in [
        ("bare", gone("usr/bin/rpm")),
        ("other", put("usr/lib/os-release", &other)),
        ("older", put("usr/lib/os-release", &older)),
        ("debian", gone(DATABASE)),
    ] {
        place.image_over(tag, base.clone(), &[later]).await;
    }
    let tags = ["bare", "other", "older", "debian"];
    place.remediator = alone.clone().with_tooling(tooling(&place, &tags));
    let scanned = scan(&place, &micro).await;
    let Err(error) = place.fix(&micro, &scanned).await else { panic!("it was mended") };
    let said = error.to_string();
    println!("{said}");
    assert_eq!(error.code(), "tooling-unfit");
    for why in [
        "bare: it has no rpm program",
        "it is alma 9.3, not rocky 9.3",
        "it is rocky 8.10",
        "no database of rpm",
    ] {
        assert!(said.contains(why), "{why}: {said}");
    }
    let containers = alone.clone().with_tooling(tooling(&place, &["tools"])).choosing(Choice::EngineApi);
    place.remediator = containers;
    let Err(error) = place.fix(&micro, &scanned).await else { panic!("it was mended") };
    assert_eq!(error.code(), "engine-unavailable");
    assert!(error.to_string().contains("tools of another image"), "{error}");
    // One that fits stands behind those that do not.
    place.remediator = alone.with_tooling(tooling(&place, &["bare", "tools"]));
    let fixed = self::image(place.fix(&micro, &scanned).await.unwrap());
    assert_eq!(fixed.layer.0.digest, layers[0]);
    everybody_is_gone();
    assert_eq!(mounts(), before);
}

/// Everything that must not be, and the code of what is said of it.
#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_is_refused_by_name() {
    let test = "what_cannot_be_is_refused_by_name";
    let Some(archive) = root(test).filter(|_| ready(test)) else { return };
    let _alone = ALONE.lock().await;
    let signer = Signer::new("rsa3072");
    let repository = repository(&[library("1.0-2"), tool("1.0-3")], (Some(&signer), &signer), "gz");
    let folder = repository.path().display().to_string();
    let with = place(&folder, &signer);
    let base = base(&archive, &old(), &[]);
    let original = with.image_over("1", base.clone(), &[]).await;
    let before = scan(&with, &original).await;
    let said = |what: &str, code: &str, word: &str, fixed: Result<Fixed, patchline_remediation::Error>| {
        let error = fixed.err().unwrap_or_else(|| panic!("{what}: it was mended"));
        println!("{what}: {}: {error}", error.code());
        assert!(
            error.code() == code && error.to_string().contains(word),
            "{what}: {}: {error}",
            error.code()
        );
    };
    // Whoever wants nothing run, or has nothing to run it in, is told so before anything is fetched.
    let mut native = place(&folder, &signer);
    native.remediator = native.remediator.clone().choosing(Choice::Native);
    native.images = with.images.clone();
    said("native", "sandbox-needed", "`native`", native.fix(&original, &before).await);
    let mut without = Place::new(&["rocky=/srv/none"], &[&signer]);
    without.images = with.images.clone();
    said("no sandbox", "sandbox-needed", "Rocky Linux 9.3", without.fix(&original, &before).await);
    // Damage done to the image after it was looked at.
    let gone = |path: &str| vec![(path.to_owned(), 0, None)];
    let small = Limits { disk: 64 << 20, ..LIMITS };
    for (what, later, code, word) in [
        ("no rpm", gone("usr/bin/rpm"), "rpm-missing", "no rpm program"),
        ("no database", put(DATABASE, "SQLite format 3\0"), "package-malformed", "no SQLite database"),
        ("a journal", put(&format!("{DATABASE}-wal"), "last"), "package-malformed", "last written"),
    ] {
        let image = with.image_over("2", base.clone(), &[later]).await;
        said(what, code, word, with.fix(&image, &before).await);
    }
    let mut narrow = place(&folder, &signer);
    narrow.remediator = narrow.remediator.clone().with_sandbox(sandbox(small));
    narrow.images = with.images.clone();
    said("no room", "sandbox-needed", "no room", narrow.fix(&original, &before).await);
    everybody_is_gone();
}

#[tokio::test(flavor = "multi_thread")]
async fn packages_that_stay_are_named() {
    let test = "packages_that_stay_are_named";
    let Some(archive) = root(test).filter(|_| ready(test)) else { return };
    let _alone = ALONE.lock().await;
    let signer = Signer::new("rsa3072");
    let small = |name: &'static str, version: &'static str, path: &'static str, more: &'static str| Spec {
        more,
        ..spec(name, version, vec![(path, text(version))])
    };
    let label = "ModularityLabel: runtime:18:1:abc\n";
    let installed = [
        shell(),
        small("plain", "1-1", "usr/share/plain/data", ""),
        small("needy", "1-1", "usr/share/needy/data", ""),
        small("streamed", "1-1", "usr/share/streamed/data", label),
        small("twice", "1-1", "usr/share/twice/one", ""),
        small("twice", "2-1", "usr/share/twice/two", ""),
        Spec { files: vec![("usr/bin/program", program("1"))], ..small("program", "1-1", "x", "") },
    ];
    let new = [
        small("plain", "2-1", "usr/share/plain/data", ""),
        small("plain", "1.5-1.module_el9", "usr/share/plain/data", ""),
        small("needy", "2-1", "usr/share/needy/data", "Requires: nobody-is-that\n"),
        small("streamed", "2-1", "usr/share/streamed/data", label),
        small("twice", "3-1", "usr/share/twice/three", ""),
        Spec { files: vec![("usr/bin/program", program("2"))], ..small("program", "2-1", "x", "") },
    ];
    let repository = repository(&new, (None, &signer), "gz");
    let place = place(&repository.path().display().to_string(), &signer);
    let later = [put("usr/bin/program", "\u{7f}ELF somebody's\n")];
    let original = place.image_over("1", base(&archive, &installed, &["--oldpackage"]), &later).await;
    let fixed: Vec<_> = ["plain", "needy", "streamed", "program"].map(|name| (name, "1.2-1")).to_vec();
    let fixed: Vec<_> = fixed.into_iter().chain([("twice", "3-1")]).collect();
    let before = place.scan_as(&original, ROCKY, &fixed).await;
    let fixed = image(place.fix(&original, &before).await.unwrap());
    let went: Vec<_> = fixed.plan.upgrades.iter().map(|one| format!("{} {}", one.package, one.to)).collect();
    assert_eq!(went, ["plain 2-1"], "no module's, and nothing that needs what is not there");
    let mut stays: Vec<_> =
        fixed.plan.refused.iter().map(|one| (one.package.as_str(), one.code.as_str())).collect();
    stays.sort_unstable();
    let wanted = [
        ("needy", "new-dependency"),
        ("program", "shadowed"),
        ("streamed", "module-stream"),
        ("twice", "conflict"),
    ];
    assert_eq!(stays, wanted, "{:?}", fixed.plan.refused);
}

#[tokio::test(flavor = "multi_thread")]
async fn harm_ends_with_its_sandbox() {
    let test = "harm_ends_with_its_sandbox";
    let Some(archive) = root(test).filter(|_| ready(test)) else { return };
    let _alone = ALONE.lock().await;
    let before = mounts();
    let signer = Signer::new("rsa3072");
    let base = base(&archive, &[shell(), library("1.0-1")], &[]);
    let host = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    host.set_nonblocking(true).unwrap();
    let port = host.local_addr().unwrap().port();
    let connect = format!(
        "%post\nperl -MIO::Socket::INET -e 'IO::Socket::INET->new(PeerAddr => \"127.0.0.1:{port}\") or die \"no network: $!\"'\n"
    );
    let cases = [
        ("forks for ever", "%post\nwhile :; do sleep 50 & done\n", "sandbox-processes"),
        ("fills the disk", "%post\ncat /dev/zero > /var/lib/fill\n", "sandbox-disk"),
        ("calls the host", connect.as_str(), "sandbox-tool-failed"),
        ("mounts", "%post\nmount -t tmpfs x /mnt && exit 0; exit 3\n", "sandbox-tool-failed"),
        ("fails", "%post\necho what went wrong >&2\nexit 7\n", "sandbox-tool-failed"),
        ("fails before", "%pre\nexit 7\n", "sandbox-tool-failed"),
        ("stays", "%post\nsetsid sleep 300 </dev/null >/dev/null 2>&1 &\n", "sandbox-left-running"),
        ("leaves a pipe", "%post\nmkfifo /etc/pipe\n", "sandbox-outcome"),
        ("hides files", "%post\ntouch /etc/.wh.passwd\n", "sandbox-outcome"),
        ("spoils a file", "%posttrans\necho x > /usr/lib/libtool.so.1.0\n", "proof-failed"),
        ("takes the database", "%posttrans\nrm -f /usr/lib/sysimage/rpm/rpmdb.sqlite\n", "any"),
        ("empties the database", "%posttrans\n: > /usr/lib/sysimage/rpm/rpmdb.sqlite\n", "any"),
    ];
    for (what, script, code) in cases {
        let scripts = script.to_owned().leak();
        let new = Spec { scripts, ..library("1.0-2") };
        let repository = repository(&[new], (Some(&signer), &signer), "gz");
        let place = place(&repository.path().display().to_string(), &signer);
        let original = place.image_over("1", base.clone(), &[]).await;
        let scanned = place.scan_as(&original, ROCKY, &FIXED[1..]).await;
        let Err(error) = place.fix(&original, &scanned).await else { panic!("{what}: it was mended") };
        let said = error.to_string();
        println!("{what}: {}: {said}", error.code());
        assert!(code == "any" || error.code() == code, "{what}: {}: {said}", error.code());
        assert!(what != "fails" || said.contains("what went wrong"), "{said}");
        everybody_is_gone();
        assert_eq!(mounts(), before, "{what}");
    }
    assert!(host.accept().is_err(), "somebody came out");
}
