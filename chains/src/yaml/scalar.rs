//! What an unquoted word means: YAML's core schema, without its spellings of booleans and nothing
//! that two readers of a file would take for different things.

use super::Content;

/// The value of a plain (unquoted, untagged) scalar.
pub(super) fn plain(text: &str) -> Content {
    match text {
        "" | "~" | "null" => return Content::Null,
        "true" => return Content::Bool(true),
        "false" => return Content::Bool(false),
        _ => {}
    }
    let digits = text.strip_prefix(['-', '+']).unwrap_or(text);
    if !digits.starts_with(|c: char| c.is_ascii_digit() || c == '.') {
        return Content::Text(text.to_owned());
    }
    if digits.bytes().all(|b| b.is_ascii_digit()) && !(digits.len() > 1 && digits.starts_with('0')) {
        // A number too large for us is text: nothing that takes a number takes it.
        return text.parse().map_or_else(|_| Content::Text(text.to_owned()), Content::Integer);
    }
    let float = digits.bytes().all(|b| b.is_ascii_digit() || matches!(b, b'.' | b'e' | b'E' | b'+' | b'-'));
    match text.parse::<f64>() {
        Ok(number) if float && number.is_finite() && digits.len() > 1 && !leading_zero(digits) => {
            Content::Float(number)
        }
        _ => Content::Text(text.to_owned()),
    }
}

/// `007.5` is a name, `0.5` a number.
fn leading_zero(digits: &str) -> bool {
    digits.starts_with('0') && digits.as_bytes().get(1).is_some_and(u8::is_ascii_digit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_mean_one_thing() {
        assert_eq!(plain("true"), Content::Bool(true));
        assert_eq!(plain("~"), Content::Null);
        assert_eq!(plain("-12"), Content::Integer(-12));
        assert_eq!(plain("0.5"), Content::Float(0.5));
        assert_eq!(plain("1e3"), Content::Float(1000.0));
        for text in [
            "yes",
            "no",
            "on",
            "off",
            "True",
            "NULL",
            "0123",
            "3.0.15",
            "1.2.3",
            "0x1f",
            "15m",
            ".",
            "1e999",
            "+",
            "99999999999999999999",
            "12-13",
            "-",
            "inf",
            ".inf",
        ] {
            assert_eq!(plain(text), Content::Text(text.to_owned()), "{text}");
        }
    }
}
