//! `license`: which licences packages may not have, or which alone they may.

use std::collections::BTreeSet;

use globset::{GlobBuilder, GlobSet, GlobSetBuilder};
use patchline_chains::{Param, ParamType, catalogue::Objection};
use patchline_engine::StepError;
use patchline_scanner::licenses::{Expression, NO_ASSERTION, is_identifier};
use serde::Deserialize;
use serde_json::Value;

use super::evaluate::Installed;
use crate::catalogue::{list, objection, optional};

/// The rule's keys, as chains are checked.
pub(super) fn param() -> Param {
    let keys = ParamType::Map(vec![
        optional(
            "forbidden",
            list(ParamType::Glob),
            "SPDX identifiers or globs of them; one without `WITH` also means it with any exception",
        )
        .example(r#"["AGPL-3.0-*", "SSPL-1.0"]"#),
        optional("allowed", list(ParamType::Glob), "these alone; the other list still holds")
            .example(r#"["MIT", "BSD-*", "Apache-2.0"]"#),
        optional(
            "unknown",
            ParamType::Enum(&["deny", "warn", "allow"]),
            "what a package does whose licences are not all known: `deny` beside `allowed`, else `allow`",
        )
        .example("warn"),
    ]);
    optional("license", keys, "licences of packages; with a choice (`OR`), one that may stand is enough")
        .example(r#"{forbidden: ["AGPL-3.0-only", "SSPL-1.0"]}"#)
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RawLicenses {
    forbidden: Vec<String>,
    allowed: Option<Vec<String>>,
    unknown: Option<Unknown>,
}

/// What a package does whose licences are not all known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Unknown {
    Deny,
    Warn,
    Allow,
}

/// Checked.
#[derive(Debug, Clone)]
pub(super) struct LicenseRule {
    forbidden: Names,
    allowed: Option<Names>,
    unknown: Unknown,
}

impl TryFrom<RawLicenses> for LicenseRule {
    type Error = StepError;
    fn try_from(raw: RawLicenses) -> Result<Self, StepError> {
        // What is not known is on no list.
        let otherwise = if raw.allowed.is_some() { Unknown::Deny } else { Unknown::Allow };
        Ok(Self {
            forbidden: Names::new(&raw.forbidden)?,
            allowed: raw.allowed.as_deref().map(Names::new).transpose()?,
            unknown: raw.unknown.unwrap_or(otherwise),
        })
    }
}

/// Globs over licences, `!` excludes; case does not count, as in SPDX.
#[derive(Debug, Clone)]
struct Names {
    are: GlobSet,
    are_not: GlobSet,
}

impl Names {
    fn new(globs: &[String]) -> Result<Self, StepError> {
        let wrong = |e: globset::Error| StepError::permanent("glob-invalid", e.to_string());
        let (mut are, mut are_not) = (GlobSetBuilder::new(), GlobSetBuilder::new());
        let mut named = false;
        for glob in globs {
            let (set, glob) = match glob.strip_prefix('!') {
                Some(glob) => (&mut are_not, glob),
                None => {
                    named = true;
                    (&mut are, glob.as_str())
                }
            };
            set.add(GlobBuilder::new(glob).case_insensitive(true).build().map_err(wrong)?);
        }
        // Exclusions alone mean everything else, as in a chain's scope.
        if !named && !globs.is_empty() {
            are.add(GlobBuilder::new("*").build().map_err(wrong)?);
        }
        Ok(Self { are: are.build().map_err(wrong)?, are_not: are_not.build().map_err(wrong)? })
    }

    /// A licence, without and with its exception.
    fn hold(&self, id: &str, whole: &str) -> bool {
        let any = |set: &GlobSet| set.is_match(id) || set.is_match(whole);
        any(&self.are) && !any(&self.are_not)
    }
}

impl LicenseRule {
    /// What stands against these packages; empty: nothing.
    pub(super) fn reasons(&self, packages: &[Installed<'_>]) -> Vec<String> {
        let mut reasons = BTreeSet::new();
        for package in packages.iter().filter(|p| !p.excepted) {
            for refused in package.licenses.iter().flat_map(|text| self.refused(text)) {
                reasons.insert(format!("{} has the licence {refused}", package.name));
            }
        }
        if self.unknown == Unknown::Deny {
            reasons.extend(unknown(packages).map(in_words));
        }
        reasons.into_iter().collect()
    }

    /// What it only warns of.
    pub(super) fn warnings(&self, packages: &[Installed<'_>]) -> Vec<String> {
        match self.unknown {
            Unknown::Warn => unknown(packages).map(in_words).collect(),
            Unknown::Deny | Unknown::Allow => Vec::new(),
        }
    }

    fn refused(&self, text: &str) -> Vec<String> {
        let accepts = |id: &str, whole: &str| {
            !self.forbidden.hold(id, whole) && self.allowed.as_ref().is_none_or(|a| a.hold(id, whole))
        };
        // What is no expression is unknown, see below.
        text.parse::<Expression>().map(|e| e.objections(accepts)).unwrap_or_default()
    }
}

/// Packages whose licences are not all known.
pub(super) fn unknown<'p, 'a>(packages: &'p [Installed<'a>]) -> impl Iterator<Item = &'a str> + use<'p, 'a> {
    let is = |p: &&Installed<'a>| {
        p.licenses.is_empty()
            || p.licenses.iter().any(|l| l == NO_ASSERTION || l.parse::<Expression>().is_err())
    };
    packages.iter().filter(|p| !p.excepted).filter(is).map(|p| p.name)
}

fn in_words(package: &str) -> String {
    format!("the licences of {package} are not all known")
}

/// Complaints over one rule's `license`: a name that no package can have would never hold.
pub(super) fn check(rule: &Value, path: &[&str]) -> Vec<Objection> {
    let Some(keys) = rule.get("license").and_then(Value::as_object) else { return Vec::new() };
    let below = |rest: &[&str]| {
        [path, &["license"], rest].concat().iter().map(|k| (*k).to_owned()).collect::<Vec<_>>()
    };
    let at = |rest: &[&str], code: &'static str, message: String, hint: String| {
        let path = below(rest);
        let path: Vec<&str> = path.iter().map(String::as_str).collect();
        objection(&path, code, message, hint)
    };
    if keys.is_empty() {
        let message = "a rule without a condition says nothing".to_owned();
        return vec![at(&[], "empty-rule", message, "name `forbidden` or `allowed` licences".to_owned())];
    }
    let mut objections = Vec::new();
    for key in ["forbidden", "allowed"] {
        for (position, name) in keys.get(key).and_then(Value::as_array).into_iter().flatten().enumerate() {
            let Some(text) = name.as_str() else { continue };
            let bare = text.strip_prefix('!').unwrap_or(text);
            if bare.contains(['*', '?', '[', '{', '\\']) || is_identifier(bare) {
                continue;
            }
            let message = format!("`{bare}` is no SPDX identifier of a licence");
            objections.push(at(&[key, &position.to_string()], "unknown-license", message, suggestion(bare)));
        }
    }
    objections
}

fn suggestion(name: &str) -> String {
    let bare = name.trim_end_matches('+');
    let (only, later) = (format!("{bare}-only"), format!("{bare}-or-later"));
    if is_identifier(&only) && is_identifier(&later) {
        return format!("write `{only}`, `{later}`, or `{bare}-*` for both");
    }
    "the list is at spdx.org/licenses; a glob such as `GPL-*` is taken too".to_owned()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn rule(value: Value) -> LicenseRule {
        let raw: RawLicenses = serde_json::from_value(value).expect("a rule");
        raw.try_into().expect("a rule")
    }

    fn reasons(value: Value, licenses: &[&str]) -> Vec<String> {
        let licenses: Vec<String> = licenses.iter().map(|l| (*l).to_owned()).collect();
        let package =
            Installed { name: "a", version: "1", licenses: &licenses, of_system: true, excepted: false };
        rule(value).reasons(&[package])
    }

    #[test]
    fn forbidden_and_allowed() {
        for (value, licenses, holds) in [
            (json!({"forbidden": ["AGPL-3.0-only"]}), &["AGPL-3.0-only"][..], true),
            (json!({"forbidden": ["agpl-3.0-ONLY"]}), &["AGPL-3.0-only"], true),
            (json!({"forbidden": ["AGPL-*"]}), &["MIT", "AGPL-3.0-or-later"], true),
            (json!({"forbidden": ["AGPL-*"]}), &["MIT OR AGPL-3.0-or-later"], false),
            (json!({"forbidden": ["AGPL-*"]}), &["MIT AND AGPL-3.0-or-later"], true),
            (json!({"forbidden": ["GPL-3.0-or-later"]}), &["GPL-3.0-or-later WITH GCC-exception-3.1"], true),
            (
                json!({"forbidden": ["GPL-*", "!* WITH GCC-*"]}),
                &["GPL-3.0-or-later WITH GCC-exception-3.1"],
                false,
            ),
            (json!({"forbidden": ["GPL-3.0-or-later WITH GCC-exception-3.1"]}), &["GPL-3.0-or-later"], false),
            (json!({"forbidden": ["LicenseRef-Jam"]}), &["LicenseRef-Jam"], true),
            (json!({"forbidden": []}), &["AGPL-3.0-only"], false),
            (json!({"forbidden": ["!MIT"]}), &["ISC"], true),
            (json!({"forbidden": ["!MIT"]}), &["MIT"], false),
            (json!({"allowed": ["MIT", "BSD-*"]}), &["MIT", "BSD-3-Clause"], false),
            (json!({"allowed": ["MIT"]}), &["ISC"], true),
            (json!({"allowed": ["MIT"]}), &["ISC OR MIT"], false),
            (json!({"allowed": []}), &["MIT"], true),
            (json!({"allowed": ["*"], "forbidden": ["ISC"]}), &["ISC"], true),
            // Nobody knows.
            (json!({"forbidden": ["AGPL-*"]}), &[], false),
            (json!({"forbidden": ["AGPL-*"], "unknown": "deny"}), &[], true),
            (json!({"forbidden": ["AGPL-*"], "unknown": "deny"}), &["MIT", "NOASSERTION"], true),
            (json!({"forbidden": ["AGPL-*"], "unknown": "deny"}), &["not one"], true),
            (json!({"allowed": ["MIT"]}), &["MIT", "NOASSERTION"], true),
            (json!({"allowed": ["MIT"], "unknown": "allow"}), &["MIT", "NOASSERTION"], false),
        ] {
            assert_eq!(!reasons(value.clone(), licenses).is_empty(), holds, "{value} {licenses:?}");
        }
        assert_eq!(
            reasons(json!({"forbidden": ["AGPL-*"]}), &["AGPL-3.0-only AND MIT"]),
            ["a has the licence AGPL-3.0-only"]
        );
    }

    #[test]
    fn names_that_no_package_can_have_are_objected_to() {
        let codes = |rule: Value| -> Vec<(String, &'static str)> {
            check(&rule, &["deny", "0"]).into_iter().map(|o| (o.path.join("."), o.code)).collect()
        };
        assert_eq!(codes(json!({"license": {}})), [("deny.0.license".to_owned(), "empty-rule")]);
        assert_eq!(
            codes(
                json!({"license": {"forbidden": ["MIT", "AGPL-3.0", "GPL-*", "LicenseRef-Jam"], "allowed": ["!Expat"]}})
            ),
            [
                ("deny.0.license.forbidden.1".to_owned(), "unknown-license"),
                ("deny.0.license.allowed.0".to_owned(), "unknown-license")
            ]
        );
        assert!(codes(json!({"license": {"forbidden": ["{{params.bad}}"]}})).is_empty());
        assert!(suggestion("AGPL-3.0").contains("`AGPL-3.0-only`"));
    }
}
