//! Rendered diagnostics in colour, as compilers colour theirs: the words stay the same.

use crate::terminal::{Colour, coloured};

/// Paints the lines of a rendered diagnostic.
pub(super) fn painted(text: &str) -> String {
    let error = text.starts_with("error");
    let strong = if error { Colour::Critical } else { Colour::Medium };
    let mut out = String::new();
    for (number, line) in text.split_inclusive('\n').enumerate() {
        let (line, end) = match line.strip_suffix('\n') {
            Some(line) => (line, "\n"),
            None => (line, ""),
        };
        out.push_str(&match number {
            0 => head(line, strong),
            _ => below(line, strong),
        });
        out.push_str(end);
    }
    out
}

/// `error[code]: message`
fn head(line: &str, strong: Colour) -> String {
    match line.split_once("]: ") {
        Some((code, message)) => {
            let code = coloured(&format!("{code}]"), strong);
            format!("{code}: {}", coloured(message, Colour::Strong))
        }
        None => line.to_owned(),
    }
}

/// Gutter, place, marks and hint; a line of the source stays as it is.
fn below(line: &str, strong: Colour) -> String {
    let blank = line.len() - line.trim_start().len();
    let (margin, rest) = line.split_at(blank);
    if let Some(place) = rest.strip_prefix("--> ").or_else(|| rest.strip_prefix("::: ")) {
        return format!("{margin}{} {place}", coloured(&rest[..3], Colour::Mark));
    }
    if let Some(hint) = rest.strip_prefix("= help:") {
        return format!("{margin}{}{hint}", coloured("= help:", Colour::Mark));
    }
    let Some((gutter, source)) = line.split_once('|') else { return line.to_owned() };
    let gutter = coloured(&format!("{gutter}|"), Colour::Mark);
    let marks = source.trim_start();
    match marks.chars().next() {
        Some('^') if blank > 0 => {
            let pad = &source[..source.len() - marks.len()];
            format!("{gutter}{pad}{}", coloured(marks, strong))
        }
        Some('-') if blank > 0 && !marks.starts_with("- ") || marks.starts_with("--") => {
            let pad = &source[..source.len() - marks.len()];
            format!("{gutter}{pad}{}", coloured(marks, Colour::Mark))
        }
        _ => format!("{gutter}{source}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colours_change_no_word() {
        let text = "error[unknown-key]: unknown key `a`\n  --> c.yaml:10:1\n   |\n10 | a: 1\n   | ^ here\n   ::: c.yaml:9:1\n   |\n 9 | - b\n   | - first here\n   = help: did you mean `b`?\n";
        let painted = painted(text);
        assert!(painted.starts_with("\u{1b}[1;31merror[unknown-key]\u{1b}[0m: "), "{painted}");
        let mut plain = String::new();
        let mut rest = painted.as_str();
        while let Some((before, after)) = rest.split_once('\u{1b}') {
            plain.push_str(before);
            rest = after.split_once('m').unwrap().1;
        }
        plain.push_str(rest);
        assert_eq!(plain, text);
    }
}
