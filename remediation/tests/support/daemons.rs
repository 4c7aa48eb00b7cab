//! Real daemons of the tests' own: Docker's and Podman's, each over a storage of its own, ended by its number.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::Duration,
};

use patchline_registry::daemon::Api;
use patchline_remediation::{Engine, executor::sandbox::Limits};
use reqwest::Method;
use serde_json::Value;

/// One that listens.
pub(crate) struct Daemon {
    folder: tempfile::TempDir,
    child: Child,
    pub(crate) api: Api,
}

/// Which.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Make {
    Docker,
    Podman,
}

/// Says that a test shows nothing here, and why; on machines that test for everybody it fails.
pub(crate) fn skipped(test: &str, why: &str) {
    assert!(std::env::var("CI").as_deref() != Ok("true"), "{test}: {why}");
    println!("skipped: {test}: {why}");
}

fn there(program: &str) -> bool {
    ["/usr/bin", "/usr/sbin", "/usr/local/bin"].iter().any(|folder| Path::new(folder).join(program).is_file())
}

fn command(make: Make, folder: &Path) -> Command {
    let path = |name: &str| folder.join(name).display().to_string();
    let host = format!("unix://{}", path("socket"));
    let mut command;
    match make {
        Make::Docker => {
            fs::write(folder.join("config"), "{}").unwrap();
            command = Command::new("dockerd");
            command.args(["--config-file", &path("config"), "--data-root", &path("data")]);
            command.args(["--exec-root", &path("exec"), "--pidfile", &path("pid"), "--host", &host]);
            command.args(["--iptables=false", "--ip6tables=false", "--bridge=none"]);
        }
        Make::Podman => {
            command = Command::new("podman");
            // crun does not run where control groups are of both versions, as on some machines that test.
            command.args(["--runtime", "runc", "--cgroup-manager", "cgroupfs"]);
            command.args(["--root", &path("data"), "--runroot", &path("exec"), "--storage-driver", "vfs"]);
            command.args(["system", "service", "--time", "0", &host]);
        }
    }
    let log = fs::File::create(folder.join("log")).unwrap();
    command.current_dir(folder).stdin(Stdio::null()).stdout(log.try_clone().unwrap()).stderr(log);
    command
}

/// A folder for all that a daemon writes: in memory where there is enough of it, for each case takes in a whole image.
fn storage() -> tempfile::TempDir {
    const ENOUGH: u64 = 8 << 30;
    let memory = Path::new("/dev/shm");
    match rustix::fs::statvfs(memory).is_ok_and(|there| there.f_bavail * there.f_frsize > ENOUGH) {
        true => tempfile::tempdir_in(memory).unwrap(),
        false => tempfile::tempdir().unwrap(),
    }
}

impl Daemon {
    /// None: it is not on this machine.
    pub(crate) fn start(test: &str, make: Make) -> Option<Self> {
        let needed: &[&str] = match make {
            Make::Docker => &["dockerd", "containerd", "runc"],
            Make::Podman => &["podman", "runc"],
        };
        if let Some(missing) = needed.iter().find(|program| !there(program)) {
            skipped(test, &format!("there is no {missing} on this machine"));
            return None;
        }
        let folder = storage();
        let child = command(make, folder.path()).spawn().unwrap();
        let api = Api::at(&folder.path().join("socket")).unwrap();
        let mut started = Self { folder, child, api };
        for _ in 0..600 {
            // Docker's has its socket before it answers.
            if fs::read_to_string(started.folder.path().join("log")).unwrap().contains("API listen on")
                || matches!(make, Make::Podman) && started.socket().exists()
            {
                return Some(started);
            }
            if let Some(status) = started.child.try_wait().unwrap() {
                let log = fs::read_to_string(started.folder.path().join("log")).unwrap();
                panic!("{make:?} ended with {status}: {log}");
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        let log = fs::read_to_string(started.folder.path().join("log")).unwrap();
        panic!("{make:?} does not listen: {log}");
    }

    pub(crate) fn socket(&self) -> PathBuf {
        self.folder.path().join("socket")
    }

    pub(crate) fn engine(&self, limits: Limits) -> Engine {
        Engine::at(&self.socket()).unwrap().with_limits(limits)
    }

    /// Asks for something that must be granted.
    pub(crate) async fn ask(&self, method: Method, path: &str, body: reqwest::Body) -> Value {
        let request = self.api.request(method, &format!("v1.41/{path}")).body(body);
        let request = request.header("content-type", "application/json");
        let answer = self.api.send(request, Duration::from_secs(60)).await.unwrap();
        let status = answer.status();
        let body = self.api.body(answer, 1 << 20).await.unwrap();
        assert!(status.is_success(), "{path}: {status}: {}", String::from_utf8_lossy(&body));
        serde_json::from_slice(&body).unwrap_or_default()
    }

    /// Names of all its containers, and ids of all its images.
    pub(crate) async fn holds(&self) -> Vec<String> {
        let mut all = Vec::new();
        for (kind, name) in [("containers", "/Names/0"), ("images", "/Id")] {
            let listed = self.ask(Method::GET, &format!("{kind}/json?all=true"), "".into()).await;
            all.extend(listed.as_array().unwrap().iter().map(|one| {
                let name = one.pointer(name).and_then(Value::as_str).unwrap_or_default();
                format!("{kind} {}", name.trim_start_matches('/'))
            }));
        }
        all
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        // In order, so that what it started ends with it.
        let pid = rustix::process::Pid::from_child(&self.child);
        let asked = rustix::process::kill_process(pid, rustix::process::Signal::TERM);
        for _ in 0..200 {
            if asked.is_err() || self.child.try_wait().is_ok_and(|status| status.is_some()) {
                break;
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
        // Daemons leave mounts of their own behind, which would keep the folder.
        let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
        let folder = self.folder.path().display().to_string();
        let ours = mounts.lines().filter_map(|line| line.split(' ').nth(4));
        for place in ours.filter(|place| place.starts_with(&folder)) {
            let _ = rustix::mount::unmount(place, rustix::mount::UnmountFlags::DETACH);
        }
    }
}
