//! Our parser against `cel`'s own: what both take has one tree, and what one refuses the other refuses too, but for
//! what is listed here.

use cel::IdedExpr;
use cel::common::ast::{EntryExpr, Expr};
use proptest::prelude::*;

use super::super::cel::children;
use super::parse;
use crate::limits::{MAX_COMPREHENSIONS, MAX_EXPRESSION_DEPTH};

fn oracle(source: &str) -> Option<IdedExpr> {
    let parser = ::cel::parser::Parser::new().max_recursion_depth(MAX_EXPRESSION_DEPTH);
    parser.parse(source).ok().map(without_ids)
}

fn ours(source: &str) -> Result<IdedExpr, String> {
    parse(source).map(|parsed| without_ids(parsed.tree)).map_err(|fault| fault.message)
}

/// Ids are each parser's own.
fn without_ids(mut node: IdedExpr) -> IdedExpr {
    node.id = 0;
    let take = |child: &mut IdedExpr| *child = without_ids(std::mem::take(child));
    match &mut node.expr {
        Expr::Call(call) => call.target.as_deref_mut().into_iter().chain(&mut call.args).for_each(take),
        Expr::Comprehension(c) => {
            [&mut c.iter_range, &mut c.accu_init, &mut c.loop_cond, &mut c.loop_step, &mut c.result]
                .into_iter()
                .for_each(take);
        }
        Expr::List(list) => list.elements.iter_mut().for_each(take),
        Expr::Map(map) => {
            for entry in &mut map.entries {
                entry.id = 0;
                if let EntryExpr::MapEntry(entry) = &mut entry.expr {
                    [&mut entry.key, &mut entry.value].into_iter().for_each(take);
                }
            }
        }
        Expr::Select(select) => take(&mut select.operand),
        Expr::Struct(_) | Expr::Unspecified | Expr::Ident(_) | Expr::Literal(_) => {}
    }
    node
}

/// What `cel` takes and we do not, on purpose: messages, names that begin with a dot, loops beyond the limit.
fn refused_on_purpose(tree: &IdedExpr, loops: usize) -> bool {
    let loops = loops + usize::from(matches!(tree.expr, Expr::Comprehension(_)));
    let own = match &tree.expr {
        Expr::Struct(_) => true,
        Expr::Ident(name) => name.starts_with('.'),
        Expr::Call(call) => call.func_name.starts_with('.'),
        _ => false,
    };
    own || loops > MAX_COMPREHENSIONS || children(tree).into_iter().any(|c| refused_on_purpose(c, loops))
}

fn agree(source: &str) -> Result<(), String> {
    match (ours(source), oracle(source)) {
        (Ok(a), Some(b)) if a == b => Ok(()),
        (Ok(a), Some(b)) => Err(format!("{source}: {a:?} is not {b:?}")),
        (Ok(_), None) => Err(format!("{source}: cel refuses it")),
        (Err(_), None) => Ok(()),
        (Err(_), Some(tree)) if refused_on_purpose(&tree, 0) => Ok(()),
        (Err(message), Some(_)) => Err(format!("{source}: we refuse it: {message}")),
    }
}

#[test]
fn corners_of_the_grammar_agree() {
    for source in [
        "1",
        "-1",
        "- 1",
        "--1",
        "---1",
        "-a",
        "--a",
        "!a",
        "!!a",
        "!-1",
        "!-a",
        "-!a",
        "-(1)",
        "1 - -1",
        "1-1",
        "1--1",
        "a -1",
        "-1.5",
        "-.5",
        ".5",
        "a.5",
        "1.",
        "1.a",
        "1.e5",
        "1e5",
        "1e",
        "1e+3",
        "1E-3",
        "0x1F",
        "0X1F",
        "0x",
        "0xu",
        "0x1Fu",
        "1u",
        "1U",
        "-1u",
        "1ux",
        "12abc",
        "9223372036854775807",
        "-9223372036854775808",
        "9223372036854775808",
        "--9223372036854775808",
        "18446744073709551615u",
        "18446744073709551616u",
        "1e400",
        "-0x8000000000000000",
        "'a'",
        "\"a\"",
        "''",
        "''''''",
        "'''a'b'''",
        "'''a\nb'''",
        "'a\nb'",
        "r'\\d'",
        "R\"\\\"",
        "r'''\\'''",
        "'\\''",
        "'\\x41\\u00e9\\U0001f431\\101'",
        "'\\ud800'",
        "'\\400'",
        "'\\08'",
        "'\\q'",
        "'\\",
        "b'\\xff'",
        "b'\\u0041'",
        "br'\\x'",
        "rb'x'",
        "B\"é\"",
        "'\\xff'",
        "'a\\\n'",
        "'''a\r\nb\rc'''",
        "\"'\"",
        "'\"'",
        "'a",
        "\"",
        "'''a''",
        "''a''",
        "true",
        "false",
        "null",
        "true.a",
        "a.true",
        "a.in",
        "a.for",
        "for",
        "a.if()",
        "if(a)",
        "in",
        "a in b",
        "a in b in c",
        "ain b",
        "a inb",
        "(a)",
        "((a))",
        "()",
        "(a",
        "a)",
        "(a,b)",
        "[1,2,]",
        "[,]",
        "[1,,]",
        "[]",
        "{}",
        "{,}",
        "{a:1,}",
        "{a:1,,}",
        "{a}",
        "{a:1 b:2}",
        "{a ? b : c : d}",
        "{'a': {'b': [1]}}",
        "f()",
        "f(a,)",
        "f(,)",
        "f(a)(b)",
        "f(a).b(c)[d].e",
        "a[1]",
        "a[]",
        "a[1,2]",
        "a[1][2]",
        "a . b",
        "a.",
        ".a",
        ".a()",
        ".",
        "a..b",
        "a.b{}",
        "A{b:1}",
        "a{",
        "a?b:c",
        "a?b?c:d:e",
        "a?b:c?d:e",
        "a?b",
        "a?:b",
        "(a?b:c)?d:e",
        "a||b||c||d||e",
        "a&&b&&c",
        "a||b&&c",
        "a&&b||c&&d||e",
        "(a||b)||c",
        "a||(b||c)",
        "a<b<c",
        "a==b!=c",
        "a+b*c-d/e%f",
        "a*b+c",
        "a<b+c",
        "!a.b",
        "-a.b",
        "-1.b()",
        "a.size()",
        "has(a.b)",
        "has(a)",
        "has(a.b, c)",
        "has(has(a.b))",
        "has(a['b'])",
        "a.has(b.c)",
        "a.exists(x, x>1)",
        "a.exists(x.y, x)",
        "a.exists(x)",
        "exists(x, y)",
        "a.all(x, x)",
        "a.exists_one(x, x)",
        "a.existsOne(x, x)",
        "a.map(x, x)",
        "a.map(x, x, x)",
        "a.map(x, x, x, x)",
        "a.filter(x, x)",
        "a.filter('x', x)",
        "a.all(true, x)",
        "a.map(x, x.map(y, y))",
        "a.map(x, b.map(y, c.map(z, z)))",
        "a.map(x, a).map(y, b).map(z, c)",
        "// c",
        "a // c",
        "a // c\n + b",
        "a\u{c}b",
        "a\u{b}b",
        "a\u{a0}b",
        "é",
        "a.é",
        "`a`",
        "a.`b`",
        "a.?b",
        "a[?b]",
        "[?a]",
        "{?a:b}",
        "=",
        "a=b",
        "a===b",
        "a!==b",
        "a<>b",
        "a&b",
        "a|b",
        "a and b",
        "not a",
        "@a",
        "a#b",
        "a;b",
        "$a",
        "a\\b",
        "\u{0}",
        "?",
        ":",
        "a ? b : c : d",
        "a b",
        "1 2",
        "'a' 'b'",
        "a.b c.d",
        "a!",
        "a!b",
        "a!!b",
        "!",
        "-",
        "--",
        "a--b",
        "a-",
        "a - - b",
    ] {
        agree(source).unwrap();
    }
}

/// Expressions that the grammar gives.
fn expression() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        "[a-c]",
        "[a-c][.][a-c]",
        "[0-9]{1,3}",
        "0x[0-9a-f]{1,3}",
        "[0-9]u",
        "[0-9][.][0-9]",
        "true",
        "null",
        "'[a-z ]{0,3}'",
        "\"\\\\\\\\n\"",
        "r'\\\\d'",
        "b'x'",
        "'''it's'''",
        "-[1-9]",
    ];
    let space = || prop_oneof![4 => Just(""), 3 => Just(" "), 1 => Just("\n"), 1 => Just(" // é\n")];
    leaf.prop_recursive(5, 40, 4, move |inner| {
        let operators = prop::sample::select(vec![
            "||", "&&", "==", "!=", "<", "<=", ">", ">=", " in ", "+", "-", "*", "/", "%",
        ]);
        let list = prop::collection::vec(inner.clone(), 0..4);
        prop_oneof![
            4 => (inner.clone(), space(), operators, space(), inner.clone())
                .prop_map(|(a, s, o, t, b)| format!("{a}{s}{o}{t}{b}")),
            1 => (inner.clone(), inner.clone(), inner.clone()).prop_map(|(a, b, c)| format!("{a} ? {b} : {c}")),
            1 => inner.clone().prop_map(|a| format!("({a})")),
            1 => inner.clone().prop_map(|a| format!("!({a})")),
            1 => inner.clone().prop_map(|a| format!("-({a})")),
            1 => list.clone().prop_map(|l| format!("[{}]", l.join(","))),
            1 => list.clone().prop_map(|l| format!("f({})", l.join(", "))),
            1 => (inner.clone(), list).prop_map(|(a, l)| format!("({a}).g({})", l.join(","))),
            1 => (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("({a})[{b}]")),
            1 => (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("{{({a}): {b}}}")),
            1 => inner.clone().prop_map(|a| format!("({a}).b.c")),
            1 => Just("has(a.b)".to_owned()),
            2 => (prop::sample::select(vec!["exists", "all", "exists_one", "map", "filter"]), inner.clone(), inner.clone())
                .prop_map(|(m, a, b)| format!("({a}).{m}(x, {b})")),
            1 => (inner.clone(), inner.clone(), inner).prop_map(|(a, b, c)| format!("({a}).map(x, {b}, {c})")),
        ]
    })
}

const TOKENS: [&str; 56] = [
    "a",
    "b.c",
    "x",
    "f(",
    "has(",
    ".exists(x,",
    ".map(x,",
    ".all(",
    "(",
    ")",
    ")",
    "[",
    "]",
    "{",
    "}",
    ".",
    ",",
    ":",
    "?",
    "||",
    "&&",
    "==",
    "!=",
    "<",
    "<=",
    ">",
    ">=",
    "in",
    "+",
    "-",
    "*",
    "/",
    "%",
    "!",
    "1",
    "0x1",
    "2u",
    "1.5",
    "1e3",
    ".5",
    "'s'",
    "\"t\"",
    "'''u'''",
    "r'v'",
    "b'w'",
    "'",
    "\"",
    "\\",
    "true",
    "false",
    "null",
    "for",
    "//",
    "\n",
    "=",
    "&",
];

proptest! {
    #![proptest_config(ProptestConfig { cases: 600, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_the_grammar_gives_has_one_tree(source in expression()) {
        prop_assert!(oracle(&source).is_some() || ours(&source).is_err(), "{source}");
        prop_assert_eq!(agree(&source), Ok(()));
    }

    #[test]
    fn soups_are_taken_or_refused_alike(
        tokens in prop::collection::vec((prop::sample::select(TOKENS.to_vec()), prop::bool::weighted(0.3)), 1..9),
    ) {
        let source: String = tokens.iter().map(|(t, s)| format!("{t}{}", if *s { " " } else { "" })).collect();
        prop_assert_eq!(agree(&source), Ok(()));
    }
}
