//! What to say where something else was expected.

use std::ops::Range;

use super::lexer::{Kind, Token};
use super::{Fault, Parser};
use crate::diagnostics::shown;

/// What people write out of habit, and what CEL writes.
const HABITS: [(&str, &str); 20] = [
    ("and", "&&"),
    ("AND", "&&"),
    ("or", "||"),
    ("OR", "||"),
    ("not", "!"),
    ("NOT", "!"),
    ("is", "=="),
    ("eq", "=="),
    ("ne", "!="),
    ("lt", "<"),
    ("le", "<="),
    ("gt", ">"),
    ("ge", ">="),
    ("then", "? … :"),
    ("===", "=="),
    ("!==", "!="),
    ("<>", "!="),
    ("=>", ">="),
    ("=<", "<="),
    ("=", "=="),
];

impl Fault {
    /// The same, so much further on.
    pub(super) fn moved(mut self, by: usize) -> Fault {
        self.place = self.place.start + by..self.place.end + by;
        self
    }

    fn did_you_mean(self, sign: &str) -> Fault {
        self.hint(format!("did you mean `{sign}`?"))
    }
}

impl Parser<'_> {
    /// The token that stands next is not what was expected.
    pub(super) fn expected(&self, what: &str) -> Fault {
        let place = self.token.place.clone();
        let written = self.lexer.shown(&place);
        let fault = Fault::new(place.clone(), format!("expected {what}, found {}", self.found(&self.token)));
        if let Some(sign) = habit(written) {
            return fault.did_you_mean(sign);
        }
        if place.start == 0 {
            return fault;
        }
        let last = self.lexer.shown(&(0..self.end));
        let word = last.rsplit(|c: char| !c.is_ascii_alphabetic()).next().unwrap_or_default();
        if self.token.kind != Kind::Sign && self.token.kind != Kind::End {
            if let Some(sign @ "!") = habit(word) {
                let at = self.end - word.len();
                return Fault::new(at..self.end, format!("`{word}` is no operator")).did_you_mean(sign);
            }
            if last.ends_with(|c: char| c.is_ascii_digit()) && self.end == place.start {
                return fault.hint("a name cannot begin with a digit; text stands in quotes");
            }
            return fault.hint("between two values stands `&&`, `||`, `==` or another operator");
        }
        if written == "{" {
            return fault.hint("there are no messages here: a map is `{'key': value}`, and stands alone");
        }
        match self.open.last() {
            Some((bracket, at)) if self.token.kind == Kind::End => fault.hint(format!(
                "the `{bracket}` at character {} is still open",
                self.lexer.before(*at).chars().count() + 1
            )),
            None if self.token.kind == Kind::End => {
                let sign = &last[last.trim_end_matches(|c| "&|=!<>+-*/%".contains(c)).len()..];
                match sign.is_empty() {
                    true => fault,
                    false => fault.hint(format!("something must stand after `{sign}`")),
                }
            }
            None if matches!(written, ")" | "]" | "}") => fault.hint("no bracket is open here: remove it"),
            _ => fault,
        }
    }

    /// A `?` without its `:`.
    pub(super) fn no_colon(&self, question: &Range<usize>) -> Fault {
        let at = self.lexer.before(question.start).chars().count() + 1;
        let hint = match self.at("?") {
            true => "a condition inside a condition stands in parentheses".to_owned(),
            false => format!("the `?` at character {at} is written `condition ? value : other`"),
        };
        self.expected("`:` and what holds otherwise").hint(hint)
    }

    /// A token, as messages name it.
    pub(super) fn found(&self, token: &Token) -> String {
        match token.kind {
            Kind::End => "the end".to_owned(),
            _ => format!("`{}`", shown(self.lexer.shown(&token.place))),
        }
    }
}

fn habit(written: &str) -> Option<&'static str> {
    HABITS.iter().find(|(habit, _)| *habit == written).map(|(_, sign)| *sign)
}

/// Whether a sign is the beginning of one that CEL does not have: `===`, `<>`.
pub(super) fn doubled(rest: &str, sign: &str) -> bool {
    let tail = &rest[sign.len()..];
    match sign {
        "==" | "!=" => tail.starts_with('='),
        "<" => tail.starts_with('>'),
        _ => false,
    }
}

/// A character, or some, that no token begins with.
pub(super) fn unknown_sign(rest: &str) -> Fault {
    if let Some((written, sign)) =
        HABITS.iter().find(|(habit, _)| habit.contains(['=', '<']) && rest.starts_with(habit))
    {
        return Fault::new(0..written.len(), format!("`{written}` is no operator")).did_you_mean(sign);
    }
    let Some(c) = rest.chars().next() else { return Fault::new(0..0, "expected more") };
    let fault = |message: &str| Fault::new(0..c.len_utf8(), format!("`{}` {message}", shown(&c.to_string())));
    match c {
        '&' => fault("is no operator").did_you_mean("&&"),
        '|' => fault("is no operator").did_you_mean("||"),
        '“' | '”' | '„' | '«' | '»' => fault("is no quote").did_you_mean("\""),
        '‘' | '’' | '‚' => fault("is no quote").did_you_mean("'"),
        '`' => {
            fault("is no quote").hint("text stands in `'` or `\"`; an odd key is read as `map['odd-key']`")
        }
        '#' => fault("begins nothing").hint("a comment begins with `//`"),
        '$' => fault("begins nothing").hint("a name stands bare: `image.tag`"),
        ';' => fault("ends nothing").hint("there is one expression, without an end mark"),
        c if c.is_alphabetic() => fault("cannot stand in a name").hint("text stands in quotes"),
        c if c.is_whitespace() || crate::diagnostics::unsafe_to_show(c) => {
            fault("cannot be seen").hint("replace it with a space")
        }
        _ => fault("means nothing here").hint("text stands in quotes"),
    }
}
