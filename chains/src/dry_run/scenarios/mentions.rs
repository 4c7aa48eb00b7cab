//! The names that an expression mentions, as paths.

use cel::IdedExpr;
use cel::common::ast::{Expr, LiteralValue, operators};

use crate::expr::cel::children;

/// `steps.gate.output` as written somewhere.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Name {
    /// From the root down, as far as it is written out.
    pub(super) path: Vec<String>,
    /// Whether something computed follows: `steps[x]`.
    pub(super) computed: bool,
}

/// Collects the free names of an expression; names that `exists` and its kin bind are not free.
pub(super) fn mentions(tree: &IdedExpr) -> Vec<Name> {
    let mut walk = Walk { bound: Vec::new(), found: Vec::new() };
    walk.node(tree);
    walk.found
}

struct Walk {
    bound: Vec<String>,
    found: Vec<Name>,
}

impl Walk {
    fn node(&mut self, node: &IdedExpr) {
        if let Some((mut path, computed)) = chain(node) {
            path.reverse();
            if !self.bound.contains(&path[0]) && !path[0].starts_with('@') {
                self.found.push(Name { path, computed });
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
}

/// The path of a chain of selections on an identifier, from its end to its root, and whether a part of the chain is computed (the path then ends before it).
fn chain(node: &IdedExpr) -> Option<(Vec<String>, bool)> {
    let (mut node, mut path, mut computed) = (node, Vec::new(), false);
    loop {
        match &node.expr {
            Expr::Ident(name) => {
                path.push(name.clone());
                return Some((path, computed));
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
