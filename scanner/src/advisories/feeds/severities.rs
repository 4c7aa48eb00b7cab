//! Severities by CVE from several judges: CSV with the columns `cve`, `source`, `severity`, `score` and `vector`.
//!
//! Where several judge one CVE, in this order: NVD, CISA's enrichment (ADP), the authority that gave the number (CNA),
//! GitHub, everybody else; among those of one rank the worst. A judge's vector stands above its word, and that above its
//! bare score: vectors can be checked.

use std::{collections::HashMap, io::BufRead};

use super::{Heard, csv};
use crate::{
    Severity,
    advisories::{
        cvss, limits, severity,
        threat::{Cve, Threat},
    },
};

/// An error says the line.
pub(super) fn read(from: impl BufRead) -> Result<Heard, String> {
    let mut heard = Heard::default();
    let mut columns: Option<[usize; 5]> = None;
    let mut best: HashMap<Cve, (u8, Severity)> = HashMap::new();
    csv::lines(from, |_, line| {
        let Some([cve, source, word, score, vector]) = columns else {
            columns = Some(csv::columns(line, ["cve", "source", "severity", "score", "vector"])?);
            return Ok(());
        };
        if line.is_empty() {
            return Ok(());
        }
        let fields = csv::fields(line)?;
        let field = |at: usize| fields.get(at).map_or("", |f| f.trim());
        let cve = Cve::parse(field(cve)).ok_or_else(|| format!("`{}` is no CVE", field(cve)))?;
        let level = cvss::level(field(vector))
            .map(|(_, level)| level)
            .or_else(|| severity::word(field(word)))
            .or_else(|| cvss::rated(field(score).parse().ok()?));
        let Some(level) = level else { return Ok(()) };
        let rank = rank(field(source));
        let better =
            best.get(&cve).is_none_or(|(other, worst)| rank < *other || (rank == *other && level > *worst));
        if better {
            best.insert(cve, (rank, level));
            let severity = Some((level, field(source).to_owned()));
            heard.threats.insert(cve, Threat { severity, ..Threat::default() });
        }
        if heard.threats.len() > limits::advisories().rated {
            return Err(format!("there are more than {} vulnerabilities", limits::advisories().rated));
        }
        Ok(())
    })?;
    Ok(heard)
}

fn rank(source: &str) -> u8 {
    let has = |part: &str| source.split(['-', '_', ' ']).any(|word| word.eq_ignore_ascii_case(part));
    ["nvd", "adp", "cna", "ghsa"].iter().position(|part| has(part)).unwrap_or(4) as u8
}
