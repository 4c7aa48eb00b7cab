//! Licences of packages: Debian's copyright files read, SPDX expressions weighed.

mod copyright;
mod debian;
mod expression;

pub(crate) use copyright::of_copyright_file;
pub use expression::{Expression, NotAnExpression, is_identifier};

/// What stands among a package's licences where they are not all known, as the SPDX specification has it.
pub const NO_ASSERTION: &str = "NOASSERTION";

/// What a package says of itself: an SPDX expression, or words that are none.
pub(crate) fn stated(text: &str) -> Vec<String> {
    let text = text.trim();
    let known = text.parse::<Expression>().is_ok();
    if text.is_empty() { Vec::new() } else { vec![if known { text } else { NO_ASSERTION }.to_owned()] }
}
