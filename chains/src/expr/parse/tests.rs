use super::parse;
use crate::expr::cel::execute;

/// `message @start..end | hint`
fn fault(source: &str) -> String {
    let fault = parse(source).unwrap_err();
    let hint = fault.hint.map(|h| format!(" | {h}")).unwrap_or_default();
    format!("{} @{}..{}{hint}", fault.message, fault.place.start, fault.place.end)
}

#[test]
fn faults_say_what_was_found_what_was_expected_and_where() {
    for (source, told) in [
        ("", "the expression is empty @0..0"),
        (" \n", "the expression is empty @0..2"),
        ("a &&", "expected an expression, found the end @4..4 | something must stand after `&&`"),
        ("a && )", "expected an expression, found `)` @5..6 | no bracket is open here: remove it"),
        ("(a && b", "expected `)`, found the end @7..7 | the `(` at character 1 is still open"),
        ("a[1", "expected `]`, found the end @3..3 | the `[` at character 2 is still open"),
        ("f(a, [b)", "expected `,` or `]`, found `)` @7..8"),
        ("f(a,)", "expected an expression, found `)` @4..5"),
        (
            "{'a' 1}",
            "expected `:` and a value, found `1` @5..6 | between two values stands `&&`, `||`, `==` or another operator",
        ),
        ("a = 'x'", "`=` is no operator @2..3 | did you mean `==`?"),
        ("a === b", "`===` is no operator @2..5 | did you mean `==`?"),
        ("a <> b", "`<>` is no operator @2..4 | did you mean `!=`?"),
        ("a => b", "`=>` is no operator @2..4 | did you mean `>=`?"),
        ("a & b", "`&` is no operator @2..3 | did you mean `&&`?"),
        ("a | b", "`|` is no operator @2..3 | did you mean `||`?"),
        ("a and b", "expected an operator or the end, found `and` @2..5 | did you mean `&&`?"),
        ("(a or b)", "expected `)`, found `or` @3..5 | did you mean `||`?"),
        ("not a", "`not` is no operator @0..3 | did you mean `!`?"),
        ("a && not b", "`not` is no operator @5..8 | did you mean `!`?"),
        (
            "a b",
            "expected an operator or the end, found `b` @2..3 | between two values stands `&&`, `||`, `==` or another operator",
        ),
        (
            "3x",
            "expected an operator or the end, found `x` @1..2 | a name cannot begin with a digit; text stands in quotes",
        ),
        ("a == 'v1", "this text has no closing `'` @5..8 | end it with `'`"),
        (
            "a == 'v1\"",
            "this text has no closing `'` @5..9 | it begins with `'` and ends with `\"`: use one of them",
        ),
        ("a == \"\"\"v1\"", "this text has no closing `\"\"\"` @5..11 | end it with `\"\"\"`"),
        ("a == “v1”", "`“` is no quote @5..8 | did you mean `\"`?"),
        (
            "a == `v1`",
            "`` ` `` is no quote @5..6 | text stands in `'` or `\"`; an odd key is read as `map['odd-key']`",
        ),
        (
            "'\\d'",
            "`\\d` is no escape @1..3 | a backslash itself is `\\\\`; before the quotes, `r` takes all as it stands",
        ),
        (
            "'é\\ud800'",
            "`\\ud800` is no character @3..9 | a backslash itself is `\\\\`; before the quotes, `r` takes all as it stands",
        ),
        (
            "a ? b",
            "expected `:` and what holds otherwise, found the end @5..5 | the `?` at character 3 is written `condition ? value : other`",
        ),
        (
            "a ? b ? c : d : e",
            "expected `:` and what holds otherwise, found `?` @6..7 | a condition inside a condition stands in parentheses",
        ),
        ("a.", "expected a name after the `.`, found the end @2..2"),
        (
            "a.'b'",
            "expected a name after the `.`, found `'b'` @2..5 | between two values stands `&&`, `||`, `==` or another operator",
        ),
        (".a", "expected an expression, found `.` @0..1"),
        (
            "a.?b",
            "optional values are not part of the chain language @2..3 | ask first: `has(a.b) && a.b == …`",
        ),
        (
            "[?a]",
            "optional values are not part of the chain language @1..2 | ask first: `has(a.b) && a.b == …`",
        ),
        (
            "Finding{id: 1}",
            "expected an operator or the end, found `{` @7..8 | there are no messages here: a map is `{'key': value}`, and stands alone",
        ),
        ("if(a)", "`if` is a word that CEL keeps for itself @0..2 | it can stand as a key: `map['if']`"),
        ("99999999999999999999", "this number is too large @0..20 | whole numbers have 64 bits"),
        ("1 > -9e999", "this number is too large @4..10 | whole numbers have 64 bits"),
        ("$a", "`$` begins nothing @0..1 | a name stands bare: `image.tag`"),
        ("größe == 1", "`ö` cannot stand in a name @2..4 | text stands in quotes"),
        ("a\u{a0}== 1", "`\u{a0}` cannot be seen @1..3 | replace it with a space"),
        (
            "has(a)",
            "`has` asks for a field of something @4..5 | such as `has(steps.gate.output.total)`; for other keys: `'key' in map`",
        ),
        (
            "a.exists('x', true)",
            "`exists` takes a name first, for each element in turn @9..12 | such as `list.exists(x, x …)`",
        ),
        (
            "a.all(x, x.all(y, y.all(z, z)))",
            "`exists`, `all`, `map` and `filter` may stand inside each other 2 deep @2..5",
        ),
    ] {
        assert_eq!(fault(source).replace("```", "`` ` ``"), told, "{source}");
    }
}

#[test]
fn every_node_knows_its_place() {
    let source = "a.b['c'] + (1 - x).f(2) == list.exists(v, v > -3)";
    let parsed = parse(source).unwrap();
    let mut found = Vec::new();
    let mut todo = vec![&parsed.tree];
    while let Some(node) = todo.pop() {
        let place = parsed.place(node);
        found.push((source[place.whole.clone()].to_owned(), source[place.head].to_owned()));
        todo.extend(crate::expr::cel::children(node));
    }
    for (whole, head) in [
        (source, "=="),
        ("a.b['c'] + (1 - x).f(2)", "+"),
        ("a.b['c']", "["),
        ("a.b", "b"),
        ("'c'", "'c'"),
        ("(1 - x).f(2)", "f"),
        ("1 - x", "-"),
        ("list.exists(v, v > -3)", "exists"),
        ("v > -3", ">"),
        ("-3", "-3"),
    ] {
        assert!(found.contains(&(whole.to_owned(), head.to_owned())), "{whole} {head}\n{found:?}");
    }
}

#[test]
fn the_deepest_tree_that_parses_is_evaluated_on_a_small_stack() {
    let long = |part: &str, count: usize| part.repeat(count);
    for source in [
        format!("1{}", long(" + 1", 198)),
        format!("a{}", long("[0]", 198)),
        format!("{}1{}", long("[", 47), long("]", 47)),
        format!("{}1{}", long("-(", 47), long(")", 47)),
        format!("{}true{}", long("[1].all(x, [1].exists(y, ", 1), long("))", 1)),
        format!("{}x{}", long("[1].map(x, ", 1), long(")", 1)),
        format!("true{}", long(" || true", 500)),
        long("true ? true : ", 47) + "true",
    ] {
        let parsed = parse(&source).unwrap();
        let context = serde_json::json!({"a": [[[1]]]});
        std::thread::Builder::new()
            .stack_size(1 << 20)
            .spawn(move || drop(execute(&parsed.tree, &context)))
            .unwrap()
            .join()
            .unwrap();
    }
    for source in [
        format!("1{}", long(" + 1", 300)),
        format!("a{}", long(".b", 300)),
        format!("a{}", long("[0]", 300)),
        format!("a{}", long(".f()", 300)),
        long("(", 2_000),
        long("[", 2_000),
        long("f(", 2_000),
        long("{a:", 1_000),
        long("a?b:", 1_000),
        long("a ? ", 1_000),
    ] {
        assert!(parse(&source).is_err(), "{source}");
    }
    assert!(parse(&format!("{}a", long("!", 3_000))).is_ok());
}
