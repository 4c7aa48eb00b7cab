//! Layers over one another: whiteouts applied, who brought which package.

use std::collections::{BTreeMap, HashMap, HashSet};

use super::{
    docs,
    facts::{DEBIAN_VERSION, DPKG_STATUS, DPKG_STATUS_D, Fact, Facts, OS_RELEASE, UNREAD},
};
use crate::{
    Distro, Error, Result,
    packages::{
        dpkg::{Installed, ParseError},
        os_release,
    },
};

/// How many links a path may go through.
const LINKS: usize = 8;

/// The merged image, as far as packages go.
pub(crate) struct Merged<'a> {
    pub(crate) distro: Option<Distro>,
    /// With the index of the layer that brought it.
    pub(crate) packages: Vec<(&'a Installed, usize)>,
    pub(crate) database: Option<&'static str>,
    pub(crate) unread: Vec<String>,
    view: View<'a>,
}

impl Merged<'_> {
    /// What a package's copyright file says; empty: there is none.
    pub(crate) fn licenses(&self, package: &str) -> &[String] {
        docs::licenses(&self.view, package, LINKS)
    }
}

type View<'a> = BTreeMap<&'a str, &'a Fact>;
type Broken<'a> = (String, &'a ParseError);

/// Merges layers, lowest first.
pub(crate) fn merge(layers: &[Facts]) -> Result<Merged<'_>> {
    let mut view = View::new();
    // In which layer a package, exactly so, began to stand without interruption.
    let mut since: HashMap<&Installed, usize> = HashMap::new();
    for (index, layer) in layers.iter().enumerate() {
        if !apply(&mut view, layer) {
            continue;
        }
        // A lower database that cannot be parsed matters only when nothing replaces it.
        if let Ok((packages, _)) = packages(&view) {
            let now: HashSet<&Installed> = packages.into_iter().collect();
            since.retain(|package, _| now.contains(package));
            for package in now {
                since.entry(package).or_insert(index);
            }
        }
    }
    let (found, database) = packages(&view).map_err(|(path, error)| Error::PackageDatabase {
        path,
        line: error.line,
        reason: error.reason.clone(),
    })?;
    let top = layers.len().saturating_sub(1);
    let packages = found.into_iter().map(|p| (p, since.get(p).copied().unwrap_or(top))).collect();
    let mut unread: Vec<String> =
        UNREAD.iter().filter(|(p, _)| view.contains_key(p)).map(|(_, kind)| (*kind).to_owned()).collect();
    if database.is_none() && matches!(view.get(DPKG_STATUS), Some(Fact::Present | Fact::Link(_))) {
        unread.push("dpkg".to_owned());
    }
    unread.dedup();
    Ok(Merged { distro: distro(&view), packages, database, unread, view })
}

/// Puts one layer on top; false: nothing that we look at has changed.
fn apply<'a>(view: &mut View<'a>, layer: &'a Facts) -> bool {
    // Up a path and not through the lists, which a layer may make as long as it likes.
    let gone = |path: &str| {
        let mut above = std::iter::successors(Some(path), |p| {
            (!p.is_empty()).then(|| p.rsplit_once('/').map_or("", |(folder, _)| folder))
        });
        layer.hidden.contains(path)
            || above.by_ref().skip(1).any(|p| layer.opaque.contains(p) || layer.hidden.contains(p))
    };
    let before = view.len();
    view.retain(|path, _| !gone(path));
    let changed = view.len() != before || !layer.files.is_empty();
    view.extend(layer.files.iter().map(|(path, fact)| (path.as_str(), fact)));
    changed
}

fn resolve<'a>(view: &View<'a>, path: &str) -> Option<&'a Fact> {
    let mut fact = *view.get(path)?;
    for _ in 0..LINKS {
        match fact {
            Fact::Link(target) => fact = view.get(target.as_str())?,
            other => return Some(other),
        }
    }
    None
}

/// Installed packages by name and architecture, and which database holds them.
fn packages<'a>(view: &View<'a>) -> Result<(Vec<&'a Installed>, Option<&'static str>), Broken<'a>> {
    let mut found: BTreeMap<(&str, &str), &Installed> = BTreeMap::new();
    let (mut own, mut single) = (None, false);
    let paths = view.keys().copied().filter(|p| *p == DPKG_STATUS || p.starts_with(DPKG_STATUS_D));
    for path in paths {
        match resolve(view, path) {
            Some(Fact::Packages(packages)) => {
                if path == DPKG_STATUS {
                    own = Some(packages.len());
                } else {
                    single = true;
                }
                for package in packages {
                    // dpkg's own file sorts first and stays right where both speak.
                    found.entry((&package.name, &package.architecture)).or_insert(package);
                }
            }
            Some(Fact::Broken(error)) => return Err((path.to_owned(), error)),
            _ => {}
        }
    }
    let database = match (own, single) {
        (Some(0), true) | (None, true) => Some("dpkg-status.d"),
        (Some(_), _) => Some("dpkg"),
        (None, false) => None,
    };
    Ok((found.into_values().collect(), database))
}

fn distro(view: &View<'_>) -> Option<Distro> {
    let text = |path: &str| match resolve(view, path) {
        Some(Fact::Text(text)) => Some(text.as_str()),
        _ => None,
    };
    OS_RELEASE
        .iter()
        .find_map(|path| os_release::parse(text(path)?))
        .or_else(|| os_release::from_debian_version(text(DEBIAN_VERSION)?))
}
