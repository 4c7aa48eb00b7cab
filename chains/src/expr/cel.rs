//! CEL over JSON: what a chain may call, and evaluation.

use std::collections::HashMap;
use std::sync::{Arc, LazyLock};

use cel::common::ast::{EntryExpr, Expr};
use cel::objects::{Key, Map};
use cel::{Context, Env, IdedExpr, Value};
use serde_json::Value as Json;

static ENV: LazyLock<Arc<Env>> = LazyLock::new(|| Arc::new(Env::stdlib()));

/// Functions that a chain may call; the rest of what CEL knows has no use here, or no implementation.
pub(crate) const FUNCTIONS: [&str; 11] =
    ["size", "contains", "startsWith", "endsWith", "int", "uint", "double", "string", "bool", "type", "dyn"];

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

/// Whether an expression mentions nothing: its value is known now.
pub(crate) fn constant(tree: &IdedExpr) -> bool {
    !matches!(tree.expr, Expr::Ident(_)) && children(tree).into_iter().all(constant)
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
