//! A Dockerfile as far as advice needs it: its instructions, their lines, and what of them advice changes
//! (docker docs, "Dockerfile reference").

use std::{collections::BTreeMap, ops::RangeInclusive};

use patchline_scanner::version::Order;

use super::{
    Advice, Change,
    base::same,
    diff::{Edit, unified},
    pins,
};
use crate::{Error, Result};

/// Bytes of a Dockerfile that is read.
pub const LONGEST: u64 = 1 << 20;
/// Lines of one.
const MOST_LINES: usize = 20_000;
/// Heredocs that one instruction opens.
const MOST_HEREDOCS: usize = 16;
/// Characters of a package's name.
const LONGEST_NAME: usize = 200;
/// Packages that one instruction upgrades.
const MOST_PACKAGES: usize = 500;

/// One instruction.
#[derive(Debug, PartialEq, Eq)]
struct Instruction {
    /// In capitals.
    name: String,
    /// What stands behind the name, joined over continued lines, without heredocs.
    arguments: String,
    /// Its lines, counted from 0, heredocs among them.
    lines: RangeInclusive<usize>,
}

/// A Dockerfile.
#[derive(Debug)]
pub struct Dockerfile {
    text: String,
    instructions: Vec<Instruction>,
    escape: char,
}

impl Dockerfile {
    /// Reads one.
    ///
    /// # Errors
    /// [`Error::Dockerfile`]: it is no text, beyond a limit, or has no stage.
    pub fn read(bytes: &[u8]) -> Result<Self> {
        let wrong = |reason: String| Error::Dockerfile { reason };
        if bytes.len() as u64 > LONGEST {
            return Err(wrong(format!("it is longer than {} MiB", LONGEST >> 20)));
        }
        let text = std::str::from_utf8(bytes).map_err(|_| wrong("it is not UTF-8".to_owned()))?;
        if text.contains('\0') {
            return Err(wrong("it is no text".to_owned()));
        }
        if text.lines().count() > MOST_LINES {
            return Err(wrong(format!("it has more than {MOST_LINES} lines")));
        }
        let escape = escape(text);
        let instructions = instructions(text, escape);
        if !instructions.iter().any(|i| i.name == "FROM") {
            return Err(wrong("it has no FROM".to_owned()));
        }
        Ok(Self { text: text.to_owned(), instructions, escape })
    }

    /// What advice changes in it, as a unified diff, and what a person has to do by hand. `path` names it in the diff.
    pub fn patch(&self, path: &str, advice: &Advice) -> (String, Vec<String>) {
        let lines: Vec<&str> = self.text.lines().collect();
        let mut edits: BTreeMap<usize, Vec<Edit>> = BTreeMap::new();
        let mut notes = self.rebase(advice, &lines, &mut edits);
        self.repin(advice, &lines, &mut edits);
        notes.extend(self.upgrade(advice, &mut edits));
        (unified(path, &self.text, &edits), notes)
    }

    /// The image that the last stage is built on, through stages of the file itself, and where it stands.
    fn root(&self) -> Option<(&Instruction, &str)> {
        let stages: Vec<(&Instruction, &str, Option<&str>)> =
            self.instructions.iter().filter(|i| i.name == "FROM").filter_map(stage).collect();
        let mut at = stages.len().checked_sub(1)?;
        loop {
            let (instruction, image, _) = stages[at];
            let named = |stage: &(&Instruction, &str, Option<&str>)| {
                stage.2.is_some_and(|name| name.eq_ignore_ascii_case(image))
            };
            // A stage is known by its name from its own line on: each step goes up, so this ends.
            match stages[..at].iter().rposition(named) {
                Some(earlier) => at = earlier,
                None => return Some((instruction, image)),
            }
        }
    }

    fn rebase(&self, advice: &Advice, lines: &[&str], edits: &mut BTreeMap<usize, Vec<Edit>>) -> Vec<String> {
        let (Some(base), Some((from, image))) = (&advice.base, self.root()) else { return Vec::new() };
        let Some(newer) = base.newer() else { return Vec::new() };
        if image.contains('$') {
            return vec![format!("FROM {image}: an argument names the base; {} is {newer} now", base.name)];
        }
        if !same(image, &base.name) {
            return vec![format!("FROM {image} is not what the image says it is built on, {}", base.name)];
        }
        let Some((name, pinned)) = image.split_once('@') else {
            return vec![format!("FROM {image} names no digest: building with --pull takes {newer}")];
        };
        let line = *from.lines.start();
        let Some(text) = lines.get(line).filter(|text| text.matches(image).count() == 1) else {
            return vec![format!("FROM {image} is written over several lines: it is {newer} now")];
        };
        if pinned != newer.as_str() {
            edits
                .entry(line)
                .or_default()
                .push(Edit::Replace(text.replace(image, &format!("{name}@{newer}"))));
        }
        Vec::new()
    }

    /// Pinned packages of languages in what is run.
    fn repin(&self, advice: &Advice, lines: &[&str], edits: &mut BTreeMap<usize, Vec<Edit>>) {
        for run in self.instructions.iter().filter(|i| i.name == "RUN") {
            let text: String =
                run.lines.clone().filter_map(|n| lines.get(n)).map(|l| format!("{l}\n")).collect();
            let tools = pins::Tools::of(&text);
            for number in run.lines.clone() {
                let Some(line) = lines.get(number).filter(|line| !line.trim_start().starts_with('#')) else {
                    continue;
                };
                let raised = pins::raised(line, tools, &advice.changes);
                if raised != *line {
                    edits.entry(number).or_default().push(Edit::Replace(raised));
                }
            }
        }
    }

    /// Packages of the system that a package manager can upgrade where we do not.
    fn upgrade(&self, advice: &Advice, edits: &mut BTreeMap<usize, Vec<Edit>>) -> Option<String> {
        let codes = ["script-needs-sandbox", "new-dependency", "conflict"];
        let refused =
            |c: &&Change| c.require.is_some() && c.paths.is_empty() && codes.contains(&c.code.as_str());
        let is_apk = |c: &Change| Order::of_ecosystem(&c.ecosystem) == Some(Order::Apk);
        // A name goes into a shell: what is none is left out, whatever the image says.
        let mut names: Vec<(bool, &str)> = Vec::new();
        for change in advice.changes.iter().filter(refused) {
            let fine = change.packages.iter().filter(|name| is_name(name));
            names.extend(fine.map(|name| (is_apk(change), name.as_str())));
        }
        names.sort_unstable();
        names.dedup();
        names.truncate(MOST_PACKAGES);
        let apk = names.first()?.0;
        let names: Vec<&str> = names.iter().filter(|one| one.0 == apk).map(|one| one.1).collect();
        let last = self.instructions.iter().rev().find(|i| i.name == "FROM")?;
        let (go_on, list) = (self.escape, names.join(" "));
        let lines = match apk {
            true => vec![format!("RUN apk upgrade --no-cache {list}")],
            false => vec![
                format!("RUN apt-get update {go_on}"),
                format!(" && apt-get install --yes --no-install-recommends --only-upgrade {list} {go_on}"),
                " && rm -rf /var/lib/apt/lists/*".to_owned(),
            ],
        };
        edits.entry(*last.lines.end()).or_default().push(Edit::Insert(lines));
        Some(
            "the added RUN needs root: where the base image has another USER, put USER root before it"
                .to_owned(),
        )
    }
}

/// A package of dpkg or apk, and nothing that a shell or a package manager would read as more.
fn is_name(name: &str) -> bool {
    name.len() <= LONGEST_NAME
        && name.starts_with(|c: char| c.is_ascii_alphanumeric())
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"+-._".contains(&b))
}

/// `FROM [--platform=…] image [AS name]`
fn stage(from: &Instruction) -> Option<(&Instruction, &str, Option<&str>)> {
    let mut words = from.arguments.split_whitespace().skip_while(|word| word.starts_with("--"));
    let image = words.next()?;
    let name = match (words.next(), words.next()) {
        (Some(word), Some(name)) if word.eq_ignore_ascii_case("as") => Some(name),
        _ => None,
    };
    Some((from, image, name))
}

/// The parser directive `escape`; directives stand before everything else.
fn escape(text: &str) -> char {
    for line in text.lines() {
        let Some((key, value)) = line.trim().strip_prefix('#').and_then(|line| line.split_once('=')) else {
            break;
        };
        if key.trim().eq_ignore_ascii_case("escape") {
            return if value.trim() == "`" { '`' } else { '\\' };
        }
    }
    '\\'
}

fn instructions(text: &str, escape: char) -> Vec<Instruction> {
    let lines: Vec<&str> = text.lines().collect();
    let mut found = Vec::new();
    let mut at = 0;
    while at < lines.len() {
        let first = lines[at].trim();
        if first.is_empty() || first.starts_with('#') {
            at += 1;
            continue;
        }
        let start = at;
        let mut joined = String::new();
        loop {
            let line = lines[at].trim_end();
            let passed_over = at > start && (line.trim().is_empty() || line.trim_start().starts_with('#'));
            let goes_on = line.ends_with(escape);
            if !passed_over {
                joined.push_str(line.strip_suffix(escape).unwrap_or(line));
                joined.push(' ');
            }
            if !(goes_on || passed_over) || at + 1 == lines.len() {
                break;
            }
            at += 1;
        }
        let (name, arguments) = joined.trim().split_once(char::is_whitespace).unwrap_or((joined.trim(), ""));
        let name = name.to_ascii_uppercase();
        if matches!(name.as_str(), "RUN" | "COPY" | "ADD") {
            for word in heredocs(arguments) {
                let ends = |line: &&str| line.trim_start_matches('\t') == word;
                let rest = lines.get(at + 1..).unwrap_or_default();
                at = rest.iter().position(ends).map_or(lines.len() - 1, |skip| at + 1 + skip);
            }
        }
        found.push(Instruction { name, arguments: arguments.trim().to_owned(), lines: start..=at });
        at += 1;
    }
    found
}

/// `<<EOF`, `<<-"EOF"`: the words that end each.
fn heredocs(arguments: &str) -> Vec<String> {
    let mut found = Vec::new();
    for part in arguments.split("<<").skip(1).take(MOST_HEREDOCS) {
        let part = part.strip_prefix('-').unwrap_or(part);
        let part = part.strip_prefix(['"', '\'']).unwrap_or(part);
        let word: String = part.chars().take_while(|c| c.is_ascii_alphanumeric() || *c == '_').collect();
        // `<<<` and shifts are none.
        if word.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_') {
            found.push(word);
        }
    }
    found
}

#[cfg(test)]
#[path = "dockerfile_tests.rs"]
mod tests;
