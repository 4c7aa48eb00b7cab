//! From trees to plans: the schema of a chain, then what its parts say about each other; every complaint at once.

mod chain;
mod dag;
mod fields;
mod names;
mod objections;
pub(crate) mod params;
pub(crate) mod platforms;
mod scope;
mod steps;
mod triggers;
mod types;
mod values;
mod when;
mod with;

use std::ops::Range;
use std::rc::Rc;

use crate::catalogue::{Catalogue, Param, StepKind};
use crate::diagnostics::{Diagnostic, Sink, Span, shown};
use crate::types::Field;
use crate::yaml::Node;

pub(crate) use chain::compile_document;

/// What every check may look at and write to.
pub(crate) struct Ctx<'c> {
    /// The source, for places inside a value.
    pub(crate) text: &'c str,
    /// The step kinds, each asked once.
    kinds: Vec<Rc<Known>>,
    /// The codes that the catalogue explains.
    explained: Vec<&'static str>,
    /// Where complaints go.
    pub(crate) sink: Sink,
    /// Bytes of expressions parsed so far: parsing is the slowest thing here.
    pub(crate) parsed: usize,
    /// What templates that took the general parser have cost: see [`crate::limits::MAX_TEMPLATE_WORK`].
    pub(crate) templates: usize,
}

/// A step kind and what it says of itself.
pub(crate) struct Known {
    pub(crate) kind: &'static dyn StepKind,
    pub(crate) params: Vec<Param>,
    pub(crate) outputs: Vec<Field>,
}

impl<'c> Ctx<'c> {
    /// Over `text`, with what the catalogue lists.
    pub(crate) fn new(text: &'c str, catalogue: &dyn Catalogue) -> Ctx<'c> {
        let known = |kind: &&'static dyn StepKind| {
            Rc::new(Known { kind: *kind, params: kind.params(), outputs: kind.outputs() })
        };
        let kinds = catalogue.kinds().iter().map(known).collect();
        let explained = catalogue.explanations().iter().map(|e| e.code).collect();
        Ctx { text, kinds, explained, sink: Sink::default(), parsed: 0, templates: 0 }
    }
}

impl<'c> Ctx<'c> {
    fn push(&mut self, diagnostic: Diagnostic) {
        self.sink.push(diagnostic);
    }

    /// A value of the wrong kind. Where quotes would have made it right, the hint says so.
    fn wrong_type(&mut self, node: &Node, expected: &str) {
        let mut found = node.kind().to_owned();
        let written = self.written(node);
        // A template without quotes, which the reader has told.
        if written.starts_with("{{") && matches!(node.content, crate::yaml::Content::Map(_)) {
            return;
        }
        let scalar = !matches!(node.content, crate::yaml::Content::List(_) | crate::yaml::Content::Map(_));
        if scalar && !matches!(node.content, crate::yaml::Content::Null) {
            found = format!("{found}, `{}`", shown(written));
        }
        let mut diagnostic =
            Diagnostic::error("wrong-type", node.span, format!("expected {expected}, found {found}"));
        if expected == "text" && scalar && !matches!(node.content, crate::yaml::Content::Null) {
            diagnostic = diagnostic.hint(format!("put it in quotes: \"{}\"", shown(written)));
        } else if expected == "a list" && scalar {
            diagnostic = diagnostic.hint(format!("put it in brackets: [{}]", shown(written)));
        } else if expected == "a whole number" && scalar {
            diagnostic = diagnostic.hint(decimal(written));
        } else if expected.starts_with("a duration") {
            diagnostic = diagnostic.hint(crate::duration::HINT);
        } else if expected == "true or false" {
            diagnostic = diagnostic
                .hint("`true` and `false` are the only booleans: no quotes, no `yes`, `on` or `True`");
        }
        self.push(diagnostic);
    }

    /// A value as the source spells it.
    fn written(&self, node: &Node) -> &'c str {
        self.text.get(node.span.offset..node.span.offset + node.span.length).unwrap_or_default()
    }

    /// The place of a part of a text value, where the source spells it as it is; else the whole value.
    fn inside(&self, node: &Node, place: Range<usize>) -> Span {
        let whole = node.span;
        let (Some(text), Some(source)) =
            (node.text(), self.text.get(whole.offset..whole.offset + whole.length))
        else {
            return whole;
        };
        let lead = usize::from(source.starts_with(['"', '\'']));
        let verbatim = source.get(lead..).is_some_and(|s| s.starts_with(text)) && !text.contains('\n');
        match text.get(..place.start) {
            Some(before) if verbatim => Span {
                offset: whole.offset + lead + place.start,
                length: place.len(),
                line: whole.line,
                column: whole.column + lead + before.chars().count(),
            },
            _ => whole,
        }
    }
}

/// How a text that looks like a whole number is written as one; empty where it does not.
fn decimal(written: &str) -> String {
    let digits = written.trim_matches(['"', '\'']);
    let whole = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    let based = [("0o", 8), ("0x", 16), ("0b", 2)]
        .into_iter()
        .find_map(|(prefix, base)| i64::from_str_radix(digits.strip_prefix(prefix)?, base).ok());
    if let Some(value) = based {
        return format!("write it in decimal: {value}");
    }
    let plain = digits.replace('_', "");
    if !whole(&plain) || plain.len() > 18 {
        return String::new();
    }
    let short = plain.trim_start_matches('0');
    if short.len() < plain.len() && !short.is_empty() {
        format!("write it without the leading zero: {short} (octal is not read)")
    } else if plain.len() < digits.len() {
        format!("write it without underscores: {plain}")
    } else if digits.len() < written.len() {
        format!("remove the quotes: {plain}")
    } else {
        String::new()
    }
}
