//! When steps began and ended, measured in the steps themselves, and what follows from it.

use std::{
    collections::HashMap,
    fs,
    path::Path,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use crate::kit::NEEDS;

/// One step that ran. Nanoseconds of the machine's clock: all processes of a machine share it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Mark {
    pub(crate) run: u128,
    pub(crate) step: u8,
    pub(crate) begin: u64,
    pub(crate) end: u64,
}

/// All of this process.
#[derive(Debug, Default)]
pub(crate) struct Marks {
    all: Mutex<Vec<Mark>>,
    /// How long the steps of a chain take: it stands for work.
    taking: Option<(Duration, &'static str)>,
}

impl Marks {
    pub(crate) fn taking(each: Duration, chain: &'static str) -> Self {
        Self { all: Mutex::default(), taking: Some((each, chain)) }
    }
    /// How long a step of this chain takes.
    pub(crate) fn work(&self, chain: &str) -> Option<Duration> {
        self.taking.filter(|(_, of)| *of == chain).map(|(each, _)| each)
    }
    pub(crate) fn push(&self, mark: Mark) {
        self.lock().push(mark);
    }
    /// How many steps ran.
    pub(crate) fn count(&self) -> usize {
        self.lock().len()
    }
    /// When the first step of a run began.
    pub(crate) fn begun(&self, run: u128) -> Option<u64> {
        self.lock().iter().rev().filter(|m| m.run == run).map(|m| m.begin).min()
    }
    fn lock(&self) -> MutexGuard<'_, Vec<Mark>> {
        self.all.lock().unwrap_or_else(PoisonError::into_inner)
    }
    /// How often the last step of a run ran.
    pub(crate) fn ended(&self) -> usize {
        let marks = self.lock();
        marks.iter().filter(|m| usize::from(m.step) == NEEDS.len() - 1).count()
    }
    /// Takes them out.
    pub(crate) fn take(&self) -> Vec<Mark> {
        std::mem::take(&mut *self.lock())
    }
}

/// Now, in nanoseconds.
#[expect(clippy::disallowed_methods, reason = "a bench measures the machine's time")]
pub(crate) fn now() -> u64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    u64::try_from(since.as_nanos()).unwrap()
}

/// For another process to read.
pub(crate) fn write(marks: &[Mark], file: &Path) {
    let mut text = String::with_capacity(marks.len() * 80);
    for m in marks {
        text.push_str(&format!("{:x} {} {} {}\n", m.run, m.step, m.begin, m.end));
    }
    fs::write(file, text).unwrap();
}

/// What another process wrote.
pub(crate) fn read(file: &Path) -> Vec<Mark> {
    let text = fs::read_to_string(file).unwrap();
    text.lines()
        .map(|line| {
            let mut fields = line.split(' ');
            let mut next = || fields.next().unwrap();
            Mark {
                run: u128::from_str_radix(next(), 16).unwrap(),
                step: next().parse().unwrap(),
                begin: next().parse().unwrap(),
                end: next().parse().unwrap(),
            }
        })
        .collect()
}

/// From the end of the last of a step's needs to its own begin, in milliseconds, ascending.
pub(crate) fn step_to_step(marks: &[Mark]) -> Vec<f64> {
    let mut ends: HashMap<(u128, u8), u64> = HashMap::with_capacity(marks.len());
    for mark in marks {
        ends.insert((mark.run, mark.step), mark.end);
    }
    let mut all: Vec<f64> = marks
        .iter()
        .filter_map(|mark| {
            let needs = NEEDS[usize::from(mark.step)];
            let ready = needs.iter().map(|need| ends.get(&(mark.run, *need)).copied().unwrap_or(0)).max()?;
            Some(mark.begin.saturating_sub(ready) as f64 / 1e6)
        })
        .collect();
    all.sort_unstable_by(f64::total_cmp);
    all
}

/// Of ascending values.
pub(crate) fn percentile(sorted: &[f64], percent: f64) -> f64 {
    let at = (sorted.len() as f64 * percent / 100.0).ceil() as usize;
    sorted.get(at.saturating_sub(1)).copied().unwrap_or(0.0)
}

/// The longest time in milliseconds between one start and the next, where runs were due all the time.
pub(crate) fn longest_gap(marks: &[Mark]) -> f64 {
    let mut begins: Vec<u64> = marks.iter().map(|m| m.begin).collect();
    begins.sort_unstable();
    begins.windows(2).map(|w| (w[1] - w[0]) as f64 / 1e6).fold(0.0, f64::max)
}
