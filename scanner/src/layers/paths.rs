//! Tens of thousands of paths as one text: a layer's facts are read whenever an image is.

use serde::{Deserialize, Serialize};

/// Ends each path: DEL is the one control that JSON needs no escape for, so that the text is read at memory's speed.
const END: char = '\u{7f}';

/// Paths in the order in which they came. One that has a control in it that ends paths here, or lines in a package's
/// list, is not kept: none of a package's files has.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Paths(String);

impl Paths {
    pub(crate) fn push(&mut self, path: &str) {
        if !path.contains(['\n', END]) {
            self.0.push_str(path);
            self.0.push(END);
        }
    }
    pub(crate) fn iter(&self) -> impl Iterator<Item = &str> {
        self.0.split_terminator(END)
    }
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl<'a> FromIterator<&'a str> for Paths {
    fn from_iter<I: IntoIterator<Item = &'a str>>(paths: I) -> Self {
        let mut all = Self::default();
        paths.into_iter().for_each(|path| all.push(path));
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_come_back_in_their_order() {
        let paths: Paths = ["b/c", "a\r", "two\nlines", "a\u{7f}b", "a b"].into_iter().collect();
        assert_eq!(paths.iter().collect::<Vec<_>>(), ["b/c", "a\r", "a b"]);
        assert!(Paths::default().is_empty() && !paths.is_empty());
        let json = serde_json::to_string(&paths).unwrap();
        assert_eq!(json.matches('\\').count(), 1, "only the carriage return is escaped: {json}");
    }
}
