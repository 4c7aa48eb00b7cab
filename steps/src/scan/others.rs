//! Scanners beside our own in a scan: their names, what they say, and what they say otherwise.

use std::fmt;

use patchline_chains::{Field, ValueType, catalogue::Objection};
use patchline_engine::StepError;
use patchline_registry::Repository;
use patchline_scanner::{
    Completeness, Counts, Inventory, Report, Severity,
    adapters::{BUILTIN, Scanners, Subject},
    compare::{Disagreement, One, compare},
};
use serde::{
    Deserialize, Deserializer,
    de::{self, SeqAccess, Visitor},
};
use serde_json::{Value, json};

use crate::{catalogue::objection, failure, severity, summary};

/// Scanners of one step.
const MOST: usize = 4;
/// Ids that an output names.
const IDS: usize = 20;

/// `builtin`, `[builtin, trivy]`: at least one, none twice. The first is believed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Names(Vec<String>);

impl Default for Names {
    fn default() -> Self {
        Self(vec![BUILTIN.to_owned()])
    }
}

impl Names {
    pub(super) fn first(&self) -> &str {
        self.0.first().map_or(BUILTIN, String::as_str)
    }
    pub(super) fn others(&self) -> impl Iterator<Item = &str> {
        self.0.iter().skip(1).map(String::as_str)
    }
    fn new(names: Vec<String>) -> Result<Self, String> {
        match fault(&names.iter().map(String::as_str).collect::<Vec<_>>()) {
            Some(fault) => Err(fault),
            None => Ok(Self(names)),
        }
    }
}

impl<'de> Deserialize<'de> for Names {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(NamesVisitor)
    }
}

struct NamesVisitor;

impl<'de> Visitor<'de> for NamesVisitor {
    type Value = Names;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the name of a scanner, or a list of names")
    }
    fn visit_str<E: de::Error>(self, name: &str) -> Result<Names, E> {
        Names::new(vec![name.to_owned()]).map_err(E::custom)
    }
    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Names, A::Error> {
        let mut names = Vec::new();
        while let Some(name) = list.next_element()? {
            names.push(name);
        }
        Names::new(names).map_err(de::Error::custom)
    }
}

/// What is wrong with these names, whatever scanners there are; none: nothing.
fn fault(names: &[&str]) -> Option<String> {
    if names.is_empty() {
        return Some("a scan without a scanner finds nothing".to_owned());
    }
    if names.len() > MOST {
        return Some(format!("{} scanners are asked, and {MOST} at most", names.len()));
    }
    let twice = names.iter().enumerate().find(|(at, name)| names[..*at].contains(name));
    twice.map(|(_, name)| format!("`{name}` stands twice"))
}

/// Of a chain, before it runs: whose scanners there are, only the server knows.
pub(super) fn check(with: &Value) -> Vec<Objection> {
    let Some(names) = with.get("scanner").and_then(Value::as_array) else { return Vec::new() };
    let names: Vec<&str> = names.iter().filter_map(Value::as_str).collect();
    let hint = "name the one that is believed first, then those that it is held against: [builtin, trivy]";
    fault(&names).map(|fault| objection(&["scanner"], "scanners-invalid", fault, hint)).into_iter().collect()
}

/// Whether each of them is there.
pub(super) fn known(scanners: &Scanners, names: &Names) -> Result<(), StepError> {
    let unknown = names.0.iter().find(|name| !scanners.names().any(|known| known == *name));
    unknown.map_or(Ok(()), |name| Err(missing(scanners, name)))
}

fn missing(scanners: &Scanners, name: &str) -> StepError {
    let known: Vec<&str> = scanners.names().collect();
    let name = summary::cut(name, 100);
    StepError::permanent(
        "scanner-unknown",
        format!("no scanner `{name}` is configured; there are: {}", known.join(", ")),
    )
}

/// What another scanner says.
pub(super) async fn report(
    scanners: &Scanners,
    name: &str,
    repository: &dyn Repository,
    inventory: &Inventory,
) -> Result<Report, StepError> {
    let scanner = scanners.get(name).ok_or_else(|| missing(scanners, name))?;
    scanner.scan(&Subject { repository, inventory }).await.map_err(failure::adapter)
}

/// A comparison that failed leaves nobody knowing. What was found stays.
pub(super) fn undetermined(report: &mut Report, name: &str, error: &StepError) {
    let mut reasons = summary::completeness(report).1;
    let why = summary::cut(&error.message, 400);
    reasons.push(format!("the comparison with `{name}` failed: {why} ({})", error.code));
    report.completeness = Completeness::Undetermined { reason: reasons.join("; ") };
}

/// What the others say otherwise, of one platform.
#[derive(Debug, Default)]
pub(super) struct Disagreements(Vec<(String, Disagreement)>);

impl Disagreements {
    pub(super) fn add(&mut self, name: &str, ours: &Report, theirs: &Report) {
        self.0.push((name.to_owned(), compare(ours, theirs)));
    }

    /// Added up over platforms and scanners, and a line for each scanner; null where nobody was asked.
    pub(super) fn output<'a>(platforms: impl Iterator<Item = &'a Self>) -> Value {
        let all: Vec<&(String, Disagreement)> = platforms.flat_map(|one| &one.0).collect();
        if all.is_empty() {
            return Value::Null;
        }
        let mut sum = figures(all.iter().map(|(_, d)| d));
        let ids = |only: &dyn Fn(&Disagreement) -> Vec<One>| {
            let mut ids: Vec<String> = Vec::new();
            for one in all.iter().flat_map(|(_, d)| only(d)) {
                if ids.len() < IDS && !ids.contains(&one.id) {
                    ids.push(one.id);
                }
            }
            ids
        };
        sum["only_ours_ids"] = ids(&|d| d.only_ours.clone()).into();
        sum["only_theirs_ids"] = ids(&|d| d.only_theirs.clone()).into();
        let mut names: Vec<&str> = all.iter().map(|(name, _)| name.as_str()).collect();
        names.sort_unstable();
        names.dedup();
        let line = |name: &str| {
            let mut line = figures(all.iter().filter(|(n, _)| n == name).map(|(_, d)| d));
            line["scanner"] = name.into();
            line
        };
        sum["scanners"] = names.into_iter().map(line).collect();
        sum
    }
}

fn figures<'a>(all: impl Iterator<Item = &'a Disagreement>) -> Value {
    let (mut both, mut severity, mut fixed) = (0, 0, 0);
    let zero = || Severity::ALL.into_iter().map(|s| (s, 0)).collect::<Counts>();
    let (mut ours, mut theirs) = (zero(), zero());
    let add = |to: &mut Counts, only: &[One]| {
        for (severity, count) in Disagreement::by_severity(only) {
            *to.entry(severity).or_default() += count;
        }
    };
    for one in all {
        both += one.both;
        severity += one.severity.len();
        fixed += one.fixed.len();
        add(&mut ours, &one.only_ours);
        add(&mut theirs, &one.only_theirs);
    }
    let named = |counts: &Counts| -> Value {
        counts.iter().rev().map(|(s, count)| (severity::name(*s).to_owned(), json!(count))).collect()
    };
    json!({
        "both": both,
        "only_ours": ours.values().sum::<usize>(),
        "only_theirs": theirs.values().sum::<usize>(),
        "severity": severity,
        "fixed": fixed,
        "only_ours_by_severity": named(&ours),
        "only_theirs_by_severity": named(&theirs),
    })
}

/// As chains are checked.
pub(super) fn field() -> Field {
    use ValueType::{Any, Integer, Text};
    let by_severity = || ValueType::map_of(Integer);
    let ty = ValueType::Map(vec![
        Field::new("both", Integer, "findings that the first scanner and another one have"),
        Field::new("only_ours", Integer, "that only the first has"),
        Field::new("only_theirs", Integer, "that only another one has"),
        Field::new("severity", Integer, "that both have and judge differently"),
        Field::new("fixed", Integer, "that both have, fixed in different versions"),
        Field::new("only_ours_by_severity", by_severity(), "of `only_ours`"),
        Field::new("only_theirs_by_severity", by_severity(), "of `only_theirs`"),
        Field::new("only_ours_ids", ValueType::list(Text), "the worst of `only_ours`"),
        Field::new("only_theirs_ids", ValueType::list(Text), "the worst of `only_theirs`"),
        Field::new("scanners", ValueType::list(Any), "the same figures for each other scanner"),
    ]);
    Field::new(
        "disagreement",
        ty,
        "what other scanners say otherwise, over all platforms; only where `scanner` names several",
    )
}

#[cfg(test)]
#[path = "others_tests.rs"]
mod tests;
