//! What native and sandbox leave differently, and why that is no fault: a list that is kept, and held to be needed.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
    process::Command,
};

use patchline_tests::machine::{run, text};
use serde_json::Value;

use crate::fixing;

/// Each line: where it is seen, path, what differs, why.
const LIST: &str = include_str!("differences.txt");

/// One line of it.
pub(crate) struct Entry {
    /// `suite/variant` in which it is seen, so that one which is needed no more is found.
    seen: &'static str,
    path: &'static str,
    /// `added` (by the sandbox), `removed`, `stanzas`, or words as `patchline diff` has them.
    what: &'static str,
}

/// Reads the list. A line that is none is a mistake of whoever wrote it.
pub(crate) fn list() -> Vec<Entry> {
    let lines = LIST.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
    lines
        .map(|line| {
            let cells: Vec<&'static str> = line.split(" | ").map(str::trim).collect();
            let [seen, path, what, reason] = cells[..] else { panic!("four cells: {line}") };
            assert!(seen.contains('/') && reason.len() > 20, "where it is seen, and a reason: {line}");
            Entry { seen, path, what }
        })
        .collect()
}

/// A star stands for anything, slashes too.
fn fits(pattern: &str, path: &str) -> bool {
    let Some((head, rest)) = pattern.split_once('*') else { return pattern == path };
    let Some(path) = path.strip_prefix(head) else { return false };
    (0..=path.len()).any(|at| path.is_char_boundary(at) && fits(rest, &path[at..]))
}

/// Two fixed images: their references, and what their patch layers bring.
pub(crate) struct Pair<'a> {
    pub(crate) native: (&'a str, &'a Path),
    pub(crate) sandbox: (&'a str, &'a Path),
}

/// Differences that no entry explains; indices of the entries that explained one.
pub(crate) fn unexplained(data: &Path, entries: &[Entry], pair: &Pair<'_>) -> (Vec<String>, BTreeSet<usize>) {
    let mut command: Command = fixing::program(data);
    command.args(["diff", "--offline", "--files", "--output", "json"]);
    let said = text(&run(command.arg(pair.native.0).arg(pair.sandbox.0)));
    let told: Value = serde_json::from_str(&said).unwrap();
    let (mut found, mut used) = (Vec::new(), BTreeSet::new());
    for file in told["files"].as_array().expect("a diff tells of files") {
        let path = file["path"].as_str().unwrap();
        let what = match file["change"].as_str().unwrap() {
            "changed" => {
                let words: Vec<&str> =
                    file["what"].as_array().unwrap().iter().flat_map(Value::as_str).collect();
                words.join(",")
            }
            other => other.to_owned(),
        };
        let explains = |entry: &Entry| {
            fits(entry.path, path)
                && (entry.what == what
                    || (entry.what == "stanzas" && what == "content" && stanzas_are_equal(pair, path)))
        };
        match entries.iter().position(explains) {
            Some(at) => {
                used.insert(at);
            }
            None => found.push(format!("native and sandbox: /{path}: {what}")),
        }
    }
    (found, used)
}

/// Entries that were to be seen in what ran, and were not.
pub(crate) fn unused(entries: &[Entry], used: &BTreeSet<usize>, ran: &BTreeSet<String>) -> Vec<String> {
    let idle = entries.iter().enumerate().filter(|(at, e)| ran.contains(e.seen) && !used.contains(at));
    idle.map(|(_, e)| format!("differences.txt: {} {} is needed no more", e.seen, e.path)).collect()
}

/// dpkg writes its database anew, in an order of its own: what the fields say is what counts.
fn stanzas_are_equal(pair: &Pair<'_>, path: &str) -> bool {
    let read = |root: &Path| std::fs::read_to_string(root.join(path)).ok().map(|text| stanzas(&text));
    match (read(pair.native.1), read(pair.sandbox.1)) {
        (Some(native), Some(sandbox)) => {
            for (name, fields) in &native {
                if sandbox.get(name) != Some(fields) {
                    eprintln!("{path}: {name:?}: {fields:?} against {:?}", sandbox.get(name));
                    return false;
                }
            }
            native.len() == sandbox.len()
        }
        _ => false,
    }
}

type Stanzas = BTreeMap<(String, String), BTreeMap<String, String>>;

/// Fields by package and architecture; lists of files in them in any order.
fn stanzas(text: &str) -> Stanzas {
    let mut all = Stanzas::new();
    for stanza in text.split("\n\n").filter(|stanza| !stanza.trim().is_empty()) {
        let mut fields: BTreeMap<String, String> = BTreeMap::new();
        let mut last = String::new();
        for line in stanza.lines() {
            match line.split_once(':').filter(|_| !line.starts_with(' ')) {
                Some((name, value)) => {
                    last = name.to_owned();
                    fields.insert(last.clone(), value.trim().to_owned());
                }
                None => fields.entry(last.clone()).or_default().push_str(&format!("\n{}", line.trim())),
            }
        }
        for value in fields.values_mut().filter(|value| value.starts_with('\n')) {
            let mut lines: Vec<&str> = value.lines().collect();
            lines.sort_unstable();
            *value = lines.join("\n");
        }
        let key = |name: &str| fields.get(name).cloned().unwrap_or_default();
        all.insert((key("Package"), key("Architecture")), fields);
    }
    all
}
