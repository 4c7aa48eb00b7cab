//! Every code that a chain can give has a mistake that gives it, and what a person then reads is pinned word for word.
//!
//! `examples/mistakes/CODE.yaml` is what `patchline chain explain CODE` shows; `CODE.WORD.yaml` are more of the same code.

mod support;

use std::collections::BTreeSet;

use patchline_chains::diagnostics::CODES;
use support::{committed, compiled, explanations, files, path, rendered};

/// What no text file can hold, or none should.
fn made(code: &str) -> Option<Vec<u8>> {
    let junk = || (0..1_100).map(|i| format!("key{i}: 1\n")).collect::<String>();
    Some(match code {
        "not-utf8" => {
            b"version: 1\nchain: web\ndescription: \xe9t\xe9\nsteps: {scan: {uses: scan}}\n".to_vec()
        }
        "too-large" => vec![b'#'; patchline_chains::limits::MAX_BYTES + 1],
        "too-many-problems" => junk().into_bytes(),
        _ => return None,
    })
}

/// The codes that the step kinds object with, as their sources have them.
fn objections() -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let mut folders = vec![path("steps/src")];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).expect("a folder") {
            let file = entry.expect("an entry").path();
            if file.is_dir() {
                folders.push(file);
                continue;
            }
            let text = std::fs::read_to_string(&file).expect("a source");
            let text = text.split("#[cfg(test)]\nmod tests {").next().expect("a part").to_owned();
            for call in text.split("objection(").skip(1) {
                // Keys below `with` have no hyphens; the code is the first text that does.
                let kebab =
                    |t: &&str| t.contains('-') && t.bytes().all(|b| b.is_ascii_lowercase() || b == b'-');
                let code = call.split('"').skip(1).step_by(2).take(5).find(kebab);
                found.extend(code.map(str::to_owned));
            }
        }
    }
    found
}

#[test]
fn every_code_is_explained() {
    let explained: BTreeSet<String> = explanations().iter().map(|e| e.code.to_owned()).collect();
    assert_eq!(explained.len(), explanations().len(), "a code is explained twice");
    let objections = objections();
    assert!(objections.len() > 8, "the search is broken: {objections:?}");
    // Some objections are made by way of a helper, which the search does not see: the compiler itself asserts, where
    // it is built for tests, that whatever a kind objects with is explained.
    let all: BTreeSet<String> = CODES.iter().map(|c| (*c).to_owned()).chain(objections).collect();
    let missing: Vec<&String> = all.difference(&explained).collect();
    assert!(missing.is_empty(), "without an explanation: {missing:?}");
}

#[test]
fn every_explanation_shows_its_code_and_how_to_be_rid_of_it() {
    for e in explanations() {
        if e.erroneous.is_empty() {
            assert!(made(e.code).is_some(), "{} has no example", e.code);
        } else {
            let found = compiled(e.code, e.erroneous.as_bytes());
            let codes: BTreeSet<&str> = found.diagnostics.iter().map(|d| d.code).collect();
            assert_eq!(codes, BTreeSet::from([e.code]), "{:?}", found.diagnostics);
        }
        let mended = compiled(e.code, e.corrected.as_bytes());
        assert_eq!(mended.diagnostics, [], "{}", e.code);
        assert!(!mended.plans.is_empty(), "{}", e.code);
    }
}

#[test]
fn what_a_person_reads_is_pinned() {
    let mut expected = BTreeSet::new();
    for e in explanations() {
        let file = format!("{}.yaml", e.code);
        let bytes = match made(e.code) {
            Some(bytes) => bytes,
            None => {
                committed(&format!("examples/mistakes/{file}"), e.erroneous);
                expected.insert(file.clone());
                e.erroneous.as_bytes().to_vec()
            }
        };
        let mut shown = rendered(&file, &bytes);
        if e.code == "too-many-problems" {
            let at = shown.find("error[too-many-problems]").expect("told");
            shown = shown[at..].split_inclusive('\n').take_while(|l| *l != "\n").collect();
        }
        committed(&format!("examples/mistakes/{}.txt", e.code), &shown);
    }
    for file in files("examples/mistakes", ".yaml") {
        if expected.contains(&file) {
            continue;
        }
        let bytes = std::fs::read(path(&format!("examples/mistakes/{file}"))).expect("a file");
        let stem = file.strip_suffix(".yaml").expect("an ending");
        committed(&format!("examples/mistakes/{stem}.txt"), &rendered(&file, &bytes));
        let code = stem.split('.').next().expect("a code");
        if code == "eight" {
            continue;
        }
        let codes: BTreeSet<&str> = compiled(&file, &bytes).diagnostics.iter().map(|d| d.code).collect();
        assert_eq!(codes, BTreeSet::from([code]), "{file}");
    }
    let stems = |ending: &str| -> BTreeSet<String> {
        files("examples/mistakes", ending).iter().map(|f| f.trim_end_matches(ending).to_owned()).collect()
    };
    let without: Vec<String> = stems(".txt").difference(&stems(".yaml")).cloned().collect();
    assert_eq!(without, ["not-utf8", "too-large", "too-many-problems"], "texts of no file");
}

#[test]
fn eight_mistakes_are_eight_complaints_each_with_a_hint() {
    let bytes = std::fs::read(path("examples/mistakes/eight.yaml")).expect("a file");
    let found = compiled("eight.yaml", &bytes).diagnostics;
    let codes: BTreeSet<&str> = found.iter().map(|d| d.code).collect();
    assert_eq!((found.len(), codes.len()), (8, 8), "{codes:?}");
    let lines: BTreeSet<usize> = found.iter().map(|d| d.span.line).collect();
    assert_eq!(lines.len(), 8, "each in its own line");
    assert!(found.iter().all(|d| d.hint.is_some()));
}
