//! With the feature `otel`: a run on which two processes worked is one trace at the collector, and its spans hang together.

#![expect(clippy::unwrap_used, reason = "a test may fail")]

mod collector;

use std::{
    path::Path,
    process::Command,
    sync::{Arc, Mutex},
    time::Duration,
};

use axum::http::{HeaderMap, Uri};
use collector::{Collector, Span};
use patchline_engine::{RunId, trace::TraceId};
use patchline_tests::{
    image::{self, Layout},
    machine,
    server::{Options, Server},
};

const CHAIN: &str = r#"
version: 1
chain: ship
scope: {repositories: ["shop/**"]}
on: {push: {}}
steps:
  first: {uses: trigger, with: {target: quick}}
  second: {uses: trigger, needs: [first], with: {target: slow}}
"#;

const CONFIG: &str = "targets:\n  quick: {url: {env: QUICK}, allow-private: true}\n  slow: {url: {env: SLOW}, allow-private: true}\n";

const TOKEN: &str = "opensesame-of-the-collector";

/// Path and `traceparent` of each call.
type Calls = Arc<Mutex<Vec<(String, String)>>>;

/// What the targets reach: `/slow` does not answer the first time.
fn receiver() -> (String, Calls) {
    let calls: Calls = Arc::default();
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    listener.set_nonblocking(true).unwrap();
    let keep = calls.clone();
    let take = move |uri: Uri, headers: HeaderMap| async move {
        let traceparent = headers["traceparent"].to_str().unwrap().to_owned();
        let first = {
            let mut calls = keep.lock().unwrap();
            calls.push((uri.path().to_owned(), traceparent));
            calls.iter().filter(|(path, _)| path == uri.path()).count() == 1
        };
        if first && uri.path() == "/slow" {
            std::future::pending::<()>().await;
        }
    };
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async move {
            let router = axum::Router::new().fallback(take);
            axum::serve(tokio::net::TcpListener::from_std(listener).unwrap(), router).await.unwrap();
        });
    });
    (url, calls)
}

fn push(folder: &Path, server: &Server) {
    let layout = Layout::create(&folder.join("image"));
    layout.image("v1", &[image::tar(&[("etc/os-release", Some(b"ID=other\n"), 0o644)])]);
    machine::run(
        Command::new(machine::patchline())
            .args(["image", "copy", &format!("oci:{}:v1", layout.dir.display())])
            .arg(format!("{}/shop/web:v1", server.registry))
            .arg("--data")
            .arg(folder.join("cli")),
    );
}

fn until(what: &str, so: impl Fn() -> bool) {
    for _ in 0..600 {
        if so() {
            return;
        }
        std::thread::sleep(Duration::from_millis(100));
    }
    panic!("it never became so: {what}");
}

#[test]
fn a_run_of_two_processes_is_one_trace() {
    let folder = tempfile::tempdir().unwrap();
    let (collector, (url, calls)) = (Collector::start(), receiver());
    let mut options = Options::new(folder.path(), CHAIN, CONFIG);
    for (name, value) in [
        ("QUICK", format!("{url}/quick")),
        ("SLOW", format!("{url}/slow")),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", collector.url.clone()),
        ("OTEL_EXPORTER_OTLP_HEADERS", format!("authorization=Bearer%20{TOKEN}")),
        ("OTEL_BSP_SCHEDULE_DELAY", "100".to_owned()),
    ] {
        options.env.push((name.into(), value));
    }
    let one = Server::start(&options);
    let first_pid = u64::from(one.pid());
    push(folder.path(), &one);
    until("the second step calls, and the first is told", || {
        calls.lock().unwrap().iter().any(|(path, _)| path == "/slow")
            && collector.spans().iter().any(|span| span.name == "first")
    });
    one.kill();
    let two = Server::start(&options);
    let run = two.finished(1, Duration::from_secs(60)).remove(0);
    assert_eq!(run["result"], "passed", "{run:#}");
    until("the run is told", || collector.spans().iter().any(|span| span.name == "run ship"));

    let spans = collector.spans();
    let id = RunId(run["id"].as_str().unwrap().to_owned());
    let trace = TraceId::of(&id).to_string();
    let named = |name: &str| -> Vec<&Span> { spans.iter().filter(|span| span.name == name).collect() };
    let (first, second, whole) = (named("first"), named("second"), named("run ship"));
    assert_eq!((first.len(), second.len(), whole.len(), spans.len()), (1, 2, 1, 4), "{spans:#?}");
    for span in &spans {
        assert_eq!(
            (span.trace.as_str(), span.attributes["run.id"].as_str()),
            (trace.as_str(), id.0.as_str())
        );
        assert_eq!((span.service.as_str(), span.attributes["chain"].as_str()), ("patchline", "ship"));
        assert!(span.start > 1_600_000_000_000_000_000 && span.end >= span.start, "{span:#?}");
    }
    let root = whole[0];
    assert_eq!((root.parent.as_str(), root.attributes["outcome"].as_str()), ("", "passed"));
    for step in first.iter().chain(&second) {
        assert_eq!(step.parent, root.id);
        assert_eq!(step.attributes["step.kind"], "trigger");
    }
    let outcomes: Vec<&str> = second.iter().map(|span| span.attributes["outcome"].as_str()).collect();
    assert_eq!(outcomes, ["returned", "succeeded"], "the cut-off attempt is told by who took over");
    assert!(first[0].pid == first_pid && second.iter().chain(&whole).all(|span| span.pid != first_pid));
    // Every call named the span that made it, also the one whose process was killed.
    let called: Vec<(String, String)> = calls.lock().unwrap().clone();
    let expected = [("/quick", first[0]), ("/slow", second[0]), ("/slow", second[1])];
    let expected = expected.map(|(path, span)| (path.to_owned(), format!("00-{trace}-{}-01", span.id)));
    assert_eq!(called, expected);
    for headers in collector.headers() {
        assert_eq!(headers["authorization"], format!("Bearer {TOKEN}"));
        assert_eq!(headers["content-type"], "application/x-protobuf");
    }
}

#[test]
fn a_collector_that_is_gone_stops_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let (url, _) = receiver();
    let chain = CHAIN.split_once("  second").unwrap().0;
    let mut options = Options::new(folder.path(), chain, CONFIG);
    options.env.push(("QUICK".into(), format!("{url}/quick")));
    options.env.push(("SLOW".into(), format!("{url}/slow")));
    // Discard: nobody listens there.
    options.env.push(("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT".into(), "http://127.0.0.1:9/v1/traces".into()));
    let server = Server::start(&options);
    push(folder.path(), &server);
    assert_eq!(server.finished(1, Duration::from_secs(60))[0]["result"], "passed");
}
