//! The scripts of installed packages: `scripts.tar`, or `scripts.tar.gz` of apk 3, read and written anew.

use std::{
    collections::BTreeMap,
    io::{self, Read, Write},
};

use super::{Installed, limits};
use crate::{Error, Result, deb::archive::Bounded, tree::Tree};

/// gzip's level: pinned, for the layer's digest depends on it.
const LEVEL: u32 = 6;

/// All of them.
#[derive(Debug, Clone, Default)]
pub struct Scripts {
    /// Where the archive lies; none: there is none yet.
    pub path: Option<String>,
    /// Entries are named by `X1` and hexadecimal digits, as apk 3 does.
    hexadecimal: bool,
    /// Name, time and content, in the archive's order.
    entries: Vec<(String, u64, Vec<u8>)>,
}

impl Scripts {
    /// Reads the archive of a database's folder.
    pub fn read(tree: &Tree, folder: &str) -> Result<Self> {
        let found = ["scripts.tar.gz", "scripts.tar"].into_iter().find_map(|name| {
            let path = format!("{folder}/{name}");
            let real = tree.real(&path).into_owned();
            tree.get(&real).map(|node| (path, node.content.as_deref()))
        });
        let Some((path, content)) = found else { return Ok(Self::default()) };
        let malformed = |reason: &str| Error::Malformed { file: path.clone(), reason: reason.to_owned() };
        let bytes = content.ok_or_else(|| malformed("it is too large"))?;
        let broken = |e: io::Error| malformed(&e.to_string());
        let plain: Box<dyn Read> = match path.ends_with(".gz") && bytes.starts_with(&[0x1f, 0x8b]) {
            true => Box::new(flate2::bufread::MultiGzDecoder::new(bytes)),
            false => Box::new(bytes),
        };
        let mut archive = tar::Archive::new(Bounded { inner: plain, left: limits::SCRIPTS });
        let (mut entries, mut hexadecimal) = (Vec::new(), false);
        for entry in archive.entries().map_err(broken)? {
            let mut entry = entry.map_err(broken)?;
            if entries.len() >= limits::PACKAGES {
                return Err(malformed("it has too many scripts"));
            }
            let name = String::from_utf8_lossy(&entry.path_bytes()).into_owned();
            let mut content = Vec::new();
            entry.read_to_end(&mut content).map_err(broken)?;
            hexadecimal |= name.contains(".X1") || name.contains(".X2");
            entries.push((name, entry.header().mtime().unwrap_or(0), content));
        }
        Ok(Self { path: Some(path), hexadecimal, entries })
    }

    /// The installed scripts of a package, by name: `post-install`.
    pub fn of(&self, package: &Installed) -> BTreeMap<String, Vec<u8>> {
        self.entries
            .iter()
            .filter_map(|(name, _, content)| Some((action(name, package)?.to_owned(), content.clone())))
            .collect()
    }

    /// The archive with the scripts of these packages replaced; `new` is (name, version, checksum, time, scripts) for
    /// each.
    pub fn replaced(&self, changes: &[(&Installed, NewScripts<'_>)]) -> Result<Vec<u8>> {
        let failed = |source| Error::Io { operation: "write the scripts' archive".to_owned(), source };
        let mut builder = tar::Builder::new(Vec::new());
        let kept = self
            .entries
            .iter()
            .filter(|(name, _, _)| !changes.iter().any(|(package, _)| action(name, package).is_some()));
        for (name, time, content) in kept {
            append(&mut builder, name, *time, content).map_err(failed)?;
        }
        for (package, new) in changes {
            for (script, content) in new.scripts {
                let sum = match self.hexadecimal {
                    true => new.checksum.hexadecimal(),
                    false => new.checksum.base64(),
                };
                let name = format!("{}-{}.{sum}.{script}", package.name, new.version);
                append(&mut builder, &name, new.time, content).map_err(failed)?;
            }
        }
        let plain = builder.into_inner().map_err(failed)?;
        if !self.path.as_deref().is_some_and(|path| path.ends_with(".gz")) {
            return Ok(plain);
        }
        let mut gzip = flate2::GzBuilder::new().write(Vec::new(), flate2::Compression::new(LEVEL));
        gzip.write_all(&plain).map_err(failed)?;
        gzip.finish().map_err(failed)
    }
}

/// What comes for one package.
pub struct NewScripts<'a> {
    /// Its new version.
    pub version: &'a str,
    /// Its new checksum.
    pub checksum: super::Checksum,
    /// Seconds since the epoch.
    pub time: u64,
    /// By name.
    pub scripts: &'a BTreeMap<String, Vec<u8>>,
}

/// `a-1-r0.Q1….post-install` → `post-install`; none: it is another package's. A checksum in base64 may hold `/`.
fn action<'n>(name: &'n str, package: &Installed) -> Option<&'n str> {
    let rest = name.strip_prefix(package.name.as_str())?.strip_prefix('-')?;
    let rest = rest.strip_prefix(package.version.as_str())?.strip_prefix('.')?;
    let (sum, action) = rest.rsplit_once('.')?;
    let known = ["Q1", "Q2", "X1", "X2"].iter().any(|kind| sum.starts_with(kind));
    (known && super::SCRIPTS.contains(&action)).then_some(action)
}

fn append(builder: &mut tar::Builder<Vec<u8>>, name: &str, time: u64, content: &[u8]) -> io::Result<()> {
    let mut header = tar::Header::new_ustar();
    header.set_mode(0o755);
    header.set_uid(0);
    header.set_gid(0);
    header.set_mtime(time);
    header.set_size(content.len() as u64);
    header.set_entry_type(tar::EntryType::Regular);
    let field = &mut header.as_old_mut().name;
    // A name is one text, whatever its slashes: the checksum may hold two in a row.
    if let Some(place) = field.get_mut(..name.len()) {
        place.copy_from_slice(name.as_bytes());
        header.set_cksum();
        return builder.append(&header, content);
    }
    let mut long = tar::Header::new_gnu();
    long.as_old_mut().name[..13].copy_from_slice(b"././@LongLink");
    long.set_mode(0o644);
    long.set_uid(0);
    long.set_gid(0);
    long.set_mtime(0);
    long.set_size(name.len() as u64 + 1);
    long.set_entry_type(tar::EntryType::GNULongName);
    long.set_cksum();
    builder.append(&long, [name.as_bytes(), &[0]].concat().as_slice())?;
    field.copy_from_slice(&name.as_bytes()[..100]);
    header.set_cksum();
    builder.append(&header, content)
}
