//! The tables of docs/chain-language.md, as Markdown. The prose around them is written by hand.

use super::keys::{
    ADVISORIES, CHAIN, CONCURRENCY, DEFAULTS, IMAGES, Key, ON, PARAM, RETRY, SCHEDULE, SCOPE, STEP, Shape,
};
use crate::catalogue::{Catalogue, Param, ParamType, StepKind};
use crate::check::platforms::{ARCHITECTURES, SYSTEMS};
use crate::diagnostics::CODES;
use crate::explain::{self, Language};
use crate::expr::{cel, template};
use crate::limits;
use crate::severity::LEVELS;
use crate::types::{Field, OUTCOMES, TRIGGERS, ValueType, roots};

/// The names of the sections, in the order of the reference.
pub const SECTIONS: [&str; 20] = [
    "document",
    "scope",
    "on",
    "schedule",
    "images",
    "advisories",
    "params",
    "concurrency",
    "defaults",
    "retry",
    "step",
    "kinds",
    "names",
    "functions",
    "helpers",
    "severities",
    "platforms",
    "limits",
    "errors",
    "objections",
];

/// A section's tables as Markdown, ending in a line feed; none: there is no such section.
pub fn section(name: &str, catalogue: &dyn Catalogue) -> Option<String> {
    Some(match name {
        "document" => keys(&CHAIN),
        "scope" => keys(&SCOPE),
        "on" => keys(&ON),
        "schedule" => keys(&SCHEDULE),
        "images" => keys(&IMAGES),
        "advisories" => keys(&ADVISORIES),
        "params" => keys(&PARAM),
        "concurrency" => keys(&CONCURRENCY),
        "defaults" => keys(&DEFAULTS),
        "retry" => keys(&RETRY),
        "step" => keys(&STEP),
        "kinds" => catalogue.kinds().iter().map(|kind| kind_of(*kind)).collect::<Vec<_>>().join("\n"),
        "names" => names(),
        "functions" => words(&cel::FUNCTIONS),
        "helpers" => words(&template::HELPERS),
        "severities" => words(&LEVELS),
        "platforms" => {
            format!("Operating systems: {}\nArchitectures: {}", words(&SYSTEMS), words(&ARCHITECTURES))
        }
        "limits" => bounds(),
        "errors" => errors(&CODES, catalogue),
        "objections" => {
            let codes: Vec<&str> = catalogue.explanations().iter().map(|e| e.code).collect();
            errors(&codes, catalogue)
        }
        _ => return None,
    })
}

fn table(head: &[&str], rows: impl IntoIterator<Item = Vec<String>>) -> String {
    let line = |cells: &[String]| {
        // A bar would end the cell.
        let cells: Vec<String> = cells.iter().map(|c| c.replace('|', r"\|")).collect();
        format!("| {} |\n", cells.join(" | "))
    };
    let head: Vec<String> = head.iter().map(|h| (*h).to_owned()).collect();
    let rule: Vec<String> = head.iter().map(|_| "---".to_owned()).collect();
    let mut out = line(&head) + &line(&rule);
    rows.into_iter().for_each(|row| out.push_str(&line(&row)));
    out
}

fn mono(text: &str) -> String {
    if text.is_empty() { String::new() } else { format!("`{text}`") }
}

fn words(words: &[&str]) -> String {
    let words: Vec<String> = words.iter().map(|w| mono(w)).collect();
    format!("{}\n", words.join(", "))
}

fn default(required: bool, default: Option<&str>) -> String {
    if required { "**must stand**".to_owned() } else { mono(default.unwrap_or_default()) }
}

fn keys(keys: &[Key]) -> String {
    table(
        &["Key", "Type", "Default", "Example", "Meaning"],
        keys.iter().map(|key| {
            vec![
                mono(key.name),
                shape(&key.shape),
                default(key.required, key.default),
                mono(key.example),
                key.summary.to_owned(),
            ]
        }),
    )
}

fn shape(shape: &Shape) -> String {
    match shape {
        Shape::Version => "the number 1".to_owned(),
        Shape::Name => "name".to_owned(),
        Shape::Text => "text".to_owned(),
        Shape::Template => "template".to_owned(),
        Shape::Bool => "boolean".to_owned(),
        Shape::Integer { least, most } => format!("integer, {least} to {most}"),
        Shape::Duration => "duration".to_owned(),
        Shape::Timeout => "duration, not `0s`".to_owned(),
        Shape::Level => "severity".to_owned(),
        Shape::Cron => "cron".to_owned(),
        Shape::Zone => "time zone".to_owned(),
        Shape::Globs => "list of globs".to_owned(),
        Shape::Platforms => "list of platforms".to_owned(),
        Shape::Words(words) => alternatives(words),
        Shape::Values => "list of text or integers".to_owned(),
        Shape::Bound => "integer or duration".to_owned(),
        Shape::Value => "of the `type`".to_owned(),
        Shape::Needs => "list of step names".to_owned(),
        Shape::Kind => "step kind".to_owned(),
        Shape::When => "expression, boolean".to_owned(),
        Shape::With | Shape::Map(_) => "map".to_owned(),
        Shape::MapOrNothing(_) => "map, or nothing".to_owned(),
        Shape::Params => "map of parameters".to_owned(),
        Shape::Steps => "map of steps".to_owned(),
    }
}

fn alternatives(words: &[&str]) -> String {
    words.iter().map(|w| mono(w)).collect::<Vec<_>>().join(" or ")
}

fn kind_of(kind: &dyn StepKind) -> String {
    let mut out = format!("### `{}`\n\nIt {}.\n", kind.name(), kind.summary());
    if kind.denies() {
        out.push_str("It can end as `denied`.\n");
    }
    let (mut rows, mut scopes) = (Vec::new(), Vec::new());
    params("", &kind.params(), &mut rows, &mut scopes);
    if rows.is_empty() {
        out.push_str("\nIt takes no parameters.\n");
    } else {
        out.push_str("\nParameters, under `with`:\n\n");
        out.push_str(&table(&["Key", "Type", "Default", "Example", "Meaning"], rows));
    }
    for (path, fields) in scopes {
        out.push_str(&format!(
            "\nThe expression `{path}` sees, beside a chain's names:\n\n{}",
            outputs(&fields)
        ));
    }
    match kind.outputs().as_slice() {
        [] => out.push_str("\nIt gives no output.\n"),
        fields => {
            out.push_str(&format!("\nOutput, under `steps.NAME.output`:\n\n{}", outputs(fields)));
        }
    }
    out
}

/// Rows for parameters, those inside of others with their path; and the expressions among them that see more names.
fn params(prefix: &str, list: &[Param], rows: &mut Vec<Vec<String>>, scopes: &mut Vec<(String, Vec<Field>)>) {
    for param in list {
        let path = format!("{prefix}{}", param.name);
        rows.push(vec![
            mono(&path),
            param_type(&param.ty),
            default(param.required, param.default),
            mono(param.example.unwrap_or_default()),
            param.summary.to_owned(),
        ]);
        inner(&path, &param.ty, rows, scopes);
    }
}

fn inner(path: &str, ty: &ParamType, rows: &mut Vec<Vec<String>>, scopes: &mut Vec<(String, Vec<Field>)>) {
    match ty {
        ParamType::Map(list) => params(&format!("{path}."), list, rows, scopes),
        ParamType::List(of) | ParamType::OneOrMany(of) => inner(&format!("{path}[]"), of, rows, scopes),
        ParamType::MapOf(of) => inner(&format!("{path}.NAME"), of, rows, scopes),
        ParamType::Expression(fields) if !fields.is_empty() => scopes.push((path.to_owned(), fields.clone())),
        _ => {}
    }
}

fn param_type(ty: &ParamType) -> String {
    match ty {
        ParamType::String => "text".to_owned(),
        ParamType::Bool => "boolean".to_owned(),
        ParamType::Integer { least, most } if *most == i64::MAX => format!("integer, at least {least}"),
        ParamType::Integer { least, most } => format!("integer, {least} to {most}"),
        ParamType::Duration => "duration".to_owned(),
        ParamType::SeverityRule => "severity rule".to_owned(),
        ParamType::Enum(words) => alternatives(words),
        ParamType::Glob => "glob".to_owned(),
        ParamType::Expression(_) => "expression".to_owned(),
        ParamType::List(of) => format!("list: {}", param_type(of)),
        ParamType::OneOrMany(of) => format!("{0}, or a list: {0}", param_type(of)),
        ParamType::Map(_) => "map".to_owned(),
        ParamType::MapOf(of) => format!("map of names: {}", param_type(of)),
    }
}

fn outputs(fields: &[Field]) -> String {
    let (mut rows, mut open) = (Vec::new(), Vec::new());
    for field in fields.iter().rev() {
        open.push((String::new(), field));
    }
    while let Some((prefix, field)) = open.pop() {
        let path = format!("{prefix}{}", field.name);
        rows.push(vec![mono(&path), value_type(&field.ty), field.summary.to_owned()]);
        let (path, of) = match &field.ty {
            ValueType::List(of) => (format!("{path}[]."), &**of),
            ValueType::MapOf(of) => (format!("{path}.NAME."), &**of),
            of => (format!("{path}."), of),
        };
        if let ValueType::Map(fields) = of {
            open.extend(fields.iter().rev().map(|f| (path.clone(), f)));
        }
    }
    table(&["Name", "Type", "Meaning"], rows)
}

fn value_type(ty: &ValueType) -> String {
    match ty {
        ValueType::Any => "any".to_owned(),
        ValueType::Bool => "boolean".to_owned(),
        ValueType::Integer => "integer".to_owned(),
        ValueType::Number => "number".to_owned(),
        ValueType::Text => "text".to_owned(),
        ValueType::List(of) => format!("list: {}", value_type(of)),
        ValueType::Map(_) => "map".to_owned(),
        ValueType::MapOf(of) => format!("map of names: {}", value_type(of)),
    }
}

/// `image`, `run`, `trigger`, and what is known of a step.
fn names() -> String {
    let bools = ["succeeded", "denied", "failed", "skipped"].map(|name| {
        let meaning = format!("the step has ended as `{name}`");
        vec![format!("`steps.NAME.{name}`"), "boolean".to_owned(), meaning]
    });
    let outcomes = OUTCOMES.map(mono).join(", ");
    let rest = [
        vec![mono("steps.NAME.outcome"), "text".to_owned(), format!("one of {outcomes}")],
        vec![
            mono("steps.NAME.output"),
            "map".to_owned(),
            "what its kind gives; empty where it did not run".to_owned(),
        ],
        vec![mono("params.NAME"), "as declared".to_owned(), "the parameter's value in this run".to_owned()],
    ];
    let steps = table(&["Name", "Type", "Meaning"], bools.into_iter().chain(rest));
    let triggers = TRIGGERS.map(mono).join(", ");
    format!("{}\n`trigger.kind` is one of {triggers}.\n\n{steps}", outputs(roots()))
}

fn bounds() -> String {
    let rows = [
        ("Bytes of a file", limits::MAX_BYTES),
        ("Documents of a file", limits::MAX_DOCUMENTS),
        ("Values of a file, copies by alias counted", limits::MAX_NODES),
        ("Bytes of text that aliases may add", limits::MAX_ALIASED_BYTES),
        ("Lists and maps inside each other", limits::MAX_DEPTH),
        ("Steps of a chain", limits::MAX_STEPS),
        ("Bytes of an expression", limits::MAX_EXPRESSION),
        ("Bytes of all expressions of a file", limits::MAX_EXPRESSIONS),
        ("Nested calls and parentheses of an expression", usize::from(limits::MAX_EXPRESSION_DEPTH)),
        ("Levels of the tree of an expression", limits::MAX_EXPRESSION_HEIGHT),
        (
            "`exists`, `all`, `map`, `filter` inside each other, and `each` of a template",
            limits::MAX_COMPREHENSIONS,
        ),
        ("Bytes of a template", limits::MAX_TEMPLATE),
        (
            "Tags times bytes, over all templates of a file that hold more than names",
            limits::MAX_TEMPLATE_WORK,
        ),
        ("Blocks, and parentheses, of a template inside each other", limits::MAX_TEMPLATE_DEPTH),
        ("Bytes that a template may give", limits::MAX_RENDERED),
        ("Bytes of a glob", limits::MAX_GLOB),
        ("Problems that are shown", limits::MAX_DIAGNOSTICS),
        ("Problems of one expression or template that are shown", limits::MAX_COMPLAINTS),
    ];
    table(&["What", "At most"], rows.map(|(what, most)| vec![what.to_owned(), most.to_string()]))
}

fn errors(codes: &[&str], catalogue: &dyn Catalogue) -> String {
    let row = |name: &&str| {
        let told = explain::explain(name, catalogue)?;
        Some(vec![mono(name), told.meaning.in_language(Language::En).to_owned()])
    };
    table(&["Code", "Meaning"], codes.iter().filter_map(row))
}
