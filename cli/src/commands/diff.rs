//! `patchline diff A B`: packages and findings of two images.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

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

/// Compare two images: packages and findings
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
    #[command(flatten)]
    mirrors: super::MirrorFlags,
}

/// What changed.
#[derive(Debug, Serialize)]
struct Changes {
    /// (package, from, to); empty text: not there.
    packages: Vec<(String, String, String)>,
    /// Findings only in the first.
    gone: Vec<String>,
    /// Findings in both.
    left: Vec<String>,
    /// Findings only in the second.
    new: Vec<String>,
}

impl Diff {
    pub(crate) async fn run(self, global: &Global) -> Result<Exit> {
        let config = Config::load(global.config.as_deref())?;
        let data = Data::shared(Data::path(global.data.as_deref()))?;
        let registries = images::registries(&config)?;
        let apt = if self.offline { None } else { Some(self.mirrors.apt(&config, &data)?) };
        let before = images::open(&registries, &self.before, self.platform.as_deref()).await?;
        let after = images::open(&registries, &self.after, self.platform.as_deref()).await?;
        let before = images::scan(&data, apt.as_ref(), &before).await?;
        let after = images::scan(&data, apt.as_ref(), &after).await?;
        let changes = compare(&before, &after);
        if global.output == Output::Json {
            super::json(&changes)?;
            return Ok(Exit::Ok);
        }
        terminal::out(&format!(
            "{} findings gone, {} left, {} new; {} packages differ",
            changes.gone.len(),
            changes.left.len(),
            changes.new.len(),
            changes.packages.len()
        ));
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
        Ok(Exit::Ok)
    }
}

fn or_none(version: &str) -> String {
    if version.is_empty() { "not there".into() } else { version.into() }
}

fn compare(before: &Scanned, after: &Scanned) -> Changes {
    let versions = |s: &Scanned| -> BTreeMap<String, String> {
        s.inventory
            .packages
            .iter()
            .map(|p| (format!("{}:{}", p.name, p.architecture), p.version.clone()))
            .collect()
    };
    let ids = |s: &Scanned| -> BTreeSet<String> {
        s.report.findings.iter().map(|f| format!("{} ({})", f.id, f.source)).collect()
    };
    let (old, new) = (versions(before), versions(after));
    let names: BTreeSet<&String> = old.keys().chain(new.keys()).collect();
    let at = |map: &BTreeMap<String, String>, name: &str| map.get(name).cloned().unwrap_or_default();
    let packages = names
        .into_iter()
        .map(|name| (name.clone(), at(&old, name), at(&new, name)))
        .filter(|(_, from, to)| from != to)
        .collect();
    let (old, new) = (ids(before), ids(after));
    Changes {
        packages,
        gone: old.difference(&new).cloned().collect(),
        left: old.intersection(&new).cloned().collect(),
        new: new.difference(&old).cloned().collect(),
    }
}
