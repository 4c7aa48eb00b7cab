//! node-semver's versions and ranges (npm docs, "semver"), as `package.json` has them.
//!
//! Only what has an answer here is a range: a tag, an address or an alias is none, and whoever meets one asks nothing of it.

use std::{cmp::Ordering, fmt};

use patchline_scanner::version::Order;

/// Bytes of a version.
const LONGEST_VERSION: usize = 256;
/// Bytes of a range, and what it may hold.
const LONGEST_RANGE: usize = 2048;
const MOST_COMPARATORS: usize = 200;

/// A version with its three numbers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Version {
    text: String,
    numbers: [u64; 3],
    /// It is a pre-release.
    pub(crate) pre: bool,
}

impl Version {
    /// A whole version, `1.2.3-rc.1+build`; none: it is not one.
    pub(crate) fn read(text: &str) -> Option<Self> {
        let text = text.trim().trim_start_matches(['v', '=']).trim_start();
        if text.len() > LONGEST_VERSION || !text.is_ascii() {
            return None;
        }
        let plain = text.split_once('+').map_or(text, |(plain, _)| plain);
        let (core, pre) = plain.split_once('-').map_or((plain, None), |(core, pre)| (core, Some(pre)));
        let mut parts = core.split('.');
        let mut next = || number(parts.next()?);
        let numbers = [next()?, next()?, next()?];
        (parts.next().is_none() && pre.is_none_or(identifiers)).then(|| Self {
            text: plain.to_owned(),
            numbers,
            pre: pre.is_some(),
        })
    }
    fn of(numbers: [u64; 3]) -> Self {
        let [major, minor, patch] = numbers;
        Self { text: format!("{major}.{minor}.{patch}"), numbers, pre: false }
    }
    /// As written, without build metadata.
    pub(crate) fn as_str(&self) -> &str {
        &self.text
    }
    /// Whether `^self` takes another one: what its author calls compatible.
    pub(crate) fn is_compatible_with(&self, newer: &Self) -> bool {
        newer >= self && *newer < Self::of(caret(self.numbers, 3)) && !newer.pre
    }
}

impl PartialOrd for Version {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}
impl Ord for Version {
    fn cmp(&self, other: &Self) -> Ordering {
        self.numbers.cmp(&other.numbers).then_with(|| Order::Npm.compare(&self.text, &other.text))
    }
}
impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

fn number(text: &str) -> Option<u64> {
    let digits = !text.is_empty() && text.len() <= 16 && text.bytes().all(|b| b.is_ascii_digit());
    digits.then(|| text.parse().ok()).flatten()
}

fn identifiers(text: &str) -> bool {
    text.split('.')
        .all(|word| !word.is_empty() && word.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-'))
}

/// The first version that `^` leaves out; `given`: how many of the numbers stand there.
fn caret([major, minor, patch]: [u64; 3], given: usize) -> [u64; 3] {
    match (major, minor) {
        (0, 0) if given == 3 => [0, 0, patch.saturating_add(1)],
        (0, _) if given >= 2 => [0, minor.saturating_add(1), 0],
        _ => [major.saturating_add(1), 0, 0],
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Test {
    Below,
    AtMost,
    Equal,
    AtLeast,
    Above,
}

#[derive(Debug, Clone)]
struct Comparator {
    test: Test,
    version: Version,
}

impl Comparator {
    fn takes(&self, version: &Version) -> bool {
        let order = version.cmp(&self.version);
        match self.test {
            Test::Below => order.is_lt(),
            Test::AtMost => order.is_le(),
            Test::Equal => order.is_eq(),
            Test::AtLeast => order.is_ge(),
            Test::Above => order.is_gt(),
        }
    }
}

/// Sets of comparators, of which one has to take a version.
#[derive(Debug, Clone)]
pub(crate) struct Range(Vec<Vec<Comparator>>);

impl Range {
    /// None: it is no range of versions.
    pub(crate) fn read(text: &str) -> Option<Self> {
        if text.len() > LONGEST_RANGE || !text.is_ascii() {
            return None;
        }
        let sets = text.split("||").map(|set| comparators(set.trim())).collect::<Option<Vec<_>>>()?;
        (sets.iter().map(Vec::len).sum::<usize>() <= MOST_COMPARATORS).then_some(Self(sets))
    }
    /// Whether it takes a version; a pre-release only where it names one of the same three numbers.
    pub(crate) fn takes(&self, version: &Version) -> bool {
        self.0.iter().any(|set| {
            let named = |one: &Comparator| one.version.pre && one.version.numbers == version.numbers;
            set.iter().all(|one| one.takes(version)) && (!version.pre || set.iter().any(named))
        })
    }
}

/// All comparators of one set; empty: it takes everything.
fn comparators(text: &str) -> Option<Vec<Comparator>> {
    let mut all = Vec::new();
    if let Some((low, high)) = text.split_once(" - ") {
        let (low, high) = (Partial::read(low.trim())?, Partial::read(high.trim())?);
        low.at_least(&mut all);
        high.at_most(&mut all);
        return Some(all);
    }
    // White space may stand between an operator and its version.
    let mut operator = "";
    for word in text.split_whitespace() {
        let rest = word.trim_start_matches(['<', '>', '=', '~', '^']);
        let found = &word[..word.len() - rest.len()];
        match (operator.is_empty(), rest.is_empty()) {
            (true, true) => operator = found,
            (false, _) if !found.is_empty() || rest.is_empty() => return None,
            _ => {
                let operator = if found.is_empty() { std::mem::take(&mut operator) } else { found };
                add(operator, &Partial::read(rest)?, &mut all)?;
            }
        }
    }
    operator.is_empty().then_some(all)
}

fn add(operator: &str, partial: &Partial, all: &mut Vec<Comparator>) -> Option<()> {
    match operator {
        "" | "=" => {
            if let Some(exact) = partial.exact() {
                all.push(Comparator { test: Test::Equal, version: exact });
            } else {
                partial.at_least(all);
                partial.at_most(all);
            }
        }
        "^" => {
            partial.at_least(all);
            if partial.given > 0 {
                all.push(Comparator {
                    test: Test::Below,
                    version: Version::of(caret(partial.numbers, partial.given)),
                });
            }
        }
        "~" | "~>" => {
            partial.at_least(all);
            if partial.given > 0 {
                all.push(Comparator {
                    test: Test::Below,
                    version: Version::of(partial.next(partial.given.min(2))),
                });
            }
        }
        ">=" => partial.at_least(all),
        "<=" => partial.at_most(all),
        ">" => match partial.exact() {
            Some(version) => all.push(Comparator { test: Test::Above, version }),
            // Above every version there is: nothing.
            None if partial.given == 0 => {
                all.push(Comparator { test: Test::Below, version: Version::of([0; 3]) })
            }
            None => all
                .push(Comparator { test: Test::AtLeast, version: Version::of(partial.next(partial.given)) }),
        },
        "<" => all.push(Comparator { test: Test::Below, version: partial.floor() }),
        _ => return None,
    }
    Some(())
}

/// `1`, `1.2.x`, `*`, or a whole version.
struct Partial {
    numbers: [u64; 3],
    /// How many of them stand there.
    given: usize,
    whole: Option<Version>,
}

impl Partial {
    fn read(text: &str) -> Option<Self> {
        if let Some(version) = Version::read(text) {
            return Some(Self { numbers: version.numbers, given: 3, whole: Some(version) });
        }
        let text = text.trim_start_matches(['v', '=']);
        let (mut numbers, mut given, mut open) = ([0; 3], 0, false);
        for (at, part) in text.split('.').enumerate() {
            if at > 2 {
                return None;
            }
            match part {
                "x" | "X" | "*" => open = true,
                "" if at == 0 && text.is_empty() => open = true,
                _ if open => {
                    number(part)?;
                }
                _ => {
                    numbers[at] = number(part)?;
                    given = at + 1;
                }
            }
        }
        (given < 3).then_some(Self { numbers, given, whole: None })
    }
    fn exact(&self) -> Option<Version> {
        self.whole.clone()
    }
    fn floor(&self) -> Version {
        self.whole.clone().unwrap_or_else(|| Version::of(self.numbers))
    }
    /// The first version behind all that begin with the first `count` numbers.
    fn next(&self, count: usize) -> [u64; 3] {
        let [major, minor, patch] = self.numbers;
        match count {
            0 | 1 => [major.saturating_add(1), 0, 0],
            2 => [major, minor.saturating_add(1), 0],
            _ => [major, minor, patch.saturating_add(1)],
        }
    }
    fn at_least(&self, all: &mut Vec<Comparator>) {
        all.push(Comparator { test: Test::AtLeast, version: self.floor() });
    }
    fn at_most(&self, all: &mut Vec<Comparator>) {
        match self.exact() {
            Some(version) => all.push(Comparator { test: Test::AtMost, version }),
            None if self.given == 0 => {}
            None => all.push(Comparator { test: Test::Below, version: Version::of(self.next(self.given)) }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn version(text: &str) -> Version {
        Version::read(text).unwrap_or_else(|| panic!("{text}"))
    }

    #[test]
    fn ranges_take_what_node_semver_takes() {
        for (range, takes, leaves) in [
            ("^1.2.3", "1.2.3 1.9.9", "1.2.2 2.0.0 2.0.0-a 1.3.0-a"),
            ("^0.2.3", "0.2.3 0.2.9", "0.3.0 0.2.2"),
            ("^0.0.3", "0.0.3", "0.0.4"),
            ("^0.0", "0.0.0 0.0.9", "0.1.0"),
            ("^0", "0.9.9", "1.0.0"),
            ("^1.x", "1.0.0 1.9.0", "2.0.0"),
            ("~1.2.3", "1.2.9", "1.3.0"),
            ("~> 1.2", "1.2.0", "1.3.0"),
            ("~1", "1.9.9", "2.0.0"),
            ("1.2", "1.2.7", "1.3.0"),
            ("=1.2.3", "1.2.3", "1.2.4"),
            ("v1.2.3", "1.2.3", "1.2.4"),
            (">1.2", "1.3.0", "1.2.9"),
            (">1", "2.0.0", "1.9.9"),
            ("<=1.2", "1.2.9", "1.3.0"),
            ("< 2", "1.9.9", "2.0.0"),
            (">= 1.2.3 <2", "1.2.3 1.9.9", "1.2.2 2.0.0"),
            ("1.2.3 - 1.4", "1.2.3 1.4.9", "1.5.0 1.2.2"),
            ("1.0.0 - 1.4.2", "1.4.2", "1.4.3"),
            ("^1.0.0 || ^3", "1.5.0 3.1.0", "2.0.0"),
            ("", "0.0.1 9.9.9", "1.0.0-a"),
            ("*", "9.9.9", "1.0.0-a"),
            ("x", "9.9.9", ""),
            (">=1.0.0-rc.1", "1.0.0-rc.2 1.0.0 2.0.0", "1.0.0-beta 2.0.0-a"),
            (">*", "", "1.0.0"),
        ] {
            let read = Range::read(range).unwrap_or_else(|| panic!("{range}"));
            for text in takes.split_whitespace() {
                assert!(read.takes(&version(text)), "{range} takes {text}");
            }
            for text in leaves.split_whitespace() {
                assert!(!read.takes(&version(text)), "{range} leaves {text}");
            }
        }
    }

    #[test]
    fn what_is_no_range_has_no_answer() {
        for text in [
            "latest",
            "git+ssh://x/y",
            "npm:a@1",
            "file:../a",
            "workspace:*",
            ">=",
            "1.2.3.4",
            "> > 1",
            "a/b",
            "^1 -",
        ] {
            assert!(Range::read(text).is_none(), "{text}");
        }
        assert!(Range::read(&"1 || ".repeat(400)).is_none());
        for text in ["1", "1.2", "1.2.x", "", "1.2.3-", "1.2.3.4", "99999999999999999999.0.0"] {
            assert!(Version::read(text).is_none(), "{text}");
        }
    }

    #[test]
    fn compatible_is_what_the_caret_takes() {
        for (from, to, is) in [
            ("4.17.20", "4.17.21", true),
            ("4.17.20", "5.0.0", false),
            ("0.2.3", "0.2.4", true),
            ("0.2.3", "0.3.0", false),
            ("0.0.3", "0.0.4", false),
            ("1.2.3", "1.3.0-rc.1", false),
            ("1.2.3", "1.2.2", false),
        ] {
            assert_eq!(version(from).is_compatible_with(&version(to)), is, "{from} {to}");
        }
    }
}
