//! Packages of languages upgraded in place: off unless asked for, and only where the ecosystem's own rules call the new
//! version compatible and nothing of the image was made by hand. Everything else stays, by name and with the reason.

mod archive;
mod fetch;
mod lay;
mod limits;
mod maven;
mod npm;
mod pypi;
mod removed;
mod rounds;
mod sources;

use std::{
    collections::{BTreeMap, BTreeSet},
    path::PathBuf,
    sync::Arc,
};

use patchline_registry::{Digest, Repository};
use patchline_scanner::{
    Finding, Inventory, LayerFacts, Package, Platform, advisories::AdvisorySet, version::Order,
};

use crate::{
    Archive, Error, Executor, FixPlan, Refusal, Result, Upgrade,
    apt::fetch::Fetcher,
    executor::native::extend::Additions,
    fix::Progress,
    plan::{Blocked, Offer, Rules},
    tree::{Image, Tree, contents},
};

use rounds::Candidate;
pub use sources::Sources;

/// Those of OSV whose packages go up in place.
const ECOSYSTEMS: [&str; 3] = [npm::ECOSYSTEM, pypi::ECOSYSTEM, maven::ECOSYSTEM];

/// Whether a package carries a finding that could go up in place.
pub(crate) fn is_languages(finding: &Finding) -> bool {
    finding.fixed.is_some() && !finding.paths.is_empty() && ECOSYSTEMS.contains(&finding.ecosystem.as_str())
}

/// Takes packages of languages from their registries; cheap to clone.
#[derive(Debug, Clone)]
pub struct Languages {
    sources: Arc<Sources>,
    fetcher: Arc<Fetcher>,
    /// Where verified archives are kept; none: nowhere.
    cache: Option<PathBuf>,
}

/// What is decided on.
pub(crate) struct Question<'a> {
    pub(crate) repository: &'a dyn Repository,
    pub(crate) image: &'a Image,
    pub(crate) tree: &'a Tree,
    /// What is known of layers.
    pub(crate) facts: Arc<dyn LayerFacts>,
    /// Real paths of what the operating system's packages own.
    pub(crate) owned: BTreeSet<String>,
    /// Findings that are to be ended; those of the system among them.
    pub(crate) wanted: Vec<&'a Finding>,
    pub(crate) advisories: &'a [&'a AdvisorySet],
    /// The newest compatible version instead of the lowest.
    pub(crate) latest: bool,
    pub(crate) rules: &'a Rules,
    pub(crate) progress: &'a Progress,
}

/// One package of a language where it lies, and what is to be ended there.
#[derive(Debug, Clone)]
struct Place {
    ecosystem: &'static str,
    name: String,
    /// The file that tells of it.
    path: String,
    from: String,
    /// Ids of findings.
    ends: Vec<String>,
    /// The version that ends them all, as advisories say.
    needs: String,
    /// The version that a person has chosen; none: nobody has.
    to: Option<String>,
}

/// What goes up at one place, ready to be laid.
struct Ready {
    upgrade: Upgrade,
    archive: Archive,
    additions: Additions,
}

impl Ready {
    /// `digest` and `size` are the archive's.
    fn new<T>(
        candidate: &Candidate<T>,
        because: String,
        digest: &Digest,
        size: u64,
        additions: Additions,
    ) -> Self {
        let Candidate { place, to, .. } = candidate;
        let upgrade = Upgrade {
            package: place.name.clone(),
            source: place.name.clone(),
            from: place.from.clone(),
            to: to.clone(),
            mends: place.ends.clone(),
            because,
            executor: Executor::Native,
            repository: place.ecosystem.to_owned(),
            size,
            ecosystem: place.ecosystem.to_owned(),
            path: place.path.clone(),
            ..Upgrade::default()
        };
        let (package, version) = (place.name.clone(), to.clone());
        let archive = Archive { package, version, architecture: String::new(), digest: digest.clone() };
        Self { upgrade, archive, additions }
    }
}

/// What goes up, what stays, and what it takes.
#[derive(Default)]
pub(crate) struct Decided {
    upgrades: Vec<Upgrade>,
    pub(crate) refused: Vec<Refusal>,
    archives: Vec<Archive>,
    additions: Additions,
}

impl Decided {
    /// Nothing goes up.
    pub(crate) fn is_empty(&self) -> bool {
        self.upgrades.is_empty()
    }
    /// Whether a finding ends wherever it is.
    pub(crate) fn ends(&self, finding: &Finding) -> bool {
        let goes = |path: &String| {
            let mends = |up: &Upgrade| {
                up.path == *path && up.package == finding.source && up.mends.contains(&finding.id)
            };
            self.upgrades.iter().any(mends)
        };
        !finding.paths.is_empty() && finding.paths.iter().all(goes)
    }
    /// Adds it to a plan of the system's packages.
    pub(crate) fn join(&self, plan: &mut FixPlan) {
        plan.upgrades.extend(self.upgrades.iter().cloned());
        plan.refused.extend(self.refused.iter().cloned());
    }
    /// What goes into the layer.
    pub(crate) fn additions(&self) -> Additions {
        self.additions.clone()
    }
    /// The verified archives, each once.
    pub(crate) fn archives(&self) -> impl Iterator<Item = Archive> + use<'_> {
        let mut known = BTreeSet::new();
        self.archives.iter().filter(move |archive| known.insert(archive.digest.to_string())).cloned()
    }
    /// What is of an ecosystem whose registry nobody names stays, by name: what others have goes up all the same.
    fn unnamed(&mut self, places: &[Place], error: Error) -> Result<()> {
        let Error::NoLanguageRegistry { .. } = &error else { return Err(error) };
        for place in places {
            self.take(place, Err(blocked("no-mirror", error.to_string(), Some(place.needs.clone()))));
        }
        Ok(())
    }
    fn take(&mut self, place: &Place, judged: Result<Ready, Blocked>) {
        match judged {
            Ok(ready) => {
                self.upgrades.push(ready.upgrade);
                self.archives.push(ready.archive);
                self.additions.extend(ready.additions);
            }
            Err(why) => self.refused.push(Refusal {
                package: place.name.clone(),
                from: place.from.clone(),
                to: why.to,
                code: why.code.to_owned(),
                reason: format!("/{}: {}", place.path, why.reason),
                leaves: place.ends.clone(),
            }),
        }
    }
}

impl Languages {
    /// No request is made, and nothing is kept.
    pub fn new(sources: Sources) -> Self {
        Self { sources: Arc::new(sources), fetcher: Arc::new(Fetcher::new()), cache: None }
    }
    /// The same with a folder where verified archives are kept, by their hashes.
    #[must_use]
    pub fn kept_in(self, cache: PathBuf) -> Self {
        Self { cache: Some(cache), ..self }
    }
    /// That folder.
    pub(crate) fn cache(&self) -> Option<PathBuf> {
        self.cache.clone()
    }

    /// Decides on everything that is wanted of languages.
    ///
    /// # Errors
    /// A registry that does not answer, an archive that is not what its registry promises, or a plan of a person that
    /// cannot be carried out as it stands.
    pub(crate) async fn decide(&self, question: &Question<'_>) -> Result<Decided> {
        let mut decided = Decided::default();
        let mut places = places(&question.wanted);
        if let Some(chosen) = &question.rules.languages {
            let named = |place: &Place, one: &crate::Chosen| {
                one.ecosystem == place.ecosystem
                    && one.package == place.name
                    && one.path == place.path
                    && one.from == place.from
            };
            if let Some(absent) = chosen.iter().find(|one| !places.iter().any(|place| named(place, one))) {
                let reason = format!("/{} has no {} that could be mended", absent.path, absent.from);
                return Err(Error::PlanRefused { package: absent.package.clone(), reason });
            }
            places.retain_mut(|place| {
                let one = chosen.iter().find(|one| named(place, one));
                place.to = one.map(|one| one.to.clone());
                one.is_some()
            });
        }
        if places.is_empty() {
            return Ok(decided);
        }
        if places.len() > limits::PACKAGES {
            return Err(Error::Malformed {
                file: "the image".to_owned(),
                reason: format!("more than {} packages of languages would go up", limits::PACKAGES),
            });
        }
        places.retain(|place| match question.rules.keeps(&place.name, &place.name) {
            Some(why) => {
                decided.take(place, Err(why));
                false
            }
            None => true,
        });
        npm::decide(self, question, &of(&places, npm::ECOSYSTEM), &mut decided).await?;
        pypi::decide(self, question, &of(&places, pypi::ECOSYSTEM), &mut decided).await?;
        maven::decide(self, question, &of(&places, maven::ECOSYSTEM), &mut decided).await?;
        if question.rules.languages.is_some()
            && let Some(refused) = decided.refused.first()
        {
            return Err(Error::PlanRefused {
                package: refused.package.clone(),
                reason: refused.reason.clone(),
            });
        }
        decided.upgrades.sort_by(|a, b| (&a.package, &a.path).cmp(&(&b.package, &b.path)));
        decided.refused.sort_by(|a, b| (&a.package, &a.reason).cmp(&(&b.package, &b.reason)));
        decided.archives.sort_by(|a, b| (&a.package, &a.version).cmp(&(&b.package, &b.version)));
        Ok(decided)
    }
}

fn of(places: &[Place], ecosystem: &str) -> Vec<Place> {
    places.iter().filter(|place| place.ecosystem == ecosystem).cloned().collect()
}

/// Where packages lie that findings with a fix are about.
fn places(wanted: &[&Finding]) -> Vec<Place> {
    let mut places: BTreeMap<(&'static str, &str, &str, &str), Place> = BTreeMap::new();
    for finding in wanted {
        let known = ECOSYSTEMS.into_iter().find(|known| *known == finding.ecosystem);
        let (Some(ecosystem), Some(fixed)) = (known, &finding.fixed) else { continue };
        let order = Order::of_ecosystem(ecosystem);
        for path in &finding.paths {
            let key = (ecosystem, path.as_str(), finding.source.as_str(), finding.installed.as_str());
            let place = places.entry(key).or_insert_with(|| Place {
                ecosystem,
                name: finding.source.clone(),
                path: path.clone(),
                from: finding.installed.clone(),
                ends: Vec::new(),
                needs: fixed.clone(),
                to: None,
            });
            place.ends.push(finding.id.clone());
            if order.is_some_and(|order| order.compare(fixed, &place.needs).is_gt()) {
                place.needs.clone_from(fixed);
            }
        }
    }
    let mut places: Vec<Place> = places.into_values().collect();
    for place in &mut places {
        place.ends.sort();
        place.ends.dedup();
    }
    places
}

impl Question<'_> {
    /// Whether a version ends everything that is to be ended at a place, and brings nothing that was not there.
    fn ends(&self, place: &Place, version: &str) -> bool {
        let known = |version| known(place, version, self.image, self.advisories);
        let before = known(&place.from);
        known(version).iter().all(|finding| {
            let names = |id: &String| *id == finding.id || finding.aliases.contains(id);
            !place.ends.iter().any(names) && before.iter().any(|old| old.id == finding.id)
        })
    }

    /// The version to go to, of those that are published; `compatible` is the ecosystem's rule.
    fn target(
        &self,
        place: &Place,
        published: impl Iterator<Item = String>,
        compatible: &dyn Fn(&str) -> bool,
    ) -> Result<String, Blocked> {
        let Some(order) = Order::of_ecosystem(place.ecosystem) else {
            return Err(blocked("no-compatible-version", "its versions have no order".to_owned(), None));
        };
        let mut newer: Vec<String> =
            published.filter(|version| order.compare(version, &place.from).is_gt()).collect();
        newer.sort_by(|a, b| order.compare(a, b));
        if let Some(chosen) = &place.to {
            newer.retain(|version| version == chosen);
        } else if self.latest {
            newer.reverse();
        }
        let rules = Rules { exactly: None, ..self.rules.clone() };
        let denied = |version: &String| {
            let versions = [version.as_str(), version.as_str()];
            rules.against(&Offer { name: &place.name, source: &place.name, versions })
        };
        let mut why = None;
        for version in newer.iter().filter(|version| compatible(version)) {
            match denied(version) {
                Some(entry) => why = why.or(Some(entry)),
                None if self.ends(place, version) => return Ok(version.clone()),
                None => {}
            }
        }
        if let Some(why) = why {
            return Err(why);
        }
        // The advice: what whoever builds the image would have to take.
        let first = newer.iter().find(|version| self.ends(place, version)).cloned();
        Err(match first {
            Some(first) => blocked(
                "no-compatible-version",
                format!(
                    "{first} ends it, and is not compatible with {} by the rules of {}",
                    place.from, place.ecosystem
                ),
                Some(first),
            ),
            None => blocked("not-in-repository", "no published version ends it".to_owned(), None),
        })
    }

    /// Contents of files of the image.
    async fn read(&self, paths: &BTreeSet<String>) -> Result<BTreeMap<String, Vec<u8>>> {
        self.read_within(paths, limits::FILE, limits::FILES_READ).await
    }

    /// The same with other bounds: bytes of one file, and of all together.
    async fn read_within(
        &self,
        paths: &BTreeSet<String>,
        one: u64,
        all: u64,
    ) -> Result<BTreeMap<String, Vec<u8>>> {
        let bounds = contents::Bounds { one, all };
        contents::contents(self.repository, self.image, self.tree, paths, bounds).await
    }

    /// Why nothing below a folder may be touched: it is the system's.
    fn owned_below(&self, folder: &str) -> Option<Blocked> {
        let prefix = format!("{folder}/");
        let path = self.owned.range(prefix.clone()..).next().filter(|path| path.starts_with(&prefix))?;
        let reason = format!("/{path} belongs to a package of the system, which has its own upgrades");
        Some(blocked("system-package", reason, None))
    }
}

/// What is known of one version, as if it were all that an image has.
fn known(place: &Place, version: &str, image: &Image, advisories: &[&AdvisorySet]) -> Vec<Finding> {
    let kind = place.ecosystem.to_ascii_lowercase();
    let package = Package {
        name: place.name.clone(),
        version: version.to_owned(),
        source: place.name.clone(),
        source_version: version.to_owned(),
        purl: format!("pkg:{kind}/any"),
        path: Some(place.path.clone()),
        ..Package::default()
    };
    let (os, architecture) = ("linux".to_owned(), "amd64".to_owned());
    let inventory = Inventory {
        image: image.raw.digest.clone(),
        platform: Platform { os, architecture, variant: None },
        distro: None,
        packages: vec![package],
        database: None,
        unread: Vec::new(),
        incomplete: Vec::new(),
        unreadable: Vec::new(),
        layers: Vec::new(),
    };
    patchline_scanner::report(&inventory, advisories).findings
}

fn blocked(code: &'static str, reason: String, to: Option<String>) -> Blocked {
    Blocked { code, reason, to }
}

impl Blocked {
    /// The same, naming what it would have become.
    fn towards(self, version: &str) -> Self {
        Self { to: self.to.or_else(|| Some(version.to_owned())), ..self }
    }
}
