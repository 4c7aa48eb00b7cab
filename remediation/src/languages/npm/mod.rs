//! Modules of npm: the lowest published version that the caret takes, in the folder of the old one.

mod document;
mod lay;
mod locks;
mod modules;
mod semver;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use patchline_registry::Digest;

use super::{
    Decided, Languages, Place, Question, Ready,
    archive::{Files, Held, bytes_of, tarball},
    blocked,
    rounds::{Candidate, Judge, candidates, rounds},
};
use crate::{Result, plan::Blocked, tree::image_blocking as blocking};
use document::{Published, Release};
use lay::Module;
use locks::{Locks, Moved};
use modules::{Modules, Package, is_name};
use semver::Version;

/// OSV's name.
pub(super) const ECOSYSTEM: &str = "npm";
/// Of npm's rules (npm-docs, "package.json", "name").
const LONGEST_NAME: usize = 214;

/// Both archives of a module that may go up.
struct Both {
    root: String,
    integrity: String,
    package: Package,
    old: Arc<Fetched>,
    new: Arc<Fetched>,
}

/// A verified tarball.
struct Fetched {
    files: Files,
    digest: Digest,
    size: u64,
}

/// The registry, asked for everything once, and the image's modules and lock files, as they will be.
struct Registry<'a> {
    languages: &'a Languages,
    documents: BTreeMap<String, Option<Arc<Published>>>,
    tarballs: BTreeMap<(String, String), Arc<Fetched>>,
    held: Held,
    modules: Modules,
    locks: Locks,
}

/// Decides on all modules.
pub(super) async fn decide(
    languages: &Languages,
    question: &Question<'_>,
    places: &[Place],
    decided: &mut Decided,
) -> Result<()> {
    let mut named = Vec::new();
    for place in places {
        match languages.sources.npm_of(&place.name) {
            Ok(_) => named.push(place.clone()),
            Err(nobody) => decided.unnamed(std::slice::from_ref(place), nobody)?,
        }
    }
    let places = named.as_slice();
    if places.is_empty() {
        return Ok(());
    }
    let keep: BTreeSet<String> = places.iter().map(|place| place.path.clone()).collect();
    let mut registry = Registry {
        languages,
        documents: BTreeMap::new(),
        tarballs: BTreeMap::new(),
        held: Held::default(),
        modules: Modules::read(question, &keep).await?,
        locks: Locks::default(),
    };
    let candidates = candidates(&mut registry, question, places, decided).await?;
    let beside: BTreeSet<String> =
        candidates.iter().flat_map(|candidate| locks::beside(&candidate.new.root)).collect();
    registry.locks = Locks::of(question.read(&beside).await?);
    rounds(&mut registry, question, candidates, decided);
    decided.additions.extend(registry.locks.additions(question.tree));
    Ok(())
}

/// The folder of a module that npm itself could have put there, and that nobody else brought.
fn folder<'p>(question: &Question<'_>, modules: &Modules, place: &'p Place) -> Result<&'p str, Blocked> {
    let otherwise = |what: &str| Err(blocked("not-in-place", what.to_owned(), None));
    let root = place.path.strip_suffix("/package.json").unwrap_or_default();
    let inside = format!("/{root}");
    let Some((_, name)) = inside.rsplit_once("/node_modules/") else {
        return otherwise("it lies in no folder of modules: a build has put it there");
    };
    if root.contains("node_modules/.") {
        return otherwise("its manager keeps modules in a store of its own, by version");
    }
    if !is_name(name) || name != place.name || name.len() > LONGEST_NAME {
        return otherwise(
            "its folder has another name: it is there under an alias, or inside of another package",
        );
    }
    if question.tree.real(root) != root {
        return otherwise("a link leads there");
    }
    if let Some(bundler) = modules.bundler(root, name) {
        let reason = format!("{} {} brings it in its own archive", bundler.name, bundler.version);
        return Err(blocked("bundled", reason, None));
    }
    if let Some(why) = question.owned_below(root) {
        return Err(why);
    }
    match modules.get(root) {
        Some(there) if there.version == place.from && there.name == place.name => Ok(root),
        _ => otherwise("its package.json cannot be read"),
    }
}

impl Judge for Registry<'_> {
    type New = Both;
    const NAME: &'static str = "npm";

    async fn fetch(
        &mut self,
        question: &Question<'_>,
        place: &Place,
    ) -> Result<Result<Candidate<Both>, Blocked>> {
        let root = match folder(question, &self.modules, place) {
            Ok(root) => root.to_owned(),
            // The version is said where it can be had for nothing.
            Err(why) => return Ok(Err(why)),
        };
        let absent = || blocked("not-in-repository", "the registry does not have it".to_owned(), None);
        let Some(document) = self.document(&place.name).await? else { return Ok(Err(absent())) };
        let Some(present) = Version::read(&place.from) else {
            let reason = format!("{:.80} is no version of npm", place.from);
            return Ok(Err(blocked("no-compatible-version", reason, None)));
        };
        let usable = |(text, release): (&String, &Release)| {
            let version = Version::read(text).filter(|version| !version.pre && !release.is_deprecated())?;
            (version.as_str() == text).then(|| text.clone())
        };
        let compatible = |text: &str| Version::read(text).is_some_and(|to| present.is_compatible_with(&to));
        let to = match question.target(place, document.versions.iter().filter_map(usable), &compatible) {
            Ok(to) => to,
            Err(why) => return Ok(Err(why)),
        };
        let (Some(old), Some(new)) = (document.versions.get(&place.from), document.versions.get(&to)) else {
            let reason =
                format!("{} is not published any more: what of it was changed cannot be told", place.from);
            return Ok(Err(blocked("not-in-repository", reason, Some(to))));
        };
        let integrity = new.integrity().unwrap_or_default().to_owned();
        let old = self.tarball(&place.name, &place.from, old, false).await?;
        let new = self.tarball(&place.name, &to, new, true).await?;
        Ok(unfit(place, &to, &old, &new).map(|package| Candidate {
            place: place.clone(),
            to,
            new: Both { root, integrity, package, old, new },
        }))
    }

    fn judge(&self, question: &Question<'_>, candidate: &Candidate<Both>) -> Result<Ready, Blocked> {
        let Candidate { place, to, new: Both { root, package, old, new, .. } } = candidate;
        if let Some(why) = self.modules.against(question.tree, root, package) {
            return Err(why);
        }
        let manifest = self.modules.raw(&place.path).unwrap_or_default();
        let (tree, name) = (question.tree, place.name.as_str());
        let additions = Module { tree, name, root, manifest, old: &old.files, new: &new.files }.lay()?;
        let because =
            format!("in /{root}: nothing is run at its installation, and whoever asks for it takes {to}");
        Ok(Ready::new(candidate, because, &new.digest, new.size, additions))
    }

    fn went_up(&mut self, candidate: Candidate<Both>) {
        let Candidate { place, new: Both { root, integrity, package, .. }, .. } = candidate;
        let moved = Moved { root: &root, from: &place.from, new: &package, integrity: &integrity };
        self.locks.take(&moved);
        self.modules.replace(&root, package);
    }
}

impl Registry<'_> {
    async fn document(&mut self, name: &str) -> Result<Option<Arc<Published>>> {
        if let Some(known) = self.documents.get(name) {
            return Ok(known.clone());
        }
        let read =
            document::fetch(self.languages, self.languages.sources.npm_of(name)?, name).await?.map(Arc::new);
        self.documents.insert(name.to_owned(), read.clone());
        Ok(read)
    }

    async fn tarball(
        &mut self,
        name: &str,
        version: &str,
        release: &Release,
        strong: bool,
    ) -> Result<Arc<Fetched>> {
        let key = (name.to_owned(), version.to_owned());
        if let Some(known) = self.tarballs.get(&key) {
            return Ok(known.clone());
        }
        let called = format!("{name} {version}");
        let registry = self.languages.sources.npm_of(name)?;
        let bytes = document::tarball(self.languages, registry, &called, release, strong).await?;
        let fetched = blocking(move || {
            let files = tarball(&called, &bytes)?;
            Ok(Fetched { files, digest: Digest::of(&bytes), size: bytes.len() as u64 })
        })
        .await?;
        self.held.add(name, bytes_of(&fetched.files))?;
        let fetched = Arc::new(fetched);
        self.tarballs.insert(key, fetched.clone());
        Ok(fetched)
    }
}

/// Why an archive cannot just be laid where the old one was; its `package.json` where it can.
fn unfit(place: &Place, to: &str, old: &Fetched, new: &Fetched) -> Result<Package, Blocked> {
    let refuse = |code, reason: String| Err(blocked(code, reason, Some(to.to_owned())));
    let read = |fetched: &Fetched| Package::read(&fetched.files.get("package.json")?.bytes);
    let (Some(before), Some(after)) = (read(old), read(new)) else {
        return refuse("not-in-place", "its archive has no package.json".to_owned());
    };
    if after.name != place.name || after.version != to {
        let reason = format!("its archive is of {:.80} {:.80}", after.name, after.version);
        return refuse("not-in-repository", reason);
    }
    let native = |fetched: &Fetched| {
        let binding = |path: &&String| path.ends_with(".node") || *path == "binding.gyp";
        fetched.files.keys().find(binding).cloned()
    };
    for (package, fetched) in [(&before, old), (&after, new)] {
        let version = &package.version;
        if let Some(script) = package.builds {
            return refuse(
                "install-script",
                format!("{version} runs something when it is installed: {script}"),
            );
        }
        if let Some(path) = native(fetched) {
            return refuse("install-script", format!("{version} is built for a machine: {path}"));
        }
        if package.bundles || fetched.files.keys().any(|path| path.starts_with("node_modules/")) {
            return refuse("bundled", format!("{version} brings other packages in its own archive"));
        }
    }
    if let Some(key) = before.differs(&after) {
        return refuse("interface-changed", format!("`{key}` of its package.json is another one in {to}"));
    }
    Ok(after)
}
