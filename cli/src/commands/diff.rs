//! `patchline diff A B`: two images before and after.

use std::sync::Arc;

use patchline_remediation::diff::{self, Change, Changes, Difference};
use patchline_scanner::{LayerFacts, layers::FactsFolder};

use crate::{
    Global, Output,
    config::Config,
    data::Data,
    exit::Exit,
    failure::Result,
    images::{self, Scanned},
    table::Table,
    terminal,
};

/// Compare two images: packages, findings, files, layers, size
#[derive(Debug, clap::Args)]
pub(crate) struct Diff {
    /// The first image
    before: String,
    /// The second image
    after: String,
    /// Which platform of an index [default: this machine's]
    #[arg(long)]
    platform: Option<String>,
    /// Ask no package repository: loaded advisories alone
    #[arg(long)]
    offline: bool,
    /// Name every file that differs, not only how many
    #[arg(long)]
    files: bool,
    #[command(flatten)]
    mirrors: super::MirrorFlags,
}

impl Diff {
    pub(crate) async fn run(self, global: &Global) -> Result<Exit> {
        let config = Config::load(global.config.as_deref())?;
        let data = Data::shared(Data::path(global.data.as_deref()))?;
        let registries = images::registries(&config)?;
        let apt = if self.offline { None } else { Some(self.mirrors.apt(&config, &data)?) };
        let before = images::open(&registries, &self.before, self.platform.as_deref()).await?;
        let after = images::open(&registries, &self.after, self.platform.as_deref()).await?;
        let facts: Arc<dyn LayerFacts> = Arc::new(FactsFolder::new(data.facts()));
        let image = diff::images(
            (before.repository.as_ref(), &before.manifest),
            (after.repository.as_ref(), &after.manifest),
            &facts,
        )
        .await?;
        let before = images::scan(&data, apt.as_ref(), &before).await?;
        let after = images::scan(&data, apt.as_ref(), &after).await?;
        let changes =
            Changes::of((&before.inventory, &before.report), (&after.inventory, &after.report), image);
        if global.output == Output::Json {
            super::json(&changes)?;
            return Ok(Exit::Ok);
        }
        terminal::out(&glance(&changes, (&before, &after)));
        if !changes.packages.is_empty() {
            let mut table = Table::new(&["package", "from", "to"]);
            for (package, from, to) in &changes.packages {
                table.row([package.clone(), or_none(from), or_none(to)]);
            }
            terminal::out(&format!("\n{}", table.render()));
        }
        for (word, ids) in [("gone", &changes.gone), ("left", &changes.left), ("new", &changes.new)] {
            if !ids.is_empty() {
                terminal::out(&format!("\n{word}: {}", ids.join(" ")));
            }
        }
        if self.files && !changes.image.files.is_empty() {
            terminal::out(&format!("\n{}", files(&changes.image)));
        }
        Ok(Exit::Ok)
    }
}

/// Both sides, line by line, and what became of them.
fn glance(changes: &Changes, (before, after): (&Scanned, &Scanned)) -> String {
    let Difference { before: a, after: b, shared, .. } = &changes.image;
    let grown = match (b.size.checked_sub(a.size), a.size.checked_sub(b.size)) {
        (Some(0), _) => "the same".to_owned(),
        (Some(more), _) => format!("{} more", bytes(more)),
        (None, less) => format!("{} less", bytes(less.unwrap_or_default())),
    };
    let mut table = Table::new(&["", ">before", ">after", "what differs"]);
    let mut row = |name: &str, a: String, b: String, what: String| {
        table.row([name.to_owned(), a, b, what]);
    };
    row(
        "findings",
        before.report.findings.len().to_string(),
        after.report.findings.len().to_string(),
        format!("{} gone, {} left, {} new", changes.gone.len(), changes.left.len(), changes.new.len()),
    );
    row(
        "packages",
        before.inventory.packages.len().to_string(),
        after.inventory.packages.len().to_string(),
        format!("{} differ", changes.packages.len()),
    );
    row(
        "files",
        a.files.to_string(),
        b.files.to_string(),
        format!(
            "{} added, {} changed, {} removed",
            changes.count.added, changes.count.changed, changes.count.removed
        ),
    );
    row(
        "layers",
        a.layers.len().to_string(),
        b.layers.len().to_string(),
        format!("the lowest {shared} are the same"),
    );
    row("size", bytes(a.size), bytes(b.size), grown);
    table.render()
}

fn files(difference: &Difference) -> String {
    let mut table = Table::new(&["file", "change", ">before", ">after"]);
    for file in &difference.files {
        let change = match file.change {
            Change::Added => "added".to_owned(),
            Change::Removed => "removed".to_owned(),
            Change::Changed => file.what.join(", "),
        };
        let size = |there: bool, size: u64| if there { bytes(size) } else { String::new() };
        table.row([
            format!("/{}", file.path),
            change,
            size(file.change != Change::Added, file.size.0),
            size(file.change != Change::Removed, file.size.1),
        ]);
    }
    table.render()
}

fn bytes(count: u64) -> String {
    indicatif::HumanBytes(count).to_string()
}

fn or_none(version: &str) -> String {
    if version.is_empty() { "not there".into() } else { version.into() }
}
