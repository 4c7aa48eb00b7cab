//! One rule of a gate: read, checked, and described in words.

use std::collections::BTreeMap;

use globset::{GlobBuilder, GlobSet, GlobSetBuilder};
use patchline_chains::{Field, ParamType, ValueType};
use patchline_engine::StepError;
use serde::Deserialize;

use super::{
    base::BaseRule,
    license::{LicenseRule, RawLicenses},
};
use crate::{
    catalogue::{list, optional},
    severity::SeverityRule,
};

/// A rule's keys, as chains are checked.
pub(super) fn param() -> ParamType {
    ParamType::Map(vec![
        optional("severity", ParamType::SeverityRule, "`critical`, `>= high`; `unknown` only by name"),
        optional("count", ParamType::COUNT, "how many distinct vulnerabilities make the rule hold; 1"),
        optional("fixable", ParamType::Bool, "an advisory names a fixed version"),
        optional("known_exploited", ParamType::Bool, "in CISA's list"),
        optional("ids", list(ParamType::String), "these vulnerabilities alone, by id or alias"),
        optional(
            "undetermined",
            ParamType::Enum(&["deny", "warn", "allow"]),
            "what an image gets of which not everything could be learnt; alone in its rule",
        ),
        optional(
            "packages",
            ParamType::Map(vec![
                optional(
                    "forbidden",
                    list(ParamType::Glob),
                    "names or globs that must not be installed; `!` in front spares",
                ),
                optional(
                    "minimum",
                    ParamType::MapOf(Box::new(ParamType::String)),
                    "lowest version, by name; what is not installed is fine",
                ),
                optional("required", list(ParamType::String), "names that must be installed"),
            ]),
            "which packages",
        ),
        super::license::param(),
        super::base::param(),
        optional("run_as_root", ParamType::Bool, "the image's user is root"),
        optional(
            "when",
            ParamType::Expression(vec![findings()]),
            "over findings, image, params, trigger, steps",
        ),
        optional("message", ParamType::String, "shown when the rule holds"),
    ])
}

/// What an expression of a rule sees beside a chain's names.
fn findings() -> Field {
    use ValueType::{Bool, Number, Text};
    let finding = ValueType::Map(vec![
        Field::new("id", Text, "`CVE-…`, or the advisory's own"),
        Field::new("aliases", ValueType::list(Text), "its other names"),
        Field::new("severity", Text, "`low` to `critical`, or `unknown`"),
        Field::new("fixable", Bool, "an advisory names a fixed version"),
        Field::new("mendable", Bool, "an upgrade removes it"),
        Field::new("package", Text, "the first package that carries it"),
        Field::new("packages", ValueType::list(Text), "all of them"),
        Field::new("source", Text, "their source package"),
        Field::new("installed", Text, "its version"),
        Field::new("fixed", Text, "the fixed version; empty: none"),
        Field::new("known_exploited", Bool, "in CISA's list"),
        Field::new("epss", Number, "how likely it is exploited, 0 to 1; 0 where nobody has said"),
        Field::new("published", Text, "when its advisory came out, RFC 3339; empty where nobody has said"),
    ]);
    Field::new("findings", ValueType::list(finding), "what the scan found, on one platform")
}

/// What an image gets of which not everything could be learnt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Undetermined {
    Deny,
    Warn,
    Allow,
}

/// As written.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RawRule {
    severity: Option<String>,
    count: Option<u64>,
    fixable: Option<bool>,
    known_exploited: Option<bool>,
    ids: Option<Vec<String>>,
    undetermined: Option<Undetermined>,
    packages: Option<RawPackages>,
    license: Option<RawLicenses>,
    base_image: Option<BaseRule>,
    run_as_root: Option<bool>,
    when: Option<String>,
    message: Option<String>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct RawPackages {
    forbidden: Vec<String>,
    minimum: BTreeMap<String, String>,
    required: Vec<String>,
}

/// Checked.
#[derive(Debug, Clone)]
pub(super) struct Rule {
    pub(super) severity: Option<SeverityRule>,
    pub(super) count: Option<u64>,
    pub(super) fixable: Option<bool>,
    pub(super) known_exploited: Option<bool>,
    pub(super) ids: Option<Vec<String>>,
    pub(super) undetermined: Option<Undetermined>,
    pub(super) packages: Option<PackageRule>,
    pub(super) license: Option<LicenseRule>,
    pub(super) base: Option<BaseRule>,
    pub(super) run_as_root: Option<bool>,
    pub(super) when: Option<String>,
    pub(super) message: Option<String>,
}

/// Which packages must, must not, or must at least be there.
#[derive(Debug, Clone)]
pub(super) struct PackageRule {
    pub(super) forbidden: GlobSet,
    /// What stands with a `!` among the forbidden.
    pub(super) spared: GlobSet,
    pub(super) minimum: BTreeMap<String, String>,
    pub(super) required: Vec<String>,
}

impl TryFrom<RawRule> for Rule {
    type Error = StepError;
    fn try_from(raw: RawRule) -> Result<Self, StepError> {
        Ok(Self {
            severity: raw.severity.map(|s| s.parse::<SeverityRule>()).transpose()?,
            count: raw.count,
            fixable: raw.fixable,
            known_exploited: raw.known_exploited,
            ids: raw.ids,
            undetermined: raw.undetermined,
            packages: raw.packages.map(PackageRule::try_from).transpose()?,
            license: raw.license.map(LicenseRule::try_from).transpose()?,
            base: raw.base_image,
            run_as_root: raw.run_as_root,
            when: raw.when,
            message: raw.message,
        })
    }
}

impl TryFrom<RawPackages> for PackageRule {
    type Error = StepError;
    fn try_from(raw: RawPackages) -> Result<Self, StepError> {
        let wrong = |e: globset::Error| StepError::permanent("glob-invalid", e.to_string());
        let (mut forbidden, mut spared) = (GlobSetBuilder::new(), GlobSetBuilder::new());
        for glob in &raw.forbidden {
            let (set, glob) = match glob.strip_prefix('!') {
                Some(glob) => (&mut spared, glob),
                None => (&mut forbidden, glob.as_str()),
            };
            set.add(GlobBuilder::new(glob).build().map_err(wrong)?);
        }
        Ok(Self {
            forbidden: forbidden.build().map_err(wrong)?,
            spared: spared.build().map_err(wrong)?,
            minimum: raw.minimum,
            required: raw.required,
        })
    }
}

impl Rule {
    /// Whether it counts findings.
    pub(super) fn counts(&self) -> bool {
        self.severity.is_some()
            || self.count.is_some()
            || self.fixable.is_some()
            || self.known_exploited.is_some()
            || self.ids.is_some()
    }
    /// In words: `severity >= high, with a fix, from 3 on`.
    pub(super) fn describe(&self) -> String {
        let mut words = Vec::new();
        if let Some(severity) = &self.severity {
            words.push(format!("severity {severity}"));
        }
        match self.fixable {
            Some(true) => words.push("with a fix".to_owned()),
            Some(false) => words.push("without a fix".to_owned()),
            None => {}
        }
        match self.known_exploited {
            Some(true) => words.push("known to be exploited".to_owned()),
            Some(false) => words.push("not known to be exploited".to_owned()),
            None => {}
        }
        if let Some(ids) = &self.ids {
            words.push(format!("one of {}", ids.join(", ")));
        }
        if self.counts() {
            let count = self.count.unwrap_or(1);
            words.push(format!("from {count} on"));
        }
        if self.packages.is_some() {
            words.push("packages".to_owned());
        }
        if self.license.is_some() {
            words.push("licences".to_owned());
        }
        if let Some(base) = &self.base {
            words.push(base.describe());
        }
        match self.run_as_root {
            Some(true) => words.push("runs as root".to_owned()),
            Some(false) => words.push("does not run as root".to_owned()),
            None => {}
        }
        if let Some(when) = &self.when {
            words.push(format!("when {when}"));
        }
        crate::summary::cut(&words.join(", "), 500)
    }
}
