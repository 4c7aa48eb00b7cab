//! Jars of Maven's repositories: the lowest published release of the same major version, under the name of the old file.

mod judge;
mod pom;
mod repository;
pub(super) mod settings;
mod version;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use patchline_registry::Digest;
use patchline_scanner::{Jar, version::Order};

use super::{
    Decided, Languages, Place, Question, Ready,
    archive::Held,
    blocked,
    fetch::{Hashed, Promise},
    lay::{Ground, changed},
    limits,
    rounds::{Candidate, Judge, candidates, rounds},
};
use crate::{
    Error, Result,
    executor::native::extend::Additions,
    plan::Blocked,
    tree::{Kind, image_blocking as blocking},
};
use judge::{itself, unfit};
use pom::Project;
use repository::{Needs, Repository, is_name};
use version::{is_compatible, is_release};

/// OSV's name.
pub(super) const ECOSYSTEM: &str = "Maven";
/// What Quarkus knows of the jars of an application, their folders among it.
const INDEX: &str = "quarkus/quarkus-application.dat";

/// A jar of the image as it is.
struct Installed {
    jar: Option<Jar>,
    hashes: Hashed,
}

/// A verified jar.
struct Fetched {
    bytes: Vec<u8>,
    jar: Jar,
    digest: Digest,
    promise: Promise,
}

/// What replaces a jar, and what it and the old one need.
struct New {
    fetched: Arc<Fetched>,
    needs: Needs,
    needed: Needs,
}

/// Where an artifact lies, and in which version.
#[derive(Debug, Clone, PartialEq, Eq)]
struct There {
    path: String,
    version: String,
}

/// The repository, and the image's jars, as they will be.
struct Jars<'a> {
    repository: Repository<'a>,
    fetched: BTreeMap<Project, Arc<Fetched>>,
    held: Held,
    /// Those that may go up, by path.
    installed: BTreeMap<String, Installed>,
    /// Everything of Maven's in the image by `group:artifact`.
    there: BTreeMap<String, Vec<There>>,
}

/// Decides on all jars.
pub(super) async fn decide(
    languages: &Languages,
    question: &Question<'_>,
    places: &[Place],
    decided: &mut Decided,
) -> Result<()> {
    let mut alone = Vec::new();
    for place in places {
        match in_place(question, place) {
            Ok(()) => alone.push(place.clone()),
            Err(why) => decided.take(place, Err(why.towards(&place.needs))),
        }
    }
    // Who has nothing that could go up needs no repository.
    if alone.is_empty() {
        return Ok(());
    }
    let url = match languages.sources.maven() {
        Ok(url) => url,
        Err(nobody) => return decided.unnamed(&alone, nobody),
    };
    let paths: BTreeSet<String> = alone.iter().map(|place| place.path.clone()).collect();
    let mut jars = Jars {
        repository: Repository::new(languages, url),
        fetched: BTreeMap::new(),
        held: Held::default(),
        installed: BTreeMap::new(),
        there: there(question).await?,
    };
    for (path, bytes) in question.read_within(&paths, limits::ARCHIVE, limits::HELD).await? {
        let read = move || Ok(Installed { jar: Jar::read(&bytes), hashes: Hashed::of(&bytes) });
        jars.installed.insert(path, blocking(read).await?);
    }
    let candidates = candidates(&mut jars, question, &alone, decided).await?;
    rounds(&mut jars, question, candidates, decided);
    Ok(())
}

/// What of Maven's the image has, archives in archives among it.
async fn there(question: &Question<'_>) -> Result<BTreeMap<String, Vec<There>>> {
    let digest = &question.image.raw.digest;
    let inventory = patchline_scanner::inventory(question.repository, digest, question.facts.clone()).await?;
    let mut there: BTreeMap<String, Vec<There>> = BTreeMap::new();
    for package in inventory.packages.into_iter().filter(|package| package.purl.starts_with("pkg:maven/")) {
        let Some(path) = package.path else { continue };
        there.entry(package.name).or_default().push(There { path, version: package.version });
    }
    Ok(there)
}

/// Whether a jar lies where it can be replaced: by itself, and not where something knows it by its content.
fn in_place(question: &Question<'_>, place: &Place) -> Result<(), Blocked> {
    let otherwise = |what: &str| Err(blocked("not-in-place", what.to_owned(), None));
    let path = place.path.as_str();
    if let Some((outer, _)) = path.split_once("!/") {
        let reason = format!("it lies in /{outer}, which has to be built anew with it");
        return Err(blocked("bundled", reason, None));
    }
    if !path.ends_with(".jar") {
        return otherwise(
            "what tells of it is no jar: a build's description, or an application's own archive",
        );
    }
    let Some((group, artifact)) = place.name.split_once(':').filter(|(g, a)| is_name(g) && is_name(a)) else {
        return otherwise("of which group it is nobody knows");
    };
    if !is_name(&place.from) {
        return otherwise("its version cannot stand in a repository");
    }
    if question.tree.real(path) != path {
        return otherwise("a link leads there");
    }
    if question.tree.get(path).is_none_or(|node| node.entry.kind != Kind::File) {
        return otherwise("it is no file");
    }
    if question.owned.contains(path) {
        let reason = "it belongs to a package of the system, which has its own upgrades".to_owned();
        return Err(blocked("system-package", reason, None));
    }
    let parts: Vec<&str> = path.split('/').collect();
    if parts.windows(2).any(|two| two == [artifact, place.from.as_str()]) {
        let reason =
            format!("it lies in a store of {group}'s artifacts by version, which a build takes from");
        return Err(blocked("not-in-place", reason, None));
    }
    let above = (0..parts.len()).map(|count| parts[..count].join("/"));
    let index =
        |folder: String| if folder.is_empty() { INDEX.to_owned() } else { format!("{folder}/{INDEX}") };
    if above.map(index).any(|index| question.tree.get(&index).is_some()) {
        return otherwise("Quarkus has an index of what lies in it");
    }
    Ok(())
}

impl Judge for Jars<'_> {
    type New = New;
    const NAME: &'static str = "maven";

    async fn fetch(
        &mut self,
        question: &Question<'_>,
        place: &Place,
    ) -> Result<Result<Candidate<New>, Blocked>> {
        let otherwise = |what: &str| Ok(Err(blocked("not-in-place", what.to_owned(), None)));
        let Some((group, artifact)) = place.name.split_once(':') else {
            return otherwise("of which group it is nobody knows");
        };
        let Some(Installed { jar: Some(old), hashes }) = self.installed.get(&place.path) else {
            return otherwise("it cannot be read, or is larger than what is read");
        };
        let project = |version: &str| (group.to_owned(), artifact.to_owned(), version.to_owned());
        let from = project(&place.from);
        if let Some(why) = itself(old, &from) {
            return Ok(Err(why.towards(&place.needs)));
        }
        let Some(published) = self.repository.versions(group, artifact).await? else {
            let reason = "the repository does not have it".to_owned();
            return Ok(Err(blocked("not-in-repository", reason, None)));
        };
        let published = published.into_iter().filter(|version| is_release(version) && is_name(version));
        let compatible = |to: &str| is_compatible(&place.from, to);
        let to = match question.target(place, published, &compatible) {
            Ok(to) => to,
            Err(why) => return Ok(Err(why)),
        };
        let Some(promise) = self.repository.promise(&from).await? else {
            let reason =
                format!("{} is not published any more: what of it was changed cannot be told", place.from);
            return Ok(Err(blocked("not-in-repository", reason, Some(to))));
        };
        if !hashes.are(&promise) {
            let what = format!("is not what was published as {} {}", place.name, place.from);
            return Ok(Err(changed(&place.path, &what).towards(&to)));
        }
        let next = project(&to);
        let fetched = match self.fetched.get(&next) {
            Some(known) => known.clone(),
            None => {
                let fetched = Arc::new(self.jar(&next).await?);
                self.fetched.insert(next.clone(), fetched.clone());
                fetched
            }
        };
        let Some(Installed { jar: Some(old), .. }) = self.installed.get(&place.path) else {
            return otherwise("it cannot be read");
        };
        if let Some(why) = itself(&fetched.jar, &next).or_else(|| unfit(old, &fetched.jar, &to)) {
            return Ok(Err(why.towards(&to)));
        }
        let (needs, needed) = match (self.repository.needs(&next).await?, self.repository.needs(&from).await?)
        {
            (Ok(needs), Ok(needed)) => (needs, needed),
            (Err(why), _) | (_, Err(why)) => return Ok(Err(why.towards(&to))),
        };
        Ok(Ok(Candidate { place: place.clone(), to, new: New { fetched, needs, needed } }))
    }

    fn judge(&self, question: &Question<'_>, candidate: &Candidate<New>) -> Result<Ready, Blocked> {
        let Candidate { place, new, .. } = candidate;
        if let Some(why) = self.missing(candidate) {
            return Err(why);
        }
        let Some(owner) = question.tree.get(&place.path).map(|node| &node.entry) else {
            return Err(changed(&place.path, "is no file"));
        };
        let (root, file) = place.path.rsplit_once('/').unwrap_or(("", &place.path));
        let mut additions = Additions::default();
        if let Some(old) = owner.hashes {
            additions.replaced.insert(old.sha256, (place.name.clone(), place.path.clone()));
        }
        // Later than what it replaces: what somebody has made of that by its time is for nothing.
        let ground = Ground { tree: question.tree, root, owner };
        ground.put(file, &new.fetched.bytes, false, owner.mtime + 1, &mut additions)?;
        let because = format!(
            "in /{}, under the name that class paths have: what it needs is there, for no newer Java; held against the \
             repository's {}",
            place.path,
            new.fetched.promise.algorithm(),
        );
        let size = new.fetched.bytes.len() as u64;
        Ok(Ready::new(candidate, because, &new.fetched.digest, size, additions))
    }

    fn went_up(&mut self, candidate: Candidate<New>) {
        let Candidate { place, to, .. } = candidate;
        for there in self.there.get_mut(&place.name).into_iter().flatten() {
            if there.path == place.path {
                there.version.clone_from(&to);
            }
        }
    }
}

impl Jars<'_> {
    async fn jar(&mut self, project: &Project) -> Result<Fetched> {
        let called = format!("{}:{} {}", project.0, project.1, project.2);
        let Some(promise) = self.repository.promise(project).await? else {
            let reason = "the repository has no checksum of it".to_owned();
            return Err(Error::Unverified { file: called, reason });
        };
        let bytes = self.repository.archive(project, &promise).await?;
        self.held.add(&called, bytes.len() as u64)?;
        blocking(move || {
            let reason = "it is no jar that can be read".to_owned();
            let jar = Jar::read(&bytes).ok_or(Error::Malformed { file: called, reason })?;
            let digest = Digest::of(&bytes);
            Ok(Fetched { bytes, jar, digest, promise })
        })
        .await
    }

    /// What a new version needs and would not find: what it needs as the old one did is there as it was.
    fn missing(&self, candidate: &Candidate<New>) -> Option<Blocked> {
        let Candidate { place, to, new } = candidate;
        let folder = |path: &str| path.rsplit_once('/').map_or("", |(folder, _)| folder).to_owned();
        let (here, none) = (folder(&place.path), Vec::new());
        for ((name, classifier), wanted) in &new.needs {
            let before = new.needed.get(&(name.clone(), classifier.clone()));
            if before == Some(wanted) {
                continue;
            }
            let all = self.there.get(name).unwrap_or(&none);
            let beside: Vec<&There> = all.iter().filter(|there| folder(&there.path) == here).collect();
            // Where none lies beside it, an old one was found elsewhere, or nobody needs it.
            let seen = if beside.is_empty() && before.is_some() { all.iter().collect() } else { beside };
            let fits = |there: &&There| {
                let reaches = Order::Maven.compare(&there.version, wanted).is_ge();
                is_release(wanted) && reaches && (before.is_some() || is_compatible(wanted, &there.version))
            };
            if before.is_none() && seen.is_empty() || !seen.iter().all(&fits) {
                let found = match seen.iter().find(|there| !fits(there)) {
                    Some(there) => format!("{} is there", there.version),
                    None => "none is beside it".to_owned(),
                };
                let reason = format!("{} {to} needs {name} {wanted:.80}, and {found}", place.name);
                return Some(blocked("new-dependency", reason, None));
            }
        }
        None
    }
}
