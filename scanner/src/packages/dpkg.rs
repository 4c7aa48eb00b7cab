//! Debian's status database: `var/lib/dpkg/status` and distroless images' `status.d/*`.

use crate::limits;

use std::{borrow::Cow, collections::BTreeMap};

use serde::{Deserialize, Serialize};

/// Where a database stops to make sense.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ParseError {
    /// From 1.
    pub line: usize,
    /// Why.
    pub reason: String,
}

/// One field as written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Field<'a> {
    /// `Package`
    pub name: &'a str,
    /// Everything behind the colon without the white space around it; continuation lines keep
    /// their line break and their leading space.
    pub value: &'a [u8],
    /// Line of the name, from 1.
    pub line: usize,
}

/// One paragraph: deb822(5). Fields stand in their order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stanza<'a> {
    /// Its first line, from 1.
    pub line: usize,
    /// All fields.
    pub fields: Vec<Field<'a>>,
}

impl<'a> Stanza<'a> {
    /// A field's text by name, whatever its case; bytes that are no UTF-8 are replaced.
    pub fn get(&self, name: &str) -> Option<Cow<'a, str>> {
        self.field(name).map(|f| String::from_utf8_lossy(f.value))
    }
    /// A field by name, whatever its case.
    pub fn field(&self, name: &str) -> Option<&Field<'a>> {
        self.fields.iter().find(|f| f.name.eq_ignore_ascii_case(name))
    }
}

/// Splits deb822 text into stanzas without copying it.
///
/// # Errors
/// A line without a colon, a name that is none, a continuation of nothing, a field that stands twice.
pub fn parse_status(text: &[u8]) -> Result<Vec<Stanza<'_>>, ParseError> {
    let mut stanzas = Vec::new();
    let mut current: Option<Stanza<'_>> = None;
    let mut offset = 0;
    for (number, raw) in text.split_inclusive(|b| *b == b'\n').enumerate() {
        let (line, start) = (number + 1, offset);
        offset += raw.len();
        let fail = |reason: &str| ParseError { line, reason: reason.to_owned() };
        if raw.contains(&0) {
            return Err(fail("holds a NUL byte"));
        }
        if raw.trim_ascii().is_empty() {
            stanzas.extend(current.take());
            continue;
        }
        if raw[0] == b' ' || raw[0] == b'\t' {
            let field = current.as_mut().and_then(|s| s.fields.last_mut());
            let field = field.ok_or_else(|| fail("continues no field"))?;
            // The value is a slice of `text`: it grows to the end of this line.
            let from = field.value.as_ptr() as usize - text.as_ptr() as usize;
            field.value = text[from..offset].trim_ascii_end();
            continue;
        }
        let colon = raw.iter().position(|b| *b == b':').ok_or_else(|| fail("has no colon"))?;
        let name = field_name(&raw[..colon]).ok_or_else(|| fail("has no valid field name"))?;
        let stanza = current.get_or_insert_with(|| Stanza { line, fields: Vec::with_capacity(16) });
        if stanza.fields.len() >= limits::packages().fields {
            return Err(fail("is in a stanza of too many fields"));
        }
        if stanza.field(name).is_some() {
            return Err(fail(&format!("repeats the field {name}")));
        }
        let value_start = start + colon + 1;
        let value = &text[value_start..offset];
        let lead = value.len() - value.trim_ascii_start().len();
        let value_start = if lead == value.len() { value_start } else { value_start + lead };
        stanza.fields.push(Field { name, value: text[value_start..offset].trim_ascii_end(), line });
    }
    stanzas.extend(current.take());
    Ok(stanzas)
}

fn field_name(bytes: &[u8]) -> Option<&str> {
    let bytes = bytes.trim_ascii_end();
    let valid = !bytes.is_empty()
        && bytes.len() <= 200
        && !matches!(bytes[0], b'#' | b'-')
        && bytes.iter().all(u8::is_ascii_graphic);
    valid.then(|| std::str::from_utf8(bytes).ok()).flatten()
}

/// One installed package, as the database has it.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Installed {
    /// `Package`
    pub name: String,
    /// `Version`
    pub version: String,
    /// `Architecture`
    pub architecture: String,
    /// From `Source`, else the package's name.
    pub source: String,
    /// From `Source: x (v)`, else the version; without `+bN`.
    pub source_version: String,
    /// The selection is `hold`.
    pub held: bool,
}

/// The installed packages of one database file. With `needs_status` a stanza
/// without `Status` is not installed (dpkg's own file); without it, it is (`status.d`).
/// Like dpkg, the last stanza of a package and architecture wins.
pub(crate) fn installed(text: &[u8], needs_status: bool) -> Result<Vec<Installed>, ParseError> {
    let mut found = BTreeMap::new();
    for stanza in parse_status(text)? {
        let fail = |line: usize, reason: &str| ParseError { line, reason: reason.to_owned() };
        let name = stanza.get("Package").ok_or_else(|| fail(stanza.line, "the stanza has no Package"))?;
        check_name(&name).map_err(|r| fail(stanza.line, r))?;
        let state = match stanza.field("Status") {
            Some(field) => status(field.value).ok_or_else(|| fail(field.line, "is no dpkg status"))?,
            None if needs_status => State::Absent,
            None => State::Installed { held: false },
        };
        let architecture = stanza.get("Architecture").unwrap_or_default().into_owned();
        let key = (name.clone().into_owned(), architecture.clone());
        let State::Installed { held } = state else {
            found.remove(&key);
            continue;
        };
        let version = stanza
            .get("Version")
            .filter(|v| !v.is_empty() && !v.contains(char::is_whitespace))
            .ok_or_else(|| fail(stanza.line, "an installed package has no Version"))?
            .into_owned();
        let (source, source_version) = source(&stanza, &name, &version)?;
        let package = Installed { name: key.0.clone(), version, architecture, source, source_version, held };
        found.insert(key, package);
    }
    Ok(found.into_values().collect())
}

enum State {
    Installed { held: bool },
    Absent,
}

/// `want flag state`: what is unpacked to any degree counts as installed, its files are there.
/// `half-installed` and `config-files` have no complete file set, so they do not.
fn status(value: &[u8]) -> Option<State> {
    let text = std::str::from_utf8(value).ok()?;
    let mut words = text.split_ascii_whitespace();
    let (want, flag, state) = (words.next()?, words.next()?, words.next()?);
    if words.next().is_some()
        || !matches!(want, "unknown" | "install" | "hold" | "deinstall" | "purge")
        || !matches!(flag, "ok" | "reinstreq" | "hold" | "hold-reinstreq")
    {
        return None;
    }
    match state {
        "installed" | "unpacked" | "half-configured" | "triggers-awaited" | "triggers-pending" => {
            Some(State::Installed { held: want == "hold" })
        }
        "not-installed" | "config-files" | "half-installed" => Some(State::Absent),
        _ => None,
    }
}

fn check_name(name: &str) -> Result<(), &'static str> {
    let valid = name.len() <= 255
        && name.starts_with(|c: char| c.is_ascii_alphanumeric())
        && name.chars().all(|c| c.is_ascii_alphanumeric() || "+-._".contains(c));
    if valid { Ok(()) } else { Err("is no package name") }
}

/// `Source: name` or `Source: name (version)`; Policy 5.6.1.
fn source(stanza: &Stanza<'_>, name: &str, version: &str) -> Result<(String, String), ParseError> {
    let plain = without_binary_nmu(version).to_owned();
    let Some(field) = stanza.field("Source") else {
        return Ok((name.to_owned(), plain));
    };
    let text = String::from_utf8_lossy(field.value);
    let (source, version) = match text.split_once('(') {
        Some((source, rest)) => {
            let inner = rest.trim_end().strip_suffix(')').map(str::trim).filter(|v| !v.is_empty());
            let inner = inner.ok_or_else(|| ParseError {
                line: field.line,
                reason: "has a source version without its closing bracket".to_owned(),
            })?;
            (source.trim(), inner.to_owned())
        }
        None => (text.trim(), plain),
    };
    check_name(source).map_err(|r| ParseError { line: field.line, reason: r.to_owned() })?;
    Ok((source.to_owned(), version))
}

/// A rebuild without a change of source carries `+bN`, which the source's version does not have.
pub fn without_binary_nmu(version: &str) -> &str {
    match version.rsplit_once("+b") {
        Some((head, digits)) if !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit()) => head,
        _ => version,
    }
}

#[cfg(test)]
#[path = "dpkg_tests.rs"]
mod tests;
