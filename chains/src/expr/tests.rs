use serde_json::{Value, json};

use super::{Error, evaluate, render};

fn context() -> Value {
    json!({
        "image": {"repository": "shop/web", "tag": "v1", "labels": {"a-b": 3}},
        "params": {"block_at": "high", "count": 3, "big": 18_446_744_073_709_551_615_u64},
        "steps": {"gate": {"succeeded": false, "denied": true, "output": {"mendable": true, "n": 4}}, "my-step": {"denied": false, "output": {}}},
        "findings": [{"epss": 0.7, "fixable": true, "cvss": 9}, {"epss": 0, "fixable": false, "cvss": null}],
    })
}

#[test]
fn expressions_give_true_or_false() {
    for yes in [
        "steps.gate.denied && steps.gate.output.mendable",
        "steps.gate.output.n > 3 && params.count == 3 && params.count < 3.5",
        "!steps['my-step'].denied && !has(steps['my-step'].output.n)",
        "steps['my-step'].denied && steps['my-step'].output.n > 1 || true",
        "findings.exists(f, f.epss > 0.5 && f.fixable)",
        "findings.filter(f, f.fixable).size() == 1",
        "image.repository.startsWith('shop/') && 'a-b' in image.labels",
        "findings.exists(f, f.cvss == null) && params.block_at in ['high', 'critical']",
    ] {
        assert!(evaluate(yes, &context()).unwrap(), "{yes}");
    }
    assert!(!evaluate("steps.gate.succeeded", &context()).unwrap());
}

#[test]
fn failures_name_what_is_missing() {
    let fails = |expression: &str| evaluate(expression, &context()).unwrap_err().to_string();
    assert_eq!(
        fails("steps.gate.output.nothing"),
        "expression `steps.gate.output.nothing` fails: there is no `nothing`"
    );
    assert_eq!(fails("nobody"), "expression `nobody` fails: unknown name `nobody`");
    assert_eq!(fails("image.tag"), "expression `image.tag` gives text, not true or false");
    assert!(fails("image.tag > 3").contains("fails: "));
    assert!(fails("1 / 0 == 1").contains("division by zero"));
    assert_eq!(evaluate("a &&", &json!({})).unwrap_err().code(), "expression-failed");
    assert!(matches!(evaluate("1", &json!({})), Err(Error::NotBoolean { .. })));
}

#[test]
fn strings_are_rendered_and_nothing_else() {
    let value = json!({
        "tag": "{{image.tag}}_fixed",
        "lone": "{{params.count}}",
        "list": [1, true, null, "{{image.repository}}:{{image.tag}}", {"deep": "{{steps.my-step.denied}}"}],
        "plain": "<a & 'b'> \\ $x {y}",
        "kept": "\\{{image.tag}}",
        "{{image.tag}}": "keys stay",
        "if": "{{#if steps.gate.denied}}denied{{else}}fine{{/if}}",
        "each": "{{#each findings}}{{this.fixable}},{{/each}}",
        "len": "{{len findings}}{{#with image}}{{repository}}{{/with}}",
        "html": "{{params.block_at}} {{{image.tag}}}",
    });
    let expected = json!({
        "tag": "v1_fixed",
        "lone": "3",
        "list": [1, true, null, "shop/web:v1", {"deep": "false"}],
        "plain": "<a & 'b'> \\ $x {y}",
        "kept": "{{image.tag}}",
        "{{image.tag}}": "keys stay",
        "if": "denied",
        "each": "true,false,",
        "len": "2shop/web",
        "html": "high v1",
    });
    assert_eq!(render(&value, &context()).unwrap(), expected);
    let hostile = json!({"image": {"tag": "<&\"{{params.x}}\">"}});
    assert_eq!(
        render(&json!("{{image.tag}}"), &hostile).unwrap(),
        json!("<&\"{{params.x}}\">"),
        "rendered once, escaped never"
    );
}

#[test]
fn unknown_names_in_templates_fail_with_their_name() {
    let fails = |template: &str| render(&json!([template]), &context()).unwrap_err().to_string();
    assert_eq!(fails("{{image.digest}}"), "template `{{image.digest}}` fails: unknown name `image.digest`");
    assert_eq!(fails("{{nobody}}"), "template `{{nobody}}` fails: unknown name `nobody`");
    assert_eq!(
        fails("{{image.labels}}"),
        "template `{{image.labels}}` fails: `image.labels` is no single value"
    );
    assert!(fails("a {{findings}}").contains("`findings` is no single value"));
    assert!(fails("{{> image}}").contains("partials"));
    assert!(fails("{{#*inline \"a\"}}{{> a}}{{/inline}}{{> a}}").contains("partials"));
    assert!(
        fails(
            "{{#each findings}}{{#each @root.findings}}{{#each @root.findings}}x{{/each}}{{/each}}{{/each}}"
        )
        .contains("each")
    );
    let long = json!({"items": vec!["x".repeat(1000); 1000]});
    assert!(
        render(&json!("{{#each items}}{{this}}{{/each}}"), &long)
            .unwrap_err()
            .to_string()
            .contains("gives more than")
    );
}

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig { cases: 600, failure_persistence: None, ..Default::default() })]

    /// What is read without the general parser has the names that it finds.
    #[test]
    fn plain_templates_are_read_alike(text in "([a-z }]{0,3}(\\{\\{ ?[a-c1_]{1,2}([.-][a-c1]{1,2}){0,2} ?\\}\\}|\\{\\{|\\}\\}|\\{\\{else\\}\\}|\\{\\{this\\}\\}|\\{|é)?){0,5}") {
        if let Some(names) = super::template::plain(&text) {
            let compiled = super::template::compile(&text);
            let mut slow = compiled.map_err(|e| proptest::prelude::TestCaseError::fail(format!("{text}: {e}")))?.names;
            // The general parser does not say which of two equal names it has read.
            for (name, slow) in names.iter().zip(&mut slow) {
                slow.place = name.place.clone();
            }
            proptest::prop_assert_eq!(names, slow, "{}", text);
        }
    }
}
