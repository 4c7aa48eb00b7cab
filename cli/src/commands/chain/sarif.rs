//! What is wrong with chains as SARIF 2.1.0 (OASIS), for code hosts and editors.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
};

use patchline_chains::{Severity, Span};
use serde::Serialize;

use super::load::{File, Loaded, Problem};

const SCHEMA: &str =
    "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json";

/// What each code means and what to do, as people read it too.
const CODES: &str = include_str!("../../../../docs/errors.md");

/// `sarifLog`, section 3.13.
#[derive(Debug, Serialize)]
pub(super) struct Log<'a> {
    #[serde(rename = "$schema")]
    schema: &'static str,
    version: &'static str,
    runs: [Run<'a>; 1],
}

/// `run`, section 3.14.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Run<'a> {
    tool: Tool<'a>,
    invocations: [Invocation; 1],
    artifacts: Vec<Artifact>,
    results: Vec<Finding<'a>>,
    /// Columns count characters, not UTF-16 units.
    column_kind: &'static str,
}

#[derive(Debug, Serialize)]
struct Tool<'a> {
    driver: Driver<'a>,
}

/// `toolComponent`, section 3.19.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Driver<'a> {
    name: &'static str,
    semantic_version: &'static str,
    rules: Vec<Rule<'a>>,
}

/// `reportingDescriptor`, section 3.49.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Rule<'a> {
    id: &'a str,
    short_description: Text<'a>,
    help: Text<'a>,
}

#[derive(Debug, Serialize)]
struct Text<'a> {
    text: &'a str,
}

/// `invocation`, section 3.20: the check itself went well, whatever it found.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Invocation {
    execution_successful: bool,
}

#[derive(Debug, Serialize)]
struct Artifact {
    location: ArtifactLocation,
}

#[derive(Debug, Clone, Serialize)]
struct ArtifactLocation {
    uri: String,
    index: usize,
}

/// `result`, section 3.27.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Finding<'a> {
    rule_id: &'a str,
    rule_index: usize,
    level: &'static str,
    message: Message,
    locations: [Location; 1],
    #[serde(skip_serializing_if = "Vec::is_empty")]
    related_locations: Vec<Location>,
}

#[derive(Debug, Serialize)]
struct Message {
    text: String,
}

/// `location`, section 3.28.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Location {
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<usize>,
    physical_location: PhysicalLocation,
    #[serde(skip_serializing_if = "Option::is_none")]
    message: Option<Message>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct PhysicalLocation {
    artifact_location: ArtifactLocation,
    region: Region,
}

/// `region`, section 3.30: lines and columns from 1, the end column is the first one behind.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Region {
    start_line: usize,
    start_column: usize,
    end_line: usize,
    end_column: usize,
    byte_offset: usize,
    byte_length: usize,
}

/// One run over everything that was read.
pub(super) fn log(loaded: &Loaded) -> Log<'_> {
    let texts = texts();
    let used: BTreeSet<&str> = loaded.problems.iter().map(|p| p.diagnostic.code).collect();
    let index: BTreeMap<&str, usize> = used.iter().enumerate().map(|(at, id)| (*id, at)).collect();
    let rule = |id: &&'static str| {
        let (means, todo) = texts.get(id).copied().unwrap_or((id, id));
        Rule { id, short_description: Text { text: means }, help: Text { text: todo } }
    };
    let uris: Vec<String> = loaded.files.iter().map(|file| uri(&file.name)).collect();
    let place = |file: usize, span: Span| PhysicalLocation {
        artifact_location: ArtifactLocation { uri: uris[file].clone(), index: file },
        region: region(&loaded.files[file], span),
    };
    let finding = |problem: &'_ Problem| {
        let found = &problem.diagnostic;
        let here = found.related.iter().map(|(span, label)| (problem.file, *span, label.clone()));
        let there = problem.elsewhere.map(|(file, span, label)| (file, span, label.to_owned()));
        let related = here.chain(there).enumerate().map(|(id, (file, span, label))| Location {
            id: Some(id),
            physical_location: place(file, span),
            message: Some(Message { text: label }),
        });
        let text = match &found.hint {
            Some(hint) => format!("{}\n{hint}", found.message),
            None => found.message.clone(),
        };
        Finding {
            rule_id: found.code,
            rule_index: index[found.code],
            level: match found.severity {
                Severity::Error => "error",
                Severity::Warning => "warning",
            },
            message: Message { text },
            locations: [Location {
                id: None,
                physical_location: place(problem.file, found.span),
                message: None,
            }],
            related_locations: related.collect(),
        }
    };
    let rules: Vec<&'static str> = used.into_iter().collect();
    let artifact =
        |(index, uri): (usize, &String)| Artifact { location: ArtifactLocation { uri: uri.clone(), index } };
    Log {
        schema: SCHEMA,
        version: "2.1.0",
        runs: [Run {
            tool: Tool {
                driver: Driver {
                    name: "patchline",
                    semantic_version: env!("CARGO_PKG_VERSION"),
                    rules: rules.iter().map(rule).collect(),
                },
            },
            invocations: [Invocation { execution_successful: true }],
            artifacts: uris.iter().enumerate().map(artifact).collect(),
            results: loaded.problems.iter().map(finding).collect(),
            column_kind: "unicodeCodePoints",
        }],
    }
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
        start_column: span.column,
        end_line,
        end_column,
        byte_offset: span.offset,
        byte_length: span.length,
    }
}

/// A URI reference (RFC 3986): relative to where the command ran, wherever that is possible.
fn uri(name: &str) -> String {
    let path = Path::new(name);
    let here = std::env::current_dir().ok();
    let below = here.as_deref().and_then(|here| path.strip_prefix(here).ok()).unwrap_or(path);
    let text = below.to_string_lossy();
    let text = text.strip_prefix("./").unwrap_or(&text);
    let mut out = String::from(if below.is_absolute() { "file://" } else { "" });
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' | b'/' => {
                out.push(char::from(byte))
            }
            other => out.push_str(&format!("%{other:02X}")),
        }
    }
    out
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
