//! Installed distributions of an image, and which of them asks for which (PyPA, "Recording installed projects").

use std::collections::{BTreeMap, BTreeSet};

use super::version::{Requirement, normal};
use crate::{
    Error, Result,
    languages::{Question, blocked, limits},
    plan::Blocked,
    tree::Kind,
};

/// Requirements of one distribution.
const MOST_REQUIREMENTS: usize = 5_000;

/// What is read of a `METADATA`.
#[derive(Debug, Clone, Default)]
pub(super) struct Distribution {
    /// Normalised.
    pub(super) name: String,
    pub(super) version: String,
    pub(super) requires_python: String,
    requires: Vec<Requirement>,
    /// What it requires and nobody can read.
    unread: Vec<String>,
}

impl Distribution {
    /// None: its header names none.
    pub(super) fn read(bytes: &[u8]) -> Option<Self> {
        let text = String::from_utf8_lossy(bytes);
        let mut read = Self::default();
        for line in text.lines().take_while(|line| !line.trim_end().is_empty()) {
            let Some((key, value)) = line.split_once(':').filter(|_| !line.starts_with([' ', '\t'])) else {
                continue;
            };
            match (key, value.trim()) {
                ("Name", value) if read.name.is_empty() => read.name = normal(value),
                ("Version", value) if read.version.is_empty() => value.clone_into(&mut read.version),
                ("Requires-Python", value) => value.clone_into(&mut read.requires_python),
                ("Requires-Dist", value) if read.requires.len() < MOST_REQUIREMENTS => {
                    match Requirement::read(value) {
                        Some(requirement) => read.requires.push(requirement),
                        None => read.unread.push(value.chars().take(80).collect()),
                    }
                }
                _ => {}
            }
        }
        (!read.name.is_empty() && !read.version.is_empty()).then_some(read)
    }
}

/// All distributions of an image by the path of their `METADATA`, as they will be.
pub(super) struct Distributions(BTreeMap<String, Distribution>);

/// The folder that a distribution is installed in, and the name of its `.dist-info`.
pub(super) fn site(path: &str) -> Option<(&str, &str)> {
    let (site, info) = path.strip_suffix("/METADATA")?.rsplit_once('/')?;
    info.ends_with(".dist-info").then_some((site, info))
}

impl Distributions {
    pub(super) async fn read(question: &Question<'_>) -> Result<Self> {
        let files: BTreeSet<String> = question
            .tree
            .under("")
            .filter(|(path, node)| node.entry.kind == Kind::File && site(path).is_some())
            .map(|(path, _)| path.to_owned())
            .collect();
        if files.len() > limits::FILES_OF_IMAGE {
            return Err(Error::Malformed {
                file: "the image".to_owned(),
                reason: format!("it has more than {} distributions of Python", limits::FILES_OF_IMAGE),
            });
        }
        let contents = question.read(&files).await?;
        let read = |(path, bytes): (String, Vec<u8>)| Some((path, Distribution::read(&bytes)?));
        Ok(Self(contents.into_iter().filter_map(read).collect()))
    }
    pub(super) fn get(&self, path: &str) -> Option<&Distribution> {
        self.0.get(path)
    }
    /// From now on it is another one.
    pub(super) fn replace(&mut self, path: &str, new: Distribution) {
        self.0.insert(path.to_owned(), new);
    }

    /// Why another version cannot stand where one is: who asks for another one, or what it asks for itself. Other folders
    /// of the image count, too: which of them a program sees, nobody says.
    pub(super) fn against(&self, path: &str, new: &Distribution) -> Option<Blocked> {
        let old = self.0.get(path)?;
        for (asker, other) in self.0.iter().filter(|(asker, _)| *asker != path) {
            // One that the present version does not fit either does not hold here: its marker is of another system.
            let asks = |one: &&Requirement| {
                one.name == new.name && one.takes(&old.version) && !one.takes(&new.version)
            };
            if let Some(one) = other.requires.iter().find(asks) {
                let reason = format!(
                    "/{asker} asks for {} {}, which leaves {} out",
                    new.name,
                    one.range(),
                    new.version
                );
                return Some(blocked("required-otherwise", reason, None));
            }
        }
        let (here, _) = site(path)?;
        let unread = new.unread.iter().find(|text| !old.unread.contains(text));
        if let Some(text) = unread {
            return Some(blocked("new-dependency", format!("{} asks for {text:?}", new.version), None));
        }
        for one in new.requires.iter().filter(|one| !one.extra) {
            if old.requires.iter().any(|before| before.text == one.text) {
                continue;
            }
            let there = self.0.iter().find(|(path, other)| {
                other.name == one.name && site(path).is_some_and(|(site, _)| site == here)
            });
            let found = match there {
                Some((_, other)) if one.takes(&other.version) => continue,
                Some((_, other)) => format!("{} is there", other.version),
                None => "none is there".to_owned(),
            };
            let reason =
                format!("{} {} asks for {} {}, and {found}", new.name, new.version, one.name, one.range());
            return Some(blocked("new-dependency", reason, None));
        }
        None
    }
}
