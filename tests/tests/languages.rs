//! A module of npm in an image of Debian's docker-registry: `patchline fix --languages` replaces it where it lies, pushes
//! the image beside the original, and a scan finds nothing any more.

use std::{collections::BTreeMap, fs, io::Write as _, process::Command, sync::Arc, time::Duration};

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
    server::{Options, Server},
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

/// An image with `left` in it in a registry, advisories about it, and npm's registry.
struct Ground {
    folder: tempfile::TempDir,
    npm: String,
    _docker: DockerRegistry,
    _runtime: tokio::runtime::Runtime,
}

/// None: skipped. `code`: what lies in the module.
fn ground(code: &str) -> Option<(Ground, String)> {
    if !machine::needs(&["docker-registry", "skopeo"]) {
        return None;
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
            ("app/node_modules/left/index.js", Some(code.as_bytes()), 0o644),
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
    let ground = Ground { folder, npm, _docker: docker, _runtime: runtime };
    let loaded = ground.folder.path().join("advisories");
    ground.run(&["advisories", "update", "--from", loaded.to_str().unwrap()]);
    Some((ground, image))
}

impl Ground {
    /// What a command says; npm's own configuration names our registry.
    fn run(&self, args: &[&str]) -> Value {
        let mut command = Command::new(machine::patchline());
        command.env_remove("PATCHLINE_CONFIG").arg("--data").arg(self.folder.path().join("data"));
        command.env("npm_config_registry", &self.npm);
        let output = command.args(args).args(["--output", "json"]).output().unwrap();
        let told = String::from_utf8_lossy(&output.stderr);
        serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{args:?}: {error}: {told}"))
    }
    fn found(&self, image: &str) -> usize {
        self.run(&["scan", image]).to_string().matches("CVE-2024-1000").count()
    }
    /// A run of a chain whose fix mends these.
    fn chain(&self, image: &str, languages: bool) -> Value {
        let file = self.folder.path().join("chain.yaml");
        fs::write(&file, CHAIN.replace("LANGUAGES", &languages.to_string())).unwrap();
        self.run(&["chain", "run", file.to_str().unwrap(), "--image", image])
    }
}

/// What a run has told, from a server over the same data.
fn log(ground: &Ground, run: &Value) -> String {
    let mut options =
        Options::new(ground.folder.path(), "version: 1\nchain: none\nsteps: {scan: {uses: scan}}\n", "");
    options.data = ground.folder.path().join("data");
    let server = Server::start(&options);
    let url = format!("{}/api/v1/runs/{}/events", server.url, run["id"].as_str().unwrap());
    reqwest::blocking::get(url).unwrap().text().unwrap()
}

const CHAIN: &str = r#"
version: 1
chain: web
scope: {repositories: ["shop/**"]}
on: {push: {}}
steps:
  scan: {uses: scan}
  gate:
    uses: gate
    needs: [scan]
    # Without a system's packages no scan is complete.
    with: {deny: [{fixable: true, count: 1}, {undetermined: allow}]}
  fix:
    uses: fix
    needs: [gate]
    when: steps.gate.denied && steps.gate.output.mendable
    with: {languages: LANGUAGES}
"#;

fn step<'a>(run: &'a Value, name: &str) -> &'a Value {
    let steps = run["steps"].as_array().unwrap_or_else(|| panic!("no steps: {run:#}"));
    steps.iter().find(|step| step["name"] == name).unwrap()
}

#[test]
fn a_chain_starts_a_fix_for_a_module_alone() {
    let Some((ground, image)) = ground("module.exports = '1.2.0'\n") else { return };
    let without = ground.chain(&image, false);
    assert_eq!(without["result"], "denied", "{without:#}");
    assert_eq!(step(&without, "gate")["output"]["mendable"], false);
    assert_eq!(step(&without, "fix")["status"], "skipped", "nobody would mend it");

    let run = ground.chain(&image, true);
    assert_eq!(run["result"], "remediated", "{run:#}\n{}", log(&ground, &run));
    assert_eq!(step(&run, "scan")["output"]["mendable_count"], 1);
    assert_eq!(step(&run, "gate")["output"]["mendable"], true);
    let fix = &step(&run, "fix")["output"];
    assert_eq!((&fix["tag"], &fix["upgrades"]), (&json!("1.0_fixed"), &json!(1)), "{fix:#}");
    assert_eq!(fix["child"]["result"], "passed", "{fix:#}");
    assert_eq!((ground.found(&format!("{image}_fixed")), ground.found(&image) > 0), (0, true));
}

#[test]
fn a_chain_says_why_a_module_cannot_go_up() {
    let Some((ground, image)) = ground("by hand\n") else { return };
    let run = ground.chain(&image, true);
    assert_eq!(run["result"], "denied", "{run:#}");
    assert_eq!(step(&run, "gate")["output"]["mendable"], false);
    assert_eq!(step(&run, "fix")["status"], "skipped");
    let told = log(&ground, &run);
    assert!(told.contains("files-changed: /app/node_modules/left"), "{told}");
}

#[test]
fn a_plan_takes_modules_in_where_that_is_asked_for() {
    let Some((ground, _)) = ground("module.exports = '1.2.0'\n") else { return };
    let none = "version: 1\nchain: none\nsteps: {scan: {uses: scan}}\n";
    let mut options = Options::new(ground.folder.path(), none, "");
    options.data = ground.folder.path().join("data");
    options.env = vec![("npm_config_registry".to_owned(), ground.npm.clone())];
    let server = Server::start(&options);
    let from = format!("oci:{}:web", ground.folder.path().join("layout").display());
    let mut copy = Command::new(machine::patchline());
    copy.args(["image", "copy", &from, &format!("{}/shop/web:v1", server.registry), "--data"]);
    machine::run(copy.arg(ground.folder.path().join("cli")));
    let image = "embedded/shop/web:v1";
    let planned = |languages: bool| {
        let asked = server.post("/api/v1/plans", &json!({"image": image, "languages": languages}));
        let url = format!("{}/api/v1/plans/{}", server.url, asked["plan"].as_str().unwrap());
        reqwest::blocking::get(url).unwrap().json::<Value>().unwrap()
    };
    assert_eq!(planned(false)["error"]["code"], "system-unsupported");
    let plan = planned(true);
    assert_eq!(plan["plan"]["upgrades"][0]["path"], "app/node_modules/left/package.json", "{plan:#}");
    let chosen = json!({"image": image, "plan": plan, "by": "ana", "reason": "left before the freeze"});
    server.post("/api/v1/fixes", &chosen);
    let run = server.finished(1, Duration::from_secs(60)).remove(0);
    assert_eq!((&run["chain"], &run["result"]), (&json!("mend-by-plan"), &json!("passed")), "{run:#}");
    assert_eq!(step(&run, "fix")["output"]["upgrades"], 1, "{run:#}");
}

#[test]
fn a_module_is_replaced_where_it_lies() {
    let Some((ground, image)) = ground("module.exports = '1.2.0'\n") else { return };
    assert!(ground.found(&image) > 0);
    let flags = ["--languages", "--npm-registry", ground.npm.as_str()];
    let plan = ground.run(&[&["fix", &image, "--plan"], flags.as_slice()].concat());
    assert_eq!(plan["plan"]["upgrades"][0]["to"], "1.2.3");
    let fixed = ground.run(&[&["fix", &image], flags.as_slice()].concat());
    let fixed = fixed["fixed"].as_str().unwrap();
    assert!(fixed.contains("/shop/web:1.0_fixed@sha256:"), "{fixed}");
    assert_eq!(ground.found(&format!("{image}_fixed")), 0);
    assert!(ground.found(&image) > 0, "the original stays");

    let to = ground.folder.path().join("seen");
    let mut copy = Command::new("skopeo");
    copy.args(["copy", "--src-tls-verify=false", &format!("docker://{image}_fixed")]);
    machine::run(copy.arg(format!("oci:{}:seen", to.display())));
    let tree = to.join("tree");
    Layout::open(&to).unpack(&tree);
    let text = fs::read_to_string(tree.join("app/node_modules/left/index.js")).unwrap();
    assert_eq!(text, "module.exports = '1.2.3'\n");
}
