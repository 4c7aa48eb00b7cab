//! The names that an expression or template mentions, as paths with their places.

use std::ops::Range;

use cel::IdedExpr;
use cel::common::ast::{Expr, LiteralValue, operators};

use super::cel::{FUNCTIONS, children};
use super::parse::Parsed;

/// `steps.gate.output` as written somewhere.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Name {
    /// From the root down, as far as it is written out.
    pub(crate) path: Vec<String>,
    /// Whether something computed follows: `steps[x]`.
    pub(crate) computed: bool,
    /// Bytes of the expression or template.
    pub(crate) place: Range<usize>,
}

/// What an expression mentions.
#[derive(Debug, Default)]
pub(crate) struct Mentions {
    pub(crate) names: Vec<Name>,
    /// Functions that do not exist here.
    pub(crate) functions: Vec<(String, Range<usize>)>,
}

/// Collects the free names and unknown functions of an expression; names that `exists` and its kin bind are not free.
pub(crate) fn mentions(source: &str, parsed: &Parsed) -> Mentions {
    let mut walk = Walk { source, places: parsed, bound: Vec::new(), found: Mentions::default() };
    walk.node(&parsed.tree);
    walk.found
}

struct Walk<'s> {
    source: &'s str,
    places: &'s Parsed,
    bound: Vec<String>,
    found: Mentions,
}

impl Walk<'_> {
    fn node(&mut self, node: &IdedExpr) {
        if let Some((root, mut path, computed)) = chain(node) {
            path.reverse();
            if !self.bound.contains(&path[0]) && !path[0].starts_with('@') {
                let place = self.place(self.places.place(root).whole.start, &path);
                self.found.names.push(Name { path, computed, place });
            }
            self.indices(node);
            return;
        }
        match &node.expr {
            Expr::Comprehension(c) => {
                self.node(&c.iter_range);
                self.node(&c.accu_init);
                let outer = self.bound.len();
                self.bound.extend([c.iter_var.clone(), c.accu_var.clone()]);
                self.bound.extend(c.iter_var2.clone());
                for part in [&c.loop_cond, &c.loop_step, &c.result] {
                    self.node(part);
                }
                self.bound.truncate(outer);
            }
            Expr::Call(call) => {
                let name = call.func_name.as_str();
                if name.starts_with(|c: char| c.is_ascii_alphabetic()) && !FUNCTIONS.contains(&name) {
                    let place = self.places.place(node).head;
                    self.found.functions.push((name.to_owned(), place));
                }
                children(node).into_iter().for_each(|child| self.node(child));
            }
            _ => children(node).into_iter().for_each(|child| self.node(child)),
        }
    }

    /// The computed indices along a chain hold names of their own.
    fn indices(&mut self, node: &IdedExpr) {
        match &node.expr {
            Expr::Select(select) => self.indices(&select.operand),
            Expr::Call(call) if call.args.len() == 2 => {
                self.indices(&call.args[0]);
                self.node(&call.args[1]);
            }
            _ => {}
        }
    }

    fn place(&self, at: usize, path: &[String]) -> Range<usize> {
        let rest = &self.source[at..];
        let dotted = path.join(".");
        let length = if rest.starts_with(&dotted) { dotted.len() } else { path[0].len().min(rest.len()) };
        at..at + length
    }
}

/// The path of a chain of selections on an identifier, from its end to its root, the identifier's id, and whether a
/// part of the chain is computed (the path then ends before it).
fn chain(node: &IdedExpr) -> Option<(&IdedExpr, Vec<String>, bool)> {
    let (mut node, mut path, mut computed) = (node, Vec::new(), false);
    loop {
        match &node.expr {
            Expr::Ident(name) => {
                path.push(name.clone());
                return Some((node, path, computed));
            }
            Expr::Select(select) => {
                path.push(select.field.clone());
                node = &select.operand;
            }
            Expr::Call(call) if call.func_name == operators::INDEX && call.args.len() == 2 => {
                if let Expr::Literal(LiteralValue::String(key)) = &call.args[1].expr {
                    path.push(key.inner().to_string());
                } else {
                    path.clear();
                    computed = true;
                }
                node = &call.args[0];
            }
            _ => return None,
        }
    }
}

/// Whether an expression mentions nothing: its value is known now.
pub(crate) fn constant(tree: &IdedExpr) -> bool {
    !matches!(tree.expr, Expr::Ident(_)) && children(tree).into_iter().all(constant)
}

/// What an expression plainly gives if it is not a boolean: a literal of another kind, a list, a map.
pub(crate) fn not_boolean(tree: &IdedExpr) -> Option<&'static str> {
    match &tree.expr {
        Expr::Literal(LiteralValue::Boolean(_)) => None,
        Expr::Literal(LiteralValue::String(_)) => Some("text"),
        Expr::Literal(LiteralValue::Null) => Some("nothing"),
        Expr::Literal(_) => Some("a number"),
        Expr::List(_) => Some("a list"),
        Expr::Map(_) | Expr::Struct(_) => Some("a map"),
        Expr::Call(call) if matches!(call.func_name.as_str(), "size" | "int" | "uint" | "double") => {
            Some("a number")
        }
        Expr::Call(call) if call.func_name == "string" => Some("text"),
        _ => None,
    }
}
