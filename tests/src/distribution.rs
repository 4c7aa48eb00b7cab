//! Debian's docker-registry as a child process.

use std::{
    fs,
    net::{TcpListener, TcpStream},
    path::Path,
    process::{Child, Command, Stdio},
    time::Duration,
};

/// A running registry.
pub struct DockerRegistry {
    child: Child,
    /// `127.0.0.1:…`
    pub address: String,
}

impl Drop for DockerRegistry {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A port that was free a moment ago.
pub fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

impl DockerRegistry {
    /// Starts it over a folder; with a hook's address and secret it sends its notifications there.
    pub fn start(folder: &Path, port: u16, hook: Option<(&str, &str)>) -> Self {
        let address = format!("127.0.0.1:{port}");
        let mut config = format!(
            "version: 0.1\nlog: {{level: warn}}\nstorage:\n  filesystem: {{rootdirectory: {}}}\n  delete: {{enabled: true}}\n\
             http: {{addr: '{address}'}}\n",
            folder.join("distribution").display()
        );
        if let Some((url, secret)) = hook {
            config.push_str(&format!(
                "notifications:\n  endpoints:\n    - name: patchline\n      url: {url}\n      \
                 headers: {{Authorization: ['Bearer {secret}']}}\n      timeout: 5s\n      threshold: 5\n      backoff: 1s\n"
            ));
        }
        let path = folder.join("distribution.yml");
        fs::write(&path, config).unwrap();
        let child = Command::new("docker-registry")
            .arg("serve")
            .arg(&path)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let started = Self { child, address };
        for _ in 0..100 {
            if TcpStream::connect(&started.address).is_ok() {
                return started;
            }
            std::thread::sleep(Duration::from_millis(100));
        }
        panic!("docker-registry does not listen");
    }
}
