//! Finding a package's advisories, or a CVE's threat, in a set.

use std::{
    collections::{BTreeMap, HashMap},
    fs::File,
    io,
    ops::Range,
    sync::Arc,
};

use super::{
    Rot,
    body::Body,
    cursor::Cursor,
    header::{Header, Section},
    write::{Image, key},
};
use crate::{
    Severity,
    advisories::{
        advisory::{Advisory, Record, Standing, Step, Turn},
        limits,
        threat::{Cve, Threat, Threats},
    },
};

/// Bytes of a package, and of a threat.
const PACKAGE: u64 = 24;
const THREAT: u64 = 20;

/// One set; any number of readers.
pub(in crate::advisories) struct Reader {
    header: Header,
    body: Body,
    shards: BTreeMap<String, Shard>,
}

/// What is said about one package.
pub(in crate::advisories) struct Said {
    /// What packages are sorted by.
    pub(in crate::advisories) key: u64,
    pub(in crate::advisories) package: Arc<str>,
    pub(in crate::advisories) advisories: Vec<Advisory>,
}

struct Shard {
    packages: Range<u64>,
    covered: bool,
}

impl Reader {
    /// A set that was just made.
    pub(in crate::advisories) fn memory(image: Image) -> Self {
        Self::new(image.header, Body::memory(image.body)).expect("its directory was written a moment ago")
    }

    /// The bytes of a file whose digest has been checked: to read all of them.
    pub(in crate::advisories) fn whole(bytes: Vec<u8>) -> Result<Self, Rot> {
        let (header, body) = Body::whole(bytes)?;
        Self::new(header, body)
    }

    /// A file whose header, sums and directory are sound; the rest is checked as it is read.
    pub(in crate::advisories) fn open(file: File) -> io::Result<Result<Self, Rot>> {
        Ok(match Body::open(file)? {
            Ok((header, body)) => Self::new(header, body),
            Err(rot) => Err(rot),
        })
    }

    fn new(header: Header, body: Body) -> Result<Self, Rot> {
        let mut shards = BTreeMap::new();
        let mut at = Cursor::new(&body, &header.section(Section::Directory), 0)?;
        let packages = header.section(Section::Packages);
        let whole = packages.end - packages.start;
        let count = at.number()?;
        for _ in 0..count {
            let (name, first, count) = (at.text()?, at.number()?, at.number()?);
            let end = count.checked_mul(PACKAGE).and_then(|length| first.checked_add(length));
            let Some(end) = end.filter(|end| *end <= whole) else {
                return Err(at.rot(format!("the packages of {name} lie outside of their section")));
            };
            shards.insert(name, Shard { packages: first..end, covered: at.byte()? != 0 });
        }
        drop(at);
        Ok(Self { header, body, shards })
    }

    /// Distinct advisories.
    pub(in crate::advisories) fn count(&self) -> u64 {
        self.header.count
    }

    pub(in crate::advisories) fn covers(&self, ecosystem: &str) -> bool {
        self.shards.get(ecosystem).is_some_and(|shard| shard.covered)
    }

    /// What is said about a package, under its normal name.
    pub(in crate::advisories) fn about(&self, ecosystem: &str, package: &str) -> Result<Vec<Advisory>, Rot> {
        let Some(shard) = self.shards.get(ecosystem) else { return Ok(Vec::new()) };
        let wanted = key(package);
        let mut known = Known::new(limits::advisories().answer);
        let mut index = self.first(Section::Packages, &shard.packages, PACKAGE, |at| {
            Ok(u64::from_le_bytes(at.exactly()?) < wanted)
        })?;
        // Names whose keys are alike stand side by side.
        while index < shard.packages.end {
            let mut at = self.at(Section::Packages, index)?;
            let [hash, place, count] = entry(&mut at)?;
            if hash != wanted {
                break;
            }
            let mut rows = self.at(Section::Rows, place)?;
            let name = self.text(&mut rows, &mut known)?;
            if *name == *package {
                return self.rows(&mut rows, count, (ecosystem.into(), name), &mut known);
            }
            index += PACKAGE;
        }
        Ok(Vec::new())
    }

    /// Everything, for a set that is made from this one.
    pub(in crate::advisories) fn all(&self) -> Result<Vec<Advisory>, Rot> {
        let mut all = Vec::new();
        let mut known = Known::new(limits::advisories().set);
        for (ecosystem, shard) in &self.shards {
            let ecosystem: Arc<str> = ecosystem.as_str().into();
            for index in shard.packages.clone().step_by(PACKAGE as usize) {
                let [_, place, count] = entry(&mut self.at(Section::Packages, index)?)?;
                let mut rows = self.at(Section::Rows, place)?;
                let name = self.text(&mut rows, &mut known)?;
                all.extend(self.rows(&mut rows, count, (ecosystem.clone(), name), &mut known)?);
            }
        }
        Ok(all)
    }

    /// The ecosystems of which something is said.
    pub(in crate::advisories) fn ecosystems(&self) -> impl Iterator<Item = &str> {
        self.shards.keys().map(String::as_str)
    }

    /// What is said about each package of an ecosystem, by ascending key; one at a time is in memory.
    pub(in crate::advisories) fn each(
        &self,
        ecosystem: &str,
    ) -> impl Iterator<Item = Result<Said, Rot>> + use<'_> {
        let packages = self.shards.get(ecosystem).map_or(0..0, |shard| shard.packages.clone());
        let ecosystem: Arc<str> = ecosystem.into();
        packages.step_by(PACKAGE as usize).map(move |index| {
            let [key, place, count] = entry(&mut self.at(Section::Packages, index)?)?;
            let mut rows = self.at(Section::Rows, place)?;
            let mut known = Known::new(limits::advisories().answer);
            let package = self.text(&mut rows, &mut known)?;
            let of = (ecosystem.clone(), package.clone());
            Ok(Said { key, package, advisories: self.rows(&mut rows, count, of, &mut known)? })
        })
    }

    /// What the feeds say of a CVE.
    pub(in crate::advisories) fn threat(&self, wanted: Cve) -> Result<Threat, Rot> {
        let section = self.header.section(Section::Threats);
        let all = 0..(section.end - section.start);
        let found = self.first(Section::Threats, &all, THREAT, |at| Ok(cve(&at.exactly()?) < wanted))?;
        if found >= all.end {
            return Ok(Threat::default());
        }
        let (cve, threat) = self.threat_at(found)?;
        Ok(if cve == wanted { threat } else { Threat::default() })
    }

    /// All of them, for a set that is made from this one.
    pub(in crate::advisories) fn threats(&self) -> Result<Threats, Rot> {
        self.each_threat().collect()
    }

    /// All of them, by CVE.
    pub(in crate::advisories) fn each_threat(&self) -> impl Iterator<Item = Result<(Cve, Threat), Rot>> {
        let section = self.header.section(Section::Threats);
        let count = (section.end - section.start) / THREAT;
        (0..count).map(|i| self.threat_at(i * THREAT))
    }

    fn threat_at(&self, place: u64) -> Result<(Cve, Threat), Rot> {
        let mut at = self.at(Section::Threats, place)?;
        let head: [u8; 8] = at.exactly()?;
        let epss = f32::from_le_bytes(at.exactly()?);
        let source = u64::from_le_bytes(at.exactly()?);
        let severity = match head[3] {
            0 => None,
            level => {
                let level = Severity::ALL.get(usize::from(level) - 1).copied();
                let level = level.ok_or_else(|| at.rot("there is no such level"))?;
                Some((level, self.at(Section::Texts, source)?.text()?))
            }
        };
        let epss = Some(epss).filter(|p| (0.0..=1.0).contains(p));
        Ok((cve(&head), Threat { known_exploited: head[2] != 0, epss, severity }))
    }

    /// The first place in a run of sorted entries at which `before` does not hold.
    fn first(
        &self,
        section: Section,
        run: &Range<u64>,
        size: u64,
        before: impl Fn(&mut Cursor<'_>) -> Result<bool, Rot>,
    ) -> Result<u64, Rot> {
        let (mut low, mut high) = (0, (run.end - run.start) / size);
        while low < high {
            let middle = low + (high - low) / 2;
            if before(&mut self.at(section, run.start + middle * size)?)? {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        Ok(run.start + low * size)
    }

    fn at(&self, section: Section, place: u64) -> Result<Cursor<'_>, Rot> {
        Cursor::new(&self.body, &self.header.section(section), place)
    }

    fn rows(
        &self,
        at: &mut Cursor<'_>,
        count: u64,
        (ecosystem, package): (Arc<str>, Arc<str>),
        known: &mut Known,
    ) -> Result<Vec<Advisory>, Rot> {
        if count > at.left() {
            return Err(at.rot(format!("{count} rows do not fit into their section")));
        }
        let mut rows = Vec::new();
        for _ in 0..count {
            let record = at.number()?;
            let record = self.record(record, known)?;
            let source = self.text(at, known)?;
            let severity = chosen(at, &Severity::ALL)?;
            let severity_source = self.text(at, known)?;
            let standing = match at.byte()? {
                0 => None,
                n => Some(
                    *Standing::ALL
                        .get(usize::from(n) - 1)
                        .ok_or_else(|| at.rot("there is no such standing"))?,
                ),
            };
            let overruled = at.list(|at| self.owned(at, known))?;
            let mut step = |at: &mut Cursor<'_>| {
                Ok(Step { turn: chosen(at, &Turn::ALL)?, version: self.owned(at, known)? })
            };
            let ranges = at.list(|at| at.list(&mut step))?;
            let versions = at.list(|at| self.owned(at, known))?;
            rows.push(Advisory {
                record,
                source,
                ecosystem: ecosystem.clone(),
                package: package.clone(),
                ranges,
                versions,
                severity,
                severity_source,
                standing,
                overruled,
            });
        }
        Ok(rows)
    }

    fn record(&self, place: u64, known: &mut Known) -> Result<Arc<Record>, Rot> {
        if let Some(record) = known.records.get(&place) {
            return Ok(record.clone());
        }
        let mut at = self.at(Section::Records, place)?;
        let id = self.owned(&mut at, known)?;
        let vulnerabilities = at.list(|at| self.owned(at, known))?;
        let aliases = at.list(|at| self.owned(at, known))?;
        let summary = match at.number()? {
            0 => None,
            place => Some(self.read(place - 1, known)?),
        };
        let published = at.number()?.checked_sub(1).and_then(|at| i64::try_from(at).ok());
        let record = Arc::new(Record { id, vulnerabilities, aliases, summary, published });
        known.records.insert(place, record.clone());
        Ok(record)
    }

    fn owned(&self, at: &mut Cursor<'_>, known: &mut Known) -> Result<String, Rot> {
        let place = at.number()?;
        self.read(place, known)
    }

    /// Many may name one long text: what is copied is counted.
    fn read(&self, place: u64, known: &mut Known) -> Result<String, Rot> {
        let mut at = self.at(Section::Texts, place)?;
        let text = at.text()?;
        known.left =
            known.left.checked_sub(text.len() as u64 + 1).ok_or_else(|| at.rot("too much is named here"))?;
        Ok(text)
    }

    /// A text that many rows share.
    fn text(&self, at: &mut Cursor<'_>, known: &mut Known) -> Result<Arc<str>, Rot> {
        let place = at.number()?;
        if let Some(text) = known.texts.get(&place) {
            return Ok(text.clone());
        }
        let text: Arc<str> = self.read(place, known)?.into();
        known.texts.insert(place, text.clone());
        Ok(text)
    }
}

/// What was read in one walk over the set.
struct Known {
    /// Bytes of text that may still be read.
    left: u64,
    texts: HashMap<u64, Arc<str>>,
    records: HashMap<u64, Arc<Record>>,
}

impl Known {
    fn new(left: u64) -> Self {
        Self { left, texts: HashMap::new(), records: HashMap::new() }
    }
}

fn entry(at: &mut Cursor<'_>) -> Result<[u64; 3], Rot> {
    let bytes: [u8; PACKAGE as usize] = at.exactly()?;
    Ok(std::array::from_fn(|field| u64::from_le_bytes(std::array::from_fn(|i| bytes[8 * field + i]))))
}

fn cve(head: &[u8; 8]) -> Cve {
    Cve {
        year: u16::from_le_bytes([head[0], head[1]]),
        number: u32::from_le_bytes([head[4], head[5], head[6], head[7]]),
    }
}

fn chosen<T: Copy>(at: &mut Cursor<'_>, of: &[T]) -> Result<T, Rot> {
    let number = at.byte()?;
    of.get(usize::from(number)).copied().ok_or_else(|| at.rot(format!("there is no choice {number}")))
}
