//! Severities as rules write them: `critical`, `>= high`, `unknown`.

use std::str::FromStr;

use patchline_engine::StepError;
use patchline_scanner::Severity;

/// A severity with a comparison.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct SeverityRule {
    comparison: Comparison,
    severity: Severity,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Comparison {
    Equal,
    AtLeast,
    Above,
    AtMost,
    Below,
}

/// A text that is no severity rule.
#[derive(Debug, thiserror::Error)]
#[error("`{0}` is no severity rule: write a severity, or `>= high`")]
pub(crate) struct NotASeverityRule(String);

impl From<NotASeverityRule> for StepError {
    fn from(error: NotASeverityRule) -> Self {
        StepError::permanent("severity-invalid", error.to_string())
    }
}

impl FromStr for SeverityRule {
    type Err = NotASeverityRule;
    fn from_str(text: &str) -> Result<Self, NotASeverityRule> {
        let wrong = || NotASeverityRule(text.chars().take(100).collect());
        let trimmed = text.trim();
        // Longer signs first: `>=` begins with `>`.
        let signs = [
            (">=", Comparison::AtLeast),
            ("<=", Comparison::AtMost),
            ("==", Comparison::Equal),
            (">", Comparison::Above),
            ("<", Comparison::Below),
            ("=", Comparison::Equal),
        ];
        let (comparison, word) = signs
            .iter()
            .find_map(|(sign, comparison)| trimmed.strip_prefix(sign).map(|word| (*comparison, word)))
            .unwrap_or((Comparison::Equal, trimmed));
        let severity = by_name(word.trim()).ok_or_else(wrong)?;
        Ok(Self { comparison, severity })
    }
}

impl SeverityRule {
    /// Unknown matches only where it is named alone: it never counts as low.
    pub(crate) fn matches(self, severity: Severity) -> bool {
        if self.comparison == Comparison::Equal {
            return severity == self.severity;
        }
        if severity == Severity::Unknown || self.severity == Severity::Unknown {
            return false;
        }
        match self.comparison {
            Comparison::Equal => severity == self.severity,
            Comparison::AtLeast => severity >= self.severity,
            Comparison::Above => severity > self.severity,
            Comparison::AtMost => severity <= self.severity,
            Comparison::Below => severity < self.severity,
        }
    }
    /// The lowest severity of a rule that has no upper end; a severity alone
    /// stands for itself and above. None: the rule has an upper end.
    pub(crate) fn at_least(self) -> Option<Severity> {
        match self.comparison {
            _ if self.severity == Severity::Unknown => None,
            Comparison::AtLeast | Comparison::Equal => Some(self.severity),
            Comparison::Above => ORDER.into_iter().find(|s| *s > self.severity),
            Comparison::AtMost | Comparison::Below => None,
        }
    }
}

impl std::fmt::Display for SeverityRule {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let sign = match self.comparison {
            Comparison::Equal => "",
            Comparison::AtLeast => ">= ",
            Comparison::Above => "> ",
            Comparison::AtMost => "<= ",
            Comparison::Below => "< ",
        };
        write!(f, "{sign}{}", name(self.severity))
    }
}

/// Lowest first.
pub(crate) const ORDER: [Severity; 6] = [
    Severity::Unknown,
    Severity::Negligible,
    Severity::Low,
    Severity::Medium,
    Severity::High,
    Severity::Critical,
];

/// As rules and outputs write it.
pub(crate) fn name(severity: Severity) -> &'static str {
    match severity {
        Severity::Unknown => "unknown",
        Severity::Negligible => "negligible",
        Severity::Low => "low",
        Severity::Medium => "medium",
        Severity::High => "high",
        Severity::Critical => "critical",
    }
}

fn by_name(word: &str) -> Option<Severity> {
    ORDER.into_iter().find(|s| name(*s).eq_ignore_ascii_case(word))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unknown_matches_only_by_name() {
        for (rule, severity, expected) in [
            (">= low", Severity::Unknown, false),
            ("<= critical", Severity::Unknown, false),
            (">= unknown", Severity::Unknown, false),
            ("unknown", Severity::Unknown, true),
            ("unknown", Severity::Low, false),
            (">= high", Severity::Critical, true),
            (">= high", Severity::High, true),
            (">= high", Severity::Medium, false),
            ("> high", Severity::High, false),
            ("< medium", Severity::Low, true),
            ("<=medium", Severity::Medium, true),
            ("critical", Severity::Critical, true),
            ("== high", Severity::Critical, false),
            ("HIGH", Severity::High, true),
        ] {
            let parsed: SeverityRule = rule.parse().expect(rule);
            assert_eq!(parsed.matches(severity), expected, "{rule} over {severity:?}");
        }
        for wrong in ["", ">=", "severe", ">= high low", "=> high"] {
            assert!(wrong.parse::<SeverityRule>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_selection_takes_rules_without_an_upper_end() {
        let at_least = |text: &str| text.parse::<SeverityRule>().expect(text).at_least();
        assert_eq!(at_least(">= low"), Some(Severity::Low));
        assert_eq!(at_least("> medium"), Some(Severity::High));
        assert_eq!(at_least("critical"), Some(Severity::Critical));
        assert_eq!(at_least("> critical"), None);
        assert_eq!(at_least("< high"), None);
        assert_eq!(at_least("unknown"), None);
    }
}
