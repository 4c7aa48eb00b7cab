//! What operators take and give (CEL's language definition, "List of standard definitions").

use cel::IdedExpr;
use cel::common::ast::{CallExpr, Expr, LiteralValue, operators};

use super::infer::literal_text;
use super::{Inference, Type, Words, mismatch};
use crate::check::names::not_one_of;
use crate::diagnostics::shown;
use crate::severity;

/// As people write an operator.
fn sign(function: &str) -> &str {
    match function {
        operators::IN => "in",
        operators::CONDITIONAL => "?",
        other => other.trim_matches('_'),
    }
}

impl<'t> Inference<'t> {
    /// What an operator gives; none: the function is no operator.
    pub(super) fn operator(&mut self, node: &'t IdedExpr, call: &'t CallExpr) -> Option<Type<'t>> {
        let function = call.func_name.as_str();
        Some(match (function, call.args.as_slice()) {
            (operators::LOGICAL_AND | operators::LOGICAL_OR, [a, b]) => {
                self.condition(a, sign(function));
                self.condition(b, sign(function));
                Type::Bool
            }
            (operators::LOGICAL_NOT, [a]) => {
                self.condition(a, "!");
                Type::Bool
            }
            (operators::CONDITIONAL, [condition, yes, no]) => {
                self.condition(condition, "?");
                let (a, b) = (self.infer(yes), self.infer(no));
                if !a.may_equal(&b) {
                    let message = format!(
                        "the arms differ: `{}` is {}, `{}` is {}",
                        self.written(yes),
                        a.article(),
                        self.written(no),
                        b.article()
                    );
                    self.complain(node, mismatch(message, "both arms give values of one type"));
                }
                a.join(&b)
            }
            (operators::EQUALS | operators::NOT_EQUALS, [a, b]) => {
                let types = (self.infer(a), self.infer(b));
                self.equal(node, (a, &types.0), (b, &types.1));
                Type::Bool
            }
            (
                operators::LESS | operators::LESS_EQUALS | operators::GREATER | operators::GREATER_EQUALS,
                [a, b],
            ) => {
                let types = (self.infer(a), self.infer(b));
                self.ordered(node, (a, &types.0), (b, &types.1));
                Type::Bool
            }
            (operators::IN, [a, b]) => {
                let types = (self.infer(a), self.infer(b));
                self.within(node, (a, &types.0), (b, &types.1));
                Type::Bool
            }
            (operators::NEGATE, [a]) => {
                let ty = self.infer(a);
                if !matches!(ty, Type::Any | Type::Integer | Type::Number) {
                    let message =
                        format!("`{}` is {}, where `-` needs a number", self.written(a), ty.article());
                    self.complain(a, mismatch(message, "`!` turns true and false round"));
                    return Some(Type::Any);
                }
                ty
            }
            (
                operators::ADD
                | operators::SUBSTRACT
                | operators::MULTIPLY
                | operators::DIVIDE
                | operators::MODULO,
                [a, b],
            ) => {
                let types = (self.infer(a), self.infer(b));
                self.arithmetic(node, sign(function), (a, types.0), (b, types.1))
            }
            _ => return None,
        })
    }

    /// A part that must be true or false; `owner` asks for it.
    pub(super) fn condition(&mut self, node: &'t IdedExpr, owner: &str) {
        let ty = self.infer(node);
        if ty.is_bool() {
            return;
        }
        let written = self.written(node);
        let message = format!("`{written}` is {}, where `{owner}` needs true or false", ty.article());
        let hint = match ty {
            Type::Text | Type::Word(_) => format!("compare it: `{written} == '…'`"),
            Type::Integer | Type::Unsigned | Type::Number => format!("compare it: `{written} > 0`"),
            Type::List(_) => format!("ask how many there are: `size({written}) > 0`"),
            Type::Fields(_) | Type::MapOf(_) => "name one of its fields".to_owned(),
            _ => "compare it with something".to_owned(),
        };
        self.complain(node, mismatch(message, hint));
    }

    fn equal(&mut self, node: &IdedExpr, a: (&IdedExpr, &Type<'t>), b: (&IdedExpr, &Type<'t>)) {
        for (one, other) in [(a, b), (b, a)] {
            if let (Type::Word(words), Some(text)) = (one.1, literal_text(other.0)) {
                self.word(one.0, *words, other.0, text);
                return;
            }
        }
        if !a.1.may_equal(b.1) {
            self.incomparable(node, a, b);
        }
    }

    /// A word that the other side can never be.
    fn word(&mut self, owner: &IdedExpr, words: Words<'t>, literal: &IdedExpr, text: &str) {
        let words = words.all();
        if !words.contains(&text) {
            let message = format!("`{}` is never `{}`", self.written(owner), shown(text));
            self.complain(literal, not_one_of(message, text, &words, self.view));
        }
    }

    fn ordered(&mut self, node: &IdedExpr, a: (&IdedExpr, &Type<'t>), b: (&IdedExpr, &Type<'t>)) {
        let level =
            [a.0, b.0].into_iter().find(|n| literal_text(n).is_some_and(|t| severity::LEVELS.contains(&t)));
        if let (Some(level), true) = (level, a.1.is_text() && b.1.is_text()) {
            let message = format!("text is ordered by its letters: {} has no rank here", self.written(level));
            let hint = "name the levels: `in ['high', 'critical']`; a gate's rule `severity: '>= high'` knows their order";
            self.complain(node, mismatch(message, hint));
            return;
        }
        let fits = match (a.1, b.1) {
            (Type::Any, other) | (other, Type::Any) => {
                other.is_numeric() || other.is_text() || matches!(other, Type::Bool | Type::Bytes)
            }
            (Type::Bytes, Type::Bytes) | (Type::Bool, Type::Bool) => true,
            (one, other) => one.is_numeric() && other.is_numeric() || one.is_text() && other.is_text(),
        };
        if !fits {
            self.incomparable(node, a, b);
        }
    }

    /// Two sides that cannot be compared: names that which is no literal first.
    fn incomparable(&mut self, node: &IdedExpr, a: (&IdedExpr, &Type<'t>), b: (&IdedExpr, &Type<'t>)) {
        let (one, other) = match matches!(a.0.expr, Expr::Literal(_)) {
            true => (b, a),
            false => (a, b),
        };
        let (name, written) = (self.written(one.0), self.written(other.0));
        let message = match one.1.article() == other.1.article() {
            true => format!("`{name}` and `{written}` are both {}, which has no order", one.1.article()),
            false => format!("`{name}` is {}, compared with {}", one.1.article(), other.1.article()),
        };
        let is_comparison = |n: &IdedExpr| matches!(&n.expr, Expr::Call(c) if matches!(c.func_name.as_str(), operators::LESS | operators::LESS_EQUALS | operators::GREATER | operators::GREATER_EQUALS | operators::EQUALS));
        let hint = match (one.1, other.1, literal_text(other.0)) {
            (ty, _, Some(text)) if ty.is_numeric() && text.parse::<f64>().is_ok() => {
                format!("write the number without quotes: `{}`", shown(text))
            }
            (Type::Bool, _, Some(text @ ("true" | "false"))) => format!("write `{text}` without quotes"),
            (Type::Bool, ..) | (_, Type::Bool, _) if is_comparison(a.0) => {
                "compare twice: `a < b && b < c`".to_owned()
            }
            (Type::Bool, ..) => format!("it stands by itself: `{name}`, or `!{name}`"),
            (Type::Text | Type::Word(_), ..) if matches!(&other.0.expr, Expr::Literal(l) if !matches!(l, LiteralValue::Null)) =>
            {
                format!("put it in quotes: `'{written}'`")
            }
            (Type::List(_), ty, _) if !matches!(ty, Type::List(_)) => {
                format!(
                    "`{written} in {name}` asks whether it is one of them; `size({name})` is how many there are"
                )
            }
            (Type::Fields(_) | Type::MapOf(_), ..) => "name one of its fields".to_owned(),
            (ty, Type::Text | Type::Word(_), _) if ty.is_numeric() => {
                format!("make text of it: `string({name})`")
            }
            (Type::Text | Type::Word(_), ty, _) if ty.is_numeric() => {
                format!("make text of the other: `string({written})`")
            }
            _ => "both sides must be of one type".to_owned(),
        };
        self.complain(node, mismatch(message, hint));
    }

    fn within(&mut self, node: &IdedExpr, a: (&IdedExpr, &Type<'t>), b: (&IdedExpr, &Type<'t>)) {
        if let (Type::Word(words), Expr::List(list)) = (a.1, &b.0.expr) {
            for element in &list.elements {
                if let Some(text) = literal_text(element) {
                    self.word(a.0, *words, element, text);
                }
            }
        }
        let (one, other) = (self.written(a.0), self.written(b.0));
        let problem = match b.1 {
            Type::Any => return,
            Type::List(of) if of.may_equal(a.1) => return,
            Type::List(of) => mismatch(
                format!("`{one}` is {}, looked for in a list of {}", a.1.article(), plural(of)),
                "a list holds only values of its own type",
            ),
            Type::Fields(_) | Type::MapOf(_) if a.1.is_text() => return,
            Type::Fields(_) | Type::MapOf(_) => mismatch(
                format!("`{one}` is {}, looked for in a map", a.1.article()),
                "the keys of a map are text",
            ),
            ty => mismatch(
                format!("`{other}` is {}, where `in` needs a list or a map", ty.article()),
                match ty.is_text() {
                    true => format!("ask the text: `{other}.contains({one})`"),
                    false => format!("put it in brackets: `{one} in [{other}]`"),
                },
            ),
        };
        self.complain(node, problem);
    }

    fn arithmetic(
        &mut self,
        node: &IdedExpr,
        sign: &str,
        (left, a): (&IdedExpr, Type<'t>),
        (right, b): (&IdedExpr, Type<'t>),
    ) -> Type<'t> {
        let takes = |ty: &Type<'_>| match ty {
            Type::Any | Type::Integer | Type::Unsigned => true,
            Type::Number => sign != "%",
            Type::Text | Type::Word(_) | Type::Bytes | Type::List(_) => sign == "+",
            _ => false,
        };
        if let Some((part, ty)) = [(left, &a), (right, &b)].into_iter().find(|(_, ty)| !takes(ty)) {
            let needs = match sign {
                "+" => "numbers, text or lists",
                "%" => "whole numbers",
                _ => "numbers",
            };
            let message =
                format!("`{}` is {}, where `{sign}` needs {needs}", self.written(part), ty.article());
            self.complain(part, mismatch(message, "make a value of the right type of it, or leave it out"));
            return Type::Any;
        }
        match (&a, &b) {
            (Type::Any, _) | (_, Type::Any) => Type::Any,
            (Type::List(_), Type::List(_))
            | (Type::Text | Type::Word(_), Type::Text | Type::Word(_))
            | (Type::Integer, Type::Integer)
            | (Type::Unsigned, Type::Unsigned)
            | (Type::Bytes, Type::Bytes)
            | (Type::Number, Type::Number) => a.join(&b),
            _ => {
                let (one, other) = (self.written(left), self.written(right));
                let message = format!(
                    "`{sign}` takes two values of one type: `{one}` is {}, `{other}` is {}",
                    a.article(),
                    b.article()
                );
                let hint = match (&a, &b) {
                    (a, b) if a.is_numeric() && b.is_numeric() => {
                        let whole = if matches!(a, Type::Number) { other } else { one };
                        format!("make a number of the whole one: `double({whole})`")
                    }
                    (a, _) if a.is_text() => format!("make text of the other: `string({other})`"),
                    (_, b) if b.is_text() => format!("make text of the other: `string({one})`"),
                    _ => "both sides must be of one type".to_owned(),
                };
                self.complain(node, mismatch(message, hint));
                Type::Any
            }
        }
    }
}

/// Many of a type, as messages name them.
fn plural(ty: &Type<'_>) -> &'static str {
    match ty {
        Type::Bool => "booleans",
        Type::Integer | Type::Unsigned => "whole numbers",
        Type::Number => "numbers",
        Type::Text | Type::Word(_) => "text",
        Type::Bytes => "bytes",
        Type::List(_) => "lists",
        Type::Fields(_) | Type::MapOf(_) => "maps",
        Type::Any | Type::Null | Type::Kind => "other values",
    }
}
