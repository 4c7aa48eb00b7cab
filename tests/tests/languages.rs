//! A module of npm in an image of Debian's docker-registry: `patchline fix --languages` replaces it where it lies, pushes
//! the image beside the original, and a scan finds nothing any more.

use std::{collections::BTreeMap, fs, io::Write as _, process::Command, sync::Arc};

use axum::{
    Router,
    extract::State,
    http::{StatusCode, Uri},
    response::{IntoResponse, Response},
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use patchline_tests::{
    distribution::{DockerRegistry, free_port},
    image::{Layout, tar},
    machine,
};
use serde_json::{Value, json};

const ADVISORY: &str = r#"{
  "id": "GHSA-aaaa-bbbb-cccc", "aliases": ["CVE-2024-1000"], "modified": "2024-06-01T00:00:00Z",
  "affected": [{
    "package": {"ecosystem": "npm", "name": "left"},
    "ranges": [{"type": "SEMVER", "events": [{"introduced": "0"}, {"fixed": "1.2.3"}]}]
  }]
}"#;

fn manifest(version: &str) -> String {
    json!({"name": "left", "version": version}).to_string()
}

fn tarball(version: &str) -> Vec<u8> {
    let (manifest, code) = (manifest(version), format!("module.exports = '{version}'\n"));
    let files: [(&str, Option<&[u8]>, u32); 2] = [
        ("package/package.json", Some(manifest.as_bytes()), 0o644),
        ("package/index.js", Some(code.as_bytes()), 0o644),
    ];
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gzip.write_all(&tar(&files)).unwrap();
    gzip.finish().unwrap()
}

type Served = Arc<BTreeMap<String, Vec<u8>>>;

async fn answer(State(served): State<Served>, uri: Uri) -> Response {
    match served.get(uri.path()) {
        Some(bytes) => bytes.clone().into_response(),
        None => StatusCode::NOT_FOUND.into_response(),
    }
}

/// npm's registry on loopback, with `left` in three versions; its address.
fn registry(runtime: &tokio::runtime::Runtime) -> String {
    use sha2::Digest as _;
    let mut served = BTreeMap::new();
    let mut document = json!({"versions": {}});
    for version in ["1.2.0", "1.2.3", "2.0.0"] {
        let bytes = tarball(version);
        document["versions"][version] = json!({"dist": {
            "tarball": format!("https://public.example/left/-/left-{version}.tgz"),
            "integrity": format!("sha512-{}", STANDARD.encode(sha2::Sha512::digest(&bytes))),
        }});
        served.insert(format!("/left/-/left-{version}.tgz"), bytes);
    }
    served.insert("/left".to_owned(), serde_json::to_vec(&document).unwrap());
    let listener = runtime.block_on(tokio::net::TcpListener::bind("127.0.0.1:0")).unwrap();
    let address = format!("http://{}/", listener.local_addr().unwrap());
    let app = Router::new().fallback(answer).with_state(Arc::new(served));
    runtime.spawn(async move { axum::serve(listener, app).await });
    address
}

#[test]
fn a_module_is_replaced_where_it_lies() {
    if !machine::needs(&["docker-registry", "skopeo"]) {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let npm = registry(&runtime);
    let docker = DockerRegistry::start(folder.path(), free_port(), None);
    let layout = Layout::create(&folder.path().join("layout"));
    let installed = manifest("1.2.0");
    let app = json!({"name": "shop", "version": "1.0.0", "dependencies": {"left": "^1.0.0"}}).to_string();
    layout.image(
        "web",
        &[tar(&[
            ("app/package.json", Some(app.as_bytes()), 0o644),
            ("app/node_modules/left/package.json", Some(installed.as_bytes()), 0o644),
            ("app/node_modules/left/index.js", Some(b"module.exports = '1.2.0'\n"), 0o644),
        ])],
    );
    let image = format!("{}/shop/web:1.0", docker.address);
    let from = format!("oci:{}:web", layout.dir.display());
    machine::run(Command::new("skopeo").args([
        "copy",
        "--dest-tls-verify=false",
        &from,
        &format!("docker://{image}"),
    ]));
    let advisories = folder.path().join("advisories/npm");
    fs::create_dir_all(&advisories).unwrap();
    fs::write(advisories.join("GHSA-aaaa-bbbb-cccc.json"), ADVISORY).unwrap();

    let run = |args: &[&str]| -> Value {
        let mut command = Command::new(machine::patchline());
        command.env_remove("PATCHLINE_CONFIG").arg("--data").arg(folder.path().join("data"));
        let output = command.args(args).args(["--output", "json"]).output().unwrap();
        let told = String::from_utf8_lossy(&output.stderr);
        serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{args:?}: {error}: {told}"))
    };
    let found = |image: &str| -> usize {
        let report = run(&["scan", image]);
        report.to_string().matches("CVE-2024-1000").count()
    };
    let loaded = folder.path().join("advisories");
    run(&["advisories", "update", "--from", loaded.to_str().unwrap()]);
    assert!(found(&image) > 0);

    let flags = ["--languages", "--npm-registry", npm.as_str()];
    let plan = run(&[&["fix", &image, "--plan"], flags.as_slice()].concat());
    assert_eq!(plan["plan"]["upgrades"][0]["to"], "1.2.3");
    let fixed = run(&[&["fix", &image], flags.as_slice()].concat());
    let fixed = fixed["fixed"].as_str().unwrap();
    assert!(fixed.contains("/shop/web:1.0_fixed@sha256:"), "{fixed}");
    assert_eq!(found(&format!("{image}_fixed")), 0);
    assert!(found(&image) > 0, "the original stays");

    let to = folder.path().join("seen");
    let mut copy = Command::new("skopeo");
    copy.args(["copy", "--src-tls-verify=false", &format!("docker://{image}_fixed")]);
    machine::run(copy.arg(format!("oci:{}:seen", to.display())));
    let tree = to.join("tree");
    Layout::open(&to).unpack(&tree);
    let text = fs::read_to_string(tree.join("app/node_modules/left/index.js")).unwrap();
    assert_eq!(text, "module.exports = '1.2.3'\n");
}
