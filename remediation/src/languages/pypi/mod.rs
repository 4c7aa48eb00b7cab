//! Distributions of Python: the lowest published wheel of the same major version, in the folder of the old one.

mod dist;
mod index;
mod lay;
mod version;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use patchline_registry::Digest;
use url::Url;

use super::{
    Decided, Languages, Place, Question, Ready,
    archive::{Files, Held, bytes_of, wheel as unpack},
    blocked,
    rounds::{Candidate, Judge, candidates, rounds},
};
use crate::{Error, Result, plan::Blocked, tree::image_blocking as blocking};
use dist::{Distribution, Distributions, site};
use index::Wheel;
use lay::{Installed, scripts};
use version::{is_compatible, normal, numbers, takes};

/// OSV's name.
pub(super) const ECOSYSTEM: &str = "PyPI";

/// A verified wheel.
struct Fetched {
    files: Files,
    /// Its `.dist-info`.
    info: String,
    distribution: Distribution,
    digest: Digest,
    size: u64,
}

/// The index, asked for everything once, and the image's distributions, as they will be.
struct Index<'a> {
    languages: &'a Languages,
    url: Url,
    pages: BTreeMap<String, Option<Arc<Vec<Wheel>>>>,
    wheels: BTreeMap<Vec<u8>, Arc<Fetched>>,
    held: Held,
    /// What the image says of the distributions that may go up, by path.
    contents: BTreeMap<String, Vec<u8>>,
    distributions: Distributions,
}

/// What is read of a `.dist-info`.
const READ: [&str; 4] = ["RECORD", "WHEEL", "INSTALLER", "entry_points.txt"];

/// Decides on all distributions.
pub(super) async fn decide(
    languages: &Languages,
    question: &Question<'_>,
    places: &[Place],
    decided: &mut Decided,
) -> Result<()> {
    if places.is_empty() {
        return Ok(());
    }
    let url = match languages.sources.pypi() {
        Ok(url) => url,
        Err(nobody) => return decided.unnamed(places, nobody),
    };
    let folders = places.iter().filter_map(|place| place.path.strip_suffix("/METADATA"));
    let files: BTreeSet<String> =
        folders.flat_map(|folder| READ.map(|name| format!("{folder}/{name}"))).collect();
    let mut index = Index {
        languages,
        url,
        pages: BTreeMap::new(),
        wheels: BTreeMap::new(),
        held: Held::default(),
        contents: question.read(&files).await?,
        distributions: Distributions::read(question).await?,
    };
    let candidates = candidates(&mut index, question, places, decided).await?;
    rounds(&mut index, question, candidates, decided);
    Ok(())
}

impl Index<'_> {
    fn said(&self, place: &Place, name: &str) -> &[u8] {
        let folder = place.path.strip_suffix("/METADATA").unwrap_or_default();
        self.contents.get(&format!("{folder}/{name}")).map_or(&[], Vec::as_slice)
    }

    /// What the installed wheel was built for; or why it is not one that can be replaced.
    fn tags(&self, question: &Question<'_>, place: &Place) -> Result<BTreeSet<String>, Blocked> {
        let otherwise = |what: &str| Err(blocked("not-in-place", what.to_owned(), None));
        let Some((site, info)) = site(&place.path) else {
            return otherwise("it was not installed from a wheel");
        };
        if question.tree.real(site) != site {
            return otherwise("a link leads there");
        }
        let path = |name: &str| format!("{site}/{info}/{name}");
        if question.tree.get(&path("direct_url.json")).is_some() {
            return otherwise("it was installed from an address of its own, not from an index");
        }
        if question.owned.contains(&place.path) {
            let reason = "it belongs to a package of the system, which has its own upgrades".to_owned();
            return Err(blocked("system-package", reason, None));
        }
        match self.distributions.get(&place.path) {
            Some(there) if there.version == place.from && there.name == normal(&place.name) => {}
            _ => return otherwise("its METADATA cannot be read"),
        }
        let wheel = String::from_utf8_lossy(self.said(place, "WHEEL"));
        let tags: BTreeSet<String> = wheel
            .lines()
            .filter_map(|line| line.strip_prefix("Tag:"))
            .map(|tag| tag.trim().to_owned())
            .collect();
        if tags.is_empty() || self.said(place, "RECORD").is_empty() {
            return otherwise("it has no WHEEL or no RECORD: what belongs to it cannot be told");
        }
        Ok(tags)
    }

    async fn wheel(&mut self, name: &str, wheel: &Wheel) -> Result<Arc<Fetched>> {
        if let Some(known) = self.wheels.get(&wheel.sha256) {
            return Ok(known.clone());
        }
        let called = format!("{name} {}", wheel.version);
        let bytes = index::bytes(self.languages, &called, wheel).await?;
        let fetched = blocking(move || {
            let malformed =
                |reason: &str| Error::Malformed { file: called.clone(), reason: reason.to_owned() };
            let files = unpack(&called, &bytes)?;
            let mut infos = files.keys().filter_map(|path| path.strip_suffix(".dist-info/METADATA"));
            let (Some(info), None) = (infos.next().filter(|info| !info.contains('/')), infos.next()) else {
                return Err(malformed("it has not one .dist-info"));
            };
            let info = format!("{info}.dist-info");
            let distribution = Distribution::read(&files[&format!("{info}/METADATA")].bytes)
                .ok_or_else(|| malformed("its METADATA names no package"))?;
            Ok(Fetched { files, info, distribution, digest: Digest::of(&bytes), size: bytes.len() as u64 })
        })
        .await?;
        self.held.add(name, bytes_of(&fetched.files))?;
        let fetched = Arc::new(fetched);
        self.wheels.insert(wheel.sha256.clone(), fetched.clone());
        Ok(fetched)
    }

    /// Why a wheel cannot just be laid where the old one was.
    fn unfit(&self, place: &Place, new: &Fetched) -> Option<Blocked> {
        let refuse = |code, reason: String| Some(blocked(code, reason, None));
        let is = &new.distribution;
        if is.name != normal(&place.name) {
            return refuse(
                "not-in-repository",
                format!("its archive is of {:.80} {:.80}", is.name, is.version),
            );
        }
        let data = |path: &&String| path.split('/').next().is_some_and(|first| first.ends_with(".data"));
        if let Some(path) = new.files.keys().find(data) {
            let reason = format!("{} puts files outside of its folder: {path}", is.version);
            return refuse("interface-changed", reason);
        }
        let script = format!("{}/entry_points.txt", new.info);
        let comes = new.files.get(&script).map(|file| scripts(&file.bytes)).unwrap_or_default();
        if comes != scripts(self.said(place, "entry_points.txt")) {
            return refuse("interface-changed", format!("{} has other scripts", is.version));
        }
        let there = self.distributions.get(&place.path);
        let asked = &is.requires_python;
        if there.is_some_and(|there| there.requires_python == *asked) || asked.is_empty() {
            return None;
        }
        // Of the very number of a release nobody tells: the first and the last of them have to do.
        let minor = place.path.split('/').find_map(|part| part.strip_prefix("python3.")?.parse::<u32>().ok());
        match minor {
            Some(minor)
                if takes(asked, &format!("3.{minor}.0")) && takes(asked, &format!("3.{minor}.99")) =>
            {
                None
            }
            _ => refuse("interface-changed", format!("{} asks for Python {asked:.80}", is.version)),
        }
    }
}

impl Judge for Index<'_> {
    type New = Arc<Fetched>;
    const NAME: &'static str = "pypi";

    async fn fetch(
        &mut self,
        question: &Question<'_>,
        place: &Place,
    ) -> Result<Result<Candidate<Arc<Fetched>>, Blocked>> {
        let tags = match self.tags(question, place) {
            Ok(tags) => tags,
            Err(why) => return Ok(Err(why)),
        };
        let name = place.name.as_str();
        if !self.pages.contains_key(name) {
            let page = index::fetch(self.languages, &self.url, name).await?.map(Arc::new);
            self.pages.insert(name.to_owned(), page);
        }
        let Some(page) = self.pages.get(name).cloned().flatten() else {
            return Ok(Err(blocked("not-in-repository", "the index does not have it".to_owned(), None)));
        };
        let fits =
            |wheel: &&Wheel| !wheel.yanked && numbers(&wheel.version).is_some() && wheel.tags_fit(&tags);
        let published: BTreeSet<String> =
            page.iter().filter(fits).map(|wheel| wheel.version.clone()).collect();
        let compatible = |to: &str| is_compatible(&place.from, to);
        let to = match question.target(place, published.into_iter(), &compatible) {
            Ok(to) => to,
            Err(why) => return Ok(Err(why)),
        };
        let Some(wheel) = page.iter().filter(fits).find(|wheel| wheel.version == to) else {
            return Ok(Err(blocked("not-in-repository", "its wheel is gone".to_owned(), Some(to))));
        };
        let fetched = self.wheel(name, wheel).await?;
        if let Some(why) = self.unfit(place, &fetched) {
            return Ok(Err(why.towards(&to)));
        }
        let to = fetched.distribution.version.clone();
        Ok(Ok(Candidate { place: place.clone(), to, new: fetched }))
    }

    fn judge(&self, question: &Question<'_>, candidate: &Candidate<Arc<Fetched>>) -> Result<Ready, Blocked> {
        let Candidate { place, to, new: wheel } = candidate;
        if let Some(why) = self.distributions.against(&place.path, &wheel.distribution) {
            return Err(why);
        }
        let Some((site, info)) = site(&place.path) else {
            return Err(blocked("not-in-place", "it was not installed from a wheel".to_owned(), None));
        };
        let installer = match self.said(place, "INSTALLER") {
            [] => b"patchline\n",
            said => said,
        };
        let record = String::from_utf8_lossy(self.said(place, "RECORD"));
        let additions = Installed {
            tree: question.tree,
            name: &place.name,
            site,
            info: (info, &wheel.info),
            record: &record,
            installer,
            requested: question.tree.get(&format!("{site}/{info}/REQUESTED")).is_some(),
            new: &wheel.files,
            owned: &question.owned,
        }
        .lay()?;
        let because = format!("in /{site}: the same scripts, and whoever asks for it takes {to}");
        Ok(Ready::new(candidate, because, &wheel.digest, wheel.size, additions))
    }

    fn went_up(&mut self, candidate: Candidate<Arc<Fetched>>) {
        self.distributions.replace(&candidate.place.path, candidate.new.distribution.clone());
    }
}

impl Wheel {
    /// Whether it was built for what the installed one was: a pure one for every Python, any other for the very same.
    fn tags_fit(&self, installed: &BTreeSet<String>) -> bool {
        let pure = |tags: &BTreeSet<String>| {
            tags.contains("py3-none-any") && tags.iter().all(|tag| tag.ends_with("-none-any"))
        };
        pure(&self.tags) && pure(installed) || self.tags == *installed
    }
}
