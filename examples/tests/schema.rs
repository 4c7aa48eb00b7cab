//! The published JSON Schema is what the types say, a validator that is not ours can use it, and it takes every example.

mod support;

use boon::{Compiler, Draft, SchemaIndex, Schemas};
use patchline_chains::{schema, yaml};
use serde_json::{Value, json};
use support::{committed, compiled, explanations, files, path};

/// The schema, compiled by an independent implementation of draft 2020-12.
struct Validator {
    schemas: Schemas,
    index: SchemaIndex,
}

impl Validator {
    fn new() -> Validator {
        let (mut schemas, mut compiler) = (Schemas::new(), Compiler::new());
        compiler.set_default_draft(Draft::V2020_12);
        compiler.add_resource(schema::ID, schema::chain(&patchline_steps::catalogue())).expect("a schema");
        let index = compiler.compile(schema::ID, &mut schemas).unwrap_or_else(|e| panic!("{e:#}"));
        Validator { schemas, index }
    }

    fn check(&self, document: &Value) -> Result<(), String> {
        self.schemas.validate(document, self.index).map_err(|e| format!("{e:#}"))
    }
}

/// The documents of a file, unless it is no YAML.
fn documents(bytes: &[u8]) -> Option<Vec<Value>> {
    let (documents, complaints) = yaml::read(bytes);
    complaints.is_empty().then(|| documents.iter().map(|d| d.root.to_value()).collect())
}

#[test]
fn the_published_schema_is_what_the_types_say() {
    let text = serde_json::to_string_pretty(&schema::chain(&patchline_steps::catalogue())).expect("JSON");
    committed("docs/schema/chain-v1.schema.json", &(text + "\n"));
}

#[test]
fn every_example_is_valid() {
    let validator = Validator::new();
    for name in files("examples/chains", ".yaml") {
        let bytes = std::fs::read(path(&format!("examples/chains/{name}"))).expect("a file");
        for document in documents(&bytes).expect("YAML") {
            validator.check(&document).unwrap_or_else(|e| panic!("{name}: {e}"));
        }
    }
    for e in explanations() {
        for document in documents(e.corrected.as_bytes()).expect("YAML") {
            validator.check(&document).unwrap_or_else(|error| panic!("{}: {error}", e.code));
        }
    }
}

/// Codes that a schema can tell, where it is about shape.
const STRUCTURAL: [&str; 17] = [
    "bad-duration",
    "bad-name",
    "bad-platform",
    "bad-severity",
    "bad-timezone",
    "duplicate-need",
    "empty-list",
    "missing-key",
    "no-steps",
    "no-value",
    "out-of-range",
    "unknown-key",
    "unknown-step-kind",
    "unknown-value",
    "unsupported-trigger",
    "unsupported-version",
    "wrong-type",
];

/// Files whose code is structural, though a schema cannot tell this case; or the other way round.
const OTHERWISE: [(&str, bool); 9] = [
    // The bounds are the chain's own.
    ("out-of-range.yaml", false),
    ("out-of-range.backoff.yaml", false),
    // Ten years is arithmetic.
    ("bad-duration.too-long.yaml", false),
    // Which values a template gives is not seen.
    ("bad-severity.parameter.yaml", false),
    // Forms that a pattern can tell.
    ("bad-cron.seconds.yaml", true),
    ("bad-cron.short.yaml", true),
    ("bad-cron.step.yaml", true),
    ("bad-expression.template.yaml", true),
    ("bad-glob.nothing.yaml", true),
];

#[test]
fn the_schema_refuses_what_is_wrong_in_shape_and_nothing_else() {
    let validator = Validator::new();
    let mut wrong = Vec::new();
    for name in files("examples/mistakes", ".yaml") {
        let bytes = std::fs::read(path(&format!("examples/mistakes/{name}"))).expect("a file");
        let Some(documents) = documents(&bytes).filter(|d| !d.is_empty()) else { continue };
        let code = name.split('.').next().unwrap_or_default();
        let expected = OTHERWISE
            .iter()
            .find(|(file, _)| *file == name)
            .map_or(STRUCTURAL.contains(&code) || code == "eight", |(_, refused)| *refused);
        let refused = documents.iter().any(|d| validator.check(d).is_err());
        if refused != expected {
            let said: Vec<_> = documents.iter().filter_map(|d| validator.check(d).err()).collect();
            wrong.push(format!("{name}: refused {refused}, expected {expected}: {said:?}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Single values, each alone under a key: the schema and the compiler agree.
#[test]
fn schema_and_compiler_agree_on_values() {
    let validator = Validator::new();
    let agree = |head: &str| {
        let text = format!("version: 1\nchain: a\n{head}\n");
        let document = documents(text.as_bytes()).expect("YAML").remove(0);
        let (schema, ours) = (validator.check(&document), compiled("c.yaml", text.as_bytes()));
        let fine = ours.diagnostics.is_empty();
        assert_eq!(schema.is_ok(), fine, "{head}: {schema:?} {:?}", ours.diagnostics);
        fine
    };
    let mut counted = [0, 0];
    let mut all = |pattern: &str, values: &[&str]| {
        for value in values {
            counted[usize::from(agree(&pattern.replace('@', value)))] += 1;
        }
    };
    let steps = "steps: {a: {uses: scan}}";
    let texts = ["''", "a", "'1'", "1", "1.5", "true", "[]", "{}", "[a]", "{a: b}"];
    all(&format!("description: @\n{steps}"), &texts);
    all(&format!("scope: {{registry: @}}\n{steps}"), &texts);
    all(&format!("scope: {{tags: [@]}}\n{steps}"), &["a", "'!a'", "'!'", "'!!a'", "''", "1", "[a]", "'*'"]);
    all(
        &format!("scope: {{platforms: [@]}}\n{steps}"),
        &[
            "linux/amd64",
            "linux/arm/v7",
            "linux/x86_64",
            "linux",
            "linux/amd64/",
            "linux/arm/V7",
            "''",
            "1",
            "haiku/amd64",
        ],
    );
    all(
        &format!("on: {{schedule: {{cron: @}}}}\n{steps}"),
        &[
            "0 3 * * *",
            "' 0   3 * *  * '",
            "'*/5 0-6,22 1 jan-mar MON-FRI'",
            "'59 23 31 12 7'",
            "'0 0 1-15/2 * *'",
            "60 3 * * *",
            "0 24 * * *",
            "0 3 0 * *",
            "0 3 32 * *",
            "0 3 * 13 *",
            "0 3 * * 8",
            "0 3 * *",
            "'* * * * * *'",
            "'@daily'",
            "5/15 * * * *",
            "a * * * *",
            "'1,, * * * *'",
            "''",
            "3",
        ],
    );
    all(
        &format!("on: {{schedule: {{cron: 0 3 * * *, timezone: @}}}}\n{steps}"),
        &["UTC", "Asia/Shanghai", "Asia/Shangai", "asia/shanghai", "''", "8"],
    );
    all(
        &format!("on: {{schedule: {{cron: 0 3 * * *, images: {{pushed_within: @}}}}}}\n{steps}"),
        &[
            "1d", "1h30m", "0s", "250ms", "1w1ms", "30m1h", "1h1h", "15", "m", "'15 m'", "1.5h", "''",
            "'-1s'", "5y",
        ],
    );
    all(
        &format!("on: {{schedule: {{cron: 0 3 * * *, images: {{latest: @}}}}}}\n{steps}"),
        &["1", "0", "100000", "100001", "1.5", "'1'"],
    );
    all(
        &format!("on: {{advisories: @}}\n{steps}"),
        &["", "{}", "{severity: high}", "{severity: '>= high'}", "{level: high}", "[]", "high"],
    );
    all(&format!("on: {{push: @}}\n{steps}"), &["", "{}", "{a: b}", "true", "[]"]);
    all(&format!("defaults: {{timeout: @}}\n{steps}"), &["1s", "0s", "0h0s", "10s", "1h0s", "100ms", "00ms"]);
    all(&format!("defaults: {{retry: {{attempts: @}}}}\n{steps}"), &["1", "100", "0", "101", "x"]);
    all(
        &format!("params: {{p: @}}\n{steps}"),
        &[
            "{default: a}",
            "{default: 1}",
            "{}",
            "{type: integer, default: 1}",
            "{type: integer, default: '1'}",
            "{type: integer, enum: [1, 2], default: 1}",
            "{type: integer, enum: [1, b], default: 1}",
            "{type: integer, minimum: 0, maximum: 9, default: 1}",
            "{type: integer, minimum: 1h, default: 1}",
            "{type: duration, minimum: 1h, default: 2h}",
            "{type: duration, minimum: 1, default: 2h}",
            "{type: duration, enum: [1h], default: 1h}",
            "{type: boolean, default: true}",
            "{type: boolean, default: yes}",
            "{type: boolean, enum: [true], default: true}",
            "{enum: [a, b], default: a}",
            "{enum: [], default: a}",
            "{enum: [1], default: a}",
            "{minimum: 1, default: a}",
            "{type: strin, default: a}",
            "{type: string, default: a, secret: true}",
            "a",
        ],
    );
    all(&format!("params: {{@: {{default: a}}}}\n{steps}"), &["p", "P", "p-q_1", "1p", "p.q"]);
    all(
        &format!("concurrency: @\n{steps}"),
        &[
            "{key: a}",
            "{key: '{{image.tag}}', limit: 2, when_busy: reject}",
            "{limit: 2}",
            "{key: 1}",
            "{key: a, limit: 0}",
            "{key: a, limit: 10001}",
            "{key: a, when_busy: wait}",
            "[]",
        ],
    );
    all(
        "steps: {s: {uses: scan}, g: {uses: gate, needs: [s], with: @}}",
        &[
            "{}",
            "{deny: [{severity: high}]}",
            "{deny: [{severity: '>=high'}]}",
            "{deny: [{severity: ' > low '}]}",
            "{deny: [{severity: unknown}]}",
            "{deny: [{severity: '== unknown'}]}",
            "{deny: [{severity: '>= unknown'}]}",
            "{deny: [{severity: HIGH}]}",
            "{deny: [{severity: '{{image.tag}}'}]}",
            "{deny: [{count: -1, fixable: true}]}",
            "{deny: [{count: '3'}]}",
            "{deny: {count: 3}}",
            "{deny: [{cuont: 3}]}",
            "{deny: [{packages: {minimum: {openssl: '3.0'}}}]}",
            "{deny: [{packages: {minimum: {openssl: 3.0}}}]}",
            "{deny: [{packages: {forbidden: ['net*']}}]}",
            "{deny: [{undetermined: allow}]}",
            "{deny: [{undetermined: maybe}]}",
            "{deny: [{when: 'true'}]}",
            "{deny: [{when: ''}]}",
            "{deny: [{when: true}]}",
        ],
    );
    all(
        "params: {x: {default: 1d}}\nsteps: {a: {uses: scan}, b: @}",
        &[
            "{uses: scan}",
            "{uses: scan, needs: [a]}",
            "{uses: scan, needs: [a, a]}",
            "{uses: scan, needs: a}",
            "{uses: scan, name: 'A title', continue_on_failure: true}",
            "{uses: scan, continue_on_failure: 'true'}",
            "{uses: scan, when: always, needs: [a]}",
            "{uses: scan, when: true}",
            "{uses: scan, when: 1}",
            "{uses: scan, when: ''}",
            "{uses: scan, when: '{{image.tag}}'}",
            "{uses: scan, with: {checks: [os]}}",
            "{uses: scan, with: {checks: os}}",
            "{uses: scan, with: {cheks: [os]}}",
            "{uses: scan, retry: {attempts: 2, backof: 1s}}",
            "{uses: scann}",
            "{uses: backup, with: {to: vault/x}}",
            "{uses: backup, with: {to: vault/x, keep: '{{params.x}}'}}",
            "{uses: backup, with: {}}",
            "{uses: backup}",
            "{needs: [a]}",
            "{}",
            "a",
        ],
    );
    all("steps: @", &["{}", "[]", "{a: {uses: scan}}", "{A: {uses: scan}}"]);
    assert!(counted.iter().all(|n| *n > 60), "{counted:?}");
    let long = format!("{}steps: {{a: {{uses: scan, when: \"{}\"}}}}", "", "a".repeat(5_000));
    assert!(!agree(&long));
    assert!(
        validator
            .check(&json!({"version": 1, "chain": "a", "steps": {"a": {"uses": "scan"}}, "x": 1}))
            .is_err()
    );
}
