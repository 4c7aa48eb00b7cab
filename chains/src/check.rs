//! From trees to plans: the schema of a chain, then what its parts say about each other; every complaint at once.

mod chain;
mod dag;
mod fields;
mod names;
mod objections;
mod params;
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
        Ctx { text, kinds, sink: Sink::default(), parsed: 0, templates: 0 }
    }
}

impl Ctx<'_> {
    fn push(&mut self, diagnostic: Diagnostic) {
        self.sink.push(diagnostic);
    }

    /// A value of the wrong kind. Where quotes would have made it right, the hint says so.
    fn wrong_type(&mut self, node: &Node, expected: &str) {
        let mut found = node.kind().to_owned();
        let written =
            self.text.get(node.span.offset..node.span.offset + node.span.length).unwrap_or_default();
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
        } else if expected.starts_with("a duration") {
            diagnostic = diagnostic.hint(crate::duration::HINT);
        } else if expected == "true or false" {
            diagnostic = diagnostic
                .hint("`true` and `false` are the only booleans: no quotes, no `yes`, `on` or `True`");
        }
        self.push(diagnostic);
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
