//! A server as those see it who watch it: `/metrics` in Prometheus' format, and logs as JSON.

use std::{
    collections::BTreeMap,
    io::{BufRead as _, BufReader},
    path::Path,
    process::{Command, Stdio},
    time::Duration,
};

use patchline_engine::metrics::{ALL, Kind};
use patchline_tests::{
    image::{self, Layout},
    machine,
    server::{Options, Server},
    sink::Sink,
};
use serde_json::Value;

const CHAIN: &str = r#"
version: 1
chain: ship
scope: {repositories: ["shop/**"]}
on: {push: {}}
steps:
  tell: {uses: trigger, with: {target: there}}
  lost:
    uses: trigger
    with: {target: nowhere}
    retry: {attempts: 2, backoff: 1s}
"#;

/// Nobody listens at the second address.
const CONFIG: &str = "targets:\n  there: {url: {env: THERE}, allow-private: true}\n  nowhere: {url: {env: NOWHERE}, allow-private: true}\n";

const SECRET: &str = "opensesame-of-the-test";

fn options(folder: &Path, sink: &Sink) -> Options {
    let mut options = Options::new(folder, CHAIN, CONFIG);
    options.env.push(("THERE".into(), format!("{}/there?key={SECRET}", sink.url)));
    options.env.push(("NOWHERE".into(), format!("http://127.0.0.1:9/{SECRET}")));
    options
}

fn push(folder: &Path, registry: &str) {
    let layout = Layout::create(&folder.join("image"));
    layout.image("v1", &[image::tar(&[("etc/os-release", Some(b"ID=other\n"), 0o644)])]);
    machine::run(
        Command::new(machine::patchline())
            .args(["image", "copy", &format!("oci:{}:v1", layout.dir.display())])
            .arg(format!("{registry}/shop/web:v1"))
            .arg("--data")
            .arg(folder.join("cli")),
    );
}

/// Series and their values.
fn samples(text: &str) -> BTreeMap<&str, f64> {
    let lines = text.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
    lines
        .map(|line| {
            let (series, value) = line.rsplit_once(' ').unwrap_or_else(|| panic!("no sample: {line}"));
            (series, value.parse().unwrap_or_else(|_| panic!("no number: {line}")))
        })
        .collect()
}

#[test]
fn a_server_is_measured() {
    let folder = tempfile::tempdir().unwrap();
    let sink = Sink::start();
    let server = Server::start(&options(folder.path(), &sink));
    push(folder.path(), &server.registry);
    let run = server.finished(1, Duration::from_secs(60)).remove(0);
    assert_eq!(run["result"], "failed", "{run:#}");

    let client = reqwest::blocking::Client::new();
    let answer = client.get(format!("{}/metrics", server.url)).send().unwrap();
    assert_eq!(answer.headers()["content-type"], "text/plain; version=0.0.4; charset=utf-8");
    let text = answer.text().unwrap();
    println!("{text}");
    for metric in ALL {
        let (word, series) = match metric.kind {
            Kind::Counter => ("counter", metric.name.to_owned()),
            Kind::Gauge => ("gauge", metric.name.to_owned()),
            Kind::Histogram(_) => ("histogram", format!("{}_bucket", metric.name)),
        };
        assert!(text.contains(&format!("# TYPE {} {word}\n", metric.name)), "{}", metric.name);
        assert!(text.contains(&format!("# HELP {} {}\n", metric.name, metric.help)), "{}", metric.name);
        // Its labels are those that are documented.
        let line = text.lines().find(|line| line.starts_with(&series)).unwrap();
        let given = line.split_once('{').map_or("", |(_, rest)| rest.split_once('}').unwrap().0);
        let mut given: Vec<&str> =
            given.split(',').filter_map(|pair| Some(pair.split_once('=')?.0)).collect();
        given.retain(|label| *label != "le");
        given.sort_unstable();
        let mut expected = metric.labels.to_vec();
        expected.sort_unstable();
        assert_eq!(given, expected, "{line}");
    }
    let samples = samples(&text);
    let value = |series: &str| *samples.get(series).unwrap_or_else(|| panic!("no {series}:\n{text}"));
    assert_eq!(value(r#"patchline_runs_total{result="failed"}"#), 1.0);
    assert_eq!(value(r#"patchline_runs_total{result="passed"}"#), 0.0);
    assert_eq!(value(r#"patchline_retries_total{kind="trigger",class="transient"}"#), 1.0);
    assert_eq!(value(r#"patchline_step_duration_seconds_count{kind="trigger",outcome="succeeded"}"#), 1.0);
    assert_eq!(value(r#"patchline_step_duration_seconds_count{kind="trigger",outcome="retried"}"#), 1.0);
    assert_eq!(value(r#"patchline_step_duration_seconds_count{kind="trigger",outcome="failed"}"#), 1.0);
    assert_eq!(value(r#"patchline_queue_steps{kind="trigger",class="push"}"#), 0.0);
    assert_eq!(value("patchline_leases_held"), 0.0);
    assert_eq!(value("patchline_backlog_failed"), 0.0);
    assert!(value("patchline_transaction_duration_seconds_count") >= 3.0);
    assert!(!text.contains(SECRET));
    // Another site's page does not read it.
    let foreign =
        client.get(format!("{}/metrics", server.url)).header("host", "evil.example").send().unwrap();
    assert_eq!(foreign.status(), 421);
}

#[test]
fn every_line_of_a_json_log_is_json_and_steps_lines_say_which() {
    let folder = tempfile::tempdir().unwrap();
    let sink = Sink::start();
    let options = options(folder.path(), &sink);
    let mut child = Command::new(machine::patchline())
        .args([
            "serve",
            "--listen",
            "127.0.0.1:0",
            "--registry-listen",
            "127.0.0.1:0",
            "--log-format",
            "json",
        ])
        .arg("--data")
        .arg(&options.data)
        .arg("--config")
        .arg(&options.config)
        .arg("--chain")
        .arg(&options.chains[0])
        .envs(options.env.iter().cloned())
        // This build sends no spans, and says so.
        .env("OTEL_EXPORTER_OTLP_ENDPOINT", format!("http://user:{SECRET}@127.0.0.1:9"))
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines: Vec<Value> = Vec::new();
    let mut pushed = false;
    for line in BufReader::new(child.stderr.take().unwrap()).lines() {
        let line = line.unwrap();
        println!("{line}");
        assert!(!line.contains(SECRET), "{line}");
        let line: Value = serde_json::from_str(&line).unwrap();
        let message = line["message"].as_str().unwrap().to_owned();
        lines.push(line);
        if let Some(registry) = message.strip_prefix("registry ").filter(|_| !pushed) {
            push(folder.path(), registry.trim());
            pushed = true;
        }
        if message == "the run ended" {
            machine::run(Command::new("kill").arg("-TERM").arg(child.id().to_string()));
        }
    }
    assert!(child.wait().unwrap().success());
    let ended = lines.iter().find(|line| line["message"] == "the run ended").unwrap();
    assert_eq!(
        (&ended["level"], &ended["result"], &ended["chain"]),
        (&"INFO".into(), &"failed".into(), &"ship".into())
    );
    let failed: Vec<&Value> =
        lines.iter().filter(|line| line["error.code"] == "target-unreachable").collect();
    assert_eq!(failed.len(), 2, "{lines:#?}");
    for (line, attempt) in failed.iter().zip([1, 2]) {
        assert_eq!((&line["run.id"], &line["trace_id"]), (&ended["run.id"], &ended["trace_id"]));
        assert_eq!((&line["step.name"], &line["chain"]), (&"lost".into(), &"ship".into()));
        assert_eq!((&line["step.attempt"], &line["level"]), (&attempt.into(), &"WARN".into()));
    }
    let told = |line: &Value| {
        line["message"].as_str().is_some_and(|m| m.starts_with("OTEL_EXPORTER_OTLP_ENDPOINT is set"))
    };
    assert!(lines.iter().any(told), "{lines:#?}");
}
