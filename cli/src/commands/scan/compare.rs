//! `--scanner` and `--compare`: what another scanner says of the image, and where the two disagree.

use patchline_scanner::{
    Report,
    adapters::{BUILTIN, Scanners, Subject},
    compare::{Differing, Disagreement, One, compare},
    formats::clean,
};
use serde_json::{Value, json};

use super::{colour, word};
use crate::{
    failure::{Failure, Result},
    images::{Image, Scanned},
    table::Table,
    terminal::{Colour, paint},
};

/// Lines of one part of the table.
const MOST: usize = 200;
/// Characters of a name.
const NAME: usize = 300;

/// Whether there is such a scanner.
pub(super) fn known(scanners: &Scanners, name: &str) -> Result<()> {
    if scanners.names().any(|known| known == name) {
        return Ok(());
    }
    let all: Vec<&str> = scanners.names().collect();
    let said = format!("no scanner `{}` is configured", clean(name, 100));
    Err(Failure::usage("scanner-unknown", said).hint(format!("there are: {}", all.join(", "))))
}

/// A scanner's report; our own was made before.
pub(super) async fn said_by(
    scanners: &Scanners,
    name: &str,
    image: Option<&Image>,
    scanned: &Scanned,
) -> Result<Report> {
    if name == BUILTIN {
        return Ok(scanned.report.clone());
    }
    let scanner = scanners.get(name).ok_or_else(|| Failure::usage("scanner-unknown", name))?;
    let image = image.ok_or_else(|| {
        let said = format!("{} looks into images, and this is none", clean(name, 100));
        Failure::usage("scanner-needs-image", said).hint("leave --scanner and --compare away")
    })?;
    let subject = Subject { repository: image.repository.as_ref(), inventory: &scanned.inventory };
    scanner.scan(&subject).await.map_err(|error| Failure::new(error.code(), &error))
}

/// Two reports held against each other.
pub(super) struct Compared<'a> {
    ours: &'a str,
    theirs: &'a str,
    found: Disagreement,
    /// What each of them used.
    revisions: [String; 2],
}

impl<'a> Compared<'a> {
    pub(super) fn new(ours: &'a str, report: &Report, theirs: &'a str, other: &Report) -> Self {
        let revisions = [report, other].map(|r| r.advisory_revision.clone());
        Self { ours, theirs, found: compare(report, other), revisions }
    }

    pub(super) fn json(&self) -> Result<Value> {
        let found =
            serde_json::to_value(&self.found).map_err(|error| Failure::new("output-failed", &error))?;
        Ok(json!({
            "ours": {"scanner": self.ours, "revision": self.revisions[0]},
            "theirs": {"scanner": self.theirs, "revision": self.revisions[1]},
            "disagreement": found,
        }))
    }

    /// Verdict first, then a part for each way to disagree.
    pub(super) fn text(&self, columns: usize) -> String {
        let Disagreement { both, only_ours, only_theirs, severity, fixed } = &self.found;
        let (ours, theirs) = (self.ours, self.theirs);
        let head = format!(
            "{ours} and {theirs}: {both} in both, {} only in {ours}, {} only in {theirs}; \
             {} judged differently, {} fixed differently",
            only_ours.len(),
            only_theirs.len(),
            severity.len(),
            fixed.len()
        );
        let mut lines = vec![String::new(), paint(&head, Colour::Strong)];
        if self.found.is_empty() {
            return lines.join("\n");
        }
        let names = ["severity", "id", "~package", "~installed", ours, theirs];
        let mut table = Table::new(&names).within(columns);
        let fix = |one: &One| one.fixed.as_deref().map_or("no fix".to_owned(), |fixed| clean(fixed, NAME));
        let none = || "–".to_owned();
        part(&mut table, &format!("only in {ours}"), only_ours, |one| (one, fix(one), none()));
        part(&mut table, &format!("only in {theirs}"), only_theirs, |one| (one, none(), fix(one)));
        part(&mut table, "judged differently", severity, |Differing { ours, theirs }| {
            (worse(ours, theirs), word(ours.severity).to_owned(), word(theirs.severity).to_owned())
        });
        part(&mut table, "fixed differently", fixed, |Differing { ours, theirs }| {
            (worse(ours, theirs), fix(ours), fix(theirs))
        });
        lines.extend([String::new(), table.render()]);
        lines.join("\n")
    }
}

fn worse<'a>(ours: &'a One, theirs: &'a One) -> &'a One {
    if theirs.severity > ours.severity { theirs } else { ours }
}

fn part<'t, T>(
    table: &mut Table,
    title: &str,
    all: &'t [T],
    line: impl Fn(&'t T) -> (&'t One, String, String),
) {
    if all.is_empty() {
        return;
    }
    table.line("", None);
    table.line(format!("{title}: {}", all.len()), Some(Colour::Strong));
    for (one, ours, theirs) in all.iter().take(MOST).map(line) {
        let cells =
            [word(one.severity).to_owned(), one.id.clone(), one.package.clone(), one.installed.clone()];
        let cells = cells.map(|cell| clean(&cell, NAME)).into_iter().chain([ours, theirs]);
        table.painted(colour(one.severity), cells);
    }
    if all.len() > MOST {
        table.line(format!("and {} more: --output json has them all", all.len() - MOST), Some(Colour::Quiet));
    }
}

#[cfg(test)]
#[path = "compare_tests.rs"]
mod tests;
