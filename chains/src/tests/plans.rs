use std::time::Duration;

use super::{compiled, with_steps};
use crate::plan::{Plan, WhenBusy};

const DEMO: &str = r#"
version: 1
chain: web-release
description: Gate what the web team ships.
scope:
  registry: main
  repositories: ["shop/**", "!shop/legacy-*"]
  tags: ["v*", "!*-dev"]
  platforms: [linux/amd64, linux/arm/v7]
on:
  push: {}
  schedule: {cron: "0 3 * * *", timezone: Asia/Shanghai, images: {pushed_within: 90d, running: true, latest: 5}}
  advisories: {severity: high}
params:
  block_at: {type: string, enum: [low, medium, high, critical], default: high}
concurrency: {key: "{{image.repository}}:{{image.tag}}", limit: 1, when_busy: supersede}
defaults: {timeout: 20m, retry: {attempts: 2, backoff: 1s, max_backoff: 1m}}
steps:
  tell:
    uses: notify
    needs: [gate, fix]
    when: always
    with: {channels: [ops], template: gate-result}
  scan: {uses: scan, with: {checks: [os, app]}, retry: {attempts: 5}}
  gate:
    uses: gate
    needs: [scan]
    with:
      deny:
        - {severity: ">= {{params.block_at}}", count: 1, fixable: true}
        - {packages: {minimum: {openssl: "3.0.15"}}}
        - {when: 'findings.exists(f, f.epss > 0.5 && f.fixable)', message: "likely to be exploited"}
  backup: {uses: backup, needs: [gate], when: steps.gate.denied, with: {to: "vault/{{image.repository}}", keep: 30d}}
  fix:
    uses: fix
    needs: [gate]
    when: steps.gate.denied && steps.gate.output.mendable
    with: {tag: "{{image.origin.tag}}_fixed", max_rounds: 2}
    timeout: 1h
  delete:
    uses: delete
    needs: [backup, fix]
    when: steps.backup.succeeded && steps["fix"].succeeded
    with: {mode: untag}
    continue_on_failure: true
"#;

fn plan(text: &str) -> Plan {
    let mut found = compiled(text);
    assert_eq!(found.diagnostics, [], "{text}");
    found.plans.remove(0)
}

#[test]
fn the_chain_of_the_design_compiles() {
    let plan = plan(DEMO);
    let names: Vec<&str> = plan.steps.iter().map(|s| s.name.as_str()).collect();
    assert_eq!(names, ["scan", "gate", "backup", "fix", "tell", "delete"]);
    assert_eq!(plan.chain, "web-release");
    assert!(plan.on_push);
    assert_eq!(plan.on_advisories.as_deref(), Some("high"));
    assert_eq!(plan.on_schedule.as_ref().unwrap().images.latest, Some(5));
    assert_eq!(plan.params, serde_json::json!({"block_at": "high"}));
    assert_eq!(plan.concurrency.as_ref().unwrap().when_busy, WhenBusy::Supersede);
    let scan = plan.step("scan").unwrap();
    assert_eq!((scan.retry.attempts, scan.retry.backoff), (5, Duration::from_secs(1)));
    assert_eq!(
        (scan.timeout, plan.step("fix").unwrap().timeout),
        (Duration::from_secs(1200), Duration::from_secs(3600))
    );
    assert_eq!(plan.step("tell").unwrap().when.as_deref(), Some("always"));
    assert!(plan.step("delete").unwrap().continue_on_failure);
    assert_eq!(plan.step("gate").unwrap().with["deny"][0]["count"], 1);
    let stored: Plan = serde_json::from_str(&serde_json::to_string(&plan).unwrap()).unwrap();
    assert_eq!(stored, plan);
    assert_eq!(stored.hash(), plan.hash());
}

#[test]
fn the_hash_names_the_meaning_not_the_writing() {
    let one = plan(
        "version: 1\nchain: a\nsteps:\n  x: {uses: scan}\n  y: {uses: scan}\n  z: {uses: gate, needs: [x, y], with: {deny: [{count: 1, fixable: true}]}}\n",
    );
    let same = plan(
        "# a comment\nsteps:\n  z:\n    with:\n      deny:\n      - fixable: true\n        count: 1\n    needs: [\"y\", x]\n    uses: 'gate'\n  y: {uses: scan}\n  x: {uses: scan}\nchain: \"a\"\nversion: 1\n",
    );
    let other = plan(
        "version: 1\nchain: a\nsteps:\n  x: {uses: scan}\n  y: {uses: scan}\n  z: {uses: gate, needs: [x, y], with: {deny: [{count: 2, fixable: true}]}}\n",
    );
    assert_eq!(one.hash(), same.hash());
    assert_ne!(one.hash(), other.hash());
    assert!(one.hash().starts_with("sha256:") && one.hash().len() == 71);
}

#[test]
fn several_documents_give_several_plans() {
    let found = compiled(
        "---\nversion: 1\nchain: a\nsteps: {s: {uses: scan}}\n---\nversion: 1\nchain: b\nsteps: {s: {uses: scan}}\n---\n",
    );
    assert_eq!(found.diagnostics, []);
    assert_eq!(found.plans.iter().map(|p| p.chain.as_str()).collect::<Vec<_>>(), ["a", "b"]);
    let half = compiled(
        "version: 1\nchain: a\nsteps: {s: {uses: scan}}\n---\nversion: 1\nchain: b\nsteps: {s: {uses: scann}}\n",
    );
    assert_eq!((half.plans.len(), half.diagnostics.len(), half.is_ok()), (1, 1, false));
}

#[test]
fn line_ends_marks_and_aliases_change_nothing() {
    let text = "version: 1\nchain: a\nsteps:\n  x: {uses: scan, with: {checks: [os]}}\n  y: {uses: scan, with: {checks: [os]}}\n";
    let plain = plan(text).hash();
    assert_eq!(plan(&text.replace('\n', "\r\n")).hash(), plain);
    assert_eq!(plan(&format!("\u{feff}{text}")).hash(), plain);
    assert_eq!(plan("version: 1\nchain: a\nsteps:\n  x: {uses: scan, with: &w {checks: [os]}}\n  y: {uses: scan, with: *w}\n").hash(), plain);
    assert_eq!(plan(&format!("%YAML 1.2\n---\n{text}...\n")).hash(), plain);
}

#[test]
fn retries_that_move_one_bound_stay_in_order() {
    let plan = plan(&with_steps(
        "  a: {uses: scan, retry: {backoff: 10m}}\n  b: {uses: scan, retry: {max_backoff: 1s}}\n",
    ));
    for step in &plan.steps {
        assert!(step.retry.backoff <= step.retry.max_backoff, "{step:?}");
    }
}

#[test]
fn a_start_sets_only_what_the_chain_declares() {
    let plan = plan(
        "version: 1\nchain: a\nparams:\n  at: {enum: [low, high], default: low}\n  n: {type: integer, default: 3}\n  b: {type: boolean, default: true}\n  d: {type: duration, default: 1h}\nsteps: {s: {uses: scan}}\n",
    );
    let start = |given: serde_json::Value| {
        plan.start_params(given.as_object().unwrap()).map(serde_json::Value::Object)
    };
    assert_eq!(start(serde_json::json!({})).unwrap(), plan.params);
    assert_eq!(
        start(serde_json::json!({"at": "high", "d": "5m"})).unwrap(),
        serde_json::json!({"at": "high", "n": 3, "b": true, "d": "5m"})
    );
    let fails = |given: serde_json::Value| start(given).unwrap_err().to_string();
    assert_eq!(
        fails(serde_json::json!({"at": "medium"})),
        "parameter `at` takes one of low, high, not `medium`"
    );
    assert_eq!(fails(serde_json::json!({"n": "3"})), "parameter `n` takes a whole number");
    assert_eq!(fails(serde_json::json!({"b": 1})), "parameter `b` takes true or false");
    assert_eq!(fails(serde_json::json!({"d": "soon"})), "parameter `d` takes a duration, such as 15m");
    assert_eq!(fails(serde_json::json!({"x": 1})), "chain `a` has no parameter `x`");
    let stored: Plan = serde_json::from_str(&serde_json::to_string(&plan).unwrap()).unwrap();
    assert_eq!(stored, plan);
}
