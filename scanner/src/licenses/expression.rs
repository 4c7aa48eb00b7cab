//! SPDX licence expressions (SPDX specification 2.3, annex D), weighed by who may and who may not.

use spdx::LicenseReq;

/// A parsed expression.
#[derive(Debug, Clone)]
pub struct Expression(spdx::Expression);

/// A text that is no SPDX expression.
#[derive(Debug, thiserror::Error)]
#[error("`{0}` is no SPDX licence expression")]
pub struct NotAnExpression(String);

/// One expression of an inventory: they are ours, so what does not parse was damaged.
impl std::str::FromStr for Expression {
    type Err = NotAnExpression;
    fn from_str(text: &str) -> Result<Self, NotAnExpression> {
        let wrong = || NotAnExpression(text.chars().take(200).collect());
        // The parser works on a stack of its own; the bound is for the time.
        // `NONE` and `NOASSERTION` stand in the list of identifiers and are none.
        if text.len() > 4096 || [super::NO_ASSERTION, "NONE"].contains(&text) {
            return Err(wrong());
        }
        spdx::Expression::parse(text).map(Self).map_err(|_| wrong())
    }
}

impl Expression {
    /// The licences that stand in the way: none when the expression can be
    /// met by acceptable ones alone, `OR` by one side and `AND` by both.
    /// `accepts` sees a licence without and with its exception
    /// (`GPL-2.0-or-later`, and `GPL-2.0-or-later WITH Libtool-exception`).
    pub fn objections(&self, mut accepts: impl FnMut(&str, &str) -> bool) -> Vec<String> {
        let mut accepts = |licence: &LicenseReq| {
            let whole = licence.to_string();
            accepts(whole.split(" WITH ").next().unwrap_or(&whole), &whole)
        };
        if self.0.evaluate(&mut accepts) {
            return Vec::new();
        }
        let mut refused: Vec<String> =
            self.0.requirements().filter(|r| !accepts(&r.req)).map(|r| r.req.to_string()).collect();
        refused.sort_unstable();
        refused.dedup();
        refused
    }
}

/// Whether a package may bear this name: an identifier that SPDX lists and has not given up, with an exception of its
/// list perhaps, or a name of our own (`LicenseRef-…`).
pub fn is_identifier(text: &str) -> bool {
    spdx::Licensee::parse(text).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(expression: &str, forbidden: &[&str]) -> Vec<String> {
        let expression: Expression = expression.parse().expect("an expression");
        expression.objections(|id, whole| !forbidden.contains(&id) && !forbidden.contains(&whole))
    }

    #[test]
    fn a_choice_needs_one_and_a_conjunction_all() {
        for (expression, forbidden, left) in [
            ("MIT", &["GPL-2.0-only"][..], &[][..]),
            ("GPL-2.0-only", &["GPL-2.0-only"], &["GPL-2.0-only"]),
            ("MIT OR GPL-2.0-only", &["GPL-2.0-only"], &[]),
            ("MIT AND GPL-2.0-only", &["GPL-2.0-only"], &["GPL-2.0-only"]),
            ("MIT OR GPL-2.0-only", &["GPL-2.0-only", "MIT"], &["GPL-2.0-only", "MIT"]),
            // AND binds closer.
            ("ISC OR MIT AND GPL-2.0-only", &["GPL-2.0-only"], &[]),
            ("(ISC OR MIT) AND GPL-2.0-only", &["GPL-2.0-only"], &["GPL-2.0-only"]),
            (
                "GPL-2.0-or-later WITH Libtool-exception",
                &["GPL-2.0-or-later"],
                &["GPL-2.0-or-later WITH Libtool-exception"],
            ),
            (
                "GPL-2.0-or-later WITH AdditionRef-OpenSSL",
                &["GPL-2.0-or-later WITH AdditionRef-OpenSSL"],
                &["GPL-2.0-or-later WITH AdditionRef-OpenSSL"],
            ),
            ("LicenseRef-Jam", &["LicenseRef-Jam"], &["LicenseRef-Jam"]),
            ("Apache-2.0+ AND MIT", &["Apache-2.0+"], &["Apache-2.0+"]),
        ] {
            assert_eq!(refused(expression, forbidden), left, "{expression} without {forbidden:?}");
        }
    }

    #[test]
    fn what_is_no_expression_is_told() {
        for bad in ["", "NOASSERTION", "NONE", "MIT OR", "Nobody-1.0", "MIT GPL-2.0-only", "(MIT"] {
            assert!(bad.parse::<Expression>().is_err(), "{bad}");
        }
        let _ = "(".repeat(4000).parse::<Expression>();
        assert!("MIT AND ".repeat(1000).parse::<Expression>().is_err());
    }

    #[test]
    fn identifiers_are_those_of_the_list() {
        for good in
            ["MIT", "AGPL-3.0-only", "GPL-2.0-or-later WITH Classpath-exception-2.0", "LicenseRef-Jam"]
        {
            assert!(is_identifier(good), "{good}");
        }
        for bad in ["AGPL-3.0", "GPL-2+", "Expat", "AGPL", "MIT OR ISC", ""] {
            assert!(!is_identifier(bad), "{bad}");
        }
    }
}
