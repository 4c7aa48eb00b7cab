//! The sandbox with the real thing: outdated images mended by their own dpkg, and packages that were made to do harm.
//! Needs root, mmdebstrap and a mirror; else it skips, loudly.

#![expect(clippy::disallowed_methods, reason = "how long a test waits for others to end")]
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a test: it may fail, and says what it saw")]

#[allow(dead_code, reason = "each suite uses its part")]
mod support;

use std::{
    fs::{self, File},
    net::TcpListener,
    path::Path,
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use patchline_remediation::{Choice, Executor, Fixed, executor::sandbox::Limits, tree::LayerTree};
use support::{
    Bench, Layer, chroot,
    sandboxes::{ALONE, everybody_is_gone, inmates, mounts, sandbox},
    unpack,
    yard::Yard,
};

const LIMITS: Limits = Limits { seconds: 60, memory: 256 << 20, processes: 64, disk: 1 << 30 };

/// As many processes as the limit in a moment, buried by nobody of its own, and then a good end.
const BRIEF: &str = "perl -e 'for (1..70) { my $p = fork; exit 0 if defined $p && !$p }'; exit 0";

#[tokio::test(flavor = "multi_thread")]
async fn harm_ends_with_its_sandbox() {
    let Some(bench) = Bench::new("harm_ends_with_its_sandbox", "bookworm").await else { return };
    let _alone = ALONE.lock().await;
    let yard = Yard::new(bench.rootfs());
    let before = mounts();
    let secret = yard.folder.path().join("secret");
    fs::write(&secret, "hush-hush").unwrap();
    let secret = secret.to_str().unwrap();
    let host = TcpListener::bind("127.0.0.1:0").unwrap();
    host.set_nonblocking(true).unwrap();
    let port = host.local_addr().unwrap().port();
    let connect = format!(
        "perl -MIO::Socket::INET -e 'IO::Socket::INET->new(PeerAddr => \"127.0.0.1:{port}\") or die \"no network: $!\"'"
    );
    let peek = format!(
        "cat ../../../../../../..{secret} /proc/1/root{secret} /proc/1/cwd{secret}; ls /proc/1/fd; exit 3"
    );
    let short = Limits { seconds: 3, ..LIMITS };
    let cases: &[(&str, &str, Limits, &str)] = &[
        ("forks for ever", "while :; do sleep 50 & done", LIMITS, "sandbox-processes"),
        ("forks until nobody may", "f() { f | f & }; f; exit 0", LIMITS, "sandbox-processes"),
        ("forks and is gone", BRIEF, LIMITS, "sandbox-processes"),
        ("fills the disk", "cat /dev/zero > /var/lib/fill", LIMITS, "sandbox-disk"),
        (
            "fills it with nothing",
            "cd /var/lib; i=0; while :; do : > e$i; i=$((i+1)); done",
            short,
            "sandbox-time",
        ),
        (
            "takes the memory",
            "perl -e '$x .= \"x\" x (1 << 20) for 1..300; sleep 50'",
            LIMITS,
            "sandbox-memory",
        ),
        ("calls the host", &connect, LIMITS, "sandbox-tool-failed"),
        ("reads the host", &peek, LIMITS, "sandbox-tool-failed"),
        ("mounts", "mount -t tmpfs x /mnt && exit 0; exit 3", LIMITS, "sandbox-tool-failed"),
        (
            "takes new rights",
            "unshare --user --map-root-user mount -t tmpfs x /mnt && exit 0; exit 3",
            LIMITS,
            "sandbox-tool-failed",
        ),
        ("calls the kernel", "echo h > /proc/sysrq-trigger && exit 0; exit 3", LIMITS, "sandbox-tool-failed"),
        ("makes a device", "mknod /var/lib/disk b 8 0 && exit 0; exit 3", LIMITS, "sandbox-tool-failed"),
        ("kills the first process", "kill -9 1; kill -STOP 1; exit 3", LIMITS, "sandbox-tool-failed"),
        ("stays", "setsid sleep 300 </dev/null >/dev/null 2>&1 &", LIMITS, "sandbox-left-running"),
        ("sleeps for ever", "sleep 100000", short, "sandbox-time"),
        ("hides files", "touch /etc/.wh.passwd", LIMITS, "sandbox-outcome"),
        ("leaves a pipe", "mkfifo /etc/pipe", LIMITS, "sandbox-outcome"),
    ];
    for (what, postinst, limits, code) in cases {
        let started = Instant::now();
        let error = yard.run(&yard.deb(postinst), sandbox(*limits)).map(|_| ()).unwrap_err();
        let said = error.to_string();
        println!("{what}: {:.1} s: {}: {said}", started.elapsed().as_secs_f32(), error.code());
        assert_eq!(error.code(), *code, "{what}: {said}");
        assert!(said.len() < 8 << 10, "{what}: {} bytes of words", said.len());
        assert!(!said.contains("hush-hush"), "{what}: {said}");
        everybody_is_gone();
        assert_eq!(mounts(), before, "{what}");
        let left: Vec<_> = fs::read_dir(yard.folder.path().join("scratch"))
            .unwrap()
            .map(|e| e.unwrap().file_name())
            .collect();
        assert!(left.iter().all(|name| name == "spool"), "{what}: {left:?}");
    }
    assert!(host.accept().is_err(), "somebody came out");
    let reason =
        yard.run(&yard.deb("echo what went wrong >&2; exit 3"), sandbox(LIMITS)).unwrap_err().to_string();
    assert!(reason.contains("what went wrong"), "{reason}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_script_does_is_the_layer() {
    let Some(bench) = Bench::new("what_a_script_does_is_the_layer", "bookworm").await else { return };
    let _alone = ALONE.lock().await;
    let yard = Yard::new(bench.rootfs());
    let deb = yard.deb(
        "set -e\necho written > /etc/written\nln /etc/written /etc/twin\nln -s written /etc/link\nmkdir -m 2750 /var/lib/made\n\
         chown 33:33 /var/lib/made\nid -u > /var/lib/made/id\nhostname >> /var/lib/made/id\nrm /etc/issue.net\n\
         cp /usr/bin/printf /usr/bin/made\nsetfattr --version >/dev/null 2>&1 || true\necho x > /tmp/x\necho x > /run/x\n\
         echo x > /var/cache/x\necho x > /var/log/x\necho y > /etc/passwd-\ninvoke-rc.d nginx start || true\n/usr/sbin/policy-rc.d || test $? = 101\n\
         test $DEBIAN_FRONTEND = noninteractive\n! test -s /dev/null\nhead -c 1 /dev/urandom > /dev/null\ncat /etc/debian_version > /etc/same; cat /etc/same > /etc/debian_version",
    );
    let first = yard.run(&deb, sandbox(LIMITS)).unwrap();
    let layer = LayerTree::read(&first.layer.digest, File::open(&first.layer.path).unwrap()).unwrap();
    let names: Vec<&str> = layer.entries.keys().map(|path| &**path).collect();
    println!("{names:?} without {:?}", layer.removed);
    let entry = |path: &str| layer.entries.get(path).unwrap_or_else(|| panic!("no {path}"));
    assert_eq!(entry("etc/written").mtime, 1_700_000_000, "no clock gets into it");
    assert_eq!(entry("etc/written").hashes, entry("etc/twin").hashes);
    assert_eq!(entry("etc/link").link.as_deref(), Some("written"));
    let made = entry("var/lib/made");
    assert_eq!((made.mode, made.uid, made.gid), (0o2750, 33, 33), "ids are the image's");
    assert_eq!((entry("usr/share/made/file").uid, entry("usr/bin/made").mode), (0, 0o755));
    for path in [
        "tmp/x",
        "run/x",
        "var/cache/x",
        "var/log/x",
        "etc/passwd-",
        "usr/sbin/policy-rc.d",
        "etc/debian_version",
    ] {
        assert!(!layer.entries.contains_key(path), "{path} is in the layer");
    }
    for part in ["dev", "proc", "sys", ".patchline"] {
        assert!(!names.iter().any(|name| name.split('/').next() == Some(part)), "{part} is in the layer");
    }
    assert!(!names.iter().any(|name| name.ends_with("-old") || name.contains(".dpkg-")), "{names:?}");
    assert!(layer.removed.iter().any(|path| &**path == "usr/bin/openssl"), "{:?}", layer.removed);
    let again = yard.run(&deb, sandbox(LIMITS)).unwrap();
    assert_eq!(again.layer.digest, first.layer.digest, "equal runs are equal bytes");
    everybody_is_gone();
}

/// Each number with the error that it must end with: mount, unshare, ptrace, keyctl, bpf, perf_event_open, userfaultfd, kexec_load,
/// init_module, finit_module, open_by_handle_at, setns, io_uring_setup, clone3; then AF_VSOCK, and that the rest is as ever.
const CALLS: &str = r#"set -e
grep -q '^NoNewPrivs:.1$' /proc/self/status
grep -q '^Seccomp:.2$' /proc/self/status
perl -e '
for my $call ([165, 1], [272, 1, 0x10000000], [101, 1, 0], [250, 1, 0, -3], [321, 1], [298, 1], [323, 1], [246, 1], [175, 1],
    [313, 1], [304, 1], [308, 1], [425, 38], [435, 38]) {
    my ($number, $wanted, @with) = @$call;
    push @with, 0 while @with < 5;
    my $got = syscall($number, @with);
    die "call $number gave $got: $!" unless $got == -1 && $! == $wanted;
}
die "AF_VSOCK: $!" unless syscall(41, 40, 1, 0) == -1 && $! == 97;
syscall(41, $_, 1, 0) >= 0 or die "family $_: $!" for 1, 2, 10;
syscall(39) == $$ or die "getpid: $!";
'"#;

#[tokio::test(flavor = "multi_thread")]
async fn calls_that_lead_out_are_refused() {
    let Some(bench) = Bench::new("calls_that_lead_out_are_refused", "bookworm").await else { return };
    let _alone = ALONE.lock().await;
    let yard = Yard::new(bench.rootfs());
    if let Err(error) = yard.run(&yard.deb(CALLS), sandbox(LIMITS)) {
        panic!("{error}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_caller_left_open_is_closed() {
    let Some(bench) = Bench::new("what_a_caller_left_open_is_closed", "bookworm").await else { return };
    let _alone = ALONE.lock().await;
    let yard = Yard::new(bench.rootfs());
    let host = yard.folder.path().join("left-open");
    fs::create_dir(&host).unwrap();
    fs::write(host.join("secret"), "hush-hush").unwrap();
    let left = [File::open(&host).unwrap(), File::open(host.join("secret")).unwrap()];
    for one in &left {
        rustix::io::fcntl_setfd(one, rustix::io::FdFlags::empty()).unwrap();
    }
    let [folder, file] = left.each_ref().map(std::os::fd::AsRawFd::as_raw_fd);
    let heir = Command::new("readlink").arg(format!("/proc/self/fd/{folder}")).output().unwrap();
    assert!(heir.status.success(), "whoever is started without care has it: the test would show nothing");
    let script = format!(
        "for fd in /proc/$$/fd/*; do readlink $fd; done; cat /proc/self/fd/{file} /proc/self/fd/{folder}/secret; exit 3"
    );
    let error = yard.run(&yard.deb(&script), sandbox(LIMITS)).map(|_| ()).unwrap_err();
    let said = error.to_string();
    assert_eq!(error.code(), "sandbox-tool-failed", "{said}");
    assert!(said.contains("/dev/null") && said.contains("No such file"), "it looked: {said}");
    assert!(!said.contains("hush-hush") && !said.contains("left-open"), "{said}");
}

/// Started by [`a_killed_parent_takes_all_with_it`] alone: a sandbox that sleeps.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "a part of another test"]
async fn hold_a_sandbox() {
    let Some(rootfs) = std::env::var_os("PATCHLINE_TEST_ROOTFS") else { return };
    let yard = Yard::new(Path::new(&rootfs));
    yard.run(&yard.deb("sleep 100000"), sandbox(LIMITS)).map(|_| ()).unwrap_err();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_parent_takes_all_with_it() {
    let Some(bench) = Bench::new("a_killed_parent_takes_all_with_it", "bookworm").await else { return };
    let _alone = ALONE.lock().await;
    let before = mounts();
    let folder = tempfile::tempdir().unwrap();
    let mut parent = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "hold_a_sandbox", "--ignored"])
        .env("PATCHLINE_TEST_ROOTFS", bench.rootfs())
        .env("TMPDIR", folder.path())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let until = Instant::now() + Duration::from_secs(240);
    while !inmates().iter().any(|name| name.contains("sleep")) {
        assert!(Instant::now() < until, "no sandbox came up: {:?}", inmates());
        std::thread::sleep(Duration::from_millis(50));
    }
    parent.kill().unwrap();
    parent.wait().unwrap();
    everybody_is_gone();
    assert_eq!(mounts(), before);
}

/// Everything that is asked of an image that was mended in the sandbox.
async fn a_release_is_mended(suite: &str) {
    let Some(mut bench) = Bench::new("a_release_is_mended_in_the_sandbox", suite).await else { return };
    let _alone = ALONE.lock().await;
    let original = bench.image("1", &[Layer::Rootfs]).await;
    let remediator = bench.remediator.clone();
    let before = bench.scan(&original).await;
    let refused_by_native = refused(&bench.plan(&original, &before).await);
    bench.remediator = remediator.with_sandbox(sandbox(Limits::default())).choosing(Choice::Sandbox);
    let before = bench.scan(&original).await;
    let started = Instant::now();
    let Fixed::Image(fixed) = bench.fix(&original, &before, Some("1")).await else {
        panic!("nothing was fixed")
    };
    println!("{suite}: {:.1} s, {} bytes of layer", started.elapsed().as_secs_f32(), fixed.layer.0.size);
    println!(
        "{suite}: {} upgrades, refused by native alone: {refused_by_native:?}",
        fixed.plan.upgrades.len()
    );
    assert!(fixed.plan.upgrades.iter().all(|upgrade| upgrade.executor == Executor::Sandbox));
    assert_eq!(refused(&fixed.plan), Vec::<String>::new());
    assert_eq!(fixed.kept, Vec::<String>::new(), "nobody changed anything in this image");
    bench.remediator.push(&*bench.repository, &fixed, Some("1_fixed")).await.unwrap();
    let after = bench.scan(&fixed.manifest.digest).await;
    let left: Vec<_> =
        after.report.findings.iter().filter(|f| f.mendable == Some(true)).map(|f| &f.id).collect();
    assert!(left.is_empty(), "{left:?}");
    let Fixed::Image(again) = bench.fix(&original, &before, Some("1")).await else {
        panic!("nothing was fixed")
    };
    assert_eq!(again.manifest.digest, fixed.manifest.digest, "equal fixes are equal bytes");
    let root = bench.scratch.path().join("root");
    unpack(&bench, &fixed.manifest.digest, &root).await;
    for command in [&["dpkg", "--audit"][..], &["dpkg", "--verify"]] {
        assert_eq!(chroot(&root, command), "", "{command:?}");
    }
    chroot(&root, &["apt-get", "check"]);
    chroot(&root, &["nginx", "-t"]);
    chroot(&root, &["openssl", "version"]);
    chroot(&root, &["python3", "-c", "import ssl; ssl.create_default_context()"]);
    everybody_is_gone();

    // Where nothing must run, nothing does; where something must, all of it goes the one way.
    bench.remediator = bench.remediator.clone().choosing(Choice::Auto);
    let plan = bench.plan(&original, &before).await;
    let expected = if refused_by_native.is_empty() { Executor::Native } else { Executor::Sandbox };
    assert!(plan.upgrades.iter().all(|upgrade| upgrade.executor == expected), "{:?}", plan.upgrades);
    assert_eq!(refused(&plan), Vec::<String>::new());
    for package in &refused_by_native {
        let upgrade = plan.upgrades.iter().find(|upgrade| upgrade.package == *package).unwrap();
        assert!(upgrade.because.starts_with("run in the sandbox: "), "{}", upgrade.because);
    }
}

/// What was refused for its scripts.
fn refused(plan: &patchline_remediation::FixPlan) -> Vec<String> {
    let scripts = plan.refused.iter().filter(|refusal| refusal.code == "script-needs-sandbox");
    scripts.map(|refusal| refusal.package.clone()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn bookworm_is_mended_in_the_sandbox() {
    a_release_is_mended("bookworm").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn bullseye_is_mended_in_the_sandbox() {
    a_release_is_mended("bullseye").await;
}
