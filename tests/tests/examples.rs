//! Every chain of `examples/chains` on one server, over images that dpkg itself installed: each ends as it says.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use patchline_tests::{
    distribution::{DockerRegistry, free_port},
    fits,
    image::{self, Layout},
    machine,
    server::{Options, Server},
    sink::Sink,
};
use serde_json::{Value, json};

const LIMIT: Duration = Duration::from_secs(420);

fn examples() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/chains")
}

/// The program with a data folder of its own, so that no server's is touched.
fn patchline(folder: &Path, arguments: &[&str]) -> Value {
    let mut command = Command::new(machine::patchline());
    command.arg("--output").arg("json").arg("--data").arg(folder.join("cli")).args(arguments);
    let output = machine::run(&mut command);
    serde_json::from_slice(&output.stdout).unwrap_or(Value::Null)
}

/// One finding that the security suite has fixed: (source package, fixed version).
fn fixed(folder: &Path, layout: &Layout) -> (String, String) {
    let reference = format!("oci:{}:v1", layout.dir.display());
    let report = patchline(folder, &["scan", &reference]);
    let findings = report["findings"].as_array().unwrap_or_else(|| panic!("{report:#}"));
    let text = |finding: &Value, key: &str| finding[key].as_str().unwrap_or_default().to_owned();
    let found = findings.iter().find(|f| f["fixed"].is_string() && f["source"] == "openssl");
    let found = found.or_else(|| findings.iter().find(|f| f["fixed"].is_string()));
    let found = found.unwrap_or_else(|| panic!("nothing is fixed: {report:#}"));
    (text(found, "source"), text(found, "fixed"))
}

/// A folder of one OSV record of ours: critical, and fixed where the distribution has fixed it.
fn advisories(folder: &Path, (source, fixed): &(String, String)) -> PathBuf {
    let into = folder.join("osv");
    fs::create_dir_all(&into).unwrap();
    let record = json!({
        "id": "DEBIAN-CVE-2024-99999", "upstream": ["CVE-2024-99999"],
        "published": "2024-01-01T00:00:00Z", "modified": "2024-01-02T00:00:00Z",
        "database_specific": {"severity": "critical"},
        "affected": [{
            "package": {"ecosystem": "Debian:12", "name": source},
            "ranges": [{"type": "ECOSYSTEM", "events": [{"introduced": "0"}, {"fixed": fixed}]}],
        }],
    });
    fs::write(into.join("DEBIAN-CVE-2024-99999.json"), record.to_string()).unwrap();
    into
}

/// A server with every example, its channels, its targets and the registry to promote to.
fn serve(folder: &Path, sink: &Sink, release: &DockerRegistry) -> Server {
    let config = format!(
        "registries:\n  release: {{host: '{}', plain-http: true}}\n\
         channels:\n  ops-dingtalk: {{type: dingtalk, url: {{env: ROBOT}}, secret: {{env: ROBOT_SECRET}}, allow-private: true}}\n  \
         ci-webhook: {{type: webhook, url: {{env: HOOK}}, secret: {{env: HOOK_SECRET}}, allow-private: true}}\n\
         targets:\n  roll-out: {{url: {{env: DEPLOY}}, allow-private: true}}\n  \
         acr-trigger: {{url: {{env: ACR}}, allow-private: true}}\n\
         exceptions:\n  shop:\n    - {{id: CVE-2024-00000, reason: not reachable, owner: security desk, expires: '2099-01-01'}}\n",
        release.address
    );
    let mut options = Options::new(folder, "", &config);
    options.chains = vec![examples()];
    let secret = "whsec_c2VjcmV0IG9mIHRoZSBleGFtcGxlcywgbG9uZw==";
    for (name, value) in [
        ("ROBOT", format!("{}/robot?access_token=a-token", sink.url)),
        ("ROBOT_SECRET", "SEC-of-the-robot".to_owned()),
        ("HOOK", format!("{}/hook", sink.url)),
        ("HOOK_SECRET", secret.to_owned()),
        ("DEPLOY", format!("{}/deploy", sink.url)),
        ("ACR", format!("{}/acr", sink.url)),
    ] {
        options.env.push((name.into(), value));
    }
    Server::start(&options)
}

/// Images under names of a layout, pushed where the examples look.
struct Shelf<'a> {
    folder: &'a Path,
    server: &'a Server,
}

impl Shelf<'_> {
    fn push(&self, layout: &Layout, name: &str, target: &str) {
        let source = format!("oci:{}:{name}", layout.dir.display());
        patchline(self.folder, &["image", "copy", &source, &format!("{}/{target}", self.server.registry)]);
    }
    fn copy(&self, source: &str, target: &str) {
        let at = |name: &str| format!("{}/{name}", self.server.registry);
        patchline(self.folder, &["image", "copy", &at(source), &at(target)]);
    }
    fn start(&self, chain: &str, image: &str) {
        self.server.post("/api/v1/runs", &json!({"chain": chain, "image": image}));
    }
}

/// The digest that a reference has in some registry; none: it is not there.
fn digest(registry: &str, repository: &str, reference: &str) -> Option<String> {
    let url = format!("http://{registry}/v2/{repository}/manifests/{reference}");
    let accept = "application/vnd.oci.image.manifest.v1+json, application/vnd.oci.image.index.v1+json";
    let client = reqwest::blocking::Client::new();
    let answer = client.head(url).header("accept", accept).send().unwrap();
    let found = answer.status().is_success().then(|| answer.headers()["docker-content-digest"].clone());
    found.map(|digest| digest.to_str().unwrap().to_owned())
}

/// What became of each (chain, `repository:tag`).
fn results(runs: &[Value]) -> BTreeMap<(String, String), &Value> {
    let image = |run: &Value| {
        let image = &run["submission"]["subject"]["context"];
        format!("{}:{}", image["repository"].as_str().unwrap(), image["tag"].as_str().unwrap())
    };
    runs.iter().map(|run| ((run["chain"].as_str().unwrap().to_owned(), image(run)), run)).collect()
}

/// `name: status` of every step.
fn steps(run: &Value) -> Vec<String> {
    let one = |s: &Value| format!("{}: {}", s["name"].as_str().unwrap(), s["status"].as_str().unwrap());
    run["steps"].as_array().unwrap().iter().map(one).collect()
}

/// An index of two platforms, both assembled from the main suite alone.
fn two_platforms(folder: &Path) -> Layout {
    let dir = folder.join("edge");
    for architecture in ["amd64", "arm64"] {
        let target = format!("oci:{}:{architecture}", dir.display());
        let arguments =
            ["image", "bootstrap", &target, "--architecture", architecture, "--include", "openssl,curl"];
        patchline(folder, &arguments);
    }
    let layout = Layout::open(&dir);
    layout.index("v1", &[("amd64", "amd64"), ("arm64", "arm64")]);
    layout
}

/// A licence that the example forbids, in the copyright file of a package that is there.
const AGPL: &str = "Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/\n\n\
                    Files: *\nCopyright: somebody\nLicense: AGPL-3.0-only\n";

#[test]
fn every_example_ends_as_it_says() {
    if !machine::needs(&["mmdebstrap", "docker-registry"]) || !machine::root() {
        return;
    }
    let Some(mirrors) = machine::mirrors() else { return };
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let base = fs::read(image::mmdebstrap(&mirrors.0)).unwrap();
    let app = image::tar(&[("srv/app", Some(b"#!/bin/sh\n"), 0o755)]);
    let copyright = image::tar(&[("usr/share/doc/curl/copyright", Some(AGPL.as_bytes()), 0o644)]);
    let layout = Layout::create(&folder.join("images"));
    let original = layout.image("v1", std::slice::from_ref(&base));
    layout.image_of("on-base", &[base.clone(), app.clone()], "1000");
    layout.image_of("off-base", &[app, base.clone()], "1000");
    layout.image("agpl", &[base, copyright]);
    let record = advisories(folder, &fixed(folder, &layout));
    machine::run(
        Command::new(machine::patchline())
            .args(["advisories", "update", "--from"])
            .arg(record)
            .arg("--data")
            .arg(folder.join("data")),
    );

    let sink = Sink::start();
    fs::create_dir_all(folder.join("release")).unwrap();
    let release = DockerRegistry::start(&folder.join("release"), free_port(), None);
    let server = serve(folder, &sink, &release);
    let shelf = Shelf { folder, server: &server };
    for target in [
        "demo/web:v1",
        "payments/web:release-1",
        "public/web:v1",
        "appliance/web:v1",
        "builds/web:rc-0",
        "web/site:v1",
    ] {
        shelf.push(&layout, "v1", target);
    }
    shelf.push(&layout, "v1", "shop/web:v1");
    shelf.push(&layout, "v1", "platform/base:bookworm");
    shelf.push(&layout, "on-base", "apps/web:v1");
    shelf.push(&layout, "off-base", "apps/odd:v1");
    shelf.push(&layout, "agpl", "appliance/curl:v1");
    shelf.push(&two_platforms(folder), "v1", "edge/web:v1");
    shelf.start("nightly", "embedded/shop/web:v1");
    shelf.start("advisory", "embedded/shop/web:v1");

    // What was mended in one place is what passes in another.
    wait(&server, "demo", "demo/web:v1");
    shelf.copy("demo/web:v1_fixed", "builds/web:rc-1");
    shelf.copy("demo/web:v1_fixed", "shop/web:v2");
    let asked = waiting(&server, "approval", "shop/web:v2");
    let decision = json!({"approve": true, "by": "release desk", "reason": "tested on staging"});
    server.post(&format!("/api/v1/runs/{asked}/steps/ask/decision"), &decision);

    let expected: [(&str, &str, &str); 16] = [
        ("acr-import", "web/site:v1", "passed"),
        ("advisory", "shop/web:v1", "remediated"),
        ("approval", "shop/web:v1", "denied"),
        ("approval", "shop/web:v2", "passed"),
        ("base-image", "apps/odd:v1", "denied"),
        ("base-image", "apps/web:v1", "passed"),
        ("demo", "demo/web:v1", "remediated"),
        ("fix-only-criticals", "payments/web:release-1", "remediated"),
        ("gate-only", "shop/web:v1", "denied"),
        ("licences", "appliance/curl:v1", "denied"),
        ("licences", "appliance/web:v1", "passed"),
        ("multi-arch", "edge/web:v1", "remediated"),
        ("nightly", "shop/web:v1", "denied"),
        ("promote", "builds/web:rc-0", "denied"),
        ("promote", "builds/web:rc-1", "passed"),
        ("quarantine", "public/web:v1", "remediated"),
    ];
    let runs = server.finished(expected.len(), LIMIT);
    let found = results(&runs);
    for (chain, image, result) in expected {
        let run = found.get(&(chain.to_owned(), image.to_owned()));
        let run = run.unwrap_or_else(|| panic!("{chain} has no run over {image}: {:?}", found.keys()));
        assert_eq!(run["result"], result, "{chain} over {image}: {:#?}\n{run:#}", steps(run));
        fits::outputs(run);
    }
    let tested: BTreeSet<String> = found.keys().map(|(chain, _)| format!("{chain}.yaml")).collect();
    assert_eq!(tested, files(), "every example runs");

    // The tag that was quarantined is gone, its copy and its fix are there.
    assert_eq!(digest(&server.registry, "public/web", "v1"), None);
    assert!(digest(&server.registry, "public/web", "v1_fixed").is_some());
    assert_eq!(digest(&server.registry, "vault/public/web", &original), Some(original.clone()));
    // What passed was released byte for byte, what did not was not.
    let promoted = digest(&server.registry, "builds/web", "rc-1");
    assert_eq!(digest(&release.address, "builds/web", "rc-1"), promoted);
    assert_eq!(digest(&release.address, "builds/web", "rc-0"), None);
    // Both deployments were called, one with the name of who approved.
    let calls = sink.taken("/deploy");
    let bodies: Vec<String> = calls.iter().map(Value::to_string).collect();
    assert_eq!(calls.len(), 2, "{bodies:?}");
    assert!(bodies.iter().any(|b| b.contains("release desk")), "{bodies:?}");
    assert!(bodies.iter().any(|b| b.contains("builds/web:rc-1")), "{bodies:?}");
    assert_eq!(sink.taken("/acr").len(), 1);
    assert_eq!(
        digest(&server.registry, "replica/web/site", "v1"),
        digest(&server.registry, "web/site", "v1")
    );
    assert!(!sink.taken("/hook").is_empty() && !sink.taken("/robot").is_empty());
}

fn files() -> BTreeSet<String> {
    let entries = fs::read_dir(examples()).unwrap();
    entries
        .map(|e| e.unwrap().file_name().to_string_lossy().into_owned())
        .filter(|n| n.ends_with(".yaml"))
        .collect()
}

/// Waits until some run of a chain over an image answers; gives it.
fn until(server: &Server, chain: &str, image: &str, done: impl Fn(&Value) -> bool) -> Value {
    for _ in 0..LIMIT.as_millis() / 250 {
        let runs = server.first_rounds();
        let whole: Vec<Value> = runs
            .iter()
            .filter(|r| r["chain"] == chain)
            .map(|r| server.get(&format!("/api/v1/runs/{}", r["id"].as_str().unwrap())))
            .collect();
        if let Some(run) = results(&whole).get(&(chain.to_owned(), image.to_owned()))
            && done(run)
        {
            return (*run).clone();
        }
        std::thread::sleep(Duration::from_millis(250));
    }
    panic!("{chain} over {image} is not there within {LIMIT:?}");
}

fn wait(server: &Server, chain: &str, image: &str) {
    until(server, chain, image, |run| run["status"] == "finished");
}

/// The run whose step waits for a person.
fn waiting(server: &Server, chain: &str, image: &str) -> String {
    let run = until(server, chain, image, |run| {
        run["status"] == "finished"
            || run["steps"].as_array().unwrap().iter().any(|s| s["status"] == "waiting")
    });
    assert_ne!(run["status"], "finished", "{:?}", steps(&run));
    run["id"].as_str().unwrap().to_owned()
}
