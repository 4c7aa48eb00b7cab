//! Which findings of a scan are shown, and which of them deny it.

use patchline_scanner::{Finding, Report, Severity};

use super::word;

/// What of the findings is wanted.
#[derive(Debug, Default, clap::Args)]
pub(super) struct Flags {
    /// Show findings of this severity and above
    #[arg(long, value_name = "SEVERITY", value_parser = super::severity)]
    pub(super) severity: Option<Severity>,
    /// Only findings that an advisory names a fixed version for
    #[arg(long)]
    pub(super) fixable: bool,
    /// The same, by the name that other scanners have for it
    #[arg(long)]
    pub(super) ignore_unfixed: bool,
}

impl Flags {
    fn sets_aside(&self, finding: &Finding) -> bool {
        (self.fixable || self.ignore_unfixed) && !finding.fixable()
    }
    fn too_low(&self, finding: &Finding) -> bool {
        self.severity.is_some_and(|least| finding.severity < least)
    }
    /// Whether a finding is wanted.
    pub(super) fn shows(&self, finding: &Finding) -> bool {
        !self.sets_aside(finding) && !self.too_low(finding)
    }
    /// How many are hidden, and by what: a line for each flag.
    pub(super) fn told(&self, whole: &Report) -> Vec<String> {
        let count = |hidden: &dyn Fn(&Finding) -> bool| whole.findings.iter().filter(|f| hidden(f)).count();
        let said =
            |flag: &str, what: &str, hidden: usize| format!("{flag} hides {} {what}", findings(hidden));
        let mut lines = Vec::new();
        if let Some(least) = self.severity {
            let hidden = count(&|f| self.too_low(f));
            lines.push(said(&format!("--severity {}", word(least)), "below it", hidden));
        }
        let unfixed = count(&|f| !f.fixable());
        for (set, flag) in [(self.fixable, "--fixable"), (self.ignore_unfixed, "--ignore-unfixed")] {
            if set {
                lines.push(said(flag, "without a fix", unfixed));
            }
        }
        lines
    }
    /// Why the image is denied; none: it is not. What is merely not shown still counts.
    pub(super) fn denied(&self, whole: &Report, fail_on: Option<Severity>) -> Option<String> {
        let least = fail_on?;
        let bad: Vec<&Finding> =
            whole.findings.iter().filter(|f| f.severity >= least && !self.sets_aside(f)).collect();
        let hidden = bad.iter().filter(|f| !self.shows(f)).count();
        let verb = if bad.len() == 1 { "is" } else { "are" };
        let also = if hidden > 0 { format!(", {hidden} of them not shown") } else { String::new() };
        let or_worse = if least == Severity::Critical { "" } else { " or worse" };
        let text = || format!("denied: {} {verb} {}{or_worse}{also}", findings(bad.len()), word(least));
        (!bad.is_empty()).then(text)
    }
}

/// `1 finding`, `7 findings`
pub(crate) fn findings(count: usize) -> String {
    if count == 1 { "1 finding".to_owned() } else { format!("{count} findings") }
}

#[cfg(test)]
mod tests {
    use patchline_registry::Digest;
    use patchline_scanner::Completeness;

    use super::*;

    fn report() -> Report {
        let findings = [("critical", None), ("high", Some("2")), ("low", Some("2")), ("unknown", None)];
        let finding = |(severity, fixed): (&str, Option<&str>)| {
            let value = serde_json::json!({
                "id": "CVE-1", "aliases": [], "packages": ["a"], "source": "a", "installed": "1", "fixed": fixed,
                "severity": severity, "severity_source": "x", "mendable": null, "known_exploited": false,
                "epss": null, "layer": null, "summary": null, "because": "",
            });
            serde_json::from_value(value).unwrap()
        };
        Report {
            version: 1,
            image: Digest::of(b""),
            distro: None,
            packages: 1,
            advisory_revision: String::new(),
            completeness: Completeness::Complete,
            findings: findings.into_iter().map(finding).collect(),
        }
    }

    fn shown(flags: &Flags) -> usize {
        report().findings.iter().filter(|f| flags.shows(f)).count()
    }

    #[test]
    fn each_flag_says_how_many_it_hides() {
        let high = Flags { severity: Some(Severity::High), ..Flags::default() };
        assert_eq!(
            (shown(&high), high.told(&report())),
            (2, vec!["--severity high hides 2 findings below it".into()])
        );
        let both = Flags { fixable: true, ignore_unfixed: true, ..Flags::default() };
        let said = ["--fixable", "--ignore-unfixed"].map(|f| format!("{f} hides 2 findings without a fix"));
        assert_eq!((shown(&both), both.told(&report())), (2, said.to_vec()));
        assert!(Flags::default().told(&report()).is_empty());
    }

    #[test]
    fn what_is_not_shown_denies_and_what_is_set_aside_does_not() {
        let all = report();
        let none = Flags::default();
        assert_eq!(none.denied(&all, None), None);
        let low = none.denied(&all, Some(Severity::Low));
        assert_eq!(low.as_deref(), Some("denied: 3 findings are low or worse"));
        let critical = Flags { severity: Some(Severity::Critical), ..Flags::default() };
        let high = critical.denied(&all, Some(Severity::High));
        assert_eq!(high.as_deref(), Some("denied: 2 findings are high or worse, 1 of them not shown"));
        let fixable = Flags { ignore_unfixed: true, ..Flags::default() };
        assert_eq!(fixable.denied(&all, Some(Severity::Critical)), None);
    }
}
