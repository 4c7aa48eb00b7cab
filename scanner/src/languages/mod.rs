//! Packages of language ecosystems, read from single files as they pass in a layer's archive.
//!
//! A new format is a file here and one line in [`ANALYSERS`].

mod apple;
pub(crate) mod binary;
mod cargo_lock;
mod component;
mod conan;
mod conda;
mod dart;
mod dotnet;
mod elixir;
mod graph;
mod input;
pub(crate) mod java;
mod npm;
mod php;
mod purl;
mod python;
mod r;
mod ruby;
mod runtimes;
pub(crate) mod tree;
mod xml;

use crate::limits;
use std::{
    collections::HashMap,
    io::{self, Read},
    sync::LazyLock,
};

pub use component::Evidence;
pub(crate) use component::{Archive, Component, Found, Kind};
pub use java::{Coordinates, Jar, Manifest as JarManifest};
pub(crate) use purl::python_name;

/// A regular file of a layer.
#[derive(Debug, Clone, Copy)]
pub(crate) struct File<'a> {
    /// Normalised, without a leading slash.
    pub path: &'a str,
    /// Bytes, as the archive claims.
    pub size: u64,
    /// Any of its three execute bits is set.
    pub executable: bool,
}

impl<'a> File<'a> {
    /// What stands behind the last slash.
    pub(crate) fn name(&self) -> &'a str {
        self.path.rsplit('/').next().unwrap_or(self.path)
    }
    /// The name of the folder that it lies in; empty at the root.
    pub(crate) fn folder(&self) -> &'a str {
        self.path.rsplit('/').nth(1).unwrap_or("")
    }
}

/// Why a file cannot be understood; the scan goes on without it and says so.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Unreadable {
    /// With the line or the offset where there is one.
    pub reason: String,
}

impl Unreadable {
    pub(crate) fn new(reason: impl Into<String>) -> Self {
        Self { reason: reason.into() }
    }
    pub(crate) fn line(line: usize, reason: impl std::fmt::Display) -> Self {
        Self { reason: format!("line {line}: {reason}") }
    }
}

impl From<io::Error> for Unreadable {
    fn from(error: io::Error) -> Self {
        Self { reason: error.to_string() }
    }
}

/// What an analyser asks for by name, so that the thousands of files that nobody wants cost one look-up.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Named {
    /// The whole name: `METADATA`.
    Is(&'static str),
    /// What stands behind the name's last dot: `jar`.
    Ends(&'static str),
    /// The name's beginning: `requirements`.
    Begins(&'static str),
    /// Any name, and an execute bit.
    Executable,
}

/// Reads one format.
pub(crate) trait Analyser: Sync {
    /// Stable; facts are kept by it.
    fn name(&self) -> &'static str;
    /// Grows with each change of what is found in the same bytes.
    fn version(&self) -> u32;
    /// What brings a file here; [`Self::wants`] has the last word.
    fn named(&self) -> &'static [Named];
    /// Whether to read this file: a look at its path, size and mode alone.
    fn wants(&self, file: &File<'_>) -> bool;
    /// Reads it. `content` comes once, in order, and may be left unread at any point.
    fn read(&self, file: &File<'_>, content: &mut dyn Read) -> Result<Found, Unreadable>;
}

/// All of them; where two want the same file, the first has it.
pub(crate) static ANALYSERS: &[&dyn Analyser] = &[
    &python::METADATA,
    &python::EGG,
    &python::REQUIREMENTS,
    &python::PIPENV,
    &python::POETRY,
    &python::UV,
    &python::PDM,
    &python::PYLOCK,
    &npm::PACKAGE,
    &npm::PACKAGE_LOCK,
    &npm::YARN,
    &npm::PNPM,
    &npm::BUN,
    &java::JAVA,
    &binary::BINARY,
    &ruby::GEMSPEC,
    &ruby::GEMFILE,
    &php::INSTALLED,
    &php::COMPOSER,
    &dotnet::DEPS,
    &dotnet::PACKAGES_LOCK,
    &dotnet::PACKAGES_CONFIG,
    &conan::CONAN,
    &apple::SWIFT,
    &apple::PODFILE,
    &dart::DART,
    &elixir::MIX,
    &r::DESCRIPTION,
    &r::RENV,
    &cargo_lock::CARGO,
    &conda::CONDA,
    &runtimes::RUNTIMES,
];

/// The analyser of a file; none wants most of them.
pub(crate) fn analyser(file: &File<'_>) -> Option<&'static dyn Analyser> {
    INDEX.find(file)
}

static INDEX: LazyLock<Index> = LazyLock::new(|| Index::new(ANALYSERS));

/// Analysers by what they are [`Named`].
#[derive(Default)]
struct Index {
    is: HashMap<&'static str, Vec<&'static dyn Analyser>>,
    ends: HashMap<&'static str, Vec<&'static dyn Analyser>>,
    begins: Vec<(&'static str, &'static dyn Analyser)>,
    executables: Vec<&'static dyn Analyser>,
    longest: usize,
}

impl Index {
    fn new(analysers: &[&'static dyn Analyser]) -> Self {
        let mut index = Self::default();
        for &analyser in analysers {
            for named in analyser.named() {
                match *named {
                    Named::Is(name) => index.is.entry(name).or_default().push(analyser),
                    Named::Ends(end) => index.ends.entry(end).or_default().push(analyser),
                    Named::Begins(start) => index.begins.push((start, analyser)),
                    Named::Executable => index.executables.push(analyser),
                }
            }
        }
        index.longest = index.is.keys().chain(index.ends.keys()).map(|n| n.len()).max().unwrap_or(0);
        index
    }

    fn find(&self, file: &File<'_>) -> Option<&'static dyn Analyser> {
        let name = file.name();
        let known = |map: &HashMap<&'static str, Vec<&'static dyn Analyser>>, key: &str| {
            // Hashing a long name costs more than to see that it is none of ours.
            let all = (key.len() <= self.longest).then(|| map.get(key)).flatten()?;
            all.iter().copied().find(|a| a.wants(file))
        };
        known(&self.is, name)
            .or_else(|| known(&self.ends, name.rsplit_once('.')?.1))
            .or_else(|| {
                let mut begun = self.begins.iter().filter(|(start, _)| name.starts_with(start));
                begun.find(|(_, a)| a.wants(file)).map(|(_, a)| *a)
            })
            .or_else(|| {
                let executables = file.executable.then_some(&self.executables)?;
                executables.iter().copied().find(|a| a.wants(file))
            })
    }
}

#[cfg(test)]
mod tests;
