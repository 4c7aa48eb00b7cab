//! Sources besides OSV.

use super::{Row, folders, load};
use crate::{
    advisories::update::{Feed, Origin, Place},
    limits::reached::row,
};

pub(super) fn rows() -> Vec<Row> {
    vec![
        row(("advisories", "feed"), 60, "it has more than 60 bytes after decompression", unpacked),
        // Where a cut would fall between two lines, what is left looks whole.
        row(("advisories", "feed"), 33, "it has more than 33 bytes after decompression", || {
            of(Feed::Epss, EPSS)
        }),
        row(("advisories", "line"), 15, "line 2: it has more than 15 bytes", || of(Feed::Epss, EPSS)),
        row(("advisories", "rated"), 1, "there are more than 1 vulnerabilities", || of(Feed::Epss, EPSS)),
        row(("advisories", "rated"), 1, "there are more than 1 vulnerabilities", || of(Feed::Kev, KEV)),
        row(("advisories", "rated"), 1, "there are more than 1 vulnerabilities", || {
            of(Feed::Severities, SEVERITIES)
        }),
        row(("advisories", "statements"), 1, "there are more than 1 statements", || {
            of(Feed::DebianTracker, TRACKER)
        }),
        row(("advisories", "statements"), 1, "there are more than 1 statements", || {
            of(Feed::AlpineSecdb, SECDB)
        }),
        row(("advisories", "feed-files"), 1, "the number of feeds exceeds the limit of 1", branches),
    ]
}

const EPSS: &str = "cve,epss\nCVE-2025-0001,0.5\nCVE-2025-0002,0.25\n";
const KEV: &str = r#"{"vulnerabilities": [{"cveID": "CVE-2025-0001"}, {"cveID": "CVE-2025-0002"}]}"#;
const SEVERITIES: &str =
    "cve,source,severity,score,vector\nCVE-2025-0001,nvd,HIGH,,\nCVE-2025-0002,nvd,LOW,,\n";
const TRACKER: &str = r#"{"a": {
    "CVE-2025-0001": {"releases": {"bookworm": {"status": "open"}}},
    "CVE-2025-0002": {"releases": {"bookworm": {"status": "open"}}}}}"#;
const SECDB: &str = r#"{"distroversion": "v3.20", "reponame": "main", "packages": [
    {"pkg": {"name": "a", "secfixes": {"1.0-r1": ["CVE-2025-0001", "CVE-2025-0002"]}}}]}"#;

fn of(feed: Feed, text: &str) -> String {
    bytes_of(feed, text.as_bytes())
}

fn bytes_of(feed: Feed, bytes: &[u8]) -> String {
    let (from, folder) = folders();
    let file = from.path().join("feed");
    std::fs::write(&file, bytes).expect("feed");
    load(folder.path(), &Origin::Feed(feed, Place::Path(file)))
}

/// Few bytes that become many.
fn unpacked() -> String {
    let text = format!("{KEV}{}", " ".repeat(100_000));
    bytes_of(Feed::Kev, &zstd::encode_all(text.as_bytes(), 1).expect("zstd"))
}

/// Two repositories of one branch.
fn branches() -> String {
    let (from, folder) = folders();
    for name in ["main", "community"] {
        let file = from.path().join(format!("{name}.json"));
        std::fs::write(file, SECDB.replace("main", name)).expect("feed");
    }
    load(folder.path(), &Origin::Feed(Feed::AlpineSecdb, Place::Path(from.path().to_owned())))
}
