//! The program itself, `patchline serve` and `patchline worker`, started, killed and asked.

use std::{
    fs,
    io::{BufRead as _, BufReader, Write as _},
    path::{Path, PathBuf},
    process::{Child, Stdio},
    sync::mpsc::{RecvTimeoutError, channel},
    time::Duration,
};

use patchline_tests::{machine, process};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use crate::lines::now;

/// How long a process may take to say that it works.
const START: Duration = Duration::from_secs(60);

/// What all processes of an installation share.
#[derive(Debug, Clone)]
pub(crate) struct Site {
    /// Configuration, chains and data stand here.
    pub(crate) folder: PathBuf,
    pub(crate) env: Vec<(String, String)>,
}

impl Site {
    pub(crate) fn new(folder: &Path, config: &str, chains: &[(&str, &str)], env: &[(&str, &str)]) -> Self {
        fs::create_dir_all(folder.join("chains")).unwrap();
        fs::write(folder.join("patchline.yaml"), config).unwrap();
        for (name, text) in chains {
            fs::write(folder.join("chains").join(format!("{name}.yaml")), text).unwrap();
        }
        let env = env.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        Self { folder: folder.to_owned(), env }
    }
}

/// A running process.
pub(crate) struct Program {
    child: Child,
    /// `http://127.0.0.1:…` of a server's pages.
    pub(crate) url: String,
}

impl Program {
    /// `patchline serve`, on ports that stay the same over restarts.
    pub(crate) fn serve(site: &Site, ports: (u16, u16), more: &[&str]) -> Result<Self, String> {
        let (listen, registry) = (format!("127.0.0.1:{}", ports.0), format!("127.0.0.1:{}", ports.1));
        let mut arguments = vec!["serve", "--listen", &listen, "--registry-listen", &registry, "--chain"];
        let chains = site.folder.join("chains").display().to_string();
        arguments.push(&chains);
        arguments.extend(more);
        Self::start(site, "server", None, &arguments, "registry  ")
    }
    /// `patchline worker`, in a network namespace if one is named.
    pub(crate) fn worker(site: &Site, name: &str, namespace: Option<&str>) -> Result<Self, String> {
        Self::start(site, name, namespace, &["worker"], "working  ")
    }

    fn start(
        site: &Site,
        name: &str,
        namespace: Option<&str>,
        arguments: &[&str],
        last: &str,
    ) -> Result<Self, String> {
        let program = machine::patchline();
        let mut command = match namespace {
            None => process::bound(program, "KILL", None),
            Some(namespace) => {
                // `ip netns exec` becomes the program: the signal's setting stays with it.
                let mut command = process::bound("ip", "KILL", None);
                command.args(["netns", "exec", namespace]).arg(program);
                command
            }
        };
        command.args(arguments).arg("--config").arg(site.folder.join("patchline.yaml"));
        command.arg("--data").arg(site.folder.join(name)).envs(site.env.iter().cloned());
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
        let mut child = process::spawn(command).map_err(|e| e.to_string())?;
        let lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let log = site.folder.join(format!("{name}.log"));
        let mut log = fs::File::options().create(true).append(true).open(log).unwrap();
        let (sender, said) = channel();
        std::thread::spawn(move || {
            for line in lines.map_while(Result::ok) {
                drop(writeln!(log, "{} {line}", now() / 1_000_000));
                // Whoever started it may listen no more; the log goes on.
                drop(sender.send(line));
            }
        });
        let mut started = Self { child, url: String::new() };
        let mut seen = Vec::new();
        loop {
            match said.recv_timeout(START) {
                Ok(line) => {
                    if let Some(url) = line.strip_prefix("pages and API ") {
                        started.url = url.trim().to_owned();
                    }
                    if line.starts_with(last) {
                        return Ok(started);
                    }
                    seen.push(line);
                }
                Err(RecvTimeoutError::Timeout) => return Err(format!("{name} says nothing: {seen:?}")),
                Err(RecvTimeoutError::Disconnected) => return Err(format!("{name} ended: {seen:?}")),
            }
        }
    }
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }
    pub(crate) fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
    /// SIGTERM; whether it ended in time.
    pub(crate) fn terminate(&mut self) -> bool {
        process::signal(self.pid(), "TERM");
        process::ended(&mut self.child, Duration::from_secs(30))
    }
    /// Whether it still runs.
    pub(crate) fn runs(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// A client for pages and registries.
pub(crate) fn client() -> reqwest::Client {
    // reqwest is built without a TLS provider of its own; a second install changes nothing.
    drop(rustls::crypto::ring::default_provider().install_default());
    reqwest::Client::builder().timeout(Duration::from_secs(10)).build().unwrap()
}

/// All runs that a server shows, newest first, without steps.
pub(crate) async fn runs(client: &reqwest::Client, url: &str) -> Result<Vec<Value>, reqwest::Error> {
    let (mut all, mut before) = (Vec::new(), String::new());
    loop {
        let page = format!("{url}/api/v1/runs?limit=500{before}");
        let page: Value = client.get(page).send().await?.error_for_status()?.json().await?;
        all.extend(page["runs"].as_array().cloned().unwrap_or_default());
        match page["next"].as_str() {
            Some(next) => before = format!("&before={next}"),
            None => return Ok(all),
        }
    }
}

/// One run, whole.
pub(crate) async fn run(client: &reqwest::Client, url: &str, id: &str) -> Result<Value, reqwest::Error> {
    client.get(format!("{url}/api/v1/runs/{id}")).send().await?.error_for_status()?.json().await
}

fn digest(bytes: &[u8]) -> String {
    format!("sha256:{}", hex::encode(Sha256::digest(bytes)))
}

/// Pushes an image without layers that no other equals: its tag is written into it. Gives its digest.
pub(crate) async fn push(
    client: &reqwest::Client,
    registry: &str,
    repository: &str,
    tag: &str,
) -> Result<String, reqwest::Error> {
    let config = json!({"architecture": "amd64", "os": "linux", "config": {}, "rootfs": {"type": "layers", "diff_ids": []}});
    let config = config.to_string().into_bytes();
    let base = format!("http://{registry}/v2/{repository}");
    let upload = client.post(format!("{base}/blobs/uploads/")).send().await?.error_for_status()?;
    let place = upload.headers().get("location").and_then(|l| l.to_str().ok()).unwrap_or_default().to_owned();
    let place = if place.starts_with('/') { format!("http://{registry}{place}") } else { place };
    let with = if place.contains('?') { '&' } else { '?' };
    let put = client.put(format!("{place}{with}digest={}", digest(&config))).body(config.clone());
    put.header("content-type", "application/octet-stream").send().await?.error_for_status()?;
    let manifest = json!({
        "schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "config": {"mediaType": "application/vnd.oci.image.config.v1+json", "digest": digest(&config), "size": config.len()},
        "layers": [], "annotations": {"tag": tag},
    });
    let manifest = manifest.to_string().into_bytes();
    let put = client.put(format!("{base}/manifests/{tag}")).body(manifest.clone());
    put.header("content-type", "application/vnd.oci.image.manifest.v1+json")
        .send()
        .await?
        .error_for_status()?;
    Ok(digest(&manifest))
}
