//! Processor time of processes, and processes that waste it.

use std::{
    fs,
    process::{Child, Command, Stdio},
};

/// Ticks of `/proc/*/stat` in a second: 100 wherever Linux shows them to programs.
const TICKS: f64 = 100.0;

/// Seconds of processor time that a process has used so far.
pub(crate) fn processor_seconds(pid: u32) -> f64 {
    let text = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let fields: Vec<&str> =
        text.rsplit_once(')').map(|(_, rest)| rest.split_whitespace().collect()).unwrap_or_default();
    // utime and stime are fields 14 and 15; the list begins with field 3.
    let ticks = |at: usize| fields.get(at).and_then(|f| f.parse::<f64>().ok()).unwrap_or(0.0);
    (ticks(11) + ticks(12)) / TICKS
}

/// Never ends by itself.
pub(crate) fn spin() {
    let mut x = 1_u64;
    loop {
        x = std::hint::black_box(x.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1));
    }
}

/// Every core kept busy until it is dropped.
pub(crate) struct Busy(Vec<Child>);

impl Busy {
    pub(crate) fn start() -> Self {
        let cores = std::thread::available_parallelism().map_or(2, usize::from);
        let spinner = |_| {
            let mut command = crate::process::bound(std::env::current_exe().unwrap(), "KILL", None);
            command.arg("spin").stdout(Stdio::null());
            crate::process::spawn(command).unwrap()
        };
        Self((0..cores).map(spinner).collect())
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        for child in &mut self.0 {
            drop(child.kill());
            drop(child.wait());
        }
    }
}

/// Syncs of a process to the disk, counted by the kernel (`perf stat`).
pub(crate) struct Syncs(Option<Child>);

impl Syncs {
    /// Begins to count; where `perf` may not, nothing is counted.
    pub(crate) fn of(pid: u32) -> Self {
        let mut perf = Command::new("perf");
        perf.args(["stat", "-x", ",", "-e", "syscalls:sys_enter_fdatasync,syscalls:sys_enter_fsync", "-p"]);
        perf.arg(pid.to_string()).stdout(Stdio::null()).stderr(Stdio::piped());
        let started = perf.spawn().ok();
        // It says nothing once it counts.
        std::thread::sleep(std::time::Duration::from_millis(300));
        Self(started)
    }
    /// How many it were; none: nobody could count.
    pub(crate) fn count(self) -> Option<u64> {
        let child = self.0?;
        crate::process::signal(child.id(), "INT");
        let said = child.wait_with_output().ok()?;
        let said = String::from_utf8_lossy(&said.stderr).into_owned();
        let counts = said.lines().filter(|l| l.contains("sys_enter_f"));
        counts.map(|l| l.split(',').next()?.parse::<u64>().ok()).sum()
    }
}
