//! `pom.xml` and `maven-metadata.xml`, as far as they say what a version needs and which versions there are (POM reference,
//! "Dependencies", "Inheritance"; Repository Metadata).

use std::{collections::BTreeMap, io};

use crate::{
    languages::limits,
    rpm::xml::{Reader, Token},
};

/// How often a value may name another one.
const EXPANSIONS: usize = 10;

/// Group, artifact and version of a project.
pub(super) type Project = (String, String, String);

/// One `<dependency>`, as it stands.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Dependency {
    pub(super) group: String,
    pub(super) artifact: String,
    pub(super) version: String,
    pub(super) scope: String,
    pub(super) kind: String,
    pub(super) classifier: String,
    pub(super) optional: String,
}

impl Dependency {
    fn field(&mut self, name: &str) -> Option<&mut String> {
        Some(match name {
            "groupId" => &mut self.group,
            "artifactId" => &mut self.artifact,
            "version" => &mut self.version,
            "scope" => &mut self.scope,
            "type" => &mut self.kind,
            "classifier" => &mut self.classifier,
            "optional" => &mut self.optional,
            _ => return None,
        })
    }
    /// What management tells dependencies apart by.
    pub(super) fn key(&self) -> Key {
        let kind = if self.kind.is_empty() { "jar" } else { &self.kind };
        [&self.group, &self.artifact, kind, &self.classifier].map(str::to_owned)
    }
    /// `group:artifact`
    pub(super) fn name(&self) -> String {
        format!("{}:{}", self.group, self.artifact)
    }
}

/// Group, artifact, type and classifier.
pub(super) type Key = [String; 4];

/// One `pom.xml`, as it stands.
#[derive(Debug, Default)]
pub(super) struct Pom {
    group: String,
    artifact: String,
    version: String,
    parent: Dependency,
    properties: BTreeMap<String, String>,
    dependencies: Vec<Dependency>,
    managed: Vec<Dependency>,
}

impl Pom {
    /// # Errors
    /// It is no XML, or declares a document type.
    pub(super) fn read(bytes: &[u8]) -> io::Result<Self> {
        let text = text(bytes);
        let mut reader = Reader::new(text.as_bytes());
        let mut pom = Self::default();
        while let Some(token) = reader.next()? {
            let path: Vec<&str> = reader.path().iter().map(String::as_str).collect();
            match (token, path.as_slice()) {
                (Token::Open(..), ["project", "dependencies", "dependency"]) => {
                    pom.dependencies.push(Dependency::default());
                }
                (Token::Open(..), ["project", "dependencyManagement", "dependencies", "dependency"]) => {
                    pom.managed.push(Dependency::default());
                }
                (Token::Text(text), path) => {
                    if let Some(field) = pom.field(path) {
                        field.push_str(&text);
                    }
                }
                _ => {}
            }
        }
        Ok(pom)
    }

    fn field(&mut self, path: &[&str]) -> Option<&mut String> {
        match path {
            ["project", "groupId"] => Some(&mut self.group),
            ["project", "artifactId"] => Some(&mut self.artifact),
            ["project", "version"] => Some(&mut self.version),
            ["project", "parent", name] => self.parent.field(name),
            ["project", "properties", name] => Some(self.properties.entry((*name).to_owned()).or_default()),
            ["project", "dependencies", "dependency", name] => self.dependencies.last_mut()?.field(name),
            ["project", "dependencyManagement", "dependencies", "dependency", name] => {
                self.managed.last_mut()?.field(name)
            }
            _ => None,
        }
    }

    /// What it inherits from.
    pub(super) fn parent(&self) -> Option<Project> {
        let Dependency { group, artifact, version, .. } = &self.parent;
        (!artifact.is_empty()).then(|| (group.clone(), artifact.clone(), version.clone()))
    }
}

/// A project with everything that it inherits: itself first, its furthest parent last.
pub(super) struct Family<'a>(pub(super) &'a [std::sync::Arc<Pom>]);

impl Family<'_> {
    /// What each variable means, the nearest first.
    fn value(&self, name: &str) -> Option<String> {
        let first = self.0.first()?;
        let of = |field: fn(&Pom) -> &String| {
            self.0.iter().map(|pom| field(pom)).find(|text| !text.is_empty()).cloned()
        };
        let plain = name.strip_prefix("project.").or_else(|| name.strip_prefix("pom.")).unwrap_or(name);
        let own = self.0.iter().find_map(|pom| pom.properties.get(name)).cloned();
        own.or_else(|| match plain {
            "groupId" => of(|pom| &pom.group),
            "version" => of(|pom| &pom.version),
            "artifactId" => Some(first.artifact.clone()),
            "parent.groupId" => Some(first.parent.group.clone()),
            "parent.version" => Some(first.parent.version.clone()),
            "parent.artifactId" => Some(first.parent.artifact.clone()),
            _ => None,
        })
    }

    /// A text with its variables filled in, as far as they are known.
    fn filled(&self, text: &str) -> String {
        let mut text = text.to_owned();
        for _ in 0..EXPANSIONS {
            let Some(start) = text.find("${") else { break };
            let Some(length) = text[start..].find('}') else { break };
            let Some(value) = self.value(&text[start + 2..start + length]) else { break };
            text.replace_range(start..=start + length, &value);
            if text.len() > limits::PATH {
                break;
            }
        }
        text
    }

    fn fill(&self, one: &Dependency) -> Dependency {
        let mut filled = one.clone();
        for name in ["groupId", "artifactId", "version", "scope", "type", "classifier", "optional"] {
            if let Some(field) = filled.field(name) {
                *field = self.filled(field);
            }
        }
        filled
    }

    /// Dependencies, its own before those that it inherits, each key once.
    pub(super) fn dependencies(&self) -> Vec<Dependency> {
        self.all(|pom| &pom.dependencies)
    }
    /// What is managed, by the same rule, imports among it.
    pub(super) fn managed(&self) -> Vec<Dependency> {
        self.all(|pom| &pom.managed)
    }

    fn all(&self, of: fn(&Pom) -> &Vec<Dependency>) -> Vec<Dependency> {
        let mut known = std::collections::BTreeSet::new();
        let all = self.0.iter().flat_map(|pom| of(pom)).map(|one| self.fill(one));
        all.filter(|one| known.insert((one.key(), one.scope == "import"))).collect()
    }
}

/// The versions that `maven-metadata.xml` lists.
pub(super) fn versions(bytes: &[u8]) -> io::Result<Vec<String>> {
    let text = text(bytes);
    let mut reader = Reader::new(text.as_bytes());
    let mut all = Vec::new();
    while let Some(token) = reader.next()? {
        if let Token::Text(text) = token
            && reader.path() == ["metadata", "versioning", "versions", "version"]
        {
            all.push(text);
            if all.len() > limits::VERSIONS {
                return Err(io::Error::other(format!("it has more than {} versions", limits::VERSIONS)));
            }
        }
    }
    Ok(all)
}

/// Old documents are in other encodings, in which names of people stand, and nothing that is read here.
pub(super) fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes)).into_owned()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    #[test]
    fn what_is_inherited_and_what_variables_mean() {
        let own = "<project><parent><groupId>g</groupId><artifactId>p</artifactId><version>3</version></parent>
            <artifactId>a</artifactId><properties><left.version>1.${minor}</left.version></properties>
            <dependencies>
              <dependency><groupId>${project.groupId}</groupId><artifactId>left</artifactId>
                <version>${left.version}</version>
                <exclusions><exclusion><groupId>no</groupId></exclusion></exclusions></dependency>
              <dependency><groupId>h</groupId><artifactId>right</artifactId><scope>runtime</scope></dependency>
            </dependencies></project>";
        let parent = "<project><groupId>g</groupId><artifactId>p</artifactId><version>3</version>
            <properties><minor>4</minor><left.version>9</left.version></properties>
            <dependencyManagement><dependencies>
              <dependency><groupId>h</groupId><artifactId>right</artifactId><version>${project.version}</version></dependency>
            </dependencies></dependencyManagement>
            <dependencies><dependency><groupId>g</groupId><artifactId>left</artifactId><version>0</version></dependency></dependencies>
            </project>";
        let poms = [own, parent].map(|text| Arc::new(Pom::read(text.as_bytes()).unwrap()));
        assert_eq!(poms[0].parent(), Some(("g".into(), "p".into(), "3".into())));
        let family = Family(&poms);
        let shown = |all: Vec<Dependency>| -> Vec<String> {
            all.iter().map(|one| format!("{} {} {}", one.name(), one.version, one.scope)).collect()
        };
        assert_eq!(shown(family.dependencies()), ["g:left 1.4 ", "h:right  runtime"]);
        assert_eq!(shown(family.managed()), ["h:right 3 "]);
    }

    #[test]
    fn what_names_itself_ends() {
        let text = "<project><properties><a>${b}${b}</a><b>${a}${a}</b></properties>
            <dependencies><dependency><version>${a}</version></dependency></dependencies></project>";
        let poms = [Arc::new(Pom::read(text.as_bytes()).unwrap())];
        assert!(Family(&poms).dependencies()[0].version.contains("${"));
        assert!(Pom::read(b"<!DOCTYPE x><project/>").is_err() && Pom::read(b"{}").is_err());
    }

    #[test]
    fn versions_are_listed() {
        let text = b"<metadata><versioning><latest>9</latest><versions><version>1</version><version>1.1</version></versions></versioning></metadata>";
        assert_eq!(versions(text).unwrap(), ["1", "1.1"]);
    }
}
