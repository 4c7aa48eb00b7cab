//! A process from its start to its end: seconds, processor seconds, and its largest resident set.

use std::{
    fs::File,
    io::Read as _,
    path::Path,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

/// What a process took.
pub(crate) struct Measured {
    /// From its start until it was gone.
    pub(crate) seconds: f64,
    /// Of all its threads, user and system.
    pub(crate) processor: f64,
    /// Its largest resident set in 10⁶ bytes, as the kernel counted it.
    pub(crate) peak_mb: f64,
}

/// Between two looks at a process; what its memory grew by since the last is not seen.
const LOOK: Duration = Duration::from_millis(2);
/// Linux counts processor time in hundredths.
const TICKS: f64 = 100.0;

/// Runs it to its end; what it prints goes to a file, or nowhere.
pub(crate) fn run(command: &mut Command, to: Option<&Path>) -> Measured {
    let out = to.map_or_else(Stdio::null, |file| File::create(file).unwrap().into());
    command.stdin(Stdio::null()).stdout(out).stderr(Stdio::piped());
    let started = Instant::now();
    let mut child = command.spawn().unwrap();
    let mut measured = Measured { seconds: 0.0, processor: 0.0, peak_mb: 0.0 };
    let status = loop {
        look(&child, &mut measured);
        if let Some(status) = child.try_wait().unwrap() {
            break status;
        }
        std::thread::sleep(LOOK);
    };
    measured.seconds = started.elapsed().as_secs_f64();
    if !status.success() {
        let mut said = String::new();
        child.stderr.take().unwrap().read_to_string(&mut said).unwrap();
        panic!("{command:?}: {status}: {said}");
    }
    measured
}

/// proc(5): `VmHWM` never falls; `utime` and `stime` are the 14th and 15th field of `stat`.
fn look(child: &Child, measured: &mut Measured) {
    let of = |file: &str| std::fs::read_to_string(format!("/proc/{}/{file}", child.id())).ok();
    let peak = of("status").and_then(|text| {
        let line = text.lines().find_map(|line| line.strip_prefix("VmHWM:"))?.trim().to_owned();
        line.split(' ').next()?.parse::<f64>().ok()
    });
    let ticks = of("stat").and_then(|text| {
        let fields: Vec<f64> = text.rsplit_once(") ")?.1.split(' ').filter_map(|f| f.parse().ok()).collect();
        Some(fields.get(10)? + fields.get(11)?)
    });
    measured.peak_mb = peak.map_or(measured.peak_mb, |kib| kib * 1024.0 / 1e6);
    measured.processor = ticks.map_or(measured.processor, |ticks| ticks / TICKS);
}

/// Reads every blob of a layout once.
pub(crate) fn warm_page_cache(layout: &Path) {
    for blob in std::fs::read_dir(layout.join("blobs/sha256")).unwrap() {
        std::io::copy(&mut File::open(blob.unwrap().path()).unwrap(), &mut std::io::sink()).unwrap();
    }
}
