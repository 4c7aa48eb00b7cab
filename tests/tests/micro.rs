//! Images of rpm's world in Debian's docker-registry, by the command line and by a chain: one that has rpm, one that borrows it,
//! in a sandbox and in a container of a real daemon. Needs root, mmdebstrap, a mirror, rpm's programs and skopeo; else it
//! skips, loudly.

#[path = "../../remediation/tests/support/daemons.rs"]
#[allow(dead_code, reason = "each suite uses its part")]
mod daemons;
#[path = "../../remediation/tests/headers/mod.rs"]
#[allow(dead_code, reason = "each suite uses its part")]
mod headers;
#[path = "../../remediation/tests/support/layers.rs"]
#[allow(dead_code, reason = "each suite uses its part")]
mod layers;
#[path = "../../remediation/tests/rpms/mod.rs"]
#[allow(dead_code, reason = "each suite uses its part")]
mod rpms;

use std::{fs, path::Path, process::Command};

use daemons::{Daemon, Make};
use patchline_tests::{
    distribution::{DockerRegistry, free_port},
    machine,
};
use rpms::{Place, Signer, Spec, ready, repository, spec, text};
use serde_json::{Value, json};

const CHAIN: &str = r#"
version: 1
chain: micro
scope: {repositories: ["shop/**"]}
on: {push: {}}
steps:
  scan: {uses: scan}
  gate:
    uses: gate
    needs: [scan]
    with: {deny: [{fixable: true, count: 1}]}
  fix:
    uses: fix
    needs: [gate]
    when: steps.gate.denied && steps.gate.output.mendable
    with: {executor: EXECUTOR}
"#;

/// With a script, so that something has to run.
fn tool(version: &'static str) -> Spec {
    Spec {
        scripts: "%post\necho \"$1\" > /etc/tool.stamp\n",
        ..spec("tool", version, vec![("usr/share/tool/data", text(version))])
    }
}

fn shell() -> Spec {
    Spec { more: "Provides: /bin/sh\n", ..spec("shell", "5-1", vec![("usr/share/shell/data", text("x\n"))]) }
}

/// A registry with `shop/own`, which has rpm, `shop/micro`, which has none, and `tools/rocky`, which lends its own.
struct Ground {
    folder: tempfile::TempDir,
    docker: DockerRegistry,
    _repository: tempfile::TempDir,
}

/// None: skipped.
fn ground(test: &str) -> Option<Ground> {
    if !machine::needs(&["docker-registry", "skopeo"]) {
        return None;
    }
    let archive = headers::root(test).filter(|_| ready(test))?;
    let folder = tempfile::tempdir().unwrap();
    let docker = DockerRegistry::start(folder.path(), free_port(), None);
    let signer = Signer::new("rsa3072");
    let repository = repository(&[tool("1.0-2")], (Some(&signer), &signer), "gz");
    let base = headers::base(&archive, &[shell(), tool("1.0-1")], &[]);
    let gone = vec![("usr/bin/rpm".to_owned(), 0, None)];
    let place = Place::new(&[], &[&signer]);
    let runtime = tokio::runtime::Runtime::new().unwrap();
    for (name, later) in [("shop/own", vec![]), ("shop/micro", vec![gone]), ("tools/rocky", vec![])] {
        let tag = name.replace('/', "-");
        runtime.block_on(place.image_over(&tag, base.clone(), &later));
        let from = format!("oci:{}:{tag}", place.folder.path().join("layout").display());
        let to = format!("docker://{}/{name}:1", docker.address);
        machine::run(Command::new("skopeo").args(["copy", "--quiet", "--dest-tls-verify=false", &from, &to]));
    }
    let key = folder.path().join("key.asc");
    fs::write(&key, signer.public()).unwrap();
    let config = format!(
        "mirrors: {{rpm: {{rocky: ['file://{}']}}}}\nrpm-keys: ['{}']\n",
        repository.path().display(),
        key.display()
    );
    let lending = format!("{config}tooling: ['{}/tools/rocky:1']\n", docker.address);
    fs::write(folder.path().join("alone.yaml"), config).unwrap();
    fs::write(folder.path().join("lending.yaml"), lending).unwrap();
    let advisory = json!({
        "id": "RLSA-2024:1", "aliases": ["CVE-2024-1000"], "modified": "2024-06-01T00:00:00Z",
        "affected": [{
            "package": {"ecosystem": "Rocky Linux:9", "name": "tool"},
            "ranges": [{"type": "ECOSYSTEM", "events": [{"introduced": "0"}, {"fixed": "1.0-2"}]}],
        }],
    });
    let advisories = folder.path().join("advisories/Rocky Linux");
    fs::create_dir_all(&advisories).unwrap();
    fs::write(advisories.join("RLSA-2024:1.json"), advisory.to_string()).unwrap();
    let ground = Ground { folder, docker, _repository: repository };
    let from = ground.folder.path().join("advisories").display().to_string();
    ground.run("alone", None, &["advisories", "update", "--from", &from]).unwrap();
    Some(ground)
}

impl Ground {
    fn image(&self, name: &str) -> String {
        format!("{}/{name}", self.docker.address)
    }
    /// What a command says; or how it failed.
    fn run(&self, config: &str, daemon: Option<&Path>, args: &[&str]) -> Result<Value, String> {
        let mut command = Command::new(machine::patchline());
        let folder = self.folder.path();
        command
            .arg("--data")
            .arg(folder.join("data"))
            .arg("--config")
            .arg(folder.join(format!("{config}.yaml")));
        if let Some(socket) = daemon {
            command.env("DOCKER_HOST", format!("unix://{}", socket.display()));
        }
        let output = command.args(args).args(["--output", "json"]).output().unwrap();
        let told = String::from_utf8_lossy(&output.stderr).into_owned();
        serde_json::from_slice(&output.stdout).map_err(|_| told)
    }
    /// The digest of what a command has pushed.
    fn fixed(&self, config: &str, daemon: Option<&Path>, args: &[&str]) -> String {
        let done = self.run(config, daemon, args).unwrap_or_else(|told| panic!("{args:?}: {told}"));
        let fixed = done["fixed"].as_str().unwrap_or_else(|| panic!("{done:#}"));
        fixed.split_once('@').unwrap().1.to_owned()
    }
    fn found(&self, image: &str) -> usize {
        self.run("alone", None, &["scan", image]).unwrap().to_string().matches("CVE-2024-1000").count()
    }
    fn chain(&self, config: &str, daemon: Option<&Path>, (image, executor): (&str, &str)) -> Value {
        let file = self.folder.path().join("chain.yaml");
        fs::write(&file, CHAIN.replace("EXECUTOR", executor)).unwrap();
        let args = ["chain", "run", file.to_str().unwrap(), "--image", image];
        self.run(config, daemon, &args).unwrap_or_else(|told| panic!("{args:?}: {told}"))
    }
}

fn step<'a>(run: &'a Value, name: &str) -> &'a Value {
    let steps = run["steps"].as_array().unwrap_or_else(|| panic!("no steps: {run:#}"));
    steps.iter().find(|step| step["name"] == name).unwrap()
}

#[test]
fn an_image_borrows_rpm() {
    let Some(ground) = ground("an_image_borrows_rpm") else { return };
    let micro = ground.image("shop/micro:1");
    assert!(ground.found(&micro) > 0);
    // Nobody lends: said by name, and a chain starts no fix.
    let told = ground.run("alone", None, &["fix", &micro]).unwrap_err();
    assert!(told.contains("error[rpm-missing]") && told.contains("--tooling"), "{told}");
    let run = ground.chain("alone", None, (&micro, "auto"));
    assert_eq!(
        (&run["result"], &step(&run, "fix")["status"]),
        (&json!("denied"), &json!("skipped")),
        "{run:#}"
    );
    // By a flag.
    let tools = ground.image("tools/rocky:1");
    let plan = ground.run("alone", None, &["fix", &micro, "--plan", "--tooling", &tools]).unwrap();
    let because = plan["plan"]["upgrades"][0]["because"].as_str().unwrap();
    assert!(because.contains(&tools.replace(":1", ":1@sha256:")), "{because}");
    let by_flag = ground.fixed("alone", None, &["fix", &micro, "--tooling", &tools, "--tag", "by-flag"]);
    assert_eq!(ground.found(&ground.image("shop/micro:by-flag")), 0);
    // By the configuration, in a chain: the same image.
    let run = ground.chain("lending", None, (&micro, "auto"));
    assert_eq!(run["result"], "remediated", "{run:#}");
    let fix = &step(&run, "fix")["output"];
    assert_eq!((&fix["tag"], &fix["upgrades"]), (&json!("1_fixed"), &json!(1)), "{fix:#}");
    assert!(fix.to_string().contains(&by_flag), "{by_flag}: {fix:#}");
    // One that cannot lend.
    let told = ground.run("alone", None, &["fix", &micro, "--tooling", &micro]).unwrap_err();
    assert!(told.contains("error[tooling-unfit]") && told.contains("no rpm program"), "{told}");
}

#[test]
fn a_container_gives_what_a_sandbox_gives() {
    let test = "a_container_gives_what_a_sandbox_gives";
    let Some(ground) = ground(test) else { return };
    let own = ground.image("shop/own:1");
    let sandboxed = ground.fixed("alone", None, &["fix", &own, "--tag", "sandboxed"]);
    for make in [Make::Docker, Make::Podman] {
        let Some(daemon) = Daemon::start(test, make) else { return };
        let socket = daemon.socket();
        let args = ["fix", &own, "--executor", "engine-api", "--tag", "contained"];
        let plan = ground.run("alone", Some(&socket), &[&args[..], &["--plan"]].concat()).unwrap();
        assert_eq!(plan["plan"]["upgrades"][0]["executor"], "engine-api", "{plan:#}");
        assert_eq!(ground.fixed("alone", Some(&socket), &args), sandboxed, "{make:?}");
        let run = ground.chain("alone", Some(&socket), (&own, "engine-api"));
        assert_eq!(run["result"], "remediated", "{make:?}: {run:#}");
        assert!(step(&run, "fix")["output"].to_string().contains(&sandboxed), "{make:?}: {run:#}");
        let runtime = tokio::runtime::Runtime::new().unwrap();
        assert_eq!(runtime.block_on(daemon.holds()), Vec::<String>::new(), "{make:?}");
    }
    // Nobody listens.
    let told = ground.run("alone", Some(Path::new("/nowhere")), &["fix", &own, "--executor", "engine-api"]);
    let told = told.unwrap_err();
    assert!(told.contains("error[engine-unavailable]") && told.contains("DOCKER_HOST"), "{told}");
}
