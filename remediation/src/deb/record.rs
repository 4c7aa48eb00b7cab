//! One binary package as an index or a control file describes it.

use super::{
    control::{Fields, Stanza},
    relations::{self, Clause, Relation},
};
use crate::{Error, Result, apt::Home};

/// One stanza of a `Packages` index or a `control` file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PackageRecord {
    /// Binary package.
    pub name: String,
    /// Version.
    pub version: String,
    /// Architecture.
    pub architecture: String,
    /// Source package.
    pub source: String,
    /// Source version.
    pub source_version: String,
    /// `Filename`, relative to the archive's base; empty in a control file.
    pub filename: String,
    /// `Size` in bytes; 0 in a control file.
    pub size: u64,
    /// `SHA256` in hexadecimal digits; empty in a control file.
    pub sha256: String,
    /// Where it lies; none: it is of no index.
    pub home: Option<Home>,
    /// Every field as written, in order, for the status database and relations.
    pub fields: Fields,
}

impl PackageRecord {
    /// Reads a stanza; `file` names its text in errors, `home` where what the index is of lies.
    pub fn from_stanza(file: &str, stanza: &Stanza<'_>, home: Option<Home>) -> Result<Self> {
        let needed = |field: &'static str| {
            stanza.get(field).filter(|value| !value.is_empty()).ok_or_else(|| Error::Malformed {
                file: file.to_owned(),
                reason: format!("a stanza has no {field}"),
            })
        };
        let name = needed("Package")?;
        let version = needed("Version")?;
        if !is_package_name(name) {
            let shown: String = name.chars().take(60).collect();
            return Err(Error::Malformed {
                file: file.to_owned(),
                reason: format!("{shown:?} is not a package name"),
            });
        }
        let (source, source_version) = source_of(stanza.get("Source"), name, version);
        let size = match stanza.get("Size") {
            None => 0,
            Some(text) => text.parse().map_err(|_| Error::Malformed {
                file: file.to_owned(),
                reason: format!("Size of {name} is not a number"),
            })?,
        };
        Ok(Self {
            source: source.to_owned(),
            source_version: source_version.to_owned(),
            architecture: needed("Architecture")?.to_owned(),
            filename: stanza.get("Filename").unwrap_or_default().to_owned(),
            size,
            sha256: stanza.get("SHA256").unwrap_or_default().to_ascii_lowercase(),
            home,
            fields: stanza.to_fields(),
            name: name.to_owned(),
            version: version.to_owned(),
        })
    }
    /// A relation field (`Depends`, `Breaks` …), parsed; absent: empty.
    pub fn relations(&self, field: &str) -> Result<Vec<Clause>> {
        let Some(text) = self.fields.get(field) else { return Ok(Vec::new()) };
        relations::parse(text)
            .map_err(|reason| Error::Malformed { file: format!("{field} of {}", self.name), reason })
    }
    /// `Provides`, parsed.
    pub fn provides(&self) -> Result<Vec<Relation>> {
        Ok(self.relations("Provides")?.into_iter().flat_map(|clause| clause.alternatives).collect())
    }
    /// Whether this package satisfies a relation by its own name or by what it provides.
    pub fn satisfies(&self, relation: &Relation) -> bool {
        relation.matches(&self.name, &self.version)
            || self.provides().is_ok_and(|all| all.iter().any(|provided| relation.matches_provided(provided)))
    }
    /// `Multi-Arch: same`: dpkg then names its files `package:architecture`.
    pub fn is_multiarch_same(&self) -> bool {
        self.fields.get("Multi-Arch") == Some("same")
    }
    /// What dpkg names its files under `info/` after.
    pub fn info_name(&self) -> String {
        if self.is_multiarch_same() {
            format!("{}:{}", self.name, self.architecture)
        } else {
            self.name.clone()
        }
    }
    /// `Essential: yes`.
    pub fn is_essential(&self) -> bool {
        self.fields.get("Essential") == Some("yes")
    }
}

/// Policy 5.6.7: lower-case letters, digits, `+-.`; it becomes part of paths.
pub(crate) fn is_package_name(name: &str) -> bool {
    name.len() >= 2
        && name.as_bytes()[0].is_ascii_alphanumeric()
        && name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b"+-.".contains(&b))
}

/// `Source: name (version)`, with the package's own for what is not said.
pub(super) fn source_of<'a>(source: Option<&'a str>, name: &'a str, version: &'a str) -> (&'a str, &'a str) {
    let Some(source) = source.map(str::trim).filter(|s| !s.is_empty()) else { return (name, version) };
    match source.split_once('(') {
        Some((package, rest)) => (package.trim(), rest.trim_end().trim_end_matches(')').trim()),
        None => (source, version),
    }
}

#[cfg(test)]
mod tests {
    use super::super::control;
    use super::*;

    fn record(text: &str) -> Result<PackageRecord> {
        PackageRecord::from_stanza("t", &control::single("t", text)?, None)
    }

    #[test]
    fn a_stanza_becomes_a_record() {
        let r = record("Package: libssl3\nSource: openssl (3.0.1-1)\nVersion: 3.0.1-1+b2\nArchitecture: amd64\nMulti-Arch: same\nSize: 12\nSHA256: AB\nFilename: pool/x.deb\nProvides: libssl-x (= 3), libssl-y\n").unwrap();
        assert_eq!((r.source.as_str(), r.source_version.as_str()), ("openssl", "3.0.1-1"));
        assert_eq!(r.info_name(), "libssl3:amd64");
        assert_eq!((r.size, r.sha256.as_str()), (12, "ab"));
        assert_eq!(r.provides().unwrap().len(), 2);
        let own = record("Package: bash\nVersion: 5\nArchitecture: amd64\n").unwrap();
        assert_eq!((own.source.as_str(), own.source_version.as_str()), ("bash", "5"));
        assert_eq!(own.info_name(), "bash");
    }

    #[test]
    fn names_that_would_leave_the_folder_are_refused() {
        for name in ["../x", "a/b", "A", "x", "-ab", "a b"] {
            assert!(record(&format!("Package: {name}\nVersion: 1\nArchitecture: all\n")).is_err(), "{name}");
        }
        assert!(record("Package: abc\nArchitecture: all\n").is_err());
        assert!(record("Package: abc\nVersion: 1\nArchitecture: all\nSize: much\n").is_err());
    }
}
