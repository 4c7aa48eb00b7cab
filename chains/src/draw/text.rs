//! How much room a text takes, without asking a font: close enough for a box around it.

use crate::columns;

/// Pixels of a text in a common sans-serif at this size.
pub(super) fn pixels(text: &str, size: f64) -> f64 {
    text.chars().map(em).sum::<f64>() * size
}

/// A character's width in em.
fn em(c: char) -> f64 {
    match c {
        'i' | 'j' | 'l' | '.' | ',' | ':' | ';' | '\'' | '|' | '!' | 'I' => 0.3,
        'f' | 't' | 'r' | '(' | ')' | '[' | ']' | '{' | '}' | '/' | ' ' | '-' | '"' => 0.4,
        'm' | 'w' | 'M' | 'W' | '@' | '%' => 0.95,
        'A'..='Z' | '&' | '=' | '<' | '>' | '+' => 0.7,
        _ if columns::of(c) == 2 => 1.05,
        _ => 0.6,
    }
}

/// At most as much of a text as fits, with an ellipsis where something is cut.
pub(super) fn fitted(text: &str, size: f64, room: f64) -> String {
    if pixels(text, size) <= room {
        return text.to_owned();
    }
    let (mut cut, mut used) = (String::new(), size);
    for c in text.chars() {
        used += em(c) * size;
        if used > room {
            break;
        }
        cut.push(c);
    }
    cut.push('…');
    cut
}

/// Characters that steer a terminal or reorder a line become visible.
pub(super) fn clean(text: &str) -> String {
    text.chars().map(|c| if crate::diagnostics::unsafe_to_show(c) { '\u{fffd}' } else { c }).collect()
}
