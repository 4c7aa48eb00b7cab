//! CEL behind limits: parsing with places, and evaluation over JSON.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::{Arc, LazyLock};

use cel::common::ast::{EntryExpr, Expr, SourceInfo};
use cel::objects::{Key, Map};
use cel::{Context, Env, IdedExpr, Value};
use serde_json::Value as Json;

use crate::limits::{MAX_COMPREHENSIONS, MAX_EXPRESSION, MAX_EXPRESSION_DEPTH};

static ENV: LazyLock<Arc<Env>> = LazyLock::new(|| Arc::new(Env::stdlib()));

/// Functions that a chain may call; the rest of what CEL knows has no use here, or no implementation.
pub(crate) const FUNCTIONS: [&str; 11] =
    ["size", "contains", "startsWith", "endsWith", "int", "uint", "double", "string", "bool", "type", "dyn"];

/// A parsed expression with the places of its parts.
pub(crate) struct Parsed {
    pub(crate) tree: IdedExpr,
    pub(crate) places: SourceInfo,
}

/// What is wrong, and where in the expression (bytes).
#[derive(Debug)]
pub(crate) struct Fault {
    pub(crate) message: String,
    pub(crate) place: Range<usize>,
}

/// Parses within the limits of length, depth and nested comprehensions.
pub(crate) fn parse(source: &str) -> Result<Parsed, Fault> {
    let whole = 0..source.len();
    if source.trim().is_empty() {
        return Err(Fault { message: "the expression is empty".to_owned(), place: whole });
    }
    if source.len() > MAX_EXPRESSION {
        return Err(Fault {
            message: format!("an expression may have {MAX_EXPRESSION} bytes"),
            place: whole,
        });
    }
    if brackets(source) > usize::from(MAX_EXPRESSION_DEPTH) {
        return Err(Fault { message: "the expression is nested too deeply".to_owned(), place: whole });
    }
    let parser = ENV.parser().max_recursion_depth(MAX_EXPRESSION_DEPTH);
    let (tree, places) = parser.parse_with_source_info(source).map_err(|errors| {
        let first = errors.errors.first();
        let message = first.map_or_else(String::new, |e| plain(&e.msg));
        let at = first.and_then(|e| offset(source, e.pos)).unwrap_or(0);
        Fault { message, place: at..source.len().min(at + 1) }
    })?;
    if comprehensions(&tree) > MAX_COMPREHENSIONS {
        let message = format!(
            "`exists`, `all`, `map` and `filter` may stand inside each other {MAX_COMPREHENSIONS} deep"
        );
        return Err(Fault { message, place: whole });
    }
    Ok(Parsed { tree, places })
}

/// Depth of brackets and runs of prefix signs: what a recursive parser recurses on.
fn brackets(source: &str) -> usize {
    let (mut depth, mut deepest, mut prefixes) = (0_usize, 0, 0);
    for b in source.bytes() {
        match b {
            b'(' | b'[' | b'{' => depth += 1,
            b')' | b']' | b'}' => depth = depth.saturating_sub(1),
            b'!' | b'-' | b'?' => prefixes += 1,
            _ => {}
        }
        deepest = deepest.max(depth);
    }
    deepest.max(prefixes / 4)
}

/// Line (from 1) and column (from 0 or 1, as the parser gives it) as a byte offset.
fn offset(source: &str, (line, column): (isize, isize)) -> Option<usize> {
    let line = usize::try_from(line - 1).ok()?;
    let column = usize::try_from(column - 1).unwrap_or(0);
    let start: usize = source.split_inclusive('\n').take(line).map(str::len).sum();
    let rest = source.get(start..)?;
    Some(start + rest.char_indices().nth(column).map_or(rest.len(), |(i, _)| i))
}

/// The parser's message as a short lowercase fragment.
fn plain(message: &str) -> String {
    let message = message.strip_prefix("Syntax error: ").unwrap_or(message);
    if message.starts_with("OtherError") {
        return "the expression is nested too deeply".to_owned();
    }
    // The list of what might stand here is long and helps nobody.
    let message = message.split(" expecting {").next().unwrap_or(message);
    crate::diagnostics::shown(message)
}

/// How deeply comprehensions stand inside each other. The recursion is bounded by the parser's depth.
fn comprehensions(node: &IdedExpr) -> usize {
    let own = usize::from(matches!(node.expr, Expr::Comprehension(_)));
    own + children(node).into_iter().map(comprehensions).max().unwrap_or(0)
}

/// The parts of an expression.
pub(crate) fn children(node: &IdedExpr) -> Vec<&IdedExpr> {
    match &node.expr {
        Expr::Call(call) => call.target.as_deref().into_iter().chain(&call.args).collect(),
        Expr::Comprehension(c) => {
            vec![&c.iter_range, &c.accu_init, &c.loop_cond, &c.loop_step, &c.result]
        }
        Expr::List(list) => list.elements.iter().collect(),
        Expr::Map(map) => map.entries.iter().flat_map(|e| entry_parts(&e.expr)).collect(),
        Expr::Struct(s) => s.entries.iter().flat_map(|e| entry_parts(&e.expr)).collect(),
        Expr::Select(select) => vec![&select.operand],
        Expr::Unspecified | Expr::Ident(_) | Expr::Literal(_) => Vec::new(),
    }
}

fn entry_parts(entry: &EntryExpr) -> Vec<&IdedExpr> {
    match entry {
        EntryExpr::StructField(field) => vec![&field.value],
        EntryExpr::MapEntry(entry) => vec![&entry.key, &entry.value],
    }
}

/// Evaluates; the reason if it fails.
pub(crate) fn execute(tree: &IdedExpr, context: &Json) -> Result<Value, String> {
    let mut scope = Context::with_env(Arc::clone(&ENV));
    if let Json::Object(names) = context {
        for (name, value) in names {
            scope.add_variable_from_value(name.as_str(), value_of(value));
        }
    }
    Value::resolve(tree, &scope).map_err(|error| reason(&error))
}

/// Errors of evaluation as lowercase fragments that name what is missing, without dumping whole values.
fn reason(error: &cel::ExecutionError) -> String {
    use cel::ExecutionError as E;
    match error {
        E::NoSuchKey(name) => format!("there is no `{name}`"),
        E::UndeclaredReference(name) => format!("unknown name `{name}`"),
        E::NoSuchOverload(overload) => format!("{overload}"),
        E::ValuesNotComparable(a, b) => format!("{} cannot be compared with {}", kind(a), kind(b)),
        E::UnexpectedType { got, want } => format!("expected {want}, found {got}"),
        E::DivisionByZero(_) | E::RemainderByZero(_) => "division by zero".to_owned(),
        E::IndexOutOfBounds(_) => "an index beyond the list".to_owned(),
        other => crate::diagnostics::shown(&other.to_string()),
    }
}

/// JSON as CEL values: whole numbers are `int` where they fit, so that `count > 3` compares like with like.
fn value_of(json: &Json) -> Value {
    match json {
        Json::Null => Value::Null,
        Json::Bool(b) => Value::Bool(*b),
        Json::Number(n) => match (n.as_i64(), n.as_u64()) {
            (Some(i), _) => Value::Int(i),
            (None, Some(u)) => Value::UInt(u),
            (None, None) => Value::Float(n.as_f64().unwrap_or(f64::NAN)),
        },
        Json::String(s) => Value::String(Arc::new(s.clone())),
        Json::Array(items) => Value::List(Arc::new(items.iter().map(value_of).collect())),
        Json::Object(map) => {
            let map: HashMap<Key, Value> =
                map.iter().map(|(k, v)| (Key::String(Arc::new(k.clone())), value_of(v))).collect();
            Value::Map(Map { map: Arc::new(map) })
        }
    }
}

/// What a value is, with its article.
pub(crate) fn kind(value: &Value) -> &'static str {
    match value {
        Value::Bool(_) => "a boolean",
        Value::Int(_) | Value::UInt(_) => "a whole number",
        Value::Float(_) => "a number",
        Value::String(_) => "text",
        Value::Bytes(_) => "bytes",
        Value::List(_) => "a list",
        Value::Map(_) | Value::Struct(_) => "a map",
        Value::Null => "nothing",
        _ => "another kind of value",
    }
}
