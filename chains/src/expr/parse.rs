//! CEL's grammar (the language definition's section "Syntax") into `cel`'s tree, with the place of every node.
//!
//! The tree is the one that `cel`'s own parser gives, so that its evaluator runs it; ours is some thirty times as fast,
//! and says what it found and what it expected. Not taken, on purpose: message literals, the optional syntax (`a.?b`),
//! names in backticks and names that begin with a dot, for there is nothing here that they could name.

mod complaint;
mod lexer;
mod macros;
mod operand;
mod text;

use std::ops::Range;

use cel::IdedExpr;
use cel::common::ast::{CallExpr, Expr, operators};

use self::lexer::{Kind, Lexer, Token};
use crate::limits::{MAX_COMPREHENSIONS, MAX_EXPRESSION, MAX_EXPRESSION_DEPTH, MAX_EXPRESSION_HEIGHT};

/// A parsed expression with the places of its nodes.
#[derive(Debug)]
pub(crate) struct Parsed {
    pub(crate) tree: IdedExpr,
    places: Vec<Place>,
}

/// Where a node stands, in bytes of the expression.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Place {
    /// All of it.
    pub(crate) whole: Range<usize>,
    /// Its operator, function name or field.
    pub(crate) head: Range<usize>,
}

impl Parsed {
    /// Where a node of the tree stands.
    pub(crate) fn place(&self, node: &IdedExpr) -> Place {
        usize::try_from(node.id).ok().and_then(|id| self.places.get(id)).cloned().unwrap_or_default()
    }
}

/// What is wrong, where in the expression (bytes), and what would make it right.
#[derive(Debug)]
pub(crate) struct Fault {
    pub(crate) message: String,
    pub(crate) place: Range<usize>,
    pub(crate) hint: Option<String>,
}

impl Fault {
    fn new(place: Range<usize>, message: impl Into<String>) -> Fault {
        Fault { message: message.into(), place, hint: None }
    }

    fn hint(mut self, hint: impl Into<String>) -> Fault {
        self.hint = Some(hint.into());
        self
    }
}

/// Parses within the limits of length, depth and nested comprehensions. Never panics; its recursion, and that of
/// whoever walks the tree, is bounded.
pub(crate) fn parse(source: &str) -> Result<Parsed, Fault> {
    let whole = 0..source.len();
    if source.trim().is_empty() {
        return Err(Fault::new(whole, "the expression is empty"));
    }
    if source.len() > MAX_EXPRESSION {
        return Err(Fault::new(whole, format!("an expression may have {MAX_EXPRESSION} bytes")));
    }
    let mut lexer = Lexer::new(source);
    let token = lexer.next()?;
    let mut parser =
        Parser { lexer, token, end: 0, places: vec![Place::default()], depth: 0, open: Vec::new() };
    let all = parser.expression()?;
    if parser.token.kind != Kind::End {
        return Err(parser.expected("an operator or the end"));
    }
    Ok(Parsed { tree: all.tree, places: parser.places })
}

/// A part of an expression on its way up.
struct Operand {
    tree: IdedExpr,
    /// Brackets around it counted.
    place: Range<usize>,
    /// Levels of the tree.
    height: usize,
    /// `exists` and its kin inside each other.
    loops: usize,
}

type Parse = Result<Operand, Fault>;

struct Parser<'s> {
    lexer: Lexer<'s>,
    /// What stands next.
    token: Token,
    /// Where what was taken last ends.
    end: usize,
    /// By node id; ids begin at 1.
    places: Vec<Place>,
    /// Brackets, arguments and arms around what is read.
    depth: u16,
    /// Brackets that are open, for complaints.
    open: Vec<(&'static str, usize)>,
}

/// Operators that take two values, loosest first; those of a level go from left to right.
const LEVELS: [&[(&str, &str)]; 3] = [
    &[
        ("<", operators::LESS),
        ("<=", operators::LESS_EQUALS),
        (">", operators::GREATER),
        (">=", operators::GREATER_EQUALS),
        ("==", operators::EQUALS),
        ("!=", operators::NOT_EQUALS),
        ("in", operators::IN),
    ],
    &[("+", operators::ADD), ("-", operators::SUBSTRACT)],
    &[("*", operators::MULTIPLY), ("/", operators::DIVIDE), ("%", operators::MODULO)],
];

impl Parser<'_> {
    /// Takes the token that stands next.
    fn advance(&mut self) -> Result<Token, Fault> {
        let next = self.lexer.next()?;
        self.end = self.token.place.end;
        Ok(std::mem::replace(&mut self.token, next))
    }

    fn at(&self, sign: &str) -> bool {
        self.token.kind == Kind::Sign && self.lexer.shown(&self.token.place) == sign
    }

    /// Takes a sign if it stands next.
    fn take(&mut self, sign: &str) -> Result<bool, Fault> {
        let found = self.at(sign);
        if found {
            self.advance()?;
        }
        Ok(found)
    }

    /// `a ? b : c`, or what binds closer.
    fn expression(&mut self) -> Parse {
        self.depth += 1;
        if self.depth > MAX_EXPRESSION_DEPTH {
            return Err(too_deep(self.token.place.clone()));
        }
        let condition = self.or()?;
        let all = if self.at("?") {
            let question = self.advance()?.place;
            let yes = self.or()?;
            if !self.take(":")? {
                return Err(self.no_colon(&question));
            }
            let no = self.expression()?;
            self.call(operators::CONDITIONAL, question, vec![condition, yes, no])?
        } else {
            condition
        };
        self.depth -= 1;
        Ok(all)
    }

    fn or(&mut self) -> Parse {
        self.logical("||", operators::LOGICAL_OR, Self::and)
    }

    fn and(&mut self) -> Parse {
        self.logical("&&", operators::LOGICAL_AND, |parser| parser.binary(0))
    }

    /// A run of one logical operator, as a balanced tree: a long run then nests little.
    fn logical(&mut self, sign: &str, function: &str, term: fn(&mut Self) -> Parse) -> Parse {
        let first = term(self)?;
        if !self.at(sign) {
            return Ok(first);
        }
        let (mut terms, mut signs) = (vec![Some(first)], Vec::new());
        while self.at(sign) {
            signs.push(self.advance()?.place);
            terms.push(Some(term(self)?));
        }
        self.balanced(function, &mut terms, &signs)
    }

    /// The terms and the signs between them; halved until a lone term is left.
    fn balanced(&mut self, function: &str, terms: &mut [Option<Operand>], signs: &[Range<usize>]) -> Parse {
        if signs.is_empty() {
            return terms.first_mut().and_then(Option::take).ok_or_else(|| too_deep(0..0));
        }
        let middle = signs.len() / 2;
        let (left, right) = terms.split_at_mut(middle + 1);
        let left = self.balanced(function, left, &signs[..middle])?;
        let right = self.balanced(function, right, &signs[middle + 1..])?;
        self.call(function, signs[middle].clone(), vec![left, right])
    }

    /// The operators of a level and all that bind closer.
    fn binary(&mut self, level: usize) -> Parse {
        let Some(known) = LEVELS.get(level) else { return self.unary() };
        let mut left = self.binary(level + 1)?;
        while self.token.kind == Kind::Sign {
            let sign = self.lexer.shown(&self.token.place);
            let Some((_, function)) = known.iter().find(|(written, _)| *written == sign) else { break };
            let place = self.advance()?.place;
            let right = self.binary(level + 1)?;
            left = self.call(function, place, vec![left, right])?;
        }
        Ok(left)
    }

    /// `!a`, `-a`: two of a kind cancel each other. A lone `-` before a number is the number's.
    fn unary(&mut self) -> Parse {
        let start = self.token.place.clone();
        let (sign, function) = match self.at("!") {
            true => ("!", operators::LOGICAL_NOT),
            false => ("-", operators::NEGATE),
        };
        let mut count = 0;
        while self.take(sign)? {
            count += 1;
        }
        if sign == "-" && count == 1 && matches!(self.token.kind, Kind::Int | Kind::Float) {
            return self.member(Some(start));
        }
        let minus = if sign == "!" && count > 0 && self.at("-") { Some(self.advance()?.place) } else { None };
        if minus.is_some() && !matches!(self.token.kind, Kind::Int | Kind::Float) {
            return Err(self.expected("a number after this `-`"));
        }
        let operand = self.member(minus)?;
        match count % 2 {
            0 => Ok(Operand { place: start.start..operand.place.end, ..operand }),
            _ => self.call(function, start, vec![operand]),
        }
    }

    /// A call of an operator; `place` is the operator's own.
    fn call(&mut self, function: &str, place: Range<usize>, args: Vec<Operand>) -> Parse {
        let start = args.iter().map(|a| a.place.start).chain([place.start]).min().unwrap_or(0);
        let end = args.iter().map(|a| a.place.end).chain([place.end]).max().unwrap_or(0);
        let (height, loops) = measure(&args);
        let args = args.into_iter().map(|a| a.tree).collect();
        let expr = Expr::Call(CallExpr { func_name: function.to_owned(), target: None, args });
        self.operand(expr, Place { whole: start..end, head: place }, height + 1, loops)
    }

    /// A node of its own.
    fn node(&mut self, expr: Expr, place: Place) -> IdedExpr {
        let id = self.places.len() as u64;
        self.places.push(place);
        IdedExpr { id, expr }
    }

    fn operand(&mut self, expr: Expr, place: Place, height: usize, loops: usize) -> Parse {
        if height > MAX_EXPRESSION_HEIGHT {
            return Err(too_deep(place.whole));
        }
        if loops > MAX_COMPREHENSIONS {
            let message = format!(
                "`exists`, `all`, `map` and `filter` may stand inside each other {MAX_COMPREHENSIONS} deep"
            );
            return Err(Fault::new(place.head, message));
        }
        let whole = place.whole.clone();
        Ok(Operand { tree: self.node(expr, place), place: whole, height, loops })
    }
}

/// The most levels, and the most loops inside each other, of some parts.
fn measure(parts: &[Operand]) -> (usize, usize) {
    let height = parts.iter().map(|p| p.height).max().unwrap_or(0);
    (height, parts.iter().map(|p| p.loops).max().unwrap_or(0))
}

fn too_deep(place: Range<usize>) -> Fault {
    Fault::new(place, "the expression is nested too deeply")
}

#[cfg(test)]
mod oracle_tests;
#[cfg(test)]
mod tests;
