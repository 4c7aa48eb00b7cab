//! `cargo xtask check`: licences, bans and sources, over `cargo metadata`.

use std::collections::BTreeSet;

use cargo_metadata::{MetadataCommand, Package};

use crate::say;

/// What `deny.toml` says.
struct Policy {
    licenses: BTreeSet<String>,
    bans: BTreeSet<String>,
}

/// Checks the whole tree; every complaint is shown.
pub(crate) fn run() -> Result<(), String> {
    let policy = read()?;
    let metadata = MetadataCommand::new().exec().map_err(|e| e.to_string())?;
    let mut complaints = Vec::new();
    for package in &metadata.packages {
        complaints.extend(check(package, &policy));
    }
    for complaint in &complaints {
        say(complaint);
    }
    if complaints.is_empty() {
        say(&format!("licences, bans and sources of {} packages are fine", metadata.packages.len()));
        Ok(())
    } else {
        Err(format!("{} complaints: see deny.toml", complaints.len()))
    }
}

fn read() -> Result<Policy, String> {
    let text = std::fs::read_to_string("deny.toml").map_err(|e| format!("deny.toml: {e}"))?;
    let table: toml::Table = text.parse().map_err(|e| format!("deny.toml: {e}"))?;
    let list = |section: &str, key: &str| -> Result<&Vec<toml::Value>, String> {
        table
            .get(section)
            .and_then(|s| s.get(key))
            .and_then(toml::Value::as_array)
            .ok_or_else(|| format!("deny.toml: no list {section}.{key}"))
    };
    let words =
        |values: &Vec<toml::Value>| values.iter().filter_map(|v| v.as_str().map(str::to_owned)).collect();
    let names = |values: &Vec<toml::Value>| {
        values.iter().filter_map(|v| v.get("name").and_then(|n| n.as_str()).map(str::to_owned)).collect()
    };
    Ok(Policy { licenses: words(list("licenses", "allow")?), bans: names(list("bans", "deny")?) })
}

fn check(package: &Package, policy: &Policy) -> Vec<String> {
    let mut complaints = Vec::new();
    let name = package.name.as_str();
    if policy.bans.contains(name) {
        complaints.push(format!("{name} {}: banned", package.version));
    }
    match &package.source {
        None => {}
        Some(source) if source.is_crates_io() => {}
        Some(_) => complaints.push(format!("{name} {}: not from crates.io", package.version)),
    }
    match &package.license {
        Some(expression) if satisfied(expression, &policy.licenses) => {}
        Some(expression) => complaints.push(format!("{name} {}: licence {expression}", package.version)),
        None => complaints.push(format!("{name} {}: no licence named", package.version)),
    }
    complaints
}

/// SPDX expressions as Cargo allows them: OR of ANDs with parentheses; `/` is an old OR.
fn satisfied(expression: &str, allowed: &BTreeSet<String>) -> bool {
    let text = expression.replace('/', " OR ").replace('(', " ( ").replace(')', " ) ");
    let mut tokens = text.split_whitespace().peekable();
    or(&mut tokens, allowed)
}

type Tokens<'a> = std::iter::Peekable<std::str::SplitWhitespace<'a>>;

fn or(tokens: &mut Tokens<'_>, allowed: &BTreeSet<String>) -> bool {
    let mut result = and(tokens, allowed);
    while tokens.next_if_eq(&"OR").is_some() {
        result |= and(tokens, allowed);
    }
    result
}

fn and(tokens: &mut Tokens<'_>, allowed: &BTreeSet<String>) -> bool {
    let mut result = one(tokens, allowed);
    while tokens.next_if_eq(&"AND").is_some() {
        result &= one(tokens, allowed);
    }
    result
}

fn one(tokens: &mut Tokens<'_>, allowed: &BTreeSet<String>) -> bool {
    let Some(token) = tokens.next() else { return false };
    if token == "(" {
        let result = or(tokens, allowed);
        tokens.next_if_eq(&")");
        return result;
    }
    let mut name = token.to_owned();
    if tokens.next_if_eq(&"WITH").is_some() {
        name = format!("{name} WITH {}", tokens.next().unwrap_or_default());
    }
    allowed.contains(&name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn licence_expressions_are_judged_by_what_may_be_chosen() {
        let allowed: BTreeSet<String> = ["MIT", "Apache-2.0 WITH LLVM-exception"].map(String::from).into();
        assert!(satisfied("MIT", &allowed));
        assert!(satisfied("GPL-3.0 OR MIT", &allowed));
        assert!(satisfied("GPL-3.0/MIT", &allowed));
        assert!(satisfied("Apache-2.0 WITH LLVM-exception", &allowed));
        assert!(satisfied("MIT AND (GPL-3.0 OR MIT)", &allowed));
        assert!(!satisfied("MIT AND GPL-3.0", &allowed));
        assert!(!satisfied("(MIT OR GPL-3.0) AND BSL-1.1", &allowed));
        assert!(!satisfied("", &allowed));
    }
}
