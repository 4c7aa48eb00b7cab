//! Every chain under `chains/` compiles against the step kinds as they are, without a warning.

use std::path::PathBuf;

use patchline_chains::{Compiled, Source, compile};

fn chains() -> Vec<(String, String)> {
    let dir = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("chains");
    let mut files: Vec<PathBuf> = std::fs::read_dir(dir)
        .expect("the folder of chains")
        .map(|entry| entry.expect("an entry").path())
        .filter(|path| path.extension().is_some_and(|e| e == "yaml"))
        .collect();
    files.sort();
    let read = |path: PathBuf| {
        let name = path.file_name().expect("a name").to_string_lossy().into_owned();
        (name, std::fs::read_to_string(path).expect("a text"))
    };
    files.into_iter().map(read).collect()
}

fn compiled(name: &str, text: &str) -> Compiled {
    compile(Source { name, bytes: text.as_bytes() }, &patchline_steps::catalogue())
}

fn demo() -> (String, String) {
    chains().into_iter().find(|(name, _)| name == "demo.yaml").expect("the demo's chain")
}

#[test]
fn every_chain_compiles_without_a_warning() {
    let all = chains();
    let names: Vec<&str> = all.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(
        names,
        [
            "acr-import.yaml",
            "advisory.yaml",
            "approval.yaml",
            "base-image.yaml",
            "demo.yaml",
            "fix-only-criticals.yaml",
            "gate-only.yaml",
            "licences.yaml",
            "multi-arch.yaml",
            "nightly.yaml",
            "promote.yaml",
            "quarantine.yaml"
        ]
    );
    for (name, text) in &all {
        let compiled = compiled(name, text);
        let said: Vec<String> = compiled
            .diagnostics
            .iter()
            .map(|d| format!("{name}:{}:{}: {}: {}", d.span.line, d.span.column, d.code, d.message))
            .collect();
        assert!(said.is_empty(), "{}", said.join("\n"));
        assert_eq!(compiled.plans.len(), 1, "{name}");
        assert_eq!(format!("{}.yaml", compiled.plans[0].chain), *name, "a file is named like its chain");
        assert!(text.starts_with("# "), "{name} begins with what it is for");
    }
}

#[test]
fn the_demo_chain_handles_what_the_demo_pushes() {
    let (name, text) = &demo();
    let plan = &compiled(name, text).plans[0];
    assert!(plan.on_push);
    assert!(plan.matches("embedded", "demo/web", Some("v1")));
    assert!(!plan.matches("embedded", "vault/demo/web", Some("v1")));
    let steps: Vec<(&str, &str)> = plan.steps.iter().map(|s| (s.name.as_str(), s.uses.as_str())).collect();
    assert_eq!(
        steps,
        [("scan", "scan"), ("gate", "gate"), ("backup", "backup"), ("fix", "fix"), ("tell", "notify")]
    );
}

#[test]
fn a_mistake_in_an_example_would_be_seen() {
    let (name, text) = &demo();
    for (from, to, code) in [
        ("uses: backup", "uses: bakcup", "unknown-step-kind"),
        ("policy: minimal", "polcy: minimal", "unknown-key"),
        ("{{image.origin.tag}}_fixed", "{{image.origin.tag}}", "fixed-tag-not-different"),
        ("channels: [ops-dingtalk, ci-webhook]", "channels: []", "notify-without-channels"),
    ] {
        let broken = text.replace(from, to);
        assert_ne!(&broken, text, "{from}");
        let codes: Vec<&str> = compiled(name, &broken).diagnostics.iter().map(|d| d.code).collect();
        assert!(codes.contains(&code), "{from}: {codes:?}");
    }
}
