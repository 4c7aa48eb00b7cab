//! `primary.xml`: the packages of a repository, as far as an image has packages of their names.

use std::{
    collections::{BTreeMap, BTreeSet},
    io::{self, BufRead, BufReader, Read},
    sync::Arc,
};

use super::{
    Evr, Relation, limits,
    xml::{Reader, Token},
};
use crate::{
    Error, Result,
    apt::release::{Promise, is_sha256},
};

/// One package of an index.
#[derive(Debug, Clone)]
pub struct Entry {
    /// Name.
    pub name: String,
    /// Its version.
    pub evr: Evr,
    /// `x86_64`, `noarch`
    pub architecture: String,
    /// `openssl-3.3.2-1.azl3.src.rpm`; empty: it names none.
    pub source_rpm: String,
    /// What it needs.
    pub requires: Vec<Relation>,
    /// What it provides, itself among them.
    pub provides: Vec<Relation>,
    /// What must not be there with it.
    pub conflicts: Vec<Relation>,
    /// What it would remove.
    pub obsoletes: Vec<Relation>,
    /// Where it lies in its repository.
    pub location: String,
    pub(crate) promise: Promise,
    /// Which of a client's repositories it lies in.
    pub repository: usize,
}

impl Entry {
    /// `tool-1.0-1.x86_64.rpm`
    pub fn file_name(&self) -> &str {
        self.location.rsplit('/').next().unwrap_or(&self.location)
    }
    /// Bytes of its file.
    pub fn size(&self) -> u64 {
        self.promise.size
    }
    /// Name and version of its source; its own where none is named. The source's epoch is the package's own.
    pub fn source(&self) -> (String, Evr) {
        source(&self.source_rpm, self.evr.epoch).unwrap_or_else(|| (self.name.clone(), self.evr.clone()))
    }
}

/// Name and version of a source package's file name.
pub(crate) fn source(file: &str, epoch: u32) -> Option<(String, Evr)> {
    let stem = file.strip_suffix(".rpm")?;
    let stem = stem.strip_suffix(".src").or_else(|| stem.strip_suffix(".nosrc"))?;
    let (rest, release) = stem.rsplit_once('-')?;
    let (name, version) = rest.rsplit_once('-')?;
    (!name.is_empty()).then(|| (name.to_owned(), Evr::new(epoch, version, release)))
}

/// The packages of a verified index that have one of the names asked for.
#[derive(Debug, Default)]
pub struct Index {
    by_name: BTreeMap<String, Vec<Arc<Entry>>>,
}

impl Index {
    /// Reads all of it as a stream. `file` stands for it in errors; `repository` is put into its entries.
    pub(super) fn read(
        file: &str,
        plain: impl Read,
        names: &BTreeSet<String>,
        architecture: &str,
        repository: usize,
    ) -> Result<Self> {
        let malformed = |e: io::Error| Error::Malformed { file: file.to_owned(), reason: e.to_string() };
        let mut reader = Reader::new(BufReader::with_capacity(256 << 10, plain));
        let mut index = Self::default();
        let (mut count, mut relations) = (0, 0);
        while let Some(token) = reader.next().map_err(malformed)? {
            let Token::Open(element, _) = &token else { continue };
            if reader.path().len() == 1 && element != "metadata" {
                return Err(malformed(io::Error::other("it is no primary.xml")));
            }
            if reader.path().len() != 2 || element != "package" {
                continue;
            }
            let Some(entry) = package(&mut reader, names, architecture, repository).map_err(malformed)?
            else {
                continue;
            };
            count += 1;
            let all = [&entry.requires, &entry.provides, &entry.conflicts, &entry.obsoletes];
            relations += all.iter().map(|some| some.len()).sum::<usize>();
            if count > limits::ENTRIES || relations > limits::ALL_RELATIONS {
                return Err(malformed(io::Error::other("it has too many packages")));
            }
            index.by_name.entry(entry.name.clone()).or_default().push(Arc::new(entry));
        }
        Ok(index)
    }

    /// Every version of a package.
    pub fn candidates(&self, name: &str) -> &[Arc<Entry>] {
        self.by_name.get(name).map(Vec::as_slice).unwrap_or_default()
    }
}

/// A name, a version, an architecture: also parts of paths and of manifests' lines.
pub(crate) fn is_word(text: &str) -> bool {
    !text.is_empty()
        && text.len() <= 256
        && !text.starts_with('.')
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._+~^".contains(&b))
}

/// To the end of a package; none: it is not one that is asked for, or nothing vouches for it.
fn package<R: BufRead>(
    reader: &mut Reader<R>,
    names: &BTreeSet<String>,
    architecture: &str,
    repository: usize,
) -> io::Result<Option<Entry>> {
    let depth = reader.path().len();
    let mut entry = Entry {
        name: String::new(),
        evr: Evr::default(),
        architecture: String::new(),
        source_rpm: String::new(),
        requires: Vec::new(),
        provides: Vec::new(),
        conflicts: Vec::new(),
        obsoletes: Vec::new(),
        location: String::new(),
        promise: Promise { sha256: String::new(), size: 0 },
        repository,
    };
    let mut elsewhere = false;
    let mut wanted = true;
    while let Some(token) = reader.next()? {
        let element = match &token {
            Token::Close(_) if reader.path().len() < depth => break,
            Token::Open(element, _) if wanted => element.as_str(),
            _ => continue,
        };
        match (reader.path().len() - depth, element) {
            (1, "name") => {
                entry.name = reader.text()?;
                wanted = names.contains(&entry.name);
            }
            (1, "arch") => {
                entry.architecture = reader.text()?;
                wanted = entry.architecture == architecture || entry.architecture == "noarch";
            }
            (1, "version") => {
                let get = |name| token.attribute(name).unwrap_or_default();
                let epoch = token.attribute("epoch").unwrap_or("0");
                let epoch = epoch.parse().map_err(|_| io::Error::other("an epoch is no number"))?;
                entry.evr = Evr::new(epoch, get("ver"), get("rel"));
            }
            (1, "checksum") => {
                let strong = token.attribute("type") == Some("sha256");
                entry.promise.sha256 = Some(reader.text()?).filter(|_| strong).unwrap_or_default();
            }
            (1, "size") => {
                entry.promise.size = token.attribute("package").and_then(|n| n.parse().ok()).unwrap_or(0);
            }
            (1, "location") => {
                elsewhere = token.attribute("base").is_some();
                entry.location = token.attribute("href").unwrap_or_default().to_owned();
            }
            (2, "sourcerpm") => entry.source_rpm = reader.text()?,
            (3, "entry") => {
                let kind = reader.path().get(depth + 1).map(String::as_str).unwrap_or_default();
                let into = match kind {
                    "requires" => &mut entry.requires,
                    "provides" => &mut entry.provides,
                    "conflicts" => &mut entry.conflicts,
                    "obsoletes" => &mut entry.obsoletes,
                    _ => continue,
                };
                let get = |name| token.attribute(name);
                let relation = Relation::from_attributes(
                    get("name").unwrap_or_default(),
                    get("flags"),
                    get("epoch"),
                    get("ver"),
                    get("rel"),
                );
                into.push(relation.ok_or_else(|| io::Error::other("a relation is none"))?);
                if into.len() > limits::RELATIONS {
                    return Err(io::Error::other("a package has too many relations"));
                }
            }
            _ => {}
        }
    }
    if !wanted || !names.contains(&entry.name) {
        return Ok(None);
    }
    let release = entry.evr.release.as_deref().unwrap_or_default();
    if !is_word(&entry.name) || !is_word(&entry.evr.version) || !is_word(release) {
        return Err(io::Error::other("a package's name or version is none"));
    }
    let vouched = !elsewhere && is_sha256(&entry.promise.sha256) && !entry.location.is_empty();
    let itself = Relation::itself(&entry.name, &entry.evr);
    if !entry.provides.contains(&itself) {
        entry.provides.push(itself);
    }
    Ok(vouched.then_some(entry))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(packages: &str) -> Result<Index> {
        let text = format!("<metadata xmlns=\"x\" packages=\"1\">{packages}</metadata>");
        Index::read("p", text.as_bytes(), &BTreeSet::from(["tool".to_owned()]), "x86_64", 0)
    }

    fn one(name: &str, architecture: &str, sum: &str) -> String {
        format!(
            "<package type=\"rpm\"><name>{name}</name><arch>{architecture}</arch><version epoch=\"1\" ver=\"2\" rel=\"3\"/>\
             <checksum type=\"sha256\" pkgid=\"YES\">{sum}</checksum><size package=\"9\" installed=\"8\"/>\
             <location href=\"Packages/t/tool-2-3.{architecture}.rpm\"/><format><rpm:sourcerpm>tools-2-3.src.rpm</rpm:sourcerpm>\
             <rpm:requires><rpm:entry name=\"libx\" flags=\"GE\" epoch=\"0\" ver=\"1\"/><rpm:entry name=\"/bin/sh\" pre=\"1\"/>\
             </rpm:requires><file>/usr/bin/tool</file></format></package>"
        )
    }

    #[test]
    fn packages_that_are_asked_for_alone() {
        let sum = "0".repeat(64);
        let index = read(
            &(one("tool", "x86_64", &sum) + &one("other", "x86_64", &sum) + &one("tool", "aarch64", &sum)),
        )
        .unwrap();
        let found = index.candidates("tool");
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].evr.to_string(), "1:2-3");
        assert_eq!(
            (found[0].source().0.as_str(), found[0].source().1.to_string().as_str()),
            ("tools", "1:2-3")
        );
        assert_eq!(
            found[0].requires.iter().map(ToString::to_string).collect::<Vec<_>>(),
            ["libx >= 1", "/bin/sh"]
        );
        assert_eq!(found[0].provides.len(), 1);
        assert!(index.candidates("other").is_empty());
        // What no SHA-256 vouches for is not there.
        assert!(read(&one("tool", "x86_64", "abc")).unwrap().candidates("tool").is_empty());
        assert!(read("<package>").is_err() && read(&one("tool", "x86_64", &sum)[..200]).is_err());
    }
}
