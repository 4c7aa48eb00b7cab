use proptest::prelude::*;

use super::{brief, catalogue, compiled, with_steps};
use crate::limits::{MAX_BYTES, MAX_DIAGNOSTICS};
use crate::{Source, compile};

fn bytes(input: &[u8]) -> Vec<String> {
    let found = compile(Source { name: "c.yaml", bytes: input }, &catalogue::small());
    assert!(found.plans.is_empty());
    found.diagnostics.iter().map(|d| format!("{} {}:{}", d.code, d.span.line, d.span.column)).collect()
}

#[test]
fn encodings_are_told_with_their_place() {
    assert_eq!(bytes(b"version: 1\nchain: \xff\n"), ["not-utf8 2:8"]);
    assert_eq!(bytes(b"\xff\xfev\0e\0"), ["not-utf8 1:1"]);
    assert_eq!(bytes("version: 1\nchain: é\0\n".as_bytes()), ["control-character 2:9"]);
    assert_eq!(bytes(b"version: 1\r\nchain: \x1b[31m\r\n"), ["control-character 2:8"]);
    assert_eq!(bytes(b""), ["empty 1:1"]);
    assert_eq!(bytes(b"# nothing\n"), ["empty 1:1"]);
    assert_eq!(
        bytes("\u{feff}versio: 1\nchain: a\nsteps: {a: {uses: scan}}".as_bytes()),
        ["missing-key 1:1", "unknown-key 1:1"]
    );
}

#[test]
fn size_depth_and_aliases_are_bounded() {
    assert_eq!(bytes(&vec![b'a'; MAX_BYTES + 1]), ["too-large 1:1"]);
    assert_eq!(bytes(format!("a: {}", "[".repeat(200_000)).as_bytes()), ["too-deep 1:68"]);
    let mut nested = String::new();
    (0..100).for_each(|i| nested.push_str(&format!("{}a:\n", " ".repeat(i))));
    assert_eq!(bytes(nested.as_bytes()), ["too-deep 65:65"]);
    assert_eq!(
        bytes(format!("a: [{}]", "x,".repeat(400_000)).as_bytes())[0].split(' ').next(),
        Some("too-large")
    );

    let mut bomb = String::from("a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n");
    (1..12).for_each(|i| {
        bomb.push_str(&format!("a{i}: &a{i} [{}]\n", vec![format!("*a{}", i - 1); 10].join(", ")))
    });
    assert_eq!(bytes(bomb.as_bytes())[0].split(' ').next(), Some("alias-bomb"));
    let wide = format!("a: &a {}\nb: [{}]\n", "x".repeat(200_000), "*a, ".repeat(1_000));
    assert_eq!(bytes(wide.as_bytes())[0].split(' ').next(), Some("alias-bomb"));
    assert_eq!(bytes(b"a: &a [*a]\n"), ["alias-cycle 1:8"]);
    assert_eq!(bytes(b"a: *nowhere\n")[0].split(' ').next(), Some("yaml-syntax"));
}

#[test]
fn complaints_are_bounded() {
    let junk: String = (0..30_000).map(|i| format!("key{i}: 1\n")).collect();
    let found = compiled(&junk).diagnostics;
    assert_eq!(found.len(), MAX_DIAGNOSTICS + 1);
    assert!(found.iter().any(|d| d.code == "too-many-problems"));
}

#[test]
fn expressions_and_guesses_have_a_budget() {
    let line =
        |i: usize| format!("  s{i}: {{uses: scan, when: \"{}image.tag == 'a'\"}}\n", " ".repeat(3_000));
    let found = compiled(&with_steps(&(0..100).map(line).collect::<String>())).diagnostics;
    assert_eq!(found.iter().filter(|d| d.code == "too-large").count(), found.len());
    assert!(!found.is_empty());
    let line = |i: usize| format!("  step-number-{i}: {{uses: scan, needs: [step-nomber-{i}]}}\n");
    let found = compiled(&with_steps(&(0..5_000).map(line).collect::<String>())).diagnostics;
    assert!(found[0].hint.is_some() && found[900].hint.is_none());
}

#[test]
fn five_thousand_steps_compile_and_one_more_does_not() {
    let line = |i: usize| match i {
        0 => "  s0: {uses: scan}\n".to_owned(),
        _ => format!("  s{i}: {{uses: scan, needs: [s{}], when: steps.s0.succeeded}}\n", i - 1),
    };
    let steps: String = (0..5_000).map(line).collect();
    let found = compiled(&with_steps(&steps));
    assert_eq!(found.diagnostics, []);
    assert_eq!(found.plans[0].layers().len(), 5_000);
    assert_eq!(brief(&with_steps(&format!("{steps}{}", line(5_000)))), ["too-large 5004:3"]);
    let ring = steps.replacen("{uses: scan}", "{uses: scan, needs: [s4999]}", 1);
    assert_eq!(brief(&with_steps(&ring))[0], "cycle 4:28");
}

#[test]
fn hostile_expressions_and_templates_are_refused_or_fine_but_never_fatal() {
    let long = |s: &str| s.repeat(4_000 / s.len());
    for expression in [
        long("("),
        long("["),
        long("!"),
        long("-"),
        long("a."),
        long("a+"),
        long("a&&"),
        long("{a:"),
        long("a?"),
        long("a?b:"),
        long("f("),
        long("[a,"),
        long("a["),
        long("\\"),
        long("\""),
        long("'''"),
        long("1."),
        long("é"),
        long("a||!"),
        "a.exists(x, x.exists(y, y.exists(z, z)))".to_owned(),
        "\u{0}".to_owned(),
        "0x".to_owned(),
        "9".repeat(400),
        "b'\\xff'".to_owned(),
        "{}".to_owned(),
        "a{b: 1}".to_owned(),
        "- 9223372036854775808".to_owned(),
        "`a`".to_owned(),
        format!("{}1{}", long("-("), long(")")),
        format!("a{}", long(".b")),
        format!("{}a", long("!!")),
    ] {
        let outcome = crate::expr::evaluate(&expression, &serde_json::json!({"a": [[1]]}));
        assert!(outcome.is_err() || outcome.is_ok(), "{expression}");
        let text =
            with_steps(&format!("  a: {{uses: scan, when: {}}}\n", serde_json::Value::from(expression)));
        compiled(&text);
    }
    for template in [
        long("{{"),
        long("{{("),
        long("{{#if a}}"),
        long("{{a (b "),
        long("{{{{{"),
        long("{{[["),
        long("{{{"),
        long("{{~"),
        long("{{#each a}}{{/each}}"),
        "{{> x}}".to_owned(),
        "{{#*inline \"a\"}}{{> a}}{{/inline}}{{> a}}".to_owned(),
        "{{else}}".to_owned(),
        "{{/if}}".to_owned(),
        "{{#if}}{{/if}}".to_owned(),
        "{{a as |b|}}".to_owned(),
        "{{@root}}".to_owned(),
        "{{../a}}".to_owned(),
        "{{{{raw}}}}{{{{/raw}}}}".to_owned(),
        "{{*a b}}".to_owned(),
        "{{log a}}".to_owned(),
        "{{lookup a [0]}}".to_owned(),
        format!("{{{{a {}}}}}", long("[1,")),
        format!("{{{{a {{\"x\":{}}}}}", long("{\"x\":")),
        "{{!-- -- }}".to_owned(),
        "{{".to_owned(),
    ] {
        let value = serde_json::Value::from(template);
        let _ = crate::expr::render(&value, &serde_json::json!({"a": [1]}));
        compiled(&with_steps(&format!("  a: {{uses: notify, with: {{template: {value}}}}}\n")));
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_text_makes_it_panic(text in "(version: 1\n)?([a-z{}\\[\\]\"'&*!|>%@`#:,? \n\t-]{0,12}(steps|needs|on|when|with|uses|\\{\\{|\\}\\}| é)?){0,30}") {
        for d in compiled(&text).diagnostics {
            prop_assert!(d.span.offset + d.span.length <= text.len(), "{d:?}");
            prop_assert!(d.span.line >= 1 && d.span.column >= 1);
            d.render("c.yaml", &text);
        }
    }

    #[test]
    fn no_bytes_make_it_panic(raw in proptest::collection::vec(any::<u8>(), 0..400)) {
        bytes(&raw);
    }

    #[test]
    fn no_expression_makes_it_panic(text in "([a-z.(){}\\[\\]!&|<>=+*/%?:,'\"0-9 -]{0,6}(steps|exists|has|in|true|null|é)?){0,12}") {
        let _ = crate::expr::evaluate(&text, &serde_json::json!({"a": 1}));
        compiled(&with_steps(&format!("  a: {{uses: scan, when: {}}}\n", serde_json::Value::from(text))));
    }

    #[test]
    fn no_template_makes_it_panic(text in "([a-z.()\\[\\]#/~!>*@\" -]{0,6}(\\{\\{|\\}\\}|\\{\\{#if |\\{\\{/if\\}\\}|\\{\\{else\\}\\}|é)?){0,12}") {
        let value = serde_json::Value::from(text);
        let _ = crate::expr::render(&value, &serde_json::json!({"a": 1}));
        compiled(&with_steps(&format!("  a: {{uses: notify, with: {{template: {value}}}}}\n")));
    }
}
