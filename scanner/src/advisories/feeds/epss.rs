//! FIRST's EPSS scores (their CSV: a comment with model and day, then `cve,epss,percentile`).

use std::io::BufRead;

use jiff::Timestamp;

use super::{Heard, csv};
use crate::advisories::{
    limits,
    threat::{Cve, Threat},
};

/// An error says the line.
pub(super) fn read(from: impl BufRead) -> Result<Heard, String> {
    let mut heard = Heard::default();
    let mut columns: Option<[usize; 2]> = None;
    csv::lines(from, |_, line| {
        if let Some(comment) = line.strip_prefix('#') {
            let day = comment.split(',').find_map(|part| part.trim().strip_prefix("score_date:"));
            heard.newest =
                day.map(|day| day.parse::<Timestamp>().map_or_else(|_| day.to_owned(), |at| at.to_string()));
            return Ok(());
        }
        let Some([cve, epss]) = columns else {
            columns = Some(csv::columns(line, ["cve", "epss"])?);
            return Ok(());
        };
        if line.is_empty() {
            return Ok(());
        }
        let fields = csv::fields(line)?;
        let field = |at: usize| fields.get(at).map_or("", |f| f.trim());
        let cve = Cve::parse(field(cve)).ok_or_else(|| format!("`{}` is no CVE", field(cve)))?;
        let chance = field(epss).parse::<f32>().ok().filter(|p| (0.0..=1.0).contains(p));
        let chance = chance.ok_or_else(|| format!("`{}` is no probability", field(epss)))?;
        heard.threats.insert(cve, Threat { epss: Some(chance), ..Threat::default() });
        if heard.threats.len() > limits::advisories().rated {
            return Err(format!("there are more than {} vulnerabilities", limits::advisories().rated));
        }
        Ok(())
    })?;
    Ok(heard)
}
