//! Sources besides OSV: what a distribution says of every vulnerability, and what is said of vulnerabilities everywhere.

mod alpine;
mod csv;
mod debian;
mod epss;
mod kev;
mod severities;

use std::{
    collections::BTreeMap,
    fs::File,
    io::{BufRead, BufReader, Read},
    path::{Path, PathBuf},
};

use super::{
    Advisory,
    folder::{io_error, unreadable},
    limits, records,
    threat::Threats,
};
use crate::{Error, Result};

/// What a feed is; its file is JSON or CSV, plain or compressed with gzip or zstd.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Feed {
    /// CISA's catalogue of known exploited vulnerabilities, JSON.
    Kev,
    /// FIRST's probabilities of exploitation, CSV: `cve,epss,percentile`.
    Epss,
    /// Severities by CVE, CSV: `cve,source,severity,score,vector`.
    Severities,
    /// The Debian security tracker's state of every vulnerability of every package, JSON.
    DebianTracker,
    /// Alpine's secdb: one repository of one branch, or a folder of them, JSON.
    AlpineSecdb,
}

impl Feed {
    /// All of them.
    pub const ALL: [Self; 5] =
        [Self::Kev, Self::Epss, Self::Severities, Self::DebianTracker, Self::AlpineSecdb];

    /// Its name: in `--from kev:FILE`, and as a source.
    pub fn name(self) -> &'static str {
        match self {
            Self::Kev => "kev",
            Self::Epss => "epss",
            Self::Severities => "cve-severity",
            Self::DebianTracker => "debian-tracker",
            Self::AlpineSecdb => "alpine-secdb",
        }
    }

    /// The feed of this name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|feed| feed.name() == name)
    }
}

/// What one source says.
#[derive(Debug, Default)]
pub(super) struct Heard {
    pub(super) advisories: Vec<Advisory>,
    pub(super) threats: Threats,
    /// The day of the data, RFC 3339 where the feed says one.
    pub(super) newest: Option<String>,
}

/// Reads a feed from a file, or, where it has several, from a folder. By source.
pub(super) fn read(feed: Feed, path: &Path) -> Result<BTreeMap<String, Heard>> {
    let mut sources: BTreeMap<String, Heard> = BTreeMap::new();
    for file in files(path)? {
        let from = open(&file)?;
        let failed = |reason: String| unreadable(&file, reason);
        let (name, heard) = match feed {
            Feed::Kev => (feed.name().to_owned(), kev::read(from).map_err(failed)?),
            Feed::Epss => (feed.name().to_owned(), epss::read(from).map_err(failed)?),
            Feed::Severities => (feed.name().to_owned(), severities::read(from).map_err(failed)?),
            Feed::DebianTracker => (feed.name().to_owned(), debian::read(from).map_err(failed)?),
            Feed::AlpineSecdb => {
                let (of, heard) = alpine::read(from).map_err(failed)?;
                (format!("{}/{of}", feed.name()), heard)
            }
        };
        if heard.advisories.is_empty() && heard.threats.is_empty() {
            return Err(failed("it says nothing, what was loaded before stays".to_owned()));
        }
        if sources.insert(name.clone(), heard).is_some() {
            return Err(failed(format!("there is more than one file of {name}")));
        }
    }
    if sources.is_empty() {
        return Err(unreadable(path, "there is no feed in it".to_owned()));
    }
    Ok(sources)
}

/// The file, or every JSON file of a folder and of the folders in it.
fn files(path: &Path) -> Result<Vec<PathBuf>> {
    if !path.is_dir() {
        return Ok(vec![path.to_owned()]);
    }
    let mut found = Vec::new();
    for inner in records::children(path)? {
        let of = if inner.is_dir() { records::children(&inner)? } else { vec![inner] };
        found.extend(of.into_iter().filter(|p| p.is_file() && p.extension().is_some_and(|e| e == "json")));
        if found.len() > limits::advisories().feed_files {
            return Err(Error::Limit {
                what: "the number of feeds",
                limit: limits::advisories().feed_files as u64,
            });
        }
    }
    Ok(found)
}

/// A feed that ends with an error where it has more bytes than it may: one that just ended would be taken for whole.
struct Bounded {
    plain: Box<dyn Read>,
    left: u64,
}

impl Read for Bounded {
    fn read(&mut self, into: &mut [u8]) -> std::io::Result<usize> {
        let read = self.plain.read(into)?;
        self.left = self.left.checked_sub(read as u64).ok_or_else(|| {
            let most = limits::advisories().feed;
            std::io::Error::other(format!("it has more than {most} bytes after decompression"))
        })?;
        Ok(read)
    }
}

/// Unpacks what the first bytes say is packed; more than a feed may have is an error of whoever reads it.
fn open(path: &Path) -> Result<Box<dyn BufRead>> {
    let broken = |e| io_error("read", path, e);
    let mut file = BufReader::new(File::open(path).map_err(broken)?);
    let head: Vec<u8> = file.fill_buf().map_err(broken)?.iter().take(4).copied().collect();
    let plain: Box<dyn Read> = match head.as_slice() {
        [0x1f, 0x8b, ..] => Box::new(flate2::bufread::MultiGzDecoder::new(file)),
        [0x28, 0xb5, 0x2f, 0xfd] => Box::new(zstd::Decoder::with_buffer(file).map_err(broken)?),
        _ => Box::new(file),
    };
    let bounded = Bounded { plain, left: limits::advisories().feed };
    Ok(Box::new(BufReader::with_capacity(1 << 16, bounded)))
}

#[cfg(test)]
mod tests;
