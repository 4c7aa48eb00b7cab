//! From bytes to text: size, UTF-8, and no character that hides or cuts what a person reads.

use crate::diagnostics::{Diagnostic, Span};
use crate::limits::MAX_BYTES;

/// The file as text, without its byte order mark, and how many bytes that mark had.
pub(super) fn text_of(bytes: &[u8]) -> Result<(&str, usize), Box<Diagnostic>> {
    let fatal = |code, at, message: String, hint: &str| {
        Err(Box::new(Diagnostic::error(code, Span::locate(bytes, at, 1), message).hint(hint)))
    };
    if bytes.len() > MAX_BYTES {
        let message = format!("the file has {} bytes, {MAX_BYTES} are allowed", bytes.len());
        let error = Diagnostic::error("too-large", Span::START, message);
        return Err(Box::new(error.hint("split it: one file a chain")));
    }
    if bytes.starts_with(&[0xff, 0xfe]) || bytes.starts_with(&[0xfe, 0xff]) {
        return fatal("not-utf8", 0, "the file is UTF-16".to_owned(), "save it as UTF-8");
    }
    let text = match std::str::from_utf8(bytes) {
        Ok(text) => text,
        Err(error) => {
            let at = error.valid_up_to();
            let message = format!("byte {:#04x} is not UTF-8", bytes[at]);
            return fatal("not-utf8", at, message, "save the file as UTF-8");
        }
    };
    let skipped = if text.starts_with('\u{feff}') { '\u{feff}'.len_utf8() } else { 0 };
    let forbidden = |c: &(usize, char)| {
        (c.1.is_control() && !matches!(c.1, '\n' | '\r' | '\t' | '\u{85}')) || c.1 == '\u{feff}'
    };
    if let Some((at, c)) = text[skipped..].char_indices().find(forbidden) {
        let message = format!("control character U+{:04X}", u32::from(c));
        return fatal(
            "control-character",
            at + skipped,
            message,
            "remove it, or write it as an escape in double quotes",
        );
    }
    Ok((&text[skipped..], skipped))
}
