//! Rust source as words, texts and marks: enough to see where a text stands.

/// A piece of source.
#[derive(Debug, Clone, PartialEq)]
pub enum Token {
    /// A name, a keyword, a number, a lifetime.
    Word(String),
    /// What stands between quotes, escapes as written.
    Text(String),
    /// Any other character.
    Mark(char),
}

/// A token and its line, from 1.
pub type Placed = (Token, usize);

/// Without comments, and without what `#[cfg(test)]` stands before.
pub fn read(text: &str) -> Vec<Placed> {
    without_tests(lex(text))
}

fn lex(text: &str) -> Vec<Placed> {
    let chars: Vec<char> = text.chars().collect();
    let at = |i: usize| chars.get(i).copied().unwrap_or('\0');
    let (mut i, mut line, mut tokens) = (0, 1, Vec::new());
    while i < chars.len() {
        let (start, from) = (i, line);
        match at(i) {
            '/' if at(i + 1) == '/' => {
                while i < chars.len() && at(i) != '\n' {
                    i += 1;
                }
                continue;
            }
            '/' if at(i + 1) == '*' => {
                let mut depth = 0;
                loop {
                    match (at(i), at(i + 1)) {
                        ('/', '*') => (depth, i) = (depth + 1, i + 2),
                        ('*', '/') => (depth, i) = (depth - 1, i + 2),
                        _ => i += 1,
                    }
                    if depth == 0 || i >= chars.len() {
                        break;
                    }
                }
            }
            '"' => {
                i += 1;
                while i < chars.len() && at(i) != '"' {
                    i += if at(i) == '\\' { 2 } else { 1 };
                }
                tokens.push((Token::Text(chars[start + 1..i.min(chars.len())].iter().collect()), from));
                i += 1;
            }
            '\'' if at(i + 1) == '\\' => {
                i += 3;
                while i < chars.len() && at(i) != '\'' {
                    i += 1;
                }
                i += 1;
            }
            '\'' if at(i + 2) == '\'' => i += 3,
            c if c.is_alphanumeric() || c == '_' || c == '\'' => {
                i += 1;
                while at(i).is_alphanumeric() || at(i) == '_' {
                    i += 1;
                }
                let word: String = chars[start..i].iter().collect();
                let hashes = (i..).take_while(|k| at(*k) == '#').count();
                if matches!(word.as_str(), "r" | "br") && at(i + hashes) == '"' {
                    let inside = i + hashes + 1;
                    let ends = |k: &usize| at(*k) == '"' && (1..=hashes).all(|h| at(k + h) == '#');
                    let end = (inside..chars.len()).find(ends).unwrap_or(chars.len());
                    tokens.push((Token::Text(chars[inside..end].iter().collect()), from));
                    i = end + 1 + hashes;
                } else {
                    tokens.push((Token::Word(word), from));
                }
            }
            c => {
                i += 1;
                if !c.is_whitespace() {
                    tokens.push((Token::Mark(c), from));
                }
            }
        }
        line += chars[start..i.min(chars.len())].iter().filter(|c| **c == '\n').count();
    }
    tokens
}

fn without_tests(tokens: Vec<Placed>) -> Vec<Placed> {
    let marker = lex("#[cfg(test)]");
    let same = |i: usize| {
        tokens.len() >= i + marker.len() && marker.iter().zip(&tokens[i..]).all(|(m, t)| m.0 == t.0)
    };
    let (mut i, mut kept) = (0, Vec::new());
    while i < tokens.len() {
        if !same(i) {
            kept.push(tokens[i].clone());
            i += 1;
            continue;
        }
        i += marker.len();
        // The item ends with `;`, or with its braces.
        while i < tokens.len() {
            match &tokens[i].0 {
                Token::Mark(';') => break,
                Token::Mark('{') => {
                    i = closing(&tokens, i);
                    break;
                }
                Token::Mark('(' | '[') => i = closing(&tokens, i),
                _ => {}
            }
            i += 1;
        }
        i += 1;
    }
    kept
}

/// Where the bracket that opens at `open` closes.
pub fn closing(tokens: &[Placed], open: usize) -> usize {
    let mut depth = 0;
    for (i, (token, _)) in tokens.iter().enumerate().skip(open) {
        match token {
            Token::Mark('(' | '[' | '{') => depth += 1,
            Token::Mark(')' | ']' | '}') => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return i;
        }
    }
    tokens.len()
}

/// Split at the commas that stand in no bracket, nor in `<…>` where those are types'.
pub fn parts(tokens: &[Placed], types: bool) -> Vec<&[Placed]> {
    let (mut depth, mut from, mut found) = (0, 0, Vec::new());
    for (i, (token, _)) in tokens.iter().enumerate() {
        match token {
            Token::Mark('(' | '[' | '{') => depth += 1,
            Token::Mark(')' | ']' | '}') => depth -= 1,
            Token::Mark('<') if types => depth += 1,
            Token::Mark('>') if types && !is(tokens, i.wrapping_sub(1), '-') => depth -= 1,
            Token::Mark(',') if depth == 0 => {
                found.push(&tokens[from..i]);
                from = i + 1;
            }
            _ => {}
        }
    }
    if from < tokens.len() {
        found.push(&tokens[from..]);
    }
    found
}

/// Whether that mark stands there.
pub fn is(tokens: &[Placed], i: usize, mark: char) -> bool {
    tokens.get(i).is_some_and(|(token, _)| *token == Token::Mark(mark))
}

/// The word that stands there.
pub fn word(tokens: &[Placed], i: usize) -> Option<&str> {
    match tokens.get(i) {
        Some((Token::Word(word), _)) => Some(word),
        _ => None,
    }
}
