//! The main job on an image that dpkg itself installed: into the embedded registry by skopeo, and
//! into Debian's docker-registry with its notifications pointed at us. Both end `remediated`, and
//! the fixed image is looked at from the inside.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use patchline_tests::{
    chroot,
    distribution::{DockerRegistry, free_port},
    fits,
    image::{self, Layout},
    machine,
    server::{Options, Server},
};
use serde_json::Value;

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
    with: {deny: [{fixable: true, count: 1}]}
  backup:
    uses: backup
    needs: [gate]
    when: steps.gate.denied
    with: {to: "vault/{{image.repository}}"}
  fix:
    uses: fix
    needs: [gate, backup]
    when: steps.gate.denied && steps.gate.output.mendable
    with: {tag: "{{image.origin.tag}}_fixed", attest: [sbom, vex, provenance], sign_key: release}
  sign:
    uses: sign
    needs: [gate]
    with: {key: release}
"#;

/// The key that chains of this test sign with, made by openssl: the private half for the configuration, the public one.
fn release_key(folder: &Path) -> (String, PathBuf) {
    let (private, public) = (folder.join("release.key"), folder.join("release.pub"));
    let made = ["genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256", "-out"];
    machine::run(Command::new("openssl").args(made).arg(&private));
    machine::run(
        Command::new("openssl").args(["pkey", "-pubout", "-in"]).arg(&private).arg("-out").arg(&public),
    );
    (format!("signing-keys:\n  release: {{key: {{file: '{}'}}}}\n", private.display()), public)
}

/// From the registry's own API, as any client would ask.
fn fetched(registry: &str, path: &str) -> Vec<u8> {
    let accept = "application/vnd.oci.image.manifest.v1+json, application/vnd.oci.image.index.v1+json";
    let url = format!("http://{registry}/v2/shop/web/{path}");
    let answer = reqwest::blocking::Client::new().get(&url).header("accept", accept).send().unwrap();
    assert!(answer.status().is_success(), "{path}: {}", answer.status());
    answer.bytes().unwrap().to_vec()
}

/// What stands beside the fixed image: documents by their types, envelopes, and a signature that openssl verifies.
fn judge_attestations(folder: &Path, registry: &str, digest: &str, public: &Path, list: &str) {
    let json = |path: &str| -> Value { serde_json::from_slice(&fetched(registry, path)).unwrap() };
    let listed = json(list);
    let types: Vec<&str> =
        listed["manifests"].as_array().unwrap().iter().filter_map(|m| m["artifactType"].as_str()).collect();
    for (wanted, count) in [
        ("application/vnd.cyclonedx+json", 1),
        ("application/vnd.openvex+json", 1),
        ("application/vnd.dsse.envelope.v1+json", 3),
    ] {
        assert_eq!(types.iter().filter(|t| **t == wanted).count(), count, "{wanted} in {types:?}");
    }
    let tag = digest.replace(':', "-");
    let envelopes = json(&format!("manifests/{tag}.att"));
    assert_eq!(envelopes["layers"].as_array().unwrap().len(), 3);
    let signed = json(&format!("manifests/{tag}.sig"));
    let [layer] = signed["layers"].as_array().unwrap().as_slice() else { panic!("one signature: {signed}") };
    let payload = fetched(registry, &format!("blobs/{}", layer["digest"].as_str().unwrap()));
    let text = layer["annotations"]["dev.cosignproject.cosign/signature"].as_str().unwrap();
    let (message, signature) = (folder.join("payload.json"), folder.join("signature.der"));
    fs::write(&message, &payload).unwrap();
    fs::write(&signature, base64::Engine::decode(&base64::prelude::BASE64_STANDARD, text).unwrap()).unwrap();
    let mut verify = Command::new("openssl");
    verify.args(["dgst", "-sha256", "-verify"]).arg(public).arg("-signature").arg(&signature).arg(&message);
    machine::run(&mut verify);
    let said: Value = serde_json::from_slice(&payload).unwrap();
    assert_eq!(said["critical"]["image"]["docker-manifest-digest"], digest);

    let image = format!("{registry}/shop/web@{digest}");
    let verify = |key: &Path| {
        Command::new(machine::patchline())
            .args(["image", "verify", &image, "--output", "json", "--key"])
            .arg(key)
            .output()
            .unwrap()
    };
    let verified = verify(public);
    assert!(verified.status.success(), "{}", String::from_utf8_lossy(&verified.stderr));
    let told: Value = serde_json::from_slice(&verified.stdout).unwrap();
    assert_eq!((&told["digest"], &told["signatures"]), (&Value::from(digest), &Value::from(1)));
    let other = folder.join("other");
    fs::create_dir(&other).unwrap();
    let refused = verify(&release_key(&other).1);
    assert_eq!(refused.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&refused.stderr).contains("error[signature-missing]"));
}

/// The machine's mirrors and a layout of the mmdebstrap image; none: skipped.
fn outdated(folder: &Path) -> Option<((String, String), Layout)> {
    if !machine::needs(&["skopeo", "mmdebstrap", "openssl"]) || !machine::root() {
        return None;
    }
    let mirrors = machine::mirrors()?;
    let tar = fs::read(image::mmdebstrap(&mirrors.0)).unwrap();
    let layout = Layout::create(&folder.join("original"));
    layout.image("v1", &[tar]);
    Some((mirrors, layout))
}

fn skopeo(from: &str, to: &str) {
    machine::run(Command::new("skopeo").args([
        "copy",
        "--quiet",
        "--insecure-policy",
        "--src-tls-verify=false",
        "--dest-tls-verify=false",
        from,
        to,
    ]));
}

/// Names of what the plan refused, from the run's own output.
fn refused(server: &Server, run: &Value) -> Vec<String> {
    let fix = step(run, "fix");
    let digest = fix["output"]["digest"].as_str().unwrap();
    let told = server.get(&format!("/api/v1/images/{digest}/fix"));
    told["made_by"]["plan"]["refused"]
        .as_array()
        .unwrap()
        .iter()
        .map(|r| r["package"].as_str().unwrap().to_owned())
        .collect()
}

fn step<'a>(run: &'a Value, name: &str) -> &'a Value {
    run["steps"].as_array().unwrap().iter().find(|s| s["name"] == name).unwrap()
}

/// The fixed image in `registry`, from the outside and from the inside.
fn judge(folder: &Path, registry: &str, original: &Layout, refused: &[String], mirrors: &(String, String)) {
    let dir = folder.join("fixed");
    skopeo(&format!("docker://{registry}/shop/web:v1_fixed"), &format!("oci:{}:v1_fixed", dir.display()));
    let fixed = Layout::open(&dir);
    let (before, after) = (original.layers(), fixed.layers());
    assert_eq!(after.len(), before.len() + 1, "exactly one layer more");
    assert_eq!(after[..before.len()], before[..], "the original's layers, byte for byte");
    for layer in &after {
        assert_eq!(&image::digest(&fixed.blob(layer)), layer);
    }
    let root = folder.join("root");
    fixed.unpack(&root);
    chroot::healthy(&root);
    let mut left = chroot::upgradable(&root, &mirrors.0, &mirrors.1);
    left.retain(|package| !refused.contains(package));
    assert!(left.is_empty(), "still upgradable, and not refused by name: {left:?}");
}

#[test]
fn a_push_by_skopeo_into_the_embedded_registry_ends_remediated() {
    let folder = tempfile::tempdir().unwrap();
    let Some((mirrors, original)) = outdated(folder.path()) else { return };
    let (keys, public) = release_key(folder.path());
    let server = Server::start(&Options::new(folder.path(), CHAIN, &keys));
    skopeo(
        &format!("oci:{}:v1", original.dir.display()),
        &format!("docker://{}/shop/web:v1", server.registry),
    );
    let runs = server.finished(1, Duration::from_secs(300));
    assert_eq!(runs[0]["result"], "remediated", "{:#}", runs[0]);
    assert_eq!(runs.len(), 1, "backup and fixed tag start nothing of their own");
    fits::outputs(&runs[0]);
    let child = step(&runs[0], "fix")["child"].as_str().unwrap();
    fits::outputs(&server.get(&format!("/api/v1/runs/{child}")));
    let named = refused(&server, &runs[0]);
    judge(folder.path(), &server.registry, &original, &named, &mirrors);

    // The fixed image has been signed in its own run, whose gate has passed; the original, which its gate denied, has not.
    let digest = step(&runs[0], "fix")["output"]["digest"].as_str().unwrap();
    assert_eq!(step(&runs[0], "sign")["status"], "skipped");
    judge_attestations(folder.path(), &server.registry, digest, &public, &format!("referrers/{digest}"));

    // Equal fixes are equal bytes, by the chain or by hand; and neither the original nor the fixed image changes by it.
    let by_chain = step(&runs[0], "fix")["output"]["digest"].as_str().unwrap().to_owned();
    let image = format!("{}/shop/web:v1", server.registry);
    let key = folder.path().join("release.key");
    let by_hand = fix(folder.path(), &[&image, "--attest", "sbom,vex", "--sign-key", key.to_str().unwrap()]);
    assert!(by_hand.status.success(), "{}", String::from_utf8_lossy(&by_hand.stderr));
    let told: Value = serde_json::from_slice(&by_hand.stdout).unwrap();
    assert!(told["fixed"].as_str().unwrap().ends_with(&by_chain), "{} against {by_chain}", told["fixed"]);
    assert_eq!(told["attached"].as_array().unwrap().len(), 4);
    let again = fix(folder.path(), &[&format!("{image}_fixed")]);
    assert!(again.status.success(), "{}", String::from_utf8_lossy(&again.stderr));
    let told: Value = serde_json::from_slice(&again.stdout).unwrap();
    assert!(told["fixed"].is_null(), "a fixed image has nothing left to fix: {told:#}");

    edited(folder.path(), &image);

    chosen(&server);

    // The original's own tag is never taken.
    let over = fix(folder.path(), &[&image, "--tag", "v1"]);
    assert_eq!(over.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&over.stderr).contains("error[fixed-tag-taken]"));
}

/// A plan is data: it goes out, comes back with one package in it, and that one alone goes up.
fn edited(folder: &Path, image: &str) {
    let told = |output: &std::process::Output| -> Value {
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        serde_json::from_slice(&output.stdout).unwrap()
    };
    let mut plan = told(&fix(folder, &[image, "--plan"]));
    let upgrades = plan["plan"]["upgrades"].as_array().unwrap().clone();
    assert!(upgrades.len() > 1 && plan["download"].as_u64().unwrap() > 0);
    for upgrade in &upgrades {
        assert!(upgrade["repository"].as_str().unwrap().starts_with("bookworm"), "{upgrade:#}");
        assert!(upgrade["size"].as_u64().unwrap() > 0, "{upgrade:#}");
    }
    let one =
        upgrades.iter().find(|u| u["source"] == "expat" || u["source"] == "perl").unwrap_or(&upgrades[0]);
    let source: Vec<&Value> = upgrades.iter().filter(|u| u["source"] == one["source"]).collect();
    plan["plan"]["upgrades"] = source.iter().copied().cloned().collect();
    let file = folder.join("plan.json");
    fs::write(&file, serde_json::to_vec(&plan).unwrap()).unwrap();
    let path = file.to_str().unwrap();
    let done = told(&fix(folder, &[image, "--with", path, "--tag", "v1_edited"]));
    let went: Vec<&Value> =
        done["plan"]["upgrades"].as_array().unwrap().iter().map(|u| &u["package"]).collect();
    assert_eq!(went, source.iter().map(|u| &u["package"]).collect::<Vec<_>>());

    // What is on the deny-list does not, whoever asks.
    let name = source[0]["package"].as_str().unwrap();
    let denied = fix(folder, &[image, "--with", path, "--deny-package", name]);
    let said = String::from_utf8_lossy(&denied.stderr).into_owned();
    assert!(said.contains("error[fix-plan-refused]") && said.contains("is on the deny-list"), "{said}");
    let wrong = format!("{image}_fixed");
    let another = fix(folder, &[&wrong, "--with", path]);
    assert!(String::from_utf8_lossy(&another.stderr).contains("error[fix-plan-of-another]"));
}

/// The same over the server: a plan goes out, one source of it comes back, its run mends that and nothing else, and the
/// comparison of both images tells of it.
fn chosen(server: &Server) {
    let image = "embedded/shop/web:v1";
    let asked = server.post("/api/v1/plans", &serde_json::json!({"image": image}));
    let address = format!("/api/v1/plans/{}", asked["plan"].as_str().unwrap());
    let until_there = |address: &str, key: &str| -> Value {
        for _ in 0..60 {
            let told = server.get(address);
            if !told[key].is_null() {
                return told;
            }
            std::thread::sleep(Duration::from_millis(500));
        }
        panic!("{address} tells nothing");
    };
    let mut plan = until_there(&address, "plan");
    let upgrades = plan["plan"]["upgrades"].as_array().unwrap().clone();
    let one =
        upgrades.iter().find(|u| u["source"] == "expat" || u["source"] == "perl").unwrap_or(&upgrades[0]);
    let source: Vec<Value> = upgrades.iter().filter(|u| u["source"] == one["source"]).cloned().collect();
    assert!(source.len() < upgrades.len());
    plan["plan"]["upgrades"] = source.clone().into();
    let said = serde_json::json!({"image": image, "plan": plan, "by": "ana", "reason": "one source alone"});
    let started = server.post("/api/v1/fixes", &said);
    let run = format!("/api/v1/runs/{}", started["run"].as_str().unwrap());
    let mut told = server.get(&run);
    for _ in 0..600 {
        if told["status"] == "finished" {
            break;
        }
        std::thread::sleep(Duration::from_millis(250));
        told = server.get(&run);
    }
    assert_eq!((&told["result"], &told["chain"]), (&"passed".into(), &"mend-by-plan".into()), "{told:#}");
    let output = &step(&told, "fix")["output"];
    assert_eq!(output["upgrades"], source.len(), "{output:#}");

    let fixed = format!("embedded/shop/web@{}", output["digest"].as_str().unwrap());
    let diff = until_there(&format!("/api/v1/diff?from={image}&to={fixed}&files=true"), "packages");
    let packages = diff["packages"].as_array().unwrap();
    assert_eq!(packages.len(), source.len(), "{packages:#?}");
    for up in &source {
        let name = format!("{}:{}", up["package"].as_str().unwrap(), up["architecture"].as_str().unwrap());
        let row = serde_json::json!([name, up["from"], up["to"]]);
        assert!(packages.contains(&row), "{row} is not in {packages:#?}");
    }
    assert!(!diff["gone"].as_array().unwrap().is_empty() && !diff["left"].as_array().unwrap().is_empty());
    assert_eq!((&diff["new"], &diff["files_left_out"]), (&serde_json::json!([]), &serde_json::json!(0)));
    let layers = |side: &str| diff[side]["layers"].as_array().unwrap().len();
    assert_eq!(
        (layers("after"), &diff["shared"]),
        (layers("before") + 1, &serde_json::json!(layers("before")))
    );
    let content = |f: &Value| f["what"].as_array().unwrap().contains(&"content".into());
    assert!(diff["files"].as_array().unwrap().iter().any(content), "{diff:#}");
}

fn fix(folder: &Path, arguments: &[&str]) -> std::process::Output {
    Command::new(machine::patchline())
        .args(["fix", "--output", "json", "--data"])
        .arg(folder.join("by-hand"))
        .args(arguments)
        .output()
        .unwrap()
}

#[test]
fn a_push_into_docker_registry_ends_remediated() {
    if !machine::needs(&["docker-registry"]) {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let Some((mirrors, original)) = outdated(folder.path()) else { return };
    let port = free_port();
    let (keys, public) = release_key(folder.path());
    let config = format!(
        "registries:\n  main: {{host: '127.0.0.1:{port}', plain-http: true}}\n\
         hooks:\n  distribution: {{registry: main, secret: {{env: HOOK_SECRET}}}}\n{keys}"
    );
    let mut options = Options::new(folder.path(), CHAIN, &config);
    options.env.push(("HOOK_SECRET".into(), "a-secret-of-the-test".into()));
    let server = Server::start(&options);
    let hook = format!("{}/hooks/distribution", server.url);
    let registry = DockerRegistry::start(folder.path(), port, Some((&hook, "a-secret-of-the-test")));
    skopeo(
        &format!("oci:{}:v1", original.dir.display()),
        &format!("docker://{}/shop/web:v1", registry.address),
    );
    let runs = server.finished(1, Duration::from_secs(300));
    assert_eq!(runs[0]["result"], "remediated", "{:#}", runs[0]);
    let refused = refused(&server, &runs[0]);
    judge(folder.path(), &registry.address, &original, &refused, &mirrors);
    // This registry keeps no list of referrers: the list stands under a tag.
    let digest = step(&runs[0], "fix")["output"]["digest"].as_str().unwrap();
    let list = format!("manifests/{}", digest.replace(':', "-"));
    judge_attestations(folder.path(), &registry.address, digest, &public, &list);
    // Our own pushes come back as notifications, too; none of them may start a run.
    std::thread::sleep(Duration::from_secs(3));
    assert_eq!(server.first_rounds().len(), 1, "backup and fixed tag start nothing of their own");
}
