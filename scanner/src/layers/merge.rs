//! Layers over one another: whiteouts applied, who brought which package.

use std::{
    borrow::Borrow,
    collections::{BTreeMap, HashMap, HashSet},
    ops::Bound,
};

use foldhash::fast::RandomState;

use super::{
    docs,
    facts::{APK, Broken, DPKG_STATUS, DPKG_STATUS_D, Fact, Facts, OS_RELEASE, RPM, lister},
};
use crate::{
    Distro, Error, Result,
    languages::Component,
    limits,
    packages::{listed::Listed, os_release},
};

/// The merged image, as far as packages go.
pub(crate) struct Merged<'a> {
    pub(crate) distro: Option<Distro>,
    /// With the kind of its database, and the index of the layer that brought it.
    pub(crate) packages: Vec<(&'static str, &'a Listed, usize)>,
    pub(crate) database: Option<&'static str>,
    pub(crate) unread: Vec<String>,
    /// Packages of languages: the file that tells of each, and the layer that brought it.
    pub(crate) components: Vec<(&'a str, &'a Component, usize)>,
    /// What a limit has cut.
    pub(crate) incomplete: Vec<String>,
    /// Files that could tell of packages and cannot be read.
    pub(crate) unreadable: Vec<String>,
    owners: Owners<'a>,
    view: View<'a>,
}

/// The package of each file that somebody may ask about.
type Owners<'a> = HashMap<&'a str, Option<&'a str>, RandomState>;

impl Merged<'_> {
    /// What a package's copyright file says; empty: there is none.
    pub(crate) fn licenses(&self, package: &str) -> &[String] {
        docs::licenses(&self.view, package, limits::facts().links)
    }

    /// The operating system's package that a component's file belongs to.
    pub(crate) fn owner(&self, path: &str) -> Option<&str> {
        names(path).find_map(|name| *self.owners.get(name)?)
    }
}

/// What lists of files may call a file: Debian's name some as they were before `/bin` and `/lib` became links into `/usr`.
fn names(path: &str) -> impl Iterator<Item = &str> {
    [Some(path), path.strip_prefix("usr/")].into_iter().flatten()
}

/// What stands at a path, and the index of the layer that put it there.
#[derive(Clone, Copy)]
pub(super) struct Placed<'a> {
    pub(super) fact: &'a Fact,
    layer: usize,
}

pub(super) type View<'a> = BTreeMap<&'a str, Placed<'a>>;
/// A package, and the kind of the database that has it.
type Kept<'a> = (&'static str, &'a Listed);
type BrokenAt<'a> = (String, &'a Broken);

/// Merges layers, lowest first.
pub(crate) fn merge<F: Borrow<Facts>>(layers: &[F]) -> Result<Merged<'_>> {
    let mut view = View::new();
    // In which layer a package, exactly so, began to stand without interruption.
    let mut since: HashMap<Kept<'_>, usize, RandomState> = HashMap::default();
    for (index, layer) in layers.iter().enumerate() {
        if !apply(&mut view, layer.borrow(), index) {
            continue;
        }
        // A lower database that cannot be parsed matters only when nothing replaces it.
        if let Ok((packages, _)) = packages(&view) {
            let now: HashSet<Kept<'_>, RandomState> = packages.into_iter().collect();
            since.retain(|package, _| now.contains(package));
            for package in now {
                since.entry(package).or_insert(index);
            }
        }
    }
    let (found, database) = packages(&view)
        .map_err(|(path, Broken(reason))| Error::PackageDatabase { path, reason: reason.clone() })?;
    let top = layers.len().saturating_sub(1);
    let packages = found.into_iter().map(|p| (p.0, p.1, since.get(&p).copied().unwrap_or(top))).collect();
    // There is something in the place of one, a directory or a link to nowhere, that cannot be read.
    let is_there =
        |path: &&str| matches!(view.get(path).map(|p| p.fact), Some(Fact::Present | Fact::Link(_)));
    let unread = match database {
        Some(_) => Vec::new(),
        None => DATABASES
            .iter()
            .filter(|(_, paths)| paths.iter().any(&is_there))
            .map(|(name, _)| (*name).to_owned())
            .collect(),
    };
    let mut merged = Merged {
        distro: distro(&view),
        packages,
        database,
        unread,
        components: Vec::new(),
        incomplete: Vec::new(),
        unreadable: Vec::new(),
        owners: Owners::default(),
        view,
    };
    merged.gather();
    Ok(merged)
}

impl<'a> Merged<'a> {
    /// What stands in the whole image, from the files that are left in it.
    fn gather(&mut self) {
        for (path, Placed { fact, layer }) in &self.view {
            match fact {
                Fact::Components(found) => {
                    self.components.extend(found.components.iter().map(|c| (*path, c, *layer)));
                    self.incomplete.extend(found.incomplete.iter().map(|what| format!("{path}: {what}")));
                    self.owners.extend(names(path).map(|name| (name, None)));
                }
                Fact::Unreadable(reason) => self.unreadable.push(format!("{path}: {reason}")),
                _ => {}
            }
        }
        self.attribute();
    }

    /// Goes through every list of files, tens of thousands of them as a rule, for the few that are asked about.
    fn attribute(&mut self) {
        let mut owns = |file: &str, package: &'a str| {
            if let Some(owner) = self.owners.get_mut(file) {
                *owner = Some(package);
            }
        };
        for (_, package, _) in &self.packages {
            package.owns.iter().for_each(|file| owns(file, &package.name));
        }
        let there: HashSet<&str> = self.packages.iter().map(|(_, p, _)| p.name.as_str()).collect();
        for (path, placed) in &self.view {
            let Fact::Owned(files) = placed.fact else { continue };
            // A package that is gone may have left its list behind.
            if let Some(package) = lister(path).and_then(|name| there.get(name)) {
                files.iter().for_each(|file| owns(file, package));
            }
        }
    }
}

/// Puts one layer on top; false: no package database has come, gone or changed.
fn apply<'a>(view: &mut View<'a>, layer: &'a Facts, index: usize) -> bool {
    let mut databases = layer.files.keys().any(|path| is_database(path));
    // Each goes as soon as it is found: a list may name a folder, and all that is below it, too.
    let mut go = |view: &mut View<'a>, path: &str| {
        databases |= view.remove(path).is_some() && is_database(path);
    };
    for folder in layer.opaque.iter().chain(&layer.hidden) {
        below(view, folder).into_iter().for_each(|path| go(view, path));
    }
    for path in layer.hidden.iter().map(String::as_str).chain(layer.silent.iter()) {
        go(view, path);
    }
    view.extend(layer.files.iter().map(|(path, fact)| (path.as_str(), Placed { fact, layer: index })));
    databases
}

/// What stands below a folder; below the root, whose name is empty, all does.
fn below<'a>(view: &View<'a>, folder: &str) -> Vec<&'a str> {
    let mut from = folder.to_owned();
    if !from.is_empty() {
        from.push('/');
    }
    let behind = view.range::<str, _>((Bound::Included(from.as_str()), Bound::Unbounded));
    behind.map(|(path, _)| *path).take_while(|path| path.starts_with(&from)).collect()
}

/// Installed packages are read from here, be it through a link.
fn is_database(path: &str) -> bool {
    path.starts_with(DPKG_STATUS_D) || DATABASES.iter().any(|(_, paths)| paths.contains(&path))
}

fn resolve<'a>(view: &View<'a>, path: &str) -> Option<&'a Fact> {
    let mut fact = view.get(path)?.fact;
    for _ in 0..limits::facts().links {
        match fact {
            Fact::Link(target) => fact = view.get(target.as_str())?.fact,
            other => return Some(other),
        }
    }
    None
}

/// Which databases there are, in the order in which they are believed: their names, and where they stand.
const DATABASES: [(&str, &[&str]); 3] = [("dpkg", &[DPKG_STATUS]), ("apk", &APK), ("rpm", &RPM)];

/// Installed packages by name and architecture, and which database holds them.
fn packages<'a>(view: &View<'a>) -> Result<(Vec<Kept<'a>>, Option<&'static str>), BrokenAt<'a>> {
    let mut found: BTreeMap<(&'static str, &str, &str, &str), &Listed> = BTreeMap::new();
    let mut database = None;
    let mut add = |path: &str, name: &'static str| {
        let packages = match resolve(view, path) {
            Some(Fact::Packages(packages)) => packages,
            Some(Fact::Broken(error)) => return Err((path.to_owned(), error)),
            _ => return Ok(false),
        };
        // One that is empty gives way to one that is not.
        if database.is_none() || (found.is_empty() && !packages.is_empty()) {
            database = Some(name);
        }
        for package in packages {
            // What was looked at first stays right where both speak.
            // rpm alone can have a package in several versions: kernels, as a rule.
            let version = if name == "rpm" { package.version.as_str() } else { "" };
            found.entry((kind(name), &package.name, &package.architecture, version)).or_insert(package);
        }
        Ok(!packages.is_empty())
    };
    for (name, paths) in DATABASES {
        for path in paths {
            // An upgrade of the system may leave the database's older form behind.
            if add(path, name)? {
                break;
            }
        }
    }
    for path in view.keys().filter(|p| p.starts_with(DPKG_STATUS_D)) {
        add(path, "dpkg-status.d")?;
    }
    Ok((found.into_iter().map(|(key, package)| (key.0, package)).collect(), database))
}

/// Databases of one kind speak of the same packages.
fn kind(database: &'static str) -> &'static str {
    database.split('-').next().unwrap_or(database)
}

fn distro(view: &View<'_>) -> Option<Distro> {
    let text = |path: &str| match resolve(view, path) {
        Some(Fact::Text(text)) => Some(text.as_str()),
        _ => None,
    };
    OS_RELEASE
        .iter()
        .find_map(|path| os_release::parse(text(path)?))
        .or_else(|| os_release::OTHER_FILES.iter().find_map(|(path, read)| read(text(path)?)))
}
