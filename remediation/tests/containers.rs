//! Containers of real daemons: outdated images mended by their own dpkg, and packages that were made to do harm.
//! Needs root, mmdebstrap, a mirror, and Docker's or Podman's daemon; else it skips, loudly.

#![expect(clippy::disallowed_methods, reason = "how long a test waits for others to end")]
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a test: it may fail, and says what it saw")]

#[allow(dead_code, reason = "each suite uses its part")]
mod support;

use std::{
    collections::BTreeMap,
    fs::{self, File},
    sync::Arc,
    time::{Duration, Instant},
};

use patchline_remediation::{
    Choice, Engine, Executor, Fixed, FixedImage,
    executor::sandbox::Limits,
    tree::{Entry, LayerTree},
};
use reqwest::Method;
use serde_json::json;
use support::{
    Bench, Layer, chroot,
    daemons::{Daemon, Make},
    meddler::Meddler,
    sandboxes::sandbox,
    unpack,
    yard::Yard,
};
use tokio::task::block_in_place;

const LIMITS: Limits = Limits { seconds: 60, memory: 256 << 20, processes: 64, disk: 1 << 30 };

/// What a patch layer says of each path but when it was written.
fn entries(image: &FixedImage) -> (BTreeMap<Box<str>, Entry>, Vec<Box<str>>) {
    let (descriptor, path) = &image.layer;
    let layer = LayerTree::read(&descriptor.digest, File::open(path).unwrap()).unwrap();
    (layer.entries, layer.removed)
}

/// Everything that is asked of an image that was mended in a container.
async fn a_release_is_mended(make: Make, suite: &str) {
    let test = format!("{make:?}_mends_{suite}");
    let Some(mut bench) = Bench::new(&test, suite).await else { return };
    let Some(daemon) = Daemon::start(&test, make) else { return };
    let original = bench.image("1", &[Layer::Rootfs]).await;
    let remediator = bench.remediator.clone();
    bench.remediator = remediator.clone().with_engine(daemon.engine(Limits::default()));
    let before = bench.scan(&original).await;
    let unasked = bench.plan(&original, &before).await;
    assert!(
        unasked.upgrades.iter().all(|upgrade| upgrade.executor == Executor::Native),
        "nobody chose a container: {:?}",
        unasked.upgrades
    );
    bench.remediator = bench.remediator.clone().choosing(Choice::EngineApi);
    let started = Instant::now();
    let Fixed::Image(fixed) = bench.fix(&original, &before, Some("1")).await else {
        panic!("nothing was fixed")
    };
    println!(
        "{test}: {:.1} s, {} upgrades, {} bytes of layer",
        started.elapsed().as_secs_f32(),
        fixed.plan.upgrades.len(),
        fixed.layer.0.size
    );
    for upgrade in &fixed.plan.upgrades {
        assert_eq!(upgrade.executor, Executor::EngineApi);
        assert!(upgrade.because.contains("was asked for"), "{}", upgrade.because);
    }
    let scripted = |code: &str| fixed.plan.refused.iter().filter(|r| r.code == code).count();
    assert_eq!(scripted("script-needs-sandbox"), 0, "{:?}", fixed.plan.refused);
    assert_eq!(fixed.kept, Vec::<String>::new(), "nobody changed anything in this image");
    assert_eq!(daemon.holds().await, Vec::<String>::new(), "nothing is left in the daemon");
    let Fixed::Image(again) = bench.fix(&original, &before, Some("1")).await else {
        panic!("nothing was fixed")
    };
    assert_eq!(again.manifest.digest, fixed.manifest.digest, "equal fixes are equal bytes");

    bench.remediator.push(&*bench.repository, &fixed, Some("1_fixed")).await.unwrap();
    let after = bench.scan(&fixed.manifest.digest).await;
    let left: Vec<_> =
        after.report.findings.iter().filter(|f| f.mendable == Some(true)).map(|f| &f.id).collect();
    assert!(left.is_empty(), "{left:?}");
    let root = bench.scratch.path().join("root");
    unpack(&bench, &fixed.manifest.digest, &root).await;
    for command in [&["dpkg", "--audit"][..], &["dpkg", "--verify"]] {
        assert_eq!(chroot(&root, command), "", "{command:?}");
    }
    chroot(&root, &["apt-get", "check"]);
    chroot(&root, &["nginx", "-t"]);
    chroot(&root, &["openssl", "version"]);

    bench.remediator = remediator.with_sandbox(sandbox(Limits::default())).choosing(Choice::Sandbox);
    let Fixed::Image(sandboxed) = bench.fix(&original, &before, Some("1")).await else {
        panic!("nothing was fixed")
    };
    let ((ours, gone), (theirs, gone_there)) = (entries(&fixed), entries(&sandboxed));
    for (path, entry) in &ours {
        assert_eq!(Some(entry), theirs.get(path), "/{path}");
    }
    let missing: Vec<_> = theirs.keys().filter(|path| !ours.contains_key(*path)).collect();
    assert_eq!((missing, gone), (Vec::new(), gone_there), "in the sandbox alone");
    assert_eq!(fixed.manifest.digest, sandboxed.manifest.digest, "one job, one result");
}

#[tokio::test(flavor = "multi_thread")]
async fn docker_mends_bookworm() {
    a_release_is_mended(Make::Docker, "bookworm").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn docker_mends_bullseye() {
    a_release_is_mended(Make::Docker, "bullseye").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn podman_mends_bookworm() {
    a_release_is_mended(Make::Podman, "bookworm").await;
}

async fn harm_ends_with_its_container(make: Make) {
    let test = format!("harm_ends_with_its_container_{make:?}");
    let Some(bench) = Bench::new(&test, "bookworm").await else { return };
    let Some(daemon) = Daemon::start(&test, make) else { return };
    let yard = Yard::new(bench.rootfs());
    let short = Limits { seconds: 4, ..LIMITS };
    let small = Limits { disk: 64 << 20, ..LIMITS };
    let shut =
        "test $(ls /sys/class/net) = lo && ! mount -t tmpfs x /mnt && ! mknod /var/lib/disk b 8 0 && exit 3";
    let cases: &[(&str, &str, Limits, &str)] = &[
        ("sleeps for ever", "sleep 100000", short, "sandbox-time"),
        (
            "floods its output",
            "while :; do echo a word of no use, again and again; done",
            short,
            "sandbox-time",
        ),
        ("fills the disk with words", "cat /dev/zero", small, "sandbox-disk"),
        ("fills the disk", "while :; do cat /bin/bash >> /var/lib/fill; done", small, "sandbox-disk"),
        (
            "takes the memory",
            "perl -e '$x .= \"x\" x (1 << 20) for 1..900; sleep 50'",
            LIMITS,
            "sandbox-memory",
        ),
        ("stays", "setsid sleep 300 </dev/null >/dev/null 2>&1 &", LIMITS, "sandbox-left-running"),
        ("is shut off", shut, LIMITS, "sandbox-tool-failed"),
        ("hides files", "touch /etc/.wh.passwd", LIMITS, "sandbox-outcome"),
        ("leaves a pipe", "mkfifo /etc/pipe", LIMITS, "sandbox-outcome"),
        ("ends the first process", "kill -9 1; kill -STOP 1; exit 3", LIMITS, "sandbox-tool-failed"),
    ];
    for (what, postinst, limits, code) in cases {
        let (started, engine) = (Instant::now(), daemon.engine(*limits));
        let error = block_in_place(|| yard.run(&yard.deb(postinst), engine)).map(|_| ()).unwrap_err();
        let said = error.to_string();
        let shown: String = said.chars().take(300).collect();
        println!("{make:?}: {what}: {:.1} s: {}: {shown}", started.elapsed().as_secs_f32(), error.code());
        // Podman tells of a want of memory only where it ended the first process.
        let killed = matches!(make, Make::Podman) && *code == "sandbox-memory" && said.contains("Killed");
        let code = if killed { "sandbox-tool-failed" } else { *code };
        assert_eq!(error.code(), code, "{what}: {said}");
        assert!(said.len() < 8 << 10, "{what}: {} bytes of words", said.len());
        assert_eq!(daemon.holds().await, Vec::<String>::new(), "{what}");
        let scratch = fs::read_dir(yard.folder.path().join("scratch")).unwrap();
        let left: Vec<_> = scratch.map(|entry| entry.unwrap().file_name()).collect();
        assert!(left.iter().all(|name| name == "spool"), "{what}: {left:?}");
    }
    let failing = yard.deb("echo what went wrong >&2; exit 3");
    let error = block_in_place(|| yard.run(&failing, daemon.engine(LIMITS))).map(|_| ()).unwrap_err();
    let said = error.to_string();
    assert!(said.contains("what went wrong") && said.contains("/usr/bin/dpkg ended with 1"), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn harm_ends_with_dockers_container() {
    harm_ends_with_its_container(Make::Docker).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn harm_ends_with_podmans_container() {
    harm_ends_with_its_container(Make::Podman).await;
}

/// What a script does is the same layer, whether in a sandbox or in a container.
#[tokio::test(flavor = "multi_thread")]
async fn what_a_script_does_is_the_sandboxes_layer() {
    let test = "what_a_script_does_is_the_sandboxes_layer";
    let Some(bench) = Bench::new(test, "bookworm").await else { return };
    let Some(daemon) = Daemon::start(test, Make::Docker) else { return };
    let yard = Yard::new(bench.rootfs());
    let deb = yard.deb(
        "set -e\necho written > /etc/written\nln /etc/written /etc/twin\nln -s written /etc/link\nmkdir -m 2750 /var/lib/made\n\
         chown 33:33 /var/lib/made\nid -u > /var/lib/made/id\nhostname >> /var/lib/made/id\npwd >> /var/lib/made/id\n\
         env | sort | grep -v ^_= >> /var/lib/made/id\numask >> /var/lib/made/id\nrm /etc/issue.net\nln /usr/bin/tac /usr/bin/cat2\n\
         ln /usr/bin/tac /usr/bin/cat3\ncp /usr/bin/printf /usr/bin/made\nchmod 4755 /usr/bin/tac\nrm -r /usr/share/doc/curl\n\
         echo x > /tmp/x\necho x > /run/x\necho x > /var/cache/x\necho x > /var/log/x\necho y > /etc/passwd-\n\
         invoke-rc.d nginx start || true\n/usr/sbin/policy-rc.d || test $? = 101\n! test -s /dev/null\nhead -c 1 /dev/urandom > /dev/null\n\
         cat /etc/debian_version > /etc/same; cat /etc/same > /etc/debian_version",
    );
    let layer = |built: &patchline_remediation::executor::native::Built| {
        LayerTree::read(&built.layer.digest, File::open(&built.layer.path).unwrap()).unwrap()
    };
    let there = block_in_place(|| yard.run(&deb, sandbox(LIMITS))).unwrap();
    let sandboxed = layer(&there);
    let here = block_in_place(|| yard.run(&deb, daemon.engine(LIMITS))).unwrap();
    let ours = layer(&here);
    for (path, entry) in &ours.entries {
        assert_eq!(Some(entry), sandboxed.entries.get(path), "/{path}");
    }
    assert_eq!((&ours.removed, ours.entries.len()), (&sandboxed.removed, sandboxed.entries.len()));
    assert_eq!(here.layer.digest, there.layer.digest, "one job, one result");
}

/// What a daemon's owner may do to containers behind everybody's back, and a daemon of another time.
#[tokio::test(flavor = "multi_thread")]
async fn a_container_that_was_not_asked_for_is_refused() {
    let test = "a_container_that_was_not_asked_for_is_refused";
    let Some(bench) = Bench::new(test, "bookworm").await else { return };
    let Some(daemon) = Daemon::start(test, Make::Docker) else { return };
    let yard = Yard::new(bench.rootfs());
    let deb = yard.deb("touch /etc/ran");
    let none = ("", "");
    for (what, asked, answered, code, word) in [
        (
            "it has a network",
            ("\"NetworkMode\":\"none\"", "\"NetworkMode\":\"host\""),
            none,
            "engine-failed",
            "not shut off",
        ),
        (
            "it is privileged",
            ("\"CapDrop\":[\"ALL\"]", "\"Privileged\":true"),
            none,
            "engine-failed",
            "not shut off",
        ),
        (
            "it has other memory",
            ("\"Memory\":268435456", "\"Memory\":268435455"),
            none,
            "engine-failed",
            "memory",
        ),
        (
            "it has other processes",
            ("\"PidsLimit\":64", "\"PidsLimit\":63"),
            none,
            "engine-failed",
            "processes",
        ),
        (
            "it is of another time",
            none,
            ("Api-Version: 1.4", "Api-Version: 1.3"),
            "engine-too-old",
            "1.41 is needed",
        ),
    ] {
        let meddler = Meddler::before(&daemon.socket(), asked, answered);
        let engine = Engine::at(&meddler.socket()).unwrap().with_limits(LIMITS);
        let error = block_in_place(|| yard.run(&deb, engine)).map(|_| ()).unwrap_err();
        println!("{what}: {}: {error}", error.code());
        assert_eq!(error.code(), code, "{what}: {error}");
        assert!(error.to_string().contains(word), "{what}: {error}");
        assert_eq!(daemon.holds().await, Vec::<String>::new(), "{what}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_daemon_nothing_is_done() {
    let Some(mut bench) = Bench::new("without_a_daemon_nothing_is_done", "bookworm").await else { return };
    let original = bench.image("1", &[Layer::Rootfs]).await;
    let before = bench.scan(&original).await;
    let nobody = Engine::at(&bench.scratch.path().join("nobody")).unwrap();
    let remediator = bench.remediator.clone().choosing(Choice::EngineApi);
    for remediator in [remediator.clone(), remediator.with_engine(nobody)] {
        bench.remediator = remediator;
        let error = bench.try_fix(&original, &before).await.map(|_| ()).unwrap_err();
        assert_eq!(error.code(), "engine-unavailable", "{error}");
    }
    assert!(bench.repository.resolve("1_fixed").await.unwrap().is_none());
}

/// An image of nothing but a name, and a container of it, as a fix that was killed leaves them.
async fn leave(daemon: &Daemon, name: &str, until: i64) {
    let empty = tar::Builder::new(Vec::new()).into_inner().unwrap();
    let labels = format!("LABEL%20dev.patchline.fix%3D{name}&changes=LABEL%20dev.patchline.until%3D{until}");
    let path = format!("images/create?fromSrc=-&repo=localhost/{name}&tag=1&changes={labels}");
    daemon.ask(Method::POST, &path, empty.into()).await;
    let images = daemon.ask(Method::GET, "images/json", "".into()).await;
    let label = |image: &&serde_json::Value| image["Labels"]["dev.patchline.fix"] == name;
    let image = images.as_array().unwrap().iter().find(label).expect("it was made")["Id"].clone();
    let container = json!({"Image": image, "Cmd": ["/none"], "HostConfig": {"NetworkMode": "none"},
        "Labels": {"dev.patchline.fix": name, "dev.patchline.until": until.to_string()}});
    daemon.ask(Method::POST, &format!("containers/create?name={name}"), container.to_string().into()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_killed_fix_left_is_removed_by_the_next() {
    let test = "what_a_killed_fix_left_is_removed_by_the_next";
    let Some(bench) = Bench::new(test, "bookworm").await else { return };
    for make in [Make::Docker, Make::Podman] {
        let Some(daemon) = Daemon::start(test, make) else { return };
        leave(&daemon, "killed", 1_700_000_000).await;
        leave(&daemon, "at-work", 99_999_999_999).await;
        assert_eq!(daemon.holds().await.len(), 4);
        let yard = Yard::new(bench.rootfs());
        block_in_place(|| yard.run(&yard.deb("exit 0"), daemon.engine(LIMITS))).unwrap();
        let left = daemon.holds().await;
        assert_eq!(left.len(), 2, "{make:?}: {left:?}");
        assert!(left.contains(&"containers at-work".to_owned()), "{make:?}: {left:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fix_that_nobody_waits_for_is_tidied_away() {
    let test = "a_fix_that_nobody_waits_for_is_tidied_away";
    let Some(mut bench) = Bench::new(test, "bookworm").await else { return };
    let Some(daemon) = Daemon::start(test, Make::Docker) else { return };
    let original = bench.image("1", &[Layer::Rootfs]).await;
    let remediator = bench.remediator.clone().with_engine(daemon.engine(Limits::default()));
    bench.remediator = remediator.choosing(Choice::EngineApi);
    let before = bench.scan(&original).await;
    let bench = Arc::new(bench);
    let fixing = tokio::spawn({
        let bench = bench.clone();
        async move { bench.try_fix(&original, &before).await.map(|_| ()) }
    });
    let until = Instant::now() + Duration::from_secs(240);
    while !daemon.holds().await.iter().any(|one| one.starts_with("containers ")) {
        assert!(Instant::now() < until && !fixing.is_finished(), "no container came up");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    fixing.abort();
    let until = Instant::now() + Duration::from_secs(60);
    loop {
        let left = daemon.holds().await;
        if left.is_empty() {
            break;
        }
        assert!(Instant::now() < until, "still there: {left:?}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}
