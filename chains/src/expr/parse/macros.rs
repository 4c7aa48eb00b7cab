//! `has`, `exists`, `all`, `exists_one`, `map`, `filter` (CEL's language definition, "Macros"): what they stand for.

use cel::IdedExpr;
use cel::common::ast::{CallExpr, ComprehensionExpr, Expr, ListExpr, LiteralValue, operators};

use super::{Fault, Operand, Parser, Place};

/// What a loop gathers in. No name of a source can be spelt so.
const RESULT: &str = "@result";
/// Levels that the loop itself adds above what stands in it.
const LEVELS: usize = 5;

/// A call that is no macro, handed back.
type Plain = (Option<Operand>, Vec<Operand>);

impl Parser<'_> {
    /// What a macro stands for; a call that is none comes back as it is.
    pub(super) fn macro_call(
        &mut self,
        function: &str,
        target: Option<Operand>,
        mut args: Vec<Operand>,
        place: &Place,
    ) -> Result<Result<Operand, Plain>, Fault> {
        match (function, &target, args.len()) {
            (operators::HAS, None, 1) => {
                let Some(arg) = args.pop() else { return Ok(Err((target, args))) };
                return self.has(arg, place).map(Ok);
            }
            (
                operators::EXISTS | operators::ALL | operators::EXISTS_ONE | "existsOne" | operators::FILTER,
                Some(_),
                2,
            )
            | (operators::MAP, Some(_), 2 | 3) => {}
            _ => return Ok(Err((target, args))),
        }
        let (Some(body), Some(range)) = (args.pop(), target) else { return Ok(Err((None, args))) };
        let between = if args.len() == 2 { args.pop() } else { None };
        let Some(variable) = args.pop() else { return Ok(Err((Some(range), args))) };
        let Expr::Ident(name) = &variable.tree.expr else {
            let message = format!("`{function}` takes a name first, for each element in turn");
            return Err(
                Fault::new(variable.place, message).hint(format!("such as `list.{function}(x, x …)`"))
            );
        };
        let name = name.clone();
        let parts = [Some(&range), Some(&body), between.as_ref()];
        let height = parts.iter().flatten().map(|p| p.height).max().unwrap_or(0) + LEVELS;
        let loops = range.loops.max(body.loops + 1).max(between.as_ref().map_or(0, |b| b.loops + 1));
        let mut new = Expansion { parser: self, place };
        let parts = match function {
            operators::EXISTS => new.exists(body.tree),
            operators::ALL => new.all(body.tree),
            operators::MAP => new.map(body.tree, between.map(|b| b.tree)),
            operators::FILTER => new.map(variable.tree, Some(body.tree)),
            _ => new.exists_one(body.tree),
        };
        let [accu_init, loop_cond, loop_step, result] = parts;
        let comprehension = ComprehensionExpr {
            iter_range: range.tree,
            iter_var: name,
            iter_var2: None,
            accu_var: RESULT.to_owned(),
            accu_init,
            loop_cond,
            loop_step,
            result,
        };
        self.operand(Expr::Comprehension(Box::new(comprehension)), place.clone(), height, loops).map(Ok)
    }

    /// `has(a.b)`: the selection, as a question.
    fn has(&mut self, arg: Operand, place: &Place) -> Result<Operand, Fault> {
        let Expr::Select(mut select) = arg.tree.expr else {
            return Err(Fault::new(arg.place, "`has` asks for a field of something")
                .hint("such as `has(steps.gate.output.total)`; for other keys: `'key' in map`"));
        };
        select.test = true;
        self.operand(Expr::Select(select), place.clone(), arg.height, arg.loops)
    }
}

/// Makes the nodes that the source does not spell out; all stand where the call does.
struct Expansion<'p, 's> {
    parser: &'p mut Parser<'s>,
    place: &'p Place,
}

impl Expansion<'_, '_> {
    fn node(&mut self, expr: Expr) -> IdedExpr {
        self.parser.node(expr, self.place.clone())
    }

    fn gathered(&mut self) -> IdedExpr {
        self.node(Expr::Ident(RESULT.to_owned()))
    }

    fn boolean(&mut self, value: bool) -> IdedExpr {
        self.node(Expr::Literal(LiteralValue::Boolean(value.into())))
    }

    fn integer(&mut self, value: i64) -> IdedExpr {
        self.node(Expr::Literal(LiteralValue::Int(value.into())))
    }

    fn list(&mut self, elements: Vec<IdedExpr>) -> IdedExpr {
        self.node(Expr::List(ListExpr::new(elements)))
    }

    fn call(&mut self, function: &str, args: Vec<IdedExpr>) -> IdedExpr {
        self.node(Expr::Call(CallExpr { func_name: function.to_owned(), target: None, args }))
    }

    /// Goes on until one is true.
    fn exists(&mut self, condition: IdedExpr) -> [IdedExpr; 4] {
        let gathered = self.gathered();
        let open = self.call(operators::LOGICAL_NOT, vec![gathered]);
        let first = self.gathered();
        [
            self.boolean(false),
            self.call(operators::NOT_STRICTLY_FALSE, vec![open]),
            self.call(operators::LOGICAL_OR, vec![first, condition]),
            self.gathered(),
        ]
    }

    /// Goes on until one is false.
    fn all(&mut self, condition: IdedExpr) -> [IdedExpr; 4] {
        let (gathered, first) = (self.gathered(), self.gathered());
        [
            self.boolean(true),
            self.call(operators::NOT_STRICTLY_FALSE, vec![gathered]),
            self.call(operators::LOGICAL_AND, vec![first, condition]),
            self.gathered(),
        ]
    }

    /// Counts.
    fn exists_one(&mut self, condition: IdedExpr) -> [IdedExpr; 4] {
        let counted = vec![self.gathered(), self.integer(1)];
        let (more, same) = (self.call(operators::ADD, counted), self.gathered());
        let one = vec![self.gathered(), self.integer(1)];
        [
            self.integer(0),
            self.boolean(true),
            self.call(operators::CONDITIONAL, vec![condition, more, same]),
            self.call(operators::EQUALS, one),
        ]
    }

    /// Gathers `value` of each, or of those of which `condition` holds.
    fn map(&mut self, value: IdedExpr, condition: Option<IdedExpr>) -> [IdedExpr; 4] {
        let longer = vec![self.gathered(), self.list(vec![value])];
        let longer = self.call(operators::ADD, longer);
        let step = match condition {
            Some(condition) => {
                let same = self.gathered();
                self.call(operators::CONDITIONAL, vec![condition, longer, same])
            }
            None => longer,
        };
        [self.list(Vec::new()), self.boolean(true), step, self.gathered()]
    }
}
