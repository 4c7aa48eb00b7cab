//! docs/chain-language.md: its tables are what the compiler reads, and every block of YAML in it compiles.

mod support;

use patchline_chains::schema;
use support::{committed, compiled, path};

const FILE: &str = "docs/chain-language.md";

fn text() -> String {
    std::fs::read_to_string(path(FILE)).expect("the reference")
}

#[test]
fn the_tables_are_what_the_compiler_reads() {
    let (old, mut new) = (text(), String::new());
    let mut lines = old.lines();
    let mut sections = Vec::new();
    while let Some(line) = lines.next() {
        new.push_str(line);
        new.push('\n');
        let Some(name) = line.strip_prefix("<!-- generated: ").and_then(|l| l.strip_suffix(" -->")) else {
            continue;
        };
        let end = format!("<!-- end: {name} -->");
        assert!(lines.any(|l| l == end), "{name} has no end");
        let generated = schema::section(name, &patchline_steps::catalogue());
        new.push_str(&format!("\n{}\n", generated.unwrap_or_else(|| panic!("no section `{name}`"))));
        new.push_str(&end);
        new.push('\n');
        sections.push(name);
    }
    let mut wanted = schema::SECTIONS;
    sections.sort_unstable();
    wanted.sort_unstable();
    assert_eq!(sections, wanted, "each section stands once");
    committed(FILE, &new);
}

#[test]
fn every_block_of_yaml_compiles() {
    let text = text();
    let blocks: Vec<&str> = text.split("```yaml\n").skip(1).filter_map(|b| b.split("```").next()).collect();
    assert!(blocks.len() >= 7, "{}", blocks.len());
    for block in blocks {
        // A part of a chain is shown without what every chain has.
        let mut whole = String::new();
        if !block.contains("version: 1\n") {
            whole.push_str("version: 1\nchain: part\n");
        }
        whole.push_str(block);
        if !block.contains("steps:\n") {
            whole.push_str("steps: {scan: {uses: scan}}\n");
        }
        let found = compiled(FILE, whole.as_bytes());
        assert_eq!(found.diagnostics, [], "{whole}");
        assert_eq!(found.plans.len(), 1);
    }
}

#[test]
fn every_link_inside_leads_somewhere() {
    let text = text();
    let anchor = |heading: &str| -> String {
        let kept = heading.trim_start_matches(['#', ' ']).to_lowercase();
        kept.chars()
            .filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'))
            .map(|c| if c == ' ' { '-' } else { c })
            .collect()
    };
    let headings: Vec<String> = text.lines().filter(|l| l.starts_with('#')).map(anchor).collect();
    for link in text.split("](#").skip(1) {
        let target = link.split(')').next().expect("an end");
        assert!(headings.iter().any(|h| h == target), "#{target}");
    }
}
