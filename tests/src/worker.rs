//! `patchline worker` as a child process: started, told to stop, killed.

use std::{
    io::{BufRead as _, BufReader},
    path::Path,
    process::{Child, Command, Stdio},
    time::Duration,
};

use crate::{machine::patchline, process, server::Options};

/// A running worker; killed when dropped.
pub struct Worker {
    child: Child,
}

impl Worker {
    /// Starts one with the server's configuration over a data folder of its own, and waits until it works.
    pub fn start(options: &Options, data: &Path, flags: &[&str]) -> Self {
        let mut command = Command::new(patchline());
        command.arg("worker").arg("--data").arg(data).arg("--config").arg(&options.config).args(flags);
        command.envs(options.env.iter().cloned()).stdout(Stdio::null()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let mut seen = String::new();
        loop {
            let Some(Ok(line)) = lines.next() else {
                panic!("the worker ended before it worked: {:?}\n{seen}", child.wait());
            };
            if line.starts_with("working ") {
                break;
            }
            seen.push_str(&line);
            seen.push('\n');
        }
        // Somebody has to read on, or the worker would block on a full pipe.
        let id = child.id();
        std::thread::spawn(move || {
            for line in lines.map_while(Result::ok) {
                println!("worker {id}: {line}");
            }
        });
        Self { child }
    }
    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }
    /// SIGTERM, then its exit code; none: a signal ended it.
    pub fn terminate(mut self, limit: Duration) -> Option<i32> {
        process::signal(self.child.id(), "TERM");
        assert!(process::ended(&mut self.child, limit), "the worker does not stop within {limit:?}");
        self.child.wait().unwrap().code()
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
