//! The images in a chain's scope, in one order, a part at a time: registries, their repositories, the tags that the
//! window names.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::{Arc, Mutex, PoisonError},
};

use futures::{StreamExt, TryStreamExt, stream};
use jiff::Timestamp;
use patchline_chains::{ImageWindow, Plan, glob};
use patchline_engine::Problem;
use patchline_registry::{
    Digest, Error as RegistryError, Location, ManifestKind, Reference, Repository, model::MAX_MANIFEST_BYTES,
};
use patchline_store::sightings::{Seen, Sight, Sighting};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio::io::AsyncReadExt;

use super::{
    subject,
    window::{self, Tagged},
};
use crate::{Error, Result, ServerContext};

/// Repositories of a registry, at most.
const MOST_REPOSITORIES: usize = 100_000;
/// Tags of a repository, at most: a window over more would take too long.
const MOST_TAGS: usize = 50_000;
/// Questions to a registry at once.
const AT_ONCE: usize = 4;

/// The last image that was looked at.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(super) struct Place {
    pub(super) registry: String,
    pub(super) repository: String,
    pub(super) tag: String,
}

/// What one firing has listed so far, so that each page does not list again. Lost with the process: then it is listed
/// again, and goes on after the same place.
#[derive(Default)]
pub(super) struct Listings(Mutex<HashMap<String, Listing>>);

#[derive(Clone, Default)]
struct Listing {
    repositories: Option<(String, Arc<Vec<String>>)>,
    tags: Option<(String, String, Arc<Vec<String>>)>,
}

impl Listings {
    fn get(&self, firing: &str) -> Listing {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(firing).cloned().unwrap_or_default()
    }
    fn put(&self, firing: &str, change: impl FnOnce(&mut Listing)) {
        let mut listings = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // A few firings run at once; one that was left off must not stay in memory.
        if listings.len() >= 16 && !listings.contains_key(firing) {
            listings.clear();
        }
        change(listings.entry(firing.to_owned()).or_default());
    }
    /// It is over.
    pub(super) fn forget(&self, firing: &str) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(firing);
    }
}

/// What is listed, for whom.
pub(super) struct Scope<'a> {
    pub(super) context: &'a ServerContext,
    pub(super) plan: &'a Plan,
    /// All tags, where there is none.
    pub(super) window: ImageWindow,
    pub(super) listings: &'a Listings,
    /// Unique among firings.
    pub(super) firing: &'a str,
}

/// Images that come next, and what could not be listed.
#[derive(Default)]
pub(super) struct Part {
    pub(super) images: Vec<Place>,
    pub(super) failed: Vec<(String, Problem)>,
    /// Where the next part begins; none: this was the last.
    pub(super) next: Option<Place>,
}

impl Scope<'_> {
    /// At most `most` images after `after`, of at most as many repositories.
    pub(super) async fn part(&self, after: &Place, most: usize) -> Result<Part> {
        let mut part = Part::default();
        let mut visited = 0;
        for registry in self.registries().into_iter().filter(|r| *r >= after.registry) {
            let in_it = if registry == after.registry { after.clone() } else { Place::default() };
            let repositories = match self.repositories(&registry).await {
                Ok((repositories, failed)) => {
                    // Said once, with the first part of the registry.
                    part.failed.extend(failed.filter(|_| in_it.repository.is_empty()));
                    repositories
                }
                Err(error) if super::embedded::passes(&error) => return Err(error),
                Err(error) => {
                    part.failed.push((registry, problem(&error)));
                    continue;
                }
            };
            let left =
                |r: &&String| **r > in_it.repository || (**r == in_it.repository && in_it.tag != AFTER_ALL);
            for repository in repositories.iter().filter(left) {
                if part.images.len() >= most || visited >= most {
                    return Ok(part);
                }
                let mut last =
                    Place { registry: registry.clone(), repository: repository.clone(), tag: String::new() };
                if *repository == in_it.repository {
                    last.tag.clone_from(&in_it.tag);
                }
                match self.tags(&registry, repository).await {
                    Ok(tags) => {
                        for tag in tags.iter().filter(|tag| **tag > last.tag).take(most - part.images.len()) {
                            part.images.push(Place { tag: tag.clone(), ..last.clone() });
                        }
                        let taken = part
                            .images
                            .last()
                            .filter(|p| p.repository == *repository && p.registry == registry);
                        if let Some(taken) = taken {
                            last = taken.clone();
                        }
                        // All of it: the next part begins behind the repository.
                        if tags.last().is_none_or(|tag| *tag <= last.tag) {
                            last.tag = AFTER_ALL.to_owned();
                        }
                    }
                    Err(error) if super::embedded::passes(&error) => return Err(error),
                    Err(error) => {
                        part.failed.push((format!("{registry}/{repository}"), problem(&error)));
                        last.tag = AFTER_ALL.to_owned();
                    }
                }
                visited += 1;
                let whole = last.tag == AFTER_ALL;
                part.next = Some(last);
                if !whole {
                    // Also where it is the last repository of all.
                    return Ok(part);
                }
            }
        }
        part.next = None;
        Ok(part)
    }

    /// The registries of the scope, by configured name.
    fn registries(&self) -> Vec<String> {
        let registries = &self.context.registries;
        let named = self.plan.scope.registry.as_deref();
        registries.names().filter(|name| named.is_none_or(|own| own == *name)).map(str::to_owned).collect()
    }

    /// The repositories of a registry that are in scope, sorted, and what is wrong where not all could be listed.
    async fn repositories(&self, registry: &str) -> Result<(Arc<Vec<String>>, Option<(String, Problem)>)> {
        if let Some((known, repositories)) = self.listings.get(self.firing).repositories
            && known == registry
        {
            return Ok((repositories, None));
        }
        let patterns = &self.plan.scope.repositories;
        let includes: Vec<&String> = patterns.iter().filter(|p| !p.starts_with('!')).collect();
        let named: BTreeSet<String> =
            includes.iter().filter(|p| is_literal(p)).map(|p| (*p).clone()).collect();
        let mut failed = None;
        let mut all = if !includes.is_empty() && includes.len() == named.len() {
            named
        } else {
            match self.context.registries.repositories(registry, MOST_REPOSITORIES).await {
                Ok(all) => all.into_iter().chain(named).collect(),
                Err(error @ RegistryError::Unsupported { .. }) => {
                    failed = Some((registry.to_owned(), problem(&error.into())));
                    named
                }
                Err(error) => return Err(error.into()),
            }
        };
        all.retain(|repository| glob::matches(patterns, repository));
        let all = Arc::new(all.into_iter().collect::<Vec<_>>());
        self.listings.put(self.firing, |l| l.repositories = Some((registry.to_owned(), all.clone())));
        Ok((all, failed))
    }

    /// The tags of a repository that are in scope and in the window, sorted.
    async fn tags(&self, registry: &str, repository: &str) -> Result<Arc<Vec<String>>> {
        if let Some((r, n, tags)) = self.listings.get(self.firing).tags
            && (r.as_str(), n.as_str()) == (registry, repository)
        {
            return Ok(tags);
        }
        let opened = self.open(registry, repository)?;
        let mut tags = match opened.tags().await {
            Ok(tags) => tags,
            // Named by the chain, and not there.
            Err(RegistryError::NotFound { .. }) => Vec::new(),
            Err(error) => return Err(error.into()),
        };
        if tags.len() > MOST_TAGS {
            return Err(Error::TooMany { what: format!("{registry}/{repository}"), most: MOST_TAGS });
        }
        tags.retain(|tag| !subject::is_supplement(tag) && self.plan.matches(registry, repository, Some(tag)));
        tags.sort_unstable();
        tags.dedup();
        if !self.window.is_all() {
            let tagged = self.tagged(registry, repository, &*opened, tags).await?;
            tags = window::select(&self.window, self.context.clock.now(), &tagged);
        }
        let tags = Arc::new(tags);
        let key = (registry.to_owned(), repository.to_owned(), tags.clone());
        self.listings.put(self.firing, |l| l.tags = Some(key));
        Ok(tags)
    }

    pub(super) fn open(&self, registry: &str, repository: &str) -> Result<Arc<dyn Repository>> {
        let reference = Reference {
            registry: registry.to_owned(),
            repository: repository.to_owned(),
            tag: None,
            digest: None,
        };
        Ok(self.context.registries.open(&Location::Registry(reference))?)
    }

    /// What is known of each tag's image.
    async fn tagged(
        &self,
        registry: &str,
        repository: &str,
        opened: &dyn Repository,
        tags: Vec<String>,
    ) -> Result<Vec<Tagged>> {
        let stored = |source| Error::Stored { what: "sightings", source };
        let seen = self.context.sightings.of_repository(registry, repository).await.map_err(stored)?;
        let mut by_tag: HashMap<&str, &Sighting> = HashMap::new();
        let mut by_digest: BTreeMap<&str, Vec<&Sighting>> = BTreeMap::new();
        for one in &seen {
            if let Some(tag) = &one.tag {
                by_tag.insert(tag, one);
            }
            by_digest.entry(one.digest.as_str()).or_default().push(one);
        }
        let (by_tag, by_digest) = (&by_tag, &by_digest);
        let names = (registry, repository);
        // A tag's image is asked for only where it matters: by digest it may be known under no name.
        let asks_for_age = window::asks_for_age(&self.window);
        stream::iter(tags)
            .map(|tag| async move {
                let Some(at) = opened.resolve(&tag).await? else { return Ok(None) };
                let here = by_tag.get(tag.as_str()).filter(|s| s.digest == at.digest);
                let others = by_digest.get(at.digest.as_str()).map_or(&[][..], Vec::as_slice);
                let untagged = others.iter().find(|s| s.tag.is_none());
                let both = || here.into_iter().chain(untagged);
                let mut tagged = Tagged {
                    pushed: here.and_then(|s| s.pushed),
                    pulled: both().filter_map(|s| s.pulled).max(),
                    running: both().filter_map(|s| s.running).max(),
                    tag,
                };
                if asks_for_age && tagged.pushed.is_none() {
                    tagged.pushed = match untagged.and_then(|s| s.created) {
                        Some(created) => Some(created),
                        None => self.created(names, opened, &at.digest).await?,
                    };
                }
                Ok(Some(tagged))
            })
            .buffered(AT_ONCE)
            .try_filter_map(|tagged| async move { Ok(tagged) })
            .try_collect()
            .await
    }

    /// When an image was made, as its configuration says (of an index: that of its first image). Kept by digest, so
    /// that it is asked for once.
    async fn created(
        &self,
        (registry, repository): (&str, &str),
        opened: &dyn Repository,
        digest: &Digest,
    ) -> Result<Option<Timestamp>> {
        let Some(created) = created(opened, digest).await? else { return Ok(None) };
        let (registry, repository) = (registry.to_owned(), repository.to_owned());
        let seen = Seen { registry, repository, tag: None, digest: digest.clone() };
        if let Err(error) = self.context.sightings.saw(&[(seen, Sight::Created)], created).await {
            tracing::warn!(image.digest = %digest, "when an image was made was not kept: {error}");
        }
        Ok(Some(created))
    }
}

/// Sorts behind every tag: none begins with it.
const AFTER_ALL: &str = "~";

fn is_literal(pattern: &str) -> bool {
    !pattern.contains(['*', '?', '[', '{', '\\'])
}

/// None: it does not say, or is no image.
async fn created(repository: &dyn Repository, digest: &Digest) -> Result<Option<Timestamp>> {
    let unsaid = |error| match error {
        RegistryError::NotFound { .. } | RegistryError::InvalidDocument { .. } => Ok(None),
        error => Err(Error::from(error)),
    };
    let kind = |raw: patchline_registry::RawManifest| raw.decode();
    let mut at = match repository.manifest(digest.as_str()).await.and_then(kind) {
        Ok(kind) => kind,
        Err(error) => return unsaid(error),
    };
    if let ManifestKind::Index(index) = &at {
        let Some(first) = index.manifests.first() else { return Ok(None) };
        at = match repository.manifest(first.digest.as_str()).await.and_then(kind) {
            Ok(kind) => kind,
            Err(error) => return unsaid(error),
        };
    }
    let ManifestKind::Image(manifest) = at else { return Ok(None) };
    if manifest.config.size > MAX_MANIFEST_BYTES as u64 {
        return Ok(None);
    }
    let mut blob = match repository.blob(&manifest.config).await {
        Ok(blob) => blob,
        Err(error) => return unsaid(error),
    };
    let mut bytes = Vec::new();
    if blob.read_to_end(&mut bytes).await.is_err() {
        return Ok(None);
    }
    let config: Value = serde_json::from_slice(&bytes).unwrap_or_default();
    Ok(config["created"].as_str().and_then(|text| text.parse().ok()))
}

/// As it is shown.
pub(super) fn problem(error: &Error) -> Problem {
    let mut message = error.to_string();
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        message = format!("{message}: {cause}");
        source = cause.source();
    }
    let class = if super::embedded::passes(error) { "transient" } else { "permanent" };
    Problem { code: error.code().to_owned(), message, class: class.into() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_names_without_wildcards_can_be_asked_for_as_they_are() {
        for (pattern, literal) in [
            ("shop/web", true),
            ("shop/*", false),
            ("shop/{a,b}", false),
            ("shop/web?", false),
            ("a\\*", false),
        ] {
            assert_eq!(is_literal(pattern), literal, "{pattern}");
        }
        assert!("zzz" < AFTER_ALL && "_" < AFTER_ALL && "Z9" < AFTER_ALL);
    }
}
