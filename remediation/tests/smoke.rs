//! Smoke commands with the real thing: an outdated image whose fixed self must show what it can before it is given out.
//! Needs root, mmdebstrap and a mirror; else it skips, loudly.

#![expect(clippy::disallowed_methods, reason = "how long a test waits for others to end")]
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a test: it may fail, and says what it saw")]

#[allow(dead_code, reason = "each suite uses its part")]
mod support;

use std::{
    fs::File,
    net::TcpListener,
    path::Path,
    time::{Duration, Instant},
};

use patchline_remediation::{
    Choice, Error, Executor, Fixed, Smoke,
    executor::sandbox::{Limits, tried},
};
use serde_json::{Value, json};
use support::{
    Bench, Layer,
    sandboxes::{ALONE, everybody_is_gone, mounts, sandbox},
};

const LIMITS: Limits = Limits { seconds: 60, memory: 256 << 20, processes: 64, disk: 1 << 30 };

fn smoke(commands: &[&str], seconds: u64) -> Option<Smoke> {
    let commands = commands.iter().map(|text| text.parse().unwrap()).collect();
    Smoke::new(commands, Duration::from_secs(seconds)).unwrap()
}

fn words(command: &str) -> Vec<String> {
    let all: Vec<&str> = command.split('|').collect();
    all.into_iter().map(str::to_owned).collect()
}

/// The commands over the suite's own root file system.
fn attempt(rootfs: &Path, config: Value, commands: &[&str], limits: Limits) -> Result<(), Error> {
    let commands: Vec<Vec<String>> = commands.iter().map(|command| words(command)).collect();
    let time = Duration::from_secs(limits.seconds);
    let config = json!({"architecture": "amd64", "os": "linux", "config": config});
    tried::run(&sandbox(limits), &config, &commands, time, &mut [File::open(rootfs).unwrap()])
}

/// Who it is, where, with what; its own names and ports; and a service that one command starts and the next one asks.
#[tokio::test(flavor = "multi_thread")]
async fn commands_run_as_a_container_would_run_them() {
    let Some(bench) = Bench::new("commands_run_as_a_container_would_run_them", "bookworm").await else {
        return;
    };
    let _alone = ALONE.lock().await;
    let before = mounts();
    let run = |config: Value, commands: &[&str]| {
        if let Err(error) = attempt(bench.rootfs(), config, commands, LIMITS) {
            panic!("{commands:?}: {error}");
        }
        everybody_is_gone();
    };
    let who = "sh|-ec|test \"$(id -un) $(id -gn) $(pwd) $HOME $GREETING\" = \"www-data www-data /srv/app /var/www good day\"";
    let config = json!({"User": "www-data", "WorkingDir": "/srv/app", "Env": ["GREETING=good day", "PATH=/usr/bin:/bin"]});
    run(
        config,
        &[
            who,
            "sh|-ec|test $PATH = /usr/bin:/bin; touch here; ! touch /etc/there 2>/dev/null; ! test -e /usr/sbin/policy-rc.d",
            "perl|-MIO::Socket::INET|-e|IO::Socket::INET->new(Listen => 1, LocalAddr => \"127.0.0.1:80\") or die $!",
            // Nobody gets a right back, by no program that would give one.
            "sh|-ec|! su root -c true 2>/dev/null; grep -q '^CapEff:.0*$' /proc/self/status; ! chroot / true 2>/dev/null",
        ],
    );
    run(
        json!({"User": "1234:7"}),
        &["sh|-ec|test \"$(id -u) $(id -g) $(id -G) $HOME $(pwd)\" = '1234 7 7 / /'"],
    );
    run(
        json!({}),
        &[
            "nginx|-t",
            "nginx",
            "curl|-sf|-o|/dev/null|http://localhost/",
            "sh|-ec|test $(id -u) = 0; grep -q localhost /etc/hosts",
        ],
    );
    assert_eq!(mounts(), before);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_fails_is_told_and_leaves_nothing() {
    let Some(bench) = Bench::new("what_fails_is_told_and_leaves_nothing", "bookworm").await else { return };
    let _alone = ALONE.lock().await;
    let before = mounts();
    let host = TcpListener::bind("127.0.0.1:0").unwrap();
    host.set_nonblocking(true).unwrap();
    let port = host.local_addr().unwrap().port();
    let out = format!("curl|-s|-m|5|http://127.0.0.1:{port}/");
    let short = Limits { seconds: 2, ..LIMITS };
    let root = json!({});
    let token = json!({"Env": ["API_TOKEN=sesame-open"]});
    let cases: &[(&str, &Value, Limits, &str)] = &[
        ("false", &root, LIMITS, "ended with 1"),
        (
            "sh|-c|echo what went wrong >&2; exit 3",
            &root,
            LIMITS,
            "ended with 3: `sh -c echo what went wrong",
        ),
        ("sh|-c|kill -SEGV $$", &root, LIMITS, "ended by signal 11"),
        ("no-such-program|-t", &root, LIMITS, "`no-such-program -t` cannot be started: No such file"),
        ("/etc/passwd", &root, LIMITS, "cannot be started: Permission denied"),
        ("sleep|1000", &root, short, "not done in its time: 2 s"),
        ("sh|-c|cat /dev/zero > /var/lib/fill", &root, LIMITS, "filled its disk"),
        ("perl|-e|$x .= \"x\" x (1 << 20) for 1..300; sleep 50", &root, LIMITS, "too much memory"),
        ("sh|-c|while :; do sleep 50 & done", &root, LIMITS, "too many processes"),
        ("true", &json!({"User": "nobody-knows"}), LIMITS, "no user `nobody-knows`"),
        ("sh|-c|env; printf '\\033[31mred\\007'; exit 1", &token, LIMITS, "API_TOKEN=***"),
        ("perl|-e|print \"what went wrong\\n\" x 600_000; exit 9", &root, LIMITS, "ended with 9"),
        (&out, &root, LIMITS, "ended with 7"),
        ("mount|-t|tmpfs|x|/mnt", &root, LIMITS, "ended with"),
    ];
    for (command, config, limits, expected) in cases {
        let started = Instant::now();
        let error =
            attempt(bench.rootfs(), (*config).clone(), &["true", command, "true"], *limits).unwrap_err();
        let said = error.to_string();
        let shown: String = said.chars().take(300).collect();
        println!("{command}: {:.1} s: {}: {shown}", started.elapsed().as_secs_f32(), error.code());
        assert_eq!(error.code(), "smoke-failed", "{command}: {shown}");
        assert!(said.contains(expected), "{command}: {shown}");
        assert!(said.len() < 6 << 10, "{command}: {} bytes of words", said.len());
        assert!(!said.contains("sesame") && !said.contains(['\u{1b}', '\u{7}']), "{command}: {said}");
        everybody_is_gone();
        assert_eq!(mounts(), before, "{command}");
    }
    assert!(host.accept().is_err(), "somebody came out");
}

/// The fixed image, not the original, whoever laid the upgrades; and its bytes are the same with and without.
#[tokio::test(flavor = "multi_thread")]
async fn a_fixed_image_shows_what_it_can() {
    let Some(mut bench) = Bench::new("a_fixed_image_shows_what_it_can", "bookworm").await else { return };
    let _alone = ALONE.lock().await;
    let config = json!({"User": "www-data", "WorkingDir": "/srv"});
    let original = bench.image_of("1", &[Layer::Rootfs], "amd64", config).await;
    let before = bench.scan(&original).await;
    let plan = bench.plan(&original, &before).await;
    let openssl = plan.upgrades.iter().find(|upgrade| upgrade.package == "openssl").unwrap();
    let asks = format!("sh -c 'test \"$(dpkg-query -W -f \\${{Version}} openssl)\" = {}'", openssl.to);
    let Fixed::Image(without) = bench.fix(&original, &before, None).await else {
        panic!("nothing was fixed")
    };
    assert!(without.plan.smoked.is_empty());
    let remediator = bench.remediator.clone().with_sandbox(sandbox(Limits::default()));
    for (choice, executor) in [(Choice::Native, Executor::Native), (Choice::Sandbox, Executor::Sandbox)] {
        let smoke = smoke(&[&asks, "openssl version"], 60);
        bench.remediator = remediator.clone().choosing(choice).smoking(smoke);
        let before = bench.scan(&original).await;
        let fixed = match bench.try_fix(&original, &before).await {
            Ok(Fixed::Image(fixed)) => fixed,
            Ok(Fixed::Unchanged(_)) => panic!("nothing was fixed"),
            Err(error) => panic!("{choice:?}: {error}"),
        };
        assert!(fixed.plan.upgrades.iter().all(|upgrade| upgrade.executor == executor));
        let told: Vec<_> = fixed
            .plan
            .smoked
            .iter()
            .map(|one| (one.platform.as_str(), one.command.len(), &one.skipped))
            .collect();
        assert_eq!(told, [("linux/amd64", 3, &None), ("linux/amd64", 2, &None)]);
        if choice == Choice::Native {
            assert_eq!(fixed.manifest.digest, without.manifest.digest, "what was asked of it is not in it");
        }
        everybody_is_gone();
    }

    // The same question of the original fails: so it is the fixed image that was asked. Nothing was pushed.
    let error = attempt(
        bench.rootfs(),
        json!({}),
        &[&format!("dpkg|--compare-versions|{}|lt|0", openssl.to)],
        LIMITS,
    );
    assert_eq!(error.unwrap_err().code(), "smoke-failed");
    bench.remediator = remediator.clone().smoking(smoke(&["sh -c 'echo it does not work; exit 3'"], 60));
    let error = bench.try_fix(&original, &before).await.err().unwrap();
    assert_eq!(error.code(), "smoke-failed", "{error}");
    assert!(error.to_string().ends_with("said:\nit does not work"), "{error}");
    assert!(
        bench.repository.resolve(without.manifest.digest.as_str()).await.unwrap().is_none(),
        "nothing is pushed"
    );
    everybody_is_gone();
}

/// Found out before anything is done: not once the image is mended, and never passed over.
#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_run_here_is_refused_first() {
    let Some(mut bench) = Bench::new("what_cannot_be_run_here_is_refused_first", "bookworm").await else {
        return;
    };
    let original = bench.image("1", &[Layer::Rootfs]).await;
    let before = bench.scan(&original).await;
    let remediator = bench.remediator.clone();
    let refused = async |bench: &Bench, why: &str| {
        let error = bench.try_fix(&original, &before).await.err().unwrap();
        assert_eq!(error.code(), "smoke-unavailable", "{error}");
        assert!(error.to_string().contains(why), "{error}");
    };
    bench.remediator = remediator.clone().smoking(smoke(&["true"], 60));
    refused(&bench, "no sandbox is configured").await;
    let none = patchline_remediation::Sandbox::new("/bin/false".into(), &[]);
    bench.remediator = remediator.clone().with_sandbox(none).smoking(smoke(&["true"], 60));
    refused(&bench, "ended without a word").await;
    let tight = Limits { disk: 64 << 20, ..LIMITS };
    bench.remediator = remediator.clone().with_sandbox(sandbox(tight)).smoking(smoke(&["true"], 60));
    refused(&bench, "no room on a disk").await;

    let foreign = bench.image_of("far", &[Layer::Rootfs], "arm64", json!({})).await;
    let scan = bench.scan(&foreign).await;
    bench.remediator = remediator.with_sandbox(sandbox(LIMITS)).smoking(smoke(&["true"], 60));
    let error = bench.try_fix(&foreign, &scan).await.err().unwrap();
    assert_eq!(error.code(), "smoke-unavailable", "{error}");
    assert!(error.to_string().contains("programs of arm64 do not run on"), "{error}");
    let both = [foreign.clone(), original.clone()];
    assert!(bench.remediator.may_smoke_any(&*bench.repository, &both).await.is_ok());
    let none = bench.remediator.may_smoke_any(&*bench.repository, &both[..1]).await.unwrap_err();
    assert_eq!(none.code(), "smoke-unavailable", "{none}");
    // As one platform of several it is mended, and its plan says what nobody has tried.
    bench.remediator = bench.remediator.clone().smoking(smoke(&["true"], 60).map(Smoke::unless_foreign));
    let Fixed::Image(fixed) = bench.try_fix(&foreign, &scan).await.unwrap() else {
        panic!("nothing was fixed")
    };
    let [smoked] = &fixed.plan.smoked[..] else { panic!("{:?}", fixed.plan.smoked) };
    assert_eq!(smoked.platform, "linux/arm64");
    assert!(smoked.skipped.as_ref().is_some_and(|why| why.contains("do not run on")), "{smoked:?}");
}
