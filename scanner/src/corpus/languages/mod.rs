//! Packages of languages: another scanner's fixtures, and archives that were made for this.

mod tables;

use std::collections::BTreeSet;

use serde_json::Value;

use self::tables::{MISSES, SETS, UNREAD};
use super::{
    Fault, Figures,
    data::{self, Data, Files},
};
use crate::languages::{ANALYSERS, Analyser, Component, File, Found, Named};

/// Where the expectations lie that are about languages.
const ROOTS: [&str; 2] = ["fixtures/trivy/pkg/dependency/parser/", "fixtures/trivy/pkg/fanal/analyzer/"];
/// There, what [`super::systems`] judges.
const SYSTEMS: [&str; 4] = ["analyzer/os/", "analyzer/pkg/apk", "analyzer/pkg/dpkg", "analyzer/pkg/rpm"];
const SYNTHETIC: &str = "fixtures/jars-synthetic/";

/// All of them.
pub(super) fn judge(data: &Data) -> Result<Vec<Figures>, Fault> {
    let wanted = |p: &str| p.starts_with(SYNTHETIC) || ROOTS.iter().any(|root| p.starts_with(root));
    let files = data.members("fixtures", wanted)?;
    Ok(vec![fixtures(&files)?, synthetic(&files)?])
}

/// An expectation: what it is called, where its input lies, and what is in it.
struct Case {
    title: String,
    input: String,
    packages: Vec<Value>,
}

fn cases(path: &str, expected: &Value) -> Vec<Case> {
    let folder = path.rsplit_once('/').map_or("", |(folder, _)| folder);
    let one = |case: &Value| Case {
        title: format!("{}: {}", short(path), case["case"].as_str().unwrap_or("")),
        // Some name the file from where they lie: `./testdata/apk`.
        input: case["inputs"][0]
            .as_str()
            .map_or(String::new(), |input| format!("{folder}/{}", input.trim_start_matches("./"))),
        packages: case["packages"].as_array().cloned().unwrap_or_default(),
    };
    expected["cases"].as_array().into_iter().flatten().map(one).collect()
}

/// `dependency/parser/…`
fn short(path: &str) -> &str {
    path.strip_prefix("fixtures/trivy/pkg/").unwrap_or(path)
}

fn fixtures(files: &Files) -> Result<Figures, Fault> {
    let mut figures = Figures::new("languages: Trivy's fixtures");
    let mut used = BTreeSet::new();
    let expectations = files.keys().filter(|p| p.ends_with(".expected.json"));
    for path in expectations.filter(|p| !SYSTEMS.iter().any(|s| p.contains(s))) {
        let expected = data::json(files, path)?;
        let folder = path.rsplit_once('/').map_or("", |(folder, _)| folder);
        let unread = UNREAD.iter().find(|(end, _)| folder.ends_with(end)).map(|(_, why)| *why);
        let set = set(path, folder);
        for case in cases(path, &expected) {
            let count = case.packages.len();
            let reader = set.and_then(|(_, name, called)| {
                Some((*ANALYSERS.iter().find(|a| a.name() == *name)?, *called))
            });
            let Some((reader, called)) = reader else {
                let difference = Some("no analyser is named for it".to_owned());
                figures.judge(case.title, count, difference, || unread);
                continue;
            };
            let Some(found) = read(files, reader, called, &case) else {
                figures.unstaged.push(case.title);
                continue;
            };
            let difference = difference(&case, &found);
            let title = case.title.clone();
            figures.judge(case.title, count, difference, || {
                let (end, why) = MISSES.iter().find(|(end, _)| title.ends_with(end))?;
                used.insert(*end);
                Some(why)
            });
        }
    }
    figures.stale =
        MISSES.iter().map(|(end, _)| *end).filter(|end| !used.contains(end)).map(str::to_owned).collect();
    Ok(figures)
}

/// The set that an expectation belongs to.
fn set(path: &str, folder: &str) -> Option<&'static (&'static str, &'static str, &'static str)> {
    // Two tests of one folder: the second has its name behind it.
    let special = ["egg", "vendor"].into_iter().find(|s| path.ends_with(&format!("/{s}_test.expected.json")));
    let full = special.map_or_else(|| folder.to_owned(), |s| format!("{folder}/{s}"));
    SETS.iter().find(|(f, ..)| full.ends_with(f))
}

/// What the analyser finds in a case's input; none: it was not staged.
fn read(files: &Files, reader: &dyn Analyser, called: &str, case: &Case) -> Option<Found> {
    let below = |p: &str| p.strip_prefix(case.input.as_str()).is_some_and(|r| r.starts_with('/'));
    let wanted = |p: &str| p == case.input || (below(p) && reader.wants(&file(p, 1000)) && named(reader, p));
    let inputs: Vec<_> = files.iter().filter(|(p, _)| wanted(p)).collect();
    let mut all = Found::default();
    for (p, bytes) in &inputs {
        let path = if called.is_empty() { p.as_str() } else { called };
        let bytes = bundled(p, bytes, called).unwrap_or(bytes);
        if let Ok(found) = reader.read(&file(path, bytes.len()), &mut &*bytes) {
            all.components.extend(found.components);
            all.incomplete.extend(found.incomplete);
        }
    }
    (!inputs.is_empty()).then_some(all)
}

/// A file of a bundle of texts (`-- name --` and what follows), by its name.
fn bundled<'a>(path: &str, bytes: &'a [u8], name: &str) -> Option<&'a [u8]> {
    let text = std::str::from_utf8(bytes).ok().filter(|_| path.ends_with(".txtar"))?;
    super::systems::bundled(text, name).map(str::as_bytes)
}

fn file(path: &str, size: usize) -> File<'_> {
    File { path, size: size as u64, executable: false }
}

fn named(analyser: &dyn Analyser, path: &str) -> bool {
    let name = file(path, 0).name();
    analyser.named().iter().any(|n| match n {
        Named::Is(whole) => name == *whole,
        Named::Ends(end) => name.rsplit_once('.').is_some_and(|(_, e)| e == *end),
        Named::Begins(start) => name.starts_with(start),
        Named::Executable => false,
    })
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or("").to_owned()
}

/// What differs, in words; none: nothing does.
fn difference(case: &Case, found: &Found) -> Option<String> {
    let wanted: BTreeSet<_> = case.packages.iter().map(|p| (text(&p["Name"]), text(&p["Version"]))).collect();
    let name = |c: &Component| (c.full_name(), c.version.clone());
    // The project itself, and what is for its development, is listed there for some formats and not for others.
    let counts = |c: &&Component| !(c.main || c.develop) || wanted.contains(&name(c));
    let ours: BTreeSet<_> = found.components.iter().filter(counts).map(name).collect();
    let mut differences: Vec<String> =
        found.incomplete.iter().map(|note| format!("incomplete: {note}")).collect();
    if ours != wanted {
        let (lacks, has) =
            (wanted.difference(&ours).collect::<Vec<_>>(), ours.difference(&wanted).collect::<Vec<_>>());
        differences.push(format!("lacks {lacks:?}, has {has:?}"));
    }
    for p in &case.packages {
        let Some(c) = found.components.iter().find(|c| name(c) == (text(&p["Name"]), text(&p["Version"])))
        else {
            continue;
        };
        let licenses: BTreeSet<_> = p["Licenses"].as_array().into_iter().flatten().map(text).collect();
        let stated: BTreeSet<_> = c.licenses.iter().cloned().collect();
        if licenses != stated && !licenses.is_empty() {
            differences.push(format!("{} is under {stated:?} and not {licenses:?}", c.full_name()));
        }
        // One way to it that is not for development is enough.
        let same = case.packages.iter().filter(|o| o["Name"] == p["Name"] && o["Version"] == p["Version"]);
        let develop = p["Dev"].as_bool().map(|_| same.into_iter().all(|o| o["Dev"].as_bool() == Some(true)));
        if develop.is_some_and(|develop| develop != c.develop) {
            differences.push(format!("{}: for development: {}", c.full_name(), c.develop));
        }
    }
    (!differences.is_empty()).then(|| differences.join("; "))
}

/// Archives that were made for this, with the names that the advisories know them by.
fn synthetic(files: &Files) -> Result<Figures, Fault> {
    let mut figures = Figures::new("languages: archives made for this");
    let expected = data::json(files, &format!("{SYNTHETIC}expected.json"))?;
    let java = ANALYSERS.iter().find(|a| a.name() == "java-archive").ok_or("no analyser reads archives")?;
    for (name, packages) in expected["expected"].as_object().into_iter().flatten() {
        let Some(bytes) = files.get(&format!("{SYNTHETIC}{name}")) else {
            figures.unstaged.push(name.clone());
            continue;
        };
        let wanted: BTreeSet<_> = packages
            .as_array()
            .into_iter()
            .flatten()
            .map(|p| (text(&p["name"]), text(&p["version"])))
            .collect();
        let found = java.read(&file(name, bytes.len()), &mut bytes.as_slice());
        let found: BTreeSet<_> =
            found.iter().flat_map(|f| &f.components).map(|c| (c.full_name(), c.version.clone())).collect();
        let missed = (found != wanted).then(|| format!("{found:?} and not {wanted:?}"));
        figures.judge(name.clone(), wanted.len(), missed, || None);
    }
    Ok(figures)
}
