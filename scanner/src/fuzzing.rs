//! What holds of any bytes whatever: the fuzz targets call it, and so does the test that replays their corpora.
//!
//! Each function panics where it does not hold, and gives how much it found in the bytes.

use std::fmt::Debug;

use crate::{
    advisories::{AdvisorySet, osv},
    languages::{self, File, Found},
    layers::{
        facts::{self, Facts},
        merge,
    },
    limits::{self, Layer},
    packages::{apk, dpkg, listed::Listed, purl, rpm},
    version::Order,
};

/// What a target holds the bytes against; gives how much was found in them.
pub type Check = fn(&[u8]) -> usize;

/// Every target by the name of its corpus.
pub const TARGETS: [(&str, Check); 10] = [
    ("tar", tar),
    ("dpkg", dpkg),
    ("apk", apk),
    ("rpm_sqlite", rpm_sqlite),
    ("rpm_ndb", rpm_ndb),
    ("rpm_bdb", rpm_bdb),
    ("jar", jar),
    ("go", go),
    ("locks", locks),
    ("json", json),
];

/// Small enough that a few kilobytes reach each of them.
const LAYER: Layer =
    Layer { entries: 200, uncompressed: 1 << 30, free: 1 << 20, ratio: 1000, path: 256, headers: 16 << 10 };
/// A byte that is no UTF-8 becomes three that are.
const REPLACED: usize = 3;

/// A layer's archive: entries, and what they say, kept and merged.
pub fn tar(bytes: &[u8]) -> usize {
    let read = || facts::of_tar(bytes, LAYER).map_err(|stop| format!("{stop:?}"));
    let Ok(facts) = twice(read) else { return 0 };
    assert!(facts.files.len() as u64 <= LAYER.entries);
    for path in facts.files.keys() {
        assert!(path.len() <= REPLACED * LAYER.path, "{path}");
        assert!(path.split('/').all(|part| !matches!(part, "" | "." | "..")), "{path}");
    }
    let kept = facts.encode().expect("facts are JSON");
    assert_eq!(Facts::decode(&kept).as_ref(), Some(&facts));
    let count = facts.files.len();
    let layers = [facts.clone(), facts];
    if let Ok(merged) = merge::merge(&layers[..1]) {
        let again = merge::merge(&layers).expect("the same layer once more says the same");
        assert_eq!(again.packages.len(), merged.packages.len());
        assert_eq!(again.components.len(), merged.components.len());
    }
    count
}

/// dpkg's database, and a file of `status.d`.
pub fn dpkg(bytes: &[u8]) -> usize {
    let lines = lines(bytes);
    let mut found = 0;
    for needs_status in [true, false] {
        match twice(|| dpkg::installed(bytes, needs_status)) {
            Ok(packages) => {
                assert!(packages.iter().all(|p| !p.name.is_empty() && !p.version.is_empty()));
                found += packages.len();
                packages.into_iter().for_each(|p| listed("deb", p.into()));
            }
            Err(error) => assert!((1..=lines).contains(&error.line), "{error:?}"),
        }
    }
    found
}

/// apk's database.
pub fn apk(bytes: &[u8]) -> usize {
    let lines = lines(bytes);
    match twice(|| apk::installed(bytes)) {
        Ok(packages) => {
            assert!(packages.len() <= limits::packages().packages);
            for p in &packages {
                assert!(!p.name.is_empty() && p.name.len() <= limits::packages().word, "{p:?}");
                paths(&p.files);
            }
            let found = packages.len();
            packages.into_iter().for_each(|p| listed("apk", p.into()));
            found
        }
        Err(error) => {
            assert!((1..=lines).contains(&error.line), "{error:?}");
            0
        }
    }
}

/// rpm's database in SQLite.
pub fn rpm_sqlite(bytes: &[u8]) -> usize {
    rpm(bytes, rpm::Form::Sqlite)
}

/// rpm's database in its own format.
pub fn rpm_ndb(bytes: &[u8]) -> usize {
    rpm(bytes, rpm::Form::Ndb)
}

/// rpm's database in Berkeley DB.
pub fn rpm_bdb(bytes: &[u8]) -> usize {
    rpm(bytes, rpm::Form::BerkeleyDb)
}

fn rpm(bytes: &[u8], form: rpm::Form) -> usize {
    let Ok(packages) = twice(|| rpm::installed(bytes, form)) else { return 0 };
    assert!(packages.len() <= limits::packages().packages);
    for p in &packages {
        let words = [&p.name, &p.version, &p.release];
        assert!(words.iter().all(|word| !word.is_empty() && word.len() <= limits::packages().word), "{p:?}");
        assert!(p.evr().ends_with(&format!("{}-{}", p.version, p.release)));
        paths(&p.files);
    }
    let found = packages.len();
    packages.into_iter().for_each(|p| listed("rpm", p.into()));
    found
}

/// A Java archive, by its directory and as a stream.
pub fn jar(bytes: &[u8]) -> usize {
    let held = language("app/a.jar", bytes, bytes.len().max(1) as u64);
    // What claims to be larger than what is held is read as a stream.
    let streamed = language("app/a.jar", bytes, limits::archives().held_one + 1);
    held + streamed
}

/// A program: Go's build information, the list of crates, known programs' strings.
pub fn go(bytes: &[u8]) -> usize {
    language("app/server", bytes, bytes.len() as u64)
}

/// A lock file or a package's description; the first line is its path.
pub fn locks(bytes: &[u8]) -> usize {
    let end = bytes.iter().position(|b| *b == b'\n').unwrap_or(bytes.len());
    let Ok(path) = std::str::from_utf8(&bytes[..end]) else { return 0 };
    let content = bytes.get(end + 1..).unwrap_or_default();
    language(path, content, content.len() as u64)
}

fn language(path: &str, bytes: &[u8], size: u64) -> usize {
    let file = File { path, size, executable: true };
    let Some(analyser) = languages::analyser(&file) else { return 0 };
    let Ok(found) = twice(|| analyser.read(&file, &mut &*bytes)) else { return 0 };
    plausible(&found);
    found.components.len()
}

fn plausible(found: &Found) {
    assert!(found.components.len() <= limits::languages().components);
    assert!(found.incomplete.len() <= limits::languages().notes);
    assert!(found.archives.len() <= limits::archives().count);
    assert!(found.components.is_sorted());
    for c in &found.components {
        assert!(!c.name.is_empty() && c.name.len() <= limits::languages().name, "{c:?}");
        assert!(c.version.len() <= limits::languages().version, "{c:?}");
        assert!(c.licenses.len() <= limits::languages().licenses, "{c:?}");
        assert!(c.licenses.iter().all(|l| l.len() <= limits::languages().license), "{c:?}");
        assert!(c.purl().starts_with(&format!("pkg:{}/", c.kind.purl_type())), "{c:?}");
    }
    let json = serde_json::to_vec(found).expect("JSON");
    assert_eq!(&serde_json::from_slice::<Found>(&json).expect("comes back"), found);
}

/// An OSV record: what it says of each version that it names survives its compilation and a set's file.
pub fn json(bytes: &[u8]) -> usize {
    let Ok(record) = serde_json::from_slice::<osv::Record>(bytes) else { return 0 };
    let set = AdvisorySet::from_records(vec![record.clone()], "of a test");
    let mut found = 0;
    for affected in &record.affected {
        let Some(package) = &affected.package else { continue };
        let about: Vec<_> = set.about(&package.ecosystem, &package.name).collect();
        found += about.len();
        let events = affected.ranges.iter().flat_map(|r| &r.events);
        let named = events.flat_map(|e| [&e.introduced, &e.fixed, &e.last_affected, &e.limit]).flatten();
        for version in named.chain(&affected.versions) {
            for verdict in about.iter().filter_map(|a| a.affects(version)) {
                let order = Order::of_ecosystem(&package.ecosystem).expect("what is matched has an order");
                let above = |fixed: &String| order.compare(fixed, version).is_gt();
                assert!(verdict.fixed.as_ref().is_none_or(above), "{version} is mended by {verdict:?}");
            }
        }
        let affects = |version: &&String| !about.iter().any(|a| a.affects(version).is_some());
        assert!(
            about.is_empty() || affected.versions.iter().find(affects).is_none(),
            "a named version is lost"
        );
    }
    assert!(set.fault().is_none(), "{:?}", set.fault());
    found
}

/// What depends on the bytes alone is the same each time.
fn twice<T: PartialEq + Debug, E: PartialEq + Debug>(read: impl Fn() -> Result<T, E>) -> Result<T, E> {
    let first = read();
    assert_eq!(first, read());
    first
}

fn lines(bytes: &[u8]) -> usize {
    bytes.iter().filter(|b| **b == b'\n').count() + 1
}

fn paths(files: &[crate::packages::owned::OwnedFile]) {
    let most = REPLACED * limits::packages().path;
    assert!(files.iter().all(|f| f.path.len() <= most && !f.path.starts_with('/')), "{files:?}");
}

fn listed(kind: &str, package: Listed) {
    let purl = purl::of(kind, &package, None);
    assert!(purl.starts_with("pkg:"), "{purl}");
}

#[cfg(test)]
#[path = "fuzzing_tests.rs"]
mod tests;
