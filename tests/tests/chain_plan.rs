//! A dry run over every example: what a person needs stands there, and the registry was only read.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Output},
    sync::{Arc, Mutex},
};

use patchline_registry::embedded::Embedded;
use patchline_tests::{
    image::{self, Layout},
    machine,
};
use serde_json::Value;

type Asked = Arc<Mutex<Vec<String>>>;

/// The embedded registry on loopback, and what it was asked.
fn registry(folder: &Path) -> (String, Asked, Embedded) {
    let asked = Asked::default();
    let (events, mut pushes) = tokio::sync::mpsc::channel(64);
    let embedded = Embedded::open(folder, events).unwrap();
    let log = asked.clone();
    let router = embedded.router().layer(axum::middleware::from_fn(
        move |request: axum::extract::Request, next: axum::middleware::Next| {
            log.lock().unwrap().push(format!("{} {}", request.method(), request.uri().path()));
            next.run(request)
        },
    ));
    let (tell, told) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async move {
            let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
            tell.send(listener.local_addr().unwrap().to_string()).unwrap();
            tokio::spawn(async move { while pushes.recv().await.is_some() {} });
            axum::serve(listener, router).await.unwrap();
        });
    });
    (told.recv().unwrap(), asked, embedded)
}

fn patchline(folder: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new(machine::patchline());
    command.args(arguments).arg("--data").arg(folder.join("data")).current_dir(folder);
    command.output().unwrap()
}

fn examples() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().join("examples/chains");
    let mut files: Vec<PathBuf> = fs::read_dir(folder).unwrap().map(|e| e.unwrap().path()).collect();
    files.retain(|path| path.extension().is_some_and(|e| e == "yaml"));
    files.sort();
    files
}

#[test]
fn every_example_is_rehearsed_and_the_registry_is_only_read() {
    let folder = tempfile::tempdir().unwrap();
    let (host, asked, embedded) = registry(&folder.path().join("registry"));
    let layout = Layout::create(&folder.path().join("image"));
    let release: &[u8] = b"ID=debian\nVERSION_ID=\"12\"\nVERSION_CODENAME=bookworm\n";
    layout.image("v1", &[image::tar(&[("etc/os-release", Some(release), 0o644)])]);
    let image = format!("{host}/demo/web:v1");
    let copied =
        patchline(folder.path(), &["image", "copy", &format!("oci:{}:v1", layout.dir.display()), &image]);
    assert!(copied.status.success(), "{}", String::from_utf8_lossy(&copied.stderr));
    let before = embedded.all_tags().unwrap();
    assert_eq!(before.len(), 1);
    let digest = before[0].2.to_string();
    asked.lock().unwrap().clear();

    let files = examples();
    assert!(files.len() >= 5, "{files:?}");
    for file in &files {
        let path = file.to_str().unwrap();
        let run = patchline(folder.path(), &["chain", "plan", path, "--image", &image, "--output", "json"]);
        assert!(run.status.success(), "{path}: {}", String::from_utf8_lossy(&run.stderr));
        let told: Value = serde_json::from_slice(&run.stdout).unwrap();
        assert_eq!(told["image"]["digest"], digest.as_str(), "{path}");
        let steps = told["steps"].as_array().unwrap();
        let scenarios = told["outlook"]["scenarios"].as_array().unwrap();
        assert!(!steps.is_empty() && !scenarios.is_empty(), "{path}");
        for scenario in scenarios {
            assert_eq!(scenario["steps"].as_array().unwrap().len(), steps.len(), "{path}");
        }
        for step in steps {
            assert_eq!(step["problems"].as_array().unwrap().len(), 0, "{path}: {step:#}");
            let changes = ["backup", "fix", "delete", "notify"].contains(&step["uses"].as_str().unwrap());
            assert!(!changes || !step["effects"].as_array().unwrap().is_empty(), "{path}: {step:#}");
            let text = step["with"].to_string();
            assert!(!text.contains("{{"), "{path}: every template is rendered: {text}");
        }

        let run = patchline(folder.path(), &["chain", "plan", path, "--image", &image]);
        let text = String::from_utf8(run.stdout).unwrap();
        assert!(run.status.success() && text.contains("nothing was started"), "{path}: {text}");
        for step in steps {
            assert!(text.contains(step["name"].as_str().unwrap()), "{path}: {text}");
        }
        assert!(text.lines().all(|l| l.chars().count() <= 80), "{path}:\n{text}");
    }

    let asked = asked.lock().unwrap().clone();
    assert!(asked.iter().any(|a| a.contains("/manifests/v1")), "the tag was resolved: {asked:?}");
    let reads = |a: &&String| !a.starts_with("GET ") && !a.starts_with("HEAD ");
    assert_eq!(asked.iter().filter(reads).count(), 0, "{asked:?}");
    assert_eq!(embedded.all_tags().unwrap(), before, "nothing was pushed or removed");
    assert!(!folder.path().join("data").exists(), "no data folder was made");
}

#[test]
fn what_cannot_be_rehearsed_is_refused_before_the_registry_is_asked() {
    let folder = tempfile::tempdir().unwrap();
    let (host, asked, _embedded) = registry(&folder.path().join("registry"));
    let gate = examples().into_iter().find(|f| f.ends_with("gate-only.yaml")).unwrap();
    let gate = gate.to_str().unwrap();
    let image = format!("{host}/shop/web:v1");
    for (extra, code) in [
        (["--param", "block_at=dire"], "bad-parameter"),
        (["--param", "nobody=1"], "unknown-parameter"),
        (["--param", "block_at"], "invalid-param"),
    ] {
        let run =
            patchline(folder.path(), &[&["chain", "plan", gate, "--image", &image], &extra[..]].concat());
        let said = String::from_utf8_lossy(&run.stderr).into_owned();
        assert_eq!(run.status.code(), Some(2), "{said}");
        assert!(said.contains(&format!("error[{code}]")), "{said}");
    }
    assert_eq!(asked.lock().unwrap().len(), 0);
    let run = patchline(folder.path(), &["chain", "plan", gate, "--image", &image]);
    assert_eq!(run.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&run.stderr).contains("error[image-not-found]"));
    let run = patchline(folder.path(), &["chain", "plan", gate, "--image", "oci:x:v1"]);
    assert!(String::from_utf8_lossy(&run.stderr).contains("error[registry-image-needed]"));
}
