//! As much XML 1.0 as repositories' metadata needs, rpm's and Maven's, read as a stream: a tag and a piece of text are all that is held.
//!
//! Nothing is declared and nothing is expanded: a document type declaration is an error, and of entities only the
//! five that XML itself has, and numbers, are known.

use std::io::{self, BufRead};

use super::limits;

/// What comes next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Token {
    /// `<a:name k="v">`: the name without its prefix, and the attributes.
    Open(String, Vec<(String, String)>),
    /// `</a:name>`, and also the end of an element without content.
    Close(String),
    /// Text without the white space around it; never empty.
    Text(String),
}

impl Token {
    /// An attribute of an opening tag.
    pub(crate) fn attribute(&self, name: &str) -> Option<&str> {
        let Self::Open(_, attributes) = self else { return None };
        attributes.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }
}

/// Reads tokens in order.
pub(crate) struct Reader<R> {
    inner: R,
    open: Vec<String>,
    /// An element without content was just opened.
    empty: bool,
    /// A `<` was read, and what follows it was not.
    tag: bool,
    root: bool,
}

fn wrong(reason: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, reason)
}

impl<R: BufRead> Reader<R> {
    pub(crate) fn new(inner: R) -> Self {
        Self { inner, open: Vec::new(), empty: false, tag: false, root: false }
    }

    /// Names of the open elements, the outermost first.
    pub(crate) fn path(&self) -> &[String] {
        &self.open
    }

    /// None: the end, with every element closed.
    pub(crate) fn next(&mut self) -> io::Result<Option<Token>> {
        if std::mem::take(&mut self.empty) {
            return Ok(self.open.pop().map(Token::Close));
        }
        loop {
            if !self.tag {
                let mut text = Vec::new();
                self.tag = self.until(b'<', &mut text, limits::XML_TEXT, "a text is too long")?;
                let text = String::from_utf8(text).map_err(|_| wrong("it is no UTF-8"))?;
                let text = text.trim();
                if !text.is_empty() {
                    if self.open.is_empty() {
                        return Err(wrong("a text stands outside its elements"));
                    }
                    return Ok(Some(Token::Text(unescape(text)?)));
                }
                if !self.tag {
                    let whole = self.root && self.open.is_empty();
                    return if whole { Ok(None) } else { Err(wrong("it ends early")) };
                }
            }
            self.tag = false;
            if let Some(token) = self.markup()? {
                return Ok(Some(token));
            }
        }
    }

    /// What stands before a byte; false: the end came instead.
    fn until(&mut self, end: u8, into: &mut Vec<u8>, most: usize, reason: &str) -> io::Result<bool> {
        loop {
            let buffer = self.inner.fill_buf()?;
            if buffer.is_empty() {
                return Ok(false);
            }
            let at = buffer.iter().position(|byte| *byte == end);
            let piece = &buffer[..at.unwrap_or(buffer.len())];
            if into.len() + piece.len() > most {
                return Err(wrong(reason));
            }
            into.extend_from_slice(piece);
            let used = piece.len() + usize::from(at.is_some());
            self.inner.consume(used);
            if at.is_some() {
                return Ok(true);
            }
        }
    }

    fn markup(&mut self) -> io::Result<Option<Token>> {
        let mut raw = Vec::new();
        loop {
            let most = if raw.starts_with(b"!") { limits::XML_TEXT } else { limits::XML_TAG };
            if !self.until(b'>', &mut raw, most, "a tag is too long")? {
                return Err(wrong("it ends early"));
            }
            let whole = if raw.starts_with(b"!--") {
                raw.len() >= 5 && raw.ends_with(b"--")
            } else if raw.starts_with(b"![CDATA[") {
                raw.ends_with(b"]]")
            } else if raw.starts_with(b"?") {
                raw.ends_with(b"?")
            } else {
                // A `>` may stand in an attribute's value.
                !in_quotes(&raw)
            };
            if whole {
                break;
            }
            raw.push(b'>');
        }
        let text = std::str::from_utf8(&raw).map_err(|_| wrong("it is no UTF-8"))?;
        if text.starts_with('?') || text.starts_with("!--") {
            return Ok(None);
        }
        if let Some(data) = text.strip_prefix("![CDATA[") {
            let data = data.trim_end_matches("]]").trim();
            return Ok((!data.is_empty()).then(|| Token::Text(data.to_owned())));
        }
        if text.starts_with('!') {
            return Err(wrong("it declares a document type"));
        }
        if let Some(name) = text.strip_prefix('/') {
            let name = local(name.trim());
            return match self.open.pop() {
                Some(open) if open == name => Ok(Some(Token::Close(open))),
                _ => Err(wrong("an element is closed that is not open")),
            };
        }
        self.element(text).map(Some)
    }

    fn element(&mut self, text: &str) -> io::Result<Token> {
        let (text, empty) = match text.strip_suffix('/') {
            Some(text) => (text, true),
            None => (text, false),
        };
        if self.open.is_empty() && std::mem::replace(&mut self.root, true) {
            return Err(wrong("it has more than one root"));
        }
        let end = text.find(|c: char| c.is_whitespace()).unwrap_or(text.len());
        let name = local(&text[..end]);
        if name.is_empty() {
            return Err(wrong("an element has no name"));
        }
        let mut attributes = Vec::new();
        let mut rest = text[end..].trim();
        while !rest.is_empty() {
            if attributes.len() >= limits::XML_ATTRIBUTES {
                return Err(wrong("an element has too many attributes"));
            }
            let (key, value) = rest.split_once('=').ok_or_else(|| wrong("an attribute is malformed"))?;
            let value = value.trim_start();
            let quote = value.chars().next().filter(|c| matches!(c, '"' | '\''));
            let quote = quote.ok_or_else(|| wrong("an attribute is malformed"))?;
            let (value, more) =
                value[1..].split_once(quote).ok_or_else(|| wrong("an attribute is malformed"))?;
            attributes.push((local(key.trim()).to_owned(), unescape(value)?));
            rest = more.trim_start();
        }
        if self.open.len() >= limits::XML_DEPTH {
            return Err(wrong("it is nested too deeply"));
        }
        self.open.push(name.to_owned());
        self.empty = empty;
        Ok(Token::Open(name.to_owned(), attributes))
    }

    /// The text of the element that was just opened, to its end; elements in it are passed over.
    pub(crate) fn text(&mut self) -> io::Result<String> {
        let depth = self.open.len();
        let mut text = String::new();
        loop {
            match self.next()? {
                Some(Token::Text(more)) if self.open.len() == depth => text.push_str(&more),
                Some(Token::Close(_)) if self.open.len() < depth => return Ok(text),
                Some(_) => {}
                None => return Err(wrong("it ends early")),
            }
            if text.len() > limits::XML_TEXT {
                return Err(wrong("a text is too long"));
            }
        }
    }
}

fn in_quotes(raw: &[u8]) -> bool {
    let mut quote = None;
    for byte in raw {
        match (quote, byte) {
            (None, b'"' | b'\'') => quote = Some(*byte),
            (Some(open), byte) if open == *byte => quote = None,
            _ => {}
        }
    }
    quote.is_some()
}

/// Without its namespace prefix.
fn local(name: &str) -> &str {
    name.rsplit(':').next().unwrap_or(name)
}

/// XML 1.0, 4.6 and 4.1.
fn unescape(text: &str) -> io::Result<String> {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('&') {
        out.push_str(&rest[..at]);
        let (entity, more) =
            rest[at + 1..].split_once(';').ok_or_else(|| wrong("an entity is not closed"))?;
        let number = |digits: &str| match digits.strip_prefix(['x', 'X']) {
            Some(hex) => u32::from_str_radix(hex, 16).ok(),
            None => digits.parse().ok(),
        };
        out.push(match entity {
            "lt" => '<',
            "gt" => '>',
            "amp" => '&',
            "quot" => '"',
            "apos" => '\'',
            _ => entity
                .strip_prefix('#')
                .and_then(number)
                .and_then(char::from_u32)
                .ok_or_else(|| wrong("an entity is not known"))?,
        });
        rest = more;
    }
    out.push_str(rest);
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tokens(text: &str) -> io::Result<Vec<String>> {
        // Of four bytes at a time: nothing may depend on what a buffer holds.
        let mut reader = Reader::new(io::BufReader::with_capacity(4, text.as_bytes()));
        let mut all = Vec::new();
        while let Some(token) = reader.next()? {
            all.push(match token {
                Token::Open(name, attributes) => {
                    let attributes: String = attributes.iter().map(|(k, v)| format!(" {k}={v}")).collect();
                    format!("<{name}{attributes}>")
                }
                Token::Close(name) => format!("</{name}>"),
                Token::Text(text) => text,
            });
        }
        Ok(all)
    }

    #[test]
    fn reads_elements_in_order() {
        let text = "<?xml version='1.0'?>\n<n:a k = 'v&amp;w>' p:l=\"1\"><!-- <no> --><b/> x &#65;&lt; <![CDATA[<raw>]]></n:a >";
        assert_eq!(tokens(text).unwrap(), ["<a k=v&w> l=1>", "<b>", "</b>", "x A<", "<raw>", "</a>"]);
    }

    #[test]
    fn what_is_none_is_an_error() {
        for (text, reason) in [
            ("", "ends early"),
            ("<a><b></a>", "not open"),
            ("<a>", "ends early"),
            ("<a k>", "malformed"),
            ("<a k=\"", "ends early"),
            ("<a/><b/>", "more than one root"),
            ("x<a/>", "outside"),
            ("<!DOCTYPE a [<!ENTITY x \"y\">]><a/>", "document type"),
            ("<a>&x;</a>", "not known"),
            ("<a>&lt</a>", "not closed"),
        ] {
            let error = tokens(text).expect_err(text).to_string();
            assert!(error.contains(reason), "{text}: {error}");
        }
        assert!(tokens(&"<a>".repeat(1000)).unwrap_err().to_string().contains("deeply"));
        assert!(
            tokens(&format!("<a {}>", "x".repeat(1 << 20))).unwrap_err().to_string().contains("too long")
        );
    }
}
