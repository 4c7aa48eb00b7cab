//! What is wrong with chains as SARIF 2.1.0 (OASIS), for code hosts and editors.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
};

use patchline_chains::{Severity, Span};
use patchline_scanner::formats::sarif::{
    model::{
        Artifact, ArtifactLocation, Found, Invocation, Location, Log, PhysicalLocation, Region, Rule, Run,
        Text,
    },
    uri_path,
};

use super::load::{File, Loaded, Problem};

/// What each code means and what to do, as people read it too.
const CODES: &str = include_str!("../../../../docs/errors.md");

/// One run over everything that was read.
pub(super) fn log(loaded: &Loaded) -> Log<'_> {
    let texts = texts();
    let used: BTreeSet<&str> = loaded.problems.iter().map(|p| p.diagnostic.code).collect();
    let index: BTreeMap<&str, usize> = used.iter().enumerate().map(|(at, id)| (*id, at)).collect();
    let rule = |id: &&'static str| {
        let (means, todo) = texts.get(id).copied().unwrap_or((id, id));
        Rule::new(*id, means, todo)
    };
    let named =
        |uri: &str, index| ArtifactLocation { uri: uri.to_owned(), uri_base_id: None, index: Some(index) };
    let uris: Vec<String> = loaded.files.iter().map(|file| uri(&file.name)).collect();
    let place = |file: usize, span: Span| PhysicalLocation {
        artifact_location: named(&uris[file], file),
        region: region(&loaded.files[file], span),
    };
    let finding = |problem: &'_ Problem| {
        let found = &problem.diagnostic;
        let here = found.related.iter().map(|(span, label)| (problem.file, *span, label.clone()));
        let there = problem.elsewhere.map(|(file, span, label)| (file, span, label.to_owned()));
        let related = here.chain(there).enumerate().map(|(id, (file, span, label))| Location {
            id: Some(id),
            physical_location: place(file, span),
            logical_locations: Vec::new(),
            message: Some(Text { text: label.into() }),
        });
        let text = match &found.hint {
            Some(hint) => format!("{}\n{hint}", found.message),
            None => found.message.clone(),
        };
        Found {
            rule_id: found.code.into(),
            rule_index: index[found.code],
            level: match found.severity {
                Severity::Error => "error",
                Severity::Warning => "warning",
            },
            message: Text { text: text.into() },
            locations: vec![Location {
                id: None,
                physical_location: place(problem.file, found.span),
                logical_locations: Vec::new(),
                message: None,
            }],
            related_locations: related.collect(),
            partial_fingerprints: BTreeMap::new(),
            properties: BTreeMap::new(),
        }
    };
    let rules: Vec<&'static str> = used.into_iter().collect();
    let artifact = |(index, uri): (usize, &String)| Artifact { location: named(uri, index) };
    let mut run = Run::new(
        env!("CARGO_PKG_VERSION"),
        rules.iter().map(rule).collect(),
        Invocation::well(),
        loaded.problems.iter().map(finding).collect(),
    );
    run.artifacts = Some(uris.iter().enumerate().map(artifact).collect());
    Log::new(run)
}

/// (what it means, what to do) by code, out of the table that is kept for people.
pub(super) fn texts() -> BTreeMap<&'static str, (&'static str, &'static str)> {
    let row = |line: &'static str| {
        let mut cells = line.strip_prefix("| `")?.trim_end_matches(" |").splitn(3, " | ");
        Some((cells.next()?.trim_end_matches('`'), (cells.next()?, cells.next()?)))
    };
    CODES.lines().filter_map(row).collect()
}

fn region(file: &File, span: Span) -> Region {
    let from = span.offset.min(file.text.len());
    let to = (from + span.length).min(file.text.len());
    let marked = file.text.get(from..to).unwrap_or_default();
    let (end_line, end_column) = match marked.rsplit_once('\n') {
        Some((before, last)) => (span.line + before.matches('\n').count() + 1, last.chars().count() + 1),
        None => (span.line, span.column + marked.chars().count()),
    };
    Region {
        start_line: span.line,
        start_column: Some(span.column),
        end_line: Some(end_line),
        end_column: Some(end_column),
        byte_offset: Some(span.offset),
        byte_length: Some(span.length),
    }
}

/// A URI reference (RFC 3986): relative to where the command ran, wherever that is possible.
fn uri(name: &str) -> String {
    let path = Path::new(name);
    let here = std::env::current_dir().ok();
    let below = here.as_deref().and_then(|here| path.strip_prefix(here).ok()).unwrap_or(path);
    let text = below.to_string_lossy();
    let text = text.strip_prefix("./").unwrap_or(&text);
    format!("{}{}", if below.is_absolute() { "file://" } else { "" }, uri_path(text))
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    fn logged(files: &[(&str, &str)]) -> Value {
        let folder = tempfile::tempdir().unwrap();
        let paths: Vec<_> = files.iter().map(|(name, _)| folder.path().join(name)).collect();
        for (path, (_, text)) in paths.iter().zip(files) {
            std::fs::write(path, text).unwrap();
        }
        serde_json::to_value(log(&Loaded::read(&paths).unwrap())).unwrap()
    }

    /// What the published schema requires of each part that stands here.
    fn hold_to_the_schema(log: &Value) {
        assert_eq!(log["version"], "2.1.0");
        let run = &log["runs"][0];
        let rules = run["tool"]["driver"]["rules"].as_array().unwrap();
        assert_eq!(run["tool"]["driver"]["name"], "patchline");
        let ids: BTreeSet<&str> = rules.iter().map(|r| r["id"].as_str().unwrap()).collect();
        assert_eq!(ids.len(), rules.len(), "rules are unique");
        for rule in rules {
            for text in ["shortDescription", "help"] {
                assert!(!rule[text]["text"].as_str().unwrap().is_empty(), "{rule}");
            }
        }
        let artifacts = run["artifacts"].as_array().unwrap();
        for result in run["results"].as_array().unwrap() {
            assert!(!result["message"]["text"].as_str().unwrap().is_empty());
            assert!(["error", "warning"].contains(&result["level"].as_str().unwrap()));
            let rule = usize::try_from(result["ruleIndex"].as_u64().unwrap()).unwrap();
            assert_eq!(rules[rule]["id"], result["ruleId"]);
            let related = result["relatedLocations"].as_array().cloned().unwrap_or_default();
            assert_eq!(result["locations"].as_array().unwrap().len(), 1);
            for location in related.iter().chain(result["locations"].as_array().unwrap()) {
                let at = &location["physicalLocation"];
                let artifact = usize::try_from(at["artifactLocation"]["index"].as_u64().unwrap()).unwrap();
                assert_eq!(artifacts[artifact]["location"]["uri"], at["artifactLocation"]["uri"]);
                let number = |key: &str| at["region"][key].as_u64().unwrap();
                assert!(number("startLine") >= 1 && number("startColumn") >= 1);
                assert!(
                    (number("endLine"), number("endColumn")) >= (number("startLine"), number("startColumn"))
                );
                assert!(at["region"]["byteOffset"].is_u64() && at["region"]["byteLength"].is_u64());
            }
        }
    }

    #[test]
    fn every_mistake_is_a_result_with_its_rule_and_places() {
        let twice = "version: 1\nchain: web\nchain: web\nsteps:\n  扫描: {uses: scna}\n";
        let fine = "version: 1\nchain: web\nsteps: {scan: {uses: scan}}\n";
        let log = logged(&[("a b.yaml", twice), ("fine.yaml", fine), ("again.yaml", fine)]);
        hold_to_the_schema(&log);
        let run = &log["runs"][0];
        let results = run["results"].as_array().unwrap();
        let codes: Vec<&str> = results.iter().map(|r| r["ruleId"].as_str().unwrap()).collect();
        assert!(codes.contains(&"duplicate-key") && codes.contains(&"unknown-step-kind"), "{codes:?}");
        assert_eq!(codes.last(), Some(&"duplicate-chain"));
        assert_eq!(
            results.last().unwrap()["relatedLocations"][0]["physicalLocation"]["artifactLocation"]["index"],
            1
        );
        assert!(run["artifacts"][0]["location"]["uri"].as_str().unwrap().ends_with("/a%20b.yaml"));
        let kind = results.iter().find(|r| r["ruleId"] == "unknown-step-kind").unwrap();
        let region = &kind["locations"][0]["physicalLocation"]["region"];
        // Characters, where the offset counts bytes.
        assert_eq!((region["startColumn"].as_u64(), region["endColumn"].as_u64()), (Some(14), Some(18)));
        assert_eq!(
            region["byteOffset"].as_u64().map(|o| &twice[usize::try_from(o).unwrap()..][..4]),
            Some("scna")
        );
    }

    #[test]
    fn nothing_wrong_is_a_run_without_results_and_odd_files_do_no_harm() {
        let log = logged(&[("fine.yaml", "version: 1\nchain: web\nsteps: {scan: {uses: scan}}\n")]);
        hold_to_the_schema(&log);
        assert_eq!(log["runs"][0]["results"].as_array().unwrap().len(), 0);
        for odd in ["", "\u{feff}a: [", "a: \"\n\n", "\0", "steps: &a [*a]\n"] {
            hold_to_the_schema(&logged(&[("odd.yaml", odd)]));
        }
    }

    #[test]
    fn relative_where_it_can_be() {
        assert_eq!(uri("chains/a b.yaml"), "chains/a%20b.yaml");
        assert_eq!(uri("./c.yaml"), "c.yaml");
        assert_eq!(uri("<stdin>"), "%3Cstdin%3E");
        assert_eq!(uri("/srv/链.yaml"), "file:///srv/%E9%93%BE.yaml");
        let here = std::env::current_dir().unwrap().join("x/y.yaml");
        assert_eq!(uri(&here.to_string_lossy()), "x/y.yaml");
    }

    #[test]
    fn every_code_of_the_language_has_its_words() {
        let texts = texts();
        for code in patchline_chains::diagnostics::CODES {
            assert!(texts.contains_key(code), "{code}");
        }
    }
}
