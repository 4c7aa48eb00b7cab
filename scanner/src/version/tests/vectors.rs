//! Tables that other scanners hold their orders against, read where the shared data folder is.

use std::{
    cmp::Ordering,
    collections::BTreeMap,
    io::Read,
    path::{Path, PathBuf},
};

use serde_json::Value;

use super::Order;

/// One claim of a table.
#[derive(Debug)]
pub(crate) struct Vector {
    pub(crate) order: Order,
    /// The table.
    pub(crate) table: &'static str,
    pub(crate) claim: Claim,
}

/// What is claimed.
#[derive(Debug)]
pub(crate) enum Claim {
    /// That the first stands so to the second, or that it does not.
    Pair { a: String, b: String, expected: Ordering, holds: bool },
    /// That a version is affected or not: within one of the first ranges where there are any, and in none of the others.
    Affected { name: String, version: String, vulnerable: Vec<Range>, safe: Vec<Range>, expected: bool },
}

/// Limits that all hold.
pub(crate) type Range = Vec<(String, String)>;

/// Misses that are the table's: order, the two versions in any order (or the name of a claim on ranges and its
/// version), and why.
pub(crate) const REASONS: [(Order, &[[&str; 2]], &str); 4] = [
    (Order::Composer, &[["1.0.0", "1.0"]], "version_compare alone; Composer makes 1.0.0.0 of both"),
    (
        Order::Composer,
        &[["1.2.3.#", "1.2.3.1"]],
        "1.2.3.# equals 1.2.3, which precedes 1.2.3.1: no order can have both",
    ),
    (
        Order::Pep440,
        &[["invalid version", "1.2..4"]],
        "it refuses to compare what PEP 440 does not admit; here, as to OSV, that precedes all versions",
    ),
    (
        Order::Rpm,
        &[["1-2-3-4", "1.2.3.4"], ["1-2-3-4", "1.2.3a"], ["1-2-3-4", "1.2.3b"]],
        "a bare rpmvercmp, to which a dash is a separator; in a package's version it starts the release",
    ),
];

impl Vector {
    /// Whether our order says the same; of a pair, in both directions.
    pub(crate) fn holds(&self) -> bool {
        match &self.claim {
            Claim::Pair { a, b, expected, holds } => {
                let found = self.order.compare(a, b);
                (found == *expected) == *holds && self.order.compare(b, a) == found.reverse()
            }
            Claim::Affected { version, vulnerable, safe, expected, .. } => {
                let within = |ranges: &[Range]| {
                    ranges.iter().any(|range| range.iter().all(|(op, limit)| self.within(version, op, limit)))
                };
                ((vulnerable.is_empty() || within(vulnerable)) && !within(safe)) == *expected
            }
        }
    }

    fn within(&self, version: &str, op: &str, limit: &str) -> bool {
        let found = self.order.compare(version, limit);
        match op {
            "<" => found.is_lt(),
            "<=" => found.is_le(),
            ">" => found.is_gt(),
            ">=" => found.is_ge(),
            _ => found.is_eq(),
        }
    }

    /// Why the table is wrong, where it is.
    pub(crate) fn reason(&self) -> Option<&'static str> {
        let (a, b) = match &self.claim {
            Claim::Pair { a, b, .. } => (a, b),
            Claim::Affected { name, version, .. } => (name, version),
        };
        let same = |pair: &[&str; 2]| *pair == [a, b] || *pair == [b, a];
        REASONS
            .iter()
            .find(|(order, pairs, _)| *order == self.order && pairs.iter().any(same))
            .map(|(_, _, why)| *why)
    }

    /// For people.
    pub(crate) fn name(&self) -> String {
        match &self.claim {
            Claim::Pair { a, b, expected, holds } => {
                let sign = match expected {
                    Ordering::Less => "<",
                    Ordering::Equal => "=",
                    Ordering::Greater => ">",
                };
                format!("{}: {}{a} {sign} {b}", self.table, if *holds { "" } else { "not " })
            }
            Claim::Affected { name, .. } => format!("{}: {name}", self.table),
        }
    }
}

/// The tables by path, from the shared data folder that usually lies beside the repository.
pub(crate) fn at_hand() -> Option<BTreeMap<String, String>> {
    ["../shared/data", "../../shared/data", "../../../shared/data"].iter().find_map(|p| read(Path::new(p)))
}

/// The tables by path, from a data folder: archives or unpacked. None: it has none.
pub(crate) fn read(data: &Path) -> Option<BTreeMap<String, String>> {
    let mut found = BTreeMap::new();
    if let Ok(archive) = std::fs::read(data.join("versions.tar.zst")) {
        let mut archive = tar::Archive::new(zstd::Decoder::new(archive.as_slice()).ok()?);
        for entry in archive.entries().ok()? {
            let mut entry = entry.ok()?;
            let path = entry.path().ok()?.to_string_lossy().into_owned();
            let mut text = String::new();
            if entry.header().entry_type().is_file() && entry.read_to_string(&mut text).is_ok() {
                found.insert(path, text);
            }
        }
    } else {
        let mut folders: Vec<PathBuf> = vec![data.join("versions")];
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
                let path = entry.path();
                if path.is_dir() {
                    folders.push(path);
                } else if let Ok(text) = std::fs::read_to_string(&path) {
                    found.insert(path.to_string_lossy().into_owned(), text);
                }
            }
        }
    }
    (!found.is_empty()).then_some(found)
}

/// Every claim that is one about an order. What tests how ranges are written (`^1.2`, `*`, `[1,2)`) is left out, and
/// so is what tests which versions are refused.
pub(crate) fn all(tables: &BTreeMap<String, String>) -> Vec<Vector> {
    let mut vectors = Vec::new();
    for (path, text) in tables {
        let ends = |table: &'static str| path.ends_with(table).then_some(table);
        for (file, orders) in LINES {
            if let Some(table) = ends(file) {
                orders.iter().for_each(|order| vectors.extend(lines(*order, table, text)));
            }
        }
        let json = || serde_json::from_str::<Value>(text).unwrap_or_default();
        for (file, key, order) in SIGNED {
            if let Some(table) = ends(file) {
                vectors.extend(array(&json(), key).filter_map(|row| signed(order, table, row)));
            }
        }
        for (file, order) in RANGES {
            if let Some(table) = ends(file) {
                vectors.extend(array(&json(), "tests").filter_map(|test| affected(order, table, test)));
            }
        }
        if let Some(table) = ends("go-deb-version.json") {
            for (key, expected) in DEBIAN {
                vectors.extend(array(&json(), key).filter_map(|row| debian(table, row, expected)));
            }
        }
        if let Some(table) = ends("ospkg_version_compare_test.json") {
            for (key, order) in [("tests", Order::Dpkg), ("tests_1", Order::Apk)] {
                vectors.extend(array(&json(), key).filter_map(|test| compared(order, table, test)));
            }
        }
    }
    vectors
}

/// `a < b`, a line each.
const LINES: [(&str, &[Order]); 12] = [
    ("alpine-versions.txt", &[Order::Apk]),
    ("cran-versions.txt", &[Order::Cran]),
    ("debian-versions.txt", &[Order::Dpkg]),
    ("hackage-versions.txt", &[Order::Hackage]),
    ("maven-versions.txt", &[Order::Maven]),
    ("nuget-versions.txt", &[Order::NuGet]),
    ("packagist-versions.txt", &[Order::Composer]),
    ("pub-versions.txt", &[Order::Pub]),
    ("pypi-versions.txt", &[Order::Pep440]),
    ("redhat-versions.txt", &[Order::Rpm]),
    ("rubygems-versions.txt", &[Order::Gem]),
    ("semver-versions.txt", &[Order::Npm, Order::SemVer, Order::Go]),
];

/// `[a, sign, b]`.
const SIGNED: [(&str, &str, Order); 3] = [
    ("go-apk-version-testcase.json", "cases", Order::Apk),
    ("go-rpm-version-testcase.json", "cases", Order::Rpm),
    ("go-rpm-version.json", "cases_4", Order::Rpm),
];

/// Versions within ranges.
const RANGES: [(&str, Order); 6] = [
    ("bitnami_compare_test.json", Order::Bitnami),
    ("maven_compare_test.json", Order::Maven),
    ("npm_compare_test.json", Order::Npm),
    ("pep440_compare_test.json", Order::Pep440),
    ("rubygems_compare_test.json", Order::Gem),
    ("trivy-compare/compare_test.json", Order::SemVer),
];

/// `[a, b, whether a stands so to b]`.
const DEBIAN: [(&str, Ordering); 6] = [
    ("cases", Ordering::Less),
    ("cases_3", Ordering::Equal),
    ("cases_4", Ordering::Greater),
    ("cases_5", Ordering::Less),
    ("cases_7", Ordering::Less),
    ("cases_10", Ordering::Less),
];

fn array<'a>(value: &'a Value, key: &str) -> impl Iterator<Item = &'a Value> {
    value[key].as_array().into_iter().flatten()
}

fn sign(word: &str) -> Option<Ordering> {
    match word {
        "<" | "LESS" => Some(Ordering::Less),
        "=" | "EQUAL" => Some(Ordering::Equal),
        ">" | "GREATER" => Some(Ordering::Greater),
        _ => None,
    }
}

fn pair(order: Order, table: &'static str, a: &str, expected: Ordering, b: &str, holds: bool) -> Vector {
    Vector { order, table, claim: Claim::Pair { a: a.to_owned(), b: b.to_owned(), expected, holds } }
}

fn lines(order: Order, table: &'static str, text: &str) -> Vec<Vector> {
    text.lines()
        .filter(|line| !line.starts_with("# ") && !line.starts_with("// "))
        .filter_map(|line| match line.split_whitespace().collect::<Vec<_>>()[..] {
            [a, op, b] => Some(pair(order, table, a, sign(op)?, b, true)),
            _ => None,
        })
        .collect()
}

fn signed(order: Order, table: &'static str, row: &Value) -> Option<Vector> {
    let word = row[1].as_str().or_else(|| row[1]["$ref"].as_str())?;
    Some(pair(order, table, row[0].as_str()?, sign(word)?, row[2].as_str()?, true))
}

/// A text, `[epoch, upstream, revision]`, or the same with names.
fn debian(table: &'static str, row: &Value, expected: Ordering) -> Option<Vector> {
    let version = |value: &Value| -> Option<String> {
        if let Some(text) = value.as_str() {
            return Some(text.to_owned());
        }
        let part =
            |index: usize, name: &str| if value.is_array() { &value[index] } else { &value[name] }.clone();
        let epoch = part(0, "epoch").as_u64().unwrap_or(0);
        let upstream = part(1, "upstreamVersion").as_str()?.to_owned();
        let revision = part(2, "debianRevision").as_str().map(|r| format!("-{r}")).unwrap_or_default();
        Some(format!("{epoch}:{upstream}{revision}"))
    };
    Some(pair(Order::Dpkg, table, &version(&row[0])?, expected, &version(&row[1])?, row[2].as_bool()?))
}

fn compared(order: Order, table: &'static str, test: &Value) -> Option<Vector> {
    let want = test["want"].as_i64()?.cmp(&0);
    Some(pair(order, table, test["version1"].as_str()?, want, test["version2"].as_str()?, true))
}

fn affected(order: Order, table: &'static str, test: &Value) -> Option<Vector> {
    // There a local version is left out of the comparison, which is a rule of ranges.
    if test["allowLocalSpec"] == Value::Bool(false) {
        return None;
    }
    let arguments = &test["args"];
    let version = arguments["currentVersion"].as_str().or_else(|| arguments["ver"].as_str())?;
    let ranges = |key: &str| -> Option<Vec<Range>> {
        array(&arguments["advisory"], key).map(|range| limits(range.as_str()?)).collect()
    };
    let vulnerable = ranges("VulnerableVersions")?;
    let mut safe = ranges("PatchedVersions")?;
    safe.extend(ranges("UnaffectedVersions")?);
    let name = test["name"].as_str()?.to_owned();
    let expected = test["want"].as_bool().unwrap_or(false);
    Some(Vector {
        order,
        table,
        claim: Claim::Affected { name, version: version.to_owned(), vulnerable, safe, expected },
    })
}

/// Plain limits; none: the range is written in another way.
fn limits(text: &str) -> Option<Range> {
    let text = ["<=", ">=", "==", "<", ">", "="]
        .iter()
        .fold(text.to_owned(), |t, op| t.replace(&format!("{op} "), op));
    let limits: Option<Range> = text
        .split([',', ' '])
        .filter(|limit| !limit.is_empty())
        .map(|limit| {
            let version = limit.trim_start_matches(['<', '>', '=']);
            let plain = version.starts_with(|c: char| c.is_ascii_digit())
                && version.chars().all(|c| c.is_ascii_alphanumeric() || ".-+_".contains(c))
                && !version.split('.').any(|part| part == "x");
            plain.then(|| (limit[..limit.len() - version.len()].to_owned(), version.to_owned()))
        })
        .collect();
    limits.filter(|limits| !limits.is_empty())
}
