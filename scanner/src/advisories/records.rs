//! Reading OSV records from folders and zips, with caps on everything.

use std::{
    collections::{BTreeMap, HashMap},
    fs::{self, File},
    io::Read,
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
};

use jiff::Timestamp;

use super::{
    Advisory,
    compile::compile,
    folder::{io_error, unreadable},
    limits, names, osv,
};
use crate::{Error, Result, version::Order};

/// Threads that compile.
const COMPILERS: usize = 4;

/// Collects records: the newest of each id, compiled at once, so that memory holds only what matching needs.
pub(super) struct Collector {
    /// The ecosystem whose export is read; none: each record belongs to the first ecosystem that it names.
    home: Option<String>,
    by_id: HashMap<String, Kept>,
    /// Names of files, and what was wrong.
    unreadable: Vec<(String, String)>,
    records: u64,
    bytes: u64,
}

struct Kept {
    modified: String,
    /// None: of a withdrawn record, or one about nothing that can be matched.
    source: Option<Arc<str>>,
    advisories: Vec<Advisory>,
}

/// What was read of one source.
#[derive(Debug, Default)]
pub(super) struct Loaded {
    pub(super) advisories: Vec<Advisory>,
    /// Newest `modified`, RFC 3339.
    pub(super) newest: Option<String>,
    /// Every id that was read, with an advisory or without.
    pub(super) ids: Vec<String>,
    /// Ids of records that could not be read: what was known under them stays.
    pub(super) unreadable: Vec<String>,
}

/// `osv/Debian`
pub(super) fn source(ecosystem: &str) -> String {
    format!("osv/{ecosystem}")
}

impl Collector {
    /// For the export of one ecosystem, or for records of any.
    pub(super) fn new(home: Option<&str>) -> Self {
        Self {
            home: home.map(str::to_owned),
            by_id: HashMap::new(),
            unreadable: Vec::new(),
            records: 0,
            bytes: 0,
        }
    }

    /// By source. A few unreadable records are passed over and told; many make the origin unreadable.
    pub(super) fn finish(self, origin: &str) -> Result<BTreeMap<String, Loaded>> {
        let failed = |reason: String| Error::Advisories { origin: origin.to_owned(), reason };
        if let Some((name, reason)) = self.unreadable.first() {
            let (bad, good) = (self.unreadable.len(), self.by_id.len());
            if bad.saturating_mul(1000) > good.saturating_mul(limits::advisories().unreadable) {
                return Err(failed(format!(
                    "{bad} of {} records are none, the first is {name}: {reason}",
                    bad + good
                )));
            }
            for (name, reason) in &self.unreadable {
                tracing::warn!(origin, record = name, reason, "an advisory record is passed over");
            }
        }
        let mut sources: BTreeMap<String, Loaded> = BTreeMap::new();
        for (id, kept) in self.by_id {
            let home = self.home.as_deref().map(source);
            let Some(name) = home.or_else(|| kept.source.as_deref().map(str::to_owned)) else { continue };
            let loaded = sources.entry(name).or_default();
            if loaded.newest.as_ref().is_none_or(|newest| later(&kept.modified, newest)) {
                loaded.newest = Some(kept.modified).filter(|m| !m.is_empty());
            }
            loaded.ids.push(id);
            loaded.advisories.extend(kept.advisories);
        }
        // Nobody knows of which source a record is that cannot be read, unless they all are of one.
        if let (1, Some(only)) = (sources.len(), sources.values_mut().next()) {
            only.unreadable = self.unreadable.iter().map(|(name, _)| id(name).to_owned()).collect();
        }
        Ok(sources)
    }

    /// One record from its JSON; `name`: of its file.
    pub(super) fn add(&mut self, name: &str, json: &[u8]) -> Result<()> {
        self.records += 1;
        self.bytes += json.len() as u64;
        if self.records > limits::advisories().records {
            return Err(Error::Limit {
                what: "the number of advisory records",
                limit: limits::advisories().records,
            });
        }
        if self.bytes > limits::advisories().all {
            return Err(Error::Limit {
                what: "the size of all advisory records",
                limit: limits::advisories().all,
            });
        }
        let record: osv::Record = match serde_json::from_slice(json) {
            Ok(record) => record,
            Err(error) => {
                self.unreadable.push((name.to_owned(), error.to_string()));
                return Ok(());
            }
        };
        let newer = self.by_id.get(&record.id).is_none_or(|kept| later(&record.modified, &kept.modified));
        if newer {
            let named = record.affected.iter().filter_map(|a| a.package.as_ref());
            let first = named.map(|p| p.ecosystem.as_str()).find(|e| names::matched(e)).map(names::base);
            let source = self.home.as_deref().or(first).map(|e| source(e).into());
            // A withdrawn record stays as an empty one, so that it displaces an older copy of itself.
            let advisories = source.as_ref().map_or_else(Vec::new, |source| compile(&record, source));
            self.by_id.insert(record.id, Kept { modified: record.modified, source, advisories });
        }
        Ok(())
    }

    fn read(&mut self, origin: &Path, name: &str, from: impl Read) -> Result<()> {
        let mut json = Vec::new();
        let read = from.take(limits::advisories().record + 1).read_to_end(&mut json);
        read.map_err(|e| unreadable(origin, format!("{name}: {e}")))?;
        if json.len() as u64 > limits::advisories().record {
            return Err(Error::Limit {
                what: "the size of an advisory record",
                limit: limits::advisories().record,
            });
        }
        self.add(name, &json)
    }

    /// Every `.json` of a zip.
    pub(super) fn zip(&mut self, path: &Path) -> Result<()> {
        let file = File::open(path).map_err(|e| io_error("open", path, e))?;
        let broken = |e: zip::result::ZipError| unreadable(path, e.to_string());
        let mut archive = zip::ZipArchive::new(std::io::BufReader::new(file)).map_err(broken)?;
        for index in 0..archive.len() {
            let entry = archive.by_index(index).map_err(broken)?;
            let name = entry.name().map_err(broken)?.into_owned();
            if !entry.is_dir() && name.ends_with(".json") {
                self.read(path, &name, entry)?;
            }
        }
        Ok(())
    }

    /// `all.zip`, else `*.json`; false: neither is there.
    fn ecosystem(&mut self, path: &Path) -> Result<bool> {
        let all = path.join("all.zip");
        if all.is_file() {
            self.zip(&all)?;
            return Ok(true);
        }
        let mut found = false;
        for file in children(path)?.into_iter().filter(|p| p.extension().is_some_and(|e| e == "json")) {
            let name = file_name(&file);
            let open = File::open(&file).map_err(|e| io_error("open", &file, e))?;
            self.read(path, &name, open)?;
            found = true;
        }
        Ok(found)
    }
}

/// One of the names in a folder in the bucket's layout, or a source of loose records, and what came of it.
pub(super) type Outcome = (String, Result<Loaded>);

/// A folder in the bucket's layout, one ecosystem's folder, or one zip. An ecosystem that fails fails alone.
pub(super) fn folder(path: &Path) -> Result<Vec<Outcome>> {
    let kind = fs::metadata(path).map_err(|e| io_error("read", path, e))?;
    let mut loose = Collector::new(None);
    let read = if kind.is_file() { loose.zip(path).map(|()| true) } else { loose.ecosystem(path) };
    if read? {
        let sources = loose.finish(&path.display().to_string())?;
        if sources.values().all(|s| s.advisories.is_empty()) {
            return Err(unreadable(
                path,
                "it holds no record that can be matched, what was loaded before stays".to_owned(),
            ));
        }
        return Ok(sources.into_iter().map(|(name, loaded)| (name, Ok(loaded))).collect());
    }
    let mut inner: Vec<PathBuf> = children(path)?;
    inner.retain(|p| p.is_dir() && Order::of_ecosystem(&file_name(p)).is_some());
    // The longest first: the threads then end at about the same time.
    inner.sort_by_key(|p| std::cmp::Reverse(fs::metadata(p.join("all.zip")).map_or(0, |m| m.len())));
    let (next, done) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    let threads = thread::available_parallelism().map_or(1, |n| n.get().min(COMPILERS));
    let work = || {
        while let Some(path) = inner.get(next.fetch_add(1, Ordering::Relaxed)) {
            if let Some(outcome) = export(&file_name(path), path).transpose() {
                done.lock().unwrap_or_else(PoisonError::into_inner).push((source(&file_name(path)), outcome));
            }
        }
    };
    thread::scope(|scope| {
        for _ in 1..threads {
            scope.spawn(work);
        }
        work();
    });
    let mut found = done.into_inner().unwrap_or_else(PoisonError::into_inner);
    found.sort_by(|a, b| a.0.cmp(&b.0));
    if found.is_empty() {
        let reason = "there is no <Ecosystem>/all.zip and no <Ecosystem>/*.json in it".to_owned();
        return Err(unreadable(path, reason));
    }
    Ok(found)
}

/// The export of one ecosystem: a folder with its `all.zip` or its records, or the zip. None: there is nothing.
pub(super) fn export(ecosystem: &str, path: &Path) -> Result<Option<Loaded>> {
    let mut collector = Collector::new(Some(ecosystem));
    if path.is_file() {
        collector.zip(path)?;
    } else if !collector.ecosystem(path)? {
        return Ok(None);
    }
    let loaded = collector.finish(&path.display().to_string())?.into_values().next().unwrap_or_default();
    if !loaded.advisories.iter().any(|a| names::base(&a.ecosystem) == ecosystem) {
        let reason = format!("it holds no {ecosystem} record, what was loaded before stays");
        return Err(unreadable(path, reason));
    }
    Ok(Some(loaded))
}

/// Whether one RFC 3339 time is after another; what is no time is before all that are.
pub(super) fn later(a: &str, b: &str) -> bool {
    let time = |text: &str| text.parse::<Timestamp>().ok();
    match (time(a), time(b)) {
        (None, None) => a > b,
        (a, b) => a > b,
    }
}

/// A record's file is called by its id.
fn id(name: &str) -> &str {
    let stem = name.rsplit('/').next().unwrap_or(name);
    stem.strip_suffix(".json").unwrap_or(stem)
}

fn file_name(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

pub(super) fn children(path: &Path) -> Result<Vec<PathBuf>> {
    let list = || -> std::io::Result<Vec<PathBuf>> { fs::read_dir(path)?.map(|e| Ok(e?.path())).collect() };
    let mut found = list().map_err(|e| io_error("list", path, e))?;
    found.sort();
    Ok(found)
}
