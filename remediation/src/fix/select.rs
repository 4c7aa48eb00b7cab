//! Which findings a request is about.

use patchline_scanner::{Finding, Severity};

use super::Selection;

impl Selection {
    /// Everything.
    pub fn all() -> Self {
        Self::default()
    }
    /// Whether a finding is selected.
    pub fn selects(&self, finding: &Finding) -> bool {
        let named = self.ids.is_empty()
            || self.ids.contains(&finding.id)
            || finding.aliases.iter().any(|alias| self.ids.contains(alias));
        let carried = self.packages.is_empty()
            || self.packages.iter().any(|name| *name == finding.source || finding.packages.contains(name));
        let severe = match (self.severity, finding.severity) {
            (None, _) => true,
            (Some(least), Severity::Unknown) => least <= Severity::Low,
            (Some(least), severity) => severity >= least,
        };
        named && carried && severe
    }
}
