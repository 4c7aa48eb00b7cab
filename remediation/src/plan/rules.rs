//! What whoever asks for a fix rules out: packages that stay, and, where a person has edited a plan, everything beside it.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

use super::{Blocked, pins::matches};

/// Characters of a name or a version.
const LONGEST: usize = 256;

/// One entry of a deny-list: `NAME` or `NAME=VERSION`; the name is a binary or a source package, stars stand for anything.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct Denied {
    /// Which packages.
    pub package: String,
    /// This version alone; none: every one.
    pub version: Option<String>,
}

/// What is no entry of a deny-list.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is no package: write NAME or NAME=VERSION")]
pub struct NoEntry {
    text: String,
}

impl FromStr for Denied {
    type Err = NoEntry;
    fn from_str(text: &str) -> Result<Self, NoEntry> {
        let (package, version) = match text.split_once('=') {
            Some((package, version)) => (package, Some(version)),
            None => (text, None),
        };
        let is_word = |word: &str, more: &[u8]| {
            !word.is_empty()
                && word.len() <= LONGEST
                && word.bytes().all(|b| b.is_ascii_alphanumeric() || more.contains(&b))
        };
        if !is_word(package, b"+-._*") || !version.is_none_or(|version| is_word(version, b"+-._~:^")) {
            return Err(NoEntry { text: text.chars().take(80).collect() });
        }
        Ok(Self { package: package.to_owned(), version: version.map(str::to_owned) })
    }
}

impl TryFrom<String> for Denied {
    type Error = NoEntry;
    fn try_from(text: String) -> Result<Self, NoEntry> {
        text.parse()
    }
}

impl fmt::Display for Denied {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.package)?;
        self.version.as_ref().map_or(Ok(()), |version| write!(f, "={version}"))
    }
}

impl Denied {
    fn names(&self, package: &Offer<'_>) -> bool {
        matches(&self.package, package.name) || matches(&self.package, package.source)
    }
    fn denies(&self, package: &Offer<'_>) -> bool {
        self.names(package)
            && self.version.as_deref().is_none_or(|version| package.versions.contains(&version))
    }
}

/// One upgrade that a person has chosen.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Chosen {
    /// Binary package.
    pub package: String,
    /// Its architecture, where two of one name are installed.
    pub architecture: String,
    /// Installed version.
    pub from: String,
    /// New version.
    pub to: String,
    /// OSV's ecosystem of a language's package; empty: it is the system's.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub ecosystem: String,
    /// The file that tells of a language's package.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub path: String,
}

/// A version that a repository offers.
pub(crate) struct Offer<'a> {
    pub(crate) name: &'a str,
    pub(crate) source: &'a str,
    /// Its own, and its source's where that is another.
    pub(crate) versions: [&'a str; 2],
}

/// What is ruled out.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Rules {
    /// Packages that stay.
    pub denied: Vec<Denied>,
    /// These upgrades and no other; none: what the findings ask for.
    pub exactly: Option<Vec<Chosen>>,
    /// The same of languages' packages.
    pub languages: Option<Vec<Chosen>>,
}

impl Rules {
    /// Why a package stays, whatever version there is.
    pub(crate) fn keeps(&self, name: &str, source: &str) -> Option<Blocked> {
        let package = Offer { name, source, versions: ["", ""] };
        let entry = self.denied.iter().find(|entry| entry.version.is_none() && entry.names(&package))?;
        Some(denied(entry, None))
    }
    /// Why a version is not taken.
    pub(crate) fn against(&self, offer: &Offer<'_>) -> Option<Blocked> {
        if let Some(entry) = self.denied.iter().find(|entry| entry.denies(offer)) {
            return Some(denied(entry, Some(offer.versions[0].to_owned())));
        }
        let chosen = |one: &Chosen| one.package == offer.name && one.to == offer.versions[0];
        let beside = self.exactly.as_ref().is_some_and(|all| !all.iter().any(chosen));
        beside.then(|| Blocked {
            code: "not-chosen",
            reason: format!("{} {} is not in the plan", offer.name, offer.versions[0]),
            to: None,
        })
    }
}

fn denied(entry: &Denied, to: Option<String>) -> Blocked {
    Blocked { code: "deny-listed", reason: format!("kept back: {entry} is on the deny-list"), to }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn offer<'a>(name: &'a str, source: &'a str, version: &'a str) -> Offer<'a> {
        Offer { name, source, versions: [version, version] }
    }

    #[test]
    fn an_entry_names_packages_sources_and_versions() {
        let rules = |entries: &[&str]| Rules {
            denied: entries.iter().map(|entry| entry.parse().unwrap()).collect(),
            exactly: None,
            languages: None,
        };
        let all = rules(&["openssl", "lib*-dev", "curl=7.88-1"]);
        assert!(all.keeps("libssl3", "openssl").unwrap().reason.contains("openssl is on the deny-list"));
        assert!(all.keeps("libx-dev", "x").is_some() && all.keeps("libx", "x").is_none());
        assert!(all.keeps("curl", "curl").is_none(), "one version of it alone is denied");
        assert!(all.against(&offer("curl", "curl", "7.88-1")).is_some());
        assert!(all.against(&offer("curl", "curl", "7.88-2")).is_none());
        assert_eq!(Rules::default(), rules(&[]));
    }

    #[test]
    fn what_is_no_name_is_refused() {
        for wrong in ["", "=1", "a b", "a=", "a=1=2", "../x", "a\n", &"a".repeat(300)] {
            assert!(wrong.parse::<Denied>().is_err(), "{wrong:?}");
        }
        assert_eq!("a=1:2~3-4+b1".parse::<Denied>().unwrap().to_string(), "a=1:2~3-4+b1");
    }

    #[test]
    fn an_edited_plan_rules_out_what_it_does_not_name() {
        let chosen = Chosen { package: "curl".into(), from: "1".into(), to: "2".into(), ..Chosen::default() };
        let rules = Rules { exactly: Some(vec![chosen]), ..Rules::default() };
        assert!(rules.against(&offer("curl", "curl", "2")).is_none());
        assert_eq!(rules.against(&offer("curl", "curl", "3")).unwrap().code, "not-chosen");
        assert_eq!(rules.against(&offer("tar", "tar", "2")).unwrap().code, "not-chosen");
    }
}
