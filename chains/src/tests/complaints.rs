use super::{brief, compiled, shown, with_steps};

#[test]
fn eight_mistakes_are_eight_complaints_at_once() {
    let text = "\
version: 1
chian: web
scope: {repositories: shop/**}
on: {push: yes}
steps:
  scan: {uses: scann}
  gate:
    uses: gate
    need: [scan]
    with: {deny: [{severity: '>= hihg'}]}
    timeout: 15
  tell: {uses: notify, needs: [gat], when: 'steps.gate.denied &&'}
";
    assert_eq!(
        brief(text),
        [
            "missing-key 1:1",
            "unknown-key 2:1",
            "wrong-type 3:23",
            "wrong-type 4:12",
            "unknown-step-kind 6:16",
            "unknown-key 9:5",
            "bad-severity 10:30",
            "wrong-type 11:14",
            "unknown-step 12:32",
            "bad-expression 12:65",
        ]
    );
}

#[test]
fn an_unknown_key_names_the_nearest() {
    assert_eq!(
        shown("version: 1\nchain: web\nstepz:\n  scan: {uses: scan}\nsteps: {scan: {uses: scan}}\n"),
        "\
error[unknown-key]: unknown key `stepz` in a chain
 --> c.yaml:3:1
  |
3 | stepz:
  | ^^^^^
  = help: did you mean `steps`?
"
    );
}

#[test]
fn a_duplicate_key_shows_both_places() {
    assert_eq!(
        shown(&with_steps("  scan:\n    uses: scan\n    timeout: 1m\n    uses: gate\n")),
        "\
error[duplicate-key]: key `uses` stands twice
 --> c.yaml:7:5
  |
7 |     uses: gate
  |     ^^^^
 ::: c.yaml:5:5
  |
5 |     uses: scan
  |     ---- first here
  = help: keep one of them
"
    );
}

#[test]
fn a_cycle_shows_its_whole_path() {
    assert_eq!(
        shown(&with_steps(
            "  a: {uses: scan, needs: [c]}\n  b: {uses: scan, needs: [a]}\n  c: {uses: scan, needs: [b]}\n  d: {uses: scan, needs: [d]}\n"
        )),
        "\
error[cycle]: steps wait for each other: `a` needs `c` needs `b` needs `a`
 --> c.yaml:4:27
  |
4 |   a: {uses: scan, needs: [c]}
  |                           ^
 ::: c.yaml:6:27
  |
6 |   c: {uses: scan, needs: [b]}
  |                           - `c` needs `b`
 ::: c.yaml:5:27
  |
5 |   b: {uses: scan, needs: [a]}
  |                           - `b` needs `a`
  = help: remove one of these `needs`
error[cycle]: step `d` needs itself
 --> c.yaml:7:27
  |
7 |   d: {uses: scan, needs: [d]}
  |                           ^
  = help: remove one of these `needs`
"
    );
}

#[test]
fn needs_must_exist_and_stand_once() {
    let text = with_steps("  scan: {uses: scan}\n  gate: {uses: gate, needs: [scam, scan, scan]}\n");
    assert_eq!(brief(&text), ["unknown-step 5:30", "duplicate-need 5:42"]);
    assert!(shown(&text).contains("= help: did you mean `scan`?"));
}

#[test]
fn when_names_only_what_stands_before() {
    let steps = "  scan: {uses: scan}\n  gate: {uses: gate, needs: [scan], when: CONDITION}\n  other: {uses: scan}\n  after: {uses: scan, needs: [gate]}\n";
    let told = |condition: &str| {
        let found =
            compiled(&with_steps(&steps.replace("CONDITION", &serde_json::to_string(condition).unwrap())))
                .diagnostics;
        found
            .into_iter()
            .map(|d| format!("{} {}: {} | {}", d.code, d.span.column, d.message, d.hint.unwrap_or_default()))
            .collect::<Vec<_>>()
    };
    assert_eq!(
        told("steps.scan.succeeded && size(steps.scan.output.counts) > 0 && image.tag.startsWith('v')"),
        [""; 0]
    );
    assert_eq!(told("[1, 2].exists(x, x > 1 && run.id == 'a') && has(steps.scan.output.worst)"), [""; 0]);
    assert_eq!(
        told("true && steps.other.succeeded"),
        ["later-step 52: step `other` does not stand before `gate` | add `other` to the `needs` of `gate`"]
    );
    assert_eq!(
        told("steps.after.denied"),
        [
            "later-step 44: step `after` does not stand before `gate` | only steps that this one needs, and what those need, have run"
        ]
    );
    assert_eq!(
        told("steps.gate.denied")[0].split(" |").next(),
        Some("later-step 44: step `gate` cannot look at itself")
    );
    assert_eq!(told("steps.scam.denied"), ["unknown-step 44: unknown step `scam` | did you mean `scan`?"]);
    assert_eq!(
        told("steps.scan.succeded"),
        ["unknown-field 44: a step has no `succeded` | did you mean `succeeded`?"]
    );
    assert_eq!(
        told("steps.scan.output.wurst == 'high'"),
        ["unknown-output 44: a `scan` step gives no output `wurst` | did you mean `worst`?"]
    );
    assert_eq!(told("imge.tag == 'a'"), ["unknown-name 44: unknown name `imge` | did you mean `image`?"]);
    assert_eq!(
        told("scan.succeeded"),
        ["unknown-name 44: unknown name `scan` | a step is named as `steps.scan`"]
    );
    assert_eq!(
        told("params.level == 'a'"),
        ["unknown-parameter 44: unknown parameter `level` | declare it under `params`"]
    );
    assert_eq!(told("succeded"), ["unknown-name 43: unknown name `succeded` | did you mean `succeeded`?"]);
    assert_eq!(
        told("siez(image.tag) > 1"),
        ["unknown-function 44: unknown function `siez` | did you mean `size`?"]
    );
    assert_eq!(
        told("steps.exists(s, true)"),
        ["step-not-named 44: a step must be named outright | such as `steps.gate.denied`"]
    );
    assert_eq!(told("steps[image.tag].denied").len(), 1);
    assert_eq!(told("'yes'")[0].split(':').next(), Some("not-boolean 43"));
    assert_eq!(told("steps.scan.outcome")[0].split(':').next(), Some("not-boolean 43"));
    assert_eq!(told("{{steps.scan.denied}}")[0].split(':').next(), Some("bad-expression 43"));
    assert_eq!(told("")[0].split(':').next(), Some("bad-expression 44"));
}

#[test]
fn a_when_that_does_not_parse_points_into_it() {
    assert_eq!(
        shown(&with_steps(
            "  scan: {uses: scan}\n  gate:\n    uses: gate\n    needs: [scan]\n    when: steps.scan.denied && )\n"
        )),
        "\
error[bad-expression]: this expression does not parse: expected an expression, found `)`
 --> c.yaml:8:32
  |
8 |     when: steps.scan.denied && )
  |                                ^
  = help: no bracket is open here: remove it
"
    );
}

#[test]
fn hyphens_are_explained() {
    let text = with_steps(
        "  my-scan: {uses: scan}\n  gate: {uses: gate, needs: [my-scan], when: steps.my-scan.succeeded}\n",
    );
    assert_eq!(
        shown(&text),
        "\
error[hyphen-in-name]: unknown step `my`
 --> c.yaml:5:46
  |
5 |   gate: {uses: gate, needs: [my-scan], when: steps.my-scan.succeeded}
  |                                              ^^^^^^^^
  = help: a name with a hyphen is written `steps[\"my-scan\"]`
"
    );
    assert_eq!(
        brief(&text.replace("steps.my-scan", "'steps[\"my-scan\"]").replace("succeeded}", "succeeded'}")),
        [""; 0]
    );
    // Handlebars takes the hyphen as it is.
    assert_eq!(
        brief(&with_steps(
            "  my-scan: {uses: scan}\n  t: {uses: notify, needs: [my-scan], with: {template: '{{steps.my-scan.outcome}}'}}\n"
        )),
        [""; 0]
    );
}

#[test]
fn templates_name_what_exists() {
    let told = |template: &str| {
        let text = with_steps(&format!(
            "  scan: {{uses: scan}}\n  tell: {{uses: notify, needs: [scan], with: {{template: {}}}}}\n  late: {{uses: scan}}\n",
            serde_json::to_string(template).unwrap()
        ));
        compiled(&text)
            .diagnostics
            .into_iter()
            .map(|d| format!("{} {}: {}", d.code, d.span.column, d.message))
            .collect::<Vec<_>>()
    };
    for fine in [
        "a",
        "{{image.tag}}",
        "{{#if steps.scan.succeeded}}{{run.id}}{{else}}no{{/if}}",
        "{{#each steps.scan.output.counts}}{{this}} {{@key}}{{/each}}",
        r"\{{not.a.name}}",
        "{{len trigger.source}}",
    ] {
        assert_eq!(told(fine), [""; 0], "{fine}");
    }
    assert_eq!(told("x {{imag.tag}}"), ["unknown-name 61: unknown name `imag`"]);
    assert_eq!(told("{{params.block_at}}"), ["unknown-parameter 59: unknown parameter `block_at`"]);
    assert_eq!(told("{{steps.late.outcome}}"), ["later-step 59: step `late` does not stand before `tell`"]);
    assert_eq!(told("{{#if steps.scam.denied}}x{{/if}}"), ["unknown-step 63: unknown step `scam`"]);
    for bad in [
        "{{image.tag",
        "{{> image}}",
        "{{shout image.tag}}",
        "{{#if image.tag}}",
        "{{log image.tag}}",
        "{{#*inline \"a\"}}{{/inline}}",
    ] {
        assert_eq!(told(bad)[0].split(' ').next(), Some("bad-template"), "{bad}");
    }
}

#[test]
fn the_concurrency_key_knows_no_step() {
    let text = "version: 1\nchain: a\nconcurrency: {key: '{{steps.a.outcome}}', limit: 0, when_busy: supercede}\nsteps: {a: {uses: scan}}\n";
    assert_eq!(brief(text), ["later-step 3:23", "out-of-range 3:50", "unknown-value 3:64"]);
}

#[test]
fn values_with_a_grammar_are_checked() {
    let text = "\
version: 1
chain: Web
scope: {repositories: ['shop/[a', '!'], tags: [1.0], platforms: [amd64]}
on: {schedule: {cron: '61 * * * *', timezone: Asia/, images: {latest: 0, runing: true}}, advisories: {severity: hi}, pull: {}, psh: {}}
defaults: {timeout: 0s, retry: {attempts: 0, backoff: 5m, max_backoff: 1s}}
steps:
  a: {uses: scan, timeout: 15 minutes, continue_on_failure: yes, with: {checks: [os, apps]}}
  b: {uses: backup, with: {keep: 30}}
  c: {uses: fix, with: {max_rounds: -1, tag: [x]}}
";
    assert_eq!(
        brief(text),
        [
            "bad-name 2:8",
            "bad-glob 3:24",
            "bad-glob 3:35",
            "wrong-type 3:48",
            "bad-platform 3:66",
            "bad-cron 4:24",
            "bad-timezone 4:47",
            "out-of-range 4:71",
            "unknown-key 4:74",
            "bad-severity 4:113",
            "unsupported-trigger 4:118",
            "unknown-key 4:128",
            "out-of-range 5:21",
            "out-of-range 5:43",
            "out-of-range 5:55",
            "bad-duration 7:28",
            "wrong-type 7:61",
            "unknown-value 7:86",
            "missing-key 8:27",
            "wrong-type 8:34",
            "out-of-range 9:37",
            "wrong-type 9:46",
        ]
    );
    let told = shown(text);
    for hint in [
        "put it in quotes: \"1.0\"",
        "did you mean `running`?",
        "did you mean `high`?",
        "did you mean `push`?",
        "no `yes`",
        "`500ms`",
        "did you mean `app`?",
    ] {
        assert!(told.contains(hint), "{hint}\n{told}");
    }
}

#[test]
fn a_severity_from_a_parameter_is_tried_with_each_of_its_values() {
    let chain = |param: &str| {
        format!(
            "version: 1\nchain: a\nparams:\n  at: {param}\nsteps:\n  g: {{uses: gate, with: {{deny: [{{severity: \">= {{{{params.at}}}}\"}}]}}}}\n"
        )
    };
    assert_eq!(brief(&chain("{enum: [low, high], default: high}")), [""; 0]);
    assert_eq!(brief(&chain("{default: unknown}")), ["bad-severity 6:44"]);
    let told = shown(&chain("{enum: [low, hihg], default: low}"));
    assert!(
        told.contains("with the value `hihg`: unknown severity `hihg`")
            && told.contains("did you mean `high`?"),
        "{told}"
    );
    assert_eq!(brief(&chain("{enum: [low, high], default: hihg}")), ["unknown-value 4:36"]);
    assert_eq!(brief(&chain("{type: string}")), ["missing-key 4:3"]);
    assert_eq!(brief(&chain("{type: strin, default: low}")), ["unknown-value 4:14"]);
}

#[test]
fn a_step_kind_objects_at_the_place_it_means() {
    assert_eq!(
        shown(&with_steps(
            "  keep: {uses: backup, with: {to: a}}\n  drop: {uses: delete, with: {mode: untag}}\n  late: {uses: delete, needs: [keep]}\n"
        )),
        "\
error[delete-without-backup]: no backup surely stands before this delete
 --> c.yaml:5:37
  |
5 |   drop: {uses: delete, with: {mode: untag}}
  |                                     ^^^^^
  = help: add a `backup` step to its `needs`
"
    );
    assert_eq!(brief(&with_steps("  drop: {uses: delete}\n")), ["delete-without-backup 4:3"]);
}

#[test]
fn steps_that_can_never_run_are_told_once() {
    let text = with_steps(
        "  a: {uses: scan, when: false}\n  b: {uses: scan, needs: [a]}\n  c: {uses: scan, when: 1 > 2}\n  d: {uses: scan, when: denied}\n  e: {uses: scan, when: always, needs: [a]}\n  f: {uses: scan, when: 2 > 1}\n",
    );
    assert_eq!(brief(&text), ["unreachable-step 4:25", "unreachable-step 6:25", "unreachable-step 7:25"]);
}

#[test]
fn shapes_are_checked_from_the_top() {
    assert_eq!(brief("- a\n- b\n"), ["wrong-type 1:1"]);
    assert_eq!(
        brief("version: 2\nchain: 1\nsteps: {}\n"),
        ["unsupported-version 1:10", "wrong-type 2:8", "no-steps 3:1"]
    );
    assert_eq!(brief("version: '1'\nchain: a\nsteps:\n"), ["wrong-type 1:10", "no-steps 3:1"]);
    assert_eq!(
        brief("version: 1\nchain: a\nsteps: {a: , b: 3, c: {with: {}}, 1x: {uses: scan}}\n"),
        ["missing-key 3:9", "wrong-type 3:17", "missing-key 3:20", "bad-name 3:35"]
    );
    assert_eq!(
        brief(
            "version: 1\nchain: a\nsteps: {a: {uses: scan, needs: b}}\n---\nversion: 1\nchain: a\nsteps: {a: {uses: scan}}\n---\nversion: 1\nchain: a\nsteps: {a: {uses: scan}}\n"
        ),
        ["wrong-type 3:32", "duplicate-chain 10:8"]
    );
    assert_eq!(
        brief("version: 1\nchain: a\nsteps: {? [a] : {uses: scan}, b: {uses: scan}}\n"),
        ["key-not-text 3:11"]
    );
    assert_eq!(
        brief("version: 1\nchain: !mine a\nsteps: {b: {uses: !!str scan}}\n"),
        ["unsupported-tag 2:8"]
    );
    assert_eq!(
        brief("version: 1\nchain: a\nsteps: {b: &b {uses: scan}, c: {<<: *b}}\n"),
        ["missing-key 3:29", "merge-key 3:33"]
    );
    let unquoted = shown(&with_steps("  b: {uses: backup, with: {to: {{image.tag}}}}\n"));
    assert!(
        unquoted.contains("error[key-not-text]")
            && unquoted.contains("needs quotes: \"{{image.tag}}\"")
            && !unquoted.contains("wrong-type"),
        "{unquoted}"
    );
}

#[test]
fn syntax_errors_have_a_place_and_a_hint() {
    assert_eq!(brief("version: 1\nsteps:\n\ta: 1\n")[0].split(' ').next(), Some("yaml-syntax"));
    assert_eq!(brief("version: [1\n")[0].split(' ').next(), Some("yaml-syntax"));
    let told = shown("version: 1\nchain: \"a\nsteps: {}\n");
    assert!(told.starts_with("error[yaml-syntax]: ") && told.contains("= help: "), "{told}");
    // What stands before the broken document is still compiled.
    let found = compiled("version: 1\nchain: a\nsteps: {s: {uses: scan}}\n---\nversion: [\n");
    assert_eq!((found.plans.len(), found.diagnostics.len()), (1, 1));
}
