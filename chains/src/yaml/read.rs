//! From text to trees: depth, count and aliases are checked while reading, before anything is believed.

use std::collections::HashMap;

use granit_parser::{ErrorKind, Event, Parser, ScalarStyle, ScanError, Tag};

use super::{Content, Entry, Node, encoding, scalar};
use crate::diagnostics::{Diagnostic, Sink, Span, shown};
use crate::limits::{MAX_ALIASED_BYTES, MAX_DEPTH, MAX_DOCUMENTS, MAX_NODES};

/// One document of a file.
#[derive(Debug, Clone, PartialEq)]
pub struct Document {
    /// Its value.
    pub root: Node,
    /// What makes it unusable though its tree stands: a duplicate key, an unknown tag.
    pub flawed: bool,
}

/// Reads every document of a file. After an error of syntax or size the rest of the file is not read,
/// and the documents before it are given. Empty documents are left out.
pub fn read(bytes: &[u8]) -> (Vec<Document>, Vec<Diagnostic>) {
    let mut sink = Sink::default();
    let documents = read_into(bytes, &mut sink);
    (documents, sink.finish())
}

pub(crate) fn read_into(bytes: &[u8], sink: &mut Sink) -> Vec<Document> {
    let mut documents = Vec::new();
    match encoding::text_of(bytes) {
        Ok((text, skipped)) => {
            let mut reader = Reader::new(text, skipped, sink);
            if let Err(fatal) = reader.run(&mut documents) {
                sink.push(*fatal);
            }
        }
        Err(fatal) => sink.push(*fatal),
    }
    documents
}

/// A finished value, its cost where an alias repeats it, and its height for the depth limit.
struct Built {
    node: Node,
    nodes: usize,
    bytes: usize,
    height: usize,
}

/// A list or map under construction.
struct Frame {
    kind: Kind,
    span: Span,
    anchor: usize,
    nodes: usize,
    bytes: usize,
    height: usize,
}

enum Kind {
    List(Vec<Node>),
    /// `seen` is filled once the map is so large that looking through it would be slow.
    Map {
        entries: Vec<Entry>,
        seen: HashMap<String, Span>,
        key: Option<Key>,
    },
}

/// Keys of a map that are looked through one by one.
const FEW: usize = 16;

/// Where a key stands already; if it does not, it is remembered.
fn first_place(entries: &[Entry], seen: &mut HashMap<String, Span>, key: &str, span: Span) -> Option<Span> {
    if entries.len() < FEW {
        return entries.iter().find(|e| e.key == key).map(|e| e.key_span);
    }
    if seen.is_empty() {
        seen.extend(entries.iter().map(|e| (e.key.clone(), e.key_span)));
    }
    let first = seen.get(key).copied();
    if first.is_none() {
        seen.insert(key.to_owned(), span);
    }
    first
}

/// A key that waits for its value.
struct Key {
    text: String,
    span: Span,
    /// Reported already: its value is read and dropped.
    dropped: bool,
}

struct Reader<'s, 'k> {
    text: &'s str,
    skipped: usize,
    sink: &'k mut Sink,
    frames: Vec<Frame>,
    anchors: HashMap<usize, (Node, usize, usize, usize)>,
    root: Option<Node>,
    nodes: usize,
    aliased_bytes: usize,
    flawed: bool,
    /// The key that is read now is a merge key: reported, so its value is dropped.
    merging: bool,
}

type Fatal = Box<Diagnostic>;

impl<'s, 'k> Reader<'s, 'k> {
    fn new(text: &'s str, skipped: usize, sink: &'k mut Sink) -> Self {
        Reader {
            text,
            skipped,
            sink,
            frames: Vec::new(),
            anchors: HashMap::new(),
            root: None,
            nodes: 0,
            aliased_bytes: 0,
            flawed: false,
            merging: false,
        }
    }

    fn run(&mut self, documents: &mut Vec<Document>) -> Result<(), Fatal> {
        let mut options = granit_parser::Options::default();
        options.set_emit_comments(false);
        // The scanner runs ahead of us: these stop it as early as our own count would.
        options.flow_nesting_limit = MAX_DEPTH;
        options.block_nesting_limit = MAX_DEPTH;
        for next in Parser::new_from_str_with_options(self.text, options) {
            let (event, place) = next.map_err(|error| self.stopped(&error))?;
            let span = self.span(&place);
            match event {
                Event::DocumentStart(..) => {
                    if documents.len() == MAX_DOCUMENTS {
                        let message = format!("more than {MAX_DOCUMENTS} documents in one file");
                        return Err(Box::new(
                            Diagnostic::error("too-large", span, message).hint("split it: one file a chain"),
                        ));
                    }
                    self.anchors.clear();
                    self.flawed = false;
                }
                Event::DocumentEnd => {
                    if let Some(root) = self.root.take().filter(|r| r.content != Content::Null) {
                        documents.push(Document { root, flawed: self.flawed });
                    }
                }
                Event::Scalar(text, style, anchor, tag) => {
                    self.scalar(&text, style, anchor, tag.as_deref(), span)?
                }
                Event::SequenceStart(_, anchor, tag) => {
                    self.collection_tag(tag.as_deref(), "seq", span);
                    self.open(Kind::List(Vec::new()), anchor, span)?;
                }
                Event::MappingStart(_, anchor, tag) => {
                    self.collection_tag(tag.as_deref(), "map", span);
                    let kind = Kind::Map { entries: Vec::new(), seen: HashMap::new(), key: None };
                    self.open(kind, anchor, span)?;
                }
                Event::SequenceEnd | Event::MappingEnd => self.close(span)?,
                Event::Alias(id) => self.alias(id, span)?,
                _ => {}
            }
        }
        Ok(())
    }

    fn span(&self, place: &granit_parser::Span) -> Span {
        let offset = place.start.byte_offset().unwrap_or(0).min(self.text.len());
        let end = place.end.byte_offset().unwrap_or(offset).clamp(offset, self.text.len());
        let length = self.text.get(offset..end).map_or(0, |s| s.trim_end().len());
        Span {
            offset: offset + self.skipped,
            length,
            line: place.start.line().max(1),
            column: place.start.col() + 1,
        }
    }

    fn scalar(
        &mut self,
        text: &str,
        style: ScalarStyle,
        anchor: usize,
        tag: Option<&Tag>,
        mut span: Span,
    ) -> Result<(), Fatal> {
        let as_key = matches!(self.frames.last(), Some(Frame { kind: Kind::Map { key: None, .. }, .. }));
        let plain = style == ScalarStyle::Plain;
        let content = match tag.map(|t| (t.is_yaml_core_schema(), t.suffix())) {
            None if plain && !as_key => scalar::plain(text),
            None | Some((true, "str")) => Content::Text(text.to_owned()),
            Some((true, "int" | "float" | "bool" | "null")) => scalar::plain(text),
            Some(_) => {
                self.unsupported_tag(tag, span);
                // `!*-dev` without quotes: what was meant is known, and not told of again.
                let meant = tag.filter(|_| text.is_empty()).map(Tag::original);
                Content::Text(meant.unwrap_or_else(|| text.to_owned()))
            }
        };
        if as_key && plain && text == "<<" {
            self.merging = true;
            self.flaw(
                Diagnostic::error("merge-key", span, "merge keys are not part of the chain language")
                    .hint("repeat the lines, or alias the whole value"),
            );
        }
        // An empty value has no place of its own: its key is what a reader looks for.
        if let (true, Some(Frame { kind: Kind::Map { key: Some(key), .. }, .. })) =
            (span.length == 0, self.frames.last())
        {
            span = key.span;
        }
        let built = Built { node: Node { content, span }, nodes: 1, bytes: text.len(), height: 0 };
        self.count(1, span)?;
        self.attach(built, anchor)
    }

    fn open(&mut self, kind: Kind, anchor: usize, span: Span) -> Result<(), Fatal> {
        self.depth(0, span)?;
        self.count(1, span)?;
        self.frames.push(Frame { kind, span, anchor, nodes: 1, bytes: 0, height: 0 });
        Ok(())
    }

    fn close(&mut self, end: Span) -> Result<(), Fatal> {
        let Some(frame) = self.frames.pop() else { return Ok(()) };
        let mut span = frame.span;
        let until = (end.offset + end.length).max(span.offset) - self.skipped;
        span.length =
            self.text.get(span.offset - self.skipped..until).map_or(span.length, |s| s.trim_end().len());
        let content = match frame.kind {
            Kind::List(items) => Content::List(items),
            Kind::Map { entries, .. } => Content::Map(entries),
        };
        let built = Built {
            node: Node { content, span },
            nodes: frame.nodes,
            bytes: frame.bytes,
            height: frame.height + 1,
        };
        self.attach(built, frame.anchor)
    }

    fn alias(&mut self, id: usize, span: Span) -> Result<(), Fatal> {
        let Some(&(_, nodes, bytes, height)) = self.anchors.get(&id) else {
            let message = "an alias inside the value that it names";
            return Err(Box::new(
                Diagnostic::error("alias-cycle", span, message).hint("write the value out"),
            ));
        };
        self.copied(nodes, bytes, span)?;
        self.depth(height, span)?;
        // Cloned only now that its size is known to fit.
        let Some((node, ..)) = self.anchors.get(&id) else { return Ok(()) };
        let mut node = node.clone();
        // A complaint about the copy points to where it is used.
        node.span = span;
        self.attach(Built { node, nodes, bytes, height }, 0)
    }

    /// Puts a finished value where it belongs: into the list or map that is open, or as the document.
    fn attach(&mut self, built: Built, anchor: usize) -> Result<(), Fatal> {
        let Built { node, nodes, bytes, height } = built;
        if anchor != 0 {
            // The kept copy counts, or nested anchors would multiply memory.
            self.copied(nodes, bytes, node.span)?;
            self.anchors.insert(anchor, (node.clone(), nodes, bytes, height));
        }
        let Some(frame) = self.frames.last_mut() else {
            self.root = Some(node);
            return Ok(());
        };
        frame.nodes += nodes;
        frame.bytes += bytes;
        frame.height = frame.height.max(height);
        let mut flaw = None;
        match &mut frame.kind {
            Kind::List(items) => items.push(node),
            Kind::Map { entries, seen, key } => match key.take() {
                Some(Key { text, span, dropped }) => {
                    if !dropped {
                        entries.push(Entry { key: text, key_span: span, value: node });
                    }
                }
                None => {
                    let (text, fine) = match &node.content {
                        Content::Text(text) => (text.clone(), true),
                        _ => (String::new(), false),
                    };
                    if !fine {
                        flaw =
                            Some(
                                Diagnostic::error("key-not-text", node.span, "a key must be text")
                                    .hint(quoted(self.text, self.skipped, &node)),
                            );
                    } else if let Some(first) = first_place(entries, seen, &text, node.span) {
                        let message = format!("key `{}` stands twice", shown(&text));
                        flaw = Some(
                            Diagnostic::error("duplicate-key", node.span, message)
                                .related(first, "first here")
                                .hint("keep one of them"),
                        );
                    }
                    let merging = std::mem::take(&mut self.merging);
                    *key = Some(Key { text, span: node.span, dropped: merging || flaw.is_some() });
                }
            },
        }
        if let Some(flaw) = flaw {
            self.flaw(flaw);
        }
        Ok(())
    }

    fn count(&mut self, nodes: usize, span: Span) -> Result<(), Fatal> {
        self.nodes += nodes;
        if self.nodes > MAX_NODES {
            let message = format!("more than {MAX_NODES} values in one file");
            return Err(Box::new(
                Diagnostic::error("too-large", span, message).hint("split it: one file a chain"),
            ));
        }
        Ok(())
    }

    /// Counts what an anchor or alias adds.
    fn copied(&mut self, nodes: usize, bytes: usize, span: Span) -> Result<(), Fatal> {
        self.nodes = self.nodes.saturating_add(nodes);
        self.aliased_bytes = self.aliased_bytes.saturating_add(bytes);
        if self.nodes > MAX_NODES || self.aliased_bytes > MAX_ALIASED_BYTES {
            let message = format!(
                "the aliases of this file stand for more than {MAX_NODES} values, or {MAX_ALIASED_BYTES} bytes of text"
            );
            return Err(Box::new(
                Diagnostic::error("alias-bomb", span, message)
                    .hint("write the values out, or use fewer aliases"),
            ));
        }
        Ok(())
    }

    fn depth(&self, height: usize, span: Span) -> Result<(), Fatal> {
        if self.frames.len() + height >= MAX_DEPTH { Err(too_deep(span)) } else { Ok(()) }
    }

    /// The parser's own complaint.
    fn stopped(&self, error: &ScanError) -> Fatal {
        let span = self.span(&granit_parser::Span::empty(*error.marker()));
        if *error.kind() == ErrorKind::RecursionLimitExceeded {
            return too_deep(span);
        }
        let message = sentence(&error.info());
        let at = span.offset - self.skipped;
        let hint = advice(
            &message,
            self.text.get(..at).unwrap_or_default(),
            self.text.get(at..).unwrap_or_default(),
        );
        let mut found = Diagnostic::error("yaml-syntax", span, message).hint(hint);
        // A bracket left open is found out far behind it.
        let opened = self.frames.iter().rev().map(|frame| frame.span).find(|place| {
            self.text.get(place.offset - self.skipped..).is_some_and(|t| t.starts_with(['[', '{']))
        });
        if let Some(place) = opened.filter(|_| hint == USUAL) {
            found = found.related(Span { length: 1, ..place }, "opened here").hint("close the bracket");
        }
        Box::new(found)
    }

    fn collection_tag(&mut self, tag: Option<&Tag>, own: &str, span: Span) {
        if tag.is_some_and(|t| !(t.is_yaml_core_schema() && t.suffix() == own)) {
            self.unsupported_tag(tag, span);
        }
    }

    fn unsupported_tag(&mut self, tag: Option<&Tag>, span: Span) {
        let name = tag.map(Tag::original).unwrap_or_default();
        // The tag stands right before what it is for.
        let before = self.text.get(..span.offset - self.skipped).unwrap_or_default().trim_end();
        let place = before
            .strip_suffix(name.as_str())
            .map_or(span, |lead| Span::locate(self.text.as_bytes(), lead.len(), name.len()));
        let place = if place == span { span } else { Span { offset: place.offset + self.skipped, ..place } };
        let error = Diagnostic::error("unsupported-tag", place, format!("unknown tag `{}`", shown(&name)));
        self.flaw(match name.starts_with("!!") {
            true => error.hint("remove it"),
            false => error.hint(format!("text that begins with `!` needs quotes: \"{}\"", shown(&name))),
        });
    }

    fn flaw(&mut self, diagnostic: Diagnostic) {
        self.flawed = true;
        self.sink.push(diagnostic);
    }
}

/// What to write instead of a key that is no text. A map as the key of a map is a template without quotes.
fn quoted(text: &str, skipped: usize, node: &Node) -> String {
    let at = node.span.offset - skipped;
    let inner = text.get(at..at + node.span.length).unwrap_or_default();
    let template =
        matches!(node.content, Content::Map(_)) && text.get(..at).is_some_and(|t| t.ends_with('{'));
    match node.content {
        _ if template => format!("a template needs quotes: \"{{{}}}\"", shown(inner)),
        Content::List(_) | Content::Map(_) => "write a name".to_owned(),
        _ => format!("put it in quotes: \"{}\"", shown(inner)),
    }
}

fn too_deep(span: Span) -> Fatal {
    let message = format!("more than {MAX_DEPTH} lists and maps inside each other");
    Box::new(
        Diagnostic::error("too-deep", span, message).hint("no chain needs it: look for a bracket left open"),
    )
}

const USUAL: &str = "usual causes: a line indented otherwise than its neighbours, no space after `:`, a bracket or quote left open";

/// What is probably the matter, by the parser's message and the text before and after the place.
fn advice(message: &str, before: &str, after: &str) -> &'static str {
    let line = before.rsplit('\n').next().unwrap_or_default();
    let near = |c: char| after.starts_with(c) || before.trim_end().ends_with(c);
    if message.contains("tab") {
        "indent with spaces"
    } else if near('*') || near('&') || near('@') || near('`') || near('%') {
        "text that begins with `*`, `&`, `@`, `%` or a backtick needs quotes"
    } else if message.contains("mapping values") || line.contains(": ") && after.starts_with(':') {
        "text that contains `: ` needs quotes"
    } else if message.contains("quote") {
        "close the quote"
    } else {
        USUAL
    }
}

/// A parser's message as a lowercase fragment, quotes as ours.
fn sentence(message: &str) -> String {
    if message.contains("unknown anchor") {
        return "an alias of nothing: no anchor has that name".to_owned();
    }
    let mut out = String::with_capacity(message.len());
    let mut quoted = false;
    for (at, c) in message.trim_end_matches('.').chars().enumerate() {
        match c {
            '`' => quoted = true,
            '\'' if quoted => {
                quoted = false;
                out.push('`');
                continue;
            }
            _ => {}
        }
        if at == 0 { out.extend(c.to_lowercase()) } else { out.push(if c == '\n' { ' ' } else { c }) }
    }
    out
}
