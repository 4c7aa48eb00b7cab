//! The Debian security tracker's JSON: for each source package, vulnerability and release whether and where it is fixed,
//! and what the security team says of it.

use std::{collections::BTreeMap, fmt, io::BufRead, sync::Arc};

use serde::{
    Deserialize, Deserializer as _,
    de::{Error as _, MapAccess, Visitor},
};

use super::Heard;
use crate::{
    Severity,
    advisories::{
        advisory::{Advisory, Record, Standing, Step, Turn},
        compile::one_line,
        limits, severity,
    },
};

/// The tracker calls releases by their names, OSV by their numbers. It drops a release when its support ends.
const RELEASES: [(&str, &str); 7] = [
    ("stretch", "9"),
    ("buster", "10"),
    ("bullseye", "11"),
    ("bookworm", "12"),
    ("trixie", "13"),
    ("forky", "14"),
    ("duke", "15"),
];

#[derive(Deserialize)]
struct Vulnerability {
    #[serde(default)]
    description: Option<String>,
    #[serde(default)]
    releases: BTreeMap<String, State>,
}

#[derive(Deserialize)]
struct State {
    status: String,
    #[serde(default)]
    fixed_version: Option<String>,
    #[serde(default)]
    urgency: Option<String>,
    /// Why there is no bulletin: a sentence.
    #[serde(default)]
    nodsa: Option<String>,
    /// `ignored`, `postponed`, or empty.
    #[serde(default)]
    nodsa_reason: Option<String>,
}

/// An error says line and column.
pub(super) fn read(from: impl BufRead) -> Result<Heard, String> {
    let mut json = serde_json::Deserializer::from_reader(from);
    let advisories = json.deserialize_map(Packages).map_err(|e| e.to_string())?;
    json.end().map_err(|e| e.to_string())?;
    Ok(Heard { advisories, ..Heard::default() })
}

/// Package by package, so that memory holds one of them beside what is kept.
struct Packages;

impl<'de> Visitor<'de> for Packages {
    type Value = Vec<Advisory>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("packages by name")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut advisories = Vec::new();
        let source: Arc<str> = "debian-tracker".into();
        let ecosystems: BTreeMap<&str, Arc<str>> =
            RELEASES.iter().map(|(name, number)| (*name, format!("Debian:{number}").into())).collect();
        while let Some(name) = map.next_key::<String>()? {
            let package: Arc<str> = name.as_str().into();
            for (id, vulnerability) in map.next_value::<BTreeMap<String, Vulnerability>>()? {
                let record = Arc::new(Record {
                    id: format!("DEBIAN-{id}"),
                    vulnerabilities: vec![id],
                    summary: vulnerability.description.as_deref().and_then(one_line),
                    ..Record::default()
                });
                for (release, state) in vulnerability.releases {
                    let Some(ecosystem) = ecosystems.get(release.as_str()) else { continue };
                    let Some(ranges) = ranges(&state) else { continue };
                    let severity = state.urgency.as_deref().and_then(severity::word);
                    advisories.push(Advisory {
                        record: record.clone(),
                        source: source.clone(),
                        ecosystem: ecosystem.clone(),
                        package: package.clone(),
                        ranges,
                        versions: Vec::new(),
                        severity: severity.unwrap_or(Severity::Unknown),
                        severity_source: severity.map_or("none", |_| "debian").into(),
                        standing: standing(&state),
                        overruled: Vec::new(),
                    });
                }
            }
            if advisories.len() > limits::advisories().statements {
                return Err(A::Error::custom(format!(
                    "there are more than {} statements",
                    limits::advisories().statements
                )));
            }
        }
        Ok(advisories)
    }
}

/// Open: affected without end. Resolved: up to the fixed version; `0`: never affected. None: nobody has looked yet.
fn ranges(state: &State) -> Option<Vec<Vec<Step>>> {
    let step = |turn, version: &str| Step { turn, version: version.to_owned() };
    match (state.status.as_str(), state.fixed_version.as_deref()) {
        ("resolved", Some("0")) => Some(Vec::new()),
        ("resolved", Some(fixed)) => Some(vec![vec![step(Turn::Introduced, "0"), step(Turn::Fixed, fixed)]]),
        ("open", _) => Some(vec![vec![step(Turn::Introduced, "0")]]),
        _ => None,
    }
}

fn standing(state: &State) -> Option<Standing> {
    if state.status != "open" {
        return None;
    }
    let urgency = state.urgency.as_deref().unwrap_or_default().trim_end_matches('*');
    match state.nodsa_reason.as_deref() {
        _ if urgency == "end-of-life" => Some(Standing::EndOfLife),
        Some("ignored") => Some(Standing::Ignored),
        Some("postponed") => Some(Standing::Postponed),
        _ => state.nodsa.is_some().then_some(Standing::NoBulletin),
    }
}
