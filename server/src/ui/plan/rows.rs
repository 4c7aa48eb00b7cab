//! The rows of a plan: what goes up, what is refused, what stays.

use std::collections::BTreeMap;

use patchline_remediation::{Executor, FixPlan, Refusal, Stay, Upgrade};
use patchline_scanner::{Finding, Severity};

use crate::{
    i18n::Words,
    ui::{format, state::severity},
};

/// Rows of a table beside the upgrades; the API has them all.
pub(super) const MOST: usize = 500;
/// Characters of a stranger's text.
const LONGEST: usize = 300;

/// How bad each finding is, as the image's last report says.
pub(super) struct Severities(BTreeMap<String, Severity>);

impl Severities {
    pub(super) fn of<'a>(findings: impl IntoIterator<Item = &'a Finding>) -> Self {
        let mut known = BTreeMap::new();
        for finding in findings {
            let worst = known.entry(finding.id.clone()).or_insert(finding.severity);
            *worst = (*worst).max(finding.severity);
        }
        Self(known)
    }
    fn get(&self, id: &str) -> Severity {
        self.0.get(id).copied().unwrap_or(Severity::Unknown)
    }
}

/// One finding by its name.
pub(super) struct Id {
    pub(super) id: String,
    pub(super) class: &'static str,
    pub(super) word: &'static str,
}

impl Id {
    fn new(id: &str, level: Severity, words: &'static Words) -> Self {
        let (class, word) = severity(level, words);
        Self { id: format::cut(id, LONGEST), class, word }
    }
}

/// One package that goes up.
pub(super) struct Up {
    /// What its tick stands for: package, architecture, from, to; of a language its ecosystem and the file that tells of it.
    pub(super) value: String,
    pub(super) package: String,
    /// Where it has another name; of a language the file that tells of it.
    pub(super) source: Option<String>,
    pub(super) from: String,
    pub(super) to: String,
    pub(super) repository: String,
    pub(super) size: String,
    /// Nobody asked for it: another one needs it.
    pub(super) along: bool,
    /// The findings that it ends, worst first.
    pub(super) ends: Vec<Id>,
    /// Who lays it.
    pub(super) executor: &'static str,
    pub(super) because: String,
}

impl Up {
    /// Those first that end the worst.
    pub(super) fn all(plan: &FixPlan, known: &Severities, words: &'static Words) -> Vec<Self> {
        let worst = |up: &Upgrade| up.mends.iter().map(|id| known.get(id)).max();
        let mut all: Vec<&Upgrade> = plan.upgrades.iter().collect();
        all.sort_by(|a, b| worst(b).cmp(&worst(a)).then_with(|| a.package.cmp(&b.package)));
        all.into_iter().map(|up| Self::new(up, known, words)).collect()
    }
    fn new(up: &Upgrade, known: &Severities, words: &'static Words) -> Self {
        let mut ends: Vec<(Severity, &String)> = up.mends.iter().map(|id| (known.get(id), id)).collect();
        ends.sort_by(|(a, x), (b, y)| b.cmp(a).then_with(|| x.cmp(y)));
        let text = |text: &str| format::cut(text, LONGEST);
        let mut value = serde_json::json!([up.package, up.architecture, up.from, up.to]);
        if let (Some(words), false) = (value.as_array_mut(), up.ecosystem.is_empty()) {
            words.extend([up.ecosystem.clone().into(), up.path.clone().into()]);
        }
        Self {
            value: value.to_string(),
            package: text(&up.package),
            source: match up.path.as_str() {
                "" => (up.source != up.package && !up.source.is_empty()).then(|| text(&up.source)),
                path => Some(text(&format!("/{path}"))),
            },
            from: text(&up.from),
            to: text(&up.to),
            repository: text(&up.repository),
            size: if up.size == 0 { String::new() } else { format::bytes(up.size) },
            along: up.along,
            ends: ends.into_iter().map(|(level, id)| Id::new(id, level, words)).collect(),
            executor: match up.executor {
                Executor::Native => words.by_native,
                Executor::Sandbox => words.by_sandbox,
                Executor::EngineApi => words.by_engine,
            },
            because: text(&up.because),
        }
    }
}

/// One package that the plan refuses.
pub(super) struct Refused {
    pub(super) package: String,
    pub(super) from: String,
    pub(super) to: Option<String>,
    pub(super) reason: String,
    pub(super) code: String,
    pub(super) leaves: Vec<String>,
}

impl Refused {
    pub(super) fn new(refusal: &Refusal) -> Self {
        Self {
            package: format::cut(&refusal.package, LONGEST),
            from: format::cut(&refusal.from, LONGEST),
            to: refusal.to.as_deref().map(|to| format::cut(to, LONGEST)),
            reason: format::cut(&refusal.reason, 2 * LONGEST),
            code: refusal.code.clone(),
            leaves: refusal.leaves.iter().take(MOST).map(|id| format::cut(id, LONGEST)).collect(),
        }
    }
}

/// Findings that are there afterwards, too, by the reason.
pub(super) struct Stays {
    pub(super) total: usize,
    pub(super) groups: Vec<Group>,
}

/// Those that stay for one reason.
pub(super) struct Group {
    pub(super) code: String,
    pub(super) reason: String,
    pub(super) count: usize,
    pub(super) ids: Vec<Id>,
    pub(super) left_out: usize,
}

impl Stays {
    /// A refused package has its own row: what it leaves is counted here, and named there.
    pub(super) fn new(stays: &[Stay], words: &'static Words) -> Self {
        let mut by: BTreeMap<&str, Vec<&Stay>> = BTreeMap::new();
        for stay in stays {
            by.entry(&stay.code).or_default().push(stay);
        }
        let mut by: Vec<(&str, Vec<&Stay>)> = by.into_iter().collect();
        let worst = |some: &[&Stay]| some.iter().map(|stay| stay.severity).max();
        by.sort_by(|(x, a), (y, b)| worst(b).cmp(&worst(a)).then_with(|| x.cmp(y)));
        let group = |(code, some): (&str, Vec<&Stay>)| Group {
            code: code.to_owned(),
            reason: some.first().map(|stay| format::cut(&stay.reason, 2 * LONGEST)).unwrap_or_default(),
            count: some.len(),
            ids: some.iter().take(MOST).map(|stay| Id::new(&stay.id, stay.severity, words)).collect(),
            left_out: some.len().saturating_sub(MOST),
        };
        Self { total: stays.len(), groups: by.into_iter().map(group).collect() }
    }
}
