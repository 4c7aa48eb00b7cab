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
use url::Url;

use super::{
    Decided, Languages, Place, Question, Ready,
    archive::{Files, tarball},
    blocked, limits,
};
use crate::{Archive, Error, Executor, Result, Upgrade, plan::Blocked, tree::image_blocking as blocking};
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
struct Candidate {
    place: Place,
    root: String,
    to: String,
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

/// The registry, asked for everything once.
struct Registry<'a> {
    languages: &'a Languages,
    url: Url,
    documents: BTreeMap<String, Option<Arc<Published>>>,
    tarballs: BTreeMap<(String, String), Arc<Fetched>>,
    held: u64,
}

/// Decides on all modules; those that wait for another upgrade are looked at again after it.
pub(super) async fn decide(
    languages: &Languages,
    question: &Question<'_>,
    places: &[Place],
    decided: &mut Decided,
) -> Result<()> {
    if places.is_empty() {
        return Ok(());
    }
    let url = languages.sources.npm()?;
    let (documents, tarballs) = (BTreeMap::new(), BTreeMap::new());
    let mut registry = Registry { languages, url, documents, tarballs, held: 0 };
    let keep: BTreeSet<String> = places.iter().map(|place| place.path.clone()).collect();
    let mut modules = Modules::read(question, &keep).await?;
    let mut waiting = Vec::new();
    for (n, place) in places.iter().enumerate() {
        (question.progress)("npm", n as u64, places.len() as u64);
        match registry.candidate(question, &modules, place).await? {
            Ok(candidate) => waiting.push((candidate, None)),
            Err(why) => decided.take(place, Err(why)),
        }
    }
    (question.progress)("npm", places.len() as u64, places.len() as u64);
    let beside: BTreeSet<String> =
        waiting.iter().flat_map(|(candidate, _)| locks::beside(&candidate.root)).collect();
    let mut locks = Locks::of(question.read(&beside).await?);
    for _ in 0..limits::ROUNDS {
        let before = waiting.len();
        for (candidate, _) in std::mem::take(&mut waiting) {
            match judge(question, &modules, &candidate) {
                Ok(ready) => {
                    let Candidate { place, root, integrity, package, .. } = candidate;
                    locks.take(&Moved {
                        root: &root,
                        from: &place.from,
                        new: &package,
                        integrity: &integrity,
                    });
                    modules.replace(&root, package);
                    decided.take(&place, Ok(ready));
                }
                Err(why) => waiting.push((candidate, Some(why))),
            }
        }
        if waiting.is_empty() || waiting.len() == before {
            break;
        }
    }
    for (candidate, why) in waiting {
        if let Some(why) = why {
            decided.take(&candidate.place, Err(why.towards(&candidate.to)));
        }
    }
    decided.additions.extend(locks.additions(question.tree));
    Ok(())
}

/// Whether a module can go up beside everything that is there now.
fn judge(question: &Question<'_>, modules: &Modules, candidate: &Candidate) -> Result<Ready, Blocked> {
    let Candidate { place, root, to, package, old, new, .. } = candidate;
    if let Some(why) = modules.against(question.tree, root, package) {
        return Err(why);
    }
    let manifest = modules.raw(&place.path).unwrap_or_default();
    let (tree, name) = (question.tree, place.name.as_str());
    let additions = Module { tree, name, root, manifest, old: &old.files, new: &new.files }.lay()?;
    Ok(Ready {
        upgrade: Upgrade {
            package: place.name.clone(),
            source: place.name.clone(),
            from: place.from.clone(),
            to: to.clone(),
            mends: place.ends.clone(),
            because: format!(
                "in /{root}: nothing is run at its installation, and whoever asks for it takes {to}"
            ),
            executor: Executor::Native,
            repository: ECOSYSTEM.to_owned(),
            size: new.size,
            ecosystem: ECOSYSTEM.to_owned(),
            path: place.path.clone(),
            ..Upgrade::default()
        },
        archive: Archive {
            package: place.name.clone(),
            version: to.clone(),
            architecture: String::new(),
            digest: new.digest.clone(),
        },
        additions,
    })
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

impl Registry<'_> {
    /// Everything that it takes to replace a module, fetched and verified.
    async fn candidate(
        &mut self,
        question: &Question<'_>,
        modules: &Modules,
        place: &Place,
    ) -> Result<Result<Candidate, Blocked>> {
        let root = match folder(question, modules, place) {
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
            root,
            to,
            integrity,
            package,
            old,
            new,
        }))
    }

    async fn document(&mut self, name: &str) -> Result<Option<Arc<Published>>> {
        if let Some(known) = self.documents.get(name) {
            return Ok(known.clone());
        }
        let read = document::fetch(self.languages, &self.url, name).await?.map(Arc::new);
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
        let bytes = document::tarball(self.languages, &self.url, &called, release, strong).await?;
        let fetched = blocking(move || {
            let files = tarball(&called, &bytes)?;
            Ok(Fetched { files, digest: Digest::of(&bytes), size: bytes.len() as u64 })
        })
        .await?;
        self.held += fetched.files.values().map(|file| file.bytes.len() as u64).sum::<u64>();
        if self.held > limits::HELD {
            return Err(Error::Malformed {
                file: name.to_owned(),
                reason: format!("with it, all archives have more than {} MiB", limits::HELD >> 20),
            });
        }
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
