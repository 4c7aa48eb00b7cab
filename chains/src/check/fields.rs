//! Maps with known keys, and the plain kinds of values under them.

use super::Ctx;
use crate::diagnostics::{Diagnostic, Span, shown};
use crate::schema::keys::Key;
use crate::suggest::nearest;
use crate::yaml::{Content, Entry, Node};

/// A map whose keys have been checked.
pub(super) struct Fields<'n> {
    entries: &'n [Entry],
}

impl<'n> Fields<'n> {
    /// The value of a key; a key without a value counts as absent.
    pub(super) fn get(&self, key: &str) -> Option<&'n Node> {
        self.entry(key).map(|e| &e.value).filter(|n| n.content != Content::Null)
    }

    /// Whether there are keys that are not `known`.
    pub(super) fn unknown(&self, known: &[Key]) -> bool {
        self.entries.iter().any(|e| known.iter().all(|key| key.name != e.key))
    }

    /// Key and value, also where the value is empty.
    pub(super) fn entry(&self, key: &str) -> Option<&'n Entry> {
        self.entries.iter().find(|e| e.key == key)
    }
}

impl Ctx<'_> {
    /// The map's fields; complains about keys that are not `known`. `owner` is for people: "a chain".
    pub(super) fn fields<'n>(&mut self, node: &'n Node, owner: &str, known: &[Key]) -> Option<Fields<'n>> {
        let Content::Map(entries) = &node.content else {
            self.no_map(node, known);
            return None;
        };
        for entry in entries {
            match known.iter().find(|key| key.name == entry.key) {
                None => {
                    let names: Vec<&str> = known.iter().map(|key| key.name).collect();
                    self.unknown_key(entry, owner, &names);
                }
                // Somebody may have commented out what stood there, and believe that nothing is chosen now.
                Some(key) if !key.required && entry.value.content == Content::Null => {
                    let message =
                        format!("`{}` has no value, which means the same as leaving it out", key.name);
                    let warning = Diagnostic::warning("no-value", entry.key_span, message);
                    self.push(warning.hint("remove the key, or give it a value"));
                }
                Some(_) => {}
            }
        }
        Some(Fields { entries })
    }

    /// Where a map with `known` keys is taken, and something else stands.
    pub(super) fn no_map(&mut self, node: &Node, known: &[Key]) {
        let found = match &node.content {
            Content::List(_) | Content::Map(_) | Content::Null => node.kind().to_owned(),
            _ => format!("{}, `{}`", node.kind(), shown(self.written(node))),
        };
        let names: Vec<&str> = known.iter().map(|key| key.name).collect();
        let listed = match &node.content {
            Content::List(items) => items.iter().find_map(Node::text).filter(|t| names.contains(t)),
            _ => node.text().filter(|t| names.contains(t)),
        };
        let hint = match (listed, names.as_slice()) {
            (Some(key), _) => format!("write it as a key: `{key}: …`"),
            (None, []) => "write `{}`".to_owned(),
            (None, names) => format!("write `key: value`, with these keys: {}", names.join(", ")),
        };
        let message = format!("expected a map, found {found}");
        self.push(Diagnostic::error("wrong-type", node.span, message).hint(hint));
    }

    /// The map's entries, whatever their keys.
    pub(super) fn entries<'n>(&mut self, node: &'n Node) -> Option<&'n [Entry]> {
        match &node.content {
            Content::Map(entries) => Some(entries),
            _ => {
                self.wrong_type(node, "a map");
                None
            }
        }
    }

    pub(super) fn unknown_key(&mut self, entry: &Entry, owner: &str, known: &[&str]) {
        let message = format!("unknown key `{}` in {owner}", shown(&entry.key));
        let error = Diagnostic::error("unknown-key", entry.key_span, message);
        if self.sink.is_full() {
            self.push(error);
            return;
        }
        let near = nearest(&entry.key, known.iter().copied());
        self.push(match near {
            Some(_) => error.did_you_mean(near),
            None if known.is_empty() => error.hint("it takes none"),
            None => error.hint(format!("known here: {}", known.join(", "))),
        });
    }

    pub(super) fn missing(&mut self, span: Span, key: &str, owner: &str, hint: &str) {
        let message = format!("{owner} has no `{key}`");
        self.push(Diagnostic::error("missing-key", span, message).hint(hint));
    }

    pub(super) fn text<'n>(&mut self, node: &'n Node) -> Option<&'n str> {
        let text = node.text();
        if text.is_none() {
            self.wrong_type(node, "text");
        }
        text
    }

    pub(super) fn boolean(&mut self, node: &Node) -> Option<bool> {
        if let Content::Bool(value) = node.content {
            return Some(value);
        }
        self.wrong_type(node, "true or false");
        None
    }

    /// A whole number within bounds.
    pub(super) fn integer(&mut self, node: &Node, low: i64, high: i64) -> Option<i64> {
        let Content::Integer(value) = node.content else {
            self.wrong_type(node, "a whole number");
            return None;
        };
        if (low..=high).contains(&value) {
            return Some(value);
        }
        let message = match high {
            i64::MAX => format!("{value} is below {low}"),
            _ => format!("{value} is not within {low} to {high}"),
        };
        self.push(Diagnostic::error("out-of-range", node.span, message));
        None
    }

    pub(super) fn list<'n>(&mut self, node: &'n Node) -> Option<&'n [Node]> {
        if let Content::List(items) = &node.content {
            return Some(items);
        }
        self.wrong_type(node, "a list");
        None
    }

    /// A list of texts with their places.
    pub(super) fn texts<'n>(&mut self, node: &'n Node) -> Vec<(&'n str, &'n Node)> {
        let items = self.list(node).unwrap_or_default();
        items.iter().filter_map(|item| self.text(item).map(|text| (text, item))).collect()
    }

    /// One of some words.
    pub(super) fn word<'w>(&mut self, node: &Node, words: &[&'w str]) -> Option<&'w str> {
        let text = self.text(node)?;
        if let Some(word) = words.iter().find(|w| **w == text) {
            return Some(word);
        }
        self.push(bad_word(node.span, text, words));
        None
    }
}

/// A word that is none of those known.
pub(super) fn bad_word(span: Span, text: &str, words: &[&str]) -> Diagnostic {
    let error = Diagnostic::error("unknown-value", span, format!("unknown value `{}`", shown(text)));
    match nearest(text, words.iter().copied()) {
        None => error.hint(format!("one of: {}", words.join(", "))),
        near => error.did_you_mean(near),
    }
}
