//! Diagnostics as text, in a compiler's manner: no colour, fit for a terminal, a log and a test.

use std::fmt::Write as _;

use super::{Diagnostic, Severity, Span, unsafe_to_show};
use crate::columns;

/// Characters of a source line that are shown at most.
const WINDOW: usize = 120;

impl Diagnostic {
    /// The complaint with its place in the source, as lines of text that end in a line feed.
    /// `source_text` is the file that was compiled; where it is another, only the source line is wrong.
    pub fn render(&self, source_name: &str, source_text: &str) -> String {
        let mut out = String::new();
        let word = match self.severity {
            Severity::Warning => "warning",
            Severity::Error => "error",
        };
        let widest = self.related.iter().map(|(s, _)| s.line).chain([self.span.line]).max().unwrap_or(1);
        let gutter = " ".repeat(widest.to_string().len());
        // Writing into a String cannot fail.
        let _ = writeln!(out, "{word}[{}]: {}", self.code, self.message);
        let _ = writeln!(out, "{gutter}--> {source_name}:{}:{}", self.span.line, self.span.column);
        excerpt(&mut out, &gutter, source_text, self.span, '^', "");
        for (span, label) in &self.related {
            let _ = writeln!(out, "{gutter}::: {source_name}:{}:{}", span.line, span.column);
            excerpt(&mut out, &gutter, source_text, *span, '-', label);
        }
        if let Some(hint) = &self.hint {
            let _ = writeln!(out, "{gutter} = help: {hint}");
        }
        out
    }
}

/// The line of `span` with marks below it.
fn excerpt(out: &mut String, gutter: &str, text: &str, span: Span, mark: char, label: &str) {
    let Some(before) = text.get(..span.offset.min(text.len())) else { return };
    let start = before.rfind(['\n', '\r']).map_or(0, |i| i + 1);
    let rest = &text[start..];
    let line = rest.split(['\n', '\r']).next().unwrap_or(rest);
    let (lead, marked_from) = window(line, span.offset - start);
    let line = &line[lead..];
    let from = marked_from.min(line.len());
    let to = (from + span.length.max(1)).min(line.len());
    let mut shown = String::new();
    let (mut pad, mut marks) = (0, 0);
    for (at, c) in line.char_indices().filter(|(_, c)| *c != '\u{feff}').take(WINDOW) {
        let c = if c == '\t' {
            ' '
        } else if unsafe_to_show(c) {
            '\u{fffd}'
        } else {
            c
        };
        shown.push(c);
        if at < from {
            pad += columns::of(c);
        } else if at < to {
            marks += columns::of(c);
        }
    }
    let number = format!("{:>width$}", span.line, width = gutter.len());
    let _ = writeln!(out, "{gutter} |");
    let _ = writeln!(out, "{number} | {}", shown.trim_end());
    let marks: String = std::iter::repeat_n(mark, marks.max(1)).collect();
    let label = if label.is_empty() { String::new() } else { format!(" {label}") };
    let _ = writeln!(out, "{gutter} | {}{marks}{label}", " ".repeat(pad));
}

/// Where to start showing a long line, so that `at` stays visible; and `at` from there.
fn window(line: &str, at: usize) -> (usize, usize) {
    if at <= WINDOW {
        return (0, at);
    }
    let mut lead = at.min(line.len()) - WINDOW / 2;
    while !line.is_char_boundary(lead) {
        lead -= 1;
    }
    (lead, at - lead)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_stand_below_the_source_also_with_wide_characters() {
        let text = "a: 1\ntitle: 扫描 oops\n";
        let at = text.find("oops").unwrap();
        let d = Diagnostic::error("wrong-type", Span::locate(text.as_bytes(), at, 4), "expected a number")
            .related(Span::locate(text.as_bytes(), 0, 1), "first here")
            .hint("write a number");
        assert_eq!(
            d.render("c.yaml", text),
            "error[wrong-type]: expected a number\n --> c.yaml:2:11\n  |\n2 | title: 扫描 oops\n  |             ^^^^\n \
             ::: c.yaml:1:1\n  |\n1 | a: 1\n  | - first here\n  = help: write a number\n"
        );
    }

    #[test]
    fn hostile_places_and_characters_do_no_harm() {
        let text = format!("{}\u{1b}[31m\u{202e}x", "長".repeat(5_000));
        for offset in 0..text.len() + 3 {
            let span = Span { offset, length: 7, line: 1, column: 1 };
            let shown = Diagnostic::error("x", span, "m").render("n", &text);
            assert!(!shown.contains('\u{1b}') && !shown.contains('\u{202e}'));
            assert!(shown.len() < 2_000);
            if offset > 50 {
                break;
            }
        }
        let tail = Span { offset: text.len() - 1, length: 1, line: 1, column: 1 };
        assert!(Diagnostic::error("x", tail, "m").render("n", &text).contains('\u{fffd}'));
    }
}
