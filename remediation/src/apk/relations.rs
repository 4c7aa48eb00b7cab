//! What apk's packages need, provide and exclude: apk-world(5), "PACKAGE CONSTRAINTS", and the `D`, `p` and `i`
//! of indexes.

use std::cmp::Ordering;

use patchline_scanner::version::Order;

use super::limits;
use crate::{Error, Result};

/// How a version is bound.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Bound {
    /// None: any version.
    Any,
    /// Which orders of ours against it hold: less, equal, greater.
    Ordered {
        /// `<`
        less: bool,
        /// `=`
        equal: bool,
        /// `>`
        greater: bool,
        /// `~`: equal as far as the bound goes.
        fuzzy: bool,
        /// Against what.
        version: String,
    },
    /// `><`: one build by its checksum.
    Build(String),
}

/// One relation: `so:libc.musl-x86_64.so.1`, `a>=1.2`, `!b`, `c@edge`; also one provide, `cmd:sh=1.36`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dependency {
    /// A package, or a virtual name.
    pub name: String,
    /// `!`: it must not be there.
    pub conflict: bool,
    /// Its version.
    pub bound: Bound,
    /// `@tag`: from this repository.
    pub tag: Option<String>,
}

/// Compares as apk does.
pub(crate) fn compare(a: &str, b: &str) -> Ordering {
    Order::Apk.compare(a, b)
}

impl Dependency {
    /// Reads one; none: it is no relation.
    pub fn parse(word: &str) -> Option<Self> {
        let (conflict, word) = match word.strip_prefix('!') {
            Some(rest) => (true, rest),
            None => (false, word),
        };
        let start = word.find(['<', '>', '=', '~', '@']).unwrap_or(word.len());
        let (name, rest) = word.split_at(start);
        if name.is_empty() || !name.bytes().all(|b| b.is_ascii_graphic()) {
            return None;
        }
        let (rest, tag) = match rest.split_once('@') {
            Some((rest, tag)) if !tag.is_empty() => (rest, Some(tag.to_owned())),
            Some(_) => return None,
            None => (rest, None),
        };
        let end = rest.find(|c| !matches!(c, '<' | '>' | '=' | '~')).unwrap_or(rest.len());
        let (operator, version) = rest.split_at(end);
        let version = version.to_owned();
        let has = |c| operator.contains(c);
        let bound = match operator {
            "" if version.is_empty() => Bound::Any,
            _ if version.is_empty() || operator.is_empty() => return None,
            "><" => Bound::Build(version),
            _ => Bound::Ordered {
                less: has('<'),
                equal: has('=') || has('~'),
                greater: has('>'),
                fuzzy: has('~'),
                version,
            },
        };
        Some(Self { name: name.to_owned(), conflict, bound, tag })
    }

    /// All of a field, blank between them. `file` names it in errors.
    pub fn parse_all(file: &str, text: &str) -> Result<Vec<Self>> {
        let mut found = Vec::new();
        for word in text.split_ascii_whitespace() {
            let malformed = |reason: &str| Error::Malformed {
                file: file.to_owned(),
                reason: format!("`{}` {reason}", word.chars().take(80).collect::<String>()),
            };
            if found.len() == limits::RELATIONS {
                return Err(malformed("is one relation too many"));
            }
            found.push(Self::parse(word).ok_or_else(|| malformed("is no relation"))?);
        }
        Ok(found)
    }

    fn bound_allows(&self, version: &str) -> bool {
        match &self.bound {
            Bound::Any => true,
            Bound::Build(_) => false,
            Bound::Ordered { less, equal, greater, fuzzy, version: bound } => {
                let as_far = *fuzzy
                    && version.strip_prefix(bound.as_str()).is_some_and(|rest| {
                        !rest.starts_with(|c: char| c.is_ascii_digit()) || bound.ends_with('.')
                    });
                as_far
                    || match compare(version, bound) {
                        Ordering::Less => *less,
                        Ordering::Equal => *equal,
                        Ordering::Greater => *greater,
                    }
            }
        }
    }

    /// Whether a package of this name in this version is what is named, whatever `!` says. `build`: its checksum as written.
    pub fn names_package(&self, name: &str, version: &str, build: &str) -> bool {
        self.name == name
            && match &self.bound {
                Bound::Build(wanted) => wanted == build,
                _ => self.bound_allows(version),
            }
    }

    /// Whether a provide is what is named. One without a version stands for no particular one.
    pub fn names_provide(&self, provide: &Self) -> bool {
        self.name == provide.name
            && match (&self.bound, &provide.bound) {
                (Bound::Any, _) => true,
                (_, Bound::Ordered { version, .. }) => self.bound_allows(version),
                _ => false,
            }
    }
}

impl std::fmt::Display for Dependency {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.conflict {
            f.write_str("!")?;
        }
        f.write_str(&self.name)?;
        match &self.bound {
            Bound::Any => {}
            Bound::Build(build) => write!(f, "><{build}")?,
            Bound::Ordered { less, equal, greater, fuzzy, version } => {
                for (has, sign) in [(*less, "<"), (*greater, ">"), (*equal && !fuzzy, "="), (*fuzzy, "~")] {
                    f.write_str(if has { sign } else { "" })?;
                }
                f.write_str(version)?;
            }
        }
        match &self.tag {
            Some(tag) => write!(f, "@{tag}"),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn relations_hold_as_apk_has_them() {
        let allows = |relation: &str, version: &str| {
            Dependency::parse(relation).expect(relation).names_package("a", version, "Q1x")
        };
        for (relation, version, holds) in [
            ("a", "1", true),
            ("a=1.2-r0", "1.2-r0", true),
            ("a=1.2-r0", "1.2-r1", false),
            ("a<2", "1.9-r3", true),
            ("a<2", "2", false),
            ("a<=2", "2", true),
            ("a>2", "2-r1", true),
            ("a>=2", "1.9", false),
            ("a~1.2", "1.2.7-r4", true),
            ("a~1.2", "1.20", false),
            ("a~1.2", "1.2-r9", true),
            ("a><Q1x", "7", true),
            ("a><Q1y", "7", false),
            ("b", "1", false),
        ] {
            assert_eq!(allows(relation, version), holds, "{relation} {version}");
        }
    }

    #[test]
    fn provides_without_a_version_meet_no_bound() {
        let parse = |text| Dependency::parse(text).expect(text);
        assert!(parse("so:x.so.1").names_provide(&parse("so:x.so.1=1.2")));
        assert!(parse("cmd:sh").names_provide(&parse("cmd:sh")));
        assert!(!parse("cmd:sh>=1").names_provide(&parse("cmd:sh")));
        assert!(parse("pc:zlib>=1.2").names_provide(&parse("pc:zlib=1.3")));
    }

    #[test]
    fn what_is_written_is_said_again() {
        for text in ["a", "!a<2", "a>=1.2@edge", "a~1.2", "a><Q1x", "so:libc.musl-x86_64.so.1"] {
            assert_eq!(Dependency::parse(text).expect(text).to_string(), text);
        }
        for wrong in ["", "!", "=1", "a=", "a@", "a>="] {
            assert_eq!(Dependency::parse(wrong), None, "{wrong}");
        }
        let many = "a ".repeat(limits::RELATIONS + 1);
        assert!(Dependency::parse_all("x", &many).is_err());
        assert!(Dependency::parse_all("x", "a =1").is_err());
    }
}
