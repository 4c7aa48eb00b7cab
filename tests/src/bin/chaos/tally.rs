//! What was found so far, kept in a file so that a long run can be taken up again.

use std::{collections::BTreeMap, fs, path::Path};

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// Of one store.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Tally {
    /// `kill -9` of processes.
    pub(crate) kills: u64,
    /// Orderly restarts of processes.
    pub(crate) restarts: u64,
    /// Kills and restarts of the database's server.
    pub(crate) database_restarts: u64,
    /// Runs that were accepted.
    pub(crate) runs: u64,
    /// Accepted, and not ended well when all was quiet.
    pub(crate) lost_runs: u64,
    /// Steps that began again, or ended again, although nothing had stopped them; and runs that stand twice.
    pub(crate) duplicated_successors: u64,
    /// Permits that are taken when nothing runs.
    pub(crate) leaked_limits: u64,
    /// Moments at which more ran under a limit than it allows.
    pub(crate) exceeded_limits: u64,
    /// Effects that stand under more than one id at the stand-in, or not at all.
    pub(crate) duplicate_effects: u64,
    /// Calls and messages that came again, under their one id.
    pub(crate) repeated_effects: u64,
    /// Seconds from a kill to the next attempt of a step that it cut off.
    pub(crate) recoveries: Vec<f64>,
    /// Seconds from the start of a process after an orderly stop to its first step.
    pub(crate) clean: Vec<f64>,
    /// Seconds from the database's return to the first step.
    pub(crate) database: Vec<f64>,
    /// What is wrong, in words; the first hundred.
    pub(crate) findings: Vec<String>,
}

/// Of all stores, by name.
pub(crate) type Tallies = BTreeMap<String, Tally>;

/// From kill to re-run, from orderly restart, from the database's restart: at most so many seconds.
const LIMITS: [f64; 3] = [20.0, 2.0, 5.0];

impl Tally {
    pub(crate) fn find(&mut self, what: String) {
        eprintln!("found: {what}");
        if self.findings.len() < 100 {
            self.findings.push(what);
        }
    }
    pub(crate) fn add(&mut self, round: Self) {
        self.kills += round.kills;
        self.restarts += round.restarts;
        self.database_restarts += round.database_restarts;
        self.runs += round.runs;
        self.lost_runs += round.lost_runs;
        self.duplicated_successors += round.duplicated_successors;
        self.leaked_limits += round.leaked_limits;
        self.exceeded_limits += round.exceeded_limits;
        self.duplicate_effects += round.duplicate_effects;
        self.repeated_effects += round.repeated_effects;
        self.recoveries.extend(round.recoveries);
        self.clean.extend(round.clean);
        self.database.extend(round.database);
        self.findings.extend(round.findings);
        self.findings.truncate(100);
    }
    /// Whether everything is as it has to be.
    pub(crate) fn is_well(&self) -> bool {
        let none = self.lost_runs + self.duplicated_successors + self.leaked_limits + self.exceeded_limits;
        let times = [&self.recoveries, &self.clean, &self.database];
        none + self.duplicate_effects == 0 && times.iter().zip(LIMITS).all(|(all, limit)| worst(all) <= limit)
    }
    fn told(&self) -> Value {
        json!({
            "kills": self.kills,
            "restarts": self.restarts,
            "database_restarts": self.database_restarts,
            "runs": self.runs,
            "lost_runs": self.lost_runs,
            "duplicated_successors": self.duplicated_successors,
            "leaked_limits": self.leaked_limits,
            "exceeded_limits": self.exceeded_limits,
            "duplicate_effects": self.duplicate_effects,
            "repeated_effects": self.repeated_effects,
            "recovery_p99_s": rounded(p99(&self.recoveries)),
            "recovery_worst_s": rounded(worst(&self.recoveries)),
            "clean_restart_worst_s": rounded(worst(&self.clean)),
            "database_restart_worst_s": rounded(worst(&self.database)),
        })
    }
}

fn worst(all: &[f64]) -> f64 {
    all.iter().copied().fold(0.0, f64::max)
}

fn p99(all: &[f64]) -> f64 {
    let mut sorted = all.to_vec();
    sorted.sort_unstable_by(f64::total_cmp);
    let at = (sorted.len() as f64 * 0.99).ceil() as usize;
    sorted.get(at.saturating_sub(1)).copied().unwrap_or(0.0)
}

fn rounded(value: f64) -> f64 {
    (value * 100.0).round() / 100.0
}

/// As it ends: an object by store.
pub(crate) fn told(all: &Tallies) -> Value {
    Value::Object(all.iter().map(|(store, tally)| (store.clone(), tally.told())).collect())
}

/// What an earlier run has kept; none: it is the first.
pub(crate) fn load(file: Option<&Path>) -> Tallies {
    let text = file.and_then(|file| fs::read_to_string(file).ok());
    text.map_or_else(Tallies::default, |text| serde_json::from_str(&text).expect("a file of ours"))
}

/// Written aside and renamed: a harness that is killed leaves the file whole.
pub(crate) fn save(file: Option<&Path>, all: &Tallies) {
    let Some(file) = file else { return };
    let aside = file.with_extension("new");
    fs::write(&aside, serde_json::to_vec_pretty(all).unwrap()).unwrap();
    fs::rename(&aside, file).unwrap();
}
