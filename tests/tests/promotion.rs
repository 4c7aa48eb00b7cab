//! From a push to production: a person approves, over the command line and over a restart; the image is promoted into
//! a repository that another chain watches; a deployment is called. No secret stays anywhere.

use std::{
    fs,
    path::Path,
    process::{Command, Output},
    sync::{Arc, Mutex},
    time::Duration,
};

use axum::{body::Bytes, http::HeaderMap};
use patchline_tests::{
    fits,
    image::{self, Layout},
    machine,
    server::{Options, Server},
};
use serde_json::{Value, json};

/// Its scope holds what it copies to: it must not go round.
const PROMOTE: &str = r#"
version: 1
chain: promote
scope: {repositories: ["shop/**", "prod/**"]}
on: {push: {}}
steps:
  scan: {uses: scan}
  gate:
    uses: gate
    needs: [scan]
    with: {deny: [{packages: {forbidden: [telnetd]}}, {undetermined: allow}], message: ask the desk}
  keep: {uses: backup, needs: [gate], with: {to: "vault/{{image.repository}}"}}
  ask:
    uses: approve
    needs: [keep]
    with: {message: "ship {{image.repository}}:{{image.tag}} to production?", expires: 1d}
  copy:
    uses: replicate
    needs: [ask]
    with: {to: "prod/{{image.repository}}", when_taken: move}
  deploy:
    uses: trigger
    needs: [copy]
    with: {target: deploy, body: {image: "{{steps.copy.output.reference}}", by: "{{steps.ask.output.by}}"}, expect: [202]}
"#;

const ARRIVE: &str = r#"
version: 1
chain: arrive
scope: {repositories: ["prod/**"]}
on: {push: {}}
steps:
  tell: {uses: trigger, with: {target: deploy, expect: [202]}}
"#;

const SECRET: &str = "opensesame-of-the-test";

/// Headers and body of a call.
type Seen = (HeaderMap, Value);

/// Accepts deployments, and repeats what it was told.
fn deployments() -> (String, Arc<Mutex<Vec<Seen>>>) {
    let seen: Arc<Mutex<Vec<Seen>>> = Arc::default();
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/deploy?key={SECRET}", listener.local_addr().unwrap());
    listener.set_nonblocking(true).unwrap();
    let keep = seen.clone();
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async move {
            let take = move |headers: HeaderMap, body: Bytes| async move {
                let echo = format!("accepted {:?}", headers.get("authorization"));
                keep.lock().unwrap().push((headers, serde_json::from_slice(&body).unwrap()));
                (axum::http::StatusCode::ACCEPTED, echo)
            };
            let router = axum::Router::new().route("/deploy", axum::routing::post(take));
            axum::serve(tokio::net::TcpListener::from_std(listener).unwrap(), router).await.unwrap();
        });
    });
    (url, seen)
}

fn push(folder: &Path, server: &Server, tag: &str) {
    let layout = Layout::create(&folder.join(tag));
    // No Debian: nothing is asked of a mirror.
    let release = format!("ID=other\nVERSION_ID={tag}\n");
    layout.image(tag, &[image::tar(&[("etc/os-release", Some(release.as_bytes()), 0o644)])]);
    machine::run(
        Command::new(machine::patchline())
            .args(["image", "copy", &format!("oci:{}:{tag}", layout.dir.display())])
            .arg(format!("{}/shop/web:{tag}", server.registry))
            .arg("--data")
            .arg(folder.join("cli")),
    );
}

/// The run that waits for a person.
fn asked(server: &Server) -> Value {
    for _ in 0..240 {
        for run in server.first_rounds() {
            let run = server.get(&format!("/api/v1/runs/{}", run["id"].as_str().unwrap()));
            if run["steps"].as_array().unwrap().iter().any(|s| s["decide_by"].is_string()) {
                return run;
            }
        }
        std::thread::sleep(Duration::from_millis(250));
    }
    panic!("nobody was asked");
}

fn runs(server: &Server, arguments: &[&str]) -> Output {
    let mut command = Command::new(machine::patchline());
    command.arg("runs").args(arguments).args(["--server", &server.url]).output().unwrap()
}

fn step<'a>(run: &'a Value, name: &str) -> &'a Value {
    run["steps"].as_array().unwrap().iter().find(|s| s["name"] == name).unwrap()
}

#[test]
fn a_person_lets_an_image_into_production() {
    let folder = tempfile::tempdir().unwrap();
    let (url, seen) = deployments();
    let config = "targets:\n  deploy:\n    url: {env: DEPLOY_URL}\n    headers: {Authorization: {env: DEPLOY_AUTH}}\n    \
                  allow-private: true\n";
    let mut options = Options::new(folder.path(), PROMOTE, config);
    let arrive = folder.path().join("arrive.yaml");
    fs::write(&arrive, ARRIVE).unwrap();
    options.chains.push(arrive);
    options.env.push(("DEPLOY_URL".into(), url));
    options.env.push(("DEPLOY_AUTH".into(), format!("Bearer {SECRET}")));
    let server = Server::start(&options);
    push(folder.path(), &server, "v1");
    let run = asked(&server);
    let id = run["id"].as_str().unwrap().to_owned();
    assert_eq!(run["status"], "waiting", "{run:#}");
    fits::outputs(&run);
    let shown = machine::text(&runs(&server, &["show", &id]));
    assert!(shown.contains("ship shop/web:v1 to production?"), "{shown}");
    assert!(shown.contains(&format!("patchline runs approve {id} ask")), "{shown}");
    assert!(seen.lock().unwrap().is_empty(), "nothing happens before the answer");

    // The question outlives the process.
    server.kill();
    let server = Server::start(&options);
    assert_eq!(asked(&server)["id"], json!(id));
    let nobody = runs(&server, &["approve", &id, "gate", "--reason", "x", "--by", "ana"]);
    assert!(String::from_utf8_lossy(&nobody.stderr).contains("error[nothing-to-decide]"), "{nobody:?}");
    let odd = runs(&server, &["approve", &id, "../../x y", "--reason", "x", "--by", "ana"]);
    assert!(String::from_utf8_lossy(&odd.stderr).contains("error[step-not-found]"), "{odd:?}");
    let empty = runs(&server, &["approve", &id, "ask", "--reason", " ", "--by", "ana"]);
    assert!(String::from_utf8_lossy(&empty.stderr).contains("error[invalid-body]"), "{empty:?}");
    let approved = runs(&server, &["approve", &id, "ask", "--reason", "looked\nat it", "--by", "ana"]);
    assert!(approved.status.success(), "{approved:?}");
    let again = runs(&server, &["reject", &id, "ask", "--reason", "too late", "--by", "bo"]);
    let said = String::from_utf8_lossy(&again.stderr).into_owned();
    assert!(
        said.contains("error[already-decided]") && said.contains("approved by ana: looked at it"),
        "{said}"
    );

    let all = server.finished(2, Duration::from_secs(60));
    // Would the copy start the chain that it comes from, it would ask again.
    std::thread::sleep(Duration::from_secs(2));
    assert_eq!(server.first_rounds().len(), 2, "one run here, one of the chain over there");
    for run in &all {
        assert_eq!(run["result"], "passed", "{run:#}");
        fits::outputs(run);
    }
    let promoted = all.iter().find(|r| r["chain"] == "promote").unwrap();
    let arrived = all.iter().find(|r| r["chain"] == "arrive").unwrap();
    assert_eq!(promoted["id"], json!(id));
    let copy = &step(promoted, "copy")["output"];
    let identity = &arrived["submission"]["subject"]["identity"];
    assert_eq!(identity, &copy["reference"]);
    assert!(identity.as_str().unwrap().starts_with("embedded/prod/shop/web:v1@sha256:"), "{identity}");
    {
        let seen = seen.lock().unwrap();
        assert_eq!(seen.len(), 2, "{seen:?}");
        let deployed = seen.iter().find(|(_, body)| body["by"] == "ana").unwrap();
        assert_eq!(deployed.1["image"], copy["reference"]);
        assert_eq!(deployed.0["authorization"], format!("Bearer {SECRET}"));
        assert_ne!(seen[0].0["idempotency-key"], seen[1].0["idempotency-key"]);
    }

    // A no is a denial, and what needs the yes does not run.
    push(folder.path(), &server, "v2");
    let second = asked(&server);
    let id = second["id"].as_str().unwrap();
    let rejected =
        runs(&server, &["reject", id, "ask", "--reason", "friday", "--by", "bo", "--output", "json"]);
    assert!(rejected.status.success(), "{rejected:?}");
    let all = server.finished(3, Duration::from_secs(60));
    let second = all.iter().find(|r| r["id"] == json!(id)).unwrap();
    assert_eq!((&second["result"], &step(second, "copy")["status"]), (&json!("denied"), &json!("skipped")));
    assert_eq!(step(second, "ask")["output"]["summary"], "rejected by bo: friday");
    fits::outputs(second);
    assert_eq!(seen.lock().unwrap().len(), 2, "nothing more was deployed");

    for run in &all {
        assert!(!run.to_string().contains(SECRET), "{run:#}");
    }
    server.kill();
    for entry in fs::read_dir(&options.data).unwrap() {
        let path = entry.unwrap().path();
        if path.is_file() {
            let found = fs::read(&path).unwrap().windows(SECRET.len()).any(|w| w == SECRET.as_bytes());
            assert!(!found, "a secret is in {}", path.display());
        }
    }
}

/// An index over an image for each architecture, under a tag.
fn index(layout: &Layout, tag: &str, architectures: &[&str]) {
    let manifests: Vec<Value> = architectures
        .iter()
        .map(|architecture| {
            let release = format!("ID=other\nVERSION_ID={architecture}\n");
            let tar = image::tar(&[("etc/os-release", Some(release.as_bytes()), 0o644)]);
            let layer = layout.add("application/vnd.oci.image.layer.v1.tar", &tar);
            let config = json!({"architecture": architecture, "os": "linux", "config": {},
                "rootfs": {"type": "layers", "diff_ids": [layer["digest"]]}});
            let config =
                layout.add("application/vnd.oci.image.config.v1+json", config.to_string().as_bytes());
            let manifest = json!({"schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json",
                "config": config, "layers": [layer]});
            let mut entry =
                layout.add("application/vnd.oci.image.manifest.v1+json", manifest.to_string().as_bytes());
            entry["platform"] = json!({"os": "linux", "architecture": architecture});
            entry
        })
        .collect();
    let media = "application/vnd.oci.image.index.v1+json";
    let index = json!({"schemaVersion": 2, "mediaType": media, "manifests": manifests});
    let mut entry = layout.add(media, index.to_string().as_bytes());
    entry["annotations"] = json!({"org.opencontainers.image.ref.name": tag});
    let whole = json!({"schemaVersion": 2, "manifests": [entry]});
    fs::write(layout.dir.join("index.json"), whole.to_string()).unwrap();
}

const ARM: &str = "version: 1\nchain: arm\nscope: {repositories: ['shop/**'], platforms: [linux/arm64]}\non: {push: {}}\n\
                   steps:\n  scan: {uses: scan}\n";

#[test]
fn a_run_over_an_index_looks_at_the_platforms_in_scope_alone() {
    let folder = tempfile::tempdir().unwrap();
    let options = Options::new(folder.path(), ARM, "");
    let server = Server::start(&options);
    let layout = Layout::create(&folder.path().join("image"));
    index(&layout, "v1", &["amd64", "arm64"]);
    let target = format!("{}/shop/web:v1", server.registry);
    machine::run(
        Command::new(machine::patchline())
            .args(["image", "copy", &format!("oci:{}:v1", layout.dir.display()), &target, "--data"])
            .arg(folder.path().join("cli")),
    );
    let pushed = server.finished(1, Duration::from_secs(60)).remove(0);
    assert_eq!(step(&pushed, "scan")["output"]["platforms"], json!(["linux/arm64"]), "{pushed:#}");
    let by_hand = machine::run(
        Command::new(machine::patchline())
            .args(["chain", "run", "--output", "json", "--data"])
            .arg(folder.path().join("by-hand"))
            .arg(&options.chains[0])
            .args(["--image", &target]),
    );
    let by_hand: Value = serde_json::from_slice(&by_hand.stdout).unwrap();
    assert_eq!(step(&by_hand, "scan")["output"]["platforms"], json!(["linux/arm64"]), "{by_hand:#}");
    fits::outputs(&by_hand);
}
