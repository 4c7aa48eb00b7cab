//! A plan as people read it: what goes up, package by package below its source, then what cannot, then what stays.

use std::collections::BTreeMap;

use patchline_remediation::{Draft, Executor, FixPlan, Refusal, Stay, Upgrade};
use patchline_scanner::{Severity, formats::clean};

use crate::{
    commands::scan::{colour, findings, word, wrapped},
    table::Table,
    terminal::{Colour, paint},
};

/// Characters of a name.
const NAME: usize = 300;
/// Findings that are named in a line.
const NAMED: usize = 200;
/// From this width on each package says who lays it and why.
const WIDE: usize = 110;

/// The whole text, lines of at most `columns`.
pub(super) fn draft(name: &str, draft: &Draft, columns: usize) -> String {
    let plan = &draft.plan;
    let mut lines = vec![format!("{}  {}", clean(name, NAME), paint(draft.image.short(), Colour::Quiet))];
    if draft.origin != draft.image {
        let line = format!("a fixed image: it is mended from its original, {}", draft.origin.short());
        lines.extend(wrapped(&line, columns));
    }
    lines.push(clean(draft.system.as_deref().unwrap_or("unknown system"), NAME));
    if let Some(end) = &draft.end_of_life {
        let strength = if end.is_over() { Colour::High } else { Colour::Medium };
        lines.extend(wrapped(&end.to_string(), columns).iter().map(|line| paint(line, strength)));
    }
    lines.extend(wrapped(&summary(draft), columns));
    if !plan.upgrades.is_empty() {
        lines.extend([String::new(), upgrades(plan, columns).render()]);
    }
    if !plan.refused.is_empty() {
        let head = format!("{} cannot go up:", packages(plan.refused.len()));
        lines.extend([
            String::new(),
            paint(&head, Colour::Strong),
            refusals(&plan.refused, columns).render(),
        ]);
    }
    if !draft.stays.is_empty() {
        let head = format!("{} there afterwards:", are(draft.stays.len()));
        lines.extend([String::new(), paint(&head, Colour::Strong), stays(&draft.stays, columns).render()]);
    }
    lines.join("\n")
}

fn summary(draft: &Draft) -> String {
    let upgrades = &draft.plan.upgrades;
    if upgrades.is_empty() {
        return "nothing goes up".to_owned();
    }
    let mut sources: Vec<&str> = upgrades.iter().map(|u| u.source.as_str()).collect();
    sources.sort_unstable();
    sources.dedup();
    let mut ends: Vec<&String> = upgrades.iter().flat_map(|u| &u.mends).collect();
    ends.sort_unstable();
    ends.dedup();
    let s = if sources.len() == 1 { "" } else { "s" };
    let verb = if upgrades.len() == 1 { ("goes", "ends") } else { ("go", "end") };
    let how = match upgrades.iter().map(|u| u.executor).find(|executor| *executor != Executor::Native) {
        Some(Executor::EngineApi) => "in a container of the daemon",
        Some(_) => "in a sandbox",
        None => "nothing is run",
    };
    format!(
        "{} of {} source{s} {} up and {} {}; {} to fetch; {how}",
        packages(upgrades.len()),
        sources.len(),
        verb.0,
        verb.1,
        findings(ends.len()),
        bytes(draft.download),
    )
}

/// `1 package`, `7 packages`
fn packages(count: usize) -> String {
    if count == 1 { "1 package".to_owned() } else { format!("{count} packages") }
}

/// `1 finding is`, `7 findings are`
fn are(count: usize) -> String {
    format!("{} {}", findings(count), if count == 1 { "is" } else { "are" })
}

fn bytes(count: u64) -> String {
    indicatif::HumanBytes(count).to_string()
}

/// `CVE-1, CVE-2`, as many as there is room for.
fn ids<'i>(all: impl Iterator<Item = &'i str>) -> String {
    let all: Vec<String> = all.take(NAMED).map(|id| clean(id, 80)).collect();
    all.join(", ")
}

/// Below each source what of it goes up.
fn upgrades(plan: &FixPlan, columns: usize) -> Table {
    let mut by: BTreeMap<(&str, &str), Vec<&Upgrade>> = BTreeMap::new();
    for upgrade in &plan.upgrades {
        by.entry((&upgrade.source, &upgrade.repository)).or_default().push(upgrade);
    }
    let wide = columns >= WIDE;
    let mut heads = vec!["package", "from", "to", ">size", ">ends"];
    heads.extend(wide.then_some("~by, because"));
    let mut table = Table::new(&heads).within(columns);
    for ((source, repository), all) in by {
        table.line("", None);
        let mut ends: Vec<&str> = all.iter().flat_map(|u| &u.mends).map(String::as_str).collect();
        ends.sort_unstable();
        ends.dedup();
        let told = match ends.len() {
            0 => String::new(),
            count => format!(", ends {count}: {}", ids(ends.iter().copied())),
        };
        let from =
            if repository.is_empty() { String::new() } else { format!(" from {}", clean(repository, NAME)) };
        table.line(format!("{}{from}{told}", clean(source, NAME)), Some(Colour::Strong));
        let mut said: Vec<String> = Vec::new();
        for upgrade in all {
            let from = if upgrade.from.is_empty() { "new".to_owned() } else { clean(&upgrade.from, NAME) };
            let along = if upgrade.along { " (needed)" } else { "" };
            let because = format!("{}: {}", by_whom(upgrade.executor), clean(&upgrade.because, NAME));
            let mut row = vec![
                format!("{}{along}", clean(&upgrade.package, NAME)),
                from,
                clean(&upgrade.to, NAME),
                if upgrade.size == 0 { String::new() } else { bytes(upgrade.size) },
                upgrade.mends.len().to_string(),
            ];
            row.extend(wide.then(|| because.clone()));
            table.row(row);
            if !said.contains(&because) {
                said.push(because);
            }
        }
        // Native without a script is the rule; in a narrow table the rest has a line of its own.
        said.retain(|because| because != "native: no scripts");
        if !wide {
            for because in said {
                for line in wrapped(&because, columns.saturating_sub(4)) {
                    table.line(format!("    {line}"), Some(Colour::Quiet));
                }
            }
        }
    }
    table
}

fn by_whom(executor: Executor) -> &'static str {
    match executor {
        Executor::Native => "native",
        Executor::Sandbox => "sandbox",
        Executor::EngineApi => "engine-api",
    }
}

/// Each with its sentence below it.
pub(super) fn refusals(refused: &[Refusal], columns: usize) -> Table {
    let mut table = Table::new(&["package", "~installed", "~wanted", "why", ">leaves"]).within(columns);
    for r in refused {
        let to = r.to.as_deref().map_or_else(String::new, |to| clean(to, NAME));
        let leaves = r.leaves.len().to_string();
        table.row([clean(&r.package, NAME), clean(&r.from, NAME), to, r.code.clone(), leaves]);
        for line in wrapped(&clean(&r.reason, 4 * NAME), columns.saturating_sub(4)) {
            table.line(format!("    {line}"), Some(Colour::Quiet));
        }
    }
    table
}

/// By reason, worst first.
fn stays(all: &[Stay], columns: usize) -> Table {
    let mut by: BTreeMap<&str, (Severity, Vec<&Stay>)> = BTreeMap::new();
    for stay in all {
        let known = by.entry(&stay.code).or_insert((Severity::Unknown, Vec::new()));
        known.0 = known.0.max(stay.severity);
        known.1.push(stay);
    }
    let mut by: Vec<_> = by.into_iter().collect();
    by.sort_by_key(|(code, (worst, stays))| (std::cmp::Reverse((*worst, stays.len())), *code));
    let mut table = Table::new(&["worst", "why", ">findings", "~which"]).within(columns);
    for (code, (worst, stays)) in by {
        let mut which: Vec<&str> = stays.iter().map(|stay| stay.id.as_str()).collect();
        which.dedup();
        let cells =
            [word(worst).to_owned(), code.to_owned(), stays.len().to_string(), ids(which.into_iter())];
        table.painted(colour(worst), cells);
    }
    table
}

#[cfg(test)]
#[path = "show_tests.rs"]
mod tests;
