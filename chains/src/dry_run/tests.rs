use serde_json::{Map, Value, json};

use super::{Cell, DryRun, Ending, Start, rehearse};
use crate::tests::catalogue::small;
use crate::{Plan, Source, compile};

fn plan(text: &str) -> Plan {
    let mut found = compile(Source { name: "c", bytes: text.as_bytes() }, &small());
    assert!(found.is_ok(), "{:?}", found.diagnostics);
    found.plans.remove(0)
}

fn image() -> Value {
    json!({
        "registry": "main", "repository": "shop/web", "tag": "v1", "digest": "sha256:aa",
        "reference": "main/shop/web:v1@sha256:aa", "origin": {"tag": "v1", "digest": "sha256:aa"},
    })
}

fn rehearsed(text: &str) -> DryRun {
    let start = Start { image: &image(), trigger: "manual", source: "cli", params: &Map::new() };
    rehearse(&plan(text), &small(), &start).unwrap()
}

fn with_steps(steps: &str) -> DryRun {
    rehearsed(&format!("version: 1\nchain: web\nsteps:\n{steps}"))
}

/// `name: step=cell …: ending`, a line a scenario.
fn table(run: &DryRun) -> Vec<String> {
    let letter = |cell: &Cell| match cell {
        Cell::Runs => "runs",
        Cell::Passes => "passes",
        Cell::Denies => "denies",
        Cell::Fails => "fails",
        Cell::Skipped => "-",
        Cell::Depends => "?",
    };
    let line = |s: &super::Scenario| {
        let cells: Vec<&str> = s.steps.iter().map(letter).collect();
        format!("{}: {}: {:?}", s.name, cells.join(" "), s.ending)
    };
    run.outlook.scenarios.iter().map(line).collect()
}

const MEND: &str = "  scan: {uses: scan}\n  gate: {uses: gate, needs: [scan]}\n  \
    backup: {uses: backup, needs: [gate], when: steps.gate.denied, with: {to: \"vault/{{image.repository}}\"}}\n  \
    fix: {uses: fix, needs: [gate, backup], when: steps.gate.denied && steps.gate.output.mendable && steps.backup.succeeded}\n  \
    tell: {uses: notify, needs: [gate, fix], when: always, with: {channels: [ops]}}\n";

#[test]
fn every_outcome_that_decides_is_a_scenario_and_no_other() {
    assert_eq!(
        table(&with_steps(MEND)),
        [
            "gate passes: runs passes - - runs: Passed",
            "gate denies, mendable: runs denies runs runs runs: Remediated",
            "gate denies, not mendable: runs denies runs - runs: Denied",
        ]
    );
    assert_eq!(table(&with_steps("  a: {uses: scan}\n")), ["always: runs: Passed"]);
    // Two gates that decide nothing but themselves.
    let two = "  a: {uses: gate}\n  b: {uses: gate, needs: [a]}\n";
    assert_eq!(
        table(&with_steps(two)),
        [
            "a passes, b passes: passes passes: Passed",
            "a passes, b denies: passes denies: Denied",
            "a denies: denies -: Denied",
        ]
    );
}

#[test]
fn what_is_known_only_in_a_run_is_said_to_depend() {
    let steps = "  scan: {uses: scan}\n  many: {uses: notify, needs: [scan], when: 'steps.scan.output.counts[\"high\"] > 3'}\n  \
                 after: {uses: notify, needs: [many]}\n  end: {uses: notify, needs: [many], when: always}\n  \
                 has: {uses: notify, needs: [scan], when: has(steps.scan.output.worst)}\n  \
                 either: {uses: notify, needs: [many], when: steps.many.succeeded || steps.scan.succeeded}\n  \
                 id: {uses: notify, when: run.id != \"x\"}\n  tag: {uses: notify, when: image.tag == \"v2\"}\n  \
                 round: {uses: notify, when: run.round == 1}\n";
    let run = with_steps(steps);
    let by_name: Vec<(String, Cell)> =
        run.steps.iter().map(|s| s.name.clone()).zip(run.outlook.scenarios[0].steps.clone()).collect();
    let cell = |name: &str| by_name.iter().find(|(n, _)| n == name).unwrap().1;
    for depends in ["many", "after", "has", "id"] {
        assert_eq!(cell(depends), Cell::Depends, "{depends}");
    }
    for runs in ["scan", "end", "either", "round"] {
        assert_eq!(cell(runs), Cell::Runs, "{runs}");
    }
    assert_eq!(cell("tag"), Cell::Skipped);
}

#[test]
fn the_output_of_a_step_that_did_not_run_fails_the_expression_and_that_is_seen() {
    let steps = "  gate: {uses: gate}\n  fix: {uses: fix, needs: [gate], when: denied}\n  \
                 tell: {uses: notify, needs: [fix], when: 'steps.fix.output.reference != \"\"'}\n";
    assert_eq!(
        table(&with_steps(steps)),
        ["gate passes: passes - fails: Failed", "gate denies: denies runs ?: Remediated"]
    );
}

#[test]
fn a_failure_takes_along_what_needs_it() {
    let run = with_steps(MEND);
    let failure = |step: &str| run.outlook.failures.iter().find(|f| f.step == step).unwrap();
    let scan = failure("scan");
    assert_eq!(
        (scan.lost.as_slice(), scan.still.as_slice()),
        (&["gate".to_owned()][..], &["tell".to_owned()][..])
    );
    assert_eq!(scan.ending, Ending::Failed);
    let backup = failure("backup");
    assert_eq!(backup.scenario, "gate denies, mendable");
    assert_eq!(
        (backup.lost.as_slice(), backup.still.as_slice()),
        (&["fix".to_owned()][..], &["tell".to_owned()][..])
    );
    let go_on = MEND.replace("tell: {uses: notify,", "tell: {uses: notify, continue_on_failure: true,");
    let run = with_steps(&go_on);
    assert_eq!(run.outlook.failures.iter().find(|f| f.step == "tell").unwrap().ending, Ending::Passed);
}

#[test]
fn many_gates_and_many_steps_stay_bounded() {
    let gates: String = (0..40).map(|i| format!("  g{i}: {{uses: gate}}\n")).collect();
    let run = with_steps(&gates);
    assert!(run.outlook.scenarios.len() <= super::scenarios::MOST_SCENARIOS);
    assert!(run.outlook.untold.contains(&"g39".to_owned()) && !run.outlook.untold.contains(&"g0".to_owned()));
    // Nothing that is not told apart is taken for granted.
    assert!(run.outlook.scenarios.iter().all(|s| s.ending == Ending::Depends));
    let steps: String = (0..5_000)
        .map(|i| match i {
            0 => "  s0: {uses: gate}\n".to_owned(),
            i => format!("  s{i}: {{uses: gate, needs: [s{}], when: steps.s{}.succeeded}}\n", i - 1, i - 1),
        })
        .collect();
    let run = with_steps(&steps);
    assert_eq!(run.outlook.unfailed, 4_988);
}

#[test]
fn templates_are_filled_as_far_as_they_can_be() {
    let text = "version: 1\nchain: web\nparams: {who: {type: string, default: ops}}\n\
                concurrency: {key: \"{{image.repository}}:{{image.tag}}\", when_busy: supersede}\nsteps:\n  \
                scan: {uses: scan}\n  fix: {uses: fix, needs: [scan], with: {tag: \"{{image.origin.tag}}_fixed\"}}\n  \
                tell:\n    uses: notify\n    needs: [fix]\n    with:\n      channels: [\"{{params.who}}\", \"{{run.id}}-{{run.round}}\"]\n      \
                template: \"{{steps.fix.output.reference}} of {{image.tag}}{{#if steps.fix.succeeded}}!{{/if}}\"\n  \
                bad: {uses: notify, with: {template: \"{{#each image.platforms}}{{this}}{{/each}}\"}}\n  \
                later: {uses: notify, needs: [fix], with: {template: \"-> {{steps.fix.output.reference}}\"}}\n";
    let run = rehearsed(text);
    let step = |name: &str| run.steps.iter().find(|s| s.name == name).unwrap();
    assert_eq!(step("fix").with["tag"], "v1_fixed");
    assert_eq!(step("tell").with["channels"], json!(["ops", "‹run.id›-1"]));
    assert!(step("tell").with["template"].as_str().unwrap().starts_with("‹{{steps.fix"));
    assert_eq!(step("later").with["template"], "-> ‹steps.fix.output.reference›");
    assert_eq!(step("bad").with["template"], "{{#each image.platforms}}{{this}}{{/each}}");
    assert!(step("bad").problems[0].contains("unknown name `image.platforms`"), "{:?}", step("bad").problems);
    assert_eq!(run.concurrency.as_ref().unwrap().key, "shop/web:v1");
    assert_eq!((run.params[0].value.as_str(), run.params[0].default), (Some("ops"), true));
}

#[test]
fn conditions_are_said_in_words() {
    let steps = "  gate: {uses: gate}\n  b: {uses: scan}\n  one: {uses: notify, needs: [gate]}\n  \
                 two: {uses: notify, needs: [gate, b]}\n  den: {uses: notify, needs: [gate, b], when: denied}\n  \
                 alw: {uses: notify, needs: [gate], when: always}\n  \
                 cel: {uses: notify, needs: [gate], when: '!steps.gate.succeeded && steps.gate.output.mendable'}\n  \
                 raw: {uses: notify, needs: [gate], when: steps.gate.denied || image.tag == \"x\"}\n";
    let run = with_steps(steps);
    let said: Vec<&str> = run.steps.iter().map(|s| s.condition.as_str()).collect();
    assert_eq!(
        said,
        [
            "at once",
            "at once",
            "when gate has succeeded",
            "when gate and b have succeeded",
            "when gate or b has denied",
            "once gate has ended, however",
            "when gate has not succeeded and gate says it is mendable",
            "when `steps.gate.denied || image.tag == \"x\"`",
        ]
    );
}

#[test]
fn scope_and_triggers_are_told_with_reasons() {
    let head = "version: 1\nchain: web\nscope: {registry: main, repositories: [\"shop/**\"], tags: [\"v*\"]}\n\
                on: {push: {}, advisories: {severity: high}}\nsteps: {scan: {uses: scan}}\n";
    let run = rehearsed(head);
    assert!(run.scope.inside && run.scope.reasons.is_empty());
    let on: Vec<(&str, bool)> = run.triggers.iter().map(|t| (t.on.as_str(), t.starts)).collect();
    assert_eq!(on, [("push", true), ("advisories", true), ("manual", true)]);
    assert!(run.triggers[1].detail.contains("severity high"), "{:?}", run.triggers);
    let out = rehearsed(&head.replace("main", "other").replace("shop/**", "pay/**").replace("v*", "r*"));
    assert_eq!((out.scope.inside, out.scope.reasons.len()), (false, 3));
    assert!(!out.triggers[0].starts && out.triggers[2].starts);
}

#[test]
fn parameters_are_checked_as_a_start_checks_them() {
    let plan = plan(
        "version: 1\nchain: web\nparams: {n: {type: integer, default: 1}}\nsteps: {scan: {uses: scan}}\n",
    );
    let given = json!({"n": "x"}).as_object().cloned().unwrap();
    let image = image();
    let start = Start { image: &image, trigger: "push", source: "cli", params: &given };
    assert_eq!(rehearse(&plan, &small(), &start).unwrap_err().code(), "bad-parameter");
}
