//! What operators stand between: literals, names, lists, maps, and what is called, selected or indexed of them.

use std::ops::Range;

use cel::common::ast::{
    CallExpr, EntryExpr, Expr, IdedEntryExpr, ListExpr, LiteralValue, MapEntryExpr, MapExpr, SelectExpr,
    operators,
};

use super::lexer::{Kind, Token};
use super::{Fault, Operand, Parse, Parser, Place, measure};

/// Words that CEL keeps for languages around it.
const RESERVED: [&str; 17] = [
    "as",
    "break",
    "const",
    "continue",
    "else",
    "for",
    "function",
    "if",
    "import",
    "let",
    "loop",
    "package",
    "namespace",
    "return",
    "var",
    "void",
    "while",
];

const OPTIONAL: &str = "optional values are not part of the chain language";
const ASK_FIRST: &str = "ask first: `has(a.b) && a.b == …`";

impl Parser<'_> {
    /// A primary with all that is called, selected or indexed of it; `minus`: the sign of the number that stands next.
    pub(super) fn member(&mut self, minus: Option<Range<usize>>) -> Parse {
        let mut operand = self.primary(minus)?;
        loop {
            if self.at(".") {
                self.advance()?;
                self.no_optional()?;
                if self.token.kind != Kind::Name {
                    return Err(self.expected("a name after the `.`"));
                }
                let name = self.advance()?;
                operand = match self.at("(") {
                    true => self.called(name, Some(operand))?,
                    false => self.selected(operand, &name)?,
                };
            } else if self.at("[") {
                let open = self.opening()?;
                self.no_optional()?;
                let index = self.expression()?;
                self.closing("]", "`]`")?;
                let mut all = self.call(operators::INDEX, open, vec![operand, index])?;
                all.place.end = self.end;
                self.places[all.tree.id as usize].whole.end = self.end;
                operand = all;
            } else {
                return Ok(operand);
            }
        }
    }

    fn no_optional(&self) -> Result<(), Fault> {
        if self.at("?") {
            return Err(Fault::new(self.token.place.clone(), OPTIONAL).hint(ASK_FIRST));
        }
        Ok(())
    }

    fn selected(&mut self, operand: Operand, name: &Token) -> Parse {
        let place = Place { whole: operand.place.start..name.place.end, head: name.place.clone() };
        let field = self.lexer.shown(&name.place).to_owned();
        let select = SelectExpr { operand: Box::new(operand.tree), field, test: false };
        self.operand(Expr::Select(select), place, operand.height + 1, operand.loops)
    }

    /// `name(…)`, or `target.name(…)`.
    fn called(&mut self, name: Token, target: Option<Operand>) -> Parse {
        let start = target.as_ref().map_or(name.place.start, |t| t.place.start);
        self.opening()?;
        let mut args = Vec::new();
        if !self.at(")") {
            loop {
                args.push(self.expression()?);
                if !self.take(",")? {
                    break;
                }
            }
        }
        self.closing(")", "`,` or `)`")?;
        let place = Place { whole: start..self.end, head: name.place.clone() };
        let function = self.lexer.shown(&name.place);
        let (target, args) = match self.macro_call(function, target, args, &place)? {
            Ok(expanded) => return Ok(expanded),
            Err(plain) => plain,
        };
        let (height, loops) = measure(&args);
        let around = target.as_ref().map_or((0, 0), |t| (t.height, t.loops));
        let call = CallExpr {
            func_name: function.to_owned(),
            target: target.map(|t| Box::new(t.tree)),
            args: args.into_iter().map(|a| a.tree).collect(),
        };
        self.operand(Expr::Call(call), place, height.max(around.0) + 1, loops.max(around.1))
    }

    fn primary(&mut self, minus: Option<Range<usize>>) -> Parse {
        let token = self.token.clone();
        let written = self.lexer.shown(&token.place);
        match token.kind {
            Kind::Name => {
                if RESERVED.contains(&written) {
                    let message = format!("`{written}` is a word that CEL keeps for itself");
                    return Err(Fault::new(token.place, message).hint("it can stand as a key: `map['if']`"));
                }
                let name = self.advance()?;
                if self.at("(") {
                    return self.called(name, None);
                }
                self.leaf(Expr::Ident(written.to_owned()), name.place)
            }
            Kind::Bool => self.literal(LiteralValue::Boolean((written == "true").into()), token.place),
            Kind::Null => self.literal(LiteralValue::Null, token.place),
            Kind::Text => {
                let said = std::mem::take(&mut self.lexer.literal).0;
                let Ok(said) = String::from_utf8(said) else {
                    return Err(Fault::new(token.place, "these bytes are no text"));
                };
                self.literal(LiteralValue::String(said.into()), token.place)
            }
            Kind::Bytes => {
                let said = std::mem::take(&mut self.lexer.literal).0;
                self.literal(LiteralValue::Bytes(said.into()), token.place)
            }
            Kind::Int | Kind::Uint | Kind::Float => self.number(&token, written, minus),
            Kind::Sign if written == "(" => {
                let open = self.opening()?;
                let inner = self.expression()?;
                self.closing(")", "`)`")?;
                Ok(Operand { place: open.start..self.end, ..inner })
            }
            Kind::Sign if written == "[" => self.list(),
            Kind::Sign if written == "{" => self.map(),
            Kind::Sign | Kind::End => Err(self.expected("an expression")),
        }
    }

    fn leaf(&mut self, expr: Expr, place: Range<usize>) -> Parse {
        self.operand(expr, Place { whole: place.clone(), head: place }, 1, 0)
    }

    fn literal(&mut self, value: LiteralValue, place: Range<usize>) -> Parse {
        self.advance()?;
        self.leaf(Expr::Literal(value), place)
    }

    fn number(&mut self, token: &Token, written: &str, minus: Option<Range<usize>>) -> Parse {
        let place = minus.as_ref().map_or(token.place.start, |m| m.start)..token.place.end;
        let sign = if minus.is_some() { "-" } else { "" };
        let digits = written.strip_prefix("0x");
        let radix = if digits.is_some() { 16 } else { 10 };
        let digits = digits.unwrap_or(written);
        let value = match token.kind {
            Kind::Float => format!("{sign}{written}")
                .parse()
                .ok()
                .filter(|f: &f64| f.is_finite())
                .map(|f| LiteralValue::Double(f.into())),
            Kind::Uint => {
                let digits = digits.trim_end_matches(['u', 'U']);
                u64::from_str_radix(digits, radix).ok().map(|n| LiteralValue::UInt(n.into()))
            }
            _ => i64::from_str_radix(&format!("{sign}{digits}"), radix)
                .ok()
                .map(|n| LiteralValue::Int(n.into())),
        };
        match value {
            Some(value) => self.literal(value, place),
            None => Err(Fault::new(place, "this number is too large").hint("whole numbers have 64 bits")),
        }
    }

    fn list(&mut self) -> Parse {
        let open = self.opening()?;
        let mut elements = Vec::new();
        while !self.at("]") && !self.at(",") {
            self.no_optional()?;
            elements.push(self.expression()?);
            if !self.at(",") {
                break;
            }
            self.advance()?;
            if self.at(",") {
                return Err(self.expected("an expression"));
            }
        }
        if elements.is_empty() {
            self.take(",")?;
        }
        self.closing("]", "`,` or `]`")?;
        let (height, loops) = measure(&elements);
        let list = ListExpr::new(elements.into_iter().map(|e| e.tree).collect());
        self.operand(Expr::List(list), Place { whole: open.start..self.end, head: open }, height + 1, loops)
    }

    fn map(&mut self) -> Parse {
        let open = self.opening()?;
        let (mut entries, mut height, mut loops) = (Vec::new(), 0, 0);
        while !self.at("}") && !self.at(",") {
            self.no_optional()?;
            let key = self.expression()?;
            if !self.at(":") {
                return Err(self.expected("`:` and a value"));
            }
            let colon = self.advance()?.place;
            let value = self.expression()?;
            height = key.height.max(value.height).max(height);
            loops = key.loops.max(value.loops).max(loops);
            let id = self.places.len() as u64;
            self.places.push(Place { whole: key.place.start..value.place.end, head: colon });
            let entry = MapEntryExpr { key: key.tree, value: value.tree, optional: false };
            entries.push(IdedEntryExpr { id, expr: EntryExpr::MapEntry(entry) });
            if !self.at(",") {
                break;
            }
            self.advance()?;
            if self.at(",") {
                return Err(self.expected("a key"));
            }
        }
        if entries.is_empty() {
            self.take(",")?;
        }
        self.closing("}", "`,` or `}`")?;
        let place = Place { whole: open.start..self.end, head: open };
        self.operand(Expr::Map(MapExpr { entries }), place, height + 1, loops)
    }

    /// Takes the bracket that stands next.
    fn opening(&mut self) -> Result<Range<usize>, Fault> {
        let bracket = match self.lexer.shown(&self.token.place) {
            "(" => "(",
            "[" => "[",
            _ => "{",
        };
        self.open.push((bracket, self.token.place.start));
        Ok(self.advance()?.place)
    }

    fn closing(&mut self, bracket: &str, expected: &str) -> Result<(), Fault> {
        if !self.at(bracket) {
            return Err(self.expected(expected));
        }
        self.open.pop();
        self.advance()?;
        Ok(())
    }
}
