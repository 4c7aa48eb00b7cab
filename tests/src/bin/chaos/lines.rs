//! What steps write down as they begin and end: lines that a `kill -9` of their process cannot take back.

use std::{fs, io::Write as _, path::Path, sync::Mutex};

/// A process's own file.
pub(crate) struct Lines(Mutex<fs::File>);

/// How a step's attempt came to its end, as far as the process itself saw it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    /// It gave its outcome to the engine.
    Done,
    /// It failed, or was dropped: told to stop, and did not.
    Undone,
}

/// One attempt of a step.
#[derive(Debug, Clone)]
pub(crate) struct Attempt {
    pub(crate) run: String,
    pub(crate) step: String,
    pub(crate) kind: String,
    pub(crate) pid: u32,
    /// Nanoseconds of the machine's clock.
    pub(crate) begin: u64,
    pub(crate) end: Option<(u64, End)>,
}

impl Lines {
    pub(crate) fn open(folder: &Path) -> Self {
        let file = folder.join(format!("lines-{}", std::process::id()));
        Self(Mutex::new(fs::File::options().create(true).append(true).open(file).unwrap()))
    }
    /// Whole lines: one write each.
    pub(crate) fn write(&self, text: &str) {
        self.0.lock().unwrap().write_all(format!("{text} {}\n", now()).as_bytes()).unwrap();
    }
}

/// Now, in nanoseconds.
#[expect(clippy::disallowed_methods, reason = "a harness measures the machine's time, over processes")]
pub(crate) fn now() -> u64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    u64::try_from(since.as_nanos()).unwrap()
}

/// All attempts that any process wrote down, by their beginning.
pub(crate) fn read(folder: &Path) -> Vec<Attempt> {
    let mut all = Vec::new();
    for entry in fs::read_dir(folder).unwrap().flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        let Some(pid) = name.strip_prefix("lines-").and_then(|pid| pid.parse().ok()) else { continue };
        // By run and step and number of the attempt within this process.
        let mut of_file: Vec<(String, Attempt)> = Vec::new();
        let text = fs::read_to_string(entry.path()).unwrap();
        // A line that the kill cut off has no end, and is none.
        let whole = text.rfind('\n').map_or("", |end| &text[..end]);
        for line in whole.lines() {
            let f: Vec<&str> = line.split(' ').collect();
            match f.as_slice() {
                ["B", key, run, step, kind, at] => of_file.push((
                    (*key).to_owned(),
                    Attempt {
                        run: (*run).to_owned(),
                        step: (*step).to_owned(),
                        kind: (*kind).to_owned(),
                        pid,
                        begin: at.parse().unwrap(),
                        end: None,
                    },
                )),
                ["E", key, how, at] => {
                    let end = if *how == "done" { End::Done } else { End::Undone };
                    let attempt = of_file.iter_mut().rev().find(|(k, _)| k == *key);
                    attempt.unwrap().1.end = Some((at.parse().unwrap(), end));
                }
                _ => panic!("a line that nobody wrote: {line}"),
            }
        }
        all.extend(of_file.into_iter().map(|(_, attempt)| attempt));
    }
    all.sort_unstable_by_key(|attempt| attempt.begin);
    all
}
