//! CISA's catalogue of known exploited vulnerabilities ("known_exploited_vulnerabilities.json", its own JSON schema).

use std::io::BufRead;

use serde::Deserialize;

use super::Heard;
use crate::advisories::{
    limits,
    threat::{Cve, Threat},
};

#[derive(Deserialize)]
struct Catalogue {
    #[serde(rename = "dateReleased")]
    released: Option<String>,
    vulnerabilities: Vec<Entry>,
}

#[derive(Deserialize)]
struct Entry {
    #[serde(rename = "cveID")]
    cve: String,
}

/// An error says the entry, from 0, or line and column.
pub(super) fn read(from: impl BufRead) -> Result<Heard, String> {
    let catalogue: Catalogue = serde_json::from_reader(from).map_err(|e| e.to_string())?;
    let mut heard = Heard { newest: catalogue.released, ..Heard::default() };
    let most = limits::advisories().rated;
    if catalogue.vulnerabilities.len() > most {
        return Err(format!("there are more than {most} vulnerabilities"));
    }
    for (i, entry) in catalogue.vulnerabilities.iter().enumerate() {
        let cve = Cve::parse(&entry.cve).ok_or_else(|| format!("entry {i}: `{}` is no CVE", entry.cve))?;
        heard.threats.insert(cve, Threat { known_exploited: true, ..Threat::default() });
    }
    Ok(heard)
}
