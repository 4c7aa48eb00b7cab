//! What loading advisories costs: to compile them, and to open what was compiled and look something up.
//!
//! `cargo bench -p patchline-scanner --bench advisories -- --data DIR [--json]`; `DIR` is in the OSV bucket's layout. It
//! starts itself again to open the set: what compiling took is then not counted.

#![expect(clippy::unwrap_used, reason = "a bench that cannot go on fails")]
#![expect(clippy::print_stdout, reason = "figures are what is asked for")]
#![expect(clippy::disallowed_methods, reason = "time is what is measured")]

use std::{
    path::{Path, PathBuf},
    process::Command,
    time::Instant,
};

use patchline_scanner::advisories::{
    AdvisorySet,
    update::{Origin, update},
};
use serde_json::{Value, json};

/// The command line; cargo adds `--bench`, which says nothing.
struct Arguments(Vec<String>);

impl Arguments {
    fn has(&self, flag: &str) -> bool {
        self.0.iter().any(|a| a == flag)
    }
    fn value(&self, flag: &str) -> Option<&str> {
        let at = self.0.iter().position(|a| a == flag)?;
        self.0.get(at + 1).map(String::as_str)
    }
}

fn main() {
    let arguments = Arguments(std::env::args().skip(1).collect());
    if let Some(folder) = arguments.value("--open") {
        println!("{}", open(Path::new(folder)));
        return;
    }
    let Some(data) = arguments.value("--data") else {
        println!("skipped: say where the records are by --data DIR");
        return;
    };
    let figures = figures(Path::new(data));
    if arguments.has("--json") {
        println!("{figures}");
    } else {
        for (name, value) in figures.as_object().into_iter().flatten() {
            println!("{name:20} {value}");
        }
    }
}

fn figures(data: &Path) -> Value {
    let folder = tempfile::tempdir().unwrap();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let origin = Origin::Folder(PathBuf::from(data));
    let started = Instant::now();
    let sources = runtime.block_on(update(folder.path(), &origin, "2026-01-01T00:00:00Z")).unwrap();
    let compile_s = started.elapsed().as_secs_f64();
    let mut command = Command::new(std::env::current_exe().unwrap());
    let said = command.arg("--open").arg(folder.path()).output().unwrap();
    let mut figures: Value = serde_json::from_slice(&said.stdout).unwrap();
    figures["compile_s"] = rounded(compile_s);
    figures["records"] = sources.iter().map(|s| s.advisories).sum::<usize>().into();
    figures["sources"] = sources.len().into();
    figures
}

/// Opens the newest set in a process of its own, and looks up packages that many images have.
fn open(folder: &Path) -> Value {
    let started = Instant::now();
    let set = AdvisorySet::open(folder).unwrap().unwrap();
    let load_ms = started.elapsed().as_secs_f64() * 1e3;
    let started = Instant::now();
    let asked = LOOKED_UP.iter().map(|(ecosystem, packages)| {
        packages.iter().map(|package| set.known(ecosystem, package)).sum::<usize>()
    });
    let found: usize = asked.sum();
    let lookup_ms = started.elapsed().as_secs_f64() * 1e3;
    assert_eq!(set.fault(), None);
    json!({
        "load_ms": rounded(load_ms),
        "lookup_ms": rounded(lookup_ms),
        "looked_up": LOOKED_UP.iter().map(|(_, p)| p.len()).sum::<usize>(),
        "found": found,
        "resident_mb": rounded(resident_mb()),
        "advisories": set.len(),
        "file_mb": rounded(size(folder)),
    })
}

/// Of several ecosystems, so that blocks all over the file are read.
const LOOKED_UP: [(&str, [&str; 6]); 6] = [
    ("Debian:12", ["openssl", "glibc", "curl", "linux", "systemd", "nginx"]),
    ("AlmaLinux:9", ["kernel", "openssl", "glibc", "python3", "podman", "curl"]),
    ("Alpine:v3.11", ["openssl", "busybox", "curl", "musl", "nginx", "python3"]),
    ("PyPI", ["django", "Pillow", "tensorflow", "requests", "flask", "numpy"]),
    (
        "Go",
        [
            "stdlib",
            "golang.org/x/crypto",
            "golang.org/x/net",
            "k8s.io/kubernetes",
            "toolchain",
            "golang.org/x/text",
        ],
    ),
    ("Bitnami", ["wordpress", "gitlab", "joomla", "redis", "postgresql", "tomcat"]),
];

/// `VmRSS` of proc_pid_status(5); 0 where the system has no such file.
fn resident_mb() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|l| l.strip_prefix("VmRSS:"));
    let kilobytes = line.and_then(|l| l.trim().strip_suffix(" kB")?.parse::<f64>().ok());
    kilobytes.unwrap_or(0.0) / 1024.0
}

fn size(folder: &Path) -> f64 {
    let files = std::fs::read_dir(folder).unwrap().map(|e| e.unwrap().metadata().unwrap().len());
    files.max().unwrap_or(0) as f64 / 1e6
}

fn rounded(figure: f64) -> Value {
    ((figure * 100.0).round() / 100.0).into()
}
