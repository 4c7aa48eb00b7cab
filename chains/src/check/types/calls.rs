//! What functions take and give (CEL's language definition, "List of standard definitions").

use cel::IdedExpr;
use cel::common::ast::CallExpr;

use super::{Inference, Type, mismatch};
use crate::Span;
use crate::diagnostics::{Diagnostic, shown};
use crate::expr::cel::FUNCTIONS;
use crate::suggest::nearest;

/// Those that the parser spells out, with how they are written.
const MACROS: [(&str, &str); 6] = [
    ("has", "has(a.b)"),
    ("exists", "list.exists(x, condition)"),
    ("all", "list.all(x, condition)"),
    ("exists_one", "list.exists_one(x, condition)"),
    ("map", "list.map(x, value)"),
    ("filter", "list.filter(x, condition)"),
];

impl<'t> Inference<'t> {
    pub(super) fn call(&mut self, node: &'t IdedExpr, call: &'t CallExpr) -> Type<'t> {
        if let Some(ty) = self.operator(node, call) {
            return ty;
        }
        let name = call.func_name.as_str();
        if !FUNCTIONS.contains(&name) {
            let problem = unknown(name);
            let head = self.parsed.place(node).head;
            self.found.push((head, problem));
            // What a misspelt `exists` binds is no name of the chain's.
            if !MACROS.iter().any(|(known, _)| Some(*known) == nearest(name, MACROS.map(|m| m.0))) {
                call.target.as_deref().into_iter().chain(&call.args).for_each(|part| drop(self.infer(part)));
            } else if let Some(target) = &call.target {
                self.infer(target);
            }
            return Type::Any;
        }
        let of_text = matches!(name, "contains" | "startsWith" | "endsWith");
        let written = match (name, call.target.is_some()) {
            _ if of_text => format!("`text.{name}('…')`"),
            ("size", true) => "`list.size()`".to_owned(),
            _ => format!("`{name}(value)`"),
        };
        let subject = match (call.target.as_deref(), call.args.as_slice()) {
            (Some(target), [arg]) if of_text => {
                let ty = self.infer(arg);
                self.needs(arg, &ty, ty.is_text(), name, "text");
                target
            }
            (Some(target), []) if name == "size" => target,
            (None, [arg]) if !of_text => arg,
            _ => {
                let message = format!("`{name}` is not called so");
                self.complain(node, mismatch(message, format!("it is written {written}")));
                return Type::Any;
            }
        };
        let ty = self.infer(subject);
        let convertible = ty.is_text() || ty.is_numeric();
        match name {
            "size" => {
                let sized = ty.is_text() || ty.is_map() || matches!(ty, Type::List(_) | Type::Bytes);
                self.needs(subject, &ty, sized, name, "text, a list or a map");
                Type::Integer
            }
            "int" => {
                self.needs(subject, &ty, convertible, name, "a number or text");
                Type::Integer
            }
            "uint" => {
                self.needs(subject, &ty, convertible, name, "a number or text");
                Type::Unsigned
            }
            "double" => {
                self.needs(subject, &ty, convertible, name, "a number or text");
                Type::Number
            }
            "string" => {
                let fits = convertible || matches!(ty, Type::Bool | Type::Bytes);
                self.needs(subject, &ty, fits, name, "a single value");
                Type::Text
            }
            "bool" => {
                self.needs(subject, &ty, ty.is_text() || ty.is_bool(), name, "a boolean or text");
                Type::Bool
            }
            "type" => Type::Kind,
            "dyn" => Type::Any,
            _ => {
                self.needs(subject, &ty, ty.is_text(), name, "text");
                Type::Bool
            }
        }
    }

    fn needs(&mut self, node: &IdedExpr, ty: &Type<'t>, fits: bool, function: &str, expected: &str) {
        if fits {
            return;
        }
        let written = self.written(node);
        let message = format!("`{written}` is {}, where `{function}` needs {expected}", ty.article());
        let hint = match ty {
            Type::List(_) if function == "contains" => {
                format!("a list is asked with `in`: `'…' in {written}`")
            }
            Type::List(_) => format!("look at each element: `{written}.exists(x, …)`"),
            Type::Fields(_) | Type::MapOf(_) => "name one of its fields".to_owned(),
            ty if expected == "text" && ty.is_numeric() => format!("make text of it: `string({written})`"),
            ty => format!("{} is nothing that it can look at", ty.article()),
        };
        self.complain(node, mismatch(message, hint));
    }
}

fn unknown(name: &str) -> Diagnostic {
    if let Some((_, written)) = MACROS.iter().find(|(known, _)| *known == name) {
        return mismatch(format!("`{name}` is not called so"), format!("it is written `{written}`"));
    }
    let error =
        Diagnostic::error("unknown-function", Span::START, format!("unknown function `{}`", shown(name)));
    match name {
        "matches" => {
            error.hint("there are no regular expressions: use `startsWith`, `endsWith` or `contains`")
        }
        "len" | "length" | "count" => error.did_you_mean(Some("size")),
        "includes" => error.did_you_mean(Some("contains")),
        "any" | "some" => error.did_you_mean(Some("exists")),
        "every" => error.did_you_mean(Some("all")),
        _ => error.did_you_mean(nearest(name, FUNCTIONS.into_iter().chain(MACROS.map(|m| m.0)))),
    }
}
