//! Findings as a person goes through them: by what is to be upgraded, or by the file that holds it.

use std::collections::BTreeMap;

use crate::{Finding, Severity};

/// Findings that one act mends, or that one file brings.
#[derive(Debug)]
pub struct Group<'a> {
    /// The source package of an operating system's findings; none: a language's.
    pub source: Option<&'a str>,
    /// The files that tell of a language's packages; empty: an operating system's.
    pub paths: &'a [String],
    /// In the report's order; never empty.
    pub findings: Vec<&'a Finding>,
}

impl Group<'_> {
    /// The worst severity in it.
    pub fn worst(&self) -> Severity {
        self.findings.iter().map(|f| f.severity).max().unwrap_or(Severity::Unknown)
    }
}

/// The operating system's findings by source package, then those of languages by file; in each the worst first.
pub fn groups<'a>(findings: impl IntoIterator<Item = &'a Finding>) -> Vec<Group<'a>> {
    let mut by: BTreeMap<(&[String], &str), Vec<&Finding>> = BTreeMap::new();
    for finding in findings {
        let source = if finding.paths.is_empty() { finding.source.as_str() } else { "" };
        by.entry((&finding.paths, source)).or_default().push(finding);
    }
    let group = |((paths, source), findings): ((&'a [String], &'a str), Vec<&'a Finding>)| Group {
        source: paths.is_empty().then_some(source),
        paths,
        findings,
    };
    let mut groups: Vec<Group<'a>> = by.into_iter().map(group).collect();
    groups.sort_by_key(|g| (!g.paths.is_empty(), std::cmp::Reverse(g.worst())));
    groups
}
