//! What the documents show works: the chain in the readme compiles, and every command that they name exists.

use std::{fs, path::Path, process::Command};

use patchline_chains::{Source, compile};
use patchline_tests::machine;

fn read(name: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().join(name)).unwrap()
}

#[test]
fn the_readmes_chain_compiles_without_a_word() {
    let text = read("README.md");
    let (_, rest) = text.split_once("```yaml\n").unwrap();
    let (chain, _) = rest.split_once("```").unwrap();
    let catalogue = patchline_steps::catalogue::catalogue();
    let compiled = compile(Source { name: "README.md", bytes: chain.as_bytes() }, &catalogue);
    let said: Vec<String> = compiled.diagnostics.iter().map(|d| d.render("README.md", chain)).collect();
    assert!(said.is_empty(), "{}", said.join("\n"));
    assert_eq!(compiled.plans.len(), 1);
}

#[test]
fn the_chain_over_two_scanners_compiles_without_a_word() {
    let text = read("docs/scanners.md");
    let chain = text.split("```yaml\n").filter_map(|part| part.split("```").next());
    let chain = chain.into_iter().find(|block| block.starts_with("version: 1")).unwrap();
    let catalogue = patchline_steps::catalogue::catalogue();
    let compiled = compile(Source { name: "docs/scanners.md", bytes: chain.as_bytes() }, &catalogue);
    let said: Vec<String> =
        compiled.diagnostics.iter().map(|d| d.render("docs/scanners.md", chain)).collect();
    assert!(said.is_empty(), "{}", said.join("\n"));
    assert_eq!(compiled.plans.len(), 1);
}

#[test]
fn the_chain_that_takes_a_plan_does() {
    let text = read("docs/plans.md");
    let (_, rest) = text.split_once("```yaml\n").unwrap();
    let (chain, _) = rest.split_once("```").unwrap();
    let catalogue = patchline_steps::catalogue::catalogue();
    let compiled = compile(Source { name: "docs/plans.md", bytes: chain.as_bytes() }, &catalogue);
    let said: Vec<String> = compiled.diagnostics.iter().map(|d| d.render("docs/plans.md", chain)).collect();
    assert!(said.is_empty(), "{}", said.join("\n"));
    assert!(patchline_steps::chosen::takes_plan(&compiled.plans[0]));
    assert!(patchline_steps::chosen::takes_plan(&patchline_steps::chosen::chain()));
}

#[test]
fn every_metric_is_documented_as_it_is() {
    use patchline_engine::metrics::{ALL, Kind};
    let text = read("docs/configuration.md");
    let rows: Vec<&str> = text.lines().filter(|l| l.starts_with("| `patchline_")).collect();
    let expected: Vec<String> =
        ALL.iter()
            .map(|metric| {
                let kind = match metric.kind {
                    Kind::Counter => "counter",
                    Kind::Gauge => "gauge",
                    Kind::Histogram(_) => "histogram",
                };
                let labels: Vec<String> = metric.labels.iter().map(|label| format!("`{label}`")).collect();
                let labels = if labels.is_empty() { "–".to_owned() } else { labels.join(", ") };
                format!("| `{}` | {kind} | {labels} | {} |", metric.name, metric.help)
            })
            .chain(["| `patchline_build_info` | gauge | `version` | 1, with the version of this process |"
                .to_owned()])
            .collect();
    assert_eq!(rows, expected, "docs/configuration.md, \"Metrics\"");
}

#[test]
fn every_command_of_the_readmes_exists() {
    for readme in ["README.md", "README.zh.md"] {
        let text = read(readme);
        let mut found = 0;
        for line in text.lines().filter_map(|l| l.strip_prefix("| `patchline ")) {
            let usage = line.split('`').next().unwrap().replace("\\|", "|");
            let mut words = usage.split(' ');
            let command = words.next().unwrap();
            // `image copy|delete` stands for two commands.
            let second = words.next().filter(|w| w.chars().all(|c| c.is_ascii_lowercase() || c == '|'));
            for sub in second.unwrap_or_default().split('|') {
                let mut asked = Command::new(machine::patchline());
                asked.arg(command);
                if !sub.is_empty() {
                    asked.arg(sub);
                }
                machine::run(asked.arg("--help"));
                found += 1;
            }
        }
        assert!(found >= 8, "{readme} names {found} commands");
    }
}
