//! Packages of operating systems: databases of real images with the lists that others made of them.

use serde_json::Value;

use super::{
    Fault, Figures,
    data::{self, Data, Files},
};
use crate::packages::{apk, dpkg, os_release::OTHER_FILES, rpm};

const ANALYZER: &str = "fixtures/trivy/pkg/fanal/analyzer/";
const RPM: &str = "fixtures/go-rpmdb/";

/// All of them.
pub(super) fn judge(data: &Data) -> Result<Vec<Figures>, Fault> {
    let releases =
        data.members("rootfs-dbs", |p| p.ends_with("lib/apk/db/installed") || p.ends_with(".json"))?;
    let wanted = |p: &str| {
        p.starts_with(RPM) || ["os/", "pkg/"].iter().any(|f| p.starts_with(&format!("{ANALYZER}{f}")))
    };
    let fixtures = data.members("fixtures", wanted)?;
    Ok(vec![
        alpine(&releases)?,
        apk_of_trivy(&fixtures)?,
        dpkg_of_trivy(&fixtures)?,
        rpm_lists(&fixtures)?,
        rpm_rows(&fixtures)?,
        rpm_of_trivy(&fixtures)?,
        refused(&fixtures)?,
    ])
}

fn word<'v>(value: &'v Value, key: &str) -> &'v str {
    value[key].as_str().unwrap_or_default()
}

fn array(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

/// What differs between two lists, in any order; none: nothing does.
fn unlike(mut ours: Vec<String>, mut theirs: Vec<String>) -> Option<String> {
    ours.sort();
    theirs.sort();
    let lacks: Vec<_> = theirs.iter().filter(|t| !ours.contains(t)).collect();
    let has: Vec<_> = ours.iter().filter(|o| !theirs.contains(o)).collect();
    (ours != theirs).then(|| format!("lacks {lacks:?}, has {has:?}"))
}

/// Every release's minimal root file system.
fn alpine(files: &Files) -> Result<Figures, Fault> {
    let mut figures = Figures::new("apk: Alpine's releases");
    for path in files.keys().filter(|p| p.ends_with("expected.json")) {
        let root = path.trim_end_matches("expected.json");
        let expected = data::json(files, path)?;
        let theirs: Vec<String> = array(&expected["packages"])
            .map(|p| ["name", "version", "arch", "origin"].map(|key| word(p, key)).join(" "))
            .collect();
        let Some(database) = files.get(&format!("{root}lib/apk/db/installed")) else {
            figures.unstaged.push(root.to_owned());
            continue;
        };
        let count = theirs.len();
        let missed = match apk::installed(database) {
            Ok(found) => {
                let line = |p: &apk::Installed| {
                    [&p.name, &p.version, &p.architecture, &p.origin].map(String::as_str).join(" ")
                };
                unlike(found.iter().map(line).collect(), theirs)
            }
            Err(error) => Some(format!("line {}: {}", error.line, error.reason)),
        };
        figures.judge(root.to_owned(), count, missed, || None);
    }
    Ok(figures)
}

/// Another scanner's database; licences are its own spellings there.
fn apk_of_trivy(files: &Files) -> Result<Figures, Fault> {
    let mut figures = Figures::new("apk: Trivy's fixtures");
    let folder = format!("{ANALYZER}pkg/apk/");
    let expected = data::json(files, &format!("{folder}apk_test.expected.json"))?;
    for case in array(&expected["cases"]) {
        let keys = ["Name", "Version", "Arch", "SrcName", "SrcVersion", "Digest"];
        let theirs: Vec<String> =
            array(&case["packages"]).map(|p| keys.map(|key| word(p, key)).join(" ")).collect();
        let database = files.get(&format!("{folder}testdata/apk")).ok_or("apk's database is not there")?;
        let count = theirs.len();
        let missed = match apk::installed(database) {
            Ok(found) => {
                let line = |p: &apk::Installed| {
                    let digest = p.checksum.map(|d| d.to_string()).unwrap_or_default();
                    let words = [&p.name, &p.version, &p.architecture, &p.origin, &p.version, &digest];
                    words.map(String::as_str).join(" ")
                };
                unlike(found.iter().map(line).collect(), theirs)
            }
            Err(error) => Some(format!("line {}: {}", error.line, error.reason)),
        };
        figures.judge(word(case, "case").to_owned(), count, missed, || None);
    }
    Ok(figures)
}

/// `[epoch:]version[-release]` of fields that stand apart.
fn joined(p: &Value, epoch: &str, version: &str, release: &str) -> String {
    let epoch = p[epoch].as_u64().filter(|e| *e > 0).map(|e| format!("{e}:")).unwrap_or_default();
    let release = Some(word(p, release)).filter(|r| !r.is_empty()).map(|r| format!("-{r}"));
    format!("{epoch}{}{}", word(p, version), release.unwrap_or_default())
}

/// dpkg's expectations that are not met: the case, and why.
const DPKG: [(&str, &str); 0] = [];

fn dpkg_of_trivy(files: &Files) -> Result<Figures, Fault> {
    let mut figures = Figures::new("dpkg: Trivy's fixtures");
    let folder = format!("{ANALYZER}pkg/dpkg/");
    let expected = data::json(files, &format!("{folder}dpkg_test.expected.json"))?;
    for case in array(&expected["cases"]) {
        let name = word(case, "case").to_owned();
        let input = case["inputs"][0].as_str().unwrap_or_default();
        let Some(bundle) = files.get(&format!("{folder}{input}")) else {
            figures.unstaged.push(name);
            continue;
        };
        let bundle = String::from_utf8_lossy(bundle);
        let status = bundled(&bundle, "var/lib/dpkg/status").ok_or(format!("{input} has no status"))?;
        let theirs: Vec<String> = array(&case["packages"])
            .map(|p| {
                let (version, source) = (
                    joined(p, "Epoch", "Version", "Release"),
                    joined(p, "SrcEpoch", "SrcVersion", "SrcRelease"),
                );
                format!("{} {version} {} {} {source}", word(p, "Name"), word(p, "Arch"), word(p, "SrcName"))
            })
            .collect();
        let count = theirs.len();
        let missed = match dpkg::installed(status.as_bytes(), true) {
            Ok(found) => {
                let line = |p: &dpkg::Installed| {
                    let words = [&p.name, &p.version, &p.architecture, &p.source, &p.source_version];
                    words.map(String::as_str).join(" ")
                };
                unlike(found.iter().map(line).collect(), theirs)
            }
            Err(error) => Some(format!("line {}: {}", error.line, error.reason)),
        };
        let reason = DPKG.iter().find(|(case, _)| *case == name).map(|(_, why)| *why);
        figures.judge(name, count, missed, || reason);
    }
    Ok(figures)
}

/// A file of a bundle of texts: what stands behind `-- name --`, up to the next such line.
pub(super) fn bundled<'t>(bundle: &'t str, name: &str) -> Option<&'t str> {
    let (_, rest) = bundle.split_once(&format!("-- {name} --\n"))?;
    Some(rest.split_once("\n-- ").map_or(rest, |(file, _)| file))
}

/// One package as rpm's own query lists it.
fn rpm_line(p: &rpm::Installed) -> String {
    let text = |text: &Option<String>| text.clone().unwrap_or_default();
    let epoch = p.epoch.map(|e| e.to_string()).unwrap_or_default();
    let [source, license, vendor, label] = [&p.source_rpm, &p.license, &p.vendor, &p.modularity].map(text);
    [&p.name, &epoch, &p.version, &p.release, &p.architecture, &source, &license, &vendor, &label]
        .map(String::as_str)
        .join("|")
}

fn rpm_expected(p: &Value, keys: [&str; 9]) -> String {
    let word = |key: &str| match &p[key] {
        Value::String(text) if text == "(none)" => String::new(),
        Value::String(text) => text.clone(),
        Value::Null => String::new(),
        other => other.to_string(),
    };
    keys.map(word).join("|")
}

fn rpm_read(files: &Files, path: &str, form: rpm::Form) -> Result<Vec<rpm::Installed>, Fault> {
    let packed = files.get(&format!("{RPM}{path}.zst")).map(|b| zstd::decode_all(b.as_slice()));
    let bytes = match packed {
        Some(unpacked) => unpacked.map_err(|e| format!("{path}: {e}"))?,
        None => files.get(&format!("{RPM}{path}")).cloned().ok_or(format!("{path} is not there"))?,
    };
    rpm::installed(&bytes, form).map_err(|e| format!("{path}: {e}"))
}

/// Whole lists that rpm made of its database.
fn rpm_lists(files: &Files) -> Result<Figures, Fault> {
    let mut figures = Figures::new("rpm: whole lists");
    let expected = data::json(files, &format!("{RPM}expected-lists.json"))?;
    let keys =
        ["name", "epoch", "version", "release", "arch", "sourcerpm", "license", "vendor", "modularitylabel"];
    for (name, list) in expected.as_object().into_iter().flatten() {
        // The databases of the other lists are too large to be in the folder.
        if name != "SLE15WithNDB" {
            figures.unstaged.push(name.clone());
            continue;
        }
        let theirs: Vec<String> = array(list).map(|p| rpm_expected(p, keys)).collect();
        let count = theirs.len();
        let missed = match rpm_read(files, "sle15-bci/Packages.db", rpm::Form::Ndb) {
            Ok(found) => unlike(found.iter().map(rpm_line).collect(), theirs),
            Err(error) => Some(error),
        };
        figures.judge(name.clone(), count, missed, || None);
    }
    Ok(figures)
}

/// Single packages of other databases.
fn rpm_rows(files: &Files) -> Result<Figures, Fault> {
    let mut figures = Figures::new("rpm: single packages");
    let tables = data::json(files, &format!("{RPM}rpmdb_test.tables.json"))?;
    let keys =
        ["Name", "Epoch", "Version", "Release", "Arch", "SourceRpm", "License", "Vendor", "Modularitylabel"];
    for row in array(&tables["tests_2"]) {
        let (name, package) = (word(row, "name").to_owned(), word(row, "pkgName"));
        let (file, form) = match package {
            "curl" => ("cbl-mariner-2.0/rpmdb.sqlite", rpm::Form::Sqlite),
            "libuuid" => ("libuuid/Packages", rpm::Form::BerkeleyDb),
            _ => {
                figures.unstaged.push(name);
                continue;
            }
        };
        let wanted = rpm_expected(&row["want"], keys);
        let missed = match rpm_read(files, file, form) {
            Ok(found) if found.iter().any(|p| rpm_line(p) == wanted) => None,
            Ok(found) => {
                Some(format!("{:?} and not {wanted}", found.iter().find(|p| p.name == package).map(rpm_line)))
            }
            Err(error) => Some(error),
        };
        figures.judge(name, 1, missed, || None);
    }
    Ok(figures)
}

/// Expectations whose inputs stand in the other scanner's code, not in its files.
fn rpm_of_trivy(files: &Files) -> Result<Figures, Fault> {
    let mut figures = Figures::new("rpm: Trivy's fixtures");
    for test in ["archive_test", "rpm_test", "rpmqa_test"] {
        let expected = data::json(files, &format!("{ANALYZER}pkg/rpm/{test}.expected.json"))?;
        figures.unstaged.extend(array(&expected["cases"]).map(|c| format!("{test}: {}", word(c, "case"))));
    }
    Ok(figures)
}

/// Release files that name no distribution.
fn refused(files: &Files) -> Result<Figures, Fault> {
    let mut figures = Figures::new("distributions: files that name none");
    let of = |folder: &str| match folder {
        "debian" => Some("etc/debian_version"),
        "redhatbase" => Some("etc/redhat-release"),
        "ubuntu" => Some("etc/lsb-release"),
        _ => None,
    };
    let root = format!("{ANALYZER}os/");
    let expectations = files
        .keys()
        .filter_map(|p| Some((p, p.strip_prefix(&root)?)))
        .filter(|(p, _)| p.ends_with(".expected.json"));
    for (path, rest) in expectations {
        let (folder, _) = rest.split_once('/').unwrap_or((rest, ""));
        let expected = data::json(files, path)?;
        for case in array(&expected["cases"]) {
            let title = format!("{rest}: {}", word(case, "case"));
            let input = case["inputs"][0].as_str().and_then(|i| files.get(&format!("{root}{folder}/{i}")));
            let reader = of(folder).and_then(|file| OTHER_FILES.iter().find(|(path, _)| *path == file));
            let (Some(bytes), Some((_, read))) = (input, reader) else {
                figures.unstaged.push(title);
                continue;
            };
            let missed = read(&String::from_utf8_lossy(bytes)).map(|distro| format!("{distro:?}"));
            figures.judge(title, 0, missed, || None);
        }
    }
    Ok(figures)
}
