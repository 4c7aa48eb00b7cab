//! What an image has installed, by its text manifests `container-manifest-1` and `container-manifest-2`, or by its database
//! of headers, which [`super::headers`] reads.
//!
//! The second has a line of ten fields per package; the first one word per package, written as
//! `name-version-release.architecture` by one of the distribution's tools and as `name.version-release.architecture`
//! by the other. Both are written on as they were found.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use patchline_scanner::packages::rpm;

use super::{
    Evr, Info, compare,
    headers::{self, Held},
    limits,
    primary::source,
};
use crate::{Error, Result, tree::Tree};

/// The manifest that says everything.
pub(crate) const FULL: &str = "var/lib/rpmmanifest/container-manifest-2";
/// The one of names alone.
pub(crate) const SHORT: &str = "var/lib/rpmmanifest/container-manifest-1";
/// Databases of headers.
const HEADERS: [&str; 7] = [
    "var/lib/rpm/rpmdb.sqlite",
    "var/lib/rpm/Packages.db",
    "var/lib/rpm/Packages",
    "usr/lib/sysimage/rpm/rpmdb.sqlite",
    "usr/lib/sysimage/rpm/Packages.db",
    "usr/lib/sysimage/rpm/Packages",
    "usr/share/rpm/rpmdb.sqlite",
];

/// One installed package.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Installed {
    /// Name.
    pub name: String,
    /// Its version.
    pub evr: Evr,
    /// As the scanner writes it: an epoch that is there is written, even where it is 0.
    pub written: String,
    /// `x86_64`
    pub architecture: String,
    /// Its source's name and version; its own where none is named.
    pub source: (String, Evr),
    /// What its header says; none: a manifest names it, and no more.
    pub held: Option<Arc<Held>>,
    /// Its line of the full manifest, from 0.
    line: usize,
}

impl Installed {
    /// Of a header.
    pub(super) fn held(info: Info, held: Held) -> Self {
        let own = info.source_rpm.as_deref().and_then(|file| source(file, info.evr.epoch));
        Self {
            written: info.written(),
            source: own.unwrap_or_else(|| (info.name.clone(), info.evr.clone())),
            name: info.name,
            evr: info.evr,
            architecture: info.architecture,
            held: Some(Arc::new(held)),
            line: 0,
        }
    }
}

/// What the database says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Database {
    /// Where its headers stand; none: it is one of text.
    pub headers: Option<&'static str>,
    /// SHA-256 of each header, keys among them, and how often it is there: what must be the same after an upgrade of
    /// others.
    pub(crate) records: BTreeMap<[u8; 32], usize>,
    /// By name.
    pub packages: BTreeMap<String, Installed>,
    /// Names that are there more than once: nobody mends those.
    pub several: BTreeSet<String>,
    full: Vec<String>,
    short: Option<Vec<String>>,
}

/// Which database of rpm an image has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    /// Text alone.
    Manifest,
    /// Headers, at this path: it takes rpm itself to write those.
    Headers(&'static str),
}

impl Place {
    /// None: the image has none.
    pub(crate) fn of(tree: &Tree) -> Option<Self> {
        let there = |path: &str| tree.get(&tree.real(path)).is_some();
        // Where there are both, rpm's own is the one that counts.
        match HEADERS.iter().find(|path| there(path)) {
            Some(path) => Some(Self::Headers(path)),
            None => there(FULL).then_some(Self::Manifest),
        }
    }
}

impl Database {
    /// None: the image has no database of rpm.
    ///
    /// # Errors
    /// One that is damaged, or too large.
    pub fn read(tree: &Tree) -> Result<Option<Self>> {
        match Place::of(tree) {
            Some(Place::Headers(path)) => Self::of_headers(tree, path).map(Some),
            Some(Place::Manifest) => Self::of_manifests(tree),
            None => Ok(None),
        }
    }

    fn of_headers(tree: &Tree, path: &'static str) -> Result<Self> {
        let read = headers::read(tree, path)?;
        let (mut packages, mut several) = (BTreeMap::new(), BTreeSet::new());
        for installed in read.packages {
            if packages.contains_key(&installed.name) {
                several.insert(installed.name.clone());
            }
            packages.insert(installed.name.clone(), installed);
        }
        let (headers, records) = (Some(path), read.records);
        Ok(Self { headers, records, packages, several, full: Vec::new(), short: None })
    }

    /// Real paths of everything that a package has; a text manifest names none.
    pub fn owned(&self, tree: &Tree) -> BTreeSet<String> {
        let held = self.packages.values().filter_map(|package| package.held.as_deref());
        let files = held.flat_map(|held| &held.files).filter(|file| !file.is_folder());
        files.map(|file| tree.through(&file.path).into_owned()).collect()
    }

    fn of_manifests(tree: &Tree) -> Result<Option<Self>> {
        let Some(bytes) = tree.content(FULL) else { return Ok(None) };
        let malformed = |file: &str, reason: String| Error::Malformed { file: file.to_owned(), reason };
        if bytes.len() > limits::MANIFEST || tree.content(SHORT).is_some_and(|b| b.len() > limits::MANIFEST) {
            return Err(malformed(FULL, "it is too large".to_owned()));
        }
        let text = |file: &str, bytes: &[u8]| {
            let text = String::from_utf8(bytes.to_vec());
            text.map_err(|_| malformed(file, "it is no UTF-8".to_owned()))
        };
        let full: Vec<String> = text(FULL, bytes)?.split('\n').map(str::to_owned).collect();
        let short = match tree.content(SHORT) {
            Some(bytes) => Some(text(SHORT, bytes)?.split('\n').map(str::to_owned).collect()),
            None => None,
        };
        let found = rpm::installed(bytes, rpm::Form::Manifest).map_err(|e| malformed(FULL, e.to_string()))?;
        let lines = full.iter().enumerate().filter(|(_, line)| !line.trim_end().is_empty());
        let (mut packages, mut several) = (BTreeMap::new(), BTreeSet::new());
        for (package, (line, _)) in found.into_iter().zip(lines) {
            let evr = Evr::new(package.epoch.unwrap_or(0), &package.version, &package.release);
            let own = package.source_rpm.as_deref().and_then(|file| source(file, evr.epoch));
            let installed = Installed {
                written: package.evr(),
                architecture: package.architecture.clone(),
                source: own.unwrap_or_else(|| (package.name.clone(), evr.clone())),
                evr,
                held: None,
                line,
                name: package.name,
            };
            if packages.contains_key(&installed.name) {
                several.insert(installed.name.clone());
            }
            packages.insert(installed.name.clone(), installed);
        }
        Ok(Some(Self { headers: None, records: BTreeMap::new(), packages, several, full, short }))
    }

    /// What most of its packages are built for; none: nobody says.
    pub fn architecture(&self) -> Option<&str> {
        let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
        for package in self.packages.values().filter(|package| package.architecture != "noarch") {
            *counts.entry(&package.architecture).or_default() += 1;
        }
        counts.into_iter().max_by_key(|(_, count)| *count).map(|(architecture, _)| architecture)
    }

    /// The lowest source version of each source's packages.
    pub fn lowest(&self) -> BTreeMap<String, String> {
        let mut lowest: BTreeMap<String, String> = BTreeMap::new();
        for package in self.packages.values() {
            let version = package.source.1.to_string();
            let known = lowest.entry(package.source.0.clone()).or_insert_with(|| version.clone());
            if compare(&version, known).is_lt() {
                *known = version;
            }
        }
        lowest
    }

    /// Whether it is there once, of a header that was read whole, or with a line of both manifests; else why not.
    pub(crate) fn is_writable(&self, installed: &Installed) -> Result<(), String> {
        if self.several.contains(&installed.name) {
            return Err(format!("{} is installed more than once", installed.name));
        }
        if let Some(reason) = installed.held.as_deref().and_then(|held| held.torn.as_ref()) {
            return Err(format!("{} cannot be read in the image's database: {reason}", installed.name));
        }
        let Some(short) = &self.short else { return Ok(()) };
        let words = words(&installed.name, &installed.evr, &installed.architecture);
        match short.iter().filter(|line| words.iter().any(|word| line.trim_end() == word)).count() {
            1 => Ok(()),
            count => Err(format!("/{SHORT} has {count} lines of {}", words[0])),
        }
    }

    /// Both manifests with other versions of some packages: the full one, and the short one where there is one. Every
    /// other line keeps its bytes.
    pub(crate) fn replaced(&self, changes: &[(&Installed, &Info)]) -> (String, Option<String>) {
        let (mut full, mut short) = (self.full.clone(), self.short.clone());
        for (installed, info) in changes {
            let end = ending(&full[installed.line]);
            full[installed.line] = format!("{}{end}", line(info));
            let old = words(&installed.name, &installed.evr, &installed.architecture);
            let new = words(&info.name, &info.evr, &info.architecture);
            for (old, new) in old.iter().zip(new) {
                let place = short.iter_mut().flatten().find(|line| line.trim_end() == old);
                if let Some(place) = place {
                    *place = format!("{new}{}", ending(place));
                    break;
                }
            }
        }
        (full.join("\n"), short.map(|short| short.join("\n")))
    }
}

/// White space at the end of a line, which stays.
fn ending(line: &str) -> String {
    line[line.trim_end().len()..].to_owned()
}

/// How the short manifest may name a package. Neither way names its epoch.
fn words(name: &str, evr: &Evr, architecture: &str) -> [String; 2] {
    let (version, release) = (&evr.version, evr.release.as_deref().unwrap_or_default());
    [
        format!("{name}-{version}-{release}.{architecture}"),
        format!("{name}.{version}-{release}.{architecture}"),
    ]
}

/// A line of the full manifest. The time of installation is the package's own time of build: equal fixes are equal
/// bytes.
fn line(info: &Info) -> String {
    let none = || "(none)".to_owned();
    [
        info.name.clone(),
        format!("{}-{}", info.evr.version, info.evr.release.as_deref().unwrap_or_default()),
        info.build_time.to_string(),
        info.build_time.to_string(),
        info.vendor.clone().unwrap_or_else(none),
        info.epoch.map_or_else(none, |epoch| epoch.to_string()),
        info.size.to_string(),
        info.architecture.clone(),
        info.evr.epoch.to_string(),
        info.source_rpm.clone().unwrap_or_else(none),
    ]
    .join("\t")
}

#[cfg(test)]
mod tests {
    use patchline_registry::Digest;

    use super::*;
    use crate::tree::{Flavour, LayerTree};

    fn tree(files: &[(&str, &str)]) -> Tree {
        let mut builder = tar::Builder::new(Vec::new());
        for (path, text) in files {
            let mut header = tar::Header::new_gnu();
            header.set_size(text.len() as u64);
            header.set_mode(0o644);
            header.set_uid(0);
            header.set_gid(0);
            header.set_mtime(0);
            builder.append_data(&mut header, path, text.as_bytes()).unwrap();
        }
        let bytes = builder.into_inner().unwrap();
        let mut tree = Tree::default();
        tree.apply(LayerTree::read_for(Flavour::Rpm, &Digest::of(&bytes), bytes.as_slice()).unwrap());
        tree
    }

    #[test]
    fn only_the_line_of_what_goes_up_changes() {
        let other = "other\t2-1\t1\t1\t(none)\t(none)\t9\tnoarch\t0\t(none)";
        let full = format!("tool\t1.0-1\t5\t4\tMaker\t1\t10\tx86_64\t1\ttools-1.0-1.src.rpm\n{other}\n");
        for (separator, rest) in [("-", "other-2-1.noarch"), (".", "other.2-1.noarch")] {
            let short = format!("{rest}\ntool{separator}1.0-1.x86_64\n");
            let tree = tree(&[(FULL, full.as_str()), (SHORT, short.as_str())]);
            assert_eq!(Place::of(&tree), Some(Place::Manifest));
            let database = Database::read(&tree).unwrap().unwrap();
            let tool = &database.packages["tool"];
            assert_eq!((tool.written.as_str(), tool.source.0.as_str()), ("1:1.0-1", "tools"));
            assert_eq!(database.architecture(), Some("x86_64"));
            database.is_writable(tool).unwrap();
            let info = Info {
                name: "tool".into(),
                evr: Evr::new(1, "1.1", "2"),
                epoch: Some(1),
                architecture: "x86_64".into(),
                vendor: None,
                build_time: 77,
                size: 11,
                source_rpm: Some("tools-1.1-2.src.rpm".into()),
            };
            let (full, short) = database.replaced(&[(tool, &info)]);
            let line = "tool\t1.1-2\t77\t77\t(none)\t1\t11\tx86_64\t1\ttools-1.1-2.src.rpm";
            assert_eq!(full, format!("{line}\n{other}\n"));
            assert_eq!(short.unwrap(), format!("{rest}\ntool{separator}1.1-2.x86_64\n"));
        }
    }

    #[test]
    fn what_is_there_twice_is_not_written() {
        let line = |version: &str| format!("tool\t{version}-1\t5\t4\tMaker\t(none)\t10\tx86_64\t0\t(none)\n");
        let full = line("1") + &line("2");
        let tree = tree(&[(FULL, full.as_str()), (SHORT, "else\n")]);
        let mut database = Database::read(&tree).unwrap().unwrap();
        let tool = database.packages["tool"].clone();
        assert!(database.is_writable(&tool).unwrap_err().contains("more than once"));
        database.several.clear();
        assert!(database.is_writable(&tool).unwrap_err().contains("0 lines"));
    }
}
