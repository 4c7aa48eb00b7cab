//! `exceptions`: what a list of the configuration takes out of the rules, and what the output says of it.

use std::collections::BTreeSet;

use jiff::Timestamp;
use patchline_chains::{Param, ParamType};
use patchline_engine::StepError;
use patchline_scanner::{Finding, Package};
use serde_json::{Value, json};

use crate::{
    catalogue::optional,
    exceptions::{Exception, Exceptions},
    summary,
};

/// Entries that an output lists.
const MOST: usize = 50;
/// Ids or packages that it names of one entry.
const MOST_NAMES: usize = 20;

/// The parameter, as chains are checked.
pub(super) fn param() -> Param {
    optional("exceptions", ParamType::String, "a named list of `exceptions` in the server's configuration")
        .example("main")
}

/// Those that hold now for this image, with what each has taken out.
pub(super) struct Excepted<'a> {
    list: &'a str,
    used: Vec<(&'a Exception, Used)>,
}

#[derive(Default)]
struct Used {
    findings: BTreeSet<String>,
    packages: BTreeSet<String>,
}

impl<'a> Excepted<'a> {
    pub(super) fn new(
        all: &'a Exceptions,
        list: Option<&'a str>,
        repository: &str,
        now: Timestamp,
    ) -> Result<Self, StepError> {
        let Some(list) = list else { return Ok(Self { list: "", used: Vec::new() }) };
        let found = all.list(list).ok_or_else(|| {
            let known: Vec<&str> = all.names().take(20).collect();
            let known = if known.is_empty() { "there is none".to_owned() } else { known.join(", ") };
            let name = summary::cut(list, 100);
            StepError::permanent(
                "exceptions-unknown",
                format!("no list of exceptions is named `{name}` in the server's configuration: {known}"),
            )
        })?;
        let holding = found.iter().filter(|e| e.holds(repository, now)).map(|e| (e, Used::default()));
        Ok(Self { list, used: holding.collect() })
    }

    /// Whether a finding is taken out; every entry that does so is remembered.
    pub(super) fn takes(&mut self, finding: &Finding) -> bool {
        let mut taken = false;
        for (exception, used) in &mut self.used {
            let named = |id: &String| {
                finding.id.eq_ignore_ascii_case(id)
                    || finding.aliases.iter().any(|a| a.eq_ignore_ascii_case(id))
            };
            // All binary packages of a finding, or their source: half of them is not it.
            let in_package = |p: &crate::exceptions::Package| {
                let all =
                    !finding.packages.is_empty() && finding.packages.iter().all(|name| p.is_match(name));
                all || p.is_match(&finding.source)
            };
            if exception.id.as_ref().is_none_or(named) && exception.package.as_ref().is_none_or(in_package) {
                used.findings.insert(finding.id.clone());
                taken = true;
            }
        }
        taken
    }

    /// Whether rules on packages and licences leave this one out: entries without an `id`, which name all of it.
    pub(super) fn takes_package(&mut self, package: &Package) -> bool {
        let mut taken = false;
        for (exception, used) in &mut self.used {
            let named = exception.package.as_ref().filter(|_| exception.id.is_none());
            if named.is_some_and(|p| p.is_match(&package.name) || p.is_match(&package.source)) {
                used.packages.insert(package.name.clone());
                taken = true;
            }
        }
        taken
    }

    /// Distinct vulnerabilities that are taken out.
    pub(super) fn count(&self) -> usize {
        self.used.iter().flat_map(|(_, used)| &used.findings).collect::<BTreeSet<_>>().len()
    }

    /// For the step's output: every entry that took something out.
    pub(super) fn output(&self) -> Vec<Value> {
        let used = self.used.iter().filter(|(_, u)| !u.findings.is_empty() || !u.packages.is_empty());
        used.take(MOST)
            .map(|(exception, used)| {
                json!({
                    "list": self.list,
                    "exception": summary::cut(&exception.to_string(), 200),
                    "reason": summary::cut(&exception.reason, 300),
                    "owner": summary::cut(&exception.owner, 100),
                    "expires": exception.expires.0,
                    "findings": used.findings.len(),
                    "ids": used.findings.iter().take(MOST_NAMES).collect::<Vec<_>>(),
                    "packages": used.packages.iter().take(MOST_NAMES).collect::<Vec<_>>(),
                })
            })
            .collect()
    }
}
