//! A repository of Maven: its versions, its projects and its archives by their checksum files (Maven Repository Layout).

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use url::Url;

use super::pom::{self, Dependency, Family, Key, Pom, Project};
use crate::{
    Error, Result,
    apt::fetch::join,
    languages::{Languages, blocked, fetch::Promise, limits},
    plan::Blocked,
};

/// A repository, asked for everything once.
pub(super) struct Repository<'a> {
    languages: &'a Languages,
    url: Url,
    /// None: it has none; or why one cannot be read.
    projects: BTreeMap<Project, Option<Result<Arc<Pom>, String>>>,
}

/// What a version needs when it runs: by name and classifier the version, as it is written.
pub(super) type Needs = BTreeMap<(String, String), String>;

impl<'a> Repository<'a> {
    /// No request is made.
    pub(super) fn new(languages: &'a Languages, url: Url) -> Self {
        Self { languages, url, projects: BTreeMap::new() }
    }

    /// The versions of an artifact; none: the repository has none of that name.
    pub(super) async fn versions(&self, group: &str, artifact: &str) -> Result<Option<BTreeSet<String>>> {
        let name = format!("{group}:{artifact}");
        let address = join(&self.url, &format!("{}/{artifact}/maven-metadata.xml", group.replace('.', "/")))?;
        let Some(bytes) = self.languages.document(&address, &name, None, None).await? else {
            return Ok(None);
        };
        let read = pom::versions(&bytes);
        let read = read.map_err(|error| Error::Malformed { file: name, reason: error.to_string() })?;
        Ok(Some(read.into_iter().collect()))
    }

    /// The strongest checksum that the repository has of an archive; none: it has none, or no such archive.
    pub(super) async fn promise(&self, project: &Project) -> Result<Option<Promise>> {
        for (end, make) in [
            ("sha512", Promise::Sha512 as fn(Vec<u8>) -> Promise),
            ("sha256", Promise::Sha256),
            ("sha1", Promise::Sha1),
        ] {
            let address = self.address(project, &format!("jar.{end}"))?;
            let name = format!("{} (its {end})", called(project));
            let bytes = match self.languages.fetcher.address(&address, &name, None, limits::CHECKSUM).await {
                Ok(bytes) => bytes,
                Err(Error::Status { status: 404, .. }) => continue,
                Err(other) => return Err(other),
            };
            // The hash alone, or with the name of its file before or behind it.
            let text = String::from_utf8_lossy(&bytes).to_ascii_lowercase();
            let length = match end {
                "sha512" => 64,
                "sha256" => 32,
                _ => 20,
            };
            let mut words = text.split(|c: char| c.is_whitespace() || c == '=');
            let hash = words.find_map(|word| hex::decode(word).ok().filter(|hash| hash.len() == length));
            return match hash {
                Some(hash) => Ok(Some(make(hash))),
                None => Err(Error::Malformed { file: name, reason: "it is no checksum".to_owned() }),
            };
        }
        Ok(None)
    }

    /// An archive, as its checksum file promises it.
    pub(super) async fn archive(&self, project: &Project, promise: &Promise) -> Result<Vec<u8>> {
        self.languages.archive(&self.address(project, "jar")?, &called(project), None, promise).await
    }

    /// What a version needs when it runs, or why that cannot be told.
    pub(super) async fn needs(&mut self, project: &Project) -> Result<Result<Needs, Blocked>> {
        let mut left = limits::PROJECTS;
        let poms = match self.family(project, &mut left).await? {
            Ok(poms) => poms,
            Err(why) => return Ok(Err(why)),
        };
        let family = Family(&poms);
        let mut all = family.dependencies();
        let mut managed = BTreeMap::new();
        let mut imports = Vec::new();
        manage(&family, &mut managed, &mut imports);
        // Whoever says everything itself needs nothing of what it imports.
        while all.iter().any(|one| one.version.is_empty() && !managed.contains_key(&one.key()))
            && let Some(import) = imports.pop()
        {
            let poms = match self.family(&import, &mut left).await? {
                Ok(poms) => poms,
                Err(why) => return Ok(Err(why)),
            };
            manage(&Family(&poms), &mut managed, &mut imports);
        }
        for one in &mut all {
            let Some(by) = managed.get(&one.key()) else { continue };
            for (own, other) in [
                (&mut one.version, &by.version),
                (&mut one.scope, &by.scope),
                (&mut one.optional, &by.optional),
            ] {
                if own.is_empty() {
                    own.clone_from(other);
                }
            }
        }
        let runs = |one: &Dependency| {
            matches!(one.scope.as_str(), "" | "compile" | "runtime") && one.optional != "true"
        };
        let needs = all.into_iter().filter(runs);
        Ok(Ok(needs.map(|one| ((one.name(), one.classifier), one.version)).collect()))
    }

    /// A project and all that it inherits from. `left`: how many may still be looked at.
    async fn family(
        &mut self,
        project: &Project,
        left: &mut usize,
    ) -> Result<Result<Vec<Arc<Pom>>, Blocked>> {
        let (mut family, mut next) = (Vec::new(), Some(project.clone()));
        while let Some(project) = next {
            let told = |what: &str| {
                let reason = format!("what it needs cannot be told: {} {what}", called(&project));
                Ok(Err(blocked("new-dependency", reason, None)))
            };
            if *left == 0 || family.len() >= limits::PARENTS {
                return told("has too many parents and imports around it");
            }
            *left -= 1;
            if ![&project.0, &project.1, &project.2].into_iter().all(|text| is_name(text)) {
                return told("has no name in a repository");
            }
            match self.pom(&project).await? {
                Some(Ok(pom)) => {
                    next = pom.parent();
                    family.push(pom);
                }
                Some(Err(reason)) => return told(&format!("cannot be read: {reason:.80}")),
                None => return told("is not in the repository"),
            }
        }
        Ok(Ok(family))
    }

    async fn pom(&mut self, project: &Project) -> Result<Option<Result<Arc<Pom>, String>>> {
        if let Some(known) = self.projects.get(project) {
            return Ok(known.clone());
        }
        let name = format!("{} (its pom.xml)", called(project));
        let address = self.address(project, "pom")?;
        let read = match self.languages.fetcher.address(&address, &name, None, limits::POM).await {
            Ok(bytes) => Some(Pom::read(&bytes).map(Arc::new).map_err(|error| error.to_string())),
            Err(Error::Status { status: 404, .. }) => None,
            Err(other) => return Err(other),
        };
        self.projects.insert(project.clone(), read.clone());
        Ok(read)
    }

    fn address(&self, (group, artifact, version): &Project, end: &str) -> Result<Url> {
        let folder = group.replace('.', "/");
        join(&self.url, &format!("{folder}/{artifact}/{version}/{artifact}-{version}.{end}"))
    }
}

/// Takes what a project manages, where nobody nearer does, and what it imports, the first on top.
fn manage(family: &Family<'_>, managed: &mut BTreeMap<Key, Dependency>, imports: &mut Vec<Project>) {
    let mut more = Vec::new();
    for one in family.managed() {
        if one.scope == "import" {
            more.push((one.group, one.artifact, one.version));
        } else {
            managed.entry(one.key()).or_insert(one);
        }
    }
    imports.extend(more.into_iter().rev());
}

/// Whether a group, an artifact or a version can stand in a path of the repository.
pub(super) fn is_name(text: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || ".-_+".contains(c);
    !text.is_empty() && text.len() <= 256 && text.chars().all(plain) && !text.split('.').any(str::is_empty)
}

/// For people.
fn called((group, artifact, version): &Project) -> String {
    format!("{group}:{artifact} {version}")
}
