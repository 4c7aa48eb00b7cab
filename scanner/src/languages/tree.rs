//! JSON, YAML and TOML as one kind of tree, with a bound on how many values it has.

use std::{borrow::Cow, fmt};

use granit_parser::{Event, Parser};
use serde::de::{self, DeserializeSeed, MapAccess, SeqAccess, Visitor};

use super::{Unreadable, limits};

/// A value of a document. Numbers are texts: no version is one.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) enum Node<'a> {
    #[default]
    Null,
    Flag(bool),
    Text(Cow<'a, str>),
    List(Vec<Node<'a>>),
    /// In the order of the document; of a key that stands twice both are there.
    Map(Vec<(Cow<'a, str>, Node<'a>)>),
}

impl<'a> Node<'a> {
    /// A map's value; of a key that stands twice the last one, as JavaScript has it.
    pub(crate) fn get(&self, key: &str) -> &Node<'a> {
        const NULL: &Node<'static> = &Node::Null;
        match self {
            Node::Map(entries) => entries.iter().rev().find(|(k, _)| k == key).map_or(NULL, |(_, v)| v),
            _ => NULL,
        }
    }
    /// The text of a value that is one; empty for all else.
    pub(crate) fn text(&self) -> &str {
        match self {
            Node::Text(text) => text,
            _ => "",
        }
    }
    /// Whether it is there and true.
    pub(crate) fn is_true(&self) -> bool {
        matches!(self, Node::Flag(true))
    }
    /// Values of a list; none for all else.
    pub(crate) fn items(&self) -> &[Node<'a>] {
        match self {
            Node::List(items) => items,
            _ => &[],
        }
    }
    /// Keys and values of a map; none for all else.
    pub(crate) fn entries(&self) -> &[(Cow<'a, str>, Node<'a>)] {
        match self {
            Node::Map(entries) => entries,
            _ => &[],
        }
    }
    /// Something stands there.
    pub(crate) fn is_there(&self) -> bool {
        !matches!(self, Node::Null)
    }
    /// A document of anything but a map is no lock file.
    fn into_document(self) -> Result<Self, Unreadable> {
        match self {
            Node::Map(_) | Node::List(_) => Ok(self),
            _ => Err(Unreadable::new("line 1: it is neither a map nor a list")),
        }
    }
}

/// RFC 8259. Texts without escapes stay where they are.
pub(super) fn json(bytes: &[u8]) -> Result<Node<'_>, Unreadable> {
    json_of(bytes, limits::languages().values)
}

/// The same with so many values, keys not counted.
pub(crate) fn json_of(bytes: &[u8], values: usize) -> Result<Node<'_>, Unreadable> {
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    let mut left = values;
    let mut reader = serde_json::Deserializer::from_slice(bytes);
    let fail = |e: serde_json::Error| Unreadable::line(e.line(), format_args!("it is no JSON: {e}"));
    let node = Seed(&mut left).deserialize(&mut reader).map_err(fail)?;
    reader.end().map_err(fail)?;
    node.into_document()
}

/// JSON with comments and commas before closing brackets, as bun writes it: both are blanked first.
pub(super) fn jsonc(bytes: &[u8]) -> Vec<u8> {
    let mut out = bytes.to_vec();
    let mut comma = None;
    let mut at = 0;
    while at < out.len() {
        match out[at] {
            b'"' => {
                comma = None;
                at += 1;
                while at < out.len() && out[at] != b'"' {
                    at += if out[at] == b'\\' { 2 } else { 1 };
                }
            }
            b'/' if out.get(at + 1) == Some(&b'/') => {
                while at < out.len() && out[at] != b'\n' {
                    out[at] = b' ';
                    at += 1;
                }
            }
            b'/' if out.get(at + 1) == Some(&b'*') => {
                let end = out[at + 2..].windows(2).position(|w| w == b"*/").map_or(out.len(), |e| at + e + 4);
                out[at..end].iter_mut().filter(|b| **b != b'\n').for_each(|b| *b = b' ');
                at = end;
                continue;
            }
            b',' => comma = Some(at),
            b'}' | b']' => {
                if let Some(comma) = comma.take() {
                    out[comma] = b' ';
                }
            }
            b if !b.is_ascii_whitespace() => comma = None,
            _ => {}
        }
        at += 1;
    }
    out
}

/// A lock file in TOML 1.0: what is no package, and the packages, which are the tables of one array.
///
/// Its reader keeps a multiple of the text, so every package is read by itself. What
/// `[metadata]` holds are hashes; nobody asks for them, and they are not read.
pub(super) fn toml<'a>(text: &'a str, array: &str) -> Result<(Node<'a>, Vec<Node<'a>>), Unreadable> {
    let (mut head, mut packages) = (Vec::new(), Vec::new());
    let mut left = limits::languages().values;
    for (line, table) in tables(text, array) {
        if table.starts_with("[metadata") {
            continue;
        }
        let fail = |e: toml::de::Error| {
            let before = e.span().and_then(|s| table.as_bytes().get(..s.start)).unwrap_or_default();
            let inside = before.iter().filter(|b| **b == b'\n').count();
            Unreadable::line(line + inside, format_args!("it is no TOML: {}", e.message()))
        };
        if table.len() > limits::languages().table {
            return Err(Unreadable::line(
                line,
                format_args!("a table has more than {} bytes", limits::languages().table),
            ));
        }
        let reader = toml::Deserializer::parse(table).map_err(fail)?;
        if let Node::Map(entries) = Seed(&mut left).deserialize(reader).map_err(fail)? {
            for (key, value) in entries {
                match value {
                    Node::List(items) if key == array => packages.extend(items),
                    value => head.push((key, value)),
                }
            }
        }
    }
    Ok((Node::Map(head), packages))
}

/// Splits a text before each line that begins a package or the metadata, with the number of the first line.
fn tables<'a>(text: &'a str, array: &str) -> impl Iterator<Item = (usize, &'a str)> {
    let header = format!("[[{array}]]");
    let (mut from, mut at, mut first, mut number) = (0, 0, 1, 0);
    let mut lines = text.split_inclusive('\n');
    std::iter::from_fn(move || {
        for line in lines.by_ref() {
            let start = at;
            at += line.len();
            number += 1;
            if start > from && (line.trim_end() == header || line.starts_with("[metadata")) {
                let table = (first, &text[from..start]);
                (from, first) = (start, number);
                return Some(table);
            }
        }
        let rest = (first, &text[from..]);
        from = text.len();
        (!rest.1.is_empty()).then_some(rest)
    })
}

/// Builds a [`Node`] while values are left.
struct Seed<'b>(&'b mut usize);

impl<'de> DeserializeSeed<'de> for Seed<'_> {
    type Value = Node<'de>;
    fn deserialize<D: de::Deserializer<'de>>(self, reader: D) -> Result<Node<'de>, D::Error> {
        *self.0 = self.0.checked_sub(1).ok_or_else(too_many)?;
        reader.deserialize_any(self)
    }
}

fn too_many<E: de::Error>() -> E {
    E::custom("too many values")
}

impl<'de> Visitor<'de> for Seed<'_> {
    type Value = Node<'de>;
    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }
    fn visit_bool<E: de::Error>(self, flag: bool) -> Result<Node<'de>, E> {
        Ok(Node::Flag(flag))
    }
    fn visit_i64<E: de::Error>(self, number: i64) -> Result<Node<'de>, E> {
        Ok(Node::Text(number.to_string().into()))
    }
    fn visit_u64<E: de::Error>(self, number: u64) -> Result<Node<'de>, E> {
        Ok(Node::Text(number.to_string().into()))
    }
    fn visit_f64<E: de::Error>(self, number: f64) -> Result<Node<'de>, E> {
        Ok(Node::Text(number.to_string().into()))
    }
    fn visit_borrowed_str<E: de::Error>(self, text: &'de str) -> Result<Node<'de>, E> {
        Ok(Node::Text(Cow::Borrowed(text)))
    }
    fn visit_str<E: de::Error>(self, text: &str) -> Result<Node<'de>, E> {
        Ok(Node::Text(Cow::Owned(text.to_owned())))
    }
    fn visit_unit<E: de::Error>(self) -> Result<Node<'de>, E> {
        Ok(Node::Null)
    }
    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Node<'de>, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = list.next_element_seed(Seed(self.0))? {
            items.push(item);
        }
        Ok(Node::List(items))
    }
    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Node<'de>, A::Error> {
        let mut entries = Vec::new();
        while let Some(key) = map.next_key_seed(Key)? {
            entries.push((key, map.next_value_seed(Seed(self.0))?));
        }
        Ok(Node::Map(entries))
    }
}

/// A key, borrowed where it can be.
struct Key;

impl<'de> DeserializeSeed<'de> for Key {
    type Value = Cow<'de, str>;
    fn deserialize<D: de::Deserializer<'de>>(self, reader: D) -> Result<Cow<'de, str>, D::Error> {
        reader.deserialize_str(self)
    }
}

impl<'de> Visitor<'de> for Key {
    type Value = Cow<'de, str>;
    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key")
    }
    fn visit_borrowed_str<E: de::Error>(self, key: &'de str) -> Result<Cow<'de, str>, E> {
        Ok(Cow::Borrowed(key))
    }
    fn visit_str<E: de::Error>(self, key: &str) -> Result<Cow<'de, str>, E> {
        Ok(Cow::Owned(key.to_owned()))
    }
}

/// All documents of a YAML 1.2 file. Scalars are texts, `true` and `null` aside; aliases are refused:
/// no lock file has them, and what they unfold to has no bound.
pub(super) fn yaml(text: &str) -> Result<Vec<Node<'static>>, Unreadable> {
    let mut options = granit_parser::Options::default();
    options.set_emit_comments(false);
    options.flow_nesting_limit = limits::languages().depth;
    options.block_nesting_limit = limits::languages().depth;
    let mut documents = Vec::new();
    // Open collections, each with the key that its next value belongs to.
    let mut open: Vec<(Node<'static>, Option<Cow<'static, str>>)> = Vec::new();
    let mut left = limits::languages().values;
    for next in Parser::new_from_str_with_options(text, options) {
        let (event, place) = next
            .map_err(|e| Unreadable::line(e.marker().line(), format_args!("it is no YAML: {}", e.info())))?;
        let line = place.start.line();
        let done = match event {
            Event::Scalar(text, style, ..) => {
                let plain = style == granit_parser::ScalarStyle::Plain;
                match text.as_ref() {
                    "true" if plain => Node::Flag(true),
                    "false" if plain => Node::Flag(false),
                    "null" | "~" | "" if plain => Node::Null,
                    _ => Node::Text(Cow::Owned(text.into_owned())),
                }
            }
            Event::SequenceStart(..) | Event::MappingStart(..) => {
                let map = matches!(event, Event::MappingStart(..));
                open.push((if map { Node::Map(Vec::new()) } else { Node::List(Vec::new()) }, None));
                if open.len() > limits::languages().depth {
                    return Err(Unreadable::line(line, "it is nested too deeply"));
                }
                continue;
            }
            Event::SequenceEnd | Event::MappingEnd => open.pop().map(|(node, _)| node).unwrap_or_default(),
            Event::Alias(_) => return Err(Unreadable::line(line, "it has an alias")),
            Event::DocumentStart(..) if documents.len() >= limits::languages().documents => {
                return Err(Unreadable::line(line, "it has too many documents"));
            }
            _ => continue,
        };
        left = left.checked_sub(1).ok_or_else(|| {
            Unreadable::line(line, format_args!("more than {} values", limits::languages().values))
        })?;
        match open.last_mut() {
            None => documents.push(done),
            Some((Node::Map(entries), key)) => match key.take() {
                Some(key) => entries.push((key, done)),
                None => {
                    *key = Some(match done {
                        Node::Text(text) => text,
                        Node::Flag(flag) => Cow::Borrowed(if flag { "true" } else { "false" }),
                        Node::Null => Cow::Borrowed(""),
                        _ => return Err(Unreadable::line(line, "a key is no text")),
                    });
                }
            },
            Some((Node::List(items), _)) => items.push(done),
            Some(_) => {}
        }
    }
    Ok(documents)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn three_languages_one_tree() {
        let json = json(br#"{"a": {"b": ["x", 1.5, true, null]}, "a": {"b": ["y"]}}"#).expect("JSON");
        assert_eq!(json.get("a").get("b").items()[0].text(), "y", "the last one counts");
        assert_eq!(json.entries().len(), 2);
        let yaml = yaml("a:\n  b: [y, 1.5, true]\n---\nc: \"true\"\n").expect("YAML");
        assert_eq!(yaml.len(), 2);
        assert_eq!(yaml[0].get("a").get("b").items()[0].text(), "y");
        assert!(yaml[0].get("a").get("b").items()[2].is_true() && !yaml[1].get("c").is_true());
        let (head, packages) = toml("[a]\nb = ['y', 1.5, true]\nc = 2020-01-01\n", "p").expect("TOML");
        assert_eq!(head.get("a").get("b").items()[1].text(), "1.5");
        assert!(packages.is_empty());
    }

    #[test]
    fn tables_are_read_one_by_one() {
        let text = "v = 1\n[[p]]\nn = 'a'\n[p.sub]\nx = 1\n[metadata]\nno TOML\n[[p]]\nn = 'b'\n[[p.list]]\ny = 1\n\n[q]\nz = 2\n";
        let (head, packages) = toml(text, "p").expect("TOML");
        assert_eq!((head.get("v").text(), head.get("q").get("z").text()), ("1", "2"));
        assert_eq!(packages.len(), 2);
        assert_eq!((packages[0].get("sub").get("x").text(), packages[1].get("n").text()), ("1", "b"));
        assert_eq!(tables(text, "p").map(|(line, _)| line).collect::<Vec<_>>(), [1, 2, 6, 8]);
        let long = format!("[[p]]\nn = 'a'\n[[p]]\nn = '{}'\n", "x".repeat(limits::languages().table));
        assert!(toml(&long, "p").expect_err("long").reason.starts_with("line 3: "));
    }

    #[test]
    fn commas_and_comments_go_and_texts_stay() {
        let text = br#"{"a": ["//", "/*,]*/", 1, /* x,] */ ], // }
            "b\\\"": {"c": ",}" , },}"#;
        let blanked = jsonc(text);
        let node = json(&blanked).expect("JSON");
        assert_eq!(node.get("a").items().len(), 3);
        assert_eq!(node.get("b\\\"").get("c").text(), ",}");
    }

    #[test]
    fn says_where_it_ends_to_make_sense() {
        let reason = |r: Result<Node<'_>, Unreadable>| r.expect_err("broken").reason;
        assert!(reason(json(b"{\n\"a\": }")).starts_with("line 2: "));
        assert!(reason(toml("a = 1\n[[p]]\nb = \n", "p").map(|(head, _)| head)).starts_with("line 3: "));
        assert!(yaml("a: b\nc: [\n").expect_err("broken").reason.starts_with("line "));
        assert!(reason(json(b"5")).contains("neither"));
    }

    #[test]
    fn depth_and_count_are_bounded() {
        let deep = "[".repeat(100_000);
        assert!(json(deep.as_bytes()).is_err());
        assert!(yaml(&deep).is_err());
        assert!(toml(&format!("a = {deep}"), "p").is_err());
        assert!(yaml(&"- ".repeat(100_000)).is_err());
        assert!(json(format!("[{}1]", "1,".repeat(limits::languages().values)).as_bytes()).is_err());
        assert!(yaml(&"- a\n".repeat(limits::languages().values + 1)).is_err());
        assert!(yaml("a: &x [*x]\n").is_err() && yaml("a: &x 1\nb: *x\n").is_err());
    }

    proptest::proptest! {
        #[test]
        fn never_panics(bytes in proptest::collection::vec(proptest::num::u8::ANY, 0..200)) {
            let text = String::from_utf8_lossy(&bytes);
            let _ = (json(&bytes).is_ok(), yaml(&text).is_ok(), toml(&text, "p").is_ok());
            let _ = json(&jsonc(&bytes)).is_ok();
        }
    }
}
