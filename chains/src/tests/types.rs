//! What compiling finds of the types in expressions and templates.

use super::{compiled, shown};

const CHAIN: &str = "\
version: 1
chain: test
params: {at: {enum: [low, high], default: low}, strict: {type: boolean, default: true}, most: {type: integer, default: 3}, age: {type: duration, default: 7d}, bad-one: {default: x}}
steps:
  scan: {uses: scan}
  gate: {uses: gate, needs: [scan]}
  odd: {uses: oddity, needs: [gate]}
  last:
    uses: notify
    needs: [odd]
    when: CONDITION
    with: {template: TEMPLATE}
";

/// `code place: message | hint` of each complaint; places are characters of the expression or template, from 1.
fn told(text: &str, column: usize) -> Vec<String> {
    let mut found = compiled(text).diagnostics;
    found.retain(|d| d.code != "unknown-step-kind");
    let brief = found.into_iter().map(|d| {
        let start = d.span.column - column;
        let hint = d.hint.map(|h| format!(" | {h}")).unwrap_or_default();
        format!("{} {start}..{}: {}{hint}", d.code, start + d.span.length, d.message)
    });
    brief.collect()
}

fn when(condition: &str) -> Vec<String> {
    let quoted = format!("'{}'", condition.replace('\'', "''"));
    // Quotes that are doubled have no place of their own.
    let quoted = if condition.contains('\'') { serde_json::to_string(condition).unwrap() } else { quoted };
    told(&CHAIN.replace("CONDITION", &quoted).replace("TEMPLATE", "x"), 11)
}

fn template(template: &str) -> Vec<String> {
    let quoted = serde_json::to_string(template).unwrap();
    told(&CHAIN.replace("CONDITION", "always").replace("TEMPLATE", &quoted), 22)
}

fn rule(condition: &str) -> Vec<String> {
    let quoted = serde_json::to_string(condition).unwrap();
    let steps = format!(
        "  scan: {{uses: scan}}\n  gate:\n    uses: gate\n    needs: [scan]\n    with: {{deny: [{{when: {quoted}}}]}}\n"
    );
    told(&super::with_steps(&steps), 26)
}

#[test]
fn what_is_right_is_taken() {
    for fine in [
        "steps.gate.denied && steps.gate.output.mendable || image.tag.startsWith('v1')",
        "steps.gate.outcome == 'denied' || steps.gate.outcome in ['failed', 'skipped']",
        "steps.gate.outcome != image.tag && 'denied' == steps.gate.outcome",
        "steps.scan.output.counts.high > 3 && steps.scan.output.counts['low'] < 3.5",
        "has(steps.scan.output.worst) && steps.scan.output.worst == 'high'",
        "steps.scan.output.worst == null || image.origin.tag != null",
        "steps.odd.output.anything > 3 && steps.odd.output.other.startsWith('x')",
        "params.strict && params.most + 1 < 5 && params.at == 'low' && params.age == '7d'",
        "params['bad-one'] == 'y' && params[image.tag] == 3",
        "'high' in steps.scan.output.counts && steps.scan.output.counts.exists(level, level == 'low')",
        "steps.scan.output.counts.all(level, steps.scan.output.counts[level] < 10)",
        "image.platforms.exists(p, p.startsWith('linux/')) && size(image.platforms) == 2",
        "image.platforms[0] == 'linux/amd64' && image.platforms.size() > 0u",
        "run.round == 0 && run.trigger == 'push' && trigger.kind in ['child', 'manual'] && trigger.source != ''",
        "(params.strict ? 1 : 2) == 1 && (params.strict ? 1 : 2.5) > 1",
        "int('3') + 4 > 3 && double(params.most) * 1.5 > 2.0 && string(params.most) == '3' && bool('true')",
        "type(image.tag) == type('a') && dyn(3) == 'a' && -params.most < 0 && !params.strict",
        "[1, 2].map(x, x * 2).filter(y, y > 2).exists_one(z, z == 4) && [[1], []].size() == 2",
        "image.repository + ':' + image.tag in ['a:b'] && [1] + [2] == [1, 2] && {'a': 1}.a == 1",
        "steps.scan == steps.gate",
    ] {
        assert_eq!(when(fine), [""; 0], "{fine}");
    }
    for fine in [
        "findings.exists(f, f.epss > 0.5 && f.fixable)",
        "findings.filter(f, f.fixable && f.severity in ['high', 'critical']).size() > 3",
        "findings.exists(f, f.packages.exists(p, p.contains('ssl')) && f.id.startsWith('CVE-'))",
        "findings.exists(f, f.epss > 1) && steps.scan.succeeded && image.tag == 'v1'",
        "size(findings.map(f, f.epss)) > 2",
    ] {
        assert_eq!(rule(fine), [""; 0], "{fine}");
    }
}

#[test]
fn a_value_of_the_wrong_type_is_told_with_both_sides() {
    let mut wrong = Vec::new();
    for (condition, complaint) in [
        (
            "steps.scan.output.counts.high == 'many'",
            "1..40: `steps.scan.output.counts.high` is a whole number, compared with text | make text of it: `string(steps.scan.output.counts.high)`",
        ),
        (
            "params.most > '3'",
            "1..18: `params.most` is a whole number, compared with text | write the number without quotes: `3`",
        ),
        (
            "image.tag == 3",
            "1..15: `image.tag` is text, compared with a whole number | put it in quotes: `'3'`",
        ),
        (
            "3 == image.tag",
            "1..15: `image.tag` is text, compared with a whole number | put it in quotes: `'3'`",
        ),
        (
            "params.strict == 'true'",
            "1..24: `params.strict` is a boolean, compared with text | write `true` without quotes",
        ),
        (
            "steps.gate.denied == 'yes'",
            "1..27: `steps.gate.denied` is a boolean, compared with text | it stands by itself: `steps.gate.denied`, or `!steps.gate.denied`",
        ),
        (
            "1 < params.most < 5",
            "1..20: `1 < params.most` is a boolean, compared with a whole number | compare twice: `a < b && b < c`",
        ),
        (
            "image.platforms == 'linux/amd64'",
            "1..33: `image.platforms` is a list, compared with text | `'linux/amd64' in image.platforms` asks whether it is one of them; `size(image.platforms)` is how many there are",
        ),
        ("image > 'a'", "1..12: `image` is a map, compared with text | name one of its fields"),
        (
            "steps.scan.output.worst >= 'high'",
            "1..34: text is ordered by its letters: 'high' has no rank here | name the levels: `in ['high', 'critical']`; a gate's rule `severity: '>= high'` knows their order",
        ),
        (
            "!image.tag",
            "2..11: `image.tag` is text, where `!` needs true or false | compare it: `image.tag == '…'`",
        ),
        (
            "params.most && true",
            "1..12: `params.most` is a whole number, where `&&` needs true or false | compare it: `params.most > 0`",
        ),
        (
            "true || image.platforms",
            "9..24: `image.platforms` is a list, where `||` needs true or false | ask how many there are: `size(image.platforms) > 0`",
        ),
        (
            "true || steps.gate",
            "9..19: `steps.gate` is a map, where `||` needs true or false | name one of its fields",
        ),
        (
            "image.tag ? true : false",
            "1..10: `image.tag` is text, where `?` needs true or false | compare it: `image.tag == '…'`",
        ),
        (
            "(params.strict ? 'a' : 1) == 'a'",
            "2..25: the arms differ: `'a'` is text, `1` is a whole number | both arms give values of one type",
        ),
        (
            "-image.tag == 'a'",
            "2..11: `image.tag` is text, where `-` needs a number | `!` turns true and false round",
        ),
        (
            "params.most * 1.5 > 2.0",
            "1..18: `*` takes two values of one type: `params.most` is a whole number, `1.5` is a number | make a number of the whole one: `double(params.most)`",
        ),
        (
            "image.tag + 1 == 'a'",
            "1..14: `+` takes two values of one type: `image.tag` is text, `1` is a whole number | make text of the other: `string(1)`",
        ),
        (
            "params.strict + 1 == 2",
            "1..14: `params.strict` is a boolean, where `+` needs numbers, text or lists | make a value of the right type of it, or leave it out",
        ),
        (
            "'v1' in image.tag",
            "1..18: `image.tag` is text, where `in` needs a list or a map | ask the text: `image.tag.contains('v1')`",
        ),
        (
            "3 in ['a', 'b']",
            "1..16: `3` is a whole number, looked for in a list of text | a list holds only values of its own type",
        ),
        (
            "3 in params.most",
            "1..17: `params.most` is a whole number, where `in` needs a list or a map | put it in brackets: `3 in [params.most]`",
        ),
        (
            "1 in steps.scan.output.counts",
            "1..30: `1` is a whole number, looked for in a map | the keys of a map are text",
        ),
        (
            "size(5) > 1",
            "6..7: `5` is a whole number, where `size` needs text, a list or a map | a whole number is nothing that it can look at",
        ),
        (
            "image.tag.startsWith(3)",
            "22..23: `3` is a whole number, where `startsWith` needs text | make text of it: `string(3)`",
        ),
        (
            "image.platforms.contains('linux/amd64')",
            "1..16: `image.platforms` is a list, where `contains` needs text | a list is asked with `in`: `'…' in image.platforms`",
        ),
        (
            "contains(image.tag, 'a')",
            "1..25: `contains` is not called so | it is written `text.contains('…')`",
        ),
        ("image.tag.string() == 'a'", "1..19: `string` is not called so | it is written `string(value)`"),
        (
            "image.platforms.exists(p)",
            "17..23: `exists` is not called so | it is written `list.exists(x, condition)`",
        ),
        (
            "image.tag.exists(x, true)",
            "1..10: `image.tag` is text | `exists` goes over a list, or a map's keys",
        ),
        (
            "image.platforms.exists(p, p)",
            "27..28: `p` is text, where `exists` needs true or false | compare it: `p == '…'`",
        ),
        (
            "image.tag.major == 1",
            "1..16: `image.tag` is text, which has no field `major` | only maps have fields",
        ),
        (
            "image.platforms['a'] == 'b'",
            "1..21: `image.platforms` is a list, which has no field `a` | only maps have fields",
        ),
        (
            "image.tag[0] == 'v'",
            "1..13: `image.tag` is text, of which no part can be taken | only lists and maps are indexed",
        ),
        (
            "image.platforms[image.tag] == 'v'",
            "17..26: `image.tag` is text, where a whole number is needed | `image.platforms` is a list",
        ),
        ("{[1]: 2}.size() == 1", "2..5: `[1]` is a list, which is no key | keys are text"),
    ] {
        let found = when(condition);
        if found != [format!("type-mismatch {complaint}")] {
            wrong.push(format!("{condition}\n  {found:?}\n  {complaint}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn fields_and_words_that_do_not_exist_are_told() {
    for (condition, complaint) in [
        ("image.tagg == 'v1'", "unknown-field 1..11: `image` has no field `tagg` | did you mean `tag`?"),
        (
            "image.origin.digst == 'v1'",
            "unknown-field 1..19: `image.origin` has no field `digst` | did you mean `digest`?",
        ),
        (
            "has(image.labels)",
            "unknown-field 1..18: `image` has no field `labels` | one of: registry, repository, tag, digest, reference, origin, platforms",
        ),
        (
            "run.user == 'x'",
            "unknown-field 1..9: `run` has no field `user` | one of: id, round, trigger, url",
        ),
        ("trigger['by'] == 'x'", "unknown-field 1..14: `trigger` has no field `by` | one of: kind, source"),
        (
            "true && steps.gate.output.sumary == 'a'",
            "unknown-output 9..33: a `gate` step gives no output `sumary` | one of: mendable",
        ),
        (
            "steps.gate.outcome == 'passed'",
            "unknown-value 23..31: `steps.gate.outcome` is never `passed` | one of: succeeded, denied, failed, skipped, cancelled, unknown",
        ),
        (
            "'succeded' == steps.gate.outcome",
            "unknown-value 1..11: `steps.gate.outcome` is never `succeded` | did you mean `succeeded`?",
        ),
        (
            "steps.gate.outcome in ['denied', 'faild']",
            "unknown-value 34..41: `steps.gate.outcome` is never `faild` | did you mean `failed`?",
        ),
        ("params.at == 'hihg'", "unknown-value 14..20: `params.at` is never `hihg` | did you mean `high`?"),
        (
            "trigger.kind == 'cron'",
            "unknown-value 17..23: `trigger.kind` is never `cron` | one of: push, manual, schedule, advisories, child",
        ),
        (
            "image.tag == latest",
            "unknown-name 14..20: unknown name `latest` | known here: image, run, params, trigger, steps; text stands in quotes",
        ),
        ("steps.gate.denied == True", "unknown-name 22..26: unknown name `True` | did you mean `true`?"),
        (
            "image.tag.matches('v.*')",
            "unknown-function 11..18: unknown function `matches` | there are no regular expressions: use `startsWith`, `endsWith` or `contains`",
        ),
        (
            "image.platforms.any(p, p == 'a')",
            "unknown-function 17..20: unknown function `any` | did you mean `exists`?",
        ),
        (
            "findings.exists(f, f.fixable)",
            "unknown-name 1..9: unknown name `findings` | known here: image, run, params, trigger, steps; text stands in quotes",
        ),
    ] {
        let found = when(condition);
        assert_eq!(found.first().map(String::as_str), Some(complaint), "{condition}");
    }
    for (condition, complaint) in [
        (
            "findings.exists(f, f.epsss > 0.5)",
            "unknown-field 20..27: `f` has no field `epsss` | did you mean `epss`?",
        ),
        (
            "findings.exists(f, f.epss > '0.5')",
            "type-mismatch 20..34: `f.epss` is a number, compared with text | write the number without quotes: `0.5`",
        ),
        (
            "findings.fixable",
            "type-mismatch 1..17: `findings` is a list, which has no field `fixable` | only maps have fields",
        ),
        (
            "findings[0].sevrity == 'low'",
            "unknown-field 1..20: `findings[0]` has no field `sevrity` | did you mean `severity`?",
        ),
        ("finding.size() > 1", "unknown-name 1..8: unknown name `finding` | did you mean `findings`?"),
        (
            "findings.size()",
            "not-boolean 0..17: this gives a whole number, not true or false | compare it with something",
        ),
        (
            "findings.exists(f, f.severity > 'medium')",
            "type-mismatch 20..41: text is ordered by its letters: 'medium' has no rank here | name the levels: `in ['high', 'critical']`; a gate's rule `severity: '>= high'` knows their order",
        ),
        (
            "findings.map(f, f.fixable ? f.epss : f.id).size() > 1",
            "type-mismatch 17..42: the arms differ: `f.epss` is a number, `f.id` is text | both arms give values of one type",
        ),
        (
            "steps.gate.denied",
            "later-step 1..11: step `gate` cannot look at itself | only steps that this one needs, and what those need, have run",
        ),
        ("params.most == 1", "unknown-parameter 1..12: unknown parameter `most` | declare it under `params`"),
    ] {
        assert_eq!(rule(condition), [complaint], "{condition}");
    }
}

#[test]
fn templates_know_the_same_fields() {
    for fine in [
        "{{image.tag}} {{image.origin.tag}} {{params.most}} {{steps.gate.outcome}} {{steps.odd.output.x.y}}",
        "{{#each image.platforms}}{{this}}{{/each}} {{image.platforms.0}} {{len steps.scan.output.counts}}",
        "{{#if steps.gate.output.mendable}}{{run.url}}{{/if}} {{lookup steps.scan.output.counts 'high'}}",
    ] {
        assert_eq!(template(fine), [""; 0], "{fine}");
    }
    for (text, complaint) in [
        ("{{image.tagg}}", "unknown-field 3..13: `image` has no field `tagg` | did you mean `tag`?"),
        ("a {{trigger.by}}", "unknown-field 5..15: `trigger` has no field `by` | one of: kind, source"),
        (
            "{{#if run.rond}}x{{/if}}",
            "unknown-field 7..15: `run` has no field `rond` | did you mean `round`?",
        ),
        (
            "{{steps.gate.output.mendabel}}",
            "unknown-output 3..29: a `gate` step gives no output `mendabel` | did you mean `mendable`?",
        ),
        (
            "{{image.origin}}",
            "type-mismatch 3..15: `image.origin` is a map, no single value | name one of its fields: `image.origin.tag`",
        ),
        (
            "{{image.platforms}}",
            "type-mismatch 3..18: `image.platforms` is a list, no single value | `{{#each image.platforms}}…{{/each}}` goes over it, `{{len image.platforms}}` counts",
        ),
        (
            "{{image.tag.major}}",
            "type-mismatch 3..18: `image.tag` is text, which has no field `major` | only maps have fields",
        ),
    ] {
        assert_eq!(template(text), [complaint], "{text}");
    }
}

#[test]
fn a_type_error_points_into_the_text() {
    let text = super::with_steps(
        "  scan: {uses: scan}\n  gate:\n    uses: gate\n    needs: [scan]\n    when: steps.scan.succeeded && steps.scan.output.worst > 3\n",
    );
    assert_eq!(
        shown(&text),
        "\
error[type-mismatch]: `steps.scan.output.worst` is text, compared with a whole number
 --> c.yaml:8:35
  |
8 |     when: steps.scan.succeeded && steps.scan.output.worst > 3
  |                                   ^^^^^^^^^^^^^^^^^^^^^^^^^^^
  = help: put it in quotes: `'3'`
"
    );
}
