//! `base_image`: what an image may be built on, known by content and not by what it says of itself.

mod search;

use std::{collections::BTreeMap, fmt};

use patchline_chains::{Param, ParamType, catalogue::Objection};
use serde::Deserialize;
use serde_json::Value;

pub(super) use self::search::{Search, Subject};
use crate::{
    catalogue::{list, objection, optional},
    summary,
};

/// What makes a pattern stand for several names.
const WILD: [char; 5] = ['*', '?', '[', '{', '\\'];

/// The rule's keys, as chains are checked.
pub(super) fn param() -> Param {
    let keys = ParamType::Map(vec![
        optional(
            "in",
            list(ParamType::Glob),
            "holds when the base is in one of these: `registry/repository`, as globs",
        )
        .example(r#"["main/legacy/**"]"#),
        optional("not_in", list(ParamType::Glob), "holds when the base is in none of these")
            .example(r#"["main/base/**", "!main/base/experimental"]"#),
    ]);
    let says = "what the image is built on: its first layers are all those of an image there";
    optional("base_image", keys, says).example(r#"{not_in: ["main/base/**"]}"#)
}

/// Patterns over `registry/repository`; `!` excludes.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct BaseRule {
    #[serde(rename = "in")]
    within: Vec<String>,
    #[serde(rename = "not_in")]
    outside: Vec<String>,
}

/// An image whose layers are the first of another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Base {
    /// `main/base/debian:12`
    name: String,
}

impl fmt::Display for Base {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)
    }
}

/// What was found for each list of patterns.
#[derive(Debug, Clone, Default)]
pub(super) struct Bases {
    found: BTreeMap<Vec<String>, Option<Base>>,
    /// `org.opencontainers.image.base.name`: the image's own word.
    claimed: Option<String>,
}

impl BaseRule {
    /// Lists that must be looked through.
    pub(super) fn patterns(&self) -> impl Iterator<Item = &[String]> {
        [self.within.as_slice(), self.outside.as_slice()].into_iter().filter(|p| !p.is_empty())
    }

    /// Why it holds; none: it does not.
    pub(super) fn reasons(&self, bases: &Bases) -> Option<Vec<String>> {
        let found = |patterns: &Vec<String>| bases.found.get(patterns).and_then(Option::as_ref);
        let mut reasons = Vec::new();
        if !self.within.is_empty() {
            reasons.push(format!("the image is built on {}", found(&self.within)?));
        }
        if !self.outside.is_empty() {
            if found(&self.outside).is_some() {
                return None;
            }
            let claims = bases.claimed.as_ref().map(|name| format!(", though it claims {name}"));
            let patterns = summary::cut(&self.outside.join(", "), 200);
            reasons.push(format!("no image in {patterns} is its base{}", claims.unwrap_or_default()));
        }
        Some(reasons)
    }

    /// In words.
    pub(super) fn describe(&self) -> String {
        let mut words = Vec::new();
        if !self.within.is_empty() {
            words.push(format!("built on {}", self.within.join(", ")));
        }
        if !self.outside.is_empty() {
            words.push(format!("not built on {}", self.outside.join(", ")));
        }
        words.join(", ")
    }
}

/// Complaints over one rule's `base_image`.
pub(super) fn check(rule: &Value, path: &[&str]) -> Vec<Objection> {
    let Some(keys) = rule.get("base_image").and_then(Value::as_object) else { return Vec::new() };
    let at = |rest: &[&str], code: &'static str, message: &str, hint: &str| {
        objection(&[path, &["base_image"], rest].concat(), code, message, hint)
    };
    let lists: Vec<(&str, &Vec<Value>)> =
        ["in", "not_in"].iter().filter_map(|key| Some((*key, keys.get(*key)?.as_array()?))).collect();
    let mut objections = Vec::new();
    if lists.iter().all(|(_, patterns)| patterns.is_empty()) {
        let says = "a rule without a condition says nothing";
        objections.push(at(&[], "empty-rule", says, "name repositories under `in` or `not_in`"));
    }
    for (key, patterns) in lists {
        let texts = patterns.iter().enumerate().filter_map(|(n, p)| Some((n, p.as_str()?)));
        for (position, text) in texts.filter(|(_, text)| !text.contains("{{")) {
            let bare = text.strip_prefix('!').unwrap_or(text);
            let fits = bare.split_once('/').is_some_and(|(registry, repository)| {
                !registry.is_empty()
                    && !registry.contains(WILD)
                    && !repository.is_empty()
                    && !repository.contains([':', '@'])
            });
            if !fits {
                let position = position.to_string();
                let says = format!("`{text}` names no repositories of a registry");
                let hint =
                    "write the registry's name and a glob over repositories, without a tag: `main/base/**`";
                objections.push(at(&[key, &position], "base-pattern", &says, hint));
            }
        }
    }
    objections
}

#[cfg(test)]
mod tests;
