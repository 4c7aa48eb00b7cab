//! A small WebDriver client (W3C WebDriver, with chromedriver's own DevTools command): a real Chromium, driven.

use std::{
    fs,
    io::{BufRead as _, BufReader},
    net::TcpListener,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::Duration,
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::{Value, json};

use crate::machine::{find, skip};

/// Where screenshots are kept: `target/screenshots`.
pub fn screenshots() -> PathBuf {
    let mut folder = std::env::current_exe().unwrap();
    folder.pop();
    while folder.file_name().is_some_and(|name| name == "deps" || name == "debug" || name == "release") {
        folder.pop();
    }
    folder.join("screenshots")
}

/// One browser window with a profile of its own; gone when dropped.
pub struct Browser {
    driver: Child,
    session: String,
    client: reqwest::Client,
    _profile: tempfile::TempDir,
}

impl Browser {
    /// Starts chromedriver and a headless Chromium. None, after saying so, where this machine has none.
    pub async fn start() -> Option<Self> {
        let (Some(driver), Some(chromium)) = (find("chromedriver"), find("chromium")) else {
            skip("no chromium with its driver on this machine");
            return None;
        };
        // A port that was free a moment ago: chromedriver takes none of our choosing but by number.
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let mut child = Command::new(driver)
            .arg(format!("--port={port}"))
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
        assert!(lines.any(|line| line.contains("started successfully")), "chromedriver does not start");
        std::thread::spawn(move || lines.for_each(drop));
        let profile = tempfile::tempdir().unwrap();
        let _ = rustls::crypto::ring::default_provider().install_default();
        let client = reqwest::Client::builder().timeout(Duration::from_secs(60)).no_proxy().build().unwrap();
        let wanted = json!({"capabilities": {"alwaysMatch": {
            "browserName": "chrome",
            "goog:chromeOptions": {"binary": chromium, "args": [
                "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-dev-shm-usage",
                "--disable-background-networking", "--disable-component-update", "--disable-sync",
                "--hide-scrollbars", "--lang=en-US",
                format!("--user-data-dir={}", profile.path().display()),
            ]},
        }}});
        let mut browser = Self { driver: child, session: String::new(), client, _profile: profile };
        let base = format!("http://127.0.0.1:{port}/session");
        let made = browser.call(&base, &wanted).await;
        browser.session = format!("{base}/{}", made["sessionId"].as_str().unwrap());
        Some(browser)
    }

    async fn call(&self, url: &str, body: &Value) -> Value {
        let answer = self.client.post(url).json(body).send().await.unwrap();
        let mut said: Value = answer.json().await.unwrap();
        assert!(said["value"]["error"].is_null(), "{url}: {}", said["value"]);
        said["value"].take()
    }

    async fn post(&self, path: &str, body: Value) -> Value {
        self.call(&format!("{}/{path}", self.session), &body).await
    }

    /// Opens an address and waits until it is loaded.
    pub async fn goto(&self, url: &str) {
        self.post("url", json!({ "url": url })).await;
    }

    /// Runs a function body in the page and gives what it returns.
    pub async fn script(&self, body: &str) -> Value {
        self.post("execute/sync", json!({"script": body, "args": []})).await
    }

    /// Waits until the script returns true.
    pub async fn wait_for(&self, body: &str) {
        for _ in 0..100 {
            if self.script(body).await == json!(true) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        panic!("never true: {body}\n{}", self.text().await);
    }

    /// What a person can read of the page.
    pub async fn text(&self) -> String {
        self.script("return document.body.innerText").await.as_str().unwrap_or_default().to_owned()
    }

    /// A command of the DevTools protocol.
    pub async fn devtools(&self, command: &str, params: Value) -> Value {
        self.post("goog/cdp/execute", json!({"cmd": command, "params": params})).await
    }

    /// The viewport, exactly, also below the least width of a window.
    pub async fn viewport(&self, width: u32, height: u32) {
        let params = json!({"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 500});
        self.devtools("Emulation.setDeviceMetricsOverride", params).await;
    }

    /// `light` or `dark`, as the system would say.
    pub async fn prefer(&self, scheme: &str) {
        let features = json!([{"name": "prefers-color-scheme", "value": scheme}]);
        self.devtools("Emulation.setEmulatedMedia", json!({ "features": features })).await;
    }

    /// The whole page as a PNG file.
    pub async fn screenshot(&self, file: &Path) -> PathBuf {
        let said = self
            .devtools("Page.captureScreenshot", json!({"format": "png", "captureBeyondViewport": true}))
            .await;
        let png = STANDARD.decode(said["data"].as_str().unwrap()).unwrap();
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(file, png).unwrap();
        file.to_owned()
    }

    /// Ends the browser before its driver.
    pub async fn quit(self) {
        let _ = self.client.delete(&self.session).send().await;
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        let _ = self.driver.kill();
        let _ = self.driver.wait();
    }
}
