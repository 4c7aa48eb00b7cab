//! `updateinfo.xml`: which update mends which vulnerability.

use std::{
    collections::{BTreeMap, BTreeSet},
    io::{self, BufRead, BufReader, Read},
};

use super::{
    Evr, limits,
    xml::{Reader, Token},
};
use crate::{Error, Result};

/// One update.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Update {
    /// `RHSA-2024:1234`
    pub id: String,
    /// `security`, `bugfix`, `enhancement`, `newpackage`
    pub kind: String,
    /// As written: `Important`.
    pub severity: Option<String>,
    /// CVE numbers that it names.
    pub mends: BTreeSet<String>,
}

/// All of a repository.
#[derive(Debug, Clone, Default)]
pub struct Updates {
    all: Vec<Update>,
    by_package: BTreeMap<(String, String), usize>,
}

impl Updates {
    /// Reads all of it as a stream. `file` stands for it in errors.
    pub(super) fn read(file: &str, plain: impl Read) -> Result<Self> {
        let malformed = |e: io::Error| Error::Malformed { file: file.to_owned(), reason: e.to_string() };
        let mut reader = Reader::new(BufReader::with_capacity(128 << 10, plain));
        let mut updates = Self::default();
        let mut lines = 0;
        while let Some(token) = reader.next().map_err(malformed)? {
            let Token::Open(element, _) = &token else { continue };
            if reader.path().len() == 1 && element != "updates" {
                return Err(malformed(io::Error::other("it is no updateinfo.xml")));
            }
            if reader.path().len() != 2 || element != "update" {
                continue;
            }
            let kind = token.attribute("type").unwrap_or_default().to_owned();
            let (update, packages) = one(&mut reader, kind).map_err(malformed)?;
            lines += 1 + packages.len() + update.mends.len();
            if updates.all.len() >= limits::UPDATE_COUNT || lines > limits::UPDATE_LINES {
                return Err(malformed(io::Error::other("it has too many updates")));
            }
            let number = updates.all.len();
            updates.all.push(update);
            for package in packages {
                updates.by_package.entry(package).or_insert(number);
            }
        }
        Ok(updates)
    }

    /// The update that brought a version of a package; none: it does not say.
    pub fn of(&self, name: &str, evr: &Evr) -> Option<&Update> {
        let number = self.by_package.get(&(name.to_owned(), evr.to_string()))?;
        self.all.get(*number)
    }
}

type One = (Update, Vec<(String, String)>);

fn one<R: BufRead>(reader: &mut Reader<R>, kind: String) -> io::Result<One> {
    let mut update = Update { kind, ..Update::default() };
    let mut packages = Vec::new();
    while let Some(token) = reader.next()? {
        let element = match &token {
            Token::Close(_) if reader.path().len() < 2 => break,
            Token::Open(element, _) => element.as_str(),
            _ => continue,
        };
        match element {
            "id" if reader.path().len() == 3 => update.id = reader.text()?,
            "severity" if reader.path().len() == 3 => {
                update.severity = Some(reader.text()?).filter(|text| !text.is_empty());
            }
            "reference" => {
                let named = [token.attribute("id"), token.attribute("title")];
                update.mends.extend(named.into_iter().flatten().filter(|id| is_cve(id)).map(str::to_owned));
            }
            "package" => {
                let (Some(name), Some(version), Some(release)) =
                    (token.attribute("name"), token.attribute("version"), token.attribute("release"))
                else {
                    continue;
                };
                let epoch = token.attribute("epoch").unwrap_or("0");
                let epoch = epoch.parse().map_err(|_| io::Error::other("an epoch is no number"))?;
                packages.push((name.to_owned(), Evr::new(epoch, version, release).to_string()));
            }
            _ => {}
        }
        if packages.len() + update.mends.len() > limits::UPDATE_LINES {
            return Err(io::Error::other("an update is too long"));
        }
    }
    Ok((update, packages))
}

fn is_cve(text: &str) -> bool {
    text.strip_prefix("CVE-").and_then(|rest| rest.split_once('-')).is_some_and(|(year, number)| {
        let digits = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
        digits(year) && digits(number) && text.len() < 32
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_update_is_found_by_what_it_brought() {
        let text = "<updates><update from=\"x\" status=\"final\" type=\"security\" version=\"1\"><id>SA-1</id><severity>Important\
            </severity><references><reference href=\"x\" id=\"CVE-2024-1\" type=\"cve\"/><reference id=\"77\" type=\"bugzilla\" \
            title=\"CVE-2024-2\"/></references><pkglist><collection><package name=\"tool\" version=\"1\" release=\"2\" epoch=\"0\" \
            arch=\"x86_64\"><filename>tool-1-2.x86_64.rpm</filename></package></collection></pkglist></update></updates>";
        let updates = Updates::read("u", text.as_bytes()).unwrap();
        let update = updates.of("tool", &Evr::new(0, "1", "2")).unwrap();
        assert_eq!((update.id.as_str(), update.kind.as_str()), ("SA-1", "security"));
        assert_eq!(update.severity.as_deref(), Some("Important"));
        assert_eq!(update.mends.iter().map(String::as_str).collect::<Vec<_>>(), ["CVE-2024-1", "CVE-2024-2"]);
        assert!(updates.of("tool", &Evr::new(0, "1", "3")).is_none());
        assert!(Updates::read("u", &text.as_bytes()[..300]).is_err());
    }
}
