//! `patchline chain graph FILE`

use std::path::PathBuf;

use clap::ValueEnum;
use patchline_chains::draw::{self, Charset};

use super::load;
use crate::{exit::Exit, failure::Result, terminal};

/// Draw a chain's DAG
#[derive(Debug, clap::Args)]
pub(crate) struct Graph {
    /// The chain file
    file: PathBuf,
    /// How to draw it
    #[arg(long, value_enum, default_value_t)]
    format: Format,
    /// Lines of plain ASCII, also where the locale has better ones
    #[arg(long)]
    ascii: bool,
}

/// How to draw.
#[derive(Debug, Clone, Copy, Default, ValueEnum)]
pub(crate) enum Format {
    /// In the terminal.
    #[default]
    Ascii,
    /// For a page.
    Svg,
    /// Graphviz.
    Dot,
    /// Markdown.
    Mermaid,
}

impl Graph {
    pub(super) fn run(self) -> Result<Exit> {
        let charset = if self.ascii || !utf8() { Charset::Ascii } else { Charset::Unicode };
        for plan in load::plans(&[self.file])? {
            terminal::out(&match self.format {
                Format::Ascii => draw::text(&plan, charset, columns()).trim_end().to_owned(),
                Format::Svg => draw::svg(&plan),
                Format::Dot => draw::dot(&plan),
                Format::Mermaid => draw::mermaid(&plan),
            });
        }
        Ok(Exit::Ok)
    }
}

/// Whether the locale writes UTF-8: the first of these that says anything, as POSIX orders them.
fn utf8() -> bool {
    let locale = ["LC_ALL", "LC_CTYPE", "LANG"]
        .iter()
        .find_map(|name| std::env::var(name).ok().filter(|value| !value.is_empty()))
        .unwrap_or_default()
        .to_lowercase();
    locale.ends_with("utf-8") || locale.ends_with("utf8")
}

/// As the shell tells, else what most terminals have.
fn columns() -> usize {
    let told = std::env::var("COLUMNS").ok().and_then(|c| c.parse().ok());
    told.filter(|columns| (20..=1_000).contains(columns)).unwrap_or(100)
}
