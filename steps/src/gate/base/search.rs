//! Looking for the image that another is built on: every tag of the repositories in question, compared layer by layer.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    sync::Arc,
};

use futures::{StreamExt as _, TryStreamExt as _};
use patchline_chains::glob;
use patchline_engine::StepError;
use patchline_registry::{
    Descriptor, Digest, Error as RegistryError, ManifestKind, Platform, Registries, Repository,
};

use super::{super::facts, Base, Bases, WILD};
use crate::{failure, place::Place, summary};

/// Repositories that a registry may list.
const MOST_LISTED: usize = 20_000;
/// Repositories that one list of patterns may come to.
const MOST_REPOSITORIES: usize = 500;
/// Tags that a step looks at.
const MOST_TAGS: usize = 5_000;
/// Images that a step looks at, and layers that it keeps of them.
const MOST_IMAGES: usize = 10_000;
const MOST_LAYERS: usize = 500_000;
/// Questions at once to one registry.
const AT_ONCE: usize = 8;

/// OCI image-spec, "Pre-Defined Annotation Keys".
const BASE_NAME: &str = "org.opencontainers.image.base.name";

/// The image whose base is asked for.
pub(in super::super) struct Subject<'a> {
    /// Blob digest and diff_id of each layer, computed by the scan.
    layers: &'a [(Digest, Digest)],
    platform: &'a (String, String),
    claimed: Option<&'a str>,
}

impl<'a> Subject<'a> {
    pub(in super::super) fn new(
        layers: &'a [(Digest, Digest)],
        platform: &'a (String, String),
        annotations: &'a BTreeMap<String, String>,
    ) -> Self {
        Self { layers, platform, claimed: annotations.get(BASE_NAME).map(String::as_str) }
    }

    fn starts_with(&self, layers: &[Digest], of: impl Fn(&(Digest, Digest)) -> &Digest) -> bool {
        // Nothing is built on an image without layers, or everything is.
        !layers.is_empty()
            && layers.len() <= self.layers.len()
            && layers.iter().zip(self.layers).all(|(theirs, ours)| theirs == of(ours))
    }
}

/// One image that may be a base.
struct Candidate {
    layers: Vec<Digest>,
    config: Descriptor,
}

/// What was asked is kept for the step: rules and platforms ask for the same.
pub(in super::super) struct Search<'a> {
    registries: &'a Registries,
    listed: HashMap<String, Vec<String>>,
    /// By repository: every tag with its digest, sorted.
    tags: HashMap<String, Vec<(String, Digest)>>,
    /// By repository, digest and platform.
    candidates: HashMap<Key, Vec<Candidate>>,
    diff_ids: HashMap<Digest, Vec<Digest>>,
    tags_seen: usize,
    images: usize,
    layers: usize,
}

type Key = (String, Digest, (String, String));

impl<'a> Search<'a> {
    pub(in super::super) fn new(registries: &'a Registries) -> Self {
        Self {
            registries,
            listed: HashMap::new(),
            tags: HashMap::new(),
            candidates: HashMap::new(),
            diff_ids: HashMap::new(),
            tags_seen: 0,
            images: 0,
            layers: 0,
        }
    }

    /// The base in each list of patterns. An answer that cannot be had is an error: none found means that there is none.
    pub(in super::super) async fn bases(
        &mut self,
        subject: &Subject<'_>,
        lists: &[&[String]],
    ) -> Result<Bases, StepError> {
        let claimed = subject.claimed.map(|name| summary::cut(name, 200));
        let mut bases = Bases { claimed, ..Bases::default() };
        for patterns in lists {
            if !bases.found.contains_key(*patterns) {
                let found = self.find(subject, patterns).await?;
                bases.found.insert(patterns.to_vec(), found);
            }
        }
        Ok(bases)
    }

    async fn find(&mut self, subject: &Subject<'_>, patterns: &[String]) -> Result<Option<Base>, StepError> {
        let mut places = self.places(patterns).await?;
        // Where the image says its base is, it is found at once if that is true; only layers are believed.
        let claimed = subject.claimed.unwrap_or_default();
        places
            .sort_by_key(|place| !claimed.starts_with(&path(place)) && !claimed.contains(&place.repository));
        for place in &places {
            let tags = self.tags(place).await?;
            for some in tags.chunks(AT_ONCE) {
                self.load(place, some, subject.platform).await?;
                for (tag, digest) in some {
                    if self.is_base(place, digest, subject).await? {
                        return Ok(Some(Base { name: format!("{}:{tag}", path(place)) }));
                    }
                }
            }
        }
        Ok(None)
    }

    async fn is_base(
        &mut self,
        place: &Place,
        digest: &Digest,
        subject: &Subject<'_>,
    ) -> Result<bool, StepError> {
        let key = (path(place), digest.clone(), subject.platform.clone());
        let candidates = self.candidates.get(&key).map(Vec::as_slice).unwrap_or_default();
        if candidates.iter().any(|c| subject.starts_with(&c.layers, |ours| &ours.0)) {
            return Ok(true);
        }
        // The same content may have been packed anew: the unpacked layers decide.
        let fit =
            candidates.iter().filter(|c| !c.layers.is_empty() && c.layers.len() <= subject.layers.len());
        let configs: Vec<(Descriptor, usize)> = fit.map(|c| (c.config.clone(), c.layers.len())).collect();
        for (config, layers) in configs {
            let diff_ids = self.diff_ids(place, &config).await?;
            if diff_ids.len() == layers && subject.starts_with(&diff_ids, |ours| &ours.1) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// The repositories that the patterns mean.
    async fn places(&mut self, patterns: &[String]) -> Result<Vec<Place>, StepError> {
        let mut found = BTreeMap::new();
        for pattern in patterns.iter().filter(|p| !p.starts_with('!')) {
            let Some((registry, repositories)) = pattern.split_once('/') else { return Err(bad(pattern)) };
            if registry.contains(WILD) {
                return Err(bad(pattern));
            }
            let names = match repositories.contains(WILD) {
                true => self.listed(registry).await?,
                false => vec![repositories.to_owned()],
            };
            for name in names {
                if glob::matches(patterns, &format!("{registry}/{name}")) {
                    let place = Place::new(self.registries, registry, &name);
                    found.insert(path(&place), place);
                }
            }
            if found.len() > MOST_REPOSITORIES {
                let what = format!("{} repositories match `base_image`", found.len());
                return Err(too_many(&what, MOST_REPOSITORIES));
            }
        }
        if found.is_empty() && patterns.iter().all(|p| p.starts_with('!')) {
            return Err(bad(&patterns.join(", ")));
        }
        Ok(found.into_values().collect())
    }

    async fn listed(&mut self, registry: &str) -> Result<Vec<String>, StepError> {
        if let Some(known) = self.listed.get(registry) {
            return Ok(known.clone());
        }
        let names = self.registries.repositories(registry, MOST_LISTED).await.map_err(|e| match e {
            RegistryError::Unsupported { .. } | RegistryError::Denied { .. } => StepError::permanent(
                "base-listing-unsupported",
                format!(
                    "{registry} does not list its repositories: write those of `base_image` without wildcards"
                ),
            ),
            other => failure::registry(other),
        })?;
        self.listed.insert(registry.to_owned(), names.clone());
        Ok(names)
    }

    async fn tags(&mut self, place: &Place) -> Result<Vec<(String, Digest)>, StepError> {
        let key = path(place);
        if let Some(known) = self.tags.get(&key) {
            return Ok(known.clone());
        }
        let repository = place.open(self.registries).map_err(failure::registry)?;
        let mut names = match repository.tags().await {
            // A repository that is not there holds no base.
            Err(RegistryError::NotFound { .. }) => Vec::new(),
            other => other.map_err(failure::registry)?,
        };
        names.sort_unstable();
        self.tags_seen += names.len();
        if self.tags_seen > MOST_TAGS {
            return Err(too_many(
                "the repositories of `base_image` have more tags than are looked at",
                MOST_TAGS,
            ));
        }
        let questions: Vec<_> = names.into_iter().map(|tag| resolved(repository.clone(), tag)).collect();
        let answers: Vec<Option<(String, Digest)>> =
            futures::stream::iter(questions).buffered(AT_ONCE).try_collect().await?;
        let mut tags: Vec<(String, Digest)> = answers.into_iter().flatten().collect();
        // The first tag of a digest stands for all of them.
        let mut seen = HashSet::new();
        tags.retain(|(_, digest)| seen.insert(digest.clone()));
        self.tags.insert(key, tags.clone());
        Ok(tags)
    }

    /// Makes sure that the images behind these digests are known.
    async fn load(
        &mut self,
        place: &Place,
        tags: &[(String, Digest)],
        platform: &(String, String),
    ) -> Result<(), StepError> {
        let repository = place.open(self.registries).map_err(failure::registry)?;
        let key = |digest: &Digest| (path(place), digest.clone(), platform.clone());
        let unknown = tags.iter().filter(|(_, digest)| !self.candidates.contains_key(&key(digest)));
        let questions: Vec<_> =
            unknown.map(|(_, d)| candidates(repository.clone(), d.clone(), platform.clone())).collect();
        let answers: Vec<(Digest, Vec<Candidate>)> =
            futures::stream::iter(questions).buffered(AT_ONCE).try_collect().await?;
        for (digest, found) in answers {
            self.images += found.len();
            self.layers += found.iter().map(|c| c.layers.len()).sum::<usize>();
            self.candidates.insert(key(&digest), found);
        }
        if self.images > MOST_IMAGES || self.layers > MOST_LAYERS {
            return Err(too_many(
                "the repositories of `base_image` have more images than are looked at",
                MOST_IMAGES,
            ));
        }
        Ok(())
    }

    async fn diff_ids(&mut self, place: &Place, config: &Descriptor) -> Result<Vec<Digest>, StepError> {
        if let Some(known) = self.diff_ids.get(&config.digest) {
            return Ok(known.clone());
        }
        let repository = place.open(self.registries).map_err(failure::registry)?;
        let diff_ids = match facts::config(&*repository, config).await {
            Ok(found) => found.rootfs.diff_ids,
            // No configuration of an image: signatures and charts lie in repositories too.
            Err(e)
                if matches!(e.code.as_str(), "invalid-document" | "limit-exceeded" | "image-not-found") =>
            {
                Vec::new()
            }
            Err(e) => return Err(e),
        };
        self.diff_ids.insert(config.digest.clone(), diff_ids.clone());
        Ok(diff_ids)
    }
}

/// Where a tag points; none: it went while we looked.
async fn resolved(
    repository: Arc<dyn Repository>,
    tag: String,
) -> Result<Option<(String, Digest)>, StepError> {
    let found = repository.resolve(&tag).await.map_err(failure::registry)?;
    Ok(found.map(|descriptor| (tag, descriptor.digest)))
}

/// None: it went while we looked, or is no image, and so no base.
async fn kind(repository: &dyn Repository, digest: &Digest) -> Result<Option<ManifestKind>, StepError> {
    match repository.manifest(digest.as_str()).await {
        Err(RegistryError::NotFound { .. }) => Ok(None),
        Err(other) => Err(failure::registry(other)),
        Ok(raw) => Ok(raw.decode().ok()),
    }
}

/// The images behind a digest that could run where the subject does; what does not say is taken.
async fn candidates(
    repository: Arc<dyn Repository>,
    digest: Digest,
    (os, architecture): (String, String),
) -> Result<(Digest, Vec<Candidate>), StepError> {
    let mut found = Vec::new();
    match kind(&*repository, &digest).await? {
        Some(ManifestKind::Image(manifest)) => found.push(manifest),
        Some(ManifestKind::Index(index)) => {
            let suits = |p: &Platform| p.os == os && p.architecture == architecture;
            for entry in index.manifests.into_iter().filter(|e| e.platform.as_ref().is_none_or(suits)) {
                if let Some(ManifestKind::Image(manifest)) = kind(&*repository, &entry.digest).await? {
                    found.push(manifest);
                }
            }
        }
        None => {}
    }
    let candidate = |manifest: patchline_registry::Manifest| Candidate {
        layers: manifest.layers.into_iter().map(|l| l.digest).collect(),
        config: manifest.config,
    };
    Ok((digest, found.into_iter().map(candidate).collect()))
}

fn path(place: &Place) -> String {
    format!("{}/{}", place.registry, place.repository)
}

fn bad(pattern: &str) -> StepError {
    let pattern = summary::cut(pattern, 200);
    StepError::permanent("base-pattern", format!("`{pattern}` names no repositories of a registry"))
}

fn too_many(what: &str, most: usize) -> StepError {
    StepError::permanent("base-images-too-many", format!("{what}: at most {most}; write narrower globs"))
}
