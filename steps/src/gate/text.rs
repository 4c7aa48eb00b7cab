//! What a denial says: what, why, and what would make it pass.

use serde_json::{Value, json};

use super::evaluate::{Decision, Denial};
use crate::summary::{LINE, counted, cut};

/// Ids that an output names.
const MOST_IDS: usize = 20;
/// Rules that the one line names.
const MOST_RULES: usize = 3;

/// Why the gate decided so, in one line. `rules`: how many there are that may deny; `total`: distinct vulnerabilities;
/// `excepted`: of them, how many exceptions take out.
pub(super) fn line(decision: &Decision, rules: usize, total: usize, excepted: usize) -> String {
    let mut said = match (decision.denied.as_slice(), decision.warned.as_slice()) {
        ([], []) => passed(decision, rules, total),
        ([], warned) => format!("warned: {}", named(warned)),
        (denied, _) => format!("denied: {}", named(denied)),
    };
    if excepted > 0 {
        said = format!("{}; {excepted} excepted", cut(&said, LINE - 20));
    }
    cut(&said, LINE)
}

fn passed(decision: &Decision, rules: usize, total: usize) -> String {
    match (decision.matched.as_ref().map(std::collections::BTreeSet::len), rules) {
        (_, 0) => "no rule denies: there is none".to_owned(),
        (None, 1) => "no rule denies: the one there is does not hold".to_owned(),
        (None, _) => format!("no rule denies: none of {rules} holds"),
        (Some(_), _) if total == 0 => "no rule denies: nothing was found".to_owned(),
        (Some(0), _) => format!("no rule denies: 0 of {} match", counted(total, "finding", "findings")),
        (Some(some), _) => {
            let total = counted(total, "finding", "findings");
            format!("no rule denies: {some} of {total} match, and no rule holds in full")
        }
    }
}

/// Rules with their counts.
fn named(held: &[Denial]) -> String {
    let mut words: Vec<String> = Vec::new();
    for denial in held {
        let mut word = cut(&denial.rule, 50);
        if denial.count.is_some() {
            word.push_str(&format!(" ({})", denial.hit.ids.len()));
        } else if let Some(reason) = denial.hit.reasons.first() {
            word = cut(reason, 60);
        }
        // Two platforms that one rule refuses alike are one reason.
        if !words.contains(&word) {
            words.push(word);
        }
    }
    let more = words.len().saturating_sub(MOST_RULES);
    words.truncate(MOST_RULES);
    let more = if more > 0 { format!("; and {more} more") } else { String::new() };
    format!("{}{more}", words.join("; "))
}

impl Denial {
    /// One sentence or two, for people.
    pub(super) fn text(&self) -> String {
        let mut parts = Vec::new();
        if let Some(message) = &self.message {
            parts.push(message.trim_end_matches('.').to_owned());
        }
        if self.count.is_some() {
            parts.push(self.vulnerabilities());
        }
        if !self.hit.reasons.is_empty() {
            let mut reasons = self.hit.reasons.iter().take(10).cloned().collect::<Vec<_>>().join("; ");
            if self.hit.reasons.len() > 10 {
                reasons.push_str(&format!("; and {} more", self.hit.reasons.len() - 10));
            }
            parts.push(reasons);
        }
        let platform = self.platform.as_ref().map(|p| format!("{p}: ")).unwrap_or_default();
        cut(&format!("{platform}{}; {}", parts.join(": "), self.remedy()), 2000)
    }

    fn vulnerabilities(&self) -> String {
        let found = self.hit.ids.len();
        let noun = if found == 1 { "vulnerability" } else { "vulnerabilities" };
        let named = self.hit.ids.iter().take(5).cloned().collect::<Vec<_>>().join(", ");
        let more = if found > 5 { format!(" and {} more", found - 5) } else { String::new() };
        format!("{found} {noun} ({}): {named}{more}", self.rule)
    }

    fn remedy(&self) -> String {
        if self.mendable {
            return "upgrades that are out make it pass".to_owned();
        }
        match self.count {
            _ if self.hit.broken => "the rule's expression must be mended first".to_owned(),
            Some(count) if self.hit.mendable > 0 => format!(
                "upgrades remove {} of {}, fewer than {count} may be left: the rest needs a new base or a rule",
                self.hit.mendable,
                self.hit.ids.len()
            ),
            Some(_) => "no upgrade that we can reach removes any of them".to_owned(),
            None if self.rule == "undetermined" => {
                "it passes once the scan is whole, or with a rule `{undetermined: allow}`".to_owned()
            }
            None => "it passes once the image is built otherwise".to_owned(),
        }
    }

    /// For the step's output.
    pub(super) fn output(&self) -> Value {
        let mut output = json!({
            "rule": self.rule,
            "message": self.text(),
            "findings": self.hit.ids.len(),
            "ids": self.hit.ids.iter().take(MOST_IDS).collect::<Vec<_>>(),
            "mendable": self.mendable,
        });
        if let Some(platform) = &self.platform {
            output["platform"] = json!(platform);
        }
        output
    }
}
