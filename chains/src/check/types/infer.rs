//! The walk over an expression: what type each part has.

use std::rc::Rc;

use cel::IdedExpr;
use cel::common::ast::{CallExpr, ComprehensionExpr, EntryExpr, Expr, LiteralValue, operators};

use super::{Found, Lack, Type, mismatch};
use crate::check::names::{View, lookup, unknown_field};
use crate::diagnostics::{Diagnostic, shown};
use crate::expr::parse::Parsed;
use crate::limits::MAX_COMPLAINTS;
use crate::types::Field;

/// The types of one expression's parts, and what is wrong with them.
pub(in crate::check) struct Inference<'t> {
    pub(super) source: &'t str,
    pub(super) parsed: &'t Parsed,
    pub(super) view: &'t View<'t>,
    /// Names beside a chain's own.
    extra: &'t [Field],
    /// Names that a loop binds, the innermost last.
    bound: Vec<(&'t str, Type<'t>)>,
    pub(super) found: Vec<Found>,
    /// What follows a complaint that explains the rest is not looked at.
    stopped: bool,
}

impl<'t> Inference<'t> {
    /// The type of a whole expression, and what is wrong in it.
    pub(in crate::check) fn run(
        source: &'t str,
        parsed: &'t Parsed,
        view: &'t View<'t>,
        extra: &'t [Field],
    ) -> (Type<'t>, Vec<Found>) {
        let mut inference =
            Inference { source, parsed, view, extra, bound: Vec::new(), found: Vec::new(), stopped: false };
        let ty = inference.infer(&parsed.tree);
        (ty, inference.found)
    }

    pub(super) fn complain(&mut self, node: &IdedExpr, problem: Diagnostic) {
        let place = self.parsed.place(node).whole;
        self.found.push((place, problem));
    }

    /// A part as it is written, for messages.
    pub(super) fn written(&self, node: &IdedExpr) -> String {
        shown(self.source.get(self.parsed.place(node).whole).unwrap_or_default())
    }

    pub(super) fn infer(&mut self, node: &'t IdedExpr) -> Type<'t> {
        if self.stopped || self.found.len() >= MAX_COMPLAINTS {
            return Type::Any;
        }
        if let Some(path) = path(node) {
            return self.named(node, &path);
        }
        match &node.expr {
            Expr::Literal(literal) => of_literal(literal),
            Expr::Select(select) if select.test => {
                if let Some(path) = selected(node) {
                    self.named(node, &path);
                } else {
                    let operand = self.infer(&select.operand);
                    self.field(node, &select.operand, &operand, &select.field);
                }
                Type::Bool
            }
            Expr::Select(select) => {
                let operand = self.infer(&select.operand);
                self.field(node, &select.operand, &operand, &select.field)
            }
            Expr::Call(call) if call.func_name == operators::INDEX && call.args.len() == 2 => {
                self.index(node, call)
            }
            Expr::Call(call) => self.call(node, call),
            Expr::List(list) => {
                let types: Vec<Type<'t>> = list.elements.iter().map(|e| self.infer(e)).collect();
                Type::List(Rc::new(joined(types)))
            }
            Expr::Map(map) => {
                let mut values = Vec::new();
                for entry in &map.entries {
                    let EntryExpr::MapEntry(entry) = &entry.expr else { continue };
                    let key = self.infer(&entry.key);
                    if !(key.is_text() || matches!(key, Type::Bool | Type::Integer | Type::Unsigned)) {
                        let message =
                            format!("`{}` is {}, which is no key", self.written(&entry.key), key.article());
                        self.complain(&entry.key, mismatch(message, "keys are text"));
                    }
                    values.push(self.infer(&entry.value));
                }
                Type::MapOf(Rc::new(joined(values)))
            }
            Expr::Comprehension(comprehension) => self.comprehension(node, comprehension),
            Expr::Ident(_) | Expr::Struct(_) | Expr::Unspecified => Type::Any,
        }
    }

    /// A name, or a chain of selections on one.
    fn named(&mut self, node: &'t IdedExpr, path: &[&'t str]) -> Type<'t> {
        let Some((root, rest)) = path.split_first() else { return Type::Any };
        if root.starts_with('@') {
            return Type::Any;
        }
        if let Some((_, ty)) = self.bound.iter().rev().find(|(name, _)| name == root) {
            let mut ty = ty.clone();
            for (depth, key) in rest.iter().enumerate() {
                match ty.field(key) {
                    Ok(next) => ty = next,
                    Err(lack) => {
                        let (whole, operand) =
                            (upto(node, path.len(), depth + 2), upto(node, path.len(), depth + 1));
                        let problem = self.lacking(operand, &ty, key, &lack);
                        self.complain(whole, problem);
                        return Type::Any;
                    }
                }
            }
            return ty;
        }
        match lookup(path, self.view, self.extra) {
            Ok(ty) => ty,
            Err(unresolved) => {
                let (problem, parts) = *unresolved;
                // What follows the hyphen is no name of its own.
                self.stopped |= problem.code == "hyphen-in-name";
                self.complain(upto(node, path.len(), parts), problem);
                Type::Any
            }
        }
    }

    fn field(&mut self, node: &IdedExpr, operand: &IdedExpr, ty: &Type<'t>, key: &str) -> Type<'t> {
        match ty.field(key) {
            Ok(ty) => ty,
            Err(lack) => {
                let problem = self.lacking(operand, ty, key, &lack);
                self.complain(node, problem);
                Type::Any
            }
        }
    }

    fn lacking(&self, operand: &IdedExpr, ty: &Type<'t>, key: &str, lack: &Lack<'t>) -> Diagnostic {
        let owner = self.written(operand);
        match lack {
            Lack::Unknown(fields) => unknown_field(&format!("`{owner}`"), key, fields, self.view),
            Lack::NoFields => {
                let hint = match ty {
                    Type::List(_) => format!("`{owner}.exists(x, x.{} …)` looks at each element", shown(key)),
                    _ => "only maps have fields".to_owned(),
                };
                mismatch(format!("`{owner}` is {}, which has no field `{}`", ty.article(), shown(key)), hint)
            }
        }
    }

    fn index(&mut self, node: &'t IdedExpr, call: &'t CallExpr) -> Type<'t> {
        let (container, key) = (&call.args[0], &call.args[1]);
        let (of, by) = (self.infer(container), self.infer(key));
        if let (Expr::Literal(LiteralValue::String(name)), true) = (&key.expr, of.is_map()) {
            return self.field(node, container, &of, name.inner());
        }
        let (expected, fits) = match &of {
            Type::Any => return Type::Any,
            Type::List(_) => ("a whole number", by.is_numeric() || matches!(by, Type::Any)),
            Type::Fields(_) | Type::MapOf(_) => ("text", by.is_text()),
            _ => {
                let message = format!(
                    "`{}` is {}, of which no part can be taken",
                    self.written(container),
                    of.article()
                );
                self.complain(node, mismatch(message, "only lists and maps are indexed"));
                return Type::Any;
            }
        };
        if !fits {
            let message = format!("`{}` is {}, where {expected} is needed", self.written(key), by.article());
            self.complain(
                key,
                mismatch(message, format!("`{}` is {}", self.written(container), of.article())),
            );
        }
        match of {
            Type::List(of) | Type::MapOf(of) => (*of).clone(),
            _ => Type::Any,
        }
    }

    /// `exists` and its kin: as the parser has spelt them out.
    fn comprehension(&mut self, node: &'t IdedExpr, loops: &'t ComprehensionExpr) -> Type<'t> {
        let name = shown(self.source.get(self.parsed.place(node).head).unwrap_or_default());
        let element = match self.infer(&loops.iter_range) {
            Type::Any => Type::Any,
            Type::List(of) => (*of).clone(),
            // A map's keys.
            Type::Fields(_) | Type::MapOf(_) => Type::Text,
            other => {
                let message = format!("`{}` is {}", self.written(&loops.iter_range), other.article());
                self.complain(
                    &loops.iter_range,
                    mismatch(message, format!("`{name}` goes over a list, or a map's keys")),
                );
                Type::Any
            }
        };
        self.bound.push((&loops.iter_var, element));
        let gives = match (&loops.accu_init.expr, &loops.loop_step.expr) {
            (Expr::Literal(LiteralValue::Boolean(_)), Expr::Call(step)) if step.args.len() == 2 => {
                self.condition(&step.args[1], &name);
                Type::Bool
            }
            (Expr::Literal(_), Expr::Call(step)) if !step.args.is_empty() => {
                self.condition(&step.args[0], &name);
                Type::Bool
            }
            (Expr::List(_), Expr::Call(step)) => {
                let add = match step.args.as_slice() {
                    [condition, add, _] => {
                        self.condition(condition, &name);
                        &add.expr
                    }
                    _ => &loops.loop_step.expr,
                };
                let value = match add {
                    Expr::Call(add) => match add.args.get(1).map(|list| &list.expr) {
                        Some(Expr::List(list)) => list.elements.first(),
                        _ => None,
                    },
                    _ => None,
                };
                let value = value.map_or(Type::Any, |value| self.infer(value));
                Type::List(Rc::new(value))
            }
            _ => Type::Any,
        };
        self.bound.pop();
        gives
    }
}

/// A type that holds values of all.
fn joined<'t>(types: Vec<Type<'t>>) -> Type<'t> {
    types.into_iter().reduce(|a, b| a.join(&b)).unwrap_or(Type::Any)
}

fn of_literal<'t>(literal: &LiteralValue) -> Type<'t> {
    match literal {
        LiteralValue::Boolean(_) => Type::Bool,
        LiteralValue::Bytes(_) => Type::Bytes,
        LiteralValue::Double(_) => Type::Number,
        LiteralValue::Int(_) => Type::Integer,
        LiteralValue::Null => Type::Null,
        LiteralValue::String(_) => Type::Text,
        LiteralValue::UInt(_) => Type::Unsigned,
    }
}

/// The text of a literal.
pub(super) fn literal_text(node: &IdedExpr) -> Option<&str> {
    match &node.expr {
        Expr::Literal(LiteralValue::String(text)) => Some(text.inner()),
        _ => None,
    }
}

/// What a selection, or an index with a literal key, is made of.
fn part(node: &IdedExpr) -> Option<(&IdedExpr, &str)> {
    match &node.expr {
        Expr::Select(select) => Some((&select.operand, &select.field)),
        Expr::Call(call) if call.func_name == operators::INDEX && call.args.len() == 2 => {
            Some((&call.args[0], literal_text(&call.args[1])?))
        }
        _ => None,
    }
}

/// The whole of a chain of selections on a name, from the name on.
fn path(node: &IdedExpr) -> Option<Vec<&str>> {
    match &node.expr {
        Expr::Select(select) if select.test => None,
        _ => selected(node),
    }
}

/// The same, where the last selection may be a question: `has(a.b)`.
fn selected(node: &IdedExpr) -> Option<Vec<&str>> {
    let (mut at, mut path) = (node, Vec::new());
    while let Some((operand, key)) = part(at) {
        if matches!(&operand.expr, Expr::Select(select) if select.test) {
            return None;
        }
        path.push(key);
        at = operand;
    }
    let Expr::Ident(root) = &at.expr else { return None };
    path.push(root);
    path.reverse();
    Some(path)
}

/// The node of the first `parts` of a chain that has `all`.
fn upto(node: &IdedExpr, all: usize, parts: usize) -> &IdedExpr {
    let mut at = node;
    for _ in parts..all {
        at = part(at).map_or(at, |(operand, _)| operand);
    }
    at
}
