//! A scan as people read it: verdict first, then the risk by layer, then each finding with its fix.

use std::collections::BTreeMap;

use patchline_registry::Digest;
use patchline_remediation::is_systems;
use patchline_scanner::{
    Completeness, Finding, Inventory, Report, Severity,
    formats::{self, Group, Layers, clean},
};

use super::{colour, explain, input::Input, select::findings, summary, word};
use crate::{
    table::Table,
    terminal::{self, Colour, paint},
};

/// Kinds of packages that are named one by one.
const KINDS: usize = 12;
/// Reasons, and files, that are named one by one.
const REASONS: usize = 10;
/// Characters of a name.
const NAME: usize = 300;

/// What is printed.
pub(super) struct Shown<'a> {
    /// The image as it was named.
    pub(super) name: &'a str,
    /// What is in it.
    pub(super) inventory: &'a Inventory,
    /// With every finding.
    pub(super) whole: &'a Report,
    /// Those that are wanted, in the report's order.
    pub(super) findings: &'a [Finding],
    /// Say why.
    pub(super) explain: bool,
    /// Why the image is denied.
    pub(super) denied: Option<&'a str>,
    /// Of the terminal.
    pub(super) columns: usize,
}

/// To stdout; what to do goes to stderr.
pub(super) fn print(shown: &Shown<'_>) {
    terminal::out(&text(shown));
    let fixable = shown.whole.findings.iter().filter(|f| f.fixable()).count();
    // What is not of dpkg, apk or rpm waits for whoever builds the image.
    let debs = shown.whole.findings.iter().filter(|f| f.fixable() && is_systems(f)).count();
    if debs > 0 && Input::of(shown.name) == Input::Image {
        let (have, name) = (if fixable == 1 { "has" } else { "have" }, clean(shown.name, NAME));
        let all = if debs == fixable {
            String::new()
        } else {
            format!(", {debs} of them in packages of the system")
        };
        terminal::err(&format!(
            "\n{} {have} a fix{all}: `patchline fix {name}` mends the image",
            findings(fixable)
        ));
    }
}

fn text(shown: &Shown<'_>) -> String {
    let report = shown.whole;
    let doubts = doubts(shown);
    let mut lines =
        vec![format!("{}  {}", clean(shown.name, NAME), paint(report.image.short(), Colour::Quiet))];
    lines.extend(shown.denied.map(|why| paint(why, Colour::Critical)));
    lines.extend(doubts.iter().cloned());
    lines.push(system(shown));
    let fixable = report.findings.iter().filter(|f| f.fixable()).count();
    let fixes = if report.findings.is_empty() { String::new() } else { format!("; {fixable} with a fix") };
    lines.push(format!("{}{fixes}", summary(report)));
    if !shown.inventory.unreadable.is_empty() {
        lines.extend(unreadable(shown));
    }
    if !shown.findings.is_empty() {
        let layers = Layers::of(shown.inventory);
        lines.extend([String::new(), by_layer(shown, &layers).render()]);
        lines.extend([String::new(), table(shown, &layers).render()]);
        if !doubts.is_empty() {
            lines.push(String::new());
            lines.extend(doubts);
        }
    }
    lines.join("\n")
}

/// What was not looked at, loudly; empty: everything was.
fn doubts(shown: &Shown<'_>) -> Vec<String> {
    let (title, strength) = match &shown.whole.completeness {
        Completeness::Complete => return Vec::new(),
        Completeness::Incomplete { .. } => ("INCOMPLETE", Colour::Medium),
        Completeness::Undetermined { .. } => ("UNDETERMINED", Colour::High),
    };
    let reasons: Vec<&str> = formats::reasons(&shown.whole.completeness).collect();
    let mut said: Vec<String> = reasons.iter().take(REASONS).map(|reason| clean(reason, NAME)).collect();
    if reasons.len() > said.len() {
        said.push(format!("and {} more reasons", reasons.len() - said.len()));
    }
    let mut lines = Vec::new();
    for reason in said {
        let wrapped = explain::wrapped(&format!("{title}: {reason}"), shown.columns);
        lines.extend(wrapped.iter().map(|line| paint(line, strength)));
    }
    lines
}

/// `Debian GNU/Linux 12 (bookworm), linux/amd64, 455 packages: 412 dpkg, 31 pypi, 12 npm`
fn system(shown: &Shown<'_>) -> String {
    let report = shown.whole;
    let name = report.distro.as_ref().and_then(|d| d.pretty_name.as_deref()).unwrap_or("unknown system");
    let platform = format!("{}/{}", shown.inventory.platform.os, shown.inventory.platform.architecture);
    let mut kinds: BTreeMap<&str, usize> = BTreeMap::new();
    for package in &shown.inventory.packages {
        let kind = match package.kind() {
            "deb" => "dpkg",
            "" => "of no kind",
            other => other,
        };
        *kinds.entry(kind).or_default() += 1;
    }
    let mut kinds: Vec<(&str, usize)> = kinds.into_iter().collect();
    kinds.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    let rest: usize = kinds.iter().skip(KINDS).map(|(_, count)| count).sum();
    let mut parts: Vec<String> =
        kinds.iter().take(KINDS).map(|(kind, count)| format!("{count} {}", clean(kind, 40))).collect();
    if rest > 0 {
        parts.push(format!("{rest} others"));
    }
    let s = if report.packages == 1 { "" } else { "s" };
    let of = if parts.is_empty() { String::new() } else { format!(": {}", parts.join(", ")) };
    let line = format!("{}, {}, {} package{s}{of}", clean(name, NAME), clean(&platform, 60), report.packages);
    explain::wrapped(&line, shown.columns).join("\n")
}

fn unreadable(shown: &Shown<'_>) -> Vec<String> {
    let all = &shown.inventory.unreadable;
    let (many, are) =
        if all.len() == 1 { ("1 file", "is") } else { (&*format!("{} files", all.len()), "are") };
    let line = format!("{many} that could tell of packages {are} not what the name says");
    let mut lines = vec![paint(&line, Colour::Medium)];
    if shown.explain {
        lines.extend(all.iter().take(REASONS).map(|file| format!("    {}", clean(file, NAME))));
    }
    lines
}

/// How much each layer brings, lowest first.
fn by_layer(shown: &Shown<'_>, layers: &Layers<'_>) -> Table {
    let of = |finding: &Finding| finding.layer.as_ref().and_then(|layer| layers.number(layer));
    let mut by: BTreeMap<Option<usize>, (Option<&Digest>, Vec<&Finding>)> = BTreeMap::new();
    for finding in shown.findings {
        let entry = by.entry(of(finding)).or_insert_with(|| (finding.layer.as_ref(), Vec::new()));
        entry.1.push(finding);
    }
    let columns = ["layer", "digest", ">critical", ">high", ">medium", ">low", ">others", ">with a fix"];
    let mut table = Table::new(&columns).within(shown.columns);
    for (number, (layer, findings)) in by {
        let count = |severity| findings.iter().filter(|f| f.severity == severity).count();
        let [critical, high, medium, low] =
            [Severity::Critical, Severity::High, Severity::Medium, Severity::Low].map(count);
        let others = findings.len() - critical - high - medium - low;
        let fixable = findings.iter().filter(|f| f.fixable()).count();
        let worst = findings.iter().map(|f| f.severity).max().unwrap_or(Severity::Unknown);
        let (place, digest) = match number {
            Some(number) => (format!("{number} of {}", layers.count()), layer.map_or("", Digest::short)),
            None => ("several".to_owned(), ""),
        };
        let counts = [critical, high, medium, low, others, fixable].map(|n| match n {
            0 => "–".to_owned(),
            n => n.to_string(),
        });
        table.painted(colour(worst), [place, digest.to_owned()].into_iter().chain(counts));
    }
    table
}

/// Each finding below what brings it.
fn table(shown: &Shown<'_>, layers: &Layers<'_>) -> Table {
    let columns = ["severity", "id", "~package", "~installed", "fixed in", "layer"];
    let mut table = Table::new(&columns).within(shown.columns);
    for group in formats::groups(shown.findings) {
        table.line("", None);
        table.line(heading(&group), Some(Colour::Strong));
        for finding in &group.findings {
            let layer = finding.layer.as_ref().and_then(|layer| layers.number(layer));
            let cells = [
                word(finding.severity).to_owned(),
                clean(&finding.id, NAME),
                package(finding),
                clean(&finding.installed, NAME),
                finding.fixed.as_deref().map_or_else(|| "no fix yet".to_owned(), |fixed| clean(fixed, NAME)),
                layer.map_or_else(|| "–".to_owned(), |number| format!("{number} of {}", layers.count())),
            ];
            table.painted(colour(finding.severity), cells);
            if shown.explain {
                for line in explain::lines(finding, layers, shown.columns) {
                    table.line(line, Some(Colour::Quiet));
                }
            }
        }
    }
    table
}

/// `openssl: 3 findings`, `app/a.jar and 2 more files: 1 finding`
fn heading(group: &Group<'_>) -> String {
    let what = match (group.source, group.paths) {
        (Some(source), _) => clean(source, NAME),
        (None, [first, _, ..]) => {
            let more = group.paths.len() - 1;
            format!("{} and {more} more file{}", clean(first, NAME), if more == 1 { "" } else { "s" })
        }
        (None, paths) => paths.first().map_or_else(String::new, |path| clean(path, NAME)),
    };
    format!("{what}: {}", findings(group.findings.len()))
}

/// `libssl3 +2`: the first of the packages, and how many more.
fn package(finding: &Finding) -> String {
    let first = finding.packages.first().unwrap_or(&finding.source);
    match finding.packages.len() {
        0 | 1 => clean(first, NAME),
        more => format!("{} +{}", clean(first, NAME), more - 1),
    }
}

#[cfg(test)]
#[path = "show_tests.rs"]
mod tests;
