//! What came of each case, for people and programs.

use serde_json::{Value, json};

/// One case.
#[derive(Debug, Default)]
pub(crate) struct Row {
    pub(crate) name: String,
    pub(crate) upgrades: usize,
    pub(crate) refused: usize,
    pub(crate) executor: String,
    /// Packages that native refuses for their scripts.
    pub(crate) scripted: Vec<String>,
    pub(crate) seconds: f64,
    /// What is worth a word, and no fault.
    pub(crate) notes: Vec<String>,
    /// Why its packages were made here, which is nobody's fault.
    pub(crate) reissued: Option<String>,
    /// What is wrong.
    pub(crate) findings: Vec<String>,
}

impl Row {
    pub(crate) fn named(name: String) -> Self {
        Self { name, executor: "-".into(), ..Self::default() }
    }

    pub(crate) fn tell(&self) {
        let verdict = if self.findings.is_empty() { "good" } else { "WRONG" };
        eprintln!(
            "{:38} {:>8} {:>8} {:8} {:>7.1} s  {verdict} {}",
            self.name,
            self.upgrades,
            self.refused,
            self.executor,
            self.seconds,
            self.reissued.iter().chain(&self.notes).map(String::as_str).collect::<Vec<_>>().join("; ")
        );
        for finding in &self.findings {
            eprintln!("    {finding}");
        }
    }

    pub(crate) fn json(&self) -> Value {
        json!({
            "name": self.name, "upgrades": self.upgrades, "refused": self.refused, "executor": self.executor,
            "scripted": self.scripted, "seconds": (self.seconds * 10.0).round() / 10.0, "notes": self.notes,
            "reissued": self.reissued, "findings": self.findings,
        })
    }
}

/// Above the rows.
pub(crate) fn heads() {
    eprintln!("{:38} {:>8} {:>8} {:8} {:>9}", "image", "upgrades", "refused", "executor", "time");
}
