//! What an archive says that it is: Maven's own files, else its manifest, else its name.

use std::collections::HashMap;

use super::{groups, manifest::Manifest};
use crate::languages::{
    Component, Evidence, Kind, limits,
    xml::{Reader, Token},
};

/// All that was read of one archive, besides the archives in it.
#[derive(Debug, Default)]
pub(super) struct Description {
    /// With the folder that each lies in.
    properties: Vec<(String, Coordinates)>,
    /// Licences by the folder of the `pom.xml` that names them.
    licenses: HashMap<String, Vec<String>>,
    manifest: Manifest,
}

/// What Maven calls an archive: `META-INF/maven/<group>/<artifact>/pom.properties`; Maven Archiver.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Coordinates {
    /// `org.example`
    pub group: String,
    /// `left`
    pub artifact: String,
    /// `1.2.0`
    pub version: String,
}

/// None: the text does not name all three.
pub(super) fn coordinates(text: &str) -> Option<Coordinates> {
    let value = |key: &str| {
        let mut lines = text.lines().filter_map(|line| line.split_once('='));
        let (_, value) = lines.find(|(k, _)| k.trim() == key)?;
        let fits = |v: &&str| !v.is_empty() && v.len() <= limits::languages().name && !v.contains("${");
        Some(value.trim()).filter(fits).map(str::to_owned)
    };
    let (group, artifact, version) = (value("groupId")?, value("artifactId")?, value("version")?);
    Some(Coordinates { group, artifact, version })
}

impl Description {
    pub(super) fn properties(&mut self, path: &str, text: &str) {
        if self.properties.len() >= limits::archives().described {
            return;
        }
        if let Some(coordinates) = coordinates(text) {
            self.properties.push((folder(path).to_owned(), coordinates));
        }
    }
    pub(super) fn pom(&mut self, path: &str, text: &str) {
        let licenses = pom_licenses(text);
        if !licenses.is_empty() && self.licenses.len() < limits::archives().described {
            self.licenses.insert(folder(path).to_owned(), licenses);
        }
    }
    pub(super) fn manifest(&mut self, text: &str) {
        self.manifest = Manifest::parse(text);
    }

    /// The packages in an archive of this file name; and whether it names itself, or its name alone does.
    pub(super) fn components(mut self, file: &str) -> (Vec<Component>, bool) {
        let stem = file.rsplit_once('.').map_or(file, |(stem, _)| stem);
        let named = |p: &Coordinates| {
            let rest = stem.strip_prefix(p.artifact.as_str());
            rest.is_some_and(|r| r.is_empty() || r.starts_with(['-', '_', '.']))
        };
        let only = self.properties.len() == 1;
        let own_licenses = self.manifest.licenses();
        let own = self.own(stem);
        // A renamed archive has one description, which its manifest does not contradict; the one of a
        // library that was shaded into it, it does.
        let agrees = |p: &Coordinates| {
            own.as_ref().is_none_or(|own| {
                own.evidence == Evidence::FileName || own.name == p.artifact || own.version == p.version
            })
        };
        let itself = self.properties.iter().any(|(_, p)| named(p) || only && agrees(p));
        let properties = std::mem::take(&mut self.properties);
        let mut all: Vec<Component> = Vec::new();
        for (folder, p) in properties {
            let licenses = match self.licenses.get(&folder) {
                Some(licenses) => licenses.clone(),
                None if named(&p) || only && itself => own_licenses.clone(),
                None => Vec::new(),
            };
            let namespace = Some(p.group);
            all.push(Component { namespace, licenses, ..Component::new(Kind::Maven, p.artifact, p.version) });
        }
        let described = itself || own.as_ref().is_some_and(|own| own.evidence == Evidence::Installed);
        match own {
            // A shaded archive without its own properties is known by its manifest, not by a guess.
            Some(own) if !itself && (all.is_empty() || own.evidence == Evidence::Installed) => {
                all.push(Component { licenses: own_licenses, ..own });
            }
            _ => {}
        }
        (all, described)
    }

    /// What manifest and name say together.
    fn own(&self, stem: &str) -> Option<Component> {
        let manifest = &self.manifest;
        let versions =
            ["Implementation-Version", "Bundle-Version", "Specification-Version", "Plugin-Version"];
        let stated: Vec<&str> = versions.iter().filter_map(|name| manifest.get(name)).collect();
        // A version that the name repeats is the archive's own.
        let split = stated.iter().find_map(|v| Some((stem.strip_suffix(v)?.strip_suffix('-')?, *v)));
        let split = split.or_else(|| versioned(stem));
        let title = ["Implementation-Title", "Extension-Name", "Automatic-Module-Name"];
        let symbolic = manifest.symbolic_name();
        let (artifact, version) = match split {
            Some((artifact, version)) => {
                // What was shaded in may have brought its own manifest: one that says more than the name is meant.
                let longer = |v: &&str| is_version(v) && (v.starts_with(version) || version.starts_with(*v));
                let implementation = manifest.get("Implementation-Version").filter(longer);
                (artifact.to_owned(), implementation.unwrap_or(version))
            }
            None => {
                let version = stated.iter().copied().find(|v| is_version(v))?;
                let id = |text: &&str| is_id(text);
                let titled = title[..2].iter().filter_map(|name| manifest.get(name)).find(id);
                let spring = symbolic.and_then(|s| s.strip_prefix("org.springframework."));
                let artifact = match (titled, spring, symbolic) {
                    (Some(title), ..) => title.to_owned(),
                    (_, Some(rest), _) => format!("spring-{}", rest.replace('.', "-")),
                    (.., Some(symbolic)) => symbolic.rsplit('.').next()?.to_owned(),
                    _ => stem.to_owned(),
                };
                (artifact, version)
            }
        };
        if artifact.is_empty() {
            return None;
        }
        let vendor = manifest.get("Implementation-Vendor-Id").filter(|v| is_id(v));
        let bundle = symbolic.filter(|s| is_id(s)).and_then(|s| group_of_bundle(s, &artifact));
        let group = groups::of(&artifact, version).or(vendor).or(bundle);
        let evidence = match group {
            Some(_) if !stated.is_empty() => Evidence::Installed,
            _ => Evidence::FileName,
        };
        let namespace = group.map(str::to_owned);
        Some(Component { namespace, evidence, ..Component::new(Kind::Maven, artifact, version) })
    }
}

/// A bundle's symbolic name is its group with the artifact behind it, `org.tukaani.xz` and `org.jodd.core` of `jodd-core`,
/// or the group alone, `org.objenesis`; OSGi Core 8, 3.2.1.6, leaves it to whoever builds.
fn group_of_bundle<'a>(symbolic: &'a str, artifact: &str) -> Option<&'a str> {
    let (group, last) = symbolic.rsplit_once('.')?;
    let names_it = artifact == last || artifact.strip_suffix(last).is_some_and(|rest| rest.ends_with('-'));
    Some(if names_it && group.contains('.') { group } else { symbolic })
}

fn folder(path: &str) -> &str {
    path.rsplit_once('/').map_or("", |(folder, _)| folder)
}

/// `name-1.2.3`: the version begins behind the first dash that a digit follows.
fn versioned(stem: &str) -> Option<(&str, &str)> {
    let at = stem.as_bytes().windows(2).position(|w| w[0] == b'-' && w[1].is_ascii_digit())?;
    let (name, version) = (&stem[..at], &stem[at + 1..]);
    (!name.is_empty() && is_version(version)).then_some((name, version))
}

fn is_version(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_digit())
        && text.chars().all(|c| c.is_ascii_alphanumeric() || ".-_+".contains(c))
}

/// What could be a group or an artifact: no title in words.
fn is_id(text: &str) -> bool {
    !text.is_empty() && text.chars().all(|c| c.is_ascii_alphanumeric() || ".-_".contains(c))
}

/// `<project><licenses><license><name>`; POM reference. What is no XML names none.
fn pom_licenses(text: &str) -> Vec<String> {
    let mut reader = Reader::new(text);
    let mut found = Vec::new();
    while let Ok(Some(token)) = reader.next() {
        match token {
            Token::Text(name) if reader.path() == ["project", "licenses", "license", "name"] => {
                let name = name.split_whitespace().collect::<Vec<_>>().join(" ");
                if name.len() <= limits::languages().license {
                    found.push(name);
                }
                if found.len() >= limits::archives().pom_licenses {
                    break;
                }
            }
            Token::Close("licenses") => break,
            _ => {}
        }
    }
    found
}
