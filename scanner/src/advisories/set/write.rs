//! Making the body of a set.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap, HashSet},
    io,
    sync::Arc,
};

use sha2::{Digest as _, Sha256};

use super::{
    body::{self, BLOCK},
    header::{Header, LENGTH, SECTIONS, SUM, Section},
};
use crate::advisories::{
    advisory::{Advisory, Record, Step},
    threat::{Cve, Threat, Threats},
};

/// A set's body, and what its header says.
pub(in crate::advisories) struct Image {
    pub(super) header: Header,
    pub(super) body: Vec<u8>,
}

impl Image {
    /// Bytes of the whole file.
    pub(in crate::advisories) fn size(&self) -> u64 {
        let sums = self.body.len().div_ceil(BLOCK).saturating_mul(SUM);
        (LENGTH as u64).saturating_add(self.body.len() as u64).saturating_add(sums as u64)
    }
    /// The whole file, in order.
    pub(in crate::advisories) fn write_to(&self, mut to: impl io::Write) -> io::Result<()> {
        let sums: Vec<[u8; SUM]> = self.body.chunks(BLOCK).map(body::sum).collect();
        let sums = sums.as_flattened();
        to.write_all(&self.header.encode(sums))?;
        to.write_all(&self.body)?;
        to.write_all(sums)
    }
}

/// Equal advisories give an equal image, in whatever order they came. `covered`: ecosystems for which silence means
/// that nothing is known.
pub(in crate::advisories) fn write(
    mut advisories: Vec<Advisory>,
    threats: &Threats,
    covered: &BTreeSet<String>,
) -> Image {
    advisories.sort_by(|a, b| {
        (&a.ecosystem, &a.package, &a.record, &a.source).cmp(&(
            &b.ecosystem,
            &b.package,
            &b.record,
            &b.source,
        ))
    });
    let mut writer = Writer::default();
    let count = advisories.iter().map(|a| a.record.id.as_str()).collect::<HashSet<_>>().len();
    let mut shards: BTreeMap<&str, Vec<&[Advisory]>> =
        covered.iter().map(|e| (e.as_str(), Vec::new())).collect();
    for package in advisories.chunk_by(|a, b| (&a.ecosystem, &a.package) == (&b.ecosystem, &b.package)) {
        if let Some(first) = package.first() {
            shards.entry(&first.ecosystem).or_default().push(package);
        }
    }
    number(&mut writer.directory, shards.len() as u64);
    for (ecosystem, packages) in shards {
        writer.shard(ecosystem, &packages, covered.contains(ecosystem));
    }
    for (cve, threat) in threats {
        writer.threat(*cve, threat);
    }
    writer.finish(count as u64)
}

#[derive(Default)]
struct Writer {
    texts: Vec<u8>,
    records: Vec<u8>,
    rows: Vec<u8>,
    packages: Vec<u8>,
    directory: Vec<u8>,
    threats: Vec<u8>,
    text_places: HashMap<String, u64>,
    record_places: HashMap<Arc<Record>, u64>,
}

impl Writer {
    /// Packages of one ecosystem; their texts, records and rows lie together, so that a reader of one needs few blocks.
    fn shard(&mut self, ecosystem: &str, packages: &[&[Advisory]], covered: bool) {
        let first = self.packages.len() as u64;
        let mut index = Vec::new();
        for package in packages {
            let Some(Advisory { package: name, .. }) = package.first() else { continue };
            index.push((key(name), self.rows.len() as u64, package.len() as u64));
            let place = self.text(name);
            number(&mut self.rows, place);
            for advisory in *package {
                self.row(advisory);
            }
        }
        index.sort_unstable();
        for (hash, place, count) in index {
            for field in [hash, place, count] {
                self.packages.extend(field.to_le_bytes());
            }
        }
        number(&mut self.directory, ecosystem.len() as u64);
        self.directory.extend(ecosystem.as_bytes());
        number(&mut self.directory, first);
        number(&mut self.directory, packages.len() as u64);
        self.directory.push(covered.into());
    }

    fn row(&mut self, advisory: &Advisory) {
        let record = self.record(&advisory.record);
        let source = self.text(&advisory.source);
        let severity_source = self.text(&advisory.severity_source);
        number(&mut self.rows, record);
        number(&mut self.rows, source);
        self.rows.push(advisory.severity as u8);
        number(&mut self.rows, severity_source);
        self.rows.push(advisory.standing.map_or(0, |s| s as u8 + 1));
        let overruled = self.list(&advisory.overruled);
        self.rows.extend(overruled);
        number(&mut self.rows, advisory.ranges.len() as u64);
        for range in &advisory.ranges {
            number(&mut self.rows, range.len() as u64);
            for Step { turn, version } in range {
                self.rows.push(*turn as u8);
                let place = self.text(version);
                number(&mut self.rows, place);
            }
        }
        let versions = self.list(&advisory.versions);
        self.rows.extend(versions);
    }

    fn record(&mut self, record: &Arc<Record>) -> u64 {
        if let Some(place) = self.record_places.get(record) {
            return *place;
        }
        let place = self.records.len() as u64;
        let id = self.text(&record.id);
        number(&mut self.records, id);
        for list in [&record.vulnerabilities, &record.aliases] {
            let list = self.list(list);
            self.records.extend(list);
        }
        // Places and times are shifted by one, so that 0 is none.
        let summary = record.summary.as_ref().map_or(0, |text| self.text(text) + 1);
        number(&mut self.records, summary);
        let published = record.published.and_then(|at| u64::try_from(at).ok()).map_or(0, |at| at + 1);
        number(&mut self.records, published);
        self.record_places.insert(record.clone(), place);
        place
    }

    fn list(&mut self, texts: &[String]) -> Vec<u8> {
        let mut out = Vec::new();
        number(&mut out, texts.len() as u64);
        for text in texts {
            let place = self.text(text);
            number(&mut out, place);
        }
        out
    }

    fn text(&mut self, text: &str) -> u64 {
        if let Some(place) = self.text_places.get(text) {
            return *place;
        }
        let place = self.texts.len() as u64;
        number(&mut self.texts, text.len() as u64);
        self.texts.extend(text.as_bytes());
        self.text_places.insert(text.to_owned(), place);
        place
    }

    /// 20 bytes: year, exploited, level and 1, number, probability, place of the source.
    fn threat(&mut self, cve: Cve, threat: &Threat) {
        let (level, source) = match &threat.severity {
            Some((level, source)) => (*level as u8 + 1, self.text(source)),
            None => (0, 0),
        };
        self.threats.extend(cve.year.to_le_bytes());
        self.threats.extend([threat.known_exploited.into(), level]);
        self.threats.extend(cve.number.to_le_bytes());
        self.threats.extend(threat.epss.unwrap_or(f32::NAN).to_le_bytes());
        self.threats.extend(source.to_le_bytes());
    }

    fn finish(self, count: u64) -> Image {
        let parts: [Vec<u8>; SECTIONS] =
            [self.texts, self.records, self.rows, self.packages, self.directory, self.threats];
        let sections = std::array::from_fn(|i| parts[i].len() as u64);
        debug_assert_eq!(Section::Threats as usize + 1, SECTIONS);
        Image { header: Header { count, sections }, body: parts.concat() }
    }
}

/// What a package is sorted by.
pub(super) fn key(package: &str) -> u64 {
    let digest = Sha256::digest(package.as_bytes());
    u64::from_le_bytes(std::array::from_fn(|i| digest[i]))
}

fn number(out: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        out.push(number as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}
