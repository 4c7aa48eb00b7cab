//! deb822 stanzas: borrowed from the text, fields in the order written (deb822(5)).

use crate::{Error, Result};

/// One paragraph, borrowed from its text.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Stanza<'a> {
    fields: Vec<(&'a str, &'a str)>,
}

/// Field names compare without case.
fn lookup<'v>(name: &str, mut fields: impl Iterator<Item = (&'v str, &'v str)>) -> Option<&'v str> {
    fields.find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value)
}

impl<'a> Stanza<'a> {
    /// A field's value without the blanks around it; continuation lines keep their leading blank.
    pub fn get(&self, name: &str) -> Option<&'a str> {
        lookup(name, self.fields.iter().copied())
    }
    /// Fields in the order written.
    pub fn iter(&self) -> impl Iterator<Item = (&'a str, &'a str)> + '_ {
        self.fields.iter().copied()
    }
    /// Whether nothing stands in it.
    pub fn is_empty(&self) -> bool {
        self.fields.is_empty()
    }
    /// The same, owning its text.
    pub fn to_fields(&self) -> Fields {
        Fields(self.fields.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect())
    }
}

/// One paragraph that owns its text.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Fields(Vec<(String, String)>);

impl Fields {
    /// A field's value; names compare without case.
    pub fn get(&self, name: &str) -> Option<&str> {
        lookup(name, self.iter())
    }
    /// Sets a field, where it stands or at the end.
    pub fn set(&mut self, name: &str, value: impl Into<String>) {
        match self.0.iter_mut().find(|(key, _)| key.eq_ignore_ascii_case(name)) {
            Some((_, old)) => *old = value.into(),
            None => self.0.push((name.to_owned(), value.into())),
        }
    }
    /// Removes a field.
    pub fn remove(&mut self, name: &str) {
        self.0.retain(|(key, _)| !key.eq_ignore_ascii_case(name));
    }
    /// Fields in the order written.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(k, v)| (k.as_str(), v.as_str()))
    }
}

impl FromIterator<(String, String)> for Fields {
    fn from_iter<I: IntoIterator<Item = (String, String)>>(iter: I) -> Self {
        Self(iter.into_iter().collect())
    }
}

/// The paragraphs of a text, with blank ones left out. `file` names the text in errors.
pub fn stanzas<'a>(file: &'a str, text: &'a str) -> impl Iterator<Item = Result<Stanza<'a>>> {
    Spans::new(text)
        .map(move |(start, end)| parse(file, &text[start..end]))
        .filter(|stanza| !matches!(stanza, Ok(stanza) if stanza.is_empty()))
}

/// Exactly one paragraph, as in a .deb's `control`.
pub fn single<'a>(file: &'a str, text: &'a str) -> Result<Stanza<'a>> {
    let mut all = stanzas(file, text);
    let first = all.next().unwrap_or_else(|| Err(malformed(file, "it is empty")))?;
    if all.next().is_some() { Err(malformed(file, "it has more than one paragraph")) } else { Ok(first) }
}

/// Parses the lines of one paragraph.
pub fn parse<'a>(file: &str, text: &'a str) -> Result<Stanza<'a>> {
    let mut fields: Vec<(&'a str, &'a str)> = Vec::with_capacity(24);
    // Where the field that may still go on begins its value.
    let mut open: Option<(&'a str, usize)> = None;
    let mut at = 0;
    let mut close = |open: &mut Option<(&'a str, usize)>, end: usize| {
        if let Some((name, start)) = open.take() {
            fields.push((
                name,
                text[start..end].trim_end_matches(['\n', '\r', ' ', '\t']).trim_start_matches([' ', '\t']),
            ));
        }
    };
    for line in text.split_inclusive('\n') {
        let start = at;
        at += line.len();
        match line.as_bytes().first() {
            Some(b'#') => close(&mut open, start),
            Some(b' ' | b'\t') if open.is_some() => {}
            _ if line.trim().is_empty() => close(&mut open, start),
            Some(b' ' | b'\t') => return Err(malformed(file, "a continuation line continues nothing")),
            _ => {
                close(&mut open, start);
                let colon = line.find(':').ok_or_else(|| malformed(file, "a line has no colon"))?;
                let name = &line[..colon];
                if name.is_empty() || name.bytes().any(|b| b <= b' ' || b >= 0x7f) {
                    return Err(malformed(file, "a field's name is not one"));
                }
                open = Some((name, start + colon + 1));
            }
        }
    }
    close(&mut open, text.len());
    Ok(Stanza { fields })
}

fn malformed(file: &str, reason: &str) -> Error {
    Error::Malformed { file: file.to_owned(), reason: reason.to_owned() }
}

/// Byte ranges of paragraphs: split at empty lines, nothing else is looked at.
#[derive(Debug)]
pub struct Spans<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Spans<'a> {
    /// Over a whole text.
    pub fn new(text: &'a str) -> Self {
        Self { text, at: 0 }
    }
}

impl Iterator for Spans<'_> {
    type Item = (usize, usize);
    fn next(&mut self) -> Option<(usize, usize)> {
        let bytes = self.text.as_bytes();
        while bytes.get(self.at).is_some_and(|b| matches!(b, b'\n' | b'\r')) {
            self.at += 1;
        }
        if self.at >= bytes.len() {
            return None;
        }
        let start = self.at;
        let mut from = start;
        loop {
            let Some(newline) = self.text[from..].find('\n').map(|i| from + i) else {
                self.at = bytes.len();
                return Some((start, self.at));
            };
            from = newline + 1;
            if matches!(&bytes[from..], [b'\n', ..] | [b'\r', b'\n', ..] | []) {
                self.at = from;
                return Some((start, from));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TWO: &str = "Package: a\nVersion: 1\nDescription: short\n long line\n .\n\tmore: colon\n\n\n# note\nPackage: b\nEmpty:\nVersion:2\n";

    #[test]
    fn fields_keep_order_and_continuations() {
        let all: Vec<_> = stanzas("t", TWO).collect::<Result<_>>().unwrap();
        assert_eq!(all.len(), 2);
        let names: Vec<_> = all[0].iter().map(|(k, _)| k).collect();
        assert_eq!(names, ["Package", "Version", "Description"]);
        assert_eq!(all[0].get("description"), Some("short\n long line\n .\n\tmore: colon"));
        assert_eq!(all[1].get("Version"), Some("2"));
        assert_eq!(all[1].get("Empty"), Some(""));
        assert_eq!(all[1].get("Absent"), None);
    }

    #[test]
    fn nonsense_is_refused() {
        for text in ["no colon here\n", " continues nothing\n", ": no name\n", "na me: x\n"] {
            assert!(stanzas("t", text).any(|s| s.is_err()), "{text:?}");
        }
        assert!(single("t", "").is_err());
        assert!(single("t", TWO).is_err());
    }

    #[test]
    fn spans_cover_every_paragraph() {
        let text = "\n\nA: 1\n\n\nB: 2";
        let spans: Vec<_> = Spans::new(text).map(|(a, b)| &text[a..b]).collect();
        assert_eq!(spans, ["A: 1\n", "B: 2"]);
        assert_eq!(Spans::new("").count(), 0);
        assert_eq!(Spans::new("\n\n").count(), 0);
    }

    #[test]
    fn fields_are_set_in_place() {
        let mut fields = single("t", "A: 1\nB: 2\n").unwrap().to_fields();
        fields.set("a", "3");
        fields.set("C", "4");
        fields.remove("B");
        assert_eq!(fields.iter().collect::<Vec<_>>(), [("A", "3"), ("C", "4")]);
    }
}
