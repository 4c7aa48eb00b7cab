//! Comma-separated values (RFC 4180) line by line; a field with a line break in it is not taken.

use std::io::{BufRead, Read as _};

use crate::advisories::limits;

/// Gives each line its number, from 1, and its text without the end of the line. Errors say the line.
pub(super) fn lines(
    mut from: impl BufRead,
    mut each: impl FnMut(usize, &str) -> Result<(), String>,
) -> Result<(), String> {
    let mut line = Vec::new();
    for number in 1.. {
        line.clear();
        let most = limits::advisories().line;
        let read = from.by_ref().take(most + 1).read_until(b'\n', &mut line);
        if read.map_err(|e| format!("line {number}: {e}"))? == 0 {
            break;
        }
        if line.last() != Some(&b'\n') && line.len() as u64 > most {
            return Err(format!("line {number}: it has more than {most} bytes"));
        }
        let text = std::str::from_utf8(&line).map_err(|e| format!("line {number}: {e}"))?;
        each(number, text.trim_end_matches(['\n', '\r']))
            .map_err(|reason| format!("line {number}: {reason}"))?;
    }
    Ok(())
}

/// The fields of a line.
pub(super) fn fields(line: &str) -> Result<Vec<String>, String> {
    let mut fields = Vec::new();
    let mut rest = line;
    loop {
        let (field, after) = match rest.strip_prefix('"') {
            Some(quoted) => quoted_field(quoted)?,
            None => {
                let end = rest.find(',').unwrap_or(rest.len());
                (rest[..end].to_owned(), &rest[end..])
            }
        };
        fields.push(field);
        match after.strip_prefix(',') {
            Some(next) => rest = next,
            None if after.is_empty() => return Ok(fields),
            None => return Err("there is text behind a quoted field".to_owned()),
        }
    }
}

/// Up to the quote that closes it; two of them are one.
fn quoted_field(mut rest: &str) -> Result<(String, &str), String> {
    let mut field = String::new();
    loop {
        let (before, after) = rest.split_once('"').ok_or("a quoted field does not end")?;
        field.push_str(before);
        match after.strip_prefix('"') {
            Some(more) => {
                field.push('"');
                rest = more;
            }
            None => return Ok((field, after)),
        }
    }
}

/// Where the columns stand that a header names.
pub(super) fn columns<const N: usize>(header: &str, wanted: [&str; N]) -> Result<[usize; N], String> {
    let names = fields(header)?;
    let mut places = [0; N];
    for (place, name) in places.iter_mut().zip(wanted) {
        let found = names.iter().position(|n| n.trim().eq_ignore_ascii_case(name));
        *place = found.ok_or_else(|| format!("the header names no column `{name}`"))?;
    }
    Ok(places)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_may_be_quoted() {
        let of = |line: &str| fields(line);
        assert_eq!(of("a,\"b,\"\"c\"\"\",").expect("fields"), ["a", "b,\"c\"", ""]);
        assert_eq!(of("").expect("fields"), [""]);
        assert!(of("\"a").is_err() && of("\"a\"b").is_err());
        assert_eq!(columns("CVE, x,score", ["score", "cve"]).expect("columns"), [2, 0]);
        assert!(columns("a,b", ["c"]).expect_err("missing").contains("`c`"));
    }

    #[test]
    fn a_line_without_end_is_refused() {
        let endless = vec![b'a'; limits::advisories().line as usize + 1];
        let error = lines(endless.as_slice(), |_, _| Ok(())).expect_err("too long");
        assert!(error.starts_with("line 1: "), "{error}");
        assert!(lines(&b"a\n\xff\n"[..], |_, _| Ok(())).expect_err("no text").starts_with("line 2: "));
    }

    proptest::proptest! {
        #[test]
        fn never_panics(line in "[,\"a]{0,12}") {
            let _ = fields(&line);
        }
    }
}
