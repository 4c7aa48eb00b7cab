//! `patchline serve` as a child process: started, asked, killed.

use std::{
    fs,
    io::{BufRead as _, BufReader},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::Duration,
};

use serde_json::Value;

use crate::machine::patchline;

/// A folder that outlives a test, beside the build.
pub fn cache() -> PathBuf {
    let folder = patchline().parent().unwrap().join("testkit");
    fs::create_dir_all(&folder).unwrap();
    folder
}

/// A running server.
pub struct Server {
    child: Child,
    /// `http://127.0.0.1:…`
    pub url: String,
    /// `127.0.0.1:…`
    pub registry: String,
    client: reqwest::blocking::Client,
}

/// How to start it.
pub struct Options {
    /// Data folder.
    pub data: PathBuf,
    /// `patchline.yaml`.
    pub config: PathBuf,
    /// Chain files.
    pub chains: Vec<PathBuf>,
    /// Addresses; port 0 takes a free one.
    pub listen: String,
    /// Of the embedded registry.
    pub registry: String,
    /// Environment.
    pub env: Vec<(String, String)>,
    /// Flags beyond these.
    pub flags: Vec<String>,
}

impl Options {
    /// On free ports, over a folder that a test owns.
    pub fn new(folder: &Path, chain: &str, config: &str) -> Self {
        let chain_path = folder.join("chain.yaml");
        fs::write(&chain_path, chain).unwrap();
        let config_path = folder.join("patchline.yaml");
        fs::write(&config_path, config).unwrap();
        Self {
            data: folder.join("data"),
            config: config_path,
            chains: vec![chain_path],
            listen: "127.0.0.1:0".into(),
            registry: "127.0.0.1:0".into(),
            env: Vec::new(),
            flags: Vec::new(),
        }
    }
}

impl Server {
    /// Starts it and waits until it listens.
    pub fn start(options: &Options) -> Self {
        let mut command = Command::new(patchline());
        command
            .arg("serve")
            .arg("--data")
            .arg(&options.data)
            .arg("--config")
            .arg(&options.config)
            .args(["--listen", &options.listen, "--registry-listen", &options.registry])
            .stdout(Stdio::null())
            .stderr(Stdio::piped());
        for chain in &options.chains {
            command.arg("--chain").arg(chain);
        }
        command.args(&options.flags).envs(options.env.iter().cloned());
        let mut child = command.spawn().unwrap();
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let (mut url, mut registry, mut seen) = (None, None, String::new());
        while url.is_none() || registry.is_none() {
            let Some(Ok(line)) = lines.next() else {
                panic!("the server ended before it listened: {:?}\n{seen}", child.wait());
            };
            let value = |prefix: &str| line.strip_prefix(prefix).map(|v| v.trim().to_owned());
            url = url.or_else(|| value("pages and API "));
            registry = registry.or_else(|| value("registry "));
            seen.push_str(&line);
            seen.push('\n');
        }
        // Somebody has to read on, or the server would block on a full pipe.
        std::thread::spawn(move || {
            for line in lines.map_while(Result::ok) {
                println!("server: {line}");
            }
        });
        // reqwest is built without a TLS provider of its own; a second install changes nothing.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let client = reqwest::blocking::Client::builder().timeout(Duration::from_secs(30)).build().unwrap();
        Self { child, url: url.unwrap(), registry: registry.unwrap(), client }
    }
    /// `kill -9`.
    pub fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }
    /// GET of the API.
    pub fn get(&self, path: &str) -> Value {
        let answer = self.client.get(format!("{}{path}", self.url)).send().unwrap();
        let status = answer.status();
        let text = answer.text().unwrap();
        assert!(status.is_success(), "GET {path}: {status} {text}");
        serde_json::from_str(&text).unwrap()
    }
    /// POST to the API.
    pub fn post(&self, path: &str, body: &Value) -> Value {
        let answer = self.client.post(format!("{}{path}", self.url)).json(body).send().unwrap();
        let status = answer.status();
        let text = answer.text().unwrap();
        assert!(status.is_success(), "POST {path}: {status} {text}");
        serde_json::from_str(&text).unwrap()
    }
    /// All runs of the first round, newest first.
    pub fn first_rounds(&self) -> Vec<Value> {
        let page = self.get("/api/v1/runs?limit=100");
        page["runs"].as_array().unwrap().iter().filter(|r| r["round"] == 1).cloned().collect()
    }
    /// Waits until `count` first-round runs have finished and nothing is left to deliver; gives them whole.
    pub fn finished(&self, count: usize, limit: Duration) -> Vec<Value> {
        let steps = limit.as_millis() / 250;
        let mut last = Vec::new();
        for _ in 0..steps {
            last = self.first_rounds();
            if last.len() >= count && last.iter().all(|r| r["status"] == "finished") {
                let whole: Vec<Value> = last
                    .iter()
                    .map(|r| self.get(&format!("/api/v1/runs/{}", r["id"].as_str().unwrap())))
                    .collect();
                let settled = |run: &Value| {
                    run["deliveries"].as_array().unwrap().iter().all(|d| d["state"] != "pending")
                };
                if whole.iter().all(settled) {
                    return whole;
                }
            }
            std::thread::sleep(Duration::from_millis(250));
        }
        panic!("not finished within {limit:?}: {last:#?}");
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
