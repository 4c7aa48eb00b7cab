//! Semantic Versioning 2.0.0, section 11, and the dialects of it that ecosystems speak.
//!
//! All of them are read loosely: any count of numbers, where those that are absent are zero; what follows the numbers
//! without a dash is a pre-release too (`1.2.3beta`). Text without a number in front is a pre-release of zero, so that
//! it precedes every version.

use std::cmp::Ordering;

use super::parts::{digits, ignoring_case, number, run, series};

/// What an ecosystem does differently.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Dialect {
    /// As the specification has it; a `v` in front is let pass.
    Plain,
    /// node-semver, loose: any `v`, `=` and white space in front.
    Npm,
    /// Go modules reference, "Versions": pseudo-versions are pre-releases and `+incompatible` is metadata. A
    /// toolchain's `go1.21rc1` is `1.21.0-rc.1`.
    Go,
    /// NuGet: upper and lower case are one.
    NuGet,
    /// Dart's pub_semver: build metadata is compared, and having some is later.
    Pub,
    /// Bitnami: a bare number behind the dash is a revision, later than none.
    Bitnami,
}

/// Compares numbers, then pre-releases; build metadata counts for [`Dialect::Pub`] alone.
pub(super) fn compare(dialect: Dialect, a: &str, b: &str) -> Ordering {
    let (a, b) = (Version::read(dialect, a), Version::read(dialect, b));
    series(a.core.split('.'), b.core.split('.'), |a, b| {
        number(a.unwrap_or_default().as_bytes(), b.unwrap_or_default().as_bytes())
    })
    .then_with(|| a.place().cmp(&b.place()))
    .then_with(|| identifiers(dialect, a.prerelease, b.prerelease))
    .then_with(|| match dialect {
        // None precedes all.
        Dialect::Pub => identifiers(dialect, a.build, b.build),
        _ => Ordering::Equal,
    })
}

#[derive(Debug, Clone, Copy)]
struct Version<'a> {
    /// Numbers and dots.
    core: &'a str,
    prerelease: Rest<'a>,
    /// Whether the pre-release is none but a revision.
    revision: bool,
    build: Rest<'a>,
}

/// Identifiers behind the numbers; `glued` where no dash led there.
#[derive(Debug, Clone, Copy)]
struct Rest<'a> {
    text: Option<&'a str>,
    glued: bool,
}

impl<'a> Rest<'a> {
    fn read(self, dialect: Dialect) -> Identifiers<'a> {
        Identifiers { rest: self.text.map(str::as_bytes), split: self.glued && dialect == Dialect::Go }
    }
}

impl<'a> Version<'a> {
    fn read(dialect: Dialect, text: &'a str) -> Self {
        let text = text.trim();
        let text = match dialect {
            Dialect::Npm => text.trim_start_matches(|c: char| c == 'v' || c == '=' || c.is_whitespace()),
            Dialect::Go => {
                // What a build of the toolchain adds stands behind a space: `go1.21.1 X:boringcrypto`.
                let text = text.split_once(' ').map_or(text, |(version, _)| version);
                text.strip_prefix("go").or_else(|| text.strip_prefix('v')).unwrap_or(text)
            }
            _ => text.strip_prefix(['v', 'V']).unwrap_or(text),
        };
        let (core, rest) = text.split_at(core(text.as_bytes()));
        let (rest, build) = rest.split_once('+').map_or((rest, None), |(rest, build)| (rest, Some(build)));
        let build = Rest { text: build, glued: false };
        let prerelease = match rest.strip_prefix('-') {
            Some(rest) => Rest { text: Some(rest), glued: false },
            None => Rest { text: (!rest.is_empty()).then_some(rest), glued: true },
        };
        let bare = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
        let revision = dialect == Dialect::Bitnami && !prerelease.glued && prerelease.text.is_some_and(bare);
        Self { core, prerelease, revision, build }
    }

    /// Pre-releases, the release, revisions of it.
    fn place(&self) -> u8 {
        match self.prerelease.text {
            Some(_) if self.revision => 2,
            Some(_) => 0,
            None => 1,
        }
    }
}

/// How far the numbers with their dots reach.
fn core(text: &[u8]) -> usize {
    let mut end = digits(text).0.len();
    while let [b'.', rest @ ..] = &text[end..]
        && rest.first().is_some_and(u8::is_ascii_digit)
    {
        end += 1 + digits(rest).0.len();
    }
    end
}

/// Numbers precede words, and of two series that agree the shorter precedes the longer.
fn identifiers(dialect: Dialect, a: Rest<'_>, b: Rest<'_>) -> Ordering {
    let numeric = |text: &[u8]| !text.is_empty() && text.iter().all(u8::is_ascii_digit);
    series(a.read(dialect), b.read(dialect), |a, b| match (a, b) {
        (Some(a), Some(b)) => match (numeric(a), numeric(b)) {
            (true, true) => number(a, b),
            (false, false) if dialect == Dialect::NuGet => ignoring_case(a, b),
            (false, false) => a.cmp(b),
            (a, b) => b.cmp(&a),
        },
        (a, b) => a.is_some().cmp(&b.is_some()),
    })
}

/// What stands between dots; `split` takes `rc1` apart too.
#[derive(Clone)]
struct Identifiers<'a> {
    rest: Option<&'a [u8]>,
    split: bool,
}

impl<'a> Iterator for Identifiers<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        let text = self.rest?;
        let (mut found, mut rest) = run(text, |b| b != b'.');
        if self.split && !found.first().is_some_and(u8::is_ascii_digit) {
            let (word, _) = run(found, |b| !b.is_ascii_digit());
            (found, rest) = text.split_at(word.len());
        }
        self.rest = match rest {
            [] => None,
            [b'.', rest @ ..] => Some(rest),
            _ => Some(rest),
        };
        Some(found)
    }
}

#[cfg(test)]
mod tests {
    use crate::version::{Order, tests::ascending};

    #[test]
    fn section_11() {
        for order in [Order::SemVer, Order::Npm, Order::Go, Order::NuGet, Order::Pub, Order::Bitnami] {
            ascending(
                order,
                &[
                    &["", "v"],
                    &["1.0.0-alpha", "v1.0.0-alpha", "1-alpha"],
                    &["1.0.0-alpha.1"],
                    &["1.0.0-alpha.beta"],
                    &["1.0.0-beta.2"],
                    &["1.0.0-beta.11"],
                    &["1.0.0-rc.99999999999999999999"],
                    &["1.0.0-rc.100000000000000000000"],
                    &["1.0.0", "1", "1.0", "v1.0.0"],
                    &["1.0.1"],
                    &["1.2"],
                    &["1.10"],
                    &["99999999999999999999.0"],
                    &["100000000000000000000"],
                ],
            );
        }
    }

    #[test]
    fn metadata_counts_where_it_does() {
        ascending(Order::SemVer, &[&["1.0.0-a+1", "1.0.0-a+2", "1.0.0-a"], &["1.0.0+a", "1.0.0+b", "1.0.0"]]);
        ascending(
            Order::Pub,
            &[&["1.0.0-a"], &["1.0.0-a+1"], &["1.0.0"], &["1.0.0+1"], &["1.0.0+10"], &["1.0.0+a"]],
        );
    }

    #[test]
    fn npm_is_loose() {
        ascending(
            Order::Npm,
            &[&["1.2.3beta", "= v1.2.3-beta", "1.2.3-beta"], &["=1.2.3", " v1.2.3", "01.2.3"]],
        );
    }

    #[test]
    fn go_has_pseudo_versions_and_a_toolchain() {
        ascending(
            Order::Go,
            &[
                &["v0.0.0-20190101000000-abcdefabcdef"],
                &["v0.0.0-20210101000000-000000000000"],
                &["v0.1.0"],
                &["v1.2.3-pre.0.20210101000000-abcdefabcdef"],
                &["v1.2.4-0.20210101000000-abcdefabcdef"],
                &["v1.2.4"],
                &["v2.0.0+incompatible", "2.0.0"],
            ],
        );
        ascending(
            Order::Go,
            &[
                &["go1.21beta1", "1.21.0-beta.1"],
                &["go1.21rc2", "1.21.0-rc.2"],
                &["go1.21rc10"],
                &["go1.21", "1.21.0", "go1.21 X:boringcrypto"],
                &["go1.21.1"],
                &["go1.22rc1"],
            ],
        );
    }

    #[test]
    fn nuget_has_four_numbers_and_one_case() {
        ascending(
            Order::NuGet,
            &[
                &["1.0.0-BETA", "1.0-beta"],
                &["1.0.0-beta.1"],
                &["1.0", "1.0.0.0", "1.0.0+x"],
                &["1.0.0.1-a"],
                &["1.0.0.1"],
            ],
        );
    }

    #[test]
    fn bitnami_has_revisions() {
        ascending(
            Order::Bitnami,
            &[&["1.2.3-rc1"], &["1.2.3"], &["1.2.3-0"], &["1.2.3-1"], &["1.2.3-10"], &["1.2.4"]],
        );
    }
}
