//! Severities, and rules over them: `high`, `>= medium`, `unknown`.

use serde::{Deserialize, Serialize};

/// A severity level. The order is that of weight, but `Unknown` has none: see [`Rule::matches`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// Nobody has said.
    Unknown,
    /// Low.
    Low,
    /// Medium.
    Medium,
    /// High.
    High,
    /// Critical.
    Critical,
}

/// The words, in the order of weight.
pub const LEVELS: [&str; 5] = ["unknown", "low", "medium", "high", "critical"];

impl Level {
    /// The level of a word, in lower case.
    pub fn parse(word: &str) -> Option<Level> {
        Some(match word {
            "unknown" => Level::Unknown,
            "low" => Level::Low,
            "medium" => Level::Medium,
            "high" => Level::High,
            "critical" => Level::Critical,
            _ => return None,
        })
    }
}

/// How a rule compares.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Comparison {
    /// `>=`
    AtLeast,
    /// `>`
    Above,
    /// `<=`
    AtMost,
    /// `<`
    Below,
    /// No sign, `=` or `==`.
    Exactly,
}

/// A severity with an optional comparison.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rule {
    /// How.
    pub comparison: Comparison,
    /// With what.
    pub level: Level,
}

/// A text that is no severity rule.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The word names no severity.
    #[error("unknown severity `{0}`")]
    UnknownLevel(String),
    /// `>= unknown`: the unknown has no place in an order.
    #[error("`unknown` cannot be compared")]
    UnknownCompared,
}

impl Error {
    /// The stable code.
    pub fn code(&self) -> &'static str {
        "bad-severity"
    }
}

impl Rule {
    /// Reads `>= high`, `critical`, `unknown`.
    pub fn parse(text: &str) -> Result<Rule, Error> {
        let text = text.trim();
        let signs = [
            (">=", Comparison::AtLeast),
            ("<=", Comparison::AtMost),
            ("==", Comparison::Exactly),
            (">", Comparison::Above),
            ("<", Comparison::Below),
            ("=", Comparison::Exactly),
        ];
        let (comparison, word) = signs
            .iter()
            .find_map(|(sign, comparison)| {
                text.strip_prefix(sign).map(|rest| (*comparison, rest.trim_start()))
            })
            .unwrap_or((Comparison::Exactly, text));
        let level = Level::parse(word).ok_or_else(|| Error::UnknownLevel(crate::diagnostics::shown(word)))?;
        if level == Level::Unknown && comparison != Comparison::Exactly {
            return Err(Error::UnknownCompared);
        }
        Ok(Rule { comparison, level })
    }

    /// Whether a finding of this level meets the rule. The unknown is met by `unknown` alone.
    pub fn matches(&self, level: Level) -> bool {
        if level == Level::Unknown || self.level == Level::Unknown {
            return level == self.level && self.comparison == Comparison::Exactly;
        }
        match self.comparison {
            Comparison::AtLeast => level >= self.level,
            Comparison::Above => level > self.level,
            Comparison::AtMost => level <= self.level,
            Comparison::Below => level < self.level,
            Comparison::Exactly => level == self.level,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_compare_and_the_unknown_stands_apart() {
        let rule = Rule::parse(">= medium").unwrap();
        assert!(rule.matches(Level::High) && rule.matches(Level::Medium) && !rule.matches(Level::Low));
        assert!(!rule.matches(Level::Unknown));
        assert!(!Rule::parse("<low").unwrap().matches(Level::Unknown));
        assert!(Rule::parse("unknown").unwrap().matches(Level::Unknown));
        assert!(!Rule::parse("unknown").unwrap().matches(Level::Low));
        assert_eq!(Rule::parse("> unknown"), Err(Error::UnknownCompared));
        assert_eq!(Rule::parse(">= hihg"), Err(Error::UnknownLevel("hihg".into())));
        assert!(Rule::parse("").is_err() && Rule::parse("HIGH").is_err());
    }
}
