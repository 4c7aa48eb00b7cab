//! Where codes are made: what takes or holds a `code`, found in the sources by that name.
//!
//! A code is a text in one of four places: the body of `fn code(&self)`, the argument that a
//! function or closure calls `code`, the value of a field `code`, and the value of `let code`. A step
//! that is denied says its code as `"reason"`. What stands there and is neither a text nor handed
//! on from another `code` is told as untraced, so that a new way to make codes cannot go unseen.

use std::{collections::BTreeMap, fs, path::PathBuf};

use crate::tokens::{self, Placed, Token, closing, is, parts, word};

/// A crate's sources, and what in them takes a code.
pub struct Room {
    files: Vec<(String, Vec<Placed>)>,
    makers: Vec<Maker>,
}

struct Maker {
    /// `Failure` of `Failure::says`.
    owner: Option<String>,
    name: String,
    /// Which argument, not counting `self`.
    argument: usize,
    /// Whether it is called with a dot.
    method: bool,
    /// A closure is known in its file alone.
    file: Option<usize>,
}

/// What a room shows.
#[derive(Default)]
pub struct Found {
    /// Each with one place.
    pub codes: BTreeMap<String, String>,
    /// Places whose code cannot be seen.
    pub untraced: Vec<String>,
}

impl Room {
    /// Reads the files.
    pub fn read(paths: &[PathBuf]) -> Room {
        let texts: Vec<(String, String)> =
            paths.iter().map(|p| (p.display().to_string(), fs::read_to_string(p).unwrap())).collect();
        Room::of(&texts.iter().map(|(name, text)| (name.as_str(), text.as_str())).collect::<Vec<_>>())
    }

    /// From names and texts.
    pub fn of(texts: &[(&str, &str)]) -> Room {
        let files: Vec<_> =
            texts.iter().map(|(name, text)| ((*name).to_owned(), tokens::read(text))).collect();
        let makers = files.iter().enumerate().flat_map(|(file, (_, tokens))| makers(file, tokens)).collect();
        Room { files, makers }
    }
}

/// Lowercase words with hyphens between them; `N` where a number is put in.
pub fn is_code(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_lowercase())
        && text.split('-').all(|part| {
            part == "N"
                || !part.is_empty() && part.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit())
        })
}

/// The codes of `rooms[at]`; types of the other rooms may make them.
pub fn codes(rooms: &[Room], at: usize) -> Found {
    let mut found = Found::default();
    for (file, (name, tokens)) in rooms[at].files.iter().enumerate() {
        let owners = owners(tokens);
        for i in 0..tokens.len() {
            let mut take = |value: &[Placed]| found.take(value, &format!("{name}:{}", tokens[i].1));
            if let (Token::Text(key), true, Some((Token::Text(_), _))) =
                (&tokens[i].0, is(tokens, i + 1, ':'), tokens.get(i + 2))
                && key == "reason"
            {
                take(&tokens[i + 2..i + 3]);
            }
            match word(tokens, i) {
                Some("code") if word(tokens, i.wrapping_sub(1)) == Some("fn") => {
                    let open = i + 1;
                    let end = closing(tokens, open);
                    let Some(body) = (end..tokens.len()).find(|k| is(tokens, *k, '{')) else { continue };
                    if is(tokens, open + 1, '&') && word(tokens, open + 2) == Some("self") {
                        for k in body..closing(tokens, body) {
                            if matches!(tokens[k].0, Token::Text(_)) {
                                take(&tokens[k..=k]);
                            }
                        }
                    }
                }
                Some("code") if is(tokens, i + 1, ':') && !is(tokens, i + 2, ':') => {
                    take(value(tokens, i + 2, &[',', '|']));
                }
                Some("let") => {
                    let pattern = value(tokens, i + 1, &['=']);
                    let names_it = pattern.iter().any(|(t, _)| *t == Token::Word("code".to_owned()));
                    let of_fields = pattern.iter().any(|(t, _)| *t == Token::Mark('{'));
                    if names_it && !of_fields {
                        let first = i + 1 + pattern.len() + 1;
                        let bound = if pattern.len() == 1 { value(tokens, first, &[';']) } else { &[] };
                        // Texts that are no codes: a script's code, a terminal's.
                        if !foreign(bound) {
                            take(bound);
                        }
                    }
                }
                Some(called) if is(tokens, i + 1, '(') && word(tokens, i.wrapping_sub(1)) != Some("fn") => {
                    let path = i >= 3 && is(tokens, i - 1, ':') && is(tokens, i - 2, ':');
                    let owner =
                        path.then(|| word(tokens, i - 3))
                            .flatten()
                            .filter(|q| q.starts_with(char::is_uppercase))
                            .map(|q| {
                                if q == "Self" { owners[i].clone().unwrap_or_default() } else { q.to_owned() }
                            });
                    let method = i > 0 && is(tokens, i - 1, '.');
                    let fits = |maker: &Maker, here: bool| {
                        maker.name == called
                            && match &maker.owner {
                                _ if method || maker.method => method && maker.method,
                                Some(of) => owner.as_ref() == Some(of),
                                None => here && owner.is_none(),
                            }
                            && (maker.file.is_none() || here && maker.file == Some(file))
                    };
                    let mut fitting: Vec<&Maker> =
                        rooms[at].makers.iter().filter(|m| fits(m, true)).collect();
                    if fitting.is_empty() && !method {
                        let others = rooms.iter().flat_map(|room| &room.makers);
                        fitting = others.filter(|m| fits(m, false)).collect();
                    }
                    let arguments = parts(&tokens[i + 2..closing(tokens, i + 1).max(i + 2)], false);
                    for maker in fitting {
                        take(arguments.get(maker.argument).copied().unwrap_or_default());
                    }
                }
                _ => {}
            }
        }
    }
    found
}

impl Found {
    fn take(&mut self, value: &[Placed], place: &str) {
        let texts: Vec<&String> = value
            .iter()
            .filter_map(|(token, _)| if let Token::Text(text) = token { Some(text) } else { None })
            .collect();
        for text in &texts {
            let code = numbered(text);
            // The Distribution API's codes are capitals: they are not ours to document.
            if is_code(&code) {
                self.codes.entry(code).or_insert_with(|| place.to_owned());
            } else if !text.chars().all(|c| c.is_ascii_uppercase() || c == '_') {
                self.untraced.push(format!("{place}: `{text}` is no code"));
            }
        }
        let handed_on = value.iter().any(|(token, _)| *token == Token::Word("code".to_owned()));
        if texts.is_empty() && !handed_on && !is_type(value) {
            self.untraced.push(place.to_owned());
        }
    }
}

/// Texts, but none that looks like a code.
fn foreign(value: &[Placed]) -> bool {
    let mut texts =
        value.iter().filter_map(|(t, _)| if let Token::Text(text) = t { Some(text) } else { None });
    let any = texts.clone().next().is_some();
    any && texts.all(|text| !is_code(&numbered(text)))
}

/// `dingtalk-{}` as `dingtalk-N`.
fn numbered(text: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('{') {
        out.push_str(before);
        out.push('N');
        rest = after.split_once('}').map_or("", |(_, rest)| rest);
    }
    out + rest
}

/// A declaration's type, not a value.
fn is_type(value: &[Placed]) -> bool {
    let words: Vec<&str> = (0..value.len()).filter_map(|i| word(value, i)).collect();
    match words.as_slice() {
        ["str" | "String" | "u8" | "u16" | "i32" | "i64"] => true,
        [first, .., "str" | "String"] => {
            matches!(*first, "impl" | "Option" | "Cow") || first.starts_with('\'')
        }
        _ => false,
    }
}

/// From `from` to one of the marks, or the end of what it stands in.
fn value<'a>(tokens: &'a [Placed], from: usize, ends: &[char]) -> &'a [Placed] {
    let mut i = from;
    while i < tokens.len() {
        match &tokens[i].0 {
            Token::Mark('(' | '[' | '{') => i = closing(tokens, i),
            Token::Mark(')' | ']' | '}') => break,
            Token::Mark(c) if ends.contains(c) => break,
            _ => {}
        }
        i += 1;
    }
    &tokens[from.min(tokens.len())..i.min(tokens.len())]
}

/// For each token the type whose `impl` it stands in.
fn owners(tokens: &[Placed]) -> Vec<Option<String>> {
    let mut owners = vec![None; tokens.len()];
    for i in 0..tokens.len() {
        let begins = i == 0 || matches!(tokens[i - 1].0, Token::Mark('}' | ';' | '{' | ']'));
        if word(tokens, i) != Some("impl") || !begins {
            continue;
        }
        let Some(open) = (i..tokens.len()).find(|k| is(tokens, *k, '{')) else { continue };
        let (mut depth, mut owner) = (0, None);
        for k in i + 1..open {
            match &tokens[k].0 {
                Token::Mark('<') => depth += 1,
                Token::Mark('>') if !is(tokens, k - 1, '-') => depth -= 1,
                Token::Word(name) if name == "where" => break,
                Token::Word(name) if depth == 0 && !name.starts_with('\'') => owner = Some(name.clone()),
                _ => {}
            }
        }
        let end = closing(tokens, open).min(tokens.len());
        owners[open..end].fill(owner);
    }
    owners
}

/// Functions and closures with a parameter `code` that is a text.
fn makers(file: usize, tokens: &[Placed]) -> Vec<Maker> {
    let owners = owners(tokens);
    let mut found = Vec::new();
    for (i, owner) in owners.iter().enumerate() {
        let Some(name) = word(tokens, i + 1) else { continue };
        let (parameters, closure) = match word(tokens, i) {
            Some("fn") => {
                let mut open = i + 2;
                let mut depth = 0;
                while open < tokens.len() && (depth > 0 || !is(tokens, open, '(')) {
                    depth += i32::from(is(tokens, open, '<'));
                    depth -= i32::from(is(tokens, open, '>') && !is(tokens, open - 1, '-'));
                    open += 1;
                }
                (tokens.get(open + 1..closing(tokens, open)).unwrap_or_default(), false)
            }
            Some("let") => {
                let moves = usize::from(word(tokens, i + 3) == Some("move"));
                if !is(tokens, i + 2, '=') || !is(tokens, i + 3 + moves, '|') {
                    continue;
                }
                (value(tokens, i + 4 + moves, &['|']), true)
            }
            _ => continue,
        };
        let parameters = parts(parameters, true);
        let method = parameters.first().is_some_and(|p| word(p, p.len().wrapping_sub(1)) == Some("self"));
        let parameters = parameters.iter().filter(|p| word(p, p.len().wrapping_sub(1)) != Some("self"));
        for (argument, parameter) in parameters.enumerate() {
            let is_text = parameter.len() == 1
                || parameter.iter().any(|(t, _)| matches!(t, Token::Word(w) if w == "str" || w == "String"));
            if word(parameter, 0) == Some("code") && is_text {
                let owner = if closure { None } else { owner.clone() };
                found.push(Maker {
                    owner,
                    name: name.to_owned(),
                    argument,
                    method,
                    file: closure.then_some(file),
                });
            }
        }
    }
    found
}
