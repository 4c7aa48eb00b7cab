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
    /// Why it could not be tried, which is nobody's fault here.
    pub(crate) untried: Option<String>,
    /// What is wrong.
    pub(crate) findings: Vec<String>,
}

impl Row {
    pub(crate) fn named(name: String) -> Self {
        Self { name, executor: "-".into(), ..Self::default() }
    }

    pub(crate) fn tell(&self) {
        let verdict = match (&self.untried, self.findings.is_empty()) {
            (_, false) => "WRONG".to_owned(),
            (Some(why), true) => format!("UNTRIED: {why}"),
            (None, true) => "good".to_owned(),
        };
        eprintln!(
            "{:38} {:>8} {:>8} {:8} {:>7.1} s  {verdict} {}",
            self.name,
            self.upgrades,
            self.refused,
            self.executor,
            self.seconds,
            self.notes.join("; ")
        );
        for finding in &self.findings {
            eprintln!("    {finding}");
        }
    }

    pub(crate) fn json(&self) -> Value {
        json!({
            "name": self.name, "upgrades": self.upgrades, "refused": self.refused, "executor": self.executor,
            "scripted": self.scripted, "seconds": (self.seconds * 10.0).round() / 10.0, "notes": self.notes,
            "untried": self.untried, "findings": self.findings,
        })
    }
}

/// Above the rows.
pub(crate) fn heads() {
    eprintln!("{:38} {:>8} {:>8} {:8} {:>9}", "image", "upgrades", "refused", "executor", "time");
}
