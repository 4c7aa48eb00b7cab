//! Whether everything that both peers report is reported, and what one of them reports alone: what `docs/quality.md`
//! explains.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write as _,
    path::Path,
};

use serde_json::Value;

/// Type, name and version, and a file that tells of it.
type Packages = BTreeMap<(String, String, String), String>;

/// Writes the differences beside the reports; gives how many packages both peers report and we do not, and what each
/// of them reports alone.
pub(crate) fn compare(reports: &Path) -> (usize, usize, usize) {
    let ours = cyclonedx(&reports.join("patchline.json"));
    let (syft, trivy) = (syft(&reports.join("syft.json")), cyclonedx(&reports.join("trivy.json")));
    let only = |of: &Packages, other: &Packages, both: bool| -> Packages {
        let wanted = of.iter().filter(|(p, _)| !ours.contains_key(*p) && other.contains_key(*p) == both);
        wanted.map(|(p, path)| (p.clone(), path.clone())).collect()
    };
    let lists = [
        ("both", only(&syft, &trivy, true)),
        ("syft", only(&syft, &trivy, false)),
        ("trivy", only(&trivy, &syft, false)),
    ];
    let mut text = String::new();
    for (who, packages) in &lists {
        let _ = writeln!(text, "{who}, not here: {}", packages.len());
        for ((kind, name, version), path) in packages {
            let _ = writeln!(text, "  {kind} {name} {version} {path}");
        }
    }
    let kinds: BTreeSet<&String> =
        ours.keys().chain(syft.keys()).chain(trivy.keys()).map(|(kind, ..)| kind).collect();
    for kind in kinds {
        let of = |all: &Packages| all.keys().filter(|(k, ..)| k == kind).count();
        let _ = writeln!(text, "{kind}: here {}, syft {}, trivy {}", of(&ours), of(&syft), of(&trivy));
    }
    let to = reports.join("differences.txt");
    std::fs::write(&to, text).unwrap();
    eprintln!("differences from the peers: {}", to.display());
    (lists[0].1.len(), lists[1].1.len(), lists[2].1.len())
}

fn read(file: &Path) -> Value {
    serde_json::from_slice(&std::fs::read(file).unwrap()).unwrap()
}

fn cyclonedx(file: &Path) -> Packages {
    let document = read(file);
    let path = |component: &Value| {
        let properties = component["properties"].as_array().cloned().unwrap_or_default();
        let path = properties.iter().find(|p| p["name"].as_str().is_some_and(|n| n.ends_with("ath")));
        path.and_then(|p| p["value"].as_str()).unwrap_or_default().to_owned()
    };
    let all = document["components"].as_array().unwrap().iter();
    all.filter_map(|c| Some((key(c["purl"].as_str()?)?, path(c)))).collect()
}

fn syft(file: &Path) -> Packages {
    let document = read(file);
    let path = |a: &Value| a["locations"][0]["path"].as_str().unwrap_or_default().to_owned();
    let all = document["artifacts"].as_array().unwrap().iter();
    all.filter_map(|a| Some((key(a["purl"].as_str()?)?, path(a)))).collect()
}

/// Package URLs as different hands write them: without qualifiers and the distribution, escapes undone, names of PyPI
/// and modules of Go in one spelling.
fn key(purl: &str) -> Option<(String, String, String)> {
    let (purl, within) = purl.split_once('#').unwrap_or((purl, ""));
    let purl = purl.split('?').next()?;
    let (kind, rest) = purl.strip_prefix("pkg:")?.split_once('/')?;
    let (name, version) = rest.rsplit_once('@').filter(|(name, _)| !name.is_empty()).unwrap_or((rest, ""));
    let (mut name, mut version) = (unescaped(name), unescaped(version));
    match kind {
        "pypi" => name = name.to_lowercase().replace(['_', '.'], "-"),
        "deb" => {
            name = name.rsplit('/').next()?.to_owned();
            // Trivy puts the epoch among the qualifiers.
            version = version.split_once(':').map_or(version.clone(), |(_, rest)| rest.to_owned());
        }
        "golang" => {
            name = if within.is_empty() { name } else { format!("{name}/{within}") }.to_lowercase();
            version = version.trim_start_matches('v').to_owned();
        }
        _ => {}
    }
    Some((kind.to_owned(), name, version))
}

/// RFC 3986, 2.1.
fn unescaped(text: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = text.as_bytes();
    while let Some((first, behind)) = rest.split_first() {
        let hex = || u8::from_str_radix(std::str::from_utf8(behind.get(..2)?).ok()?, 16).ok();
        match hex().filter(|_| *first == b'%') {
            Some(byte) => {
                bytes.push(byte);
                rest = &behind[2..];
            }
            None => {
                bytes.push(*first);
                rest = behind;
            }
        }
    }
    String::from_utf8(bytes).unwrap()
}
