//! What a scan node denies, as rules of a gate.

use serde_json::{Map, Value};

use super::Error;
use super::read::{Reader, number, text};
use crate::diagnostics::shown;
use crate::limits::MAX_EXPRESSION;

/// What becomes of a denied image.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Act {
    /// The chain ends there.
    #[default]
    Block,
    /// A copy is kept.
    Keep,
    /// Its tag goes.
    Delete,
}

/// A `DenyPolicy`.
#[derive(Debug, Clone, Default)]
pub(super) struct Policy {
    /// Rules, each a map in YAML's flow style.
    pub(super) deny: Vec<String>,
    pub(super) act: Act,
}

impl Policy {
    pub(super) fn read(
        reader: &mut Reader<'_>,
        map: &Map<String, Value>,
        path: &str,
    ) -> Result<Policy, Error> {
        let known =
            ["IssueLevel", "IssueCount", "IssueList", "Logic", "Action", "BaselineList", "MaliciousList"];
        reader.unknown(map, &known, path);
        let level = level(reader, map, path)?;
        let count = number(map, "IssueCount", path)?;
        let ids = names(map, "IssueList", path)?;
        let and = logic(reader, map, path)?;
        let less = if and { "the rest of the rule denies without them" } else { "they deny nothing here" };
        let hint = "keep such a scanner beside the chain, and look at this again with the next version";
        let baseline = names(map, "BaselineList", path)?;
        if !baseline.is_empty() {
            let message =
                format!("baseline checks are not part of the scan yet: {}; {less}", crop(&baseline));
            reader.notes.add("import-no-baseline-check", &format!("{path}.BaselineList"), message, hint);
        }
        let malicious = names(map, "MaliciousList", path)?;
        if !malicious.is_empty() {
            let message =
                format!("malware checks are not part of the scan yet: {}; {less}", crop(&malicious));
            reader.notes.add("import-no-malware-check", &format!("{path}.MaliciousList"), message, hint);
        }
        let foreign = !baseline.is_empty() || !malicious.is_empty();
        let severity = level.is_some() || count.is_some();
        let mut deny = Vec::new();
        let both = and && severity && !ids.is_empty();
        match both.then(|| conjunction(level.flatten(), count, &ids)).flatten() {
            Some(rule) => deny.push(rule),
            None => {
                if both {
                    let message =
                        "both conditions at once are too long for one expression; each denies by itself";
                    reader.notes.add(
                        "import-logic",
                        &format!("{path}.Logic"),
                        message,
                        "shorten the list, or split it",
                    );
                }
                if severity {
                    let level =
                        level.flatten().map(|l| format!("severity: \">= {l}\", ")).unwrap_or_default();
                    deny.push(format!("{{{level}count: {}}}", count.unwrap_or(1).max(1)));
                }
                if !ids.is_empty() {
                    deny.push(format!("{{ids: [{}]}}", quoted(&ids)));
                }
            }
        }
        let act = act(reader, map, path)?;
        if deny.is_empty() && (foreign || act != Act::Block) {
            let message = "without what has no equal nothing is left that denies";
            reader.notes.add("import-nothing-denied", path, message, "write a rule under `deny` by hand");
        }
        Ok(Policy { deny, act })
    }
}

/// None: not said; the inner none: any, the unknown among them.
fn level(
    reader: &mut Reader<'_>,
    map: &Map<String, Value>,
    path: &str,
) -> Result<Option<Option<&'static str>>, Error> {
    let Some(word) = text(map, "IssueLevel", path)? else { return Ok(None) };
    Ok(Some(match word.to_uppercase().as_str() {
        "CRITICAL" => Some("critical"),
        "HIGH" => Some("high"),
        "MEDIUM" => Some("medium"),
        "LOW" => Some("low"),
        "UNKNOWN" => None,
        _ => {
            let message = format!("a level `{}` is not known; every vulnerability counts", shown(&word));
            reader.notes.add(
                "import-unknown-value",
                &format!("{path}.IssueLevel"),
                message,
                "write the severity by hand",
            );
            None
        }
    }))
}

fn logic(reader: &mut Reader<'_>, map: &Map<String, Value>, path: &str) -> Result<bool, Error> {
    let Some(word) = text(map, "Logic", path)? else { return Ok(false) };
    match word.to_uppercase().as_str() {
        "AND" => Ok(true),
        "OR" => Ok(false),
        _ => {
            let message = format!("a logic `{}` is not known; each condition denies by itself", shown(&word));
            reader.notes.add(
                "import-unknown-value",
                &format!("{path}.Logic"),
                message,
                "look which one is meant",
            );
            Ok(false)
        }
    }
}

fn act(reader: &mut Reader<'_>, map: &Map<String, Value>, path: &str) -> Result<Act, Error> {
    let Some(word) = text(map, "Action", path)? else { return Ok(Act::Block) };
    let path = format!("{path}.Action");
    Ok(match word.to_uppercase().as_str() {
        "BLOCK" => Act::Block,
        "BLOCK_RETAG" => {
            let message = "the denied image keeps its tag here, and a copy is kept beside";
            reader.notes.add("import-retag", &path, message, "add a `delete` step, if the tag shall go");
            Act::Keep
        }
        "BLOCK_DELETE_TAG" => {
            let message = "the tag goes only after a verified copy was made, and the manifest stays";
            reader.notes.add(
                "import-delete",
                &path,
                message,
                "write the place of copies into `to` of the step `backup`",
            );
            Act::Delete
        }
        _ => {
            let message = format!("an action `{}` is not known; the chain only denies", shown(&word));
            reader.notes.add("import-unknown-value", &path, message, "write the step by hand");
            Act::Block
        }
    })
}

/// Names with commas between; the API knows no other form, a list is taken too.
fn names(map: &Map<String, Value>, key: &str, path: &str) -> Result<Vec<String>, Error> {
    let mut names: Vec<String> = match map.get(key) {
        Some(Value::Array(items)) => {
            items.iter().filter_map(Value::as_str).map(|name| name.trim().to_owned()).collect()
        }
        _ => {
            text(map, key, path)?.unwrap_or_default().split(',').map(|name| name.trim().to_owned()).collect()
        }
    };
    names.retain(|name| !name.is_empty());
    names.dedup();
    Ok(names)
}

/// As many of some severity, and one of these: over two sets of findings, which one rule's keys are not.
fn conjunction(level: Option<&str>, count: Option<u64>, ids: &[String]) -> Option<String> {
    let levels = ["low", "medium", "high", "critical"];
    let heavy = level.and_then(|level| levels.iter().position(|l| *l == level)).map(|from| {
        let words: Vec<String> = levels[from..].iter().map(|l| format!("'{l}'")).collect();
        format!("f.severity in [{}]", words.join(", "))
    });
    let plain = ids.iter().all(|id| id.chars().all(|c| c.is_ascii_alphanumeric() || "-_.:".contains(c)));
    let listed: Vec<String> = ids.iter().map(|id| format!("'{id}'")).collect();
    let count = count.unwrap_or(1).max(1);
    let many = match heavy {
        Some(heavy) => format!("findings.filter(f, {heavy}).size() >= {count}"),
        None => format!("findings.size() >= {count}"),
    };
    let one =
        format!("[{}].exists(id, findings.exists(f, f.id == id || id in f.aliases))", listed.join(", "));
    let when = format!("{many} && {one}");
    (plain && when.len() <= MAX_EXPRESSION).then(|| format!("{{when: \"{when}\"}}"))
}

fn quoted(ids: &[String]) -> String {
    ids.iter().map(|id| super::write::text(id)).collect::<Vec<_>>().join(", ")
}

fn crop(names: &[String]) -> String {
    let first: Vec<String> = names.iter().take(5).map(|n| format!("`{}`", shown(n))).collect();
    let more = names.len().saturating_sub(5);
    if more == 0 { first.join(", ") } else { format!("{} and {more} more", first.join(", ")) }
}
