//! As much XML 1.0 as `packages.config` and `pom.xml` need: elements, attributes and text.
//!
//! Nothing is declared and nothing is expanded: a document type declaration is
//! skipped, and of entities only the five that XML itself has, and numbers, are known.

use std::borrow::Cow;

use super::{Unreadable, limits};

/// What comes next.
#[derive(Debug, PartialEq)]
pub(super) enum Token<'a> {
    /// `<a:name k="v">`: the name without its prefix, and the attributes.
    Open(&'a str, Vec<(&'a str, Cow<'a, str>)>),
    /// `</a:name>`, and also the end of an element that has no content.
    Close(&'a str),
    /// Text without the white space around it; never empty.
    Text(Cow<'a, str>),
}

/// Reads tokens in order.
pub(super) struct Reader<'a> {
    text: &'a str,
    at: usize,
    /// Open elements; what closes them must have their names.
    open: Vec<&'a str>,
    /// An element without content was just opened.
    empty: bool,
}

impl<'a> Reader<'a> {
    pub(super) fn new(text: &'a str) -> Self {
        Self { text, at: 0, open: Vec::new(), empty: false }
    }

    /// Names of the open elements, the outermost first.
    pub(super) fn path(&self) -> &[&'a str] {
        &self.open
    }

    fn fail(&self, reason: &str) -> Unreadable {
        let before = self.text.as_bytes().get(..self.at).unwrap_or_default();
        Unreadable::line(1 + before.iter().filter(|b| **b == b'\n').count(), reason)
    }

    /// Gives what stands before the end mark, and goes behind it.
    fn until(&mut self, end: &str) -> Result<&'a str, Unreadable> {
        let rest = &self.text[self.at..];
        let length = rest.find(end).ok_or_else(|| self.fail("something is not closed"))?;
        self.at += length + end.len();
        Ok(&rest[..length])
    }

    /// None: the end, with every element closed.
    pub(super) fn next(&mut self) -> Result<Option<Token<'a>>, Unreadable> {
        if std::mem::take(&mut self.empty) {
            return Ok(self.open.pop().map(Token::Close));
        }
        loop {
            let rest = &self.text[self.at..];
            if rest.is_empty() {
                return if self.open.is_empty() {
                    Ok(None)
                } else {
                    Err(self.fail("an element is not closed"))
                };
            }
            let Some(markup) = rest.strip_prefix('<') else {
                let length = rest.find('<').unwrap_or(rest.len());
                self.at += length;
                match rest[..length].trim() {
                    "" => continue,
                    text => return Ok(Some(Token::Text(unescape(text)))),
                }
            };
            if markup.starts_with("!--") {
                self.until("-->")?;
            } else if markup.starts_with("![CDATA[") {
                self.at += "<![CDATA[".len();
                match self.until("]]>")?.trim() {
                    "" => {}
                    text => return Ok(Some(Token::Text(Cow::Borrowed(text)))),
                }
            } else if markup.starts_with('?') {
                self.until("?>")?;
            } else if markup.starts_with('!') {
                let declaration = self.until(">")?;
                if declaration.contains('[') {
                    self.until("]")?;
                    self.until(">")?;
                }
            } else if markup.starts_with('/') {
                let name = local(self.until(">")?[2..].trim());
                if self.open.pop() != Some(name) {
                    return Err(self.fail("an element is closed that is not open"));
                }
                return Ok(Some(Token::Close(name)));
            } else {
                return self.element().map(Some);
            }
        }
    }

    fn element(&mut self) -> Result<Token<'a>, Unreadable> {
        self.at += 1;
        let name = local(self.word()?);
        let mut attributes = Vec::new();
        loop {
            self.space();
            let rest = &self.text[self.at..];
            if rest.starts_with("/>") {
                self.at += 2;
                self.empty = true;
                break;
            }
            if rest.starts_with('>') {
                self.at += 1;
                break;
            }
            let key = self.word()?;
            self.space();
            self.one('=')?;
            self.space();
            let quote = if self.text[self.at..].starts_with('\'') { '\'' } else { '"' };
            self.one(quote)?;
            let value = self.until(if quote == '"' { "\"" } else { "'" })?;
            if attributes.len() >= limits::languages().attributes {
                return Err(self.fail("an element has too many attributes"));
            }
            attributes.push((local(key), unescape(value)));
        }
        self.open.push(name);
        if self.open.len() > limits::languages().depth {
            return Err(self.fail("it is nested too deeply"));
        }
        Ok(Token::Open(name, attributes))
    }

    fn space(&mut self) {
        let rest = &self.text[self.at..];
        self.at += rest.len() - rest.trim_start().len();
    }

    fn one(&mut self, c: char) -> Result<(), Unreadable> {
        if !self.text[self.at..].starts_with(c) {
            return Err(self.fail("an attribute is malformed"));
        }
        self.at += c.len_utf8();
        Ok(())
    }

    fn word(&mut self) -> Result<&'a str, Unreadable> {
        let rest = &self.text[self.at..];
        let end = |c: char| c.is_whitespace() || matches!(c, '=' | '>' | '/' | '<' | '"' | '\'');
        let length = rest.find(end).unwrap_or(rest.len());
        if length == 0 {
            return Err(self.fail("a name is missing"));
        }
        self.at += length;
        Ok(&rest[..length])
    }
}

/// Without its namespace prefix.
fn local(name: &str) -> &str {
    name.rsplit(':').next().unwrap_or(name)
}

/// XML 1.0, 4.6 and 4.1; what is none of them stays as it is written.
fn unescape(text: &str) -> Cow<'_, str> {
    if !text.contains('&') {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('&') {
        out.push_str(&rest[..at]);
        rest = &rest[at + 1..];
        let entity = rest.bytes().take(12).position(|b| b == b';').and_then(|end| rest.get(..end));
        let number = |digits: &str| match digits.strip_prefix(['x', 'X']) {
            Some(hex) => u32::from_str_radix(hex, 16).ok(),
            None => digits.parse().ok(),
        };
        let known = entity.and_then(|e| match e {
            "lt" => Some('<'),
            "gt" => Some('>'),
            "amp" => Some('&'),
            "quot" => Some('"'),
            "apos" => Some('\''),
            _ => e.strip_prefix('#').and_then(number).and_then(char::from_u32),
        });
        match (known, entity) {
            (Some(c), Some(entity)) => {
                out.push(c);
                rest = &rest[entity.len() + 1..];
            }
            _ => out.push('&'),
        }
    }
    out.push_str(rest);
    Cow::Owned(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tokens(text: &str) -> Result<Vec<String>, Unreadable> {
        let mut reader = Reader::new(text);
        let mut all = Vec::new();
        while let Some(token) = reader.next()? {
            all.push(match token {
                Token::Open(name, attributes) => {
                    let attributes: String = attributes.iter().map(|(k, v)| format!(" {k}={v}")).collect();
                    format!("<{name}{attributes}>")
                }
                Token::Close(name) => format!("</{name}>"),
                Token::Text(text) => text.into_owned(),
            });
        }
        Ok(all)
    }

    #[test]
    fn reads_elements_in_order() {
        let text = "<?xml version='1.0'?><!DOCTYPE a [<!ENTITY x \"y\">]>\n<n:a k = 'v&amp;w' p:l=\"1\"><!-- <no> --><b/>\
            x &x; &#65;&lt; <![CDATA[<raw>]]></n:a >";
        assert_eq!(tokens(text).expect("XML"), ["<a k=v&w l=1>", "<b>", "</b>", "x &x; A<", "<raw>", "</a>"]);
    }

    #[test]
    fn says_what_is_wrong_and_where() {
        for (text, reason) in [
            ("<a>\n<b></a>", "line 2: an element is closed that is not open"),
            ("<a>\n", "line 2: an element is not closed"),
            ("<a k>", "line 1: an attribute is malformed"),
            ("<a k=\"", "line 1: something is not closed"),
            ("</", "line 1: something is not closed"),
            ("<>", "line 1: a name is missing"),
        ] {
            assert_eq!(tokens(text).expect_err(text).reason, reason);
        }
        assert!(tokens(&"<a>".repeat(100_000)).is_err());
    }

    proptest::proptest! {
        #[test]
        fn never_panics(text in "[<>/a=\"'&;#x!\\-\\[\\]? é]{0,60}") {
            let _ = tokens(&text);
        }
    }
}
