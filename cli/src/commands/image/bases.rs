//! `patchline image bases REF…`: which images stand on which, and whose findings are whose.

use patchline_registry::{Digest, Registries};
use patchline_remediation::{
    advise::{Base, Claim},
    apt::Apt,
    bases, tree,
};
use patchline_scanner::Finding;
use serde::Serialize;

use crate::{
    Global, Output,
    data::Data,
    failure::Result,
    images::{self, Image},
    table::Table,
    terminal,
};

/// An image that was named.
struct Named {
    name: String,
    layers: Vec<Digest>,
    /// What it says of its base.
    claim: Option<Claim>,
    /// Each finding's layer, counted from below; and whether a newer version ends it.
    findings: Vec<(Option<usize>, bool)>,
}

/// How many findings, and how many of them a newer version ends.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, Serialize)]
struct Count {
    findings: usize,
    fixable: usize,
}

/// One row.
#[derive(Debug, Serialize)]
struct Row<'a> {
    image: &'a str,
    /// The tallest of the others that it stands on.
    built_on: Option<&'a str>,
    layers: usize,
    /// In layers that it has from that base.
    of_base: Count,
    /// In its own layers.
    own: Count,
    /// What it says itself of its base.
    says: Option<Base>,
}

/// Opens, scans and groups.
pub(super) async fn run(
    global: &Global,
    registries: &Registries,
    (data, apt): (&Data, Option<&Apt>),
    names: &[String],
    platform: Option<&str>,
) -> Result<()> {
    let mut all = Vec::with_capacity(names.len());
    for name in names {
        let image = images::open(registries, name, platform).await?;
        all.push(named(name, &image, data, apt).await?);
    }
    let on = bases::stands_on(&all.iter().map(|one| one.layers.as_slice()).collect::<Vec<_>>());
    let rows: Vec<Row<'_>> = all.iter().zip(&on).map(|(one, on)| row(one, on.map(|at| &all[at]))).collect();
    match global.output {
        Output::Json => crate::commands::json(&rows)?,
        Output::Table => {
            terminal::out(&table(&rows, &on).render());
            hints(&all, &on).iter().for_each(|line| terminal::err(line));
        }
    }
    Ok(())
}

async fn named(name: &str, image: &Image, data: &Data, apt: Option<&Apt>) -> Result<Named> {
    let opened = tree::open(image.repository.as_ref(), image.manifest.as_str()).await?;
    let scanned = images::scan(data, apt, image).await?;
    let layers: Vec<&Digest> = opened.manifest.layers.iter().map(|layer| &layer.digest).collect();
    let place = |finding: &Finding| {
        let layer = finding.layer.as_ref()?;
        layers.iter().position(|known| *known == layer)
    };
    let findings = scanned.report.findings.iter().map(|finding| (place(finding), finding.fixed.is_some()));
    Ok(Named {
        name: name.to_owned(),
        findings: findings.collect(),
        claim: Claim::of(&opened.manifest.annotations, &opened.config),
        layers: opened.diff_ids,
    })
}

fn row<'a>(one: &'a Named, base: Option<&'a Named>) -> Row<'a> {
    let height = base.map_or(0, |base| base.layers.len());
    let (mut of_base, mut own) = (Count::default(), Count::default());
    for (layer, fixable) in &one.findings {
        let side = if layer.is_some_and(|at| at < height) { &mut of_base } else { &mut own };
        side.findings += 1;
        side.fixable += usize::from(*fixable);
    }
    Row {
        image: &one.name,
        built_on: base.map(|base| base.name.as_str()),
        layers: one.layers.len(),
        of_base,
        own,
        says: one.claim.clone().map(Base::unasked),
    }
}

/// Bases first, and below each what stands on it.
fn table(rows: &[Row<'_>], on: &[Option<usize>]) -> Table {
    let mut table = Table::new(&["~image", ">layers", ">of its base", ">its own", ">of these with a fix"]);
    let below = |table: &mut Table, at: usize, depth: usize| {
        let row = &rows[at];
        let name = if depth == 0 {
            row.image.to_owned()
        } else {
            format!("{}└ {}", "  ".repeat(depth - 1), row.image)
        };
        let cells = [row.layers, row.of_base.findings, row.own.findings, row.own.fixable];
        table.row([name].into_iter().chain(cells.map(|n| n.to_string())));
    };
    let mut stack: Vec<(usize, usize)> =
        (0..rows.len()).rev().filter(|at| on[*at].is_none()).map(|at| (at, 0)).collect();
    while let Some((at, depth)) = stack.pop() {
        below(&mut table, at, depth);
        stack.extend(
            (0..rows.len()).rev().filter(|child| on[*child] == Some(at)).map(|child| (child, depth + 1)),
        );
    }
    table
}

/// What to do with it.
fn hints(all: &[Named], on: &[Option<usize>]) -> Vec<String> {
    let mut lines = Vec::new();
    if on.iter().any(Option::is_some) {
        let names: Vec<&str> = all.iter().map(|one| one.name.as_str()).collect();
        lines.push(format!("mended together, each base once: patchline fix {}", names.join(" ")));
    }
    let roots: Vec<&Named> = all.iter().zip(on).filter(|(_, on)| on.is_none()).map(|(one, _)| one).collect();
    for (at, one) in roots.iter().enumerate() {
        let Some(other) = roots[..at].iter().find(|other| bases::shared(&one.layers, &other.layers) > 0)
        else {
            continue;
        };
        let shared = bases::shared(&one.layers, &other.layers);
        let says = one.claim.as_ref().or(other.claim.as_ref());
        let what =
            says.map_or_else(|| "the image that they are built on".to_owned(), |claim| claim.name.clone());
        let s = if shared == 1 { "" } else { "s" };
        lines.push(format!("{} and {} share {shared} layer{s}: name {what}, too", other.name, one.name));
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(name: &str, layers: &str, findings: &[(Option<usize>, bool)]) -> Named {
        let layers = layers.bytes().map(|layer| Digest::of(&[layer])).collect();
        Named { name: name.to_owned(), layers, claim: None, findings: findings.to_vec() }
    }

    #[test]
    fn findings_are_the_base_s_or_its_own() {
        let base = named("base:1", "ab", &[(Some(0), true)]);
        let web = named("web:1", "abc", &[(Some(0), true), (Some(1), false), (Some(2), true), (None, false)]);
        let row = row(&web, Some(&base));
        assert_eq!(row.of_base, Count { findings: 2, fixable: 1 });
        assert_eq!(row.own, Count { findings: 2, fixable: 1 }, "one of no layer is nobody else's");
    }

    #[test]
    fn a_base_stands_above_what_stands_on_it() {
        let all = [
            named("web:1", "abc", &[]),
            named("base:1", "ab", &[]),
            named("x:1", "azz", &[]),
            named("app:1", "abcd", &[]),
        ];
        let on = bases::stands_on(&all.iter().map(|one| one.layers.as_slice()).collect::<Vec<_>>());
        let rows: Vec<Row<'_>> =
            all.iter().zip(&on).map(|(one, on)| row(one, on.map(|at| &all[at]))).collect();
        let text = table(&rows, &on).render();
        let firsts: Vec<&str> = text
            .lines()
            .skip(1)
            .map(|line| line.split("  ").find(|w| !w.is_empty()).unwrap().trim())
            .collect();
        assert_eq!(firsts, ["base:1", "└ web:1", "└ app:1", "x:1"], "{text}");
        let hints = hints(&all, &on);
        assert_eq!(hints[0], "mended together, each base once: patchline fix web:1 base:1 x:1 app:1");
        assert_eq!(hints[1], "base:1 and x:1 share 1 layer: name the image that they are built on, too");
    }
}
