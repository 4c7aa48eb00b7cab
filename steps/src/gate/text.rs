//! What a denial says: what, why, and what would make it pass.

use serde_json::{Value, json};

use super::evaluate::Denial;

/// Ids that an output names.
const MOST_IDS: usize = 20;

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

/// At most so many characters.
pub(super) fn cut(text: &str, most: usize) -> String {
    if text.chars().count() <= most {
        return text.to_owned();
    }
    let mut short: String = text.chars().take(most.saturating_sub(1)).collect();
    short.push('…');
    short
}
