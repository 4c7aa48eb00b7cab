//! A verified suite in memory: the index's text, and where each package's stanza lies in it.
//!
//! Main's index has some 63,000 stanzas in 45 MB; a fix looks at a few dozen. So the text is kept,
//! stanzas are found by name, and only those that are asked for are parsed. A suite of several components keeps the text of
//! each as it was unpacked, and one list of names over all.

use std::{
    collections::BTreeMap,
    sync::{Arc, OnceLock},
};

use super::home::Home;
use crate::{
    Error, Result,
    deb::{PackageRecord, control, relations},
};

/// A verified suite for one architecture.
#[derive(Debug)]
pub struct Suite {
    /// `bookworm-security`; of an image's own repository with host and path before it.
    pub name: String,
    /// SHA-256 of the verified InRelease, or Release.
    pub release: String,
    /// `Date` of the Release, RFC 3339.
    pub date: String,
    /// Where its packages lie.
    pub home: Home,
    /// By component.
    texts: Vec<String>,
    /// By name, and within one name in the index's order.
    places: Vec<Place>,
    provided: OnceLock<BTreeMap<String, Vec<usize>>>,
}

/// Which text, and byte offsets into it.
#[derive(Debug, Clone, Copy)]
struct Place {
    text: u32,
    name: (u32, u32),
    stanza: (u32, u32),
}

impl Suite {
    /// Indexes the texts of `Packages` files that have been verified already: one of each component.
    pub fn new(
        name: &str,
        release: &str,
        date: &str,
        home: impl Into<Home>,
        texts: Vec<String>,
    ) -> Result<Self> {
        let malformed = |reason: &str| Error::Malformed {
            file: format!("Packages of {name}"),
            reason: reason.to_owned(),
        };
        if texts.iter().any(|text| u32::try_from(text.len()).is_err()) {
            return Err(malformed("it is larger than 4 GiB"));
        }
        let mut places = Vec::with_capacity(texts.iter().map(String::len).sum::<usize>() / 700);
        for (number, text) in (0u32..).zip(&texts) {
            for (start, end) in control::Spans::new(text) {
                let stanza = &text[start..end];
                let at = if stanza.starts_with("Package:") {
                    start + 8
                } else {
                    start + stanza.find("\nPackage:").ok_or_else(|| malformed("a stanza has no Package"))? + 9
                };
                let line = &text[at..end];
                let line = &line[..line.find('\n').unwrap_or(line.len())];
                let package = line.trim();
                let from = at + (line.len() - line.trim_start().len());
                places.push(Place {
                    text: number,
                    name: (from as u32, (from + package.len()) as u32),
                    stanza: (start as u32, end as u32),
                });
            }
        }
        let of = |place: &Place| slice(&texts[place.text as usize], place.name);
        places.sort_by(|a, b| of(a).cmp(of(b)));
        Ok(Self {
            name: name.to_owned(),
            release: release.to_owned(),
            date: date.to_owned(),
            home: home.into(),
            texts,
            places,
            provided: OnceLock::new(),
        })
    }

    /// How many stanzas there are.
    pub fn len(&self) -> usize {
        self.places.len()
    }
    /// How many bytes its indexes have, unpacked.
    pub(super) fn bytes(&self) -> usize {
        self.texts.iter().map(String::len).sum()
    }
    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.places.is_empty()
    }
    /// Every version of a package, in the index's order. A stanza that cannot be parsed is an error.
    pub fn candidates(&self, package: &str) -> Result<Vec<Arc<PackageRecord>>> {
        let start = self.places.partition_point(|place| self.named(place) < package);
        self.places[start..]
            .iter()
            .take_while(|place| self.named(place) == package)
            .map(|place| self.parse(place))
            .collect()
    }
    /// Packages whose `Provides` names a virtual package, by name.
    pub fn providers(&self, package: &str) -> Result<Vec<Arc<PackageRecord>>> {
        let provided = self.provided.get_or_init(|| self.index_provides());
        provided.get(package).into_iter().flatten().map(|&i| self.parse(&self.places[i])).collect()
    }
    /// Every package by name, parsed on the way: cheap for a security suite, not for main.
    pub fn iter(&self) -> impl Iterator<Item = Result<Arc<PackageRecord>>> + '_ {
        self.places.iter().map(|place| self.parse(place))
    }
    /// The packages whose stanza's text has this line prefix, such as `Essential: yes`.
    pub fn with_line(&self, line: &str) -> impl Iterator<Item = Result<Arc<PackageRecord>>> + '_ {
        let needle = format!("\n{line}\n");
        self.places
            .iter()
            .filter(move |place| self.stanza(place).contains(&needle))
            .map(|place| self.parse(place))
    }

    fn named(&self, place: &Place) -> &str {
        slice(&self.texts[place.text as usize], place.name)
    }
    fn stanza(&self, place: &Place) -> &str {
        slice(&self.texts[place.text as usize], place.stanza)
    }
    fn parse(&self, place: &Place) -> Result<Arc<PackageRecord>> {
        let file = format!("Packages of {}", self.name);
        let stanza = control::parse(&file, self.stanza(place))?;
        PackageRecord::from_stanza(&file, &stanza, Some(self.home.clone())).map(Arc::new)
    }

    fn index_provides(&self) -> BTreeMap<String, Vec<usize>> {
        let mut provided: BTreeMap<String, Vec<usize>> = BTreeMap::new();
        for (i, place) in self.places.iter().enumerate() {
            let stanza = self.stanza(place);
            let Some(at) = stanza.find("\nProvides:") else { continue };
            let value = &stanza[at + 10..];
            let value = &value[..value.find('\n').unwrap_or(value.len())];
            // What does not parse provides nothing; the error comes when the package itself is asked for.
            for relation in
                relations::parse(value).unwrap_or_default().into_iter().flat_map(|c| c.alternatives)
            {
                let indices = provided.entry(relation.name).or_default();
                if indices.last() != Some(&i) {
                    indices.push(i);
                }
            }
        }
        provided
    }
}

fn slice(text: &str, (start, end): (u32, u32)) -> &str {
    &text[start as usize..end as usize]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::apt::Place as Archive;

    const TEXT: &str = "Package: mawk\nVersion: 1\nArchitecture: amd64\nPriority: required\nProvides: awk, posix-awk (= 1)\n\nVersion: 2\nPackage:  bash \nArchitecture: amd64\nEssential: yes\n\nPackage: bash\nVersion: 3\nArchitecture: amd64\n\nPackage: bash-doc\nVersion: 3\nArchitecture: all\n";

    fn suite(text: &str) -> Result<Suite> {
        of(&[text])
    }

    fn of(texts: &[&str]) -> Result<Suite> {
        let texts = texts.iter().map(|text| (*text).to_owned()).collect();
        Suite::new("bookworm", "hash", "2023-06-10T08:53:48Z", Archive::Debian, texts)
    }

    #[test]
    fn components_are_one_list() {
        let universe = "Package: bash\nVersion: 4\nArchitecture: amd64\n\nPackage: gawk\nVersion: 1\nArchitecture: amd64\nProvides: awk\n";
        let suite = of(&[TEXT, "", universe]).unwrap();
        assert_eq!(suite.len(), 6);
        let versions: Vec<_> = suite.candidates("bash").unwrap().iter().map(|r| r.version.clone()).collect();
        assert_eq!(versions, ["2", "3", "4"]);
        let awks: Vec<_> = suite.providers("awk").unwrap().iter().map(|r| r.name.clone()).collect();
        assert_eq!(awks, ["gawk", "mawk"]);
        assert!(of(&[TEXT, "Version: 1\n"]).is_err());
    }

    #[test]
    fn finds_by_name_line_and_provides() {
        let suite = suite(TEXT).unwrap();
        assert_eq!(suite.len(), 4);
        let versions: Vec<_> = suite.candidates("bash").unwrap().iter().map(|r| r.version.clone()).collect();
        assert_eq!(versions, ["2", "3"]);
        assert!(suite.candidates("bas").unwrap().is_empty());
        assert!(suite.candidates("zsh").unwrap().is_empty());
        assert_eq!(suite.providers("posix-awk").unwrap()[0].name, "mawk");
        assert!(suite.providers("bash").unwrap().is_empty());
        let required: Vec<_> = suite.with_line("Priority: required").collect::<Result<_>>().unwrap();
        assert_eq!(required.len(), 1);
        assert_eq!(suite.iter().count(), 4);
    }

    #[test]
    fn an_index_without_names_is_refused() {
        assert!(suite("Version: 1\n").is_err());
        assert!(suite("").unwrap().is_empty());
    }
}
