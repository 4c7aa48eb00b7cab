//! `patchline chain graph FILE`

use std::path::PathBuf;

use clap::ValueEnum;
use patchline_chains::draw;

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
        for plan in load::plans(&[self.file])? {
            terminal::out(&match self.format {
                Format::Ascii => draw::ascii(&plan),
                Format::Svg => draw::svg(&plan),
                Format::Dot => draw::dot(&plan),
                Format::Mermaid => draw::mermaid(&plan),
            });
        }
        Ok(Exit::Ok)
    }
}
