//! JSON for people and programs alike: serde_json's own spacing, two spaces a level, at a fraction of its writes.
//!
//! serde_json's formatter writes a line's indentation level by level, which is the most of what it does for a large SBOM.

use std::io::{self, Write};

use serde::Serialize;
use serde_json::ser::{Formatter, Serializer};

/// A comma, the end of a line, and the beginning of the next, as far as 64 spaces.
const LINE: &[u8; 66] = b",\n                                                                ";
const DEEPEST: usize = (LINE.len() - 2) / 2;

/// A value with a line for each of its parts.
pub(crate) fn text<T: Serialize + ?Sized>(value: &T) -> serde_json::Result<String> {
    let mut bytes = Vec::new();
    value.serialize(&mut Serializer::with_formatter(&mut bytes, Lines::default()))?;
    String::from_utf8(bytes).map_err(|error| serde_json::Error::io(io::Error::other(error)))
}

#[derive(Default)]
struct Lines {
    depth: usize,
    filled: bool,
}

impl Lines {
    fn begin<W: ?Sized + Write>(&mut self, writer: &mut W, bracket: &[u8]) -> io::Result<()> {
        self.depth += 1;
        self.filled = false;
        writer.write_all(bracket)
    }
    fn end<W: ?Sized + Write>(&mut self, writer: &mut W, bracket: &[u8]) -> io::Result<()> {
        self.depth -= 1;
        if self.filled {
            self.line(writer, true)?;
        }
        writer.write_all(bracket)
    }
    /// Begins a line; all but the first of its kind end the one before with a comma.
    fn line<W: ?Sized + Write>(&self, writer: &mut W, first: bool) -> io::Result<()> {
        let from = usize::from(first);
        writer.write_all(&LINE[from..2 + 2 * self.depth.min(DEEPEST)])?;
        (DEEPEST..self.depth).try_for_each(|_| writer.write_all(b"  "))
    }
}

impl Formatter for Lines {
    fn begin_array<W: ?Sized + Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.begin(writer, b"[")
    }
    fn end_array<W: ?Sized + Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.end(writer, b"]")
    }
    fn begin_array_value<W: ?Sized + Write>(&mut self, writer: &mut W, first: bool) -> io::Result<()> {
        self.line(writer, first)
    }
    fn end_array_value<W: ?Sized + Write>(&mut self, _: &mut W) -> io::Result<()> {
        self.filled = true;
        Ok(())
    }
    fn begin_object<W: ?Sized + Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.begin(writer, b"{")
    }
    fn end_object<W: ?Sized + Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.end(writer, b"}")
    }
    fn begin_object_key<W: ?Sized + Write>(&mut self, writer: &mut W, first: bool) -> io::Result<()> {
        self.line(writer, first)
    }
    fn begin_object_value<W: ?Sized + Write>(&mut self, writer: &mut W) -> io::Result<()> {
        writer.write_all(b": ")
    }
    fn end_object_value<W: ?Sized + Write>(&mut self, _: &mut W) -> io::Result<()> {
        self.filled = true;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    #[test]
    fn it_is_serde_jsons_to_the_last_byte() {
        let mut deep = json!([1, {"a": []}]);
        for _ in 0..2 * DEEPEST {
            deep = json!({"k": [deep, {}], "z": "\u{1}\"é"});
        }
        for value in [
            deep,
            json!([]),
            json!({}),
            json!([[], {}, [{}]]),
            json!({"a": {"b": [1, 2]}}),
            json!(null),
            json!("x"),
        ] {
            assert_eq!(text(&value).unwrap(), serde_json::to_string_pretty(&value).unwrap());
        }
        assert_eq!(text(&Value::Bool(true)).unwrap(), "true");
    }
}
